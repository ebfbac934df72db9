//! Who wins where both sides changed one field differently: settings per kind and field, last write wins by default.

use jiff::Timestamp;
use model::{ConnectionId, Kind, Policy, Side};

use crate::{Engine, Error};

/// A rule as it is set (product.md C2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicySetting {
    /// The side that was changed later.
    #[default]
    LastWrite,
    /// The App.
    App,
    /// Xero.
    Xero,
    /// A person decides.
    Ask,
}

impl PolicySetting {
    /// The name in the database, the API and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastWrite => "LAST_WRITE",
            Self::App => "APP",
            Self::Xero => "XERO",
            Self::Ask => "ASK",
        }
    }

    /// The rule of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::LastWrite, Self::App, Self::Xero, Self::Ask].into_iter().find(|rule| rule.as_str() == text)
    }
}

/// One rule that somebody set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// Of this kind only; `None` for all.
    pub kind: Option<Kind>,
    /// Of this field, or group of fields, only; `None` for all.
    pub field: Option<String>,
    /// Who wins.
    pub rule: PolicySetting,
    /// Who set it.
    pub changed_by: String,
    /// When.
    pub changed_at: Timestamp,
}

/// The rules of one connection, the closest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policies(Vec<PolicyRule>);

impl Policies {
    pub(crate) fn of(rows: Vec<store::PolicyRow>) -> Self {
        let rule = |row: store::PolicyRow| {
            Some(PolicyRule {
                kind: if row.kind.is_empty() { None } else { Some(row.kind.parse().ok()?) },
                field: Some(row.field).filter(|field| !field.is_empty()),
                rule: PolicySetting::parse(&row.policy)?,
                changed_by: row.changed_by,
                changed_at: row.changed_at,
            })
        };
        let mut rules: Vec<PolicyRule> = rows.into_iter().filter_map(rule).collect();
        rules.sort_by_key(|rule| (rule.field.is_none(), rule.kind.is_none()));
        Self(rules)
    }

    /// The rule for a field, given by its path: `phones[MOBILE]` goes by the rule of `phones`.
    pub(crate) fn rule(&self, kind: Kind, path: &str) -> PolicySetting {
        let name = path.split(['[', '.']).next().unwrap_or(path);
        self.0
            .iter()
            .find(|rule| {
                rule.kind.is_none_or(|of| of == kind) && rule.field.as_deref().is_none_or(|field| field == name)
            })
            .map_or(PolicySetting::LastWrite, |rule| rule.rule)
    }

    /// The same for a merge, where `later` is the side that was changed later.
    pub(crate) fn policy(&self, kind: Kind, path: &str, later: Side) -> Policy {
        match self.rule(kind, path) {
            PolicySetting::LastWrite => Policy::LastWrite(later),
            PolicySetting::App => Policy::AppWins,
            PolicySetting::Xero => Policy::XeroWins,
            PolicySetting::Ask => Policy::Ask,
        }
    }
}

impl Engine {
    /// The rules that somebody set for a connection; where there is none, the last write wins.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn policies(&self, id: ConnectionId) -> Result<Vec<PolicyRule>, Error> {
        Ok(Policies::of(self.store().read().await?.policies(id).await?).0)
    }

    /// Sets who wins, for a field of a kind, a kind, or everything; `None` takes the rule away.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a field that the kind does not have.
    pub async fn set_policy(
        &self,
        id: ConnectionId,
        kind: Option<Kind>,
        field: Option<&str>,
        rule: Option<PolicySetting>,
        by: &str,
    ) -> Result<(), Error> {
        if let Some(field) = field {
            let kinds = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
            let known: Vec<&str> = kinds.iter().flat_map(|kind| crate::map::field_names(*kind)).collect();
            if !known.contains(&field) {
                return Err(Error::Invalid(format!("there is no field {field:?}; fields are {}", known.join(", "))));
            }
        }
        self.connection(id).await?;
        let mut tx = self.store().begin().await?;
        let (kind, field) = (kind.map_or("", Kind::as_str), field.unwrap_or_default());
        match rule {
            Some(rule) => tx.set_policy(id, kind, field, rule.as_str(), by, self.now()).await?,
            None => {
                tx.clear_policy(id, kind, field).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, field: &str, policy: &str) -> store::PolicyRow {
        store::PolicyRow {
            kind: kind.into(),
            field: field.into(),
            policy: policy.into(),
            changed_by: "test".into(),
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_closest_rule_counts() {
        let rules = Policies::of(vec![
            row("", "", "XERO"),
            row("customer", "", "APP"),
            row("customer", "phones", "ASK"),
            row("", "reference", "LAST_WRITE"),
        ]);
        assert_eq!(rules.rule(Kind::Customer, "phones[MOBILE]"), PolicySetting::Ask);
        assert_eq!(rules.rule(Kind::Customer, "email"), PolicySetting::App);
        assert_eq!(rules.rule(Kind::Invoice, "reference"), PolicySetting::LastWrite);
        assert_eq!(rules.rule(Kind::Invoice, "lines[1].amounts"), PolicySetting::Xero);
        assert_eq!(Policies::default().rule(Kind::Invoice, "lines"), PolicySetting::LastWrite);
    }
}
