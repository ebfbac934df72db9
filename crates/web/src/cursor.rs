//! Cursors: where a list goes on, opaque to clients and good for nothing but the list that gave them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::problem::{Problem, code};
use crate::state::App;

/// Bytes of the tag that are kept: nobody guesses 96 bits.
const TAG: usize = 12;

/// The cursor of the page after `position`. `list` says which list with which filters.
pub(crate) fn write(app: &App, list: &str, position: i64) -> String {
    let mut bytes = position.to_be_bytes().to_vec();
    bytes.extend(tag(app, list, position));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position that a cursor holds, if this program made it for this list.
pub(crate) fn read(app: &App, list: &str, text: &str) -> Result<i64, Problem> {
    let refused = || Problem::new(code::CURSOR, "use a nextCursor of the same list and filters, or begin without one");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let (position, seen) = bytes.split_first_chunk::<8>().ok_or_else(refused)?;
    let position = i64::from_be_bytes(*position);
    let wanted = tag(app, list, position);
    let is_ours = aws_lc_rs::constant_time::verify_slices_are_equal(seen, &wanted).is_ok();
    if is_ours { Ok(position) } else { Err(refused()) }
}

fn tag(app: &App, list: &str, position: i64) -> [u8; TAG] {
    let whole = app.engine().tag("cursor", &format!("{list}|{position}"));
    let mut short = [0; TAG];
    short.copy_from_slice(&whole[..TAG]);
    short
}
