-- A backup that synced into another cluster has its policy's label and is a copy all the same.
UPDATE oco.backup_records AS record SET policy_id = NULL
FROM oco.dr_policies AS policy
WHERE policy.id = record.policy_id AND policy.cluster <> record.cluster;
COMMENT ON COLUMN oco.backup_records.policy_id IS
    'Policy that asked for it; NULL for one that nobody of us made and for a copy in another cluster';

CREATE OR REPLACE VIEW oco.protected_namespaces AS
SELECT cluster, namespaces FROM oco.dr_policies WHERE protected
UNION ALL
SELECT found.cluster, ARRAY[found.namespace]
FROM oco.dr_namespaces AS found
JOIN oco.dr_policies AS policy
    ON policy.cluster = found.cluster AND policy.name = ANY (found.policies)
WHERE policy.protected;
COMMENT ON VIEW oco.protected_namespaces IS
    'Namespaces that nobody may restore into; those of a selector as last judged, and before a restore they are looked up';
