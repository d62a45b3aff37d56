-- Three rules kept a rate times 730 hours (a schedule's: times 720) as what a resource cost in 30 days.
-- What a person accepted is measured against that: with nothing done, 10 hours of each month were saved.
-- The bill that the claim rests on stands in its evidence; where it was read again after the resource
-- had changed it is too little, so that no more is taken away than those 10 hours are.
UPDATE oco.optimization_recommendations AS known
SET monthly_cost = least(
    monthly_cost,
    greatest(
        round(
            (evidence ->> 'billed_usd')::numeric / (evidence ->> 'billed_days')::numeric * 30, 2
        ),
        CASE WHEN recommendation_type = 'off_hours' THEN 0 ELSE round(monthly_cost * 720 / 730, 2) END
    )
)
WHERE status IN ('accepted', 'realised')
  AND recommendation_type IN ('rightsize_instance', 'previous_generation', 'off_hours')
  -- A schedule that runs do not miss yet is not followed yet: its evidence is that of before.
  AND (recommendation_type <> 'off_hours' OR status = 'accepted' AND missed_since IS NULL)
  AND monthly_cost > 0
  AND (evidence ->> 'billed_days')::numeric > 0 AND evidence ->> 'billed_usd' IS NOT NULL;
