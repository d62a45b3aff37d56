CREATE TABLE oco.model_tiers (
    provider text NOT NULL,
    model text NOT NULL,
    tier text NOT NULL,
    quality integer NOT NULL,
    context_tokens bigint NOT NULL,
    max_output_tokens bigint NOT NULL,
    tools boolean NOT NULL DEFAULT false,
    images boolean NOT NULL DEFAULT false,
    files boolean NOT NULL DEFAULT false,
    audio boolean NOT NULL DEFAULT false,
    json_output boolean NOT NULL DEFAULT false,
    reasoning boolean NOT NULL DEFAULT false,
    sampling boolean NOT NULL DEFAULT false,
    thinking integer NOT NULL DEFAULT 0,
    token_percent integer NOT NULL DEFAULT 100,
    enabled boolean NOT NULL DEFAULT true,
    source text NOT NULL DEFAULT 'custom',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model),
    CHECK (provider <> ''),
    CHECK (model ~ '^[!-~]{1,200}$'),
    CHECK (tier IN ('economy', 'standard', 'premium')),
    CHECK (context_tokens > 0 AND max_output_tokens > 0),
    CHECK (thinking BETWEEN 0 AND 3),
    CHECK (token_percent BETWEEN 10 AND 1000),
    CHECK (source IN ('shipped', 'custom'))
);

COMMENT ON TABLE oco.model_tiers IS 'What each model can do and how good it is, for the router';
COMMENT ON COLUMN oco.model_tiers.provider IS 'openai, anthropic, gemini or a configured provider';
COMMENT ON COLUMN oco.model_tiers.model IS 'Model name as a request names it, without a snapshot''s date';
COMMENT ON COLUMN oco.model_tiers.tier IS 'economy, standard or premium';
COMMENT ON COLUMN oco.model_tiers.quality IS 'Rank among the provider''s models; a larger one is better';
COMMENT ON COLUMN oco.model_tiers.context_tokens IS 'Longest prompt and answer together, in tokens';
COMMENT ON COLUMN oco.model_tiers.max_output_tokens IS 'Longest answer, in tokens';
COMMENT ON COLUMN oco.model_tiers.tools IS 'Whether it calls functions';
COMMENT ON COLUMN oco.model_tiers.images IS 'Whether it reads images';
COMMENT ON COLUMN oco.model_tiers.files IS 'Whether it reads documents';
COMMENT ON COLUMN oco.model_tiers.audio IS 'Whether it hears or speaks';
COMMENT ON COLUMN oco.model_tiers.json_output IS 'Whether it answers in a JSON schema on request';
COMMENT ON COLUMN oco.model_tiers.reasoning IS 'Whether it takes a reasoning effort or a thinking budget';
COMMENT ON COLUMN oco.model_tiers.sampling IS 'Whether it takes temperature, top_p, penalties, stop words and their like';
COMMENT ON COLUMN oco.model_tiers.thinking IS 'How much it reasons unasked: 0 not, 1 little, 2 some, 3 much; never more than the original';
COMMENT ON COLUMN oco.model_tiers.token_percent IS 'Tokens that the same text takes, 100 for the provider''s older tokenizer';
COMMENT ON COLUMN oco.model_tiers.enabled IS 'Whether the router may choose it';
COMMENT ON COLUMN oco.model_tiers.source IS 'shipped follows the gateway''s own table; custom is a person''s row and stays';
COMMENT ON COLUMN oco.model_tiers.updated_at IS 'When the row was last changed';
CREATE TRIGGER model_tiers_touch BEFORE UPDATE ON oco.model_tiers FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.routing_policies (
    id text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    scope text NOT NULL,
    entity_id text NOT NULL,
    name text NOT NULL DEFAULT '',
    strategy text NOT NULL,
    mode text NOT NULL DEFAULT 'dry_run',
    allowed_models text[],
    enabled boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (scope, entity_id),
    CHECK (scope IN ('agent', 'team', 'user', 'org') OR scope LIKE 'tag:_%'),
    CHECK (entity_id <> ''),
    CHECK (strategy IN ('quality_first', 'balanced', 'cost_optimized')),
    CHECK (mode IN ('enforce', 'dry_run', 'off')),
    CHECK (allowed_models IS NULL OR cardinality(allowed_models) > 0)
);

COMMENT ON TABLE oco.routing_policies IS 'Whose calls the router may send to a cheaper model, and how boldly';
COMMENT ON COLUMN oco.routing_policies.id IS 'Identifier';
COMMENT ON COLUMN oco.routing_policies.scope IS 'agent, team, user, org or tag:NAME';
COMMENT ON COLUMN oco.routing_policies.entity_id IS 'Which one of that scope; * is every one without a policy of its own';
COMMENT ON COLUMN oco.routing_policies.name IS 'Name for people';
COMMENT ON COLUMN oco.routing_policies.strategy IS 'quality_first, balanced or cost_optimized';
COMMENT ON COLUMN oco.routing_policies.mode IS 'enforce changes the model, dry_run only records what it would have done, off exempts';
COMMENT ON COLUMN oco.routing_policies.allowed_models IS 'Models that may be chosen; NULL allows every model of the tiers';
COMMENT ON COLUMN oco.routing_policies.enabled IS 'Whether the policy counts at all';
COMMENT ON COLUMN oco.routing_policies.version IS 'Grows with every change; the ETag of the API';
COMMENT ON COLUMN oco.routing_policies.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.routing_policies.updated_at IS 'When the row was last changed';
CREATE TRIGGER routing_policies_touch BEFORE UPDATE ON oco.routing_policies FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

ALTER TABLE oco.api_requests ADD COLUMN routing_policy_id text;

COMMENT ON COLUMN oco.api_requests.was_routed IS 'Whether another model served than was asked for, because the router said so';
COMMENT ON COLUMN oco.api_requests.routed_model IS 'Model that the router chose; while was_routed is false, the one that a dry run would have chosen';
COMMENT ON COLUMN oco.api_requests.savings_usd IS 'What the original model would have cost for the same usage minus what the routed one does, in USD: saved where was_routed, otherwise what a dry run would have saved; NULL unknown';
COMMENT ON COLUMN oco.api_requests.routing_policy_id IS 'Routing policy that chose another model; with routed_model NULL the call fell back to the original one';
CREATE INDEX idx_api_requests_routing_policy ON oco.api_requests (routing_policy_id, "timestamp" DESC) WHERE routing_policy_id IS NOT NULL;
