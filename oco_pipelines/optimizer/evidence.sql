-- Makes the temporary tables that frames are read from; one statement each, bounded by the windows.

-- Until when each provider's bill has settled, exclusive.
CREATE TEMPORARY TABLE bill_ends ON COMMIT DROP AS
SELECT provider,
       least(
           (%(as_of)s::timestamptz AT TIME ZONE 'UTC')::date,
           max(date) + 1 - %(settling_days)s::integer
       ) AS end_day
FROM oco.cloud_costs
WHERE valid_to IS NULL AND charge_category = 'Usage'
  AND date >= (%(as_of)s::timestamptz AT TIME ZONE 'UTC')::date - 60
  AND date < (%(as_of)s::timestamptz AT TIME ZONE 'UTC')::date
GROUP BY provider;

-- What each resource cost, by period of its charges. A charge of more than a day is laid over its days.
CREATE TEMPORARY TABLE resource_periods ON COMMIT DROP AS
WITH charges AS (
    SELECT cost.provider, cost.account_id, cost.resource_id, cost.date,
           cost.charge_period_start AS starts, cost.charge_period_end AS ends,
           cost.effective_cost * cost.usd_rate AS usd, cost.list_cost * cost.usd_rate AS list_usd,
           cost.usage_quantity AS quantity, cost.pricing_category,
           coalesce(
               lower(coalesce(cost.usage_unit, cost.pricing_unit)) ~ '^(1 )?(hours?|hrs?|h)$', false
           ) AS by_hour,
           coalesce(
               lower(coalesce(cost.usage_unit, cost.pricing_unit))
               ~ '(gb|gib|tb|tib|byte).*(mo|month|hour|hrs|second|day)', false
           ) AS by_amount,
           cost.commitment_discount_status IS NOT DISTINCT FROM 'Used'
           OR cost.pricing_category IS NOT DISTINCT FROM 'Committed' AS committed,
           bill_ends.end_day
    FROM oco.cloud_costs AS cost
    JOIN bill_ends USING (provider)
    WHERE cost.valid_to IS NULL AND cost.resource_id IS NOT NULL
      AND cost.charge_category = 'Usage' AND cost.charge_class IS NULL
      AND coalesce(cost.charge_frequency, 'Usage-Based') = 'Usage-Based'
      AND cost.commitment_discount_status IS DISTINCT FROM 'Unused'
      AND cost.date >= %(first_date)s::date AND cost.date < bill_ends.end_day
),
laid AS (
    SELECT provider, account_id, resource_id, date AS day, starts, usd, list_usd, quantity,
           pricing_category, by_hour, by_amount, committed,
           extract(epoch FROM ends - starts) / 3600 AS period_hours, end_day
    FROM charges
    WHERE ends <= starts + interval '25 hours'
    UNION ALL
    SELECT provider, account_id, resource_id, day::date, day AT TIME ZONE 'UTC',
           usd / parts, list_usd / parts, quantity / parts,
           pricing_category, by_hour, by_amount, committed, 24, end_day
    FROM charges
    CROSS JOIN LATERAL (
        -- As many as the series below has: a charge may begin at any hour.
        SELECT (
            ((ends AT TIME ZONE 'UTC') - interval '1 second')::date
            - (starts AT TIME ZONE 'UTC')::date + 1
        )::numeric AS parts
    ) AS length
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', starts AT TIME ZONE 'UTC'),
        (ends AT TIME ZONE 'UTC') - interval '1 second', interval '1 day'
    ) AS day
    WHERE ends > starts + interval '25 hours'
)
SELECT provider, account_id, resource_id, day, end_day,
       sum(usd) AS usd,
       coalesce(sum(usd) FILTER (WHERE by_hour), 0) AS hourly_usd,
       coalesce(sum(list_usd) FILTER (WHERE by_hour), 0) AS hourly_list_usd,
       -- Lines beside that of the machine count the same hours again.
       least(coalesce(sum(quantity) FILTER (WHERE by_hour), 0), max(period_hours)) AS hours,
       coalesce(sum(usd) FILTER (WHERE by_amount), 0) AS storage_usd,
       coalesce(sum(usd) FILTER (WHERE committed), 0) AS committed_usd,
       coalesce(sum(usd) FILTER (WHERE pricing_category = 'Dynamic'), 0) AS dynamic_usd
FROM laid
WHERE day >= end_day - %(cost_days)s::integer AND day < end_day
GROUP BY provider, account_id, resource_id, day, starts, end_day;

CREATE TEMPORARY TABLE resource_costs ON COMMIT DROP AS
SELECT provider, account_id, resource_id,
       end_day - min(day) AS days,
       count(DISTINCT day) AS billed_days,
       sum(usd) AS billed_usd,
       sum(hourly_usd) AS hourly_usd,
       sum(hourly_list_usd) AS hourly_list_usd,
       sum(hours) AS hours,
       sum(storage_usd) AS storage_usd,
       sum(committed_usd) AS committed_usd,
       sum(dynamic_usd) AS dynamic_usd
FROM resource_periods
GROUP BY provider, account_id, resource_id, end_day;

DROP TABLE resource_periods;

CREATE INDEX ON resource_costs (provider, account_id, resource_id);

ANALYZE resource_costs;

-- Snapshots that images are made of; a snapshot may stand on the bill under a longer name.
CREATE TEMPORARY TABLE image_parts ON COMMIT DROP AS
WITH parts AS (
    SELECT image.provider, image.account_id, image.resource_id AS image_id,
           mapping -> 'Ebs' ->> 'SnapshotId' AS snapshot
    FROM oco.resources AS image
    CROSS JOIN LATERAL jsonb_path_query(
        image.attributes, '$.BlockDeviceMappings[*] ? (exists (@.Ebs.SnapshotId))'
    ) AS mapping
    WHERE image.resource_type = 'aws.ami' AND image.deleted_at IS NULL
)
SELECT DISTINCT parts.provider, parts.account_id, parts.image_id, snapshot.resource_id
FROM parts
JOIN oco.resources AS snapshot
    ON snapshot.provider = parts.provider AND snapshot.account_id = parts.account_id
    AND snapshot.resource_type = 'aws.ebs-snapshot'
    AND regexp_replace(snapshot.resource_id, '^.*/', '') = parts.snapshot;

-- Snapshots are incremental: the oldest is billed for blocks that newer ones of the same source share.
-- While a newer one is kept, deleting an older one moves that money and saves nothing that is known.
CREATE TEMPORARY TABLE shared_blocks ON COMMIT DROP AS
WITH snapshots AS (
    SELECT snapshot.provider, snapshot.account_id, snapshot.resource_id, snapshot.resource_type,
           snapshot.facts ->> 'source_id' AS source_id,
           CASE WHEN snapshot.facts ->> 'created_at' ~ '^\d{4}-\d\d-\d\d'
               THEN (snapshot.facts ->> 'created_at')::timestamptz END AS created_at,
           count(image.resource_id) > 0 AS of_image,
           count(image.resource_id) > 0 AND bool_and(coalesce(image.facts ->> 'in_use' = 'false', false))
               AS of_unused_image
    FROM oco.resources AS snapshot
    LEFT JOIN image_parts AS part USING (provider, account_id, resource_id)
    LEFT JOIN oco.resources AS image
        ON image.provider = part.provider AND image.account_id = part.account_id
        AND image.resource_id = part.image_id
    WHERE snapshot.deleted_at IS NULL AND snapshot.facts ->> 'source_id' IS NOT NULL
      AND snapshot.resource_type = ANY (%(snapshots)s)
      AND (snapshot.resource_type <> 'azure.snapshot'
           OR snapshot.attributes -> 'properties' ->> 'incremental' = 'true')
    GROUP BY snapshot.provider, snapshot.account_id, snapshot.resource_id
),
kin AS (
    SELECT provider, account_id, resource_id, created_at,
           max(created_at) OVER same_source AS newest,
           max(created_at) FILTER (WHERE of_image) OVER same_source AS newest_of_image,
           max(created_at) FILTER (WHERE NOT of_unused_image) OVER same_source AS newest_kept
    FROM snapshots
    WINDOW same_source AS (PARTITION BY provider, account_id, resource_type, source_id)
)
SELECT provider, account_id, resource_id,
       -- Of a snapshot by itself, and of one that goes with its image.
       newest > %(snapshots_kept_since)s OR newest_of_image > created_at AS alone,
       newest > %(images_kept_since)s OR newest_kept > created_at AS with_image
FROM kin
WHERE newest > created_at;

CREATE INDEX ON shared_blocks (provider, account_id, resource_id);

ANALYZE shared_blocks;

-- Disks that several machines may use: one of them may be stopped, and another one not.
CREATE TEMPORARY TABLE shared_disks ON COMMIT DROP AS
SELECT provider, account_id, resource_id
FROM oco.resources
WHERE deleted_at IS NULL AND resource_type = ANY (%(volumes)s)
  AND (attributes ->> 'MultiAttachEnabled' = 'true'
       OR attributes @@ '$.properties.maxShares > 1'
       OR attributes @@ '$.users.size() > 1');

CREATE INDEX ON shared_disks (provider, account_id, resource_id);

ANALYZE shared_disks;

CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
SELECT provider, account_id, resource_id,
       row_number() OVER (ORDER BY provider, account_id, resource_id) AS number
FROM oco.resources AS resource
-- What no listing has seen for days is not judged by how it was then: `last_seen.UNSEEN`.
WHERE deleted_at IS NULL AND resource_type = ANY (%(kinds)s) AND NOT {unseen};

CREATE UNIQUE INDEX ON judged (number);

CREATE UNIQUE INDEX ON judged (provider, account_id, resource_id);

ANALYZE judged;

-- What this organisation pays an hour for each size; by the middle machine, so that it is a real one.
CREATE TEMPORARY TABLE size_rates ON COMMIT DROP AS
SELECT resource.provider, resource.region, resource.size,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY cost.hourly_usd / cost.hours)
           FILTER (WHERE cost.committed_usd = 0 AND cost.dynamic_usd = 0) AS billed_rate,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY cost.hourly_list_usd / cost.hours)
           FILTER (WHERE cost.hourly_list_usd > 0) AS list_rate,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY cost.hourly_usd / cost.hours)
           FILTER (WHERE cost.dynamic_usd > 0) AS spot_rate,
       count(*) AS resources
FROM resource_costs AS cost
JOIN oco.resources AS resource USING (provider, account_id, resource_id)
WHERE cost.hours > 0 AND cost.hourly_usd > 0 AND resource.size IS NOT NULL
  AND resource.region IS NOT NULL AND resource.resource_type = ANY (%(sized)s)
GROUP BY resource.provider, resource.region, resource.size;
