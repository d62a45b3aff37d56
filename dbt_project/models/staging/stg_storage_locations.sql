with source as (

    select * from {{ source('oco', 'velero_objects') }}

),

renamed as (

    select
        cluster,
        name as storage_location,
        uid,
        phase,
        phase = 'Available' as is_available,
        phase_since,
        detail ->> 'provider' as provider,
        detail ->> 'bucket' as bucket,
        detail ->> 'message' as message,
        last_seen_at,
        vanished_at
    from source
    where kind = 'BackupStorageLocation'

)

select * from renamed
