ALTER TABLE oco.resources ADD COLUMN last_attached_at timestamptz;
COMMENT ON COLUMN oco.resources.last_attached_at IS 'When it was last seen attached to something, to within a day; NULL when it never was';

ALTER TABLE oco.optimization_recommendations
    ADD COLUMN savings_alone numeric,
    ADD COLUMN monthly_cost numeric,
    ADD COLUMN claims jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN raw_confidence numeric,
    ADD COLUMN life integer NOT NULL DEFAULT 1,
    ADD COLUMN opened_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN seen_since timestamptz DEFAULT now(),
    ADD COLUMN missed_since timestamptz,
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN realised_at timestamptz,
    ADD COLUMN measured_at timestamptz,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD CHECK (raw_confidence BETWEEN 0 AND 1),
    ADD CHECK (savings_alone >= 0),
    ADD CHECK (jsonb_typeof(claims) = 'array'),
    ADD CHECK (life >= 1);
UPDATE oco.optimization_recommendations
SET opened_at = created_at, seen_since = created_at, raw_confidence = confidence,
    savings_alone = estimated_monthly_savings;

COMMENT ON COLUMN oco.optimization_recommendations.estimated_monthly_savings IS 'USD a month that is saved by following it beside all others: overlaps are netted';
COMMENT ON COLUMN oco.optimization_recommendations.confidence IS 'From 0 to 1: how often such claims come true';
COMMENT ON COLUMN oco.optimization_recommendations.savings_alone IS 'USD a month that is saved by following it alone';
COMMENT ON COLUMN oco.optimization_recommendations.monthly_cost IS 'USD a month that what it is about cost before, as billed; NULL where it is not a cloud resource';
COMMENT ON COLUMN oco.optimization_recommendations.claims IS '[{provider, account_id, resource_id, usd}]: billed resources whose cost it lowers, with their USD a month';
COMMENT ON COLUMN oco.optimization_recommendations.raw_confidence IS 'From 0 to 1 by the rule''s formula, before outcomes are counted in';
COMMENT ON COLUMN oco.optimization_recommendations.life IS 'How often it has been opened';
COMMENT ON COLUMN oco.optimization_recommendations.opened_at IS 'When it was last opened';
COMMENT ON COLUMN oco.optimization_recommendations.seen_since IS 'Since when every run finds it; NULL when the last run did not';
COMMENT ON COLUMN oco.optimization_recommendations.missed_since IS 'Since when no run finds it; NULL when the last run did';
COMMENT ON COLUMN oco.optimization_recommendations.accepted_at IS 'When it was accepted';
COMMENT ON COLUMN oco.optimization_recommendations.realised_at IS 'When its saving was first seen on the bill';
COMMENT ON COLUMN oco.optimization_recommendations.measured_at IS 'When the bill was last asked for its saving';
COMMENT ON COLUMN oco.optimization_recommendations.version IS 'Counts changes of status and decisions: the ETag';
CREATE INDEX idx_recommendations_created ON oco.optimization_recommendations (created_at DESC, (id::text) DESC);

CREATE TABLE oco.recommendation_outcomes (
    recommendation_id uuid NOT NULL REFERENCES oco.optimization_recommendations (id) ON DELETE CASCADE,
    life integer NOT NULL,
    recommendation_type text NOT NULL,
    opened_at timestamptz NOT NULL,
    raw_confidence numeric NOT NULL,
    stated_confidence numeric NOT NULL,
    estimated_monthly_savings numeric NOT NULL,
    basis text,
    hit boolean,
    realised_monthly_savings numeric,
    observed_at timestamptz,
    PRIMARY KEY (recommendation_id, life),
    CHECK (basis IN ('still_true', 'no_longer_true', 'bill', 'no_evidence')),
    CHECK ((basis IS NULL) = (observed_at IS NULL)),
    CHECK (hit IS NULL OR basis IN ('still_true', 'no_longer_true', 'bill')),
    CHECK (stated_confidence BETWEEN 0 AND 1),
    CHECK (raw_confidence BETWEEN 0 AND 1)
);

COMMENT ON TABLE oco.recommendation_outcomes IS 'What each recommendation claimed when it was opened, and whether that came true';
COMMENT ON COLUMN oco.recommendation_outcomes.recommendation_id IS 'Recommendation';
COMMENT ON COLUMN oco.recommendation_outcomes.life IS 'Which of its lives';
COMMENT ON COLUMN oco.recommendation_outcomes.recommendation_type IS 'Rule that made it';
COMMENT ON COLUMN oco.recommendation_outcomes.opened_at IS 'When the claim was made';
COMMENT ON COLUMN oco.recommendation_outcomes.raw_confidence IS 'Confidence by the rule''s formula at that time';
COMMENT ON COLUMN oco.recommendation_outcomes.stated_confidence IS 'Confidence that was told at that time';
COMMENT ON COLUMN oco.recommendation_outcomes.estimated_monthly_savings IS 'USD a month that were claimed at that time';
COMMENT ON COLUMN oco.recommendation_outcomes.basis IS 'still_true and no_longer_true after 30 days, bill, or no_evidence; NULL while it is not known';
COMMENT ON COLUMN oco.recommendation_outcomes.hit IS 'Whether the claim came true; NULL while that is not known or cannot be';
COMMENT ON COLUMN oco.recommendation_outcomes.realised_monthly_savings IS 'USD a month as measured on the bill; NULL where nothing was done';
COMMENT ON COLUMN oco.recommendation_outcomes.observed_at IS 'When it was known';
CREATE INDEX idx_recommendation_outcomes_pending ON oco.recommendation_outcomes (opened_at) WHERE observed_at IS NULL;

CREATE TABLE oco.recommendation_calibration (
    recommendation_type text NOT NULL,
    raw_from numeric NOT NULL,
    raw_to numeric NOT NULL,
    cases integer NOT NULL,
    hits integer NOT NULL,
    confidence numeric NOT NULL,
    computed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (recommendation_type, raw_from),
    CHECK (raw_to >= raw_from),
    CHECK (hits BETWEEN 0 AND cases),
    CHECK (confidence BETWEEN 0 AND 1)
);

COMMENT ON TABLE oco.recommendation_calibration IS 'How often claims came true, by what their formula said: the confidence that is told';
COMMENT ON COLUMN oco.recommendation_calibration.recommendation_type IS 'Rule; all for rules with few outcomes of their own';
COMMENT ON COLUMN oco.recommendation_calibration.raw_from IS 'Lowest confidence by the formula in the bin';
COMMENT ON COLUMN oco.recommendation_calibration.raw_to IS 'Highest confidence by the formula in the bin';
COMMENT ON COLUMN oco.recommendation_calibration.cases IS 'Outcomes in the bin';
COMMENT ON COLUMN oco.recommendation_calibration.hits IS 'Those that came true';
COMMENT ON COLUMN oco.recommendation_calibration.confidence IS 'What is told for the bin';
COMMENT ON COLUMN oco.recommendation_calibration.computed_at IS 'When it was computed';
