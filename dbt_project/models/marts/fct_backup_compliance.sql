-- Grain: one row a DR policy, with its newest verdict.
with latest_verdicts as (
    select distinct on (policy_id)
        policy_id,
        judged_at,
        verdict,
        reasons,
        recovery_point_age,
        measured_rto
    from {{ ref('stg_dr_compliance') }}
    order by policy_id asc, judged_at desc, verdict_id desc
),

backups as (
    select
        policy_id,
        count(*) as backups_taken,
        count(*) filter (where is_usable) as recovery_points,
        max(started_at) filter (where is_usable) as newest_recovery_point_at,
        sum(size_bytes) filter (where vanished_at is null) as size_bytes
    from {{ ref('stg_backup_records') }}
    group by policy_id
)

select
    policies.policy_id,
    policies.policy_name,
    policies.cluster,
    policies.is_enabled,
    coalesce(latest_verdicts.verdict, 'Unknown') as verdict,
    latest_verdicts.judged_at,
    coalesce(latest_verdicts.reasons, array['not judged yet']) as reasons,
    policies.rpo_target,
    policies.rto_target,
    latest_verdicts.recovery_point_age,
    latest_verdicts.measured_rto,
    coalesce(backups.backups_taken, 0) as backups_taken,
    coalesce(backups.recovery_points, 0) as recovery_points,
    backups.newest_recovery_point_at,
    backups.size_bytes
from {{ ref('stg_dr_policies') }} as policies
left join latest_verdicts on policies.policy_id = latest_verdicts.policy_id
left join backups on policies.policy_id = backups.policy_id
