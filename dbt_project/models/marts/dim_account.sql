-- Grain: provider × account. Names are those of the newest charge that has one.
with spellings as (
    select
        provider,
        account_id,
        sub_account_name,
        billing_account_id,
        billing_account_name,
        min(usage_date) as first_day,
        max(usage_date) as last_day
    from {{ ref('int_cloud_cost_cells') }}
    group by provider, account_id, sub_account_name, billing_account_id, billing_account_name
)

select
    provider,
    account_id,
    (array_agg(sub_account_name order by last_day desc, sub_account_name asc) filter (
        where sub_account_name is not null
    ))[1] as name,
    (array_agg(billing_account_id order by last_day desc, billing_account_id asc))[1] as billing_account_id,
    (array_agg(billing_account_name order by last_day desc, billing_account_name asc) filter (
        where billing_account_name is not null
    ))[1] as billing_account_name,
    min(first_day) as first_day,
    max(last_day) as last_day
from spellings
group by provider, account_id
