with source as (

    select * from {{ source('oco', 'api_requests') }}

),

renamed as (

    select
        id as request_id,
        "timestamp" as requested_at,
        provider,
        endpoint,
        model,
        service_tier,
        org_id,
        team_id,
        agent_id,
        user_id,
        input_tokens,
        output_tokens,
        total_tokens,
        cached_input_tokens,
        cache_write_tokens,
        reasoning_tokens,
        cost_usd,
        input_cost_usd,
        output_cost_usd,
        cost_status,
        price_version,
        stream as is_streamed,
        latency_ms,
        ttft_ms,
        status_code,
        error_type,
        was_routed,
        original_model,
        savings_usd,
        tags
    from source

)

select * from renamed
