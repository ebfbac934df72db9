//! Every route, in one list.
//!
//! A handler's path, method and description stand at the handler; who may call it is the type of its first argument.
//! The list takes nothing else: a handler that does not begin with such an argument does not compile into it.

use axum::Router;
use axum::handler::Handler;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::access::{Access, RouteAccess};
use crate::state::App;
use crate::{
    books, brakes, callback, candidates, conflicts, connections, describe, docs, entities, failures, health, keys,
    mappings, plans, pushes, runs, syncs, verify, writes,
};

/// Routes that may have to wait for Xero for long.
pub(crate) const WAITS_FOR_XERO: [&str; 8] = [
    "/api/v1/integrations/xero/sync/full",
    "/api/v1/integrations/xero/sync/incremental",
    "/api/v1/integrations/xero/sync/plan",
    "/api/v1/integrations/xero/sync/plan/{id}/apply",
    "/api/v1/integrations/xero/sync/entity",
    "/api/v1/integrations/xero/push",
    "/api/v1/integrations/xero/agreement",
    "/api/v1/integrations/xero/connections/{id}/verifications",
];

macro_rules! list {
    ($($handler:path,)*) => {{
        let mut all = Routes { router: OpenApiRouter::with_openapi(describe::document()), list: Vec::new() };
        $(all.add(access_of(&$handler), utoipa_axum::routes!($handler));)*
        all
    }};
}

/// The list.
pub(crate) fn all() -> Routes {
    list![
        health::get_health,
        health::get_readiness,
        docs::get_openapi,
        docs::get_docs,
        docs::get_errors,
        docs::get_connected,
        syncs::sync_full,
        syncs::sync_incremental,
        plans::make_plan,
        plans::get_plan,
        plans::apply_plan,
        pushes::push,
        mappings::list_mappings,
        mappings::set_mapping,
        mappings::clear_mapping,
        candidates::list_candidates,
        candidates::decide_candidate,
        brakes::list_brakes,
        brakes::approve_brake,
        brakes::refuse_brake,
        entities::sync_entity,
        conflicts::list_conflicts,
        conflicts::get_conflict,
        conflicts::resolve_conflict,
        conflicts::resolve_conflicts,
        conflicts::undo_conflict,
        failures::list_failure_groups,
        failures::get_failure,
        failures::retry_failure,
        failures::retry_failures,
        failures::ignore_failure,
        failures::link_failure,
        runs::list_runs,
        runs::get_run,
        runs::get_statistics,
        runs::list_failures,
        connections::get_agreement,
        verify::start_verification,
        verify::list_verifications,
        verify::get_verification,
        callback::connect,
        callback::connect_in_browser,
        callback::finish_connect,
        connections::list_connections,
        connections::get_status,
        connections::get_connection_status,
        connections::refresh_connection_token,
        connections::refresh_token,
        connections::disconnect_connection,
        connections::disconnect,
        books::list_customers,
        books::get_customer,
        books::list_invoices,
        books::get_invoice,
        books::list_payments,
        books::get_payment,
        books::list_bank_transactions,
        books::get_bank_transaction,
        books::list_credits,
        books::get_credit,
        books::list_accounts,
        books::get_account,
        books::list_tax_rates,
        books::get_tax_rate,
        writes::create_customer,
        writes::patch_customer,
        writes::put_customer,
        writes::delete_customer,
        writes::create_invoice,
        writes::patch_invoice,
        writes::put_invoice,
        writes::delete_invoice,
        writes::create_payment,
        writes::patch_payment,
        writes::put_payment,
        writes::delete_payment,
        writes::create_bank_transaction,
        writes::patch_bank_transaction,
        writes::put_bank_transaction,
        writes::delete_bank_transaction,
        entities::explain_customer,
        entities::explain_invoice,
        entities::explain_payment,
        entities::explain_bank_transaction,
        keys::make_key,
        keys::list_keys,
        keys::revoke_key,
    ]
}

/// A route, for documents and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method, in capitals.
    pub method: String,
    /// The path, with parameters in braces.
    pub path: String,
    /// Who may call it.
    pub access: RouteAccess,
    /// What it does, in a sentence.
    pub summary: String,
}

/// The routes with their description.
pub(crate) struct Routes {
    router: OpenApiRouter<App>,
    list: Vec<RouteInfo>,
}

impl Routes {
    fn add(&mut self, access: RouteAccess, (schemas, mut paths, methods): UtoipaMethodRouter<App>) {
        for (path, item) in &mut paths.paths {
            for (method, operation) in describe::operations(item) {
                describe::complete(operation, access);
                let summary = operation.summary.clone().unwrap_or_default();
                self.list.push(RouteInfo { method: method.to_owned(), path: path.clone(), access, summary });
            }
        }
        let router = std::mem::take(&mut self.router);
        self.router = router.routes((schemas, paths, methods));
    }

    pub(crate) fn into_router(self) -> Router<App> {
        self.router.into()
    }

    /// Sorted by path and method.
    pub(crate) fn into_list(self) -> Vec<RouteInfo> {
        let mut list = self.list;
        list.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
        list
    }

    pub(crate) fn into_document(self) -> OpenApi {
        self.router.into_openapi()
    }
}

/// A handler's arguments, the first of which says who may call it.
pub(crate) trait Declares {
    type Access: Access;
}

impl<M, A: Access> Declares for (M, A) {
    type Access = A;
}
impl<M, A: Access, B> Declares for (M, A, B) {
    type Access = A;
}
impl<M, A: Access, B, C> Declares for (M, A, B, C) {
    type Access = A;
}
impl<M, A: Access, B, C, D> Declares for (M, A, B, C, D) {
    type Access = A;
}

fn access_of<T: Declares, H: Handler<T, App>>(_: &H) -> RouteAccess {
    T::Access::ACCESS
}
