with source as (

    select * from {{ source('oco', 'dr_policies') }}

),

renamed as (

    select
        id as policy_id,
        name as policy_name,
        cluster,
        namespaces,
        schedule_cron,
        time_zone,
        storage_location,
        rpo_target,
        rto_target,
        enabled as is_enabled
    from source

)

select * from renamed
