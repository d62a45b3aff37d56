ALTER TABLE oco.dr_policies
    ADD COLUMN namespace_selector jsonb,
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    DROP CONSTRAINT dr_policies_namespaces_check,
    ADD CONSTRAINT dr_policies_scope_check CHECK ((cardinality(namespaces) > 0) <> (namespace_selector IS NOT NULL)),
    ADD CONSTRAINT dr_policies_selector_check CHECK (jsonb_typeof(namespace_selector) = 'object');

COMMENT ON COLUMN oco.dr_policies.namespaces IS 'Namespaces that are backed up; empty where a selector says them';
COMMENT ON COLUMN oco.dr_policies.namespace_selector IS 'Labels of the namespaces that are backed up, looked up for each backup; NULL where they are named';
COMMENT ON COLUMN oco.dr_policies.label_selector IS 'Velero labelSelector that narrows what of the namespaces is backed up';
COMMENT ON COLUMN oco.dr_policies.version IS 'Counts changes by people; the ETag of the API';

CREATE TABLE oco.dr_due_times (
    policy_id uuid NOT NULL REFERENCES oco.dr_policies (id) ON DELETE CASCADE,
    due_at timestamptz NOT NULL,
    run_key text NOT NULL UNIQUE,
    state text NOT NULL DEFAULT 'claimed',
    lateness interval NOT NULL,
    missed integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 1,
    claimed_until timestamptz,
    next_try_at timestamptz,
    backup_name text,
    problem text NOT NULL DEFAULT '',
    first_claimed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz,
    PRIMARY KEY (policy_id, due_at),
    CHECK (state IN ('claimed', 'created', 'failed', 'superseded', 'given_up')),
    CHECK (tries > 0 AND missed >= 0)
);

COMMENT ON TABLE oco.dr_due_times IS 'What became of each due time of each DR policy; one row a due time, whoever handles it';
COMMENT ON COLUMN oco.dr_due_times.policy_id IS 'Policy that was due';
COMMENT ON COLUMN oco.dr_due_times.due_at IS 'When it was due';
COMMENT ON COLUMN oco.dr_due_times.run_key IS 'Policy and due time in one: it is handled once';
COMMENT ON COLUMN oco.dr_due_times.state IS 'claimed, created, failed (it is tried again), superseded by a later due time, or given_up';
COMMENT ON COLUMN oco.dr_due_times.lateness IS 'How long after the due time it was first claimed';
COMMENT ON COLUMN oco.dr_due_times.missed IS 'Earlier due times that it makes up for';
COMMENT ON COLUMN oco.dr_due_times.tries IS 'How often it was claimed';
COMMENT ON COLUMN oco.dr_due_times.claimed_until IS 'Until when nobody else takes it; after a crash it is free again then';
COMMENT ON COLUMN oco.dr_due_times.next_try_at IS 'When a failed one is tried again';
COMMENT ON COLUMN oco.dr_due_times.backup_name IS 'The Velero Backup of the last try';
COMMENT ON COLUMN oco.dr_due_times.problem IS 'Why the last try failed, in one line';
COMMENT ON COLUMN oco.dr_due_times.first_claimed_at IS 'When it was first claimed';
COMMENT ON COLUMN oco.dr_due_times.created_at IS 'When the Backup object was there';
CREATE INDEX idx_dr_due_times_open ON oco.dr_due_times (policy_id, due_at DESC) WHERE state IN ('claimed', 'failed');

ALTER TABLE oco.backup_records
    ADD COLUMN sound boolean NOT NULL DEFAULT false,
    ADD COLUMN phase_known boolean NOT NULL DEFAULT true,
    ADD COLUMN adopted boolean NOT NULL DEFAULT false,
    ADD COLUMN kept_until timestamptz;
UPDATE oco.backup_records SET sound = usable;
COMMENT ON COLUMN oco.backup_records.sound IS 'Whether it would be a recovery point if its storage location were available';
COMMENT ON COLUMN oco.backup_records.phase_known IS 'Whether this version knows the phase; an unknown one is kept as it is';
COMMENT ON COLUMN oco.backup_records.adopted IS 'Whether the object was there when we came to create it';
COMMENT ON COLUMN oco.backup_records.kept_until IS 'Expiration that we gave it as one of the last good ones; NULL when it expires by its own ttl';

CREATE TABLE oco.velero_objects (
    cluster text NOT NULL,
    kind text NOT NULL,
    uid text NOT NULL,
    name text NOT NULL,
    phase text NOT NULL,
    phase_known boolean NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz,
    phase_since timestamptz NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    vanished_at timestamptz,
    PRIMARY KEY (cluster, kind, uid),
    CHECK (kind IN ('Restore', 'Schedule', 'BackupStorageLocation', 'DeleteBackupRequest'))
);

COMMENT ON TABLE oco.velero_objects IS 'Restores, Schedules, storage locations and delete requests as last seen; kept after they vanish';
COMMENT ON COLUMN oco.velero_objects.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.velero_objects.kind IS 'Restore, Schedule, BackupStorageLocation or DeleteBackupRequest';
COMMENT ON COLUMN oco.velero_objects.uid IS 'Kubernetes UID';
COMMENT ON COLUMN oco.velero_objects.name IS 'Name of the object';
COMMENT ON COLUMN oco.velero_objects.phase IS 'Velero phase as reported';
COMMENT ON COLUMN oco.velero_objects.phase_known IS 'Whether this version knows the phase';
COMMENT ON COLUMN oco.velero_objects.detail IS 'What matters of its spec and status';
COMMENT ON COLUMN oco.velero_objects.created_at IS 'metadata.creationTimestamp';
COMMENT ON COLUMN oco.velero_objects.phase_since IS 'When we first saw it in this phase';
COMMENT ON COLUMN oco.velero_objects.first_seen_at IS 'When it was first seen';
COMMENT ON COLUMN oco.velero_objects.last_seen_at IS 'When it was last seen';
COMMENT ON COLUMN oco.velero_objects.vanished_at IS 'When it was found gone from the cluster';

CREATE TABLE oco.velero_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster text NOT NULL,
    kind text NOT NULL,
    uid text NOT NULL,
    name text NOT NULL,
    phase text NOT NULL,
    event text NOT NULL,
    at timestamptz NOT NULL,
    CHECK (event IN ('seen', 'changed', 'vanished', 'returned'))
);

COMMENT ON TABLE oco.velero_history IS 'Each phase in which a Velero object was seen, and when it vanished';
COMMENT ON COLUMN oco.velero_history.id IS 'Order of the entries';
COMMENT ON COLUMN oco.velero_history.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.velero_history.kind IS 'Backup or a kind of velero_objects';
COMMENT ON COLUMN oco.velero_history.uid IS 'Kubernetes UID';
COMMENT ON COLUMN oco.velero_history.name IS 'Name of the object';
COMMENT ON COLUMN oco.velero_history.phase IS 'Velero phase as reported';
COMMENT ON COLUMN oco.velero_history.event IS 'seen for the first time, changed its phase, vanished or returned';
COMMENT ON COLUMN oco.velero_history.at IS 'When we saw it';
CREATE INDEX idx_velero_history_object ON oco.velero_history (cluster, kind, uid, id);

CREATE TABLE oco.dr_clusters (
    cluster text PRIMARY KEY,
    last_read_at timestamptz,
    error text,
    error_at timestamptz
);

COMMENT ON TABLE oco.dr_clusters IS 'When each cluster of the DR policies was last read';
COMMENT ON COLUMN oco.dr_clusters.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.dr_clusters.last_read_at IS 'When all of its lists were last read';
COMMENT ON COLUMN oco.dr_clusters.error IS 'Why the last look failed; NULL when it did not';
COMMENT ON COLUMN oco.dr_clusters.error_at IS 'When it failed';

ALTER TABLE oco.dr_compliance ADD COLUMN readiness numeric CHECK (readiness BETWEEN 0 AND 100);
COMMENT ON COLUMN oco.dr_compliance.readiness IS 'Readiness score from 0 to 100; docs/resilience.md has its formula';

CREATE TABLE oco.dr_policy_status (
    policy_id uuid PRIMARY KEY REFERENCES oco.dr_policies (id) ON DELETE CASCADE,
    verdict text NOT NULL,
    reasons text[] NOT NULL,
    since timestamptz NOT NULL,
    judged_at timestamptz NOT NULL,
    told_verdict text,
    told_key text,
    CHECK (verdict IN ('PolicyMet', 'AtRisk', 'PolicyBreached', 'Unknown'))
);

COMMENT ON TABLE oco.dr_policy_status IS 'The newest verdict on each DR policy, and what people were told of it';
COMMENT ON COLUMN oco.dr_policy_status.policy_id IS 'Policy that was judged';
COMMENT ON COLUMN oco.dr_policy_status.verdict IS 'PolicyMet, AtRisk, PolicyBreached or Unknown';
COMMENT ON COLUMN oco.dr_policy_status.reasons IS 'Why, a line each';
COMMENT ON COLUMN oco.dr_policy_status.since IS 'Since when the verdict is this one';
COMMENT ON COLUMN oco.dr_policy_status.judged_at IS 'When it was last judged';
COMMENT ON COLUMN oco.dr_policy_status.told_verdict IS 'Verdict that people were last told; NULL when they know of no trouble';
COMMENT ON COLUMN oco.dr_policy_status.told_key IS 'Alert that told them';

CREATE TABLE oco.dr_namespaces (
    cluster text NOT NULL,
    namespace text NOT NULL,
    policies text[] NOT NULL,
    volumes integer NOT NULL,
    verdict text NOT NULL,
    reasons text[] NOT NULL,
    recovery_point_age interval,
    since timestamptz NOT NULL,
    judged_at timestamptz NOT NULL,
    PRIMARY KEY (cluster, namespace),
    CHECK (verdict IN ('PolicyMet', 'AtRisk', 'PolicyBreached', 'Unknown', 'NotCovered'))
);

COMMENT ON TABLE oco.dr_namespaces IS 'How each namespace is protected: by its policies, or by none';
COMMENT ON COLUMN oco.dr_namespaces.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.dr_namespaces.namespace IS 'Namespace that is there, or that a policy names';
COMMENT ON COLUMN oco.dr_namespaces.policies IS 'Names of the enabled policies that cover it; empty when none does';
COMMENT ON COLUMN oco.dr_namespaces.volumes IS 'PersistentVolumeClaims in it';
COMMENT ON COLUMN oco.dr_namespaces.verdict IS 'The worst of its policies, for this namespace alone; NotCovered without one';
COMMENT ON COLUMN oco.dr_namespaces.reasons IS 'Why, a line each';
COMMENT ON COLUMN oco.dr_namespaces.recovery_point_age IS 'Age of the newest usable recovery point that holds it';
COMMENT ON COLUMN oco.dr_namespaces.since IS 'Since when the verdict is this one';
COMMENT ON COLUMN oco.dr_namespaces.judged_at IS 'When it was last judged';

COMMENT ON COLUMN oco.alerts.kind IS 'budget_threshold, budget_refusing, cloud_budget_threshold, cost_anomaly, dr_at_risk, dr_policy_breached, dr_recovered, or the kind of the insight that it tells of';
COMMENT ON COLUMN oco.alerts.scope IS 'agent, team, user, org, tag:NAME, model or all; cloud, cloud_provider or cloud_budget for cloud cost; dr_policy for DR policies';
