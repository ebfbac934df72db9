//! Which scopes may be asked for (xero-facts §1.6): Xero gives apps granular scopes; a wrong one fails the whole consent,
//! on Xero's page, without saying which it was. So it is said here.

/// With a `.read` variant.
const PAIRED: [&str; 7] =
    ["invoices", "payments", "banktransactions", "manualjournals", "settings", "contacts", "attachments"];

/// Exactly these.
const SINGLE: [&str; 8] = [
    "openid",
    "profile",
    "email",
    "offline_access",
    "app.connections",
    "accounting.budgets.read",
    "accounting.journals.read",
    "accounting.reports.tenninetynine.read",
];

/// One report each.
const REPORTS: [&str; 8] = [
    "aged",
    "balancesheet",
    "banksummary",
    "budgetsummary",
    "executivesummary",
    "profitandloss",
    "trialbalance",
    "taxreports",
];

/// Broad scopes, and what took their place.
const BROAD: [(&str, &str); 3] = [
    ("accounting.transactions", "accounting.invoices accounting.payments accounting.banktransactions"),
    (
        "accounting.transactions.read",
        "accounting.invoices.read accounting.payments.read accounting.banktransactions.read",
    ),
    ("accounting.reports.read", "accounting.reports.profitandloss.read accounting.reports.banksummary.read"),
];

/// Reads a list of scopes, separated by spaces; the error names the first wrong one.
pub(super) fn parse(text: &str) -> Result<Vec<String>, String> {
    let scopes: Vec<String> = text.split_ascii_whitespace().map(str::to_owned).collect();
    for scope in &scopes {
        if let Some((broad, granular)) = BROAD.iter().find(|(broad, _)| broad == scope) {
            return Err(format!("{broad} is a broad scope that Xero no longer gives to apps: write {granular}"));
        }
        if !exists(scope) {
            return Err(format!("Xero has no scope {scope:?}: use granular scopes such as accounting.invoices"));
        }
    }
    if !scopes.iter().any(|scope| scope == "offline_access") {
        return Err(
            "offline_access is missing: without it Xero gives no refresh token, and sync ends after 30 minutes".into(),
        );
    }
    Ok(scopes)
}

fn exists(scope: &str) -> bool {
    if SINGLE.contains(&scope) {
        return true;
    }
    let Some(area) = scope.strip_prefix("accounting.") else { return false };
    match area.strip_prefix("reports.") {
        Some(report) => report.strip_suffix(".read").is_some_and(|report| REPORTS.contains(&report)),
        None => PAIRED.contains(&area.strip_suffix(".read").unwrap_or(area)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granular_scopes_pass_and_others_are_named() {
        assert!(parse(&sync::MINIMUM_SCOPES.join(" ")).is_ok());
        assert!(parse("offline_access accounting.transactions").unwrap_err().contains("accounting.invoices"));
        for wrong in ["accounting.reports.balancesheets.read", "accounting.reports.aged", "payroll", "accounting."] {
            assert!(parse(&format!("offline_access {wrong}")).unwrap_err().contains(wrong), "{wrong}");
        }
        assert!(parse("openid").unwrap_err().contains("offline_access"));
    }
}
