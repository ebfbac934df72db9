"""Xero's own Python SDK, as published, does a day's work against the emulator.

Log in, list, create, change, approve, pay, read back, be refused, refresh, log out.
Usage: books.py http://127.0.0.1:PORT, with XERO_CLIENT_ID, XERO_CLIENT_SECRET and XERO_SCOPES set.
"""

import base64
import datetime
import json
import os
import sys
import time
import traceback
import urllib.parse
from contextlib import contextmanager
from decimal import Decimal

import urllib3
from xero_python.accounting import (
    Account,
    AccountingApi,
    Address,
    Contact,
    Contacts,
    Invoice,
    Invoices,
    LineAmountTypes,
    LineItem,
    Payment,
    Phone,
)
from xero_python.api_client import ApiClient
from xero_python.api_client.configuration import Configuration
from xero_python.api_client.oauth2 import OAuth2Token, TokenApi
from xero_python.exceptions import BadRequestException, NotFoundException
from xero_python.identity import IdentityApi

EMULATOR = sys.argv[1].rstrip("/")
CLIENT_ID = os.environ["XERO_CLIENT_ID"]
CLIENT_SECRET = os.environ["XERO_CLIENT_SECRET"]
SCOPES = os.environ["XERO_SCOPES"]
REDIRECT = "http://localhost:9/callback"
PAGE_SIZE = 40
TODAY = datetime.datetime.now(datetime.timezone.utc).date()

# The addresses, and nothing else, are changed.
AccountingApi.base_url = f"{EMULATOR}/api.xro/2.0"
IdentityApi.base_url = EMULATOR
TokenApi.refresh_token_url = f"{EMULATOR}/connect/token"
TokenApi.revoke_token_url = f"{EMULATOR}/connect/revocation"

tokens = {}
client = ApiClient(
    Configuration(oauth2_token=OAuth2Token(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)),
    oauth2_token_getter=lambda: dict(tokens),
    oauth2_token_saver=lambda new: (tokens.clear(), tokens.update(new)),
)
api = AccountingApi(client)


@contextmanager
def step(name):
    """Runs one step and says so, or says which one failed and ends the program."""
    try:
        yield
    except Exception:  # anything at all is a failure of the step
        print(f"  FAILED  {name}")
        traceback.print_exc(limit=-3, file=sys.stdout)
        sys.exit(1)
    print(f"  ok      {name}")


def log_in():
    """The part of OAuth that the SDK leaves to its users."""
    http = urllib3.PoolManager()
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "scope": SCOPES,
        "state": "a-state-of-the-python-test",
    }
    consent = http.request("GET", f"{EMULATOR}/identity/connect/authorize?{urllib.parse.urlencode(asked)}", redirect=False)
    assert consent.status == 302, f"the consent page answered {consent.status}"
    callback = consent.headers["location"]
    assert callback.startswith(f"{REDIRECT}?"), f"sent back to {callback}"
    answered = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(callback).query))
    assert answered["state"] == asked["state"]
    credentials = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    answer = http.request(
        "POST",
        f"{EMULATOR}/connect/token",
        headers={"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"},
        body=urllib.parse.urlencode({"grant_type": "authorization_code", "code": answered["code"], "redirect_uri": REDIRECT}),
    )
    assert answer.status == 200, answer.data
    token = json.loads(answer.data)
    tokens.update(token, scope=token["scope"].split(), expires_at=time.time() + token["expires_in"])


def every_page(get, records, key):
    """All records of all pages, after checking that the pages fit together."""
    found = {}
    total = 0
    page = 1
    while True:
        answer = get(page)
        if not getattr(answer, records):
            break
        assert answer.pagination.page == page and answer.pagination.page_size == PAGE_SIZE
        total = answer.pagination.item_count
        found.update((getattr(record, key), record) for record in getattr(answer, records))
        page += 1
    assert total > PAGE_SIZE, f"{total} {records} are no test of paging"
    assert len(found) == total, f"{len(found)} of {total} {records}"
    return list(found.values())


def line(description, quantity, unit_amount, line_item_id=None):
    """A line without tax, so that its sums are easy to see."""
    return LineItem(
        line_item_id=line_item_id,
        description=description,
        quantity=quantity,
        unit_amount=unit_amount,
        account_code=sales.code,
        tax_type="NONE",
    )


def refused(expected, call):
    """The exception of a call that must fail."""
    try:
        call()
    except expected as refusal:
        return refusal
    raise AssertionError("was accepted and should have been refused")


with step("log in by authorisation code"):
    log_in()
    assert tokens["access_token"] and tokens["refresh_token"]

with step("list the tenants"):
    connections = IdentityApi(client).get_connections()
    assert connections
    tenant = connections[0]
    assert tenant.tenant_type == "ORGANISATION"
    tenant_id = tenant.tenant_id
    organisation = api.get_organisations(tenant_id).organisations[0]
    assert organisation.organisation_id == tenant_id and organisation.name

with step("find the accounts to book on"):
    accounts = [account for account in api.get_accounts(tenant_id).accounts if account.status == "ACTIVE"]
    sales = next(account for account in accounts if account.type.value == "REVENUE" and account.code)
    bank = next(account for account in accounts if account.type.value == "BANK")

with step("list the contacts by pages"):
    contacts = every_page(
        lambda page: api.get_contacts(tenant_id, order="Name ASC", page=page, page_size=PAGE_SIZE), "contacts", "contact_id"
    )
    assert all(contact.name and isinstance(contact.updated_date_utc, datetime.datetime) for contact in contacts)

with step("list the invoices by pages, with lines"):
    invoices = every_page(
        lambda page: api.get_invoices(tenant_id, page=page, page_size=PAGE_SIZE, unitdp=4), "invoices", "invoice_id"
    )
    for invoice in invoices:
        assert invoice.type in ("ACCREC", "ACCPAY") and invoice.line_items
        assert isinstance(invoice.date, datetime.date)
        assert invoice.total == invoice.sub_total + invoice.total_tax, invoice.invoice_id
    bills = api.get_invoices(tenant_id, where='Type=="ACCPAY"', page=1).invoices
    assert bills and all(invoice.type == "ACCPAY" for invoice in bills)

with step("read the other kinds and the reports"):
    assert api.get_payments(tenant_id, page=1).payments
    assert api.get_bank_transactions(tenant_id, page=1, unitdp=4).bank_transactions
    assert api.get_credit_notes(tenant_id, page=1, unitdp=4).credit_notes
    assert api.get_prepayments(tenant_id, page=1, unitdp=4).prepayments
    assert api.get_overpayments(tenant_id, page=1, unitdp=4).overpayments
    assert api.get_tax_rates(tenant_id).tax_rates
    period = {"from_date": datetime.date(TODAY.year - 1, 12, 1), "to_date": datetime.date(TODAY.year - 1, 12, 31)}
    report = api.get_report_profit_and_loss(tenant_id, **period).reports[0]
    assert report.report_id == "ProfitAndLoss"
    assert any(row.row_type.value == "Section" and row.rows for row in report.rows)
    assert api.get_report_bank_summary(tenant_id, **period).reports[0].report_id == "BankSummary"

with step("create a contact, once per idempotency key"):
    wanted = Contact(
        name='Quotes "and" emoji 🧾 (Python)',
        email_address="ledger@example.com",
        phones=[Phone(phone_type="DEFAULT", phone_number="555 0101", phone_area_code="4")],
        addresses=[Address(address_type="STREET", address_line1="2 Main Street", city="Wellington", postal_code="6011")],
    )

    def create_contact():
        return api.create_contacts(tenant_id, Contacts(contacts=[wanted]), summarize_errors=False, idempotency_key="python-contact-1")

    contact = create_contact().contacts[0]
    assert contact.name == wanted.name
    assert any(phone.phone_number == "555 0101" and phone.phone_area_code == "4" for phone in contact.phones)
    assert create_contact().contacts[0].contact_id == contact.contact_id
    changed = api.get_contacts(tenant_id, if_modified_since=contact.updated_date_utc, where='EmailAddress=="ledger@example.com"')
    assert [found.contact_id for found in changed.contacts if found.name == contact.name] == [contact.contact_id]

with step("create a draft invoice"):
    wanted = Invoice(
        type="ACCREC",
        status="DRAFT",
        contact=Contact(contact_id=contact.contact_id),
        date=TODAY,
        due_date=TODAY,
        line_amount_types=LineAmountTypes.EXCLUSIVE,
        reference="PY-1",
        line_items=[line("Work", 2.5, 19.9999), line("Travel", 1.0, 50.0)],
    )
    created = api.create_invoices(
        tenant_id, Invoices(invoices=[wanted]), summarize_errors=False, unitdp=4, idempotency_key="python-invoice-1"
    )
    invoice = created.invoices[0]
    assert invoice.status == "DRAFT" and invoice.total == 100
    assert invoice.line_items[0].unit_amount == Decimal("19.9999")

with step("change it, keeping its lines"):
    work, travel = invoice.line_items
    change = Invoice(
        reference="PY-1 corrected",
        line_items=[line("Work", 5.0, 19.9999, work.line_item_id), line("Travel", 1.0, 50.0, travel.line_item_id)],
    )
    invoice = api.update_invoice(tenant_id, invoice.invoice_id, Invoices(invoices=[change]), unitdp=4).invoices[0]
    assert invoice.reference == "PY-1 corrected" and invoice.total == 150
    assert [item.line_item_id for item in invoice.line_items] == [work.line_item_id, travel.line_item_id]

with step("authorise it"):
    change = Invoice(status="AUTHORISED")
    invoice = api.update_invoice(tenant_id, invoice.invoice_id, Invoices(invoices=[change]), unitdp=4).invoices[0]
    assert invoice.status == "AUTHORISED" and invoice.amount_due == 150 and invoice.invoice_number

with step("pay it in two parts"):
    for amount in (100.5, 49.5):
        wanted = Payment(
            invoice=Invoice(invoice_id=invoice.invoice_id),
            account=Account(account_id=bank.account_id),
            date=TODAY,
            amount=amount,
        )
        payment = api.create_payment(tenant_id, wanted, idempotency_key=f"python-payment-{amount}").payments[0]
        assert payment.amount == Decimal(str(amount)) and payment.status == "AUTHORISED"

with step("read it back"):
    paid = api.get_invoice(tenant_id, invoice.invoice_id, unitdp=4).invoices[0]
    assert paid.status == "PAID" and paid.amount_due == 0 and paid.amount_paid == 150
    assert sorted(payment.amount for payment in paid.payments) == [Decimal("49.5"), Decimal("100.5")]
    assert paid.contact.contact_id == contact.contact_id

with step("be refused"):
    overpaid = Payment(
        invoice=Invoice(invoice_id=invoice.invoice_id),
        account=Account(account_id=bank.account_id),
        date=TODAY,
        amount=1.0,
    )
    refusal = refused(BadRequestException, lambda: api.create_payment(tenant_id, overpaid))
    assert refusal.error_data["Type"] == "ValidationException"
    assert refusal.error_data["Elements"][0]["ValidationErrors"][0]["Message"]

    nobody = Invoices(invoices=[Invoice(type="ACCREC", line_items=[line("x", 1.0, 1.0)])])
    refused(BadRequestException, lambda: api.create_invoices(tenant_id, nobody))
    element = api.create_invoices(tenant_id, nobody, summarize_errors=False).invoices[0]
    assert element.has_errors and element.validation_errors[0].message

    refused(NotFoundException, lambda: api.get_invoice(tenant_id, "00000000-0000-4000-8000-000000000000"))

with step("refresh the token"):
    before = dict(tokens)
    client.refresh_oauth2_token()
    assert tokens["access_token"] != before["access_token"] and tokens["refresh_token"] != before["refresh_token"]
    assert api.get_organisations(tenant_id).organisations[0].organisation_id == tenant_id

with step("log out"):
    client.revoke_oauth2_token()
    assert tokens["access_token"] is None
