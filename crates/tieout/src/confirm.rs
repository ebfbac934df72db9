//! Asking before something that cannot be undone. Nobody is asked where nobody can answer.

use std::io::stdin;

use store::Connection;

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Returns if `--yes` was given or the person says yes.
pub(crate) fn yes(output: &Output, is_given: bool, question: &str) -> Result<(), Failure> {
    if is_given {
        return Ok(());
    }
    if !output.is_interactive() {
        let message = format!("{question} Nobody can answer here; add --yes to say yes");
        return Err(Failure::new(Exit::Usage, message).next("the same command with --yes"));
    }
    output.ask(&format!("{question} [y/N]"));
    let mut answer = String::new();
    let said = stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if said { Ok(()) } else { Err(Failure::new(Exit::Failed, "nothing was done").next("tieout status")) }
}

/// Returns unless one of the connections is of a live organisation and `--live` was not given: nobody shall write to
/// somebody's real books because of a wrong settings file. Xero's demo companies and emulators are nobody's books.
pub(crate) fn live<'a>(
    connections: impl IntoIterator<Item = &'a Connection>,
    is_emulated: bool,
    is_given: bool,
) -> Result<(), Failure> {
    let is_live = |connection: &&Connection| !is_emulated && !connection.facts.is_demo;
    match connections.into_iter().find(is_live).filter(|_| !is_given) {
        None => Ok(()),
        Some(connection) => {
            let name = &connection.tenant_name;
            let message =
                format!("{name} is a live organisation, and this writes to its books in Xero: add --live to do so");
            Err(Failure::new(Exit::Usage, message).next("tieout sync --dry-run (shows what would be written)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use store::{ConnectionState, TenantFacts};

    use super::*;

    #[test]
    fn only_live_organisations_ask_for_the_flag() {
        let connection = |is_demo| Connection {
            id: model::ConnectionId(1),
            org: model::OrgId(1),
            grant: None,
            tenant_id: uuid::Uuid::nil(),
            xero_connection_id: uuid::Uuid::nil(),
            tenant_name: "Acme".into(),
            state: ConnectionState::Connected,
            reason: None,
            facts: TenantFacts { is_demo, ..TenantFacts::default() },
            connected_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let refused = live([&connection(true), &connection(false)], false, false).unwrap_err();
        assert_eq!(refused.exit as u8, 2);
        assert!(refused.message.contains("add --live"), "{}", refused.message);
        assert!(live([&connection(false)], false, true).is_ok());
        assert!(live([&connection(false)], true, false).is_ok());
        assert!(live([&connection(true)], false, false).is_ok());
    }
}
