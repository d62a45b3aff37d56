CREATE TABLE oco.cost_anomalies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    level text NOT NULL,
    provider text NOT NULL,
    service text NOT NULL,
    account_id text NOT NULL,
    direction text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    status text NOT NULL,
    observed_usd numeric NOT NULL,
    expected_usd numeric NOT NULL,
    excess_usd numeric NOT NULL,
    worst_day date NOT NULL,
    score numeric NOT NULL,
    driver_provider text,
    driver_service text,
    driver_region text,
    driver_resource text,
    driver_sku text,
    driver_team text,
    driver_excess_usd numeric,
    driver_share numeric,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CHECK (level IN ('service', 'total')),
    CHECK (direction IN ('spike', 'drop')),
    CHECK (status IN ('open', 'ended', 'withdrawn')),
    CHECK (last_day >= first_day),
    CHECK ((status = 'open') = (closed_at IS NULL)),
    CHECK (excess_usd = observed_usd - expected_usd)
);

CREATE INDEX ix_cost_anomalies_days ON oco.cost_anomalies (last_day, first_day);

COMMENT ON TABLE oco.cost_anomalies IS 'Days on which cloud cost was not what it usually is, one row for each episode';
COMMENT ON COLUMN oco.cost_anomalies.id IS 'Identifier; an episode keeps it over runs and restatements';
COMMENT ON COLUMN oco.cost_anomalies.level IS 'service (provider × service × account) or total (all of the cloud)';
COMMENT ON COLUMN oco.cost_anomalies.provider IS 'Short name of the provider; all for the total';
COMMENT ON COLUMN oco.cost_anomalies.service IS 'FOCUS ServiceName; all for the total';
COMMENT ON COLUMN oco.cost_anomalies.account_id IS 'Account; all for the total';
COMMENT ON COLUMN oco.cost_anomalies.direction IS 'spike or drop';
COMMENT ON COLUMN oco.cost_anomalies.first_day IS 'First day of it, UTC';
COMMENT ON COLUMN oco.cost_anomalies.last_day IS 'Last day of it so far, UTC';
COMMENT ON COLUMN oco.cost_anomalies.status IS 'open while it goes on, ended when it is over or has become usual, withdrawn when a restatement took it back';
COMMENT ON COLUMN oco.cost_anomalies.observed_usd IS 'Effective cost of metered usage from the first to the last day, in USD';
COMMENT ON COLUMN oco.cost_anomalies.expected_usd IS 'What these days usually cost, in USD';
COMMENT ON COLUMN oco.cost_anomalies.excess_usd IS 'observed_usd − expected_usd; negative for a drop';
COMMENT ON COLUMN oco.cost_anomalies.worst_day IS 'Day with the largest excess';
COMMENT ON COLUMN oco.cost_anomalies.score IS 'Excess of the worst day in robust standard deviations';
COMMENT ON COLUMN oco.cost_anomalies.driver_provider IS 'Provider that carries most of the excess';
COMMENT ON COLUMN oco.cost_anomalies.driver_service IS 'Service of that provider that carries most of it';
COMMENT ON COLUMN oco.cost_anomalies.driver_region IS 'Region of that service; none where charges have no region';
COMMENT ON COLUMN oco.cost_anomalies.driver_resource IS 'Resource in that region; none where charges name no resource';
COMMENT ON COLUMN oco.cost_anomalies.driver_sku IS 'SKU of that resource; none where charges name no SKU';
COMMENT ON COLUMN oco.cost_anomalies.driver_team IS 'Team of that resource; untagged where there is none';
COMMENT ON COLUMN oco.cost_anomalies.driver_excess_usd IS 'Cost of the named driver above the same weekdays of the three weeks before, in USD; NULL when no driver is known';
COMMENT ON COLUMN oco.cost_anomalies.driver_share IS 'Its part of the whole excess, measured in the same way; above 1 when others fell meanwhile';
COMMENT ON COLUMN oco.cost_anomalies.first_seen IS 'When a run first found it';
COMMENT ON COLUMN oco.cost_anomalies.last_seen IS 'When a run last found it';
COMMENT ON COLUMN oco.cost_anomalies.closed_at IS 'When it ended or was withdrawn; NULL while it is open';

CREATE TABLE oco.cost_forecast (
    scope text NOT NULL,
    entity_id text NOT NULL,
    horizon text NOT NULL,
    period_start date NOT NULL,
    period_end date NOT NULL,
    as_of date NOT NULL,
    actual_usd numeric NOT NULL,
    charges_usd numeric,
    expected_usd numeric,
    low_usd numeric,
    high_usd numeric,
    interval_share numeric NOT NULL,
    method text,
    wape numeric,
    naive_wape numeric,
    coverage numeric,
    backtests integer NOT NULL,
    history_days integer NOT NULL,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, entity_id, horizon, period_start),
    CHECK (scope IN ('provider', 'team', 'total')),
    CHECK (horizon IN ('day', 'month_end', 'next_90_days')),
    CHECK (method IN ('seasonal', 'naive')),
    CHECK (period_end > period_start),
    CHECK ((expected_usd IS NULL) = (reason IS NOT NULL)),
    CHECK ((expected_usd IS NULL) = (method IS NULL)),
    CHECK (low_usd <= expected_usd AND expected_usd <= high_usd)
);

COMMENT ON TABLE oco.cost_forecast IS 'What cloud cost is expected to be, as of the newest settled day; replaced whole by each run';
COMMENT ON COLUMN oco.cost_forecast.scope IS 'provider, team or total';
COMMENT ON COLUMN oco.cost_forecast.entity_id IS 'Which provider or team (untagged without one); all for the total';
COMMENT ON COLUMN oco.cost_forecast.horizon IS 'day (one row for each of the next 90), month_end (the whole month) or next_90_days (their sum)';
COMMENT ON COLUMN oco.cost_forecast.period_start IS 'First day of it, UTC';
COMMENT ON COLUMN oco.cost_forecast.period_end IS 'End of it, exclusive';
COMMENT ON COLUMN oco.cost_forecast.as_of IS 'Newest settled day, on which the forecast stands';
COMMENT ON COLUMN oco.cost_forecast.actual_usd IS 'Effective cost of the days of the period up to as_of, in USD; it is in expected_usd';
COMMENT ON COLUMN oco.cost_forecast.charges_usd IS 'Part of expected_usd that is fees, taxes and credits still to come; NULL without a forecast';
COMMENT ON COLUMN oco.cost_forecast.expected_usd IS 'Effective cost that is expected of the period, in USD; NULL when there is no forecast';
COMMENT ON COLUMN oco.cost_forecast.low_usd IS 'Lower end of the interval';
COMMENT ON COLUMN oco.cost_forecast.high_usd IS 'Upper end of the interval';
COMMENT ON COLUMN oco.cost_forecast.interval_share IS 'Share of such intervals that should hold the cost';
COMMENT ON COLUMN oco.cost_forecast.method IS 'seasonal (weekday × level and trend) or naive (the last week again): the one with the smaller error in the backtest';
COMMENT ON COLUMN oco.cost_forecast.wape IS 'Error of the method in the backtest: sum of absolute errors of days over the sum of their cost';
COMMENT ON COLUMN oco.cost_forecast.naive_wape IS 'The same of the naive method';
COMMENT ON COLUMN oco.cost_forecast.coverage IS 'Share of backtests of which the interval, made from the other ones, held the cost';
COMMENT ON COLUMN oco.cost_forecast.backtests IS 'Forecasts of the past that the error and the interval rest on';
COMMENT ON COLUMN oco.cost_forecast.history_days IS 'Days of cost that were known';
COMMENT ON COLUMN oco.cost_forecast.reason IS 'Why there is no forecast; NULL when there is one';
COMMENT ON COLUMN oco.cost_forecast.created_at IS 'When it was made';

CREATE TABLE oco.cloud_budgets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    filter jsonb NOT NULL DEFAULT '{}',
    amount_usd numeric NOT NULL,
    period text NOT NULL,
    cost_basis text NOT NULL DEFAULT 'effective',
    thresholds jsonb NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (name <> ''),
    CHECK (jsonb_typeof(filter) = 'object'),
    CHECK (amount_usd > 0),
    CHECK (period IN ('month', 'quarter', 'year')),
    CHECK (cost_basis IN ('effective', 'billed')),
    CHECK (jsonb_typeof(thresholds) = 'array')
);

COMMENT ON TABLE oco.cloud_budgets IS 'Budgets for cloud cost; they tell people and refuse nothing';
COMMENT ON COLUMN oco.cloud_budgets.id IS 'Identifier';
COMMENT ON COLUMN oco.cloud_budgets.name IS 'Name for people, and what an import knows the budget by';
COMMENT ON COLUMN oco.cloud_budgets.filter IS 'Charges that count: lists of values by provider, service, account, region, team, charge_category, and by tag key in tags; all must hold, {} is everything';
COMMENT ON COLUMN oco.cloud_budgets.amount_usd IS 'Amount of one period in USD';
COMMENT ON COLUMN oco.cloud_budgets.period IS 'Calendar period in UTC: month, quarter or year';
COMMENT ON COLUMN oco.cloud_budgets.cost_basis IS 'effective (amortized) or billed (as invoiced)';
COMMENT ON COLUMN oco.cloud_budgets.thresholds IS 'List of {"share": "0.8", "by": "actual" or "forecast"}, each told once a period';
COMMENT ON COLUMN oco.cloud_budgets.enabled IS 'Whether it is watched';
COMMENT ON COLUMN oco.cloud_budgets.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.cloud_budgets.updated_at IS 'When the row was last changed';
CREATE TRIGGER cloud_budgets_touch BEFORE UPDATE ON oco.cloud_budgets FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.cloud_budget_status (
    budget_id uuid NOT NULL REFERENCES oco.cloud_budgets (id) ON DELETE CASCADE,
    period_start date NOT NULL,
    period_end date NOT NULL,
    amount_usd numeric NOT NULL,
    spent_usd numeric NOT NULL,
    forecast_usd numeric,
    reason text,
    newest_day date,
    thresholds_fired text[] NOT NULL DEFAULT '{}',
    judged_at timestamptz NOT NULL,
    PRIMARY KEY (budget_id, period_start),
    CHECK (period_end > period_start),
    CHECK ((forecast_usd IS NULL) = (reason IS NOT NULL))
);

COMMENT ON TABLE oco.cloud_budget_status IS 'How each period of a cloud budget stands, the current one and those before it';
COMMENT ON COLUMN oco.cloud_budget_status.budget_id IS 'Budget';
COMMENT ON COLUMN oco.cloud_budget_status.period_start IS 'First day of the period, UTC';
COMMENT ON COLUMN oco.cloud_budget_status.period_end IS 'End of the period, exclusive';
COMMENT ON COLUMN oco.cloud_budget_status.amount_usd IS 'Amount when it was judged, in USD';
COMMENT ON COLUMN oco.cloud_budget_status.spent_usd IS 'Cost of the period that is known, in USD';
COMMENT ON COLUMN oco.cloud_budget_status.forecast_usd IS 'Cost that the whole period is expected to have, in USD; NULL when there is no forecast';
COMMENT ON COLUMN oco.cloud_budget_status.reason IS 'Why there is no forecast; NULL when there is one';
COMMENT ON COLUMN oco.cloud_budget_status.newest_day IS 'Newest day of the cloud bills that were known; NULL when none was';
COMMENT ON COLUMN oco.cloud_budget_status.thresholds_fired IS 'Thresholds that were told in this period, as in actual:0.8';
COMMENT ON COLUMN oco.cloud_budget_status.judged_at IS 'When it was last judged';

ALTER TABLE oco.alerts DROP CONSTRAINT alerts_check;
ALTER TABLE oco.alerts ADD CONSTRAINT alerts_check CHECK ((kind IN ('budget_threshold', 'cloud_budget_threshold')) = (threshold IS NOT NULL));
COMMENT ON COLUMN oco.alerts.kind IS 'budget_threshold, budget_refusing, cloud_budget_threshold, cost_anomaly, or the kind of the insight that it tells of';
COMMENT ON COLUMN oco.alerts.scope IS 'agent, team, user, org, tag:NAME, model or all; cloud, cloud_provider or cloud_budget for cloud cost';
