//! The API's description: what every operation has in common, added to what stands at the handlers.

use sync::KeyScope;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use crate::access::RouteAccess;
use crate::problem::ProblemBody;

const ABOUT: &str = "Reads and writes the local books and keeps them the same as Xero's. Amounts are exact decimals in JSON strings, such \
    as \"24.15\": never parse them as floating point. Dates are calendar dates, instants are RFC 3339 in UTC. Errors are \
    RFC 9457 problem details with a stable code. Fields and parameters that are not described here are refused.";

/// The document without its routes.
pub(crate) fn document() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("to_live_… or to_test_…")
        .description(Some("An API key. Scopes: read, sync, write, admin; each includes those before it."))
        .build();
    let components = ComponentsBuilder::new()
        .schema(ProblemBody::name(), ProblemBody::schema())
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("apiKey", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Api-Key"))))
        .build();
    let info = InfoBuilder::new().title("Tieout").version("v1").description(Some(ABOUT)).build();
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The operations of a path with their methods.
pub(crate) fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    [
        ("GET", item.get.as_mut()),
        ("POST", item.post.as_mut()),
        ("PUT", item.put.as_mut()),
        ("PATCH", item.patch.as_mut()),
        ("DELETE", item.delete.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.map(|operation| (method, operation)))
}

/// Adds who may call an operation, and how it fails.
pub(crate) fn complete(operation: &mut Operation, access: RouteAccess) {
    let needs = match access {
        RouteAccess::Public => None,
        RouteAccess::Key(scope) => Some(scope),
        RouteAccess::KeyOrTicket(scope) => Some(scope),
    };
    operation.security = Some(match needs {
        None => vec![],
        Some(_) => ["bearer", "apiKey"].map(|name| SecurityRequirement::new(name, NO_SCOPES)).to_vec(),
    });
    let said = operation.description.take().map(|text| format!("{text}\n\n")).unwrap_or_default();
    operation.description = Some(format!("{said}{}", in_words(access)));
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemBody::name()))).build();
    let problem =
        ResponseBuilder::new().description("What went wrong").content("application/problem+json", content).build();
    operation.responses.responses.insert("default".into(), problem.into());
}

const NO_SCOPES: [&str; 0] = [];

/// Who may call, for people.
pub(crate) fn in_words(access: RouteAccess) -> String {
    let key = |scope: KeyScope| format!("Needs a key of scope `{}`", scope.as_str());
    match access {
        RouteAccess::Public => "Needs no key.".to_owned(),
        RouteAccess::Key(scope) => format!("{}.", key(scope)),
        RouteAccess::KeyOrTicket(scope) => format!("{}, or a ticket.", key(scope)),
    }
}
