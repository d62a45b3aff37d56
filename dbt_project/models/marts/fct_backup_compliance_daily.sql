-- Grain: UTC day × DR policy. Verdicts outlive Velero's own objects.
with ranked as (
    select
        verdict_id,
        policy_id,
        judged_at,
        verdict,
        reasons,
        recovery_point_age,
        measured_rto,
        readiness,
        (judged_at at time zone 'UTC')::date as usage_date,
        array_position(array['PolicyMet', 'AtRisk', 'Unknown', 'PolicyBreached'], verdict) as badness
    from {{ ref('stg_dr_compliance') }}
)

select
    ranked.usage_date,
    ranked.policy_id,
    policies.policy_name,
    policies.cluster,
    (array_agg(ranked.verdict order by ranked.badness desc, ranked.judged_at asc))[1] as worst_verdict,
    (array_agg(array_to_string(ranked.reasons, '; ') order by ranked.badness desc, ranked.judged_at asc))[1]
        as worst_reasons,
    (array_agg(ranked.verdict order by ranked.judged_at desc, ranked.verdict_id desc))[1] as last_verdict,
    count(*) as judgements,
    count(*) filter (where ranked.verdict = 'PolicyMet') as judgements_met,
    round(count(*) filter (where ranked.verdict = 'PolicyMet')::numeric / count(*), 6) as met_share,
    max(ranked.recovery_point_age) as largest_recovery_point_age,
    policies.rpo_target,
    (array_agg(ranked.measured_rto order by ranked.judged_at desc, ranked.verdict_id desc))[1]
        as measured_rto,
    policies.rto_target,
    min(ranked.readiness) as lowest_readiness,
    (array_agg(ranked.readiness order by ranked.judged_at desc, ranked.verdict_id desc))[1]
        as last_readiness
from ranked
inner join {{ ref('stg_dr_policies') }} as policies on ranked.policy_id = policies.policy_id
group by
    ranked.usage_date,
    ranked.policy_id,
    policies.policy_name,
    policies.cluster,
    policies.rpo_target,
    policies.rto_target
