-- Grain: a usable recovery point. What its bytes cost at the rate that its bucket is billed.
with newest_day as (
    select max(x_usage_date) as last_day from {{ ref('stg_cloud_costs') }}
),

buckets as (
    select
        cluster,
        storage_location,
        bucket
    from {{ ref('stg_storage_locations') }}
    where bucket is not null and vanished_at is null
),

rates as (
    -- Storage that is billed by the gigabyte and month; requests and traffic are billed otherwise.
    select
        names.bucket,
        sum(costs.x_billed_cost_usd) as billed_usd,
        sum(costs.consumed_quantity) as gb_months,
        max(costs.x_usage_date) as known_until
    from (select distinct buckets.bucket from buckets) as names
    cross join newest_day
    inner join {{ ref('stg_cloud_costs') }} as costs
        on
            costs.resource_id in (names.bucket, 'arn:aws:s3:::' || names.bucket)
            and costs.x_usage_date > newest_day.last_day - 30
            and lower(costs.consumed_unit) in ('gb-mo', 'gb-month', 'gb-months', 'gigabyte month', 'gb/month')
    group by names.bucket
    having sum(costs.consumed_quantity) > 0
),

points as (
    select
        backups.backup_id,
        backups.policy_id,
        backups.cluster,
        backups.backup_name,
        backups.storage_location,
        backups.started_at,
        backups.expires_at,
        backups.size_bytes,
        buckets.bucket,
        rates.known_until as rate_known_until,
        round(rates.billed_usd / rates.gb_months, 12) as usd_per_gb_month,
        round(backups.size_bytes / 1000000000 * rates.billed_usd / rates.gb_months, 12) as monthly_cost_usd
    from {{ ref('stg_backup_records') }} as backups
    left join buckets
        on
            backups.cluster = buckets.cluster
            and backups.storage_location = buckets.storage_location
    left join rates on buckets.bucket = rates.bucket
    where backups.is_usable
)

select
    points.backup_id,
    points.policy_id,
    policies.policy_name,
    points.cluster,
    points.backup_name,
    points.storage_location,
    points.bucket,
    points.started_at,
    points.expires_at,
    points.size_bytes,
    points.usd_per_gb_month,
    points.rate_known_until,
    points.monthly_cost_usd,
    policies.rpo_target,
    count(*) over of_policy as policy_recovery_points,
    sum(points.monthly_cost_usd) over of_policy as policy_monthly_cost_usd,
    count(*) filter (where points.monthly_cost_usd is null) over of_policy as policy_points_without_cost
from points
left join {{ ref('stg_dr_policies') }} as policies on points.policy_id = policies.policy_id
window of_policy as (partition by points.policy_id)
