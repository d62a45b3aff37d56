with source as (

    select * from {{ source('oco', 'cost_forecast') }}

),

renamed as (

    select
        scope,
        entity_id,
        horizon,
        period_start,
        period_end,
        as_of,
        actual_usd,
        charges_usd,
        expected_usd,
        low_usd,
        high_usd,
        interval_share,
        method,
        wape,
        naive_wape,
        coverage,
        backtests,
        history_days,
        reason,
        created_at as forecast_at
    from source

)

select * from renamed
