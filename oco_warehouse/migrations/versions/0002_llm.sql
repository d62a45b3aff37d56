CREATE TABLE oco.organizations (
    id text PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (id <> '')
);

COMMENT ON TABLE oco.organizations IS 'Top of the hierarchy that spend is attributed to';
COMMENT ON COLUMN oco.organizations.id IS 'Identifier as sent in X-Org-ID';
COMMENT ON COLUMN oco.organizations.name IS 'Name for people';
COMMENT ON COLUMN oco.organizations.created_at IS 'When the row was made';

CREATE TABLE oco.teams (
    id text PRIMARY KEY,
    name text NOT NULL,
    org_id text NOT NULL REFERENCES oco.organizations (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (id <> '')
);

COMMENT ON TABLE oco.teams IS 'Teams of an organization';
COMMENT ON COLUMN oco.teams.id IS 'Identifier as sent in X-Team-ID';
COMMENT ON COLUMN oco.teams.name IS 'Name for people';
COMMENT ON COLUMN oco.teams.org_id IS 'Organization that the team belongs to';
COMMENT ON COLUMN oco.teams.created_at IS 'When the row was made';
CREATE INDEX idx_teams_org_id ON oco.teams (org_id);

CREATE TABLE oco.agents (
    id text PRIMARY KEY,
    name text NOT NULL,
    team_id text NOT NULL REFERENCES oco.teams (id),
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (id <> '')
);

COMMENT ON TABLE oco.agents IS 'Applications and AI agents that call models';
COMMENT ON COLUMN oco.agents.id IS 'Identifier as sent in X-Agent-ID';
COMMENT ON COLUMN oco.agents.name IS 'Name for people';
COMMENT ON COLUMN oco.agents.team_id IS 'Team that owns the agent';
COMMENT ON COLUMN oco.agents.tags IS 'Free labels';
COMMENT ON COLUMN oco.agents.created_at IS 'When the row was made';
CREATE INDEX idx_agents_team_id ON oco.agents (team_id);

CREATE TABLE oco.users (
    id text PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    org_id text REFERENCES oco.organizations (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (id <> '')
);

COMMENT ON TABLE oco.users IS 'People on whose behalf models are called or who use the API';
COMMENT ON COLUMN oco.users.id IS 'Identifier as sent in X-User-ID';
COMMENT ON COLUMN oco.users.name IS 'Name for people';
COMMENT ON COLUMN oco.users.email IS 'Address for alerts, if any';
COMMENT ON COLUMN oco.users.org_id IS 'Organization of the user';
COMMENT ON COLUMN oco.users.created_at IS 'When the row was made';

CREATE TABLE oco.api_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    token_hash text NOT NULL UNIQUE,
    token_prefix text NOT NULL,
    role text NOT NULL,
    agent_id text,
    team_id text,
    user_id text,
    org_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK (role IN ('admin', 'operator', 'viewer', 'agent'))
);

COMMENT ON TABLE oco.api_tokens IS 'Access tokens of the REST API and the gateway, hashed';
COMMENT ON COLUMN oco.api_tokens.id IS 'Identifier used to list and revoke';
COMMENT ON COLUMN oco.api_tokens.name IS 'What the token is for';
COMMENT ON COLUMN oco.api_tokens.token_hash IS 'SHA-256 of the token in hex; the token itself is stored nowhere';
COMMENT ON COLUMN oco.api_tokens.token_prefix IS 'First characters, so that people can tell tokens apart';
COMMENT ON COLUMN oco.api_tokens.role IS 'What the token may do';
COMMENT ON COLUMN oco.api_tokens.agent_id IS 'Identity that wins over the X-Agent-ID header';
COMMENT ON COLUMN oco.api_tokens.team_id IS 'Identity that wins over the X-Team-ID header';
COMMENT ON COLUMN oco.api_tokens.user_id IS 'Identity that wins over the X-User-ID header';
COMMENT ON COLUMN oco.api_tokens.org_id IS 'Identity that wins over the X-Org-ID header';
COMMENT ON COLUMN oco.api_tokens.created_at IS 'When the token was made';
COMMENT ON COLUMN oco.api_tokens.expires_at IS 'When it stops to be valid; NULL never';
COMMENT ON COLUMN oco.api_tokens.revoked_at IS 'When it was revoked; NULL while valid';

CREATE TABLE oco.model_pricing (
    provider text NOT NULL,
    model text NOT NULL,
    effective_from timestamptz NOT NULL DEFAULT '-infinity',
    service_tier text NOT NULL DEFAULT 'standard',
    min_context_tokens bigint NOT NULL DEFAULT 0,
    input_per_m_token numeric,
    output_per_m_token numeric,
    cached_input_per_m_token numeric,
    cache_write_per_m_token numeric,
    cache_write_1h_per_m_token numeric,
    reasoning_per_m_token numeric,
    audio_input_per_m_token numeric,
    audio_output_per_m_token numeric,
    per_request numeric NOT NULL DEFAULT 0,
    tool_prices jsonb NOT NULL DEFAULT '{}',
    max_output_tokens bigint,
    source text NOT NULL DEFAULT 'genai-prices',
    price_version text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model, effective_from, service_tier, min_context_tokens),
    CHECK (min_context_tokens >= 0),
    CHECK (coalesce(input_per_m_token, 0) >= 0 AND coalesce(output_per_m_token, 0) >= 0)
);

COMMENT ON TABLE oco.model_pricing IS 'Price history of language models, USD per million tokens';
COMMENT ON COLUMN oco.model_pricing.provider IS 'openai, anthropic, gemini or a configured provider';
COMMENT ON COLUMN oco.model_pricing.model IS 'Model name as the provider bills it';
COMMENT ON COLUMN oco.model_pricing.effective_from IS 'From when the price holds, until the next row of the model';
COMMENT ON COLUMN oco.model_pricing.service_tier IS 'Service tier that the price is for';
COMMENT ON COLUMN oco.model_pricing.min_context_tokens IS 'The price holds when the whole prompt has more tokens than this (0: always)';
COMMENT ON COLUMN oco.model_pricing.input_per_m_token IS 'USD per 1M uncached input tokens; NULL unknown';
COMMENT ON COLUMN oco.model_pricing.output_per_m_token IS 'USD per 1M output tokens; NULL unknown';
COMMENT ON COLUMN oco.model_pricing.cached_input_per_m_token IS 'USD per 1M input tokens read from a cache; NULL charges them as input';
COMMENT ON COLUMN oco.model_pricing.cache_write_per_m_token IS 'USD per 1M input tokens written to a cache for 5 minutes; NULL charges them as input';
COMMENT ON COLUMN oco.model_pricing.cache_write_1h_per_m_token IS 'USD per 1M input tokens written to a cache for an hour';
COMMENT ON COLUMN oco.model_pricing.reasoning_per_m_token IS 'USD per 1M reasoning tokens where they cost other than output';
COMMENT ON COLUMN oco.model_pricing.audio_input_per_m_token IS 'USD per 1M audio input tokens';
COMMENT ON COLUMN oco.model_pricing.audio_output_per_m_token IS 'USD per 1M audio output tokens';
COMMENT ON COLUMN oco.model_pricing.per_request IS 'USD charged for every request';
COMMENT ON COLUMN oco.model_pricing.tool_prices IS 'USD per use of tools billed by use, by name';
COMMENT ON COLUMN oco.model_pricing.max_output_tokens IS 'Largest answer of the model, for the worst-case reservation';
COMMENT ON COLUMN oco.model_pricing.source IS 'Where the price is from: genai-prices, override or custom';
COMMENT ON COLUMN oco.model_pricing.price_version IS 'Version of the source, copied to each request it priced';
COMMENT ON COLUMN oco.model_pricing.updated_at IS 'When the row was last written';

CREATE TABLE oco.budgets (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    scope text NOT NULL,
    entity_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    limit_usd numeric NOT NULL,
    spent_usd numeric NOT NULL DEFAULT 0,
    period text NOT NULL DEFAULT 'month',
    rolling_interval interval,
    time_zone text NOT NULL DEFAULT 'UTC',
    enforcement text NOT NULL DEFAULT 'hard',
    thresholds numeric[] NOT NULL DEFAULT '{0.5,0.8,1.0}',
    period_start timestamptz,
    period_end timestamptz,
    thresholds_fired numeric[] NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT budgets_scope_entity_period_key UNIQUE (scope, entity_id, period),
    CHECK (scope IN ('agent', 'team', 'user', 'org') OR scope LIKE 'tag:_%'),
    CHECK (entity_id <> ''),
    CHECK (limit_usd >= 0),
    CHECK (spent_usd >= 0),
    CHECK (period IN ('day', 'week', 'month', 'quarter', 'year', 'rolling')),
    CHECK ((period = 'rolling') = (rolling_interval IS NOT NULL)),
    CHECK (enforcement IN ('hard', 'soft'))
);

COMMENT ON TABLE oco.budgets IS 'Spending limits and what their current period has spent';
COMMENT ON COLUMN oco.budgets.id IS 'Identifier';
COMMENT ON COLUMN oco.budgets.scope IS 'What is limited: agent, team, user, org, or tag:NAME';
COMMENT ON COLUMN oco.budgets.entity_id IS 'Which agent, team, user, org or tag value';
COMMENT ON COLUMN oco.budgets.name IS 'Name for people';
COMMENT ON COLUMN oco.budgets.limit_usd IS 'Limit of one period in USD';
COMMENT ON COLUMN oco.budgets.spent_usd IS 'Spent in the current period in USD';
COMMENT ON COLUMN oco.budgets.period IS 'Calendar period, or rolling';
COMMENT ON COLUMN oco.budgets.rolling_interval IS 'Length of a rolling period; NULL for calendar periods';
COMMENT ON COLUMN oco.budgets.time_zone IS 'IANA zone in which calendar periods begin';
COMMENT ON COLUMN oco.budgets.enforcement IS 'hard refuses requests over the limit, soft only alerts';
COMMENT ON COLUMN oco.budgets.thresholds IS 'Shares of the limit that alert once a period';
COMMENT ON COLUMN oco.budgets.period_start IS 'Start of the period that spent_usd belongs to; NULL before the first spend';
COMMENT ON COLUMN oco.budgets.period_end IS 'End of that period, exclusive';
COMMENT ON COLUMN oco.budgets.thresholds_fired IS 'Thresholds that fired in the current period';
COMMENT ON COLUMN oco.budgets.version IS 'Grows with every change; the ETag of the API';
COMMENT ON COLUMN oco.budgets.enabled IS 'Whether the budget is enforced';
COMMENT ON COLUMN oco.budgets.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.budgets.updated_at IS 'When the row was last changed';
CREATE INDEX idx_budgets_scope_entity ON oco.budgets (scope, entity_id);
CREATE TRIGGER budgets_touch BEFORE UPDATE ON oco.budgets FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.api_requests (
    id text NOT NULL,
    provider text NOT NULL,
    endpoint text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    agent_id text,
    team_id text,
    user_id text,
    org_id text,
    input_tokens bigint,
    output_tokens bigint,
    total_tokens bigint,
    cached_input_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    cost_usd numeric,
    input_cost_usd numeric,
    output_cost_usd numeric,
    cost_status text NOT NULL,
    price_version text,
    service_tier text,
    stream boolean NOT NULL DEFAULT false,
    latency_ms bigint NOT NULL DEFAULT 0,
    ttft_ms bigint,
    overhead_us bigint,
    status_code integer NOT NULL,
    error_type text,
    was_routed boolean NOT NULL DEFAULT false,
    original_model text,
    routed_model text,
    savings_usd numeric,
    tags jsonb NOT NULL DEFAULT '{}',
    gateway_id text NOT NULL DEFAULT '',
    "timestamp" timestamptz NOT NULL,
    PRIMARY KEY (id, "timestamp"),
    CHECK (cost_status IN ('exact', 'partial', 'estimated', 'unpriced')),
    CHECK ((cost_status = 'unpriced') = (cost_usd IS NULL)),
    CHECK (cost_usd IS NULL OR cost_usd = input_cost_usd + output_cost_usd)
) {time_partitioned:"timestamp"};

COMMENT ON TABLE oco.api_requests IS 'One row per answered model call; never a prompt, an answer or a key';
COMMENT ON COLUMN oco.api_requests.id IS 'Identifier of the call, also answered as X-Request-ID';
COMMENT ON COLUMN oco.api_requests.provider IS 'openai, anthropic, gemini or a configured provider';
COMMENT ON COLUMN oco.api_requests.endpoint IS 'Kind of call: chat.completions, responses, embeddings, …';
COMMENT ON COLUMN oco.api_requests.model IS 'Model that served and is billed';
COMMENT ON COLUMN oco.api_requests.agent_id IS 'Agent that called';
COMMENT ON COLUMN oco.api_requests.team_id IS 'Team that called';
COMMENT ON COLUMN oco.api_requests.user_id IS 'User on whose behalf was called';
COMMENT ON COLUMN oco.api_requests.org_id IS 'Organization that called';
COMMENT ON COLUMN oco.api_requests.input_tokens IS 'All input tokens, cached ones included; NULL unknown';
COMMENT ON COLUMN oco.api_requests.output_tokens IS 'All output tokens, reasoning included; NULL unknown';
COMMENT ON COLUMN oco.api_requests.total_tokens IS 'input_tokens + output_tokens';
COMMENT ON COLUMN oco.api_requests.cached_input_tokens IS 'Input tokens read from a cache, inside input_tokens';
COMMENT ON COLUMN oco.api_requests.cache_write_tokens IS 'Input tokens written to a cache, inside input_tokens';
COMMENT ON COLUMN oco.api_requests.reasoning_tokens IS 'Reasoning tokens, inside output_tokens';
COMMENT ON COLUMN oco.api_requests.cost_usd IS 'Cost in USD; NULL unknown, never 0 for unknown';
COMMENT ON COLUMN oco.api_requests.input_cost_usd IS 'Part of cost_usd for input; input + output = cost_usd';
COMMENT ON COLUMN oco.api_requests.output_cost_usd IS 'Part of cost_usd for output and whatever is not input';
COMMENT ON COLUMN oco.api_requests.cost_status IS 'exact, partial (answer cut short), estimated (tokens estimated) or unpriced';
COMMENT ON COLUMN oco.api_requests.price_version IS 'Version of the price that was used';
COMMENT ON COLUMN oco.api_requests.service_tier IS 'Service tier that served';
COMMENT ON COLUMN oco.api_requests.stream IS 'Whether the answer was streamed';
COMMENT ON COLUMN oco.api_requests.latency_ms IS 'From the request''s arrival to the answer''s last byte, in ms';
COMMENT ON COLUMN oco.api_requests.ttft_ms IS 'Until the answer''s first byte, in ms';
COMMENT ON COLUMN oco.api_requests.overhead_us IS 'Time that the gateway itself added, in microseconds';
COMMENT ON COLUMN oco.api_requests.status_code IS 'HTTP status that the client received';
COMMENT ON COLUMN oco.api_requests.error_type IS 'Why the call failed: upstream_timeout, client_closed, …; NULL when it did not';
COMMENT ON COLUMN oco.api_requests.was_routed IS 'Whether the router changed the model';
COMMENT ON COLUMN oco.api_requests.original_model IS 'Model that was asked for';
COMMENT ON COLUMN oco.api_requests.routed_model IS 'Model that the router chose';
COMMENT ON COLUMN oco.api_requests.savings_usd IS 'What routing saved against the original model, in USD';
COMMENT ON COLUMN oco.api_requests.tags IS 'Attribution tags';
COMMENT ON COLUMN oco.api_requests.gateway_id IS 'Gateway process that recorded the call';
COMMENT ON COLUMN oco.api_requests."timestamp" IS 'When the request arrived';
SELECT oco.start_partitions('api_requests', 'timestamp');
CREATE INDEX idx_api_requests_timestamp ON oco.api_requests ("timestamp" DESC);
CREATE INDEX idx_api_requests_agent_id ON oco.api_requests (agent_id, "timestamp" DESC);
CREATE INDEX idx_api_requests_team_id ON oco.api_requests (team_id, "timestamp" DESC);
CREATE INDEX idx_api_requests_org_id ON oco.api_requests (org_id, "timestamp" DESC);
CREATE INDEX idx_api_requests_model ON oco.api_requests (model, "timestamp" DESC);
CREATE INDEX idx_api_requests_provider ON oco.api_requests (provider, "timestamp" DESC);

CREATE TABLE oco.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    entity_type text NOT NULL,
    entity_id text NOT NULL,
    request_id text,
    details jsonb NOT NULL DEFAULT '{}'
);

COMMENT ON TABLE oco.audit_log IS 'Who changed what, for ever';
COMMENT ON COLUMN oco.audit_log.id IS 'Order of the entries';
COMMENT ON COLUMN oco.audit_log.at IS 'When it happened';
COMMENT ON COLUMN oco.audit_log.actor IS 'Token, user or process that acted';
COMMENT ON COLUMN oco.audit_log.action IS 'What was done, as in budget.update';
COMMENT ON COLUMN oco.audit_log.entity_type IS 'Kind of thing that was changed';
COMMENT ON COLUMN oco.audit_log.entity_id IS 'Which one';
COMMENT ON COLUMN oco.audit_log.request_id IS 'Request that caused it';
COMMENT ON COLUMN oco.audit_log.details IS 'What changed; never a secret';
CREATE INDEX idx_audit_log_entity ON oco.audit_log (entity_type, entity_id, at DESC);
CREATE INDEX idx_audit_log_at ON oco.audit_log (at DESC);
