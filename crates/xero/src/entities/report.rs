//! Reports: rows of cells whose values are texts. Accounts are matched by the cells' attributes, never by their labels.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::error::Error;
use crate::scalars::{format_date, parse_decimal};
use crate::wire::{model, open_enum};

open_enum! {
    /// What a row of a report is.
    pub enum RowType {
        Header = "Header",
        Section = "Section",
        Row = "Row",
        SummaryRow = "SummaryRow",
    }
}

model! {
    /// A report as Xero renders it.
    pub struct Report {
        /// Such as `ProfitAndLoss`.
        #[serde(rename = "ReportID")]
        pub report_id: Option<String>,
        /// Display name.
        pub report_name: Option<String>,
        /// Such as `ProfitAndLoss`.
        pub report_type: Option<String>,
        /// Title, organisation and period, as texts.
        pub report_titles: Vec<String>,
        /// A text such as `23 April 2019`, not a date.
        pub report_date: Option<String>,
        /// When the report was made.
        #[serde(rename = "UpdatedDateUTC")]
        pub updated_date_utc: Option<Timestamp>,
        /// The rows.
        pub rows: Vec<ReportRow>,
    }
}

model! {
    /// A row, or a section with rows of its own.
    pub struct ReportRow {
        /// What the row is.
        pub row_type: Option<RowType>,
        /// Sections only; may be empty or start with a space.
        pub title: Option<String>,
        /// The cells; sections have none.
        pub cells: Vec<ReportCell>,
        /// The rows of a section.
        pub rows: Vec<ReportRow>,
    }
}

model! {
    /// A cell.
    pub struct ReportCell {
        /// Always a text, amounts included; absent when the cell is empty.
        pub value: Option<String>,
        /// What the cell is about.
        pub attributes: Vec<ReportAttribute>,
    }
}

model! {
    /// An attribute of a cell, such as the account that it is about.
    pub struct ReportAttribute {
        /// Spelled `account` or `accountID`, by report and column.
        pub id: Option<String>,
        /// An account's id, or a word such as `FXGROUPID`.
        pub value: Option<String>,
    }
}

impl ReportCell {
    /// The cell's amount; `None` when the cell is empty, an error when it is not a number.
    pub fn amount(&self) -> Result<Option<Decimal>, crate::scalars::InvalidScalar> {
        self.value.as_deref().filter(|text| !text.is_empty()).map(parse_decimal).transpose()
    }

    /// The value of the attribute that names the account, under either spelling.
    pub fn account(&self) -> Option<&str> {
        let names_account = |id: &str| id.eq_ignore_ascii_case("account") || id.eq_ignore_ascii_case("accountID");
        self.attributes.iter().find(|a| a.id.as_deref().is_some_and(names_account)).and_then(|a| a.value.as_deref())
    }
}

/// What a report is asked for.
pub(crate) trait ReportQuery {
    const NAME: &'static str;
    fn parameters(&self) -> Result<Vec<(&'static str, String)>, Error>;
}

/// The length of the comparison periods of a profit and loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeframe {
    /// Months.
    Month,
    /// Quarters.
    Quarter,
    /// Years.
    Year,
}

/// Parameters of `Reports/ProfitAndLoss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfitAndLossQuery {
    /// First day.
    pub from: Date,
    /// Last day, inclusive.
    pub to: Date,
    /// Comparison periods before this one, 1 to 11, and their length.
    pub periods: Option<(u8, Timeframe)>,
    /// Ignores custom layouts, so that sections are where they are expected.
    pub standard_layout: bool,
    /// Cash basis instead of accruals.
    pub payments_only: bool,
}

/// Parameters of `Reports/BankSummary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankSummaryQuery {
    /// First day.
    pub from: Date,
    /// Last day, inclusive.
    pub to: Date,
}

fn range(from: Date, to: Date) -> Result<Vec<(&'static str, String)>, Error> {
    if from > to {
        return Err(Error::Invalid(format!("a report from {from} to {to} has no days, swap the dates")));
    }
    Ok(vec![("fromDate", format_date(from)), ("toDate", format_date(to))])
}

impl ReportQuery for ProfitAndLossQuery {
    const NAME: &'static str = "ProfitAndLoss";

    fn parameters(&self) -> Result<Vec<(&'static str, String)>, Error> {
        let mut parameters = range(self.from, self.to)?;
        if let Some((count, timeframe)) = self.periods {
            if !(1..=11).contains(&count) {
                return Err(Error::Invalid("a profit and loss has 1 to 11 comparison periods".to_owned()));
            }
            let timeframe = match timeframe {
                Timeframe::Month => "MONTH",
                Timeframe::Quarter => "QUARTER",
                Timeframe::Year => "YEAR",
            };
            parameters.extend([("periods", count.to_string()), ("timeframe", timeframe.to_owned())]);
        }
        if self.standard_layout {
            parameters.push(("standardLayout", "true".to_owned()));
        }
        if self.payments_only {
            parameters.push(("paymentsOnly", "true".to_owned()));
        }
        Ok(parameters)
    }
}

impl ReportQuery for BankSummaryQuery {
    const NAME: &'static str = "BankSummary";

    fn parameters(&self) -> Result<Vec<(&'static str, String)>, Error> {
        range(self.from, self.to)
    }
}
