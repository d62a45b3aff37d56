-- One day of one subject is in at most one episode that stands.
select
    one.anomaly_id,
    other.anomaly_id as other_id
from {{ ref('fct_cost_anomalies') }} as one
inner join {{ ref('fct_cost_anomalies') }} as other
    on
        one.level = other.level
        and one.provider = other.provider
        and one.service = other.service
        and one.account_id = other.account_id
        and one.anomaly_id < other.anomaly_id
        and one.first_day <= other.last_day
        and one.last_day >= other.first_day
where one.status != 'withdrawn' and other.status != 'withdrawn'
