//! Connections: which tenants a user has connected to the app.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::endpoints::TenantId;

/// One connected tenant. The list has no envelope and camel-case keys, unlike the rest of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The connection's own id: what a disconnect names. Not the tenant.
    pub id: Uuid,
    /// What API calls name.
    pub tenant_id: TenantId,
    /// Shared by all tenants connected in one consent; matches the access token's `authentication_event_id`.
    #[serde(default)]
    pub auth_event_id: Option<Uuid>,
    /// `ORGANISATION`, `PRACTICE` or something newer.
    #[serde(default)]
    pub tenant_type: Option<String>,
    /// The organisation's name.
    #[serde(default)]
    pub tenant_name: Option<String>,
    /// When the user first connected the tenant.
    #[serde(
        default,
        deserialize_with = "crate::wire::read",
        serialize_with = "crate::wire::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_date_utc: Option<Timestamp>,
    /// When the user last connected it; differs from the creation after a disconnect and reconnect.
    #[serde(
        default,
        deserialize_with = "crate::wire::read",
        serialize_with = "crate::wire::write",
        skip_serializing_if = "Option::is_none"
    )]
    pub updated_date_utc: Option<Timestamp>,
}
