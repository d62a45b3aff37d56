with source as (

    select * from {{ source('oco', 'dr_compliance') }}

),

renamed as (

    select
        id as verdict_id,
        policy_id,
        judged_at,
        verdict,
        reasons,
        newest_usable_backup_id,
        recovery_point_age,
        measured_rto,
        readiness
    from source

)

select * from renamed
