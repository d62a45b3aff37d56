with source as (

    select * from {{ source('oco', 'model_pricing') }}

),

renamed as (

    select
        provider,
        model,
        service_tier,
        min_context_tokens,
        effective_from,
        input_per_m_token,
        output_per_m_token,
        cached_input_per_m_token,
        cache_write_per_m_token,
        cache_write_1h_per_m_token,
        reasoning_per_m_token,
        audio_input_per_m_token,
        audio_output_per_m_token,
        source as price_source,
        price_version,
        lead(effective_from) over (
            partition by provider, model, service_tier, min_context_tokens, source
            order by effective_from
        ) as effective_to
    from source

)

select * from renamed
