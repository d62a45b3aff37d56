-- Grain: set of tags that a cloud charge has or had.
{{ canonical_tags(source('oco', 'cloud_tag_sets')) }}
