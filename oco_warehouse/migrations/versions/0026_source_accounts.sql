CREATE TABLE oco.source_accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    provider text NOT NULL,
    kind text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
    credentials jsonb NOT NULL CHECK (jsonb_typeof(credentials) = 'object'),
    problem text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
-- - and _ are the same: Dagster's names have no -.
CREATE UNIQUE INDEX source_accounts_slug ON oco.source_accounts (replace(name, '-', '_'));

COMMENT ON TABLE oco.source_accounts IS 'Cloud accounts that are configured through the API; no secret is in it';
COMMENT ON COLUMN oco.source_accounts.id IS 'Identity';
COMMENT ON COLUMN oco.source_accounts.name IS 'Name, part of what its partitions are called; unique, also when - and _ are taken for the same';
COMMENT ON COLUMN oco.source_accounts.provider IS 'aws, azure, gcp or kubernetes';
COMMENT ON COLUMN oco.source_accounts.kind IS 'How it is read, as in data_export';
COMMENT ON COLUMN oco.source_accounts.options IS 'Options of the kind';
COMMENT ON COLUMN oco.source_accounts.credentials IS 'Where the secret is, never what it is';
COMMENT ON COLUMN oco.source_accounts.problem IS 'Why the pipelines do not read it, in one line; NULL when they do, or have not looked yet';
COMMENT ON COLUMN oco.source_accounts.created_at IS 'When it was made';
COMMENT ON COLUMN oco.source_accounts.updated_at IS 'When it was last replaced';
