-- Teams that are registered with the gateway.
select
    id as team,
    name,
    org_id
from {{ source('oco', 'teams') }}
