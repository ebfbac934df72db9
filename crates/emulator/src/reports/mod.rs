//! Reports computed from the books at the moment of the call: profit and loss, bank summary.

mod bank_summary;
mod profit_and_loss;

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::api::bad_request;
use crate::dates::parse_request_date;
use crate::http::{Request, Response};
use crate::read::ReadContext;
use crate::render::{Object, push_array, push_id, push_object, push_text};

/// A report by its name in the path.
pub(crate) fn handle(context: &ReadContext<'_>, request: &Request, name: &str) -> Response {
    let result = match name.to_ascii_lowercase().as_str() {
        "profitandloss" => profit_and_loss::report(context, request),
        "banksummary" => bank_summary::report(context, request),
        _ => return Response::not_found(),
    };
    result.unwrap_or_else(|refused| refused)
}

/// A range of days, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    from: Date,
    to: Date,
}

impl Period {
    fn contains(self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }

    /// `fromDate` and `toDate`, by default the current month in the organisation's time zone.
    fn read(context: &ReadContext<'_>, request: &Request) -> Result<Self, Response> {
        let today = context.books.organisation.today(context.now);
        let day = |name: &str, default: Date| match request.param(name).filter(|text| !text.trim().is_empty()) {
            None => Ok(default),
            Some(text) => parse_request_date(&text).ok_or_else(|| {
                let message = format!("The string '{text}' is not a valid AllXsd value.");
                bad_request(14, "PostDataInvalidException", &message)
            }),
        };
        let from = day("fromDate", today.first_of_month())?;
        let to = day("toDate", today.last_of_month())?;
        if from > to {
            return Err(bad_request(10, "ValidationException", "fromDate must not be after toDate"));
        }
        Ok(Self { from, to })
    }
}

/// A cell: its text, and the attribute that names an account.
struct Cell {
    value: String,
    attribute: Option<(&'static str, Uuid)>,
}

impl Cell {
    fn plain(value: impl Into<String>) -> Self {
        Self { value: value.into(), attribute: None }
    }

    fn money(value: Decimal) -> Self {
        Self::plain(money(value))
    }

    fn of(mut self, id: &'static str, account: Uuid) -> Self {
        self.attribute = Some((id, account));
        self
    }
}

/// An amount as reports print it: always two decimals, no thousands separator.
fn money(value: Decimal) -> String {
    let mut rounded = value.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(2);
    // A rounded negative zero would print its sign.
    if rounded.is_zero() { "0.00".into() } else { rounded.to_string() }
}

/// A row of a report.
enum Row {
    Header(Vec<Cell>),
    Line(Vec<Cell>),
    Summary(Vec<Cell>),
    Section(String, Vec<Row>),
}

fn write_cells(object: &mut Object<'_>, cells: &[Cell]) {
    object.array("Cells", cells, |out, cell| {
        push_object(out, |inner| {
            if !cell.value.is_empty() {
                inner.text("Value", &cell.value);
            }
            if let Some((id, account)) = cell.attribute {
                inner.array("Attributes", [()], |out, ()| {
                    push_object(out, |attribute| {
                        push_id(attribute.key("Value"), account);
                        attribute.text("Id", id);
                    });
                });
            }
        });
    });
}

fn write_row(out: &mut Vec<u8>, row: &Row) {
    push_object(out, |object| match row {
        Row::Header(cells) => {
            object.text("RowType", "Header");
            write_cells(object, cells);
        }
        Row::Line(cells) => {
            object.text("RowType", "Row");
            write_cells(object, cells);
        }
        Row::Summary(cells) => {
            object.text("RowType", "SummaryRow");
            write_cells(object, cells);
        }
        Row::Section(title, rows) => {
            object.text("RowType", "Section");
            object.text("Title", title);
            object.array("Rows", rows, write_row);
        }
    });
}

/// The report in its envelope.
fn answer(context: &ReadContext<'_>, kind: &str, name: &str, titles: &[String], rows: &[Row]) -> Response {
    let today = context.books.organisation.today(context.now);
    context.envelope("Reports", |out| {
        push_array(out, [()], |out, ()| {
            push_object(out, |object| {
                object.text("ReportID", kind);
                object.text("ReportName", name);
                object.text("ReportType", kind);
                object.array("ReportTitles", titles, |out, title| push_text(out, title));
                object.text("ReportDate", &long_date(today));
                crate::dates::push_ms_bare(object.key("UpdatedDateUTC"), context.now);
                object.nothing("Fields");
                object.array("Rows", rows, write_row);
            });
        });
    })
}

/// `23 April 2019`.
fn long_date(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}
