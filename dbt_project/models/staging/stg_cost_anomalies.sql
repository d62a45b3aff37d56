with source as (

    select * from {{ source('oco', 'cost_anomalies') }}

),

renamed as (

    select
        id as anomaly_id,
        level,
        provider,
        service,
        account_id,
        direction,
        first_day,
        last_day,
        status,
        observed_usd,
        expected_usd,
        excess_usd,
        worst_day,
        score,
        driver_provider,
        driver_service,
        driver_region,
        driver_resource,
        driver_sku,
        driver_team,
        driver_excess_usd,
        driver_share,
        first_seen,
        last_seen,
        closed_at
    from source

)

select * from renamed
