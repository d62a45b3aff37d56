CREATE TABLE oco.notification_channels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    kind text NOT NULL,
    target text NOT NULL,
    secret_env text,
    scopes text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (name <> ''),
    CHECK (kind IN ('webhook', 'slack', 'email')),
    CHECK ((kind = 'slack') = (target = '')),
    CHECK (kind <> 'slack' OR secret_env IS NOT NULL),
    CHECK (secret_env ~ '^OCO_CHANNEL_[A-Z0-9_]+$')
);

COMMENT ON TABLE oco.notification_channels IS 'Where alerts are delivered to';
COMMENT ON COLUMN oco.notification_channels.id IS 'Identifier';
COMMENT ON COLUMN oco.notification_channels.name IS 'Name for people';
COMMENT ON COLUMN oco.notification_channels.kind IS 'webhook (JSON), slack (Slack-compatible) or email (SMTP)';
COMMENT ON COLUMN oco.notification_channels.target IS 'Address of a webhook, or a mailbox; empty for slack, whose address is a secret';
COMMENT ON COLUMN oco.notification_channels.secret_env IS 'Variable that holds the secret, never the secret: the key that signs a webhook, the whole address of a slack channel';
COMMENT ON COLUMN oco.notification_channels.scopes IS 'Alerts that it takes: SCOPE or SCOPE:ENTITY, as in team:search; empty takes all';
COMMENT ON COLUMN oco.notification_channels.enabled IS 'Whether alerts are delivered to it';
COMMENT ON COLUMN oco.notification_channels.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.notification_channels.updated_at IS 'When the row was last changed';
CREATE TRIGGER notification_channels_touch BEFORE UPDATE ON oco.notification_channels FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.alerts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    dedupe_key text NOT NULL UNIQUE,
    scope text NOT NULL,
    entity_id text NOT NULL,
    period_start timestamptz,
    threshold numeric,
    title text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    CHECK (kind <> ''),
    CHECK ((kind = 'budget_threshold') = (threshold IS NOT NULL))
);

COMMENT ON TABLE oco.alerts IS 'What people were told once';
COMMENT ON COLUMN oco.alerts.id IS 'Identifier, also sent with every delivery, so that a receiver can tell repeats';
COMMENT ON COLUMN oco.alerts.kind IS 'budget_threshold, or the kind of the insight that it tells of';
COMMENT ON COLUMN oco.alerts.dedupe_key IS 'What it tells of; the same thing is told once';
COMMENT ON COLUMN oco.alerts.scope IS 'agent, team, user, org, tag:NAME, model or all';
COMMENT ON COLUMN oco.alerts.entity_id IS 'Which one of that scope';
COMMENT ON COLUMN oco.alerts.period_start IS 'Period of the budget, or start of the window';
COMMENT ON COLUMN oco.alerts.threshold IS 'Share of the limit that was reached; budgets only';
COMMENT ON COLUMN oco.alerts.title IS 'One line for people';
COMMENT ON COLUMN oco.alerts.figures IS 'Figures as text; amounts in USD';
COMMENT ON COLUMN oco.alerts.created_at IS 'When it was raised';
COMMENT ON COLUMN oco.alerts.resolved_at IS 'When its cause was gone; NULL while it is there, and for budgets';
CREATE INDEX idx_alerts_created ON oco.alerts (created_at DESC);

CREATE TABLE oco.alert_deliveries (
    alert_id uuid NOT NULL REFERENCES oco.alerts (id) ON DELETE CASCADE,
    channel_id uuid NOT NULL REFERENCES oco.notification_channels (id) ON DELETE CASCADE,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz DEFAULT now(),
    delivered_at timestamptz,
    last_error text,
    PRIMARY KEY (alert_id, channel_id),
    CHECK (attempts >= 0),
    CHECK (delivered_at IS NULL OR next_attempt_at IS NULL)
);

COMMENT ON TABLE oco.alert_deliveries IS 'Each alert on its way to each channel';
COMMENT ON COLUMN oco.alert_deliveries.alert_id IS 'What is told';
COMMENT ON COLUMN oco.alert_deliveries.channel_id IS 'To whom';
COMMENT ON COLUMN oco.alert_deliveries.attempts IS 'How often it was tried';
COMMENT ON COLUMN oco.alert_deliveries.next_attempt_at IS 'When it is tried next; NULL once delivered or given up';
COMMENT ON COLUMN oco.alert_deliveries.delivered_at IS 'When the channel took it; NULL until then';
COMMENT ON COLUMN oco.alert_deliveries.last_error IS 'Why the last try failed, in one line';
CREATE INDEX idx_alert_deliveries_due ON oco.alert_deliveries (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX idx_alert_deliveries_channel ON oco.alert_deliveries (channel_id);

CREATE TABLE oco.llm_insights (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    scope text NOT NULL,
    entity_id text NOT NULL,
    window_start timestamptz,
    window_end timestamptz,
    title text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}',
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    opened_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    CONSTRAINT llm_insights_subject_key UNIQUE NULLS NOT DISTINCT (kind, scope, entity_id, window_start),
    CHECK (window_end > window_start)
);

COMMENT ON TABLE oco.llm_insights IS 'What is worth knowing about model spend, one row for each thing';
COMMENT ON COLUMN oco.llm_insights.id IS 'Identifier';
COMMENT ON COLUMN oco.llm_insights.kind IS 'spend_spike, budget_forecast, top_mover, unregistered_agent or unpriced_model';
COMMENT ON COLUMN oco.llm_insights.scope IS 'agent, team, user, org, tag:NAME, model or all';
COMMENT ON COLUMN oco.llm_insights.entity_id IS 'Which one of that scope';
COMMENT ON COLUMN oco.llm_insights.window_start IS 'Start of the time that it is about; NULL for a state without a time';
COMMENT ON COLUMN oco.llm_insights.window_end IS 'End of that time, exclusive';
COMMENT ON COLUMN oco.llm_insights.title IS 'One line for people';
COMMENT ON COLUMN oco.llm_insights.figures IS 'Figures that the claim rests on, as text; amounts in USD';
COMMENT ON COLUMN oco.llm_insights.first_seen IS 'When a run first found it';
COMMENT ON COLUMN oco.llm_insights.last_seen IS 'When a run last found it';
COMMENT ON COLUMN oco.llm_insights.opened_at IS 'When it was found after it had not been';
COMMENT ON COLUMN oco.llm_insights.resolved_at IS 'When a run did not find it any more; NULL while it holds';
CREATE INDEX idx_llm_insights_seen ON oco.llm_insights (last_seen DESC);

CREATE TABLE oco.reports (
    kind text NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    html text NOT NULL,
    json jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (kind, period_start),
    CHECK (kind IN ('daily', 'weekly')),
    CHECK (period_end > period_start)
);

COMMENT ON TABLE oco.reports IS 'Model spend of a day or a week, as it was told';
COMMENT ON COLUMN oco.reports.kind IS 'daily or weekly';
COMMENT ON COLUMN oco.reports.period_start IS 'Start of the day or week, UTC';
COMMENT ON COLUMN oco.reports.period_end IS 'End of it, exclusive';
COMMENT ON COLUMN oco.reports.html IS 'The report as a page without scripts';
COMMENT ON COLUMN oco.reports.json IS 'The same figures; amounts are decimal text in USD';
COMMENT ON COLUMN oco.reports.created_at IS 'When it was last written';

-- Calls that may be priced later: few, and found without reading the ledger.
CREATE INDEX idx_api_requests_unpriced ON oco.api_requests ("timestamp", id) WHERE cost_status = 'unpriced';
