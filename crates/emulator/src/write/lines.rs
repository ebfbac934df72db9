//! Lines of documents: merged by `LineItemID`, completed, taxed and checked.

use uuid::Uuid;

use super::Writer;
use super::contact_request::text_or_none;
use super::line_request::{LineRequest, TrackingRequest};
use super::rules::{
    ACCOUNT_INVALID, TAX_RATE_INVALID, account_archived, account_code_invalid, check_length, tax_type_mismatch,
};
use crate::books::{
    Account, AccountType, Amount, Discount, Line, LineAmountTypes, LineTracking, ReferenceStatus, Text,
};
use crate::money::{self, LineError, LineInput, MAX_LINE_AMOUNT, fixed2};

/// Most tracking options on a line.
const MAX_TRACKING: usize = 2;
/// The largest quantity: thirteen digits before the point.
const MAX_QUANTITY: Amount = Amount(99_999_999_999_999_999);
/// The tax type of lines without tax.
const NO_TAX: &str = "NONE";

/// What a document asks of its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineRules {
    /// Whether line amounts contain tax.
    pub(super) types: LineAmountTypes,
    /// Sales invoices only.
    pub(super) takes_discounts: bool,
    /// Bank transactions must be sent the tax that Xero computes, or none.
    pub(super) tax_must_match: bool,
    /// Bank transactions: quantities above zero, unit amounts not zero.
    pub(super) counts_must_be_positive: bool,
    /// Approved documents need an account on every line with an amount.
    pub(super) needs_account: bool,
    /// Overpayments: the control account that lines are coded to whatever was sent.
    pub(super) control: Option<Uuid>,
}

/// Builds the lines that a request leaves behind. A line with a known id updates that line, one without is new (its id is
/// nil until it is stored), and stored lines that are not named are gone. Refusals go to `messages`.
pub(super) fn build(
    writer: &Writer<'_>,
    requests: &[LineRequest],
    stored: &[Line],
    rules: &LineRules,
    messages: &mut Vec<String>,
) -> Vec<Line> {
    let mut used = Vec::new();
    let mut built = Vec::with_capacity(requests.len());
    for request in requests {
        let base = request.id.and_then(|id| stored.iter().find(|line| line.id == id && !used.contains(&id)));
        used.extend(base.map(|line| line.id));
        built.push(build_line(writer, request, base, rules, messages));
    }
    built
}

/// How many lines an update threw away and made again under new ids: all of them when no id was sent at all, else those
/// that came back with the same text, quantity and price.
pub(super) fn recreated(before: &[Line], after: &[Line]) -> u64 {
    let new: Vec<&Line> = after.iter().filter(|line| line.id.is_nil()).collect();
    let is_kept = |line: &Line| after.iter().any(|other| other.id == line.id);
    let mut gone: Vec<&Line> = before.iter().filter(|line| !is_kept(line)).collect();
    if new.len() == after.len() {
        return gone.len().min(new.len()) as u64;
    }
    let before = gone.len();
    for line in new {
        let is_same = |old: &&Line| {
            old.description == line.description && old.quantity == line.quantity && old.unit_amount == line.unit_amount
        };
        if let Some(at) = gone.iter().position(is_same) {
            gone.swap_remove(at);
        }
    }
    (before - gone.len()) as u64
}

fn build_line(
    writer: &Writer<'_>,
    request: &LineRequest,
    base: Option<&Line>,
    rules: &LineRules,
    messages: &mut Vec<String>,
) -> Line {
    let mut line = base.cloned().unwrap_or_else(blank);
    check_length(messages, "Description", request.description.as_deref(), 4000);
    if let Some(description) = &request.description {
        line.description = text_or_none(description.clone());
    }
    merge_discount(&mut line, request, rules, messages);
    merge_figures(writer, &mut line, request, base, rules, messages);
    merge_item(&mut line, request, messages);
    merge_account(writer, &mut line, request, rules, messages);
    merge_tax(writer, &mut line, request, base, rules, messages);
    if let Some(tracking) = &request.tracking {
        line.tracking = resolve_tracking(writer, tracking, messages);
    }
    line
}

fn blank() -> Line {
    Line {
        id: Uuid::nil(),
        description: None,
        quantity: None,
        unit_amount: None,
        line_amount: Amount::ZERO,
        tax_amount: Amount::ZERO,
        discount: Discount::None,
        account: None,
        tax_type: None,
        item_code: None,
        tracking: Vec::new(),
    }
}

/// The words about discounts are not documented.
fn merge_discount(line: &mut Line, request: &LineRequest, rules: &LineRules, messages: &mut Vec<String>) {
    let sent = match (request.discount_rate, request.discount_amount) {
        (Some(rate), _) if !rate.is_zero() => Discount::Rate(rate),
        (_, Some(amount)) if !amount.is_zero() => Discount::Amount(amount),
        (None, None) => return,
        _ => Discount::None,
    };
    if sent != Discount::None && !rules.takes_discounts {
        messages.push("Discounts are only supported on ACCREC invoices and quotes".into());
        return;
    }
    let in_range = match sent {
        Discount::None => true,
        Discount::Rate(rate) => (0..=100 * Amount::UNIT).contains(&rate.0),
        Discount::Amount(amount) => (0..=MAX_LINE_AMOUNT.0).contains(&amount.0),
    };
    if in_range {
        line.discount = sent;
    } else {
        messages.push("Discount must be between 0 and 100 percent of the line".into());
    }
}

/// Completes quantity, unit amount and line amount from what was sent and, on an update, what was stored.
fn merge_figures(
    writer: &Writer<'_>,
    line: &mut Line,
    request: &LineRequest,
    base: Option<&Line>,
    rules: &LineRules,
    messages: &mut Vec<String>,
) {
    let sent_any = request.quantity.or(request.unit_amount).or(request.line_amount).is_some();
    if let Some(base) = base
        && !sent_any
        && base.discount == line.discount
    {
        return;
    }
    let derives = request.line_amount.is_some();
    let input = LineInput {
        quantity: request.quantity.or(line.quantity.filter(|_| !derives || request.unit_amount.is_none())),
        unit_amount: request.unit_amount.or(line.unit_amount.filter(|_| !derives)),
        line_amount: request.line_amount,
        discount: line.discount,
        unit_dp: writer.unit_dp,
    };
    match money::resolve_line(&input, writer.settings.rounding) {
        Ok(figures) => {
            line.quantity = figures.quantity;
            line.unit_amount = figures.unit_amount;
            line.line_amount = figures.line_amount;
        }
        Err(LineError::Mismatch { sent, expected }) => messages.push(format!(
            "The line total {} does not match the expected line total {}",
            fixed2(sent),
            fixed2(expected)
        )),
        Err(LineError::TooLarge) => {
            messages.push(format!("The line total must not exceed {}", fixed2(MAX_LINE_AMOUNT)));
        }
    }
    if request.quantity.is_some_and(|quantity| quantity.0.unsigned_abs() > MAX_QUANTITY.0.unsigned_abs()) {
        messages.push("Quantity is too long. Maximum of 13 digits allowed".into());
    }
    if rules.counts_must_be_positive && sent_any {
        if line.quantity.is_some_and(|quantity| quantity <= Amount::ZERO) {
            messages.push("The quantity of a line item must be greater than zero".into());
        }
        if line.unit_amount.is_none_or(Amount::is_zero) {
            messages.push("The unit amount of a line item must not be zero".into());
        }
    }
}

/// There is no price list yet, so only a line that already has an item keeps it.
fn merge_item(line: &mut Line, request: &LineRequest, messages: &mut Vec<String>) {
    if let Some(code) = &request.item_code
        && line.item_code.as_deref() != Some(code)
    {
        messages.push(format!("Item code '{code}' is not valid"));
    }
}

fn merge_account(
    writer: &Writer<'_>,
    line: &mut Line,
    request: &LineRequest,
    rules: &LineRules,
    messages: &mut Vec<String>,
) {
    if rules.control.is_some() {
        line.account = rules.control;
        return;
    }
    let by_code = request.account_code.as_deref().map(|code| (writer.books.account_by_code(code), code.to_owned()));
    let by_id = || request.account_id.map(|id| (writer.books.accounts.get(id), id.to_string()));
    match by_code.or_else(by_id) {
        Some((Some(account), _)) if Some(account.id) == line.account => {}
        Some((Some(account), label)) => match usable(account, &label) {
            Ok(()) => line.account = Some(account.id),
            Err(message) => messages.push(message),
        },
        Some((None, label)) => messages.push(account_code_invalid(&label)),
        None if line.account.is_none() && rules.needs_account && has_amount(line) => {
            messages.push(ACCOUNT_INVALID.into());
        }
        None => {}
    }
}

fn has_amount(line: &Line) -> bool {
    !line.line_amount.is_zero() || line.unit_amount.is_some()
}

fn usable(account: &Account, label: &str) -> Result<(), String> {
    let shown = account.code.as_deref().unwrap_or(label);
    if account.status != ReferenceStatus::Active {
        return Err(account_archived(shown));
    }
    if account.kind == AccountType::Bank || account.system_account.as_deref().is_some_and(|name| !name.is_empty()) {
        return Err(account_code_invalid(shown));
    }
    Ok(())
}

fn merge_tax(
    writer: &Writer<'_>,
    line: &mut Line,
    request: &LineRequest,
    base: Option<&Line>,
    rules: &LineRules,
    messages: &mut Vec<String>,
) {
    let account = line.account.and_then(|id| writer.books.accounts.get(id));
    if rules.types == LineAmountTypes::NoTax || rules.control.is_some() {
        line.tax_type = account.map(|_| NO_TAX.into());
        line.tax_amount = Amount::ZERO;
        return;
    }
    let before = line.tax_type.clone();
    if let Some(sent) = request.tax_type.as_deref() {
        line.tax_type = Some(canonical_tax_type(writer, sent));
    } else if line.tax_type.is_none() {
        line.tax_type = account.map(|account| account.tax_type.clone());
    }
    let is_new = base.is_none() || line.tax_type != before || base.is_some_and(|base| base.account != line.account);
    if is_new && let Some(message) = tax_refusal(writer, line.tax_type.as_deref(), account) {
        messages.push(message);
        return;
    }
    let computed = computed_tax(writer, line, rules.types);
    let unchanged = base.is_some_and(|base| base.line_amount == line.line_amount && base.tax_type == line.tax_type);
    line.tax_amount = match request.tax_amount {
        Some(sent) if rules.tax_must_match && sent != computed => {
            // The words are not documented; they follow those of the line total.
            let (sent, expected) = (fixed2(sent), fixed2(computed));
            messages.push(format!("The tax total {sent} does not match the expected tax total {expected}"));
            return;
        }
        Some(sent) if sent.0.unsigned_abs() > MAX_LINE_AMOUNT.0.unsigned_abs() => {
            messages.push(format!("The tax total must not exceed {}", fixed2(MAX_LINE_AMOUNT)));
            return;
        }
        Some(sent) => sent,
        // An override of the tax survives an update that leaves amount and tax type alone.
        None if unchanged => line.tax_amount,
        None => computed,
    };
}

fn canonical_tax_type(writer: &Writer<'_>, sent: &str) -> Text {
    writer.books.tax_rate(sent).map_or_else(|| sent.to_ascii_uppercase().into(), |rate| rate.tax_type.clone())
}

fn tax_refusal(writer: &Writer<'_>, tax_type: Option<&str>, account: Option<&Account>) -> Option<String> {
    let tax_type = tax_type?;
    let Some(rate) = writer.books.tax_rate(tax_type) else {
        return (tax_type != NO_TAX).then(|| TAX_RATE_INVALID.into());
    };
    if rate.status != ReferenceStatus::Active {
        return Some(TAX_RATE_INVALID.into());
    }
    let account = account?;
    let fits = tax_type == NO_TAX || rate.applies_to.contains(&account.kind.class());
    (!fits).then(|| tax_type_mismatch(tax_type, account.code.as_deref().unwrap_or_default()))
}

fn computed_tax(writer: &Writer<'_>, line: &Line, types: LineAmountTypes) -> Amount {
    let rate = line.tax_type.as_deref().and_then(|tax_type| writer.books.tax_rate(tax_type));
    let percent = rate.map_or(Amount::ZERO, |rate| rate.effective_rate);
    money::line_tax(line.line_amount, percent, types, writer.settings.rounding)
}

/// Taxes stored lines again after the document's line amount type changed.
pub(super) fn tax_again(writer: &Writer<'_>, lines: &mut [Line], types: LineAmountTypes) {
    for line in lines {
        let account = line.account.and_then(|id| writer.books.accounts.get(id));
        if types == LineAmountTypes::NoTax {
            line.tax_type = account.map(|_| NO_TAX.into());
        }
        line.tax_amount = computed_tax(writer, line, types);
    }
}

/// The words about tracking are not documented.
fn resolve_tracking(writer: &Writer<'_>, sent: &[TrackingRequest], messages: &mut Vec<String>) -> Vec<LineTracking> {
    let mut found: Vec<LineTracking> = Vec::new();
    for part in sent {
        let category = writer.books.tracking.iter().find(|row| match (part.category_id, &part.category) {
            (Some(id), _) => row.id == id,
            (None, Some(name)) => row.name.eq_ignore_ascii_case(name),
            (None, None) => false,
        });
        let option = category.and_then(|row| {
            row.options.iter().find(|option| match (part.option_id, &part.option) {
                (Some(id), _) => option.id == id,
                (None, Some(name)) => option.name.eq_ignore_ascii_case(name),
                (None, None) => false,
            })
        });
        match (category, option) {
            (Some(category), Some(option))
                if category.status == ReferenceStatus::Active && option.status == ReferenceStatus::Active =>
            {
                found.push(LineTracking { category: category.id, option: option.id });
            }
            _ => {
                let name = part.category.as_deref().unwrap_or_default();
                let option = part.option.as_deref().unwrap_or_default();
                messages.push(format!("Tracking category '{name}' with option '{option}' is not valid"));
            }
        }
    }
    let repeats = found.iter().enumerate().any(|(at, part)| found[..at].iter().any(|p| p.category == part.category));
    if found.len() > MAX_TRACKING || repeats {
        messages.push(format!("A line item can have at most {MAX_TRACKING} tracking categories"));
    }
    found
}
