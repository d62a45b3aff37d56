-- Whoever wrote a price by hand stated it; what took the catalogue's place stays as it is, and the
-- next refresh puts the catalogue's row beside it.
UPDATE oco.model_pricing SET source = 'override' WHERE source NOT IN ('genai-prices', 'override');

ALTER TABLE oco.model_pricing
    DROP CONSTRAINT model_pricing_pkey,
    ADD PRIMARY KEY (provider, model, effective_from, service_tier, min_context_tokens, source),
    ADD CHECK (source IN ('genai-prices', 'override'));

COMMENT ON TABLE oco.model_pricing IS 'Price history of language models, USD per million tokens: what the catalogue says, and over it what a person stated';
COMMENT ON COLUMN oco.model_pricing.effective_from IS 'From when the price holds, until the next row of the model from the same source';
COMMENT ON COLUMN oco.model_pricing.source IS 'Where the price is from: genai-prices (the catalogue), or override (a person), which wins; what its row leaves NULL or out is the catalogue''s';
