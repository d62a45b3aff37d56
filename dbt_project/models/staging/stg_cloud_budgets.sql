with source as (

    select * from {{ source('oco', 'cloud_budgets') }}

),

renamed as (

    select
        id as budget_id,
        name as budget_name,
        filter as budget_filter,
        amount_usd,
        period as budget_period,
        cost_basis,
        thresholds,
        enabled as is_enabled
    from source

)

select * from renamed
