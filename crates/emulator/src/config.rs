//! What an emulator is made of: its organisations, its one registered application, its limits, and settings for the
//! questions that Xero's documentation leaves open.

use crate::clock::Clock;
use crate::generate::Size;

/// Everything that an [`crate::Emulator`] is built from.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ids, tokens, names and figures all follow from it.
    pub seed: u64,
    /// The time that the emulator goes by.
    pub clock: Clock,
    /// The organisations that the one login can connect, in order.
    pub organisations: Vec<OrganisationPlan>,
    /// The registered application.
    pub app: App,
    /// Where the emulator is reached, without a slash at the end; written into the discovery document and tokens.
    pub base_url: String,
    /// What the consent page decides by itself; `None` shows the page.
    pub auto_consent: Option<AutoConsent>,
    /// Call limits.
    pub limits: Limits,
    /// How long every call takes in the router, in milliseconds.
    pub latency_ms: u64,
    /// Whether the login has the role that reports need; without it reports answer 403.
    pub has_reports_role: bool,
    /// Undocumented behaviour.
    pub settings: Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            clock: Clock::system(),
            organisations: vec![OrganisationPlan::default()],
            app: App::default(),
            base_url: "http://localhost:8910".into(),
            auto_consent: None,
            limits: Limits::default(),
            latency_ms: 0,
            has_reports_role: true,
            settings: Settings::default(),
        }
    }
}

/// One organisation to generate.
#[derive(Debug, Clone)]
pub struct OrganisationPlan {
    /// Display name.
    pub name: String,
    /// How much is in its books.
    pub size: Size,
    /// Its daily allowance.
    pub tier: Tier,
}

impl Default for OrganisationPlan {
    fn default() -> Self {
        Self { name: "Demo Company (NZ)".into(), size: Size::default(), tier: Tier::Core }
    }
}

/// The commercial tier of the application decides the calls per day and organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// 1,000 calls a day.
    Starter,
    /// 5,000 calls a day (Core and above).
    Core,
}

impl Tier {
    /// Calls per day and organisation.
    pub fn calls_per_day(self) -> u32 {
        match self {
            Self::Starter => 1_000,
            Self::Core => 5_000,
        }
    }

    /// `starter` or `core`, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "starter" => Some(Self::Starter),
            "core" => Some(Self::Core),
            _ => None,
        }
    }
}

/// Call limits other than the daily one, which the tier decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When false nothing is ever refused and the remaining counts stay full.
    pub is_enforced: bool,
    /// Calls in flight per organisation.
    pub concurrent: u32,
    /// Calls per minute and organisation.
    pub minute: u32,
    /// Calls per minute over all organisations.
    pub app_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { is_enforced: true, concurrent: 5, minute: 60, app_minute: 10_000 }
    }
}

/// The registered application.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name, the `ProviderName` of every envelope.
    pub name: String,
    /// Client id.
    pub client_id: String,
    /// Client secret; `None` makes it a public client that must use PKCE.
    pub client_secret: Option<String>,
    /// Registered redirect addresses; when empty any https or `http://localhost` address is taken.
    pub redirect_uris: Vec<String>,
    /// Scopes that it may ask for; when empty every granular scope.
    pub scopes: Vec<String>,
    /// Whether it is from before the granular scopes and may ask for `accounting.transactions` and its like.
    pub takes_broad_scopes: bool,
    /// A custom connection (client credentials) to this organisation, by its place in the list.
    pub custom_connection: Option<usize>,
}

impl Default for App {
    fn default() -> Self {
        Self {
            name: "Tieout".into(),
            client_id: "0123456789ABCDEF0123456789ABCDEF".into(),
            client_secret: Some("emulator-secret".into()),
            redirect_uris: Vec::new(),
            scopes: Vec::new(),
            takes_broad_scopes: false,
            custom_connection: None,
        }
    }
}

/// What the consent page decides without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoConsent {
    /// Allow, for every organisation.
    AllowAll,
    /// Allow, for the first organisation.
    AllowFirst,
    /// Deny.
    Deny,
}

/// How a half cent is rounded. Xero's documentation does not say; the observed figures fit `HalfUp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Half away from zero.
    HalfUp,
    /// Half to the even neighbour (banker's rounding).
    HalfEven,
}

/// Behaviours that are not documented, as switches. `Settings::default()` is what the emulator does unless told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `If-Modified-Since` returns rows with `UpdatedDateUTC >=` the given second (else `>`, to the whole second).
    pub ims_inclusive: bool,
    /// Answer 304 with an empty body when `If-Modified-Since` finds nothing (else 200 with an empty list).
    pub ims_304: bool,
    /// How half cents are rounded.
    pub rounding: Rounding,
    /// The number of a DELETED sales invoice may be used again.
    pub deleted_frees_number: bool,
    /// The number of a VOIDED sales invoice may be used again.
    pub voided_frees_number: bool,
    /// One bad payment in a batch refuses the whole batch when `summarizeErrors` is not false.
    pub payments_atomic: bool,
    /// The value of `X-Rate-Limit-Problem` for the limit over all organisations.
    pub app_minute_problem: &'static str,
    /// Send `Retry-After` on a 429 for too many concurrent calls (in seconds).
    pub concurrent_retry_after: Option<u32>,
    /// Largest accepted request target (path and query) in bytes.
    pub max_url_bytes: usize,
    /// Largest accepted request body in bytes (Xero's limit is 10 MB).
    pub max_body_bytes: usize,
    /// Lists refuse an unoptimised filter or order over more rows than this with a 400.
    pub unoptimised_rows: usize,
    /// Most comparison periods that the profit and loss report takes.
    pub report_periods: u32,
    /// What `pageSize` is clamped to.
    pub max_page_size: usize,
    /// `pageSize` without `page` gives page 1 (else the whole list).
    pub page_size_alone_pages: bool,
    /// `pageCount` of an empty list.
    pub empty_page_count: u32,
    /// A refresh inside the 30 minutes of grace gives a new sibling pair (else the same successor again).
    pub grace_gives_sibling: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ims_inclusive: true,
            ims_304: false,
            rounding: Rounding::HalfUp,
            deleted_frees_number: true,
            voided_frees_number: false,
            payments_atomic: false,
            app_minute_problem: "appminute",
            concurrent_retry_after: None,
            max_url_bytes: 16 * 1024,
            max_body_bytes: 10 * 1024 * 1024,
            unoptimised_rows: 100_000,
            report_periods: 11,
            max_page_size: 1000,
            page_size_alone_pages: true,
            empty_page_count: 1,
            grace_gives_sibling: true,
        }
    }
}
