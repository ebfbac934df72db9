//! Triggers on the two-way tables: whoever changes the books, by whatever program, puts the record on the list of
//! captured changes; the engine's own writes do not.
//!
//! The engine is known by `sync_rev`: it inserts with 1, adds 1 in the statement that changes a row, and sets children
//! to -1 before it deletes them. Everybody else leaves the column alone, or writes back what it once read, as programs do
//! that write whole rows: only exactly one more is the engine. A captured change is one row per record
//! however often the record changes, so that nothing depends on the order in which transactions commit.
//!
//! What SQL alone cannot see (TRUNCATE, a row moved to another organisation) is found by a full sync's sweep.

use model::Kind;

/// Tables of records that travel both ways, and their kinds.
const PARENTS: [(&str, Kind); 4] = [
    ("customers", Kind::Customer),
    ("invoices", Kind::Invoice),
    ("payments", Kind::Payment),
    ("bank_transactions", Kind::BankTransaction),
];

/// Their child tables: the table, its parent's table, and the column that names the parent.
const CHILDREN: [(&str, &str, &str); 4] = [
    ("customer_phones", "customers", "customer_id"),
    ("customer_addresses", "customers", "customer_id"),
    ("invoice_lines", "invoices", "invoice_id"),
    ("bank_transaction_lines", "bank_transactions", "bank_transaction_id"),
];

/// The kind whose changes a table's triggers capture.
pub(crate) fn captured_kind(table: &str) -> Option<Kind> {
    PARENTS.iter().find(|(name, _)| *name == table).map(|(_, kind)| *kind)
}

/// True if changes of this child table are captured as changes of its parent.
pub(crate) fn is_captured_child(table: &str) -> bool {
    CHILDREN.iter().any(|(name, ..)| *name == table)
}

/// The triggers in SQLite's words. They use nothing but SQLite's own functions, so that they work in any program, and
/// hold with foreign keys and recursive triggers on or off.
pub(crate) fn sqlite_triggers() -> String {
    let mut text = String::new();
    for (table, kind) in PARENTS {
        let new = sqlite_capture(kind, "NEW", "TRUE");
        let old = sqlite_capture(kind, "OLD", "TRUE");
        let moved = sqlite_capture(kind, "OLD", "OLD.id IS NOT NEW.id");
        // The time of change moves only if the statement did not set it. The last condition ends the recursion where a
        // trigger may fire itself.
        let stamp = format!(
            "UPDATE {table} SET updated_at = {SQLITE_NOW} \
             WHERE id = NEW.id AND NEW.updated_at IS OLD.updated_at AND updated_at IS NOT {SQLITE_NOW};"
        );
        text.push_str(&sqlite_trigger(table, "INSERT", "NEW.sync_rev = 0", &new));
        let body = format!("{new}\n{moved}\n{stamp}");
        text.push_str(&sqlite_trigger(table, "UPDATE", "NEW.sync_rev IS NOT OLD.sync_rev + 1", &body));
        text.push_str(&sqlite_trigger(table, "DELETE", "OLD.sync_rev >= 0", &old));
    }
    for (table, parent, column) in CHILDREN {
        let touch = |ids: &str| format!("UPDATE {parent} SET updated_at = {SQLITE_NOW} WHERE id IN ({ids});");
        text.push_str(&sqlite_trigger(table, "INSERT", "NEW.sync_rev = 0", &touch(&format!("NEW.{column}"))));
        let both = touch(&format!("OLD.{column}, NEW.{column}"));
        text.push_str(&sqlite_trigger(table, "UPDATE", "NEW.sync_rev >= 0", &both));
        text.push_str(&sqlite_trigger(table, "DELETE", "OLD.sync_rev >= 0", &touch(&format!("OLD.{column}"))));
    }
    text
}

/// The same at every place of one statement.
const SQLITE_NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

fn sqlite_trigger(table: &str, event: &str, when: &str, body: &str) -> String {
    let name = format!("tieout_{table}_{}", event.to_lowercase());
    format!(
        "DROP TRIGGER IF EXISTS {name};\nCREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN {when} \
         BEGIN\n{body}\nEND;\n"
    )
}

fn sqlite_capture(kind: Kind, row: &str, condition: &str) -> String {
    format!(
        "INSERT INTO captures (kind, local_id, org_id, seq, changed_at) \
         SELECT '{kind}', {row}.id, {row}.org_id, 1, {SQLITE_NOW} WHERE {condition} \
         ON CONFLICT (kind, local_id) DO UPDATE SET org_id = excluded.org_id, seq = captures.seq + 1, \
         changed_at = excluded.changed_at, not_before = NULL;"
    )
}

/// The triggers in PostgreSQL's words, for tables of this schema (its name as SQL wants it).
///
/// They fire once per statement, not per row, and run as the owner of the tables: an application needs no right to the
/// engine's own. Aggregates instead of joins, because a plan is kept from a statement of one row to one of 100,000.
pub(crate) fn postgres_triggers(schema: &str) -> String {
    let mut text = POSTGRES_FUNCTIONS.replace("{schema}", schema);
    for (table, kind) in PARENTS {
        text.push_str(&format!(
            "DROP TRIGGER IF EXISTS tieout_stamp ON {table};\n\
             CREATE TRIGGER tieout_stamp BEFORE UPDATE ON {table} FOR EACH ROW \
             WHEN (NEW.sync_rev <> OLD.sync_rev + 1 AND NEW.updated_at = OLD.updated_at) EXECUTE FUNCTION tieout_stamp();\n"
        ));
        text.push_str(&postgres_statement_triggers(table, &format!("tieout_capture('{kind}')")));
    }
    for (table, parent, column) in CHILDREN {
        text.push_str(&postgres_statement_triggers(table, &format!("tieout_touch('{parent}', '{column}')")));
    }
    text
}

fn postgres_statement_triggers(table: &str, function: &str) -> String {
    let events = [
        ("INSERT", "NEW TABLE AS new_rows"),
        ("UPDATE", "OLD TABLE AS old_rows NEW TABLE AS new_rows"),
        ("DELETE", "OLD TABLE AS old_rows"),
    ];
    let trigger = |(event, rows): (&str, &str)| {
        let name = format!("tieout_{}", event.to_lowercase());
        format!(
            "DROP TRIGGER IF EXISTS {name} ON {table};\n\
             CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {rows} FOR EACH STATEMENT \
             EXECUTE FUNCTION {function};\n"
        )
    };
    events.into_iter().map(trigger).collect()
}

const POSTGRES_FUNCTIONS: &str = "\
CREATE OR REPLACE FUNCTION tieout_stamp() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.updated_at := date_trunc('milliseconds', clock_timestamp());
    RETURN NEW;
END
$body$;

CREATE OR REPLACE FUNCTION tieout_capture() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = {schema}, pg_temp AS $body$
DECLARE
    instant CONSTANT TIMESTAMPTZ := date_trunc('milliseconds', clock_timestamp());
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO captures AS c (kind, local_id, org_id, seq, changed_at)
        SELECT TG_ARGV[0], n.id, n.org_id, 1, instant FROM new_rows AS n WHERE n.sync_rev = 0 ORDER BY n.id
        ON CONFLICT (kind, local_id) DO UPDATE SET org_id = excluded.org_id, seq = c.seq + 1,
            changed_at = excluded.changed_at, not_before = NULL;
    ELSIF TG_OP = 'UPDATE' THEN
        -- An id on one side only was changed itself; the engine never does that.
        INSERT INTO captures AS c (kind, local_id, org_id, seq, changed_at)
        SELECT TG_ARGV[0], b.id, COALESCE(MAX(b.org_id) FILTER (WHERE b.is_new), MAX(b.org_id)), 1, instant
        FROM (SELECT id, org_id, sync_rev, FALSE AS is_new FROM old_rows
              UNION ALL SELECT id, org_id, sync_rev, TRUE FROM new_rows) AS b
        GROUP BY b.id HAVING COUNT(*) = 1
            OR MAX(b.sync_rev) FILTER (WHERE b.is_new) <> MAX(b.sync_rev) FILTER (WHERE NOT b.is_new) + 1 ORDER BY b.id
        ON CONFLICT (kind, local_id) DO UPDATE SET org_id = excluded.org_id, seq = c.seq + 1,
            changed_at = excluded.changed_at, not_before = NULL;
    ELSE
        INSERT INTO captures AS c (kind, local_id, org_id, seq, changed_at)
        SELECT TG_ARGV[0], o.id, o.org_id, 1, instant FROM old_rows AS o WHERE o.sync_rev >= 0 ORDER BY o.id
        ON CONFLICT (kind, local_id) DO UPDATE SET org_id = excluded.org_id, seq = c.seq + 1,
            changed_at = excluded.changed_at, not_before = NULL;
    END IF;
    RETURN NULL;
END
$body$;

CREATE OR REPLACE FUNCTION tieout_touch() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = {schema}, pg_temp AS $body$
DECLARE
    touched TEXT;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE sync_rev = 0) THEN
            RETURN NULL;
        END IF;
        touched := format('SELECT %I FROM new_rows WHERE sync_rev = 0', TG_ARGV[1]);
    ELSIF TG_OP = 'UPDATE' THEN
        -- The engine's only update of children makes them negative, all at once.
        IF NOT EXISTS (SELECT 1 FROM new_rows WHERE sync_rev >= 0) THEN
            RETURN NULL;
        END IF;
        touched := format('SELECT %1$I FROM new_rows UNION SELECT %1$I FROM old_rows', TG_ARGV[1]);
    ELSE
        IF NOT EXISTS (SELECT 1 FROM old_rows WHERE sync_rev >= 0) THEN
            RETURN NULL;
        END IF;
        touched := format('SELECT %I FROM old_rows WHERE sync_rev >= 0', TG_ARGV[1]);
    END IF;
    EXECUTE format('UPDATE %I SET updated_at = date_trunc(''milliseconds'', clock_timestamp()) WHERE id IN (%s)',
        TG_ARGV[0], touched);
    RETURN NULL;
END
$body$;

";
