//! Each kind's table: which column holds which field.

use model::{Account, Address, Allocation, BankTransaction, Credit, Customer, Invoice, Line, Payment, Phone, TaxRate};

use crate::table::table;

table!(Account, "accounts" {
    "code": code, "name": name, "type": r#type, "class": class, "status": status, "tax_type": tax_type,
    "description": description, "system_account": system_account, "enable_payments": enable_payments,
    "bank_account_number": bank_account_number, "bank_account_type": bank_account_type, "currency": currency,
} refs {} children {});

table!(TaxRate, "tax_rates" {
    "tax_type": tax_type, "name": name, "status": status, "effective_rate": effective_rate,
    "display_rate": display_rate, "applies_to_assets": applies_to_assets, "applies_to_equity": applies_to_equity,
    "applies_to_expenses": applies_to_expenses, "applies_to_liabilities": applies_to_liabilities,
    "applies_to_revenue": applies_to_revenue,
} refs {} children {});

table!(Customer, "customers" {
    "name": name, "first_name": first_name, "last_name": last_name, "email": email, "contact_number": contact_number,
    "account_number": account_number, "tax_number": tax_number, "company_number": company_number,
    "default_currency": default_currency, "status": status, "is_customer": is_customer, "is_supplier": is_supplier,
    "merged_into": merged_into,
} refs {} children {
    phones: Phone, "customer_phones" "customer_id",
    addresses: Address, "customer_addresses" "customer_id",
});

table!(child Phone {
    "type": kind, "country_code": country_code, "area_code": area_code, "number": number,
} refs {});

table!(child Address {
    "type": kind, "attention_to": attention_to, "line1": line1, "line2": line2, "line3": line3, "line4": line4,
    "city": city, "region": region, "postal_code": postal_code, "country": country,
} refs {});

table!(child Line {
    "xero_line_id": xero_line_id, "description": description, "quantity": quantity, "unit_amount": unit_amount,
    "discount_rate": discount_rate, "discount_amount": discount_amount, "account_code": account_code,
    "tax_type": tax_type, "tax_amount": tax_amount, "line_amount": line_amount, "item_code": item_code,
    "tracking": tracking,
} refs {});

table!(Invoice, "invoices" {
    "type": r#type, "number": number, "reference": reference, "date": date, "due_date": due_date, "status": status,
    "xero_status": xero_status, "currency": currency, "currency_rate": currency_rate,
    "line_amount_types": line_amount_types, "sub_total": sub_total, "total_tax": total_tax, "total": total,
    "amount_due": amount_due, "amount_paid": amount_paid, "amount_credited": amount_credited,
    "fully_paid_on": fully_paid_on,
} refs { "customer_id": customer Customer, } children { lines: Line, "invoice_lines" "invoice_id", });

table!(Credit, "credits" {
    "type": r#type, "number": number, "reference": reference, "date": date, "status": status,
    "xero_status": xero_status, "currency": currency, "currency_rate": currency_rate,
    "line_amount_types": line_amount_types, "sub_total": sub_total, "total_tax": total_tax, "total": total,
    "remaining_credit": remaining_credit,
} refs { "customer_id": customer Customer, } children {
    lines: Line, "credit_lines" "credit_id",
    allocations: Allocation, "credit_allocations" "credit_id",
});

table!(child Allocation {
    "xero_allocation_id": xero_allocation_id, "amount": amount, "date": date,
} refs { "invoice_id": invoice Invoice, });

table!(Payment, "payments" {
    "date": date, "amount": amount, "bank_amount": bank_amount, "currency_rate": currency_rate,
    "reference": reference, "method": method, "payment_type": payment_type, "status": status,
    "xero_status": xero_status, "is_reconciled": is_reconciled,
} refs {
    "invoice_id": invoice Invoice, "credit_note_id": credit_note CreditNote, "prepayment_id": prepayment Prepayment,
    "overpayment_id": overpayment Overpayment, "account_id": account Account,
} children {});

table!(BankTransaction, "bank_transactions" {
    "type": r#type, "date": date, "reference": reference, "status": status, "xero_status": xero_status,
    "currency": currency, "currency_rate": currency_rate, "line_amount_types": line_amount_types,
    "sub_total": sub_total, "total_tax": total_tax, "total": total, "is_reconciled": is_reconciled,
} refs { "customer_id": customer Customer, "account_id": account Account, } children {
    lines: Line, "bank_transaction_lines" "bank_transaction_id",
});
