//! `tieout keys`: keys for the REST API. A key is shown once, when it is made; only its hash is kept.

use jiff::Timestamp;
use serde_json::json;
use store::ApiKey;
use sync::KeyScope;

use crate::args::{Keys, ScopeName};
use crate::compose::{self, Hold};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, Rows};
use crate::settings::Settings;
use crate::words;

const COLUMNS: &[Column] = &[
    Column::figure("id", "ID"),
    Column::text("name", "NAME"),
    Column::text("prefix", "BEGINS WITH"),
    Column::text("scope", "SCOPE"),
    Column::figure("org", "ORG"),
    Column::text("state", "STATE"),
    Column::text("createdAt", "MADE"),
    Column::text("expiresAt", "ENDS"),
    Column::text("lastUsedAt", "LAST USED"),
];

pub(super) async fn run(command: &Keys, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let now = compose::clock().now();
    match command {
        Keys::Create { name, scope, org, expires_in } => {
            let parts = compose::parts(settings)?;
            let store = compose::open_or_make(&settings.database_url).await?;
            let org = match org {
                Some(org) => Some(compose::organisation(&store, org).await?),
                None => None,
            };
            let ends = expires_in.map(|span| now.checked_add(span)).transpose();
            let ends = ends.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
            let scope = match scope {
                ScopeName::Read => KeyScope::Read,
                ScopeName::Sync => KeyScope::Sync,
                ScopeName::Admin => KeyScope::Admin,
            };
            // Beside a running server, which sees the key with its next request.
            let running = compose::start(parts, Hold::Shared, store).await?;
            let made = running.engine.make_key(name, org, scope, ends).await?;
            let key = made.key.expose();
            let value = json!({
                "id": made.id, "name": name, "key": key, "scope": scope.as_str(), "org": org.map(|org| org.0),
                "expiresAt": ends.map(|ends| ends.to_string()),
            });
            output.object(&value, key);
            output.note(&format!("key {} ({}), shown only now", made.id, scope.as_str()));
        }
        Keys::Ls => {
            let store = compose::open(settings).await?;
            let mut tx = store.read().await?;
            let mut rows = Rows::new(COLUMNS, "there are no keys: tieout keys create --name NAME");
            for key in tx.api_keys().await? {
                rows.push(vec![
                    key.id.into(),
                    key.name.as_str().into(),
                    key.prefix.as_str().into(),
                    key.scopes.as_str().into(),
                    key.org.map(|org| org.0).into(),
                    state(&key, now).into(),
                    words::when(Some(key.created_at), now),
                    words::when(key.expires_at, now),
                    words::when(key.last_used_at, now),
                ]);
            }
            tx.commit().await?;
            output.rows(&rows);
        }
        Keys::Revoke { id } => {
            let store = compose::open(settings).await?;
            let mut tx = store.begin_durable().await?;
            let was_in_force = tx.revoke_api_key(*id, now).await?;
            tx.commit().await?;
            if !was_in_force {
                return Err(Failure::new(Exit::Failed, format!("there is no key {id} in force")).next("tieout keys ls"));
            }
            output.object(&json!({"id": id, "revoked": true}), &format!("key {id} is revoked"));
        }
    }
    Ok(Exit::Done)
}

fn state(key: &ApiKey, now: Timestamp) -> &'static str {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(ends)) if ends <= now => "ended",
        _ => "in force",
    }
}
