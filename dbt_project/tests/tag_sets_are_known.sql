{{ config(meta={"dagster": {"ref": {"name": "int_cloud_cost_kept"}}}) }}

-- Every set of tags that a charge has is one that rules for tags were tried on.
select cells.tags
from {{ ref('int_cloud_cost_cells') }} as cells
left join {{ source('oco', 'cloud_tag_sets') }} as sets on cells.tags = sets.tags
where cells.tags != '{}' and sets.tags is null
