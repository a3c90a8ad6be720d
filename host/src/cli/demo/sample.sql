-- The sample shop. Money is in cents, times are UTC.
CREATE TABLE countries (
  code TEXT PRIMARY KEY CHECK (length(code) = 2), -- ISO 3166-1
  name TEXT NOT NULL UNIQUE,
  currency TEXT NOT NULL DEFAULT 'EUR'
) WITHOUT ROWID;

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  segment TEXT NOT NULL DEFAULT 'private' CHECK (segment IN ('private', 'business', 'school')),
  newsletter INTEGER NOT NULL DEFAULT 0 CHECK (newsletter IN (0, 1)),
  created_at TEXT NOT NULL
);
CREATE INDEX customers_created_at ON customers (created_at);

CREATE TABLE addresses (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('billing', 'shipping')),
  street TEXT NOT NULL,
  city TEXT NOT NULL,
  postcode TEXT NOT NULL,
  country_code TEXT NOT NULL REFERENCES countries (code)
);
CREATE INDEX addresses_customer ON addresses (customer_id);

CREATE TABLE employees (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  title TEXT NOT NULL,
  manager_id INTEGER REFERENCES employees (id), -- empty for the owner
  hired_on TEXT NOT NULL,
  salary_cents INTEGER NOT NULL CHECK (salary_cents > 0) -- a year
);

CREATE TABLE suppliers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  country_code TEXT NOT NULL REFERENCES countries (code),
  lead_time_days INTEGER NOT NULL CHECK (lead_time_days BETWEEN 1 AND 90)
);

CREATE TABLE categories (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  parent_id INTEGER REFERENCES categories (id) -- empty at the top
);

CREATE TABLE products (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  category_id INTEGER NOT NULL REFERENCES categories (id),
  supplier_id INTEGER NOT NULL REFERENCES suppliers (id),
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  cost_cents INTEGER NOT NULL CHECK (cost_cents > 0),
  stock INTEGER NOT NULL DEFAULT 0 CHECK (stock >= 0),
  weight_kg REAL,
  discontinued INTEGER NOT NULL DEFAULT 0 CHECK (discontinued IN (0, 1)),
  CHECK (cost_cents < price_cents)
);
CREATE INDEX products_category ON products (category_id);
CREATE INDEX products_on_sale ON products (price_cents) WHERE discontinued = 0;

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  employee_id INTEGER REFERENCES employees (id), -- who took it; empty for the web shop
  address_id INTEGER NOT NULL REFERENCES addresses (id), -- where it goes
  status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'shipped', 'delivered', 'cancelled', 'returned')),
  ordered_at TEXT NOT NULL,
  note TEXT
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_ordered_at ON orders (ordered_at);

CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  line INTEGER NOT NULL CHECK (line >= 1),
  product_id INTEGER NOT NULL REFERENCES products (id),
  quantity INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 100),
  unit_price_cents INTEGER NOT NULL CHECK (unit_price_cents > 0), -- as it was on that day
  discount_percent INTEGER NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 50),
  PRIMARY KEY (order_id, line)
) WITHOUT ROWID;
CREATE INDEX order_items_product ON order_items (product_id);

CREATE TABLE payments (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
  method TEXT NOT NULL CHECK (method IN ('card', 'transfer', 'wallet', 'invoice')),
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0), -- negative for a refund
  paid_at TEXT NOT NULL
);
CREATE INDEX payments_order ON payments (order_id);

CREATE TABLE shipments (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL UNIQUE REFERENCES orders (id) ON DELETE CASCADE,
  carrier TEXT NOT NULL,
  tracking TEXT NOT NULL UNIQUE,
  shipped_at TEXT NOT NULL,
  delivered_at TEXT, -- empty while it is under way
  CHECK (delivered_at IS NULL OR delivered_at >= shipped_at)
);

CREATE TABLE reviews (
  id INTEGER PRIMARY KEY,
  product_id INTEGER NOT NULL REFERENCES products (id) ON DELETE CASCADE,
  customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
  rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
  title TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (product_id, customer_id)
);

-- What each order comes to, discounts taken off.
CREATE VIEW order_totals AS
SELECT o.id AS order_id, o.customer_id, o.status, o.ordered_at,
       sum(i.quantity * i.unit_price_cents * (100 - i.discount_percent) / 100) AS total_cents
FROM orders o JOIN order_items i ON i.order_id = o.id
GROUP BY o.id;

-- Revenue month by month, without what was cancelled or returned.
CREATE VIEW monthly_revenue AS
SELECT substr(ordered_at, 1, 7) AS month, count(*) AS orders, sum(total_cents) AS revenue_cents
FROM order_totals
WHERE status NOT IN ('cancelled', 'returned')
GROUP BY month;
