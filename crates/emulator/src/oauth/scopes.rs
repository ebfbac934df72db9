//! Scopes: which exist, which an application may ask for, and what each route needs.

/// Scopes with a `.read` variant.
const PAIRED: [&str; 7] = [
    "accounting.invoices",
    "accounting.payments",
    "accounting.banktransactions",
    "accounting.manualjournals",
    "accounting.settings",
    "accounting.contacts",
    "accounting.attachments",
];

/// Scopes without one.
const SINGLE: [&str; 16] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "app.connections",
    "accounting.budgets.read",
    "accounting.journals.read",
    "accounting.reports.tenninetynine.read",
    "accounting.reports.aged.read",
    "accounting.reports.balancesheet.read",
    "accounting.reports.banksummary.read",
    "accounting.reports.budgetsummary.read",
    "accounting.reports.executivesummary.read",
    "accounting.reports.profitandloss.read",
    "accounting.reports.trialbalance.read",
    "accounting.reports.taxreports.read",
];

/// Broad scopes of older applications, gone for new ones.
const BROAD: [&str; 3] = ["accounting.transactions", "accounting.transactions.read", "accounting.reports.read"];

/// Whether a scope exists for applications of this kind.
pub(super) fn exists(scope: &str, takes_broad: bool) -> bool {
    SINGLE.contains(&scope)
        || PAIRED.contains(&scope.strip_suffix(".read").unwrap_or(scope))
        || (takes_broad && BROAD.contains(&scope))
}

/// Whether one of the granted scopes allows an endpoint. `area` is the granular name without `accounting.`, such as
/// `invoices` or `reports.banksummary`.
pub(crate) fn allows(granted: &[String], area: &str, is_write: bool) -> bool {
    let has = |scope: &str| granted.iter().any(|own| own == scope);
    if let Some(report) = area.strip_prefix("reports.") {
        return has(&format!("accounting.reports.{report}.read")) || has("accounting.reports.read");
    }
    let write = format!("accounting.{area}");
    let is_transaction = matches!(area, "invoices" | "payments" | "banktransactions" | "manualjournals");
    let broad = |scope: &str| is_transaction && has(scope);
    has(&write)
        || broad("accounting.transactions")
        || (!is_write && (has(&format!("{write}.read")) || broad("accounting.transactions.read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn read_scopes_read_and_write_scopes_do_both() {
        let read = granted(&["accounting.invoices.read"]);
        assert!(allows(&read, "invoices", false));
        assert!(!allows(&read, "invoices", true));
        assert!(!allows(&read, "payments", false));
        assert!(allows(&granted(&["accounting.invoices"]), "invoices", false));
        assert!(allows(&granted(&["accounting.transactions"]), "payments", true));
        assert!(allows(&granted(&["accounting.reports.banksummary.read"]), "reports.banksummary", false));
        assert!(!allows(&granted(&["accounting.reports.banksummary.read"]), "reports.profitandloss", false));
    }

    #[test]
    fn broad_scopes_exist_for_older_applications_only() {
        assert!(!exists("accounting.transactions", false));
        assert!(exists("accounting.transactions", true));
        assert!(exists("accounting.settings.read", false));
        assert!(!exists("accounting.balancesheets.read", false));
    }
}
