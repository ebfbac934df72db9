//! Words that names and descriptions are made of.

pub(super) const FIRST: &[&str] = &[
    "Harbour", "Kauri", "Rimu", "Southern", "Northern", "Alpine", "Coastal", "Summit", "River", "Bluebird", "Granite",
    "Golden", "Silver", "Copper", "Pioneer", "Anchor", "Beacon", "Cedar", "Falcon", "Heron", "Juniper", "Lantern",
    "Meadow", "Orchard", "Pebble", "Quarry", "Sunrise", "Timber", "Valley", "Willow",
];

pub(super) const SECOND: &[&str] = &[
    "Builders",
    "Bakery",
    "Logistics",
    "Design",
    "Electrical",
    "Plumbing",
    "Motors",
    "Software",
    "Consulting",
    "Foods",
    "Gardens",
    "Printing",
    "Roofing",
    "Surveying",
    "Textiles",
    "Tools",
    "Travel",
    "Vets",
    "Wines",
    "Dairy",
    "Fisheries",
    "Furniture",
    "Glass",
    "Joinery",
    "Media",
    "Nursery",
    "Optics",
    "Pharmacy",
    "Studio",
    "Supplies",
];

pub(super) const SUFFIX: &[&str] = &["Ltd", "Limited", "& Co", "Group", "Holdings", "Partners", "Trust", "NZ"];

pub(super) const GIVEN: &[&str] = &[
    "Aroha", "Ben", "Chloe", "Dev", "Elena", "Finn", "Grace", "Hemi", "Isla", "Jonas", "Kiri", "Liam", "Mere", "Noah",
];

pub(super) const FAMILY: &[&str] = &[
    "Walker",
    "Ngata",
    "Singh",
    "O'Brien",
    "Müller",
    "Chen",
    "Tanaka",
    "Smith-Jones",
    "Patel",
    "Kowalski",
    "Tāmati",
    "Reid",
];

pub(super) const STREETS: &[&str] =
    &["Queen Street", "Ferry Road", "Station Lane", "Hill Terrace", "Quay Street", "Mill Road", "Church Street"];

/// City, region, postal code, country, phone area code, phone country code.
pub(super) const CITIES: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("Auckland", "Auckland", "1010", "New Zealand", "09", "64"),
    ("Wellington", "Wellington", "6011", "New Zealand", "04", "64"),
    ("Christchurch", "Canterbury", "8011", "New Zealand", "03", "64"),
    ("Hamilton", "Waikato", "3204", "New Zealand", "07", "64"),
    ("Dunedin", "Otago", "9016", "New Zealand", "03", "64"),
    ("Sydney", "NSW", "2000", "Australia", "02", "61"),
];

/// Names that break careless programs.
pub(super) const AWKWARD: &[&str] = &[
    "\"Quoted\" & Sons",
    "O'Connor's Café",
    "Parrot 🦜 Party Hire",
    "Ångström Öfen GmbH",
    "東京デザイン",
    "Back\\slash; DROP TABLE",
    "Tab and, comma",
    "100% Pure_Water",
];

pub(super) const SALES: &[&str] = &[
    "Monthly service fee",
    "Design work",
    "Installation",
    "Consulting hours",
    "Replacement parts",
    "Annual licence",
    "Delivery to site",
    "Training day",
    "Custom joinery, oak",
    "Hire of equipment",
    "Support plan",
    "Site survey",
    "Printed brochures (A5, 4 pages)",
    "Catering for \"launch\" event",
    "Project management – stage 2",
];

pub(super) const PURCHASES: &[&str] = &[
    "Office supplies",
    "Courier charges",
    "Rent",
    "Power for the workshop",
    "Telephone and internet",
    "Advertising in the local paper",
    "Repairs to vehicle",
    "Subscriptions",
    "Cleaning",
    "Raw materials",
    "Accounting services",
    "Insurance premium",
    "Flights",
    "Freight from port",
    "Printing and stationery",
];
