//! The organisation and what documents refer to.

use super::{Object, push_object};
use crate::books::{
    Account, AccountClass, AccountType, BrandingTheme, Currency, Organisation, ReferenceStatus, TaxRate,
    TrackingCategory,
};
use crate::dates;

/// An account.
pub(crate) fn account(out: &mut Vec<u8>, row: &Account) {
    push_object(out, |object| account_keys(object, row));
}

/// The keys of an account, in an object that the caller may add to.
pub(crate) fn account_keys(object: &mut Object<'_>, row: &Account) {
    object.id("AccountID", row.id);
    object.text_if("Code", row.code.as_deref());
    object.text("Name", &row.name);
    object.text("Status", row.status.as_str());
    object.text("Type", row.kind.as_str());
    object.text("TaxType", &row.tax_type);
    object.text_if("Description", row.description.as_deref());
    object.text("Class", row.kind.class().as_str());
    object.text_if("SystemAccount", row.system_account.as_deref());
    object.flag("EnablePaymentsToAccount", row.enable_payments);
    object.flag("ShowInExpenseClaims", row.show_in_expense_claims);
    if row.kind == AccountType::Bank {
        object.text_or_empty("BankAccountNumber", row.bank_account_number.as_deref());
        object.text_or_empty("BankAccountType", row.bank_account_type.as_deref());
        if let Some(currency) = row.currency {
            object.text("CurrencyCode", currency.as_str());
        }
    }
    object.text_if("ReportingCode", row.reporting_code.as_deref());
    object.text_if("ReportingCodeName", row.reporting_code_name.as_deref());
    object.flag("HasAttachments", false);
    object.instant("UpdatedDateUTC", row.updated);
    object.flag("AddToWatchlist", row.add_to_watchlist);
}

/// A tax rate.
pub(crate) fn tax_rate(out: &mut Vec<u8>, row: &TaxRate) {
    push_object(out, |object| {
        object.text("Name", &row.name);
        object.text("TaxType", &row.tax_type);
        object.text("ReportTaxType", &row.report_tax_type);
        for (key, class) in [
            ("CanApplyToAssets", AccountClass::Asset),
            ("CanApplyToEquity", AccountClass::Equity),
            ("CanApplyToExpenses", AccountClass::Expense),
            ("CanApplyToLiabilities", AccountClass::Liability),
            ("CanApplyToRevenue", AccountClass::Revenue),
        ] {
            object.flag(key, row.applies_to.contains(&class));
        }
        object.amount("DisplayTaxRate", row.display_rate);
        object.amount("EffectiveRate", row.effective_rate);
        object.text("Status", row.status.as_str());
        object.array("TaxComponents", &row.components, |out, part| {
            push_object(out, |inner| {
                inner.text("Name", &part.name);
                inner.amount("Rate", part.rate);
                inner.flag("IsCompound", part.is_compound);
                inner.flag("IsNonRecoverable", part.is_non_recoverable);
            });
        });
    });
}

/// A subscribed currency.
pub(crate) fn currency(out: &mut Vec<u8>, row: &Currency) {
    push_object(out, |object| {
        object.text("Code", row.code.as_str());
        object.text("Description", &row.description);
    });
}

/// A tracking category with its options, archived ones only on request.
pub(crate) fn tracking_category(out: &mut Vec<u8>, row: &TrackingCategory, with_archived: bool) {
    push_object(out, |object| {
        object.text("Name", &row.name);
        object.text("Status", row.status.as_str());
        object.id("TrackingCategoryID", row.id);
        let shown = row.options.iter().filter(|option| with_archived || option.status == ReferenceStatus::Active);
        object.array("Options", shown, |out, option| {
            push_object(out, |inner| {
                inner.id("TrackingOptionID", option.id);
                inner.text("Name", &option.name);
                inner.text("Status", option.status.as_str());
                inner.flag("HasValidationErrors", false);
                inner.flag("IsDeleted", option.status == ReferenceStatus::Deleted);
                inner.flag("IsArchived", option.status == ReferenceStatus::Archived);
                inner.flag("IsActive", option.status == ReferenceStatus::Active);
            });
        });
    });
}

/// A branding theme at its place in the list.
pub(crate) fn branding_theme(out: &mut Vec<u8>, row: &BrandingTheme, place: usize) {
    push_object(out, |object| {
        object.id("BrandingThemeID", row.id);
        object.text("Name", &row.name);
        object.whole("SortOrder", i64::try_from(place).unwrap_or(i64::MAX));
        object.instant("CreatedDateUTC", row.created);
    });
}

/// The organisation.
pub(crate) fn organisation(out: &mut Vec<u8>, row: &Organisation) {
    push_object(out, |object| {
        object.text("Name", &row.name);
        object.text("LegalName", &row.legal_name);
        object.flag("PaysTax", true);
        object.text("Version", &row.country_code);
        object.text("OrganisationType", "COMPANY");
        object.text("BaseCurrency", row.base_currency.as_str());
        object.text("CountryCode", &row.country_code);
        object.flag("IsDemoCompany", row.is_demo);
        object.text("OrganisationStatus", "ACTIVE");
        object.whole("FinancialYearEndDay", i64::from(row.financial_year_end_day));
        object.whole("FinancialYearEndMonth", i64::from(row.financial_year_end_month));
        object.text("SalesTaxBasis", &row.sales_tax_basis);
        object.text("SalesTaxPeriod", "TWOMONTHS");
        object.text("DefaultSalesTax", "Tax Exclusive");
        object.text("DefaultPurchasesTax", "Tax Inclusive");
        if let Some(lock) = row.period_lock_date {
            object.date("PeriodLockDate", lock);
        }
        if let Some(lock) = row.end_of_year_lock_date {
            object.date("EndOfYearLockDate", lock);
        }
        dates::push_ms_bare(object.key("CreatedDateUTC"), row.created);
        object.text("OrganisationEntityType", "COMPANY");
        object.text("Timezone", &row.timezone);
        object.text("ShortCode", &row.short_code);
        object.id("OrganisationID", row.id);
        object.text("Edition", "BUSINESS");
        object.text("Class", if row.is_demo { "DEMO" } else { "PREMIUM" });
        object.no(&["Addresses", "Phones", "ExternalLinks"]);
        object.object("PaymentTerms", |_| {});
    });
}

/// What the application may do in the organisation.
pub(crate) fn actions(out: &mut Vec<u8>, row: &Organisation, is_multicurrency: bool) {
    const ACTIONS: [(&str, bool); 14] = [
        ("CreateApprovedInvoice", true),
        ("CreateDraftPurchaseOrder", true),
        ("CreateApprovedBill", true),
        ("AttachFilesIntoInvoice", true),
        ("UseMulticurrency", true),
        ("CreateDraftInvoice", true),
        ("CreateRepeatingInvoice", true),
        ("CreateRepeatingBill", true),
        ("CreateSentQuote", true),
        ("CreateInvoicePayment", true),
        ("CreateApprovedPurchaseOrder", true),
        ("CreateDraftQuote", true),
        ("AttachFilesIntoQuote", true),
        ("ApproveTransactionsBeforePeriodLockDate", false),
    ];
    let is_allowed = |name: &str, usual: bool| match name {
        "UseMulticurrency" => is_multicurrency,
        // Without a lock date there is nothing to approve before.
        "ApproveTransactionsBeforePeriodLockDate" => row.period_lock_date.is_none(),
        _ => usual,
    };
    super::push_array(out, ACTIONS, |out, (name, usual)| {
        push_object(out, |object| {
            object.text("Name", name);
            object.text("Status", if is_allowed(name, usual) { "ALLOWED" } else { "NOT-ALLOWED" });
        });
    });
}
