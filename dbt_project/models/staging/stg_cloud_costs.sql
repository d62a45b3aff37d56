-- What is believed now, under FOCUS names.
select * from {{ ref('stg_cloud_cost_history') }}
where x_valid_to is null
