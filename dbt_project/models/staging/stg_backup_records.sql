with source as (

    select * from {{ source('oco', 'backup_records') }}

),

renamed as (

    select
        id as backup_id,
        policy_id,
        cluster,
        backup_name,
        phase,
        namespaces,
        storage_location,
        size_bytes,
        usable as is_usable,
        usable_reason,
        errors,
        warnings,
        due_at,
        triggered_at,
        started_at,
        completed_at,
        expires_at,
        vanished_at
    from source

)

select * from renamed
