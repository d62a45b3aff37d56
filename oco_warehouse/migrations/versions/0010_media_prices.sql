ALTER TABLE oco.model_pricing ADD COLUMN media_prices jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN oco.model_pricing.media_prices IS 'USD per 1M tokens of media that cost other than text: image_input, image_output, video_input, video_output, cached_image_input, cached_audio_input';

ALTER TABLE oco.api_requests ADD COLUMN requested_service_tier text;
COMMENT ON COLUMN oco.api_requests.requested_service_tier IS 'Service tier that the request asked for; NULL where it left that open';
