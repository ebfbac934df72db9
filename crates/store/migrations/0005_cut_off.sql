-- The lease under which a run works: one that nobody holds any more tells that the run was cut off.
ALTER TABLE runs ADD COLUMN lease TEXT;
-- Rows of a page by which `next_page` was counted: pages of another size begin elsewhere.
ALTER TABLE cursors ADD COLUMN page_size BIGINT NOT NULL DEFAULT 0;
