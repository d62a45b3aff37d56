-- Until now 0 meant that nothing was said, so that the catalogue's fee could not be stated away.
ALTER TABLE oco.model_pricing
    ALTER COLUMN per_request DROP NOT NULL,
    ALTER COLUMN per_request DROP DEFAULT;
UPDATE oco.model_pricing SET per_request = NULL WHERE per_request = 0;

COMMENT ON COLUMN oco.model_pricing.per_request IS 'USD charged for every request; NULL nothing, and in a stated price the catalogue''s';
