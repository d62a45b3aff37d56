CREATE TABLE oco.rate_limits (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    scope text NOT NULL,
    entity_id text NOT NULL,
    requests_per_minute integer,
    tokens_per_minute bigint,
    concurrent_requests integer,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (scope, entity_id),
    CHECK (requests_per_minute > 0),
    CHECK (tokens_per_minute > 0),
    CHECK (concurrent_requests > 0),
    CHECK (num_nonnulls(requests_per_minute, tokens_per_minute, concurrent_requests) > 0)
);

COMMENT ON TABLE oco.rate_limits IS 'How fast a scope may call models, over all gateway processes';
COMMENT ON COLUMN oco.rate_limits.id IS 'Identifier';
COMMENT ON COLUMN oco.rate_limits.scope IS 'agent, team, user, org or tag:NAME';
COMMENT ON COLUMN oco.rate_limits.entity_id IS 'Which one of that scope; * gives each its own allowance';
COMMENT ON COLUMN oco.rate_limits.requests_per_minute IS 'Calls a minute; NULL has no limit';
COMMENT ON COLUMN oco.rate_limits.tokens_per_minute IS 'Tokens a minute, the worst case of calls under way included; NULL has no limit';
COMMENT ON COLUMN oco.rate_limits.concurrent_requests IS 'Calls under way at once; NULL has no limit';
COMMENT ON COLUMN oco.rate_limits.enabled IS 'Whether it is enforced';
COMMENT ON COLUMN oco.rate_limits.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.rate_limits.updated_at IS 'When the row was last changed';
CREATE TRIGGER rate_limits_touch BEFORE UPDATE ON oco.rate_limits FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.budget_fallbacks (
    gateway_id text PRIMARY KEY,
    redis_answers boolean NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE oco.budget_fallbacks IS 'Gateways that admit calls through PostgreSQL because Redis is gone; while there is a fresh one, all of them do';
COMMENT ON COLUMN oco.budget_fallbacks.gateway_id IS 'Gateway process';
COMMENT ON COLUMN oco.budget_fallbacks.redis_answers IS 'Whether Redis answers it again';
COMMENT ON COLUMN oco.budget_fallbacks.told_at IS 'When it last said so';

CREATE TABLE oco.budget_reservations (
    budget_id text NOT NULL REFERENCES oco.budgets (id) ON DELETE CASCADE,
    period_start timestamptz NOT NULL,
    gateway_id text NOT NULL,
    running_usd numeric NOT NULL,
    settled_usd numeric NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (budget_id, period_start, gateway_id)
);

COMMENT ON TABLE oco.budget_reservations IS 'What each gateway holds in each budget while Redis is gone';
COMMENT ON COLUMN oco.budget_reservations.budget_id IS 'Budget';
COMMENT ON COLUMN oco.budget_reservations.period_start IS 'Period of the budget';
COMMENT ON COLUMN oco.budget_reservations.gateway_id IS 'Gateway process that holds it';
COMMENT ON COLUMN oco.budget_reservations.running_usd IS 'Worst case of its calls under way';
COMMENT ON COLUMN oco.budget_reservations.settled_usd IS 'Cost of its ended calls that are not yet rows';
COMMENT ON COLUMN oco.budget_reservations.told_at IS 'When it last said so';
