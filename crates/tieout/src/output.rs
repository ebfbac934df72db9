//! The one place that prints: data to standard output, everything else to standard error.
//!
//! No colour is ever used, so there is none to switch off. A reader that has gone away (`tieout runs | head -1`) is no
//! error: what could not be written is dropped.

use std::io::{IsTerminal, Write, stderr, stdout};

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
}

/// One value: as a program reads it, and as a person does.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    value: Value,
    shown: String,
}

impl Cell {
    pub(crate) fn new(value: impl Into<Value>, shown: impl Into<String>) -> Self {
        Self { value: value.into(), shown: shown.into() }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { value: Value::String(text.clone()), shown: text }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self { value: number.into(), shown: number.to_string() }
    }
}

impl From<bool> for Cell {
    fn from(is: bool) -> Self {
        Self { value: is.into(), shown: if is { "yes" } else { "no" }.into() }
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or_else(|| Self { value: Value::Null, shown: "-".into() }, Into::into)
    }
}

/// A column: its key for programs (its title for people is the same, in capitals).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    key: &'static str,
    title: &'static str,
    is_right: bool,
    is_wide: bool,
}

impl Column {
    /// Text, left-aligned.
    pub(crate) const fn text(key: &'static str, title: &'static str) -> Self {
        Self { key, title, is_right: false, is_wide: false }
    }

    /// Figures, right-aligned.
    pub(crate) const fn figure(key: &'static str, title: &'static str) -> Self {
        Self { key, title, is_right: true, is_wide: false }
    }

    /// For programs only: too much for a terminal's line.
    pub(crate) const fn hidden(key: &'static str) -> Self {
        Self { key, title: "", is_right: false, is_wide: true }
    }
}

/// What a list command answers.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    /// Said to a person when there are none.
    empty: String,
}

impl Rows {
    pub(crate) fn new(columns: &[Column], empty: impl Into<String>) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), empty: empty.into() }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len(), "a cell for each column");
        self.rows.push(row);
    }

    fn objects(&self) -> impl Iterator<Item = Value> + '_ {
        self.rows.iter().map(|row| {
            let pairs = self.columns.iter().zip(row).map(|(column, cell)| (column.key.to_owned(), cell.value.clone()));
            Value::Object(pairs.collect::<Map<_, _>>())
        })
    }

    fn table(&self) -> String {
        if self.rows.is_empty() {
            return self.empty.clone();
        }
        let shown: Vec<usize> = (0..self.columns.len()).filter(|at| !self.columns[*at].is_wide).collect();
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(shown.iter().map(|at| self.columns[*at].title));
        for row in &self.rows {
            table.add_row(shown.iter().map(|at| one_line(&row[*at].shown)));
        }
        for (place, at) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(place) {
                column.set_padding((0, 2));
                if self.columns[*at].is_right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    fn csv(&self) -> String {
        let header = self.columns.iter().map(|column| csv_cell(&Value::String(column.key.into())));
        let mut lines = vec![header.collect::<Vec<_>>().join(",")];
        for row in &self.rows {
            lines.push(row.iter().map(|cell| csv_cell(&cell.value)).collect::<Vec<_>>().join(","));
        }
        lines.join("\r\n")
    }
}

/// Text that came from Xero must not break out of its line, or move the cursor of the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// RFC 4180, and nothing that a spreadsheet would run as a formula (security.md SEC-38).
fn csv_cell(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let is_formula = value.is_string() && text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number(&text);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn is_number(text: &str) -> bool {
    text.parse::<model::Amount>().is_ok()
}

/// Where everything that a command says goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether a person reads the answer.
    pub(crate) fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Whether somebody can be asked.
    pub(crate) fn is_interactive(&self) -> bool {
        std::io::stdin().is_terminal() && stderr().is_terminal()
    }

    /// A list.
    pub(crate) fn rows(&self, rows: &Rows) {
        match self.format {
            Format::Table => self.line(&rows.table()),
            Format::Json => self.line(&pretty(&Value::Array(rows.objects().collect()))),
            Format::Ndjson => rows.objects().for_each(|object| self.line(&object.to_string())),
            Format::Csv => self.line(&rows.csv()),
        }
    }

    /// Long answers: whole values for programs, flat rows for people and spreadsheets.
    pub(crate) fn report(&self, values: &[Value], rows: &Rows) {
        match self.format {
            Format::Json => self.line(&pretty(&Value::Array(values.to_vec()))),
            Format::Ndjson => values.iter().for_each(|value| self.line(&value.to_string())),
            Format::Table | Format::Csv => self.rows(rows),
        }
    }

    /// One object: `human` for people, the value for programs.
    pub(crate) fn object(&self, value: &Value, human: &str) {
        match (self.format, value) {
            (Format::Table, _) => self.line(human),
            (Format::Json, _) => self.line(&pretty(value)),
            (Format::Ndjson, _) => self.line(&value.to_string()),
            (Format::Csv, Value::Object(fields)) => {
                let keys: Vec<_> = fields.keys().map(|key| csv_cell(&Value::String(key.clone()))).collect();
                let cells: Vec<_> = fields.values().map(csv_cell).collect();
                self.line(&format!("{}\r\n{}", keys.join(","), cells.join(",")));
            }
            (Format::Csv, other) => self.line(&csv_cell(other)),
        }
    }

    /// A line of data, as it is.
    pub(crate) fn line(&self, text: &str) {
        let _ = writeln!(stdout().lock(), "{text}").and_then(|()| stdout().flush());
    }

    /// Bytes of data, as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let _ = stdout().lock().write_all(bytes);
    }

    /// A remark beside the data.
    pub(crate) fn note(&self, text: &str) {
        let _ = writeln!(stderr().lock(), "{text}");
    }

    /// A question, without a line's end.
    pub(crate) fn ask(&self, text: &str) {
        let _ = write!(stderr().lock(), "{text} ").and_then(|()| stderr().flush());
    }

    /// Clears the screen, for views that are drawn again; a pipe gets one view after the other.
    pub(crate) fn clear(&self) {
        if self.is_for_people() && stdout().is_terminal() {
            self.raw(b"\x1b[2J\x1b[H");
        }
    }

    /// Why a command ended.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(self.format, Format::Json | Format::Ndjson) {
            let error = json!({"error": {
                "code": failure.code, "message": failure.message, "next": failure.next, "exit": failure.exit as u8,
            }});
            self.note(&error.to_string());
            return;
        }
        let code = failure.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        self.note(&format!("error: {}{code}\nnext:  {}", failure.message, failure.next));
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        let columns = [Column::text("name", "NAME"), Column::figure("count", "COUNT"), Column::hidden("raw")];
        let mut rows = Rows::new(&columns, "nothing here");
        rows.push(vec!["=HYPERLINK(\"x\")".into(), 7.into(), Cell::from(None::<&str>)]);
        rows.push(vec!["Müller, \u{1b}[31mKG\n".into(), Cell::new(1200, "1,200"), "-5.00".into()]);
        rows
    }

    #[test]
    fn tables_show_one_line_per_row_and_no_control_characters() {
        assert_eq!(rows().table(), "NAME              COUNT\n=HYPERLINK(\"x\")       7\nMüller,  [31mKG   1,200");
        assert_eq!(Rows::new(&[Column::text("a", "A")], "nothing here").table(), "nothing here");
    }

    #[test]
    fn csv_is_quoted_and_runs_no_formula() {
        let csv = rows().csv();
        assert!(csv.starts_with("name,count,raw\r\n\"'=HYPERLINK(\"\"x\"\")\",7,\r\n"), "{csv}");
        assert!(csv.ends_with(",1200,-5.00"), "{csv}");
    }

    #[test]
    fn programs_get_values_and_not_what_is_shown() {
        let objects: Vec<Value> = rows().objects().collect();
        assert_eq!(objects[1]["count"], 1200);
        assert_eq!(objects[0]["raw"], Value::Null);
    }
}
