//! The words that the sample database is made of. None of them holds a quote, so that they need no escaping.

/// Code, name, currency and cities.
pub(super) const COUNTRIES: [(&str, &str, &str, &[&str]); 12] = [
    ("AT", "Austria", "EUR", &["Wien", "Graz", "Linz", "Salzburg", "Innsbruck"]),
    ("BE", "Belgium", "EUR", &["Brussels", "Antwerp", "Ghent", "Leuven"]),
    ("CH", "Switzerland", "CHF", &["Zürich", "Bern", "Basel", "Genève", "Lausanne"]),
    ("CZ", "Czechia", "CZK", &["Praha", "Brno", "Ostrava"]),
    ("DE", "Germany", "EUR", &["Berlin", "Hamburg", "München", "Köln", "Leipzig", "Bremen"]),
    ("DK", "Denmark", "DKK", &["København", "Aarhus", "Odense"]),
    ("ES", "Spain", "EUR", &["Madrid", "Barcelona", "Valencia", "Bilbao"]),
    ("FR", "France", "EUR", &["Paris", "Lyon", "Nantes", "Lille", "Grenoble"]),
    ("IE", "Ireland", "EUR", &["Dublin", "Cork", "Galway"]),
    ("IT", "Italy", "EUR", &["Milano", "Torino", "Bologna", "Roma"]),
    ("NL", "Netherlands", "EUR", &["Amsterdam", "Utrecht", "Rotterdam", "Groningen"]),
    ("SE", "Sweden", "SEK", &["Stockholm", "Göteborg", "Malmö", "Umeå"]),
];

pub(super) const FIRST_NAMES: [&str; 40] = [
    "Ada", "Alma", "Anton", "Bruno", "Clara", "Daan", "Elif", "Emil", "Erik", "Femke", "Finn", "Greta", "Hanna", "Hugo", "Ida", "Ines",
    "Jakob", "Jana", "Jonas", "Julia", "Karin", "Lars", "Lea", "Leon", "Lucia", "Luis", "Marek", "Marta", "Mats", "Mila", "Nils", "Nora",
    "Oskar", "Paula", "Pavel", "Rosa", "Sofia", "Theo", "Tilda", "Yusuf",
];

pub(super) const LAST_NAMES: [&str; 40] = [
    "Alvarez",
    "Andersen",
    "Bakker",
    "Baumann",
    "Berg",
    "Bianchi",
    "Brandt",
    "Byrne",
    "Claes",
    "Conti",
    "Dahl",
    "Dubois",
    "Eklund",
    "Fischer",
    "Fontaine",
    "Garcia",
    "Gruber",
    "Hansen",
    "Horvat",
    "Huber",
    "Jansen",
    "Keller",
    "Kral",
    "Lambert",
    "Lindqvist",
    "Maes",
    "Marino",
    "Meyer",
    "Moreau",
    "Murphy",
    "Novak",
    "Olsen",
    "Peeters",
    "Rossi",
    "Schmid",
    "Sedlak",
    "Svensson",
    "Torres",
    "Visser",
    "Weber",
];

pub(super) const STREETS: [&str; 16] = [
    "Station Road",
    "Mill Lane",
    "Harbour Street",
    "Market Square",
    "Garden Row",
    "Church Hill",
    "River Walk",
    "School Lane",
    "Forest Way",
    "Bridge Street",
    "North Quay",
    "Orchard Close",
    "Castle Road",
    "Meadow Lane",
    "Tower Street",
    "Canal Side",
];

pub(super) const TITLES: [&str; 7] =
    ["Sales Associate", "Buyer", "Warehouse Worker", "Customer Service", "Accountant", "Web Developer", "Repair Technician"];

pub(super) const SUPPLIERS: [&str; 24] = [
    "Alpine Thread",
    "Birchwood Works",
    "Coastline Supply",
    "Delta Fabrics",
    "Eastern Ridge",
    "Fjord and Sons",
    "Granite Tools",
    "High Meadow",
    "Ironbark",
    "Juniper Trading",
    "Kestrel Optics",
    "Larkspur Textiles",
    "Moorland Gear",
    "Northlight",
    "Osprey Metals",
    "Pinecone Goods",
    "Quarry Lane",
    "Rivermouth",
    "Saltmarsh",
    "Timberline",
    "Upland Weavers",
    "Valley Forge",
    "Westwind",
    "Yellowfin",
];

/// Name, number of the parent, and the things sold in it with their lowest price in euros.
type Category = (&'static str, Option<u32>, &'static [(&'static str, i64)]);

/// The categories, parents before their children.
pub(super) const CATEGORIES: [Category; 20] = [
    ("Camping", None, &[]),
    ("Clothing", None, &[]),
    ("Climbing", None, &[]),
    ("Cycling", None, &[]),
    ("Water", None, &[]),
    ("Tents", Some(1), &[("Tent", 120), ("Tarp", 45), ("Bivouac", 80)]),
    ("Sleeping", Some(1), &[("Sleeping Bag", 70), ("Mat", 30), ("Hammock", 40)]),
    ("Kitchen", Some(1), &[("Stove", 35), ("Pot", 18), ("Mug", 8), ("Water Filter", 30)]),
    ("Lighting", Some(1), &[("Headlamp", 22), ("Lantern", 28)]),
    ("Jackets", Some(2), &[("Rain Jacket", 90), ("Fleece", 55), ("Down Jacket", 140)]),
    ("Footwear", Some(2), &[("Boots", 110), ("Trail Shoes", 85), ("Sandals", 45)]),
    ("Accessories", Some(2), &[("Hat", 15), ("Gloves", 20), ("Socks", 9)]),
    ("Ropes", Some(3), &[("Rope", 95), ("Sling", 9)]),
    ("Hardware", Some(3), &[("Carabiner", 8), ("Belay Device", 25), ("Helmet", 50), ("Harness", 55)]),
    ("Bags", Some(4), &[("Pannier", 60), ("Handlebar Bag", 40), ("Frame Bag", 35)]),
    ("Bike Parts", Some(4), &[("Pump", 18), ("Light Set", 30), ("Repair Kit", 12)]),
    ("Boats", Some(5), &[("Packraft", 480), ("Kayak", 620)]),
    ("Paddling", Some(5), &[("Paddle", 70), ("Dry Bag", 14), ("Buoyancy Aid", 65)]),
    ("Backpacks", Some(1), &[("Day Pack", 50), ("Trekking Pack", 130)]),
    ("Navigation", Some(1), &[("Compass", 20), ("Map Case", 12), ("Altimeter", 90)]),
];

pub(super) const LINES: [&str; 14] =
    ["Arran", "Bodö", "Cairn", "Dovre", "Eiger", "Fjell", "Gale", "Heron", "Inis", "Jura", "Karst", "Lofoten", "Mistral", "Nordic"];

pub(super) const MODELS: [&str; 10] = ["Lite", "Pro", "II", "III", "Classic", "XT", "Junior", "Trek", "Ultra", "Base"];

pub(super) const CARRIERS: [&str; 4] = ["Parcelwise", "Swiftpost", "Bluelane", "Cargonaut"];

pub(super) const NOTES: [&str; 6] = [
    "Please leave it with the neighbour",
    "Gift, no invoice in the parcel",
    "Ring twice",
    "Second floor, no lift",
    "Deliver after 5 pm",
    "Exchange for a larger size if sold out",
];

/// What a review says, by its rating from 1 to 5.
pub(super) const OPINIONS: [[&str; 4]; 5] = [
    ["Broke on the first trip", "Not as described", "Sent it back", "Would not buy again"],
    ["Heavier than I hoped", "Zip gets stuck", "Runs small", "Too expensive for what it is"],
    ["Does the job", "All right for the price", "Good idea, average make", "Neither good nor bad"],
    ["Very solid", "Good value", "Happy with it", "Small flaws, great use"],
    ["Best I have had", "Survived a week of rain", "Perfect fit", "Exactly what I needed"],
];
