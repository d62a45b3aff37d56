with source as (

    select * from {{ source('oco', 'cloud_budget_status') }}

),

renamed as (

    select
        budget_id,
        period_start,
        period_end,
        amount_usd,
        spent_usd,
        forecast_usd,
        reason,
        newest_day,
        thresholds_fired,
        judged_at
    from source

)

select * from renamed
