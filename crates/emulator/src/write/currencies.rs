//! Currencies: PUT subscribes to one. There is no update and no delete.

use super::answer::{Failure, Outcome};
use super::{Writer, only};
use crate::books::{Currency, CurrencyCode};
use crate::http::Response;
use crate::render;

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8]) -> Result<Response, Failure> {
    only(
        writer,
        body,
        "Currencies",
        |fields, _| {
            let code = fields.word("Code", "CurrencyCode", CurrencyCode::parse)?;
            Ok((code, fields.text("Description")?))
        },
        |writer, (code, description)| {
            let Some(code) = code else {
                let mut element = Vec::new();
                render::push_object(&mut element, |object| object.text_if("Description", description.as_deref()));
                return Ok(Outcome::refused(element, vec!["Currency code must be specified".into()]));
            };
            let known = writer.books.currencies.iter().position(|currency| currency.code == code);
            let at = known.unwrap_or_else(|| {
                let description = description.unwrap_or_else(|| code.as_str().to_owned()).into();
                writer.books.currencies.push(Currency { code, description });
                writer.books.currencies.len() - 1
            });
            let mut element = Vec::new();
            render::currency(&mut element, &writer.books.currencies[at]);
            Ok(Outcome::saved(element))
        },
    )
}
