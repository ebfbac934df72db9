// Xero's own JavaScript SDK, as published, does a day's work against the emulator: log in, list, create, change, approve,
// pay, read back, be refused, refresh, log out. Usage: node books.js http://127.0.0.1:PORT

import assert from "node:assert/strict";
import { XeroClient } from "xero-node";
import { callEmulator } from "./addresses.js";

const REDIRECT = "http://localhost:9/callback";
const PAGE_SIZE = 40;
const TODAY = new Date().toISOString().slice(0, 10);

const emulator = process.argv[2];
callEmulator(emulator);

const xero = new XeroClient({
    clientId: process.env.XERO_CLIENT_ID,
    clientSecret: process.env.XERO_CLIENT_SECRET,
    redirectUris: [REDIRECT],
    scopes: process.env.XERO_SCOPES.split(" "),
    state: "a-state-of-the-javascript-test",
    httpTimeout: 20_000,
});
const api = xero.accountingApi;

await step("log in by authorisation code", async () => {
    const consent = await fetch(await xero.buildConsentUrl(), { redirect: "manual" });
    const callback = consent.headers.get("location");
    assert.equal(consent.status, 302, `the consent page answered ${consent.status}`);
    assert.ok(callback.startsWith(`${REDIRECT}?`), `sent back to ${callback}`);
    const tokens = await xero.apiCallback(callback);
    assert.ok(tokens.access_token && tokens.refresh_token);
    assert.equal(tokens.expires_in, 1800);
});

const tenantId = await step("list the tenants", async () => {
    const tenants = await xero.updateTenants();
    assert.ok(tenants.length >= 1);
    const [tenant] = tenants;
    assert.equal(tenant.tenantType, "ORGANISATION");
    assert.equal(tenant.orgData.organisationID, tenant.tenantId);
    assert.ok(tenant.orgData.name.length > 0 && tenant.orgData.baseCurrency);
    return tenant.tenantId;
});

const { sales, bank } = await step("find the accounts to book on", async () => {
    const { accounts } = await call(api.getAccounts(tenantId));
    const active = accounts.filter((account) => account.status === "ACTIVE");
    const sales = active.find((account) => account.type === "REVENUE" && account.code);
    const bank = active.find((account) => account.type === "BANK");
    assert.ok(sales && bank);
    return { sales, bank };
});

await step("list the contacts by pages", async () => {
    const contacts = await everyPage((page) =>
        call(api.getContacts(tenantId, undefined, undefined, "Name ASC", undefined, page, false, false, undefined, PAGE_SIZE)),
        "contacts", "contactID");
    assert.ok(contacts.every((contact) => contact.name && contact.contactStatus === "ACTIVE"));
    assert.ok(contacts.every((contact) => contact.updatedDateUTC instanceof Date && !Number.isNaN(contact.updatedDateUTC.getTime())));
});

await step("list the invoices by pages, with lines", async () => {
    const invoices = await everyPage((page) => call(listInvoices({ page })), "invoices", "invoiceID");
    for (const invoice of invoices) {
        assert.ok(["ACCREC", "ACCPAY"].includes(invoice.type), invoice.type);
        assert.ok(invoice.lineItems.length > 0, `${invoice.invoiceID} has no lines`);
        // Declared as text, read by the SDK as an instant.
        assert.match(new Date(invoice.date).toISOString(), /^\d{4}-\d{2}-\d{2}T00:00:00/);
        assert.equal(cents(invoice.total), cents(invoice.subTotal) + cents(invoice.totalTax));
    }
    const { invoices: bills } = await call(listInvoices({ page: 1, where: 'Type=="ACCPAY"' }));
    assert.ok(bills.length > 0 && bills.every((invoice) => invoice.type === "ACCPAY"));
});

await step("read the other kinds and the reports", async () => {
    const none = undefined;
    // One after the other: five calls at a time are allowed.
    const kinds = {
        payments: () => api.getPayments(tenantId, none, none, none, 1),
        bankTransactions: () => api.getBankTransactions(tenantId, none, none, none, 1, 4),
        creditNotes: () => api.getCreditNotes(tenantId, none, none, none, 1, 4),
        prepayments: () => api.getPrepayments(tenantId, none, none, none, 1, 4),
        overpayments: () => api.getOverpayments(tenantId, none, none, none, 1, 4),
        taxRates: () => api.getTaxRates(tenantId),
    };
    for (const [kind, list] of Object.entries(kinds)) {
        const { [kind]: records } = await call(list());
        assert.ok(records.length > 0, `no ${kind}`);
    }
    const from = `${Number(TODAY.slice(0, 4)) - 1}-12-01`;
    const to = `${Number(TODAY.slice(0, 4)) - 1}-12-31`;
    const { reports: [profitAndLoss] } = await call(api.getReportProfitAndLoss(tenantId, from, to));
    assert.equal(profitAndLoss.reportID, "ProfitAndLoss");
    assert.ok(profitAndLoss.rows.some((row) => row.rowType === "Section" && row.rows.length > 0));
    const { reports: [bankSummary] } = await call(api.getReportBankSummary(tenantId, from, to));
    assert.equal(bankSummary.reportID, "BankSummary");
});

const contact = await step("create a contact, once per idempotency key", async () => {
    const wanted = {
        contacts: [{
            name: 'Quotes "and" emoji 🧾 (JavaScript)',
            emailAddress: "accounts@example.com",
            phones: [{ phoneType: "DEFAULT", phoneNumber: "555 0100", phoneAreaCode: "4" }],
            addresses: [{ addressType: "STREET", addressLine1: "1 Main Street", city: "Wellington", postalCode: "6011" }],
        }],
    };
    const create = () => call(api.createContacts(tenantId, wanted, false, "javascript-contact-1"));
    const [created] = (await create()).contacts;
    assert.equal(created.name, wanted.contacts[0].name);
    assert.ok(created.phones.some((phone) => phone.phoneNumber === "555 0100" && phone.phoneAreaCode === "4"));
    assert.equal((await create()).contacts[0].contactID, created.contactID);
    const where = `EmailAddress=="accounts@example.com"`;
    const { contacts } = await call(api.getContacts(tenantId, created.updatedDateUTC, where));
    assert.deepEqual(contacts.filter(({ name }) => name === created.name).map(({ contactID }) => contactID), [created.contactID]);
    return created;
});

let invoice = await step("create a draft invoice", async () => {
    const wanted = {
        type: "ACCREC",
        status: "DRAFT",
        contact: { contactID: contact.contactID },
        date: TODAY,
        dueDate: TODAY,
        lineAmountTypes: "Exclusive",
        reference: "JS-1",
        lineItems: [
            { description: "Work", quantity: 2.5, unitAmount: 19.9999, accountCode: sales.code, taxType: "NONE" },
            { description: "Travel", quantity: 1, unitAmount: 50, accountCode: sales.code, taxType: "NONE" },
        ],
    };
    const { invoices: [created] } = await call(api.createInvoices(tenantId, { invoices: [wanted] }, false, 4, "javascript-invoice-1"));
    assert.equal(created.hasErrors, false);
    assert.equal(created.status, "DRAFT");
    assert.equal(created.lineItems.length, 2);
    assert.equal(created.lineItems[0].unitAmount, 19.9999);
    assert.equal(created.total, 100);
    return created;
});

await step("change it, keeping its lines", async () => {
    const [work, travel] = invoice.lineItems;
    const change = {
        reference: "JS-1 corrected",
        lineItems: [{ lineItemID: work.lineItemID, ...onlyBookable(work), quantity: 5 }, { lineItemID: travel.lineItemID, ...onlyBookable(travel) }],
    };
    const { invoices: [changed] } = await call(api.updateInvoice(tenantId, invoice.invoiceID, { invoices: [change] }, 4));
    assert.equal(changed.reference, "JS-1 corrected");
    assert.deepEqual(changed.lineItems.map((line) => line.lineItemID), [work.lineItemID, travel.lineItemID]);
    assert.equal(changed.total, 150);
});

await step("authorise it", async () => {
    const { invoices: [authorised] } = await call(api.updateInvoice(tenantId, invoice.invoiceID, { invoices: [{ status: "AUTHORISED" }] }, 4));
    assert.equal(authorised.status, "AUTHORISED");
    assert.equal(authorised.amountDue, 150);
    assert.ok(authorised.invoiceNumber);
    invoice = authorised;
});

await step("pay it in two parts", async () => {
    for (const amount of [100.5, 49.5]) {
        const wanted = { invoice: { invoiceID: invoice.invoiceID }, account: { accountID: bank.accountID }, date: TODAY, amount };
        const { payments: [payment] } = await call(api.createPayment(tenantId, wanted, `javascript-payment-${amount}`));
        assert.equal(payment.amount, amount);
        assert.equal(payment.status, "AUTHORISED");
    }
});

await step("read it back", async () => {
    const { invoices: [paid] } = await call(api.getInvoice(tenantId, invoice.invoiceID, 4));
    assert.equal(paid.status, "PAID");
    assert.equal(paid.amountDue, 0);
    assert.equal(paid.amountPaid, 150);
    assert.deepEqual(paid.payments.map((payment) => payment.amount).sort((a, b) => a - b), [49.5, 100.5]);
    assert.equal(paid.contact.contactID, contact.contactID);
});

await step("be refused", async () => {
    const overpaid = { invoice: { invoiceID: invoice.invoiceID }, account: { accountID: bank.accountID }, date: TODAY, amount: 1 };
    const refusal = await refused(api.createPayment(tenantId, overpaid));
    assert.equal(refusal.statusCode, 400);
    assert.equal(refusal.body.Type, "ValidationException");
    assert.ok(refusal.body.Elements[0].ValidationErrors[0].Message.length > 0);

    const nobody = { invoices: [{ type: "ACCREC", lineItems: [{ description: "x", quantity: 1, unitAmount: 1 }] }] };
    const summarised = await refused(api.createInvoices(tenantId, nobody));
    assert.equal(summarised.statusCode, 400);
    const { invoices: [element] } = await call(api.createInvoices(tenantId, nobody, false));
    assert.equal(element.hasErrors, true);
    assert.ok(element.validationErrors.length > 0);

    const missing = await refused(api.getInvoice(tenantId, "00000000-0000-4000-8000-000000000000"));
    assert.equal(missing.statusCode, 404);
});

await step("refresh the token", async () => {
    const before = { ...xero.readTokenSet() };
    const after = await xero.refreshToken();
    assert.notEqual(after.access_token, before.access_token);
    assert.notEqual(after.refresh_token, before.refresh_token);
    const { organisations } = await call(api.getOrganisations(tenantId));
    assert.equal(organisations[0].organisationID, tenantId);
});

await step("log out", async () => {
    await xero.revokeToken();
    assert.equal(xero.readTokenSet().access_token, undefined);
});

/** Runs one step and says so, or says which one failed and ends the program. */
async function step(name, work) {
    try {
        const result = await work();
        console.log(`  ok      ${name}`);
        return result;
    } catch (error) {
        console.log(`  FAILED  ${name}`);
        // The SDK rejects with a JSON text instead of an error.
        console.log(typeof error === "string" ? error.slice(0, 2000) : error);
        process.exit(1);
    }
}

/** The body of the SDK's answer. */
async function call(answer) {
    return (await answer).body;
}

/** The response of a call that must fail. */
async function refused(answer) {
    try {
        await answer;
    } catch (error) {
        return JSON.parse(error).response;
    }
    throw new Error("was accepted and should have been refused");
}

/** All records of all pages, after checking that the pages fit together. */
async function everyPage(get, records, id) {
    const found = new Map();
    let total = 0;
    for (let page = 1; ; page += 1) {
        const answer = await get(page);
        if (answer[records].length === 0) {
            break;
        }
        assert.equal(answer.pagination.page, page);
        assert.equal(answer.pagination.pageSize, PAGE_SIZE);
        total = answer.pagination.itemCount;
        answer[records].forEach((record) => found.set(record[id], record));
    }
    assert.ok(total > PAGE_SIZE, `${total} ${records} are no test of paging`);
    assert.equal(found.size, total);
    return [...found.values()];
}

function listInvoices({ page, where }) {
    const none = undefined;
    return api.getInvoices(tenantId, none, where, none, none, none, none, none, page, none, none, 4, none, PAGE_SIZE);
}

/** What a caller may send back of a line that it has read. */
function onlyBookable({ description, quantity, unitAmount, accountCode, taxType }) {
    return { description, quantity, unitAmount, accountCode, taxType };
}

function cents(amount) {
    return Math.round(amount * 100);
}
