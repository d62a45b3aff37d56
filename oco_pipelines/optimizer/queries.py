"""What frames are read with: one statement a frame, over the temporary tables of `evidence.sql`.

Values stand in braces and are composed as literals, because COPY takes no parameters.
"""

from typing import Final

RESOURCES: Final = """
    SELECT resource.provider, resource.account_id, resource.resource_id, resource_type,
           resource_name, region, state, size,
           facts ->> 'created_at' AS created_at,
           facts ->> 'stopped_since' AS stopped_since,
           CASE WHEN facts ->> 'attached' = 'false' THEN
               coalesce(last_attached_at::text, facts ->> 'created_at', first_seen_at::text)
           END AS unattached_since,
           (facts ->> 'attached')::boolean AS attached,
           coalesce(
               (SELECT string_agg(part, {between} ORDER BY part)
                FROM jsonb_array_elements_text(
                    CASE WHEN jsonb_typeof(facts -> 'volume_ids') = 'array'
                        THEN facts -> 'volume_ids' ELSE '[]'::jsonb END
                ) AS part
                WHERE NOT EXISTS (
                    SELECT FROM shared_disks AS shared
                    WHERE shared.provider = resource.provider
                      AND shared.account_id = resource.account_id AND shared.resource_id = part
                )),
               (SELECT string_agg(part.resource_id, {between} ORDER BY part.resource_id)
                FROM image_parts AS part
                WHERE part.provider = resource.provider AND part.account_id = resource.account_id
                  AND part.image_id = resource.resource_id
                  AND NOT EXISTS (
                      SELECT FROM shared_blocks AS shared
                      WHERE shared.provider = part.provider
                        AND shared.account_id = part.account_id
                        AND shared.resource_id = part.resource_id AND shared.with_image
                  ))
           ) AS part_ids,
           facts ->> 'size_gib' AS size_gib, facts ->> 'vcpu' AS vcpu,
           facts ->> 'memory_gib' AS memory_gib,
           (facts ->> 'source_exists')::boolean AS source_exists,
           CASE WHEN EXISTS (
               SELECT FROM image_parts AS part
               WHERE part.provider = resource.provider AND part.account_id = resource.account_id
                 AND part.resource_id = resource.resource_id
           ) THEN true ELSE (facts ->> 'in_use')::boolean END AS in_use,
           (SELECT alone FROM shared_blocks AS shared
            WHERE shared.provider = resource.provider AND shared.account_id = resource.account_id
              AND shared.resource_id = resource.resource_id) AS blocks_shared,
           facts ->> 'family' AS family, facts ->> 'engine' AS engine,
           (facts ->> 'interruptible')::boolean AS interruptible,
           facts ->> 'autoscaling_group' AS autoscaling_group,
           facts ->> 'storage_class' AS storage_class,
           (facts ->> 'targets')::numeric::bigint AS targets
    FROM judged
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE judged.number > {after} AND judged.number <= {upto}
"""
METRICS: Final = """
    WITH kept AS (
        SELECT metric.provider, metric.account_id, metric.resource_id, metric.metric,
               metric.interval_start, metric.interval_seconds, metric.average::float8 AS average,
               coalesce(metric.p99, metric.maximum, metric.average)::float8 AS top,
               greatest(metric.maximum, metric.average)::float8 AS maximum
        FROM judged
        JOIN oco.resource_metrics AS metric USING (provider, account_id, resource_id)
        WHERE judged.number > {after} AND judged.number <= {upto}
          AND metric.metric = ANY ({names})
          AND metric.interval_start >= {since} AND metric.interval_start < {until}
          AND metric.interval_start + make_interval(secs => metric.interval_seconds) <= {until}
          AND metric.average IS NOT NULL AND metric.sample_count > 0
    ),
    days AS (
        SELECT provider, account_id, resource_id, metric,
               sum(average) AS amount, sum(average * interval_seconds) AS product
        FROM kept
        GROUP BY provider, account_id, resource_id, metric, date_trunc('day', interval_start, 'UTC')
    ),
    highest AS (
        SELECT provider, account_id, resource_id, metric,
               max(amount) AS highest_day, max(product) AS highest_day_amount
        FROM days
        GROUP BY provider, account_id, resource_id, metric
    )
    SELECT provider, account_id, resource_id, metric, {days}::bigint AS window_days,
           count(*) AS intervals, sum(interval_seconds) AS seconds,
           min(interval_start) AS first_start, min(average) AS lowest, max(average) AS highest,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY top) AS p99,
           max(maximum) AS peak, max(highest_day) AS highest_day,
           max(highest_day_amount) AS highest_day_amount, sum(average) AS total
    FROM kept
    JOIN highest USING (provider, account_id, resource_id, metric)
    GROUP BY provider, account_id, resource_id, metric
"""
WEEK: Final = """
    SELECT metric.provider, metric.account_id, metric.resource_id, metric.metric,
           ((extract(isodow FROM metric.interval_start AT TIME ZONE 'UTC') - 1) * 24
               + extract(hour FROM metric.interval_start AT TIME ZONE 'UTC'))::bigint AS hour,
           count(DISTINCT date_trunc('day', metric.interval_start, 'UTC')) AS observed,
           max(metric.average)::float8 AS highest
    FROM week_keys
    JOIN oco.resource_metrics AS metric USING (provider, account_id, resource_id)
    WHERE metric.metric = ANY ({names}) AND metric.interval_seconds <= 3600
      AND metric.interval_start >= {since} AND metric.interval_start < {until}
      AND metric.average IS NOT NULL AND metric.sample_count > 0
    GROUP BY metric.provider, metric.account_id, metric.resource_id, metric.metric, 5
"""
COSTS: Final = """
    SELECT provider, account_id, resource_id, days, billed_days,
           round(billed_usd, 12) AS billed_usd, round(hourly_usd, 12) AS hourly_usd,
           round(hours, 12) AS hours, round(storage_usd, 12) AS storage_usd,
           round(committed_usd, 12) AS committed_usd
    FROM cost_keys
    JOIN resource_costs USING (provider, account_id, resource_id)
"""
PRICES: Final = """
    SELECT provider, region, size, round(billed_rate, 12) AS billed_rate,
           round(list_rate, 12) AS list_rate, resources
    FROM size_rates
"""
MEMBERS: Final = """
    SELECT provider, account_id, resource_id, facts ->> 'autoscaling_group' AS autoscaling_group,
           resource_type, region, size,
           coalesce((facts ->> 'interruptible')::boolean, false) OR dynamic_usd > 0
               AS interruptible,
           round(hours, 12) AS hours, round(hourly_usd, 12) AS hourly_usd,
           round(hourly_usd / {days} * 30, 12) AS monthly_usd
    FROM resource_costs
    JOIN oco.resources AS resource USING (provider, account_id, resource_id)
    WHERE facts ->> 'autoscaling_group' IS NOT NULL AND resource_type = ANY ({kinds})
"""
SPOT_PRICES: Final = """
    SELECT provider, region, size, round(spot_rate, 12) AS spot_rate
    FROM size_rates
    WHERE spot_rate IS NOT NULL
"""
HISTORY: Final = """
    -- Where the bill has only days, what did not run all day: whether that is in the hours that a
    -- commitment covers nobody can tell.
    WITH partly AS MATERIALIZED (
        SELECT cost.provider, cost.account_id, cost.resource_id, cost.date
        FROM oco.cloud_costs AS cost
        JOIN bill_ends USING (provider)
        WHERE cost.valid_to IS NULL AND cost.charge_category = 'Usage' AND cost.charge_class IS NULL
          AND cost.resource_id IS NOT NULL AND cost.service_category = ANY ({categories})
          AND cost.charge_period_end > cost.charge_period_start + interval '1 hour'
          AND lower(coalesce(cost.usage_unit, cost.pricing_unit)) ~ '^(1 )?(hours?|hrs?|h)$'
          AND cost.date >= {first}::date AND cost.date >= bill_ends.end_day - {days}::integer
          AND cost.date < bill_ends.end_day
        GROUP BY 1, 2, 3, 4
        HAVING sum(cost.usage_quantity) < 23.5
    )
    SELECT cost.provider, cost.billing_account_id, cost.service,
           coalesce(cost.region, 'global') AS region,
           CASE WHEN cost.charge_period_end <= cost.charge_period_start + interval '1 hour'
               THEN date_trunc('hour', cost.charge_period_start, 'UTC')
               ELSE date_trunc('day', cost.charge_period_start, 'UTC') END AS start,
           max(CASE WHEN cost.charge_period_end <= cost.charge_period_start + interval '1 hour'
               THEN 1 ELSE 24 END) AS hours,
           round(sum(cost.effective_cost * cost.usd_rate * coalesce(shares.share, 1)), 12) AS usd
    FROM oco.cloud_costs AS cost
    JOIN bill_ends USING (provider)
    LEFT JOIN shares USING (provider, account_id, resource_id)
    WHERE cost.valid_to IS NULL AND cost.charge_category = 'Usage' AND cost.charge_class IS NULL
      AND coalesce(cost.charge_frequency, 'Usage-Based') = 'Usage-Based'
      AND cost.commitment_discount_status IS NULL AND cost.commitment_discount_id IS NULL
      AND coalesce(cost.pricing_category, 'Standard') = 'Standard'
      AND cost.service_category = ANY ({categories})
      AND lower(coalesce(cost.usage_unit, cost.pricing_unit)) ~ '(hour|hrs|hr|second)'
      AND cost.charge_period_end <= cost.charge_period_start + interval '25 hours'
      AND cost.date >= {first}::date AND cost.date >= bill_ends.end_day - {days}::integer
      AND cost.date < bill_ends.end_day
      AND NOT EXISTS (
          SELECT FROM partly
          WHERE partly.provider = cost.provider AND partly.account_id = cost.account_id
            AND partly.resource_id = cost.resource_id AND partly.date = cost.date
            AND cost.charge_period_end > cost.charge_period_start + interval '1 hour'
      )
    GROUP BY 1, 2, 3, 4, 5
"""
DISCOUNTS: Final = """
    SELECT cost.provider, cost.service,
           round(sum(cost.effective_cost * cost.usd_rate), 12) AS effective_usd,
           round(sum(cost.list_cost * cost.usd_rate), 12) AS list_usd
    FROM oco.cloud_costs AS cost
    JOIN bill_ends USING (provider)
    WHERE cost.valid_to IS NULL AND cost.charge_category = 'Usage'
      AND cost.commitment_discount_status = 'Used' AND cost.service_category = ANY ({categories})
      AND cost.date >= {first}::date AND cost.date < bill_ends.end_day
    GROUP BY 1, 2
"""
# What commitments left unused in the newest settled week, an hour. Bills call such a line usage or
# a purchase, and may have one for a month: of that the part in the week counts.
UNUSED: Final = """
    WITH weeks AS (
        SELECT provider, (end_day - 7)::timestamp AT TIME ZONE 'UTC' AS week_start,
               end_day::timestamp AT TIME ZONE 'UTC' AS week_end, end_day
        FROM bill_ends
    )
    SELECT cost.provider, cost.billing_account_id, cost.service,
           coalesce(cost.region, 'global') AS region,
           cost.commitment_discount_category IS NOT DISTINCT FROM 'Spend' AS is_of_spend,
           round(sum(
               cost.effective_cost * cost.usd_rate
               * (extract(epoch FROM least(cost.charge_period_end, week_end)
                   - greatest(cost.charge_period_start, week_start))
                   / extract(epoch FROM cost.charge_period_end - cost.charge_period_start))::numeric
           ) / (7 * 24), 12) AS usd
    FROM oco.cloud_costs AS cost
    JOIN weeks USING (provider)
    WHERE cost.valid_to IS NULL AND cost.charge_class IS NULL
      AND cost.commitment_discount_status = 'Unused'
      AND cost.date >= {first}::date AND cost.date >= end_day - 38 AND cost.date < end_day
      AND cost.charge_period_end > week_start AND cost.charge_period_start < week_end
      AND cost.charge_period_end > cost.charge_period_start
    GROUP BY 1, 2, 3, 4, 5
"""
