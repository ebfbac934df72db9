//! Somebody who works in Xero's own pages, for tests in process.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::emulator::Emulator;

/// A person in one organisation. Bodies are in Xero's own shape and pass Xero's own validation.
///
/// ```
/// use emulator::{Config, Emulator};
/// use serde_json::json;
///
/// let emulator = Emulator::new(Config::default());
/// let person = emulator.person(emulator.tenants()[0]);
/// let contact = person.create("Contacts", &json!({"Name": "Harbour Cafe"})).unwrap();
/// let id = contact["ContactID"].as_str().unwrap().parse().unwrap();
/// person.edit("Contacts", id, &json!({"EmailAddress": "cafe@example.test"})).unwrap();
/// assert_eq!(person.read("Contacts", id).unwrap()["EmailAddress"], "cafe@example.test");
/// let refused = person.create("Contacts", &json!({"Name": "HARBOUR CAFE"})).unwrap_err();
/// assert!(refused.starts_with("The contact name HARBOUR CAFE is already assigned"));
/// ```
#[derive(Debug, Clone)]
pub struct Person {
    emulator: Emulator,
    tenant: Uuid,
    query: String,
}

/// What a deed gives, or the message with which Xero refuses it.
type Answer = Result<Value, String>;

impl Emulator {
    /// Somebody who works in an organisation's books.
    pub fn person(&self, tenant: Uuid) -> Person {
        // Prices keep their four decimals.
        Person { emulator: self.clone(), tenant, query: "unitdp=4".into() }
    }
}

impl Person {
    /// The same person, whose edits leave every `UpdatedDateUTC` alone.
    #[must_use]
    pub fn quietly(mut self) -> Self {
        self.query.push_str("&quietly=true");
        self
    }

    /// The same person, whose edits get this `UpdatedDateUTC` (milliseconds since 1970), as imports of old records do.
    #[must_use]
    pub fn dated(mut self, updated_ms: i64) -> Self {
        self.query.push_str(&format!("&updated_ms={updated_ms}"));
        self
    }

    fn xero(&self, method: &str, path: &str, body: &Value) -> Answer {
        let path = format!("tenants/{}/xero/{path}?{}", self.tenant, self.query);
        self.emulator.control(method, &path, body)
    }

    fn deed(&self, path: &str, body: &Value) -> Answer {
        self.emulator.control("POST", &format!("tenants/{}/{path}", self.tenant), body)
    }

    /// Makes a record, e.g. of `Contacts`, `Invoices`, `Payments`, `BankTransactions`, `CreditNotes`, `Accounts`.
    ///
    /// # Errors
    /// Xero's messages.
    pub fn create(&self, endpoint: &str, body: &Value) -> Answer {
        self.xero("PUT", endpoint, body)
    }

    /// Changes the fields that are sent; the others stay.
    ///
    /// # Errors
    /// Xero's messages.
    pub fn edit(&self, endpoint: &str, id: Uuid, body: &Value) -> Answer {
        self.xero("POST", &format!("{endpoint}/{id}"), body)
    }

    /// A record as a read by id shows it.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self, endpoint: &str, id: Uuid) -> Answer {
        let rows = self.xero("GET", &format!("{endpoint}/{id}"), &Value::Null)?;
        Ok(rows[0].clone())
    }

    /// Every record of an endpoint, archived, voided and deleted ones included.
    ///
    /// # Errors
    /// For an unknown endpoint.
    pub fn list(&self, endpoint: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!(
                "tenants/{}/xero/{endpoint}?unitdp=4&includeArchived=true&pageSize=1000&page={page}",
                self.tenant
            );
            let rows = self.emulator.control("GET", &path, &Value::Null)?;
            let rows = rows.as_array().cloned().unwrap_or_default();
            // Endpoints without pages give everything every time.
            if page > 1 && rows.first() == all.first() {
                break;
            }
            let is_last = rows.len() < 1_000;
            all.extend(rows);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Archives a contact.
    ///
    /// # Errors
    /// When there is none.
    pub fn archive_contact(&self, id: Uuid) -> Answer {
        self.deed(&format!("contacts/{id}/archive"), &Value::Null)
    }

    /// Takes a contact out of the archive.
    ///
    /// # Errors
    /// When there is none, or another has its name by now.
    pub fn restore_contact(&self, id: Uuid) -> Answer {
        self.deed(&format!("contacts/{id}/restore"), &Value::Null)
    }

    /// Merges one contact into another, which takes over the documents.
    ///
    /// # Errors
    /// When either is missing or the winner is not active.
    pub fn merge_contacts(&self, loser: Uuid, winner: Uuid) -> Answer {
        let is_quiet = self.query.contains("quietly");
        self.deed(&format!("contacts/{loser}/merge"), &json!({"into": winner, "quietly": is_quiet}))
    }

    /// Voids an approved invoice, or deletes a draft.
    ///
    /// # Errors
    /// When payments or credits stand on it.
    pub fn void_invoice(&self, id: Uuid) -> Answer {
        self.deed(&format!("invoices/{id}/void"), &Value::Null)
    }

    /// Pays an invoice into account 090; without an amount all that is due.
    ///
    /// # Errors
    /// When it is not approved, or more than is due.
    pub fn pay_invoice(&self, id: Uuid, amount: Option<&str>) -> Result<Uuid, String> {
        let body = amount.map_or_else(|| json!({}), |amount| json!({"amount": amount}));
        let made = self.deed(&format!("invoices/{id}/pay"), &body)?;
        made["payment_id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| "no payment was made".into())
    }

    /// Takes a payment back.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_payment(&self, id: Uuid) -> Answer {
        self.deed(&format!("payments/{id}/delete"), &Value::Null)
    }

    /// Marks a payment as matched to the bank statement, or takes the mark off.
    ///
    /// # Errors
    /// When there is none.
    pub fn reconcile_payment(&self, id: Uuid, is_reconciled: bool) -> Answer {
        let deed = if is_reconciled { "reconcile" } else { "unreconcile" };
        self.deed(&format!("payments/{id}/{deed}"), &Value::Null)
    }

    /// Marks a bank transaction as matched to the bank statement, or takes the mark off.
    ///
    /// # Errors
    /// When there is none.
    pub fn reconcile_bank_transaction(&self, id: Uuid, is_reconciled: bool) -> Answer {
        let deed = if is_reconciled { "reconcile" } else { "unreconcile" };
        self.deed(&format!("bank-transactions/{id}/{deed}"), &Value::Null)
    }

    /// Sets or clears the lock dates (`2026-03-31`).
    ///
    /// # Errors
    /// For what is no date.
    pub fn set_lock_dates(&self, period: Option<&str>, end_of_year: Option<&str>) -> Answer {
        self.deed("lock-dates", &json!({"period": period, "end_of_year": end_of_year}))
    }

    /// Gives the organisation another name.
    ///
    /// # Errors
    /// For an empty one.
    pub fn rename_organisation(&self, name: &str) -> Answer {
        self.deed("organisation", &json!({"name": name}))
    }

    /// Subscribes to a currency, or ends the subscription.
    ///
    /// # Errors
    /// For the base currency, and for what is no currency.
    pub fn subscribe_currency(&self, code: &str, is_wanted: bool) -> Answer {
        let deed = if is_wanted { "subscribe" } else { "unsubscribe" };
        self.deed(&format!("currencies/{code}/{deed}"), &Value::Null)
    }

    /// Archives an account, by its id or code.
    ///
    /// # Errors
    /// When there is none.
    pub fn archive_account(&self, account: &str) -> Answer {
        self.deed(&format!("accounts/{account}/archive"), &Value::Null)
    }

    /// Gives a record of any kind another `UpdatedDateUTC`, older ones included.
    ///
    /// # Errors
    /// When there is none.
    pub fn backdate(&self, id: Uuid, updated_ms: i64) -> Answer {
        self.deed(&format!("records/{id}/backdate"), &json!({"updated_ms": updated_ms}))
    }
}
