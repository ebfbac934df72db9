//! The attribute that turns one test into one per database. Use it through `testkit`, which re-exports it.
//!
//! It is an attribute and not a `macro_rules!` so that the test stays an ordinary function: formatted by rustfmt, with
//! errors at the right line, and named `sqlite_…` and `postgres_…`, which only a procedural macro can put together.

use proc_macro::{TokenStream, TokenTree};

/// Runs an `async fn name(db_url: String)` as two tests, `sqlite_name` and `postgres_name`.
///
/// Each gets the URL of a database of its own, on a multi-threaded tokio runtime: `sqlite:///…/test.db` or
/// `postgres://…/…`. With `template = EXPRESSION` (a `testkit::Template`) the database is already filled.
#[proc_macro_attribute]
pub fn on_both_databases(arguments: TokenStream, test: TokenStream) -> TokenStream {
    match expand(arguments, test.clone()) {
        Ok((lint_rule, tests)) => {
            let mut output = lint_rule;
            output.extend(test);
            output.extend(tests);
            output
        }
        Err(message) => {
            let error = format!("::core::compile_error!({message:?});");
            error.parse().unwrap_or_default()
        }
    }
}

/// What goes before the function, and the tests that go after it.
fn expand(arguments: TokenStream, test: TokenStream) -> Result<(TokenStream, TokenStream), String> {
    let name = function_name(test).ok_or("`on_both_databases` belongs on an `async fn name(db_url: String)`")?;
    let template = template_argument(arguments)?;
    let mut output = String::new();
    for database in ["sqlite", "postgres"] {
        output.push_str(&format!(
            "#[test] fn {database}_{name}() -> impl ::std::process::Termination {{ ::testkit::on_{database}({template}, {name}) }}\n"
        ));
    }
    // clippy knows a test by its `#[test]`, which this function does not have.
    let lint_rule = "#[allow(clippy::unwrap_used)]";
    let unreadable = |error| format!("`on_both_databases` made unreadable code: {error}");
    Ok((lint_rule.parse().map_err(unreadable)?, output.parse().map_err(unreadable)?))
}

fn function_name(test: TokenStream) -> Option<String> {
    let mut tokens = test.into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    match tokens.next()? {
        TokenTree::Ident(name) => Some(name.to_string()),
        _ => None,
    }
}

fn template_argument(arguments: TokenStream) -> Result<String, String> {
    if arguments.is_empty() {
        return Ok("::core::option::Option::None".to_owned());
    }
    let mut tokens = arguments.into_iter();
    let keyword = tokens.next().is_some_and(|token| token.to_string() == "template");
    let equals = tokens.next().is_some_and(|token| token.to_string() == "=");
    let expression: TokenStream = tokens.collect();
    if !keyword || !equals || expression.is_empty() {
        return Err("the only argument of `on_both_databases` is `template = EXPRESSION`".to_owned());
    }
    Ok(format!("::core::option::Option::Some({expression})"))
}
