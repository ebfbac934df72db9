//! The API's description and the few pages around it. Pages hold no script, no style and nothing from elsewhere.

use std::fmt::Write;
use std::sync::OnceLock;

use axum::response::{Html, IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Public;
use crate::describe::in_words;
use crate::input::Params;
use crate::problem::Problem;
use crate::routes;

/// The page that a sign-in ends at, unless it was begun for another one.
pub(crate) const DONE_PATH: &str = "/connected";

const ERRORS: &str = include_str!("../../../docs/errors.md");

/// This description, as OpenAPI 3.1.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "docs",
    responses((status = 200, description = "The document", content_type = "application/json")))]
pub(crate) async fn get_openapi(_: Public) -> Result<Response, Problem> {
    static DOCUMENT: OnceLock<Option<String>> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| routes::all().into_document().to_pretty_json().ok());
    let text = document.as_deref().ok_or_else(Problem::internal)?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// Every route on one page.
#[utoipa::path(get, path = "/api/v1/docs", tag = "docs",
    responses((status = 200, description = "A page", content_type = "text/html")))]
pub(crate) async fn get_docs(_: Public) -> Html<&'static str> {
    static PAGE: OnceLock<String> = OnceLock::new();
    Html(PAGE.get_or_init(|| {
        let mut rows = String::new();
        for route in routes::all().into_list() {
            let cells = [&route.method, &route.path, &in_words(route.access), &route.summary].map(|text| escaped(text));
            let [method, path, access, summary] = cells;
            // Writing to a string cannot fail.
            let _ = writeln!(
                rows,
                "<tr><td>{method}</td><td><code>{path}</code></td><td>{access}</td><td>{summary}</td></tr>"
            );
        }
        page(
            "Tieout's API",
            &format!(
                "<p>Described in full by <a href=\"/api/v1/openapi.json\">openapi.json</a>; errors are explained \
                 <a href=\"/docs/errors\">here</a>.</p>\n<table>\n{rows}</table>"
            ),
        )
    }))
}

/// Every stable error code, what it means and what to do.
#[utoipa::path(get, path = "/docs/errors", tag = "docs",
    responses((status = 200, description = "A page", content_type = "text/html")))]
pub(crate) async fn get_errors(_: Public) -> Html<&'static str> {
    static PAGE: OnceLock<String> = OnceLock::new();
    Html(PAGE.get_or_init(|| page("Errors", &rendered(ERRORS))))
}

/// What the page says.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DoneQuery {
    /// The code of what went wrong.
    problem: Option<String>,
}

/// The page that a sign-in at Xero ends at.
#[utoipa::path(get, path = DONE_PATH, tag = "docs", params(DoneQuery),
    responses((status = 200, description = "A page", content_type = "text/html")))]
pub(crate) async fn get_connected(_: Public, query: Params<DoneQuery>) -> Html<String> {
    // Only codes that we know are repeated: the address may come from anywhere.
    let known = query.0.problem.map(|code| (Problem::title_of(&code), code));
    Html(match known {
        None => page("Connected", "<p>The organisation is connected. You can close this page.</p>"),
        Some((Some(title), code)) => {
            page("Not connected", &format!("<p>{}: <a href=\"/docs/errors#{code}\">{code}</a></p>", escaped(title)))
        }
        Some((None, _)) => page("Not connected", "<p>The sign-in was not completed. Begin it again.</p>"),
    })
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The few things that docs/errors.md is made of: a heading per code, paragraphs, and code between back quotes.
fn rendered(markdown: &str) -> String {
    let mut html = String::new();
    for block in markdown.split("\n\n").map(str::trim).filter(|block| !block.is_empty() && !block.starts_with("# ")) {
        let line = match block.strip_prefix("## ") {
            Some(code) => format!("<h2 id=\"{0}\">{0}</h2>\n", escaped(code.trim())),
            None => {
                let pieces = escaped(block);
                let marked = pieces.split('`').enumerate().map(|(at, piece)| match at % 2 {
                    0 => piece.to_owned(),
                    _ => format!("<code>{piece}</code>"),
                });
                format!("<p>{}</p>\n", marked.collect::<String>())
            }
        };
        html.push_str(&line);
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_has_an_anchor_for_each_code() {
        let html = rendered("# Errors\n\nIntro <b>.\n\n## TO-BUSY\n\nWait, or look at `tieout runs`.\n");
        assert_eq!(
            html,
            "<p>Intro &lt;b&gt;.</p>\n<h2 id=\"TO-BUSY\">TO-BUSY</h2>\n<p>Wait, or look at <code>tieout runs</code>.</p>\n"
        );
        assert!(rendered(ERRORS).contains("id=\"TO-QUOTA-DAY\""));
    }
}
