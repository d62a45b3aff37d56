ALTER TABLE oco.budgets ADD COLUMN refused_period timestamptz;
COMMENT ON COLUMN oco.budgets.refused_period IS 'Start of the newest period in which it refused a call for what it had spent; NULL before that';
COMMENT ON COLUMN oco.alerts.kind IS 'budget_threshold, budget_refusing, or the kind of the insight that it tells of';
