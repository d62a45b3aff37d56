-- Not read from `source`: a person may state a rate and name the ECB as its source.
ALTER TABLE oco.exchange_rates ADD COLUMN fetched boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN oco.exchange_rates.fetched IS 'Whether it was fetched; a fetched rate never replaces one that a person stated';

CREATE TABLE oco.tag_rules (
    canonical text NOT NULL,
    alias text NOT NULL,
    position integer NOT NULL,
    PRIMARY KEY (alias),
    UNIQUE (canonical, position),
    CHECK (canonical IN ('team', 'environment', 'cost_center', 'application')),
    CHECK (alias <> '' AND alias = lower(alias))
);

COMMENT ON TABLE oco.tag_rules IS 'Keys of tags that mean the same across providers; `oco tags import` replaces them';
COMMENT ON COLUMN oco.tag_rules.canonical IS 'What the tag means: team, environment, cost_center or application';
COMMENT ON COLUMN oco.tag_rules.alias IS 'Key as it is compared: lower case, without a prefix, words joined by _';
COMMENT ON COLUMN oco.tag_rules.position IS 'Order: of several tags of one charge the lowest wins';

CREATE TABLE oco.tag_values (
    canonical text NOT NULL,
    alias text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (canonical, alias),
    CHECK (canonical IN ('team', 'environment', 'cost_center', 'application')),
    CHECK (alias <> '' AND alias = lower(alias)),
    CHECK (value <> '')
);

COMMENT ON TABLE oco.tag_values IS 'Values of tags that mean the same; others stay as they are, trimmed';
COMMENT ON COLUMN oco.tag_values.canonical IS 'Of which tag';
COMMENT ON COLUMN oco.tag_values.alias IS 'Value as it is compared: lower case, trimmed';
COMMENT ON COLUMN oco.tag_values.value IS 'Value that the marts show';

INSERT INTO oco.tag_rules (canonical, alias, position) VALUES
    ('team', 'team', 1), ('team', 'team_name', 2), ('team', 'owner_team', 3), ('team', 'squad', 4), ('team', 'owner', 5),
    ('environment', 'environment', 1), ('environment', 'env', 2), ('environment', 'stage', 3),
    ('cost_center', 'cost_center', 1), ('cost_center', 'costcenter', 2), ('cost_center', 'cost_centre', 3),
    ('application', 'application', 1), ('application', 'app', 2), ('application', 'app_name', 3), ('application', 'app.kubernetes.io/name', 4);

INSERT INTO oco.tag_values (canonical, alias, value) VALUES
    ('environment', 'prod', 'prod'), ('environment', 'production', 'prod'), ('environment', 'prd', 'prod'),
    ('environment', 'staging', 'staging'), ('environment', 'stage', 'staging'), ('environment', 'stg', 'staging'),
    ('environment', 'dev', 'dev'), ('environment', 'development', 'dev'),
    ('environment', 'test', 'test'), ('environment', 'testing', 'test'), ('environment', 'qa', 'test');
