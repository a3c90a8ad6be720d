//! The sample database of `demo`: a small shop for outdoor gear, the same to the last row each time it is made.

mod random;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write;

use random::Random;

/// The last day of the shop's books, in days since 1970-01-01: 2026-06-30.
const LAST_DAY: i64 = 20_634;
/// How many days the books go back.
const DAYS: u64 = 900;

const CUSTOMERS: u64 = 1_000;
const EMPLOYEES: u64 = 32;
const SUPPLIERS: u64 = 24;
const PRODUCTS: u64 = 320;
const ORDERS: u64 = 2_900;

/// Rows in one `INSERT`.
const CHUNK: usize = 250;

/// The statements that make the sample database, schema first.
pub(super) fn script() -> impl Iterator<Item = String> {
    let mut shop = Shop { random: Random::new(0x7464_6761_7465), tables: Vec::new() };
    shop.fill();
    let inserts = shop.tables.into_iter().flat_map(|table| {
        table.rows.chunks(CHUNK).map(|rows| format!("INSERT INTO {} VALUES\n{}", table.name, rows.join(",\n"))).collect::<Vec<_>>()
    });
    std::iter::once(include_str!("sample.sql").to_owned()).chain(inserts).chain(["ANALYZE".to_owned()])
}

/// The rows of one table, each as `(…)`.
struct Rows {
    name: &'static str,
    rows: Vec<String>,
}

/// A product, as far as orders need it.
struct Product {
    price_cents: i64,
    popularity: u64,
}

/// One line of an order.
struct Item {
    product: u64,
    quantity: i64,
    price_cents: i64,
    discount_percent: i64,
}

struct Shop {
    random: Random,
    tables: Vec<Rows>,
}

impl Shop {
    fn fill(&mut self) {
        self.countries();
        let customers = self.customers();
        let addresses = self.addresses();
        self.employees();
        self.suppliers();
        self.categories();
        let products = self.products();
        self.sales(&customers, &addresses, &products);
    }

    fn table(&mut self, name: &'static str, rows: Vec<String>) {
        self.tables.push(Rows { name, rows });
    }

    fn countries(&mut self) {
        let rows = words::COUNTRIES.iter().map(|(code, name, currency, _)| format!("('{code}', '{name}', '{currency}')"));
        let rows = rows.collect();
        self.table("countries", rows);
    }

    /// Answers the day on which each customer came.
    fn customers(&mut self) -> Vec<i64> {
        let mut rows = Vec::new();
        let mut days = Vec::new();
        for id in 1..=CUSTOMERS {
            let (first, last) = (self.random.of(&words::FIRST_NAMES), self.random.of(&words::LAST_NAMES));
            let segment = self.random.weighted(&[("private", 80), ("business", 15), ("school", 5)]);
            let day = LAST_DAY - i64::try_from(DAYS + 60 - id * DAYS / CUSTOMERS).unwrap_or(0);
            let email = format!("{}.{}{id}@example.com", first.to_lowercase(), last.to_lowercase());
            let newsletter = u8::from(self.random.chance(35));
            rows.push(format!("({id}, '{first} {last}', '{email}', '{segment}', {newsletter}, '{}')", self.time(day)));
            days.push(day);
        }
        self.table("customers", rows);
        days
    }

    /// Answers the address to which each customer's orders go.
    fn addresses(&mut self) -> Vec<u64> {
        let mut rows = Vec::new();
        let mut shipping = Vec::new();
        for customer in 1..=CUSTOMERS {
            let kinds: &[&str] = if self.random.chance(35) { &["billing", "shipping"] } else { &["shipping"] };
            for kind in kinds {
                let id = rows.len() as u64 + 1;
                let (code, _, _, cities) = self.random.of(&words::COUNTRIES);
                let (city, street) = (self.random.of(cities), self.random.of(&words::STREETS));
                let (number, postcode) = (self.random.between(1, 180), self.random.between(1_000, 99_999));
                rows.push(format!("({id}, {customer}, '{kind}', '{street} {number}', '{city}', '{postcode:05}', '{code}')"));
            }
            shipping.push(rows.len() as u64);
        }
        self.table("addresses", rows);
        shipping
    }

    fn employees(&mut self) {
        let mut rows = Vec::new();
        for id in 1..=EMPLOYEES {
            let (title, manager, salary) = match id {
                1 => ("Owner", "NULL".to_owned(), 98_000),
                2..=5 => {
                    (["Head of Sales", "Head of Purchasing", "Head of Logistics", "Head of IT"][id as usize - 2], "1".to_owned(), 74_000)
                }
                _ => (self.random.of(&words::TITLES), self.random.between(2, 5).to_string(), 41_000),
            };
            let name = format!("{} {}", self.random.of(&words::FIRST_NAMES), self.random.of(&words::LAST_NAMES));
            let hired = date(LAST_DAY - self.random.between(120, 3_600));
            let salary = (salary + self.random.between(0, 90) * 100) * 100;
            rows.push(format!("({id}, '{name}', '{title}', {manager}, '{hired}', {salary})"));
        }
        self.table("employees", rows);
    }

    fn suppliers(&mut self) {
        let mut rows = Vec::new();
        for id in 1..=SUPPLIERS {
            let name = words::SUPPLIERS[(id - 1) as usize];
            let (code, ..) = self.random.of(&words::COUNTRIES);
            rows.push(format!("({id}, '{name}', '{code}', {})", self.random.between(2, 45)));
        }
        self.table("suppliers", rows);
    }

    fn categories(&mut self) {
        let mut rows = Vec::new();
        for (index, (name, parent, _)) in words::CATEGORIES.iter().enumerate() {
            let parent = parent.map_or("NULL".to_owned(), |parent| parent.to_string());
            rows.push(format!("({}, '{name}', {parent})", index + 1));
        }
        self.table("categories", rows);
    }

    fn products(&mut self) -> Vec<Product> {
        let leaves: Vec<_> = words::CATEGORIES.iter().enumerate().filter(|(_, (_, _, things))| !things.is_empty()).collect();
        let mut rows = Vec::new();
        let mut products = Vec::new();
        for id in 1..=PRODUCTS {
            let (category, (_, _, things)) = leaves[(id as usize * 7) % leaves.len()];
            let (thing, least_euros) = self.random.of(things);
            let name = format!("{} {thing} {}", self.random.of(&words::LINES), self.random.of(&words::MODELS));
            let price_cents = least_euros * 100 + self.random.between(0, least_euros * 2) * 100 - 5;
            let cost_cents = price_cents * self.random.between(45, 75) / 100;
            let (supplier, stock) = (self.random.between(1, SUPPLIERS as i64), self.random.between(0, 240));
            let grams = self.random.between(40, 4_000);
            let discontinued = u8::from(self.random.chance(6));
            rows.push(format!(
                "({id}, 'TG-{:05}', '{name}', {}, {supplier}, {price_cents}, {cost_cents}, {stock}, {}.{:03}, {discontinued})",
                10_000 + id * 37,
                category + 1,
                grams / 1_000,
                grams % 1_000
            ));
            products.push(Product { price_cents, popularity: 1 + self.random.below(10) * self.random.below(10) });
        }
        self.table("products", rows);
        products
    }

    /// Orders and what follows from them: lines, payments, shipments, reviews.
    fn sales(&mut self, customers: &[i64], addresses: &[u64], products: &[Product]) {
        let popularity: Vec<u64> = products.iter().map(|product| product.popularity).collect();
        let (mut orders, mut items, mut payments, mut shipments, mut reviews) = (vec![], vec![], vec![], vec![], vec![]);
        let mut reviewed = BTreeSet::new();
        let mut days: Vec<i64> = (0..ORDERS).map(|_| self.order_day()).collect();
        days.sort_unstable();
        for (index, day) in days.into_iter().enumerate() {
            let order = index as u64 + 1;
            let known = customers.partition_point(|came| *came < day).max(1) as u64;
            let customer = self.random.below(known);
            let lines = self.lines(products, &popularity);
            let total: i64 = lines.iter().map(|item| item.quantity * item.price_cents * (100 - item.discount_percent) / 100).sum();
            let status = self.status(LAST_DAY - day);
            let employee = if self.random.chance(22) { self.random.between(6, EMPLOYEES as i64).to_string() } else { "NULL".to_owned() };
            let note = if self.random.chance(7) { format!("'{}'", self.random.of(&words::NOTES)) } else { "NULL".to_owned() };
            let (address, time) = (addresses[customer as usize], self.time(day));
            orders.push(format!("({order}, {}, {employee}, {address}, '{status}', '{time}', {note})", customer + 1));
            for (line, item) in lines.iter().enumerate() {
                let Item { product, quantity, price_cents, discount_percent } = item;
                items.push(format!("({order}, {}, {}, {quantity}, {price_cents}, {discount_percent})", line + 1, product + 1));
            }
            if !matches!(status, "open" | "cancelled") {
                let method = self.random.weighted(&[("card", 50), ("wallet", 25), ("transfer", 15), ("invoice", 10)]);
                let paid = (day + self.random.between(0, 2)).min(LAST_DAY);
                payments.push(format!("({}, {order}, '{method}', {total}, '{}')", payments.len() + 1, self.time_after(paid, &time)));
                if status == "returned" {
                    let refund = self.time((day + 25).min(LAST_DAY));
                    payments.push(format!("({}, {order}, '{method}', {}, '{refund}')", payments.len() + 1, -total));
                }
            }
            if matches!(status, "shipped" | "delivered" | "returned") {
                let shipped = day + self.random.between(1, 3);
                let delivered = shipped + self.random.between(1, 6);
                let arrived = if status == "shipped" { "NULL".to_owned() } else { format!("'{}'", self.time(delivered)) };
                let carrier = self.random.of(&words::CARRIERS);
                let tracking = format!("{}{:08}", &carrier[..2].to_uppercase(), order * 7_919 % 99_999_989);
                shipments.push(format!(
                    "({}, {order}, '{carrier}', '{tracking}', '{}', {arrived})",
                    shipments.len() + 1,
                    self.time(shipped)
                ));
            }
            for item in &lines {
                if status == "delivered" && self.random.chance(18) && reviewed.insert((item.product, customer)) {
                    let (rating, title) = self.opinion();
                    let later = self.random.between(8, 40);
                    let written = self.time((day + later).min(LAST_DAY));
                    let id = reviews.len() + 1;
                    reviews.push(format!("({id}, {}, {}, {rating}, '{title}', '{written}')", item.product + 1, customer + 1));
                }
            }
        }
        self.table("orders", orders);
        self.table("order_items", items);
        self.table("payments", payments);
        self.table("shipments", shipments);
        self.table("reviews", reviews);
    }

    /// A day in the books: later ones more often, and the weeks before the holidays and the summer more often still.
    fn order_day(&mut self) -> i64 {
        loop {
            let ago = self.random.below(DAYS).min(self.random.below(DAYS));
            let day = LAST_DAY - i64::try_from(ago).unwrap_or(0);
            let (_, month, _) = civil(day);
            let busy = match month {
                11 | 12 => 100,
                5 | 6 => 85,
                1 | 2 => 45,
                _ => 65,
            };
            if self.random.chance(busy) {
                return day;
            }
        }
    }

    fn lines(&mut self, products: &[Product], popularity: &[u64]) -> Vec<Item> {
        let count = *self.random.weighted(&[(&1, 34), (&2, 28), (&3, 18), (&4, 11), (&5, 6), (&7, 3)]);
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            chosen.insert(self.random.index(popularity) as u64);
        }
        let line = |random: &mut Random, product: u64| Item {
            product,
            quantity: *random.weighted(&[(&1, 70), (&2, 20), (&3, 6), (&10, 4)]),
            price_cents: products[product as usize].price_cents,
            discount_percent: *random.weighted(&[(&0, 78), (&10, 14), (&20, 6), (&30, 2)]),
        };
        chosen.into_iter().map(|product| line(&mut self.random, product)).collect()
    }

    /// The state of an order so many days after it was made.
    fn status(&mut self, age: i64) -> &'static str {
        if age > 14 {
            self.random.weighted(&[("delivered", 90), ("cancelled", 6), ("returned", 4)])
        } else if age > 8 {
            self.random.weighted(&[("shipped", 65), ("paid", 30), ("cancelled", 5)])
        } else if age > 3 {
            self.random.weighted(&[("shipped", 25), ("paid", 65), ("cancelled", 10)])
        } else {
            self.random.weighted(&[("open", 60), ("paid", 40)])
        }
    }

    fn opinion(&mut self) -> (usize, &'static str) {
        let rating = *self.random.weighted(&[(&5, 46), (&4, 30), (&3, 12), (&2, 7), (&1, 5)]);
        (rating, self.random.of(&words::OPINIONS[rating - 1]))
    }

    /// A moment of that day between 7 and 22 o'clock.
    fn time(&mut self, day: i64) -> String {
        let (hour, minute, second) = (self.random.between(7, 21), self.random.below(60), self.random.below(60));
        format!("{} {hour:02}:{minute:02}:{second:02}", date(day))
    }

    /// A moment of that day, not before `earlier`.
    fn time_after(&mut self, day: i64, earlier: &str) -> String {
        let time = self.time(day);
        if time.as_str() < earlier { earlier.to_owned() } else { time }
    }
}

/// `YYYY-MM-DD` of a day since 1970-01-01.
fn date(day: i64) -> String {
    let (year, month, day) = civil(day);
    let mut text = String::new();
    write!(text, "{year:04}-{month:02}-{day:02}").expect("a string takes everything");
    text
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Counts in eras of 400 years that begin in March, so
/// that the leap day is the last of its year (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let month_day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, month_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_end_on_their_last_day() {
        assert_eq!(date(LAST_DAY), "2026-06-30");
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
    }

    #[test]
    fn the_shop_is_the_same_each_time_and_of_the_promised_size() {
        let (one, other): (Vec<String>, Vec<String>) = (script().collect(), script().collect());
        assert_eq!(one, other);
        let rows: usize =
            one.iter().filter(|statement| statement.starts_with("INSERT")).map(|statement| statement.lines().count() - 1).sum();
        assert!((18_000..=22_000).contains(&rows), "{rows}");
        assert!(one[0].matches("CREATE TABLE").count() >= 8);
    }

    #[tokio::test]
    async fn sqlite_takes_every_row() {
        let path = std::env::temp_dir().join(format!("tidegate-shop-{:x}.sqlite", getrandom::u64().unwrap()));
        let written = crate::database::sample_file::create(&path, script()).await;
        let _ = std::fs::remove_file(&path);
        written.unwrap();
    }
}
