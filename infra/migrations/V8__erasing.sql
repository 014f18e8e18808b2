-- Whose texts were erased and who did not come back: what is still under way of theirs is sealed for nobody. The nil id
-- stands for the whole workspace.
CREATE TABLE accounts.closed_texts (
    workspace_id uuid NOT NULL,
    holder uuid NOT NULL,
    PRIMARY KEY (workspace_id, holder)
);

-- An erasure has three parts: the keys, which go once and before anything else; what is kept, as done_at says; and what
-- was under way meanwhile, which is looked for again later.
ALTER TABLE accounts.erasures
    ADD COLUMN keys_at timestamptz,
    ADD COLUMN swept_at timestamptz,
    ALTER COLUMN done_at DROP NOT NULL;
UPDATE accounts.erasures SET keys_at = done_at;
