-- Grain: cloud budget × period. Spent of the gateway's budgets is in oco.budgets.
select
    budgets.budget_id,
    budgets.budget_name,
    budgets.budget_period,
    budgets.cost_basis,
    budgets.budget_filter,
    budgets.is_enabled,
    status.period_start,
    status.period_end,
    status.amount_usd,
    status.spent_usd,
    status.amount_usd - status.spent_usd as remaining_usd,
    trim_scale(status.spent_usd / status.amount_usd) as spent_share,
    status.forecast_usd,
    trim_scale(status.forecast_usd / status.amount_usd) as forecast_share,
    status.reason,
    case
        when status.spent_usd > status.amount_usd then 'exceeded'
        when status.forecast_usd > status.amount_usd then 'at_risk'
        else 'on_track'
    end as status,
    status.thresholds_fired,
    status.newest_day,
    status.judged_at
from {{ ref('stg_cloud_budget_status') }} as status
inner join {{ ref('stg_cloud_budgets') }} as budgets on status.budget_id = budgets.budget_id
