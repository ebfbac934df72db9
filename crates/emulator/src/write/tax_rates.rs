//! Tax rates: one per request. PUT makes a custom rate (`TAX001`, …), POST updates one by tax type or name.

use uuid::Uuid;

use super::answer::{Failure, Outcome};
use super::body::{BadBody, Fields};
use super::rules::{TAX_RATE_INVALID, check_length};
use super::{Verb, Writer, only};
use crate::books::{AccountClass, Amount, Books, ReferenceStatus, TaxComponent, TaxRate, Text};
use crate::http::Response;
use crate::render;

/// A tax rate as sent.
#[derive(Debug, Clone)]
struct TaxRateRequest {
    tax_type: Option<String>,
    name: Option<String>,
    report_tax_type: Option<String>,
    status: Option<ReferenceStatus>,
    components: Option<Vec<TaxComponent>>,
}

impl TaxRateRequest {
    fn decode(fields: &Fields<'_>) -> Result<Self, BadBody> {
        let component = |part: &Fields<'_>| {
            Ok(TaxComponent {
                name: part.text("Name")?.unwrap_or_default().into(),
                rate: part.amount("Rate", 4)?.unwrap_or(Amount::ZERO),
                is_compound: part.flag("IsCompound")?.unwrap_or(false),
                is_non_recoverable: part.flag("IsNonRecoverable")?.unwrap_or(false),
            })
        };
        let components = fields.objects("TaxComponents")?;
        Ok(Self {
            tax_type: fields.text("TaxType")?.filter(|text| !text.is_empty()),
            name: fields.text("Name")?.filter(|text| !text.trim().is_empty()),
            report_tax_type: fields.text("ReportTaxType")?.filter(|text| !text.is_empty()),
            status: fields.word("Status", "TaxRateStatus", ReferenceStatus::parse)?,
            components: components
                .map(|parts| parts.iter().map(component).collect::<Result<_, BadBody>>())
                .transpose()?,
        })
    }
}

pub(super) fn write(writer: &mut Writer<'_>, body: &[u8], verb: Verb) -> Result<Response, Failure> {
    only(
        writer,
        body,
        "TaxRates",
        |fields, _| TaxRateRequest::decode(fields),
        |writer, request| {
            let same = |rate: &TaxRate| match (&request.tax_type, &request.name) {
                (Some(tax_type), _) => rate.tax_type.eq_ignore_ascii_case(tax_type),
                (None, Some(name)) => rate.name.to_lowercase() == name.to_lowercase(),
                (None, None) => false,
            };
            let at = writer.books.tax_rates.iter().position(same).filter(|_| verb == Verb::Upsert);
            let mut messages = check(writer, &request, at);
            let row = match at {
                Some(at) => writer.books.tax_rates[at].clone(),
                None => blank(writer, &request, &mut messages),
            };
            let row = merge(row, &request);
            let mut element = Vec::new();
            render::tax_rate(&mut element, &row);
            if !messages.is_empty() {
                return Ok(Outcome::refused(element, messages));
            }
            match at {
                Some(at) => writer.books.tax_rates[at] = row,
                None => writer.books.tax_rates.push(row),
            }
            Ok(Outcome::saved(element))
        },
    )
}

/// The words are not documented, but for the unique name.
fn check(writer: &Writer<'_>, request: &TaxRateRequest, own: Option<usize>) -> Vec<String> {
    let mut messages = Vec::new();
    check_length(&mut messages, "Tax rate name", request.name.as_deref(), 50);
    if let Some(name) = &request.name {
        let clashes = |(at, rate): (usize, &TaxRate)| {
            Some(at) != own
                && rate.status != ReferenceStatus::Deleted
                && rate.name.to_lowercase() == name.to_lowercase()
        };
        if writer.books.tax_rates.iter().enumerate().any(clashes) {
            messages.push("Please enter a unique Name.".into());
        }
    }
    let rates = request.components.as_deref().unwrap_or_default();
    if rates.iter().any(|part| !(0..=100 * Amount::UNIT).contains(&part.rate.0)) {
        messages.push("The rate of a tax component must be between 0 and 100".into());
    }
    if rates.iter().filter(|part| part.is_compound).count() > 1 {
        messages.push("A tax rate can have only one compound tax component".into());
    }
    if let Some(at) = own
        && writer.books.tax_rates[at].status == ReferenceStatus::Deleted
    {
        messages.push(TAX_RATE_INVALID.into());
    }
    messages
}

fn blank(writer: &Writer<'_>, request: &TaxRateRequest, messages: &mut Vec<String>) -> TaxRate {
    if request.name.is_none() || request.components.as_ref().is_none_or(Vec::is_empty) {
        messages.push("A tax rate must have a Name and at least one tax component".into());
    }
    TaxRate {
        tax_type: next_tax_type(writer.books),
        name: request.name.as_deref().unwrap_or_default().into(),
        report_tax_type: "OUTPUT".into(),
        status: ReferenceStatus::Active,
        display_rate: Amount::ZERO,
        effective_rate: Amount::ZERO,
        applies_to: AccountClass::ALL.to_vec(),
        components: Vec::new(),
    }
}

/// The next free code of custom rates.
fn next_tax_type(books: &Books) -> Text {
    let free = (1..).map(|n| format!("TAX{n:03}")).find(|code| books.tax_rate(code).is_none());
    free.unwrap_or_else(|| Uuid::nil().to_string()).into()
}

fn merge(mut row: TaxRate, request: &TaxRateRequest) -> TaxRate {
    if let Some(name) = &request.name {
        row.name = name.as_str().into();
    }
    if let Some(report) = &request.report_tax_type {
        row.report_tax_type = report.as_str().into();
    }
    row.status = request.status.unwrap_or(row.status);
    if let Some(components) = &request.components {
        row.components.clone_from(components);
        row.display_rate = components.iter().map(|part| part.rate).sum();
        row.effective_rate = effective(components);
    }
    row
}

/// Plain components add up; a compound one is computed on top of them.
fn effective(components: &[TaxComponent]) -> Amount {
    let plain: Amount = components.iter().filter(|part| !part.is_compound).map(|part| part.rate).sum();
    let compound: Amount = components.iter().filter(|part| part.is_compound).map(|part| part.rate).sum();
    let on_top = i128::from(compound.0) * i128::from(plain.0) / i128::from(100 * Amount::UNIT);
    plain + compound + Amount(i64::try_from(on_top).unwrap_or(0))
}
