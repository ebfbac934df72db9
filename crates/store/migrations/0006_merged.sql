-- Contacts merged into others are few, and looked for by every sync.
CREATE INDEX customers_merged ON customers (org_id) WHERE merged_into IS NOT NULL;
