//! `tieout agree`: both sides compared, Xero read afresh; a single wrong cent is named.

use crate::args::Which;
use crate::compose::{self, EMULATED, Hold};
use crate::failure::{Exit, Failure};
use crate::output::{Cell, Column, Output, Rows};
use crate::settings::Settings;
use crate::{shutdown, words};

use super::sync::{differences, differences_json};

const COLUMNS: &[Column] = &[
    Column::text("organisation", "ORG"),
    Column::hidden("connection"),
    Column::figure("documentsCompared", "DOCUMENTS"),
    Column::figure("difference", "DIFFERENCE"),
    Column::text("currency", "CURRENCY"),
    Column::hidden("differences"),
    Column::hidden("emulated"),
];

pub(super) async fn run(which: &Which, settings: &Settings, output: &Output) -> Result<Exit, Failure> {
    let parts = compose::parts(settings)?;
    let store = compose::open(settings).await?;
    let connections = compose::connections(&store, which).await?;
    let running = compose::start(parts, Hold::Exclusive, store).await?;
    let engine = &running.engine;
    if output.is_for_people() && engine.is_emulated() {
        output.note(EMULATED);
    }
    let work = async {
        let mut rows = Rows::new(COLUMNS, "nothing to compare");
        let mut lines = Vec::new();
        let mut exit = Exit::Done;
        for connection in connections {
            let agreement = engine.agreement(connection.id).await?;
            if !agreement.difference.is_zero() || !agreement.differences.is_empty() {
                exit = Exit::Difference;
            }
            lines.extend(differences(&agreement));
            rows.push(vec![
                connection.tenant_name.as_str().into(),
                connection.id.0.into(),
                Cell::new(agreement.documents, words::count(agreement.documents)),
                agreement.difference.to_string().into(),
                connection.facts.base_currency.as_deref().into(),
                Cell::new(differences_json(&agreement), ""),
                engine.is_emulated().into(),
            ]);
        }
        Ok((rows, lines, exit))
    };
    let (rows, lines, exit) = shutdown::unless_asked(work, "tieout agree").await?;
    output.rows(&rows);
    if exit == Exit::Difference {
        if output.is_for_people() {
            output.line(&lines.join("\n"));
        }
        return Err(Failure::new(exit, "the two sides do not agree"));
    }
    Ok(exit)
}
