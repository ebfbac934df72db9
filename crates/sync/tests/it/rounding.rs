//! Our totals against the emulator's, to the cent: two programs that share no code, over random invoices in all three
//! line amount types, with discounts, negative lines and four decimals in prices and quantities.

use emulator::books::{Amount as Theirs, Discount, LineAmountTypes as TheirTypes};
use emulator::config::{Limits, OrganisationPlan, Rounding, Tier};
use emulator::http::Request;
use emulator::money::{LineInput, line_tax as their_tax, resolve_line, totals as their_totals};
use emulator::{Config, Emulator, Size};
use model::accounting::{Totals, totals};
use model::{Amount, Line, LineAmountTypes};
use serde_json::{Value, json};

const TYPES: [LineAmountTypes; 3] = [LineAmountTypes::Exclusive, LineAmountTypes::Inclusive, LineAmountTypes::NoTax];

/// A small generator of numbers (splitmix64): the same invoices every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    /// Ten-thousandths below `limit`, often with few decimals, so that halves of a cent are met all the time.
    fn e4(&mut self, limit: u64) -> Amount {
        let steps = [1, 5, 10, 25, 50, 100, 1_000, 10_000];
        let step = steps[usize::try_from(self.below(8)).unwrap()];
        let value = i64::try_from(self.below(limit / step) * step).unwrap();
        Amount::from_e4(value)
    }

    fn signed(&mut self, amount: Amount) -> Amount {
        if self.one_in(6) { -amount } else { amount }
    }

    /// A line with a tax type out of `tax_types`.
    fn line(&mut self, tax_types: &[String]) -> Line {
        let mut line = Line { description: Some("Work".into()), ..Line::default() };
        if self.one_in(25) {
            return line;
        }
        line.tax_type = Some(tax_types[usize::try_from(self.below(tax_types.len() as u64)).unwrap()].clone());
        let most_price = if self.one_in(10) { 999_999_000 } else { 5_000_000 };
        let price = self.e4(most_price);
        line.unit_amount = Some(self.signed(price));
        match self.below(16) {
            // A price alone counts once.
            0 => {}
            1 => {
                let cents = Amount::from_e4(price.e4() / 100 * 100);
                (line.unit_amount, line.line_amount) = (None, Some(self.signed(cents)));
            }
            _ => {
                let quantity = self.e4(1_000_000);
                line.quantity = Some(self.signed(quantity));
            }
        }
        if line.line_amount.is_none() {
            match self.below(4) {
                0 => line.discount_rate = Some(self.e4(1_000_001)),
                1 => line.discount_amount = Some(Amount::from_e4(self.e4(2_000_000).e4() / 100 * 100)),
                _ => {}
            }
        }
        line
    }

    fn lines(&mut self, tax_types: &[String]) -> Vec<Line> {
        (0..=self.below(3)).map(|_| self.line(tax_types)).collect()
    }
}

fn to_theirs(amount: Amount) -> Theirs {
    Theirs(amount.e4())
}

/// What the emulator's arithmetic makes of the lines.
fn emulated(lines: &[Line], types: LineAmountTypes, rate: &dyn Fn(&str) -> Option<Amount>) -> [i64; 3] {
    let types = match types {
        LineAmountTypes::Exclusive => TheirTypes::Exclusive,
        LineAmountTypes::Inclusive => TheirTypes::Inclusive,
        LineAmountTypes::NoTax => TheirTypes::NoTax,
    };
    let figures = lines.iter().map(|line| {
        let set = |discount: Option<Amount>| discount.filter(|discount| !discount.is_zero()).map(to_theirs);
        let discount = match (set(line.discount_rate), set(line.discount_amount)) {
            (Some(percent), _) => Discount::Rate(percent),
            (None, Some(off)) => Discount::Amount(off),
            (None, None) => Discount::None,
        };
        let input = LineInput {
            quantity: line.quantity.map(to_theirs),
            unit_amount: line.unit_amount.map(to_theirs),
            line_amount: line.line_amount.map(to_theirs),
            discount,
            unit_dp: 4,
        };
        let amount = resolve_line(&input, Rounding::HalfUp).unwrap().line_amount;
        let percent = line.tax_type.as_deref().and_then(rate).map_or(Theirs(0), to_theirs);
        (amount, their_tax(amount, percent, types, Rounding::HalfUp))
    });
    let sums = their_totals(types, figures.collect::<Vec<_>>());
    [sums.sub_total.0, sums.total_tax.0, sums.total.0]
}

fn parts(totals: Totals) -> [i64; 3] {
    [totals.sub_total.e4(), totals.total_tax.e4(), totals.total.e4()]
}

/// Rates with up to four decimals, by a name that is the rate in ten-thousandths of a percent.
fn rate_by_name(name: &str) -> Option<Amount> {
    name.parse().ok().map(Amount::from_e4)
}

fn compare(seed: u64, invoices: u64) -> [u64; 3] {
    let rates = ["0", "150000", "125000", "100000", "77000", "200000", "82500", "66667", "333333"];
    let tax_types = rates.map(str::to_owned);
    let mut numbers = Numbers(seed);
    let mut compared = [0; 3];
    for number in 0..invoices {
        let at = usize::try_from(number % 3).unwrap();
        let lines = numbers.lines(&tax_types);
        let ours = totals(&lines, TYPES[at], &rate_by_name).map(parts);
        assert_eq!(ours, Some(emulated(&lines, TYPES[at], &rate_by_name)), "{} {lines:?}", TYPES[at]);
        compared[at] += 1;
    }
    compared
}

/// The emulator's arithmetic is what its write path uses; the test below says so for every total of its answers.
#[test]
fn a_million_random_invoices_add_up_as_in_the_emulator() {
    let halves: Vec<_> = [1, 2].map(|seed| std::thread::spawn(move || compare(seed, 500_000))).into_iter().collect();
    let compared: Vec<[u64; 3]> = halves.into_iter().map(|half| half.join().unwrap()).collect();
    let all: Vec<u64> = (0..3).map(|types| compared.iter().map(|half| half[types]).sum()).collect();
    assert_eq!(all.iter().sum::<u64>(), 1_000_000);
    assert!(all.iter().all(|count| *count > 333_000), "{all:?}");
}

/// The emulator, called as a program of its own organisation would.
struct Caller {
    emulator: Emulator,
    token: String,
}

impl Caller {
    fn new() -> Self {
        let mut config = Config {
            seed: 7,
            organisations: vec![OrganisationPlan { name: "Demo".into(), size: Size::empty(), tier: Tier::Core }],
            limits: Limits { is_enforced: false, ..Limits::default() },
            ..Config::default()
        };
        config.app.custom_connection = Some(0);
        let (id, secret) = (config.app.client_id.clone(), config.app.client_secret.clone().unwrap_or_default());
        let emulator = Emulator::new(config);
        let scope = "accounting.contacts%20accounting.invoices%20accounting.settings";
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope={scope}");
        let request = Request::new("POST", "/connect/token")
            .with_header("content-type", "application/x-www-form-urlencoded")
            .with_body(body);
        let answer = emulator.handle(&request);
        assert_eq!(answer.status, 200, "{}", answer.text_body());
        let tokens: Value = serde_json::from_slice(&answer.body).unwrap();
        Self { token: tokens["access_token"].as_str().unwrap().to_owned(), emulator }
    }

    fn put(&self, path: &str, body: &Value) -> Value {
        let request = Request::new("PUT", &format!("/api.xro/2.0/{path}"))
            .with_header("authorization", &format!("Bearer {}", self.token))
            .with_header("xero-tenant-id", &self.emulator.tenants()[0].to_string())
            .with_header("accept", "application/json")
            .with_header("content-type", "application/json")
            .with_body(body.to_string());
        let answer = self.emulator.handle(&request);
        assert_eq!(answer.status, 200, "{}", answer.text_body());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

fn number(amount: Option<Amount>) -> Value {
    amount.map_or(Value::Null, |amount| serde_json::from_str(&amount.decimal().normalize().to_string()).unwrap())
}

fn wire(contact: &Value, types: LineAmountTypes, lines: &[Line]) -> Value {
    let types = match types {
        LineAmountTypes::Exclusive => "Exclusive",
        LineAmountTypes::Inclusive => "Inclusive",
        LineAmountTypes::NoTax => "NoTax",
    };
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let mut wire = json!({
                "Description": line.description,
                "Quantity": number(line.quantity),
                "UnitAmount": number(line.unit_amount),
                "LineAmount": number(line.line_amount),
                "DiscountRate": number(line.discount_rate),
                "DiscountAmount": number(line.discount_amount),
                "TaxType": line.tax_type,
            });
            wire.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            wire
        })
        .collect();
    json!({
        "Type": "ACCREC", "Status": "DRAFT", "Contact": {"ContactID": contact}, "Date": "2026-05-01",
        "DueDate": "2026-06-01", "LineAmountTypes": types, "LineItems": lines,
    })
}

fn read(value: &Value) -> i64 {
    value.to_string().parse::<Amount>().unwrap().e4()
}

#[test]
fn twenty_thousand_written_invoices_add_up_as_answered() {
    const BATCH: usize = 500;
    let caller = Caller::new();
    let contact = caller.put("Contacts", &json!({"Name": "Round & Sons"}))["Contacts"][0]["ContactID"].clone();
    let odd = json!({
        "Name": "Odd", "ReportTaxType": "OUTPUT", "TaxComponents": [{"Name": "Odd", "Rate": 12.375}],
    });
    let odd = caller.put("TaxRates", &odd)["TaxRates"][0].clone();
    let odd_type = odd["TaxType"].as_str().unwrap().to_owned();
    let odd_rate: Amount = odd["EffectiveRate"].to_string().parse().unwrap();
    assert_eq!(odd_rate.to_string(), "12.375");
    let tax_types = ["OUTPUT2".to_owned(), "NONE".to_owned(), odd_type.clone()];
    let rate = |name: &str| match name {
        "OUTPUT2" => Some("15".parse().unwrap()),
        "NONE" => Some(Amount::ZERO),
        name => (name == odd_type).then_some(odd_rate),
    };
    let mut numbers = Numbers(3);
    for batch in 0..20_000 / BATCH {
        let invoices: Vec<_> =
            (0..BATCH).map(|place| (TYPES[(batch + place) % 3], numbers.lines(&tax_types))).collect();
        let body: Vec<Value> = invoices.iter().map(|(types, lines)| wire(&contact, *types, lines)).collect();
        let answer = caller.put("Invoices?unitdp=4&summarizeErrors=false", &json!({ "Invoices": body }));
        let answered = answer["Invoices"].as_array().unwrap();
        assert_eq!(answered.len(), BATCH);
        for ((types, lines), theirs) in invoices.iter().zip(answered) {
            assert_eq!(theirs["StatusAttributeString"], "OK", "{theirs}");
            let ours = parts(totals(lines, *types, &rate).unwrap());
            let answered = ["SubTotal", "TotalTax", "Total"].map(|field| read(&theirs[field]));
            assert_eq!(ours, answered, "{types} {lines:?}");
            assert_eq!(emulated(lines, *types, &rate), answered, "{types} {lines:?}");
        }
    }
}
