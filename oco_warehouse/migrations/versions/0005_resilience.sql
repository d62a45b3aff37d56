CREATE TABLE oco.dr_policies (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    description text NOT NULL DEFAULT '',
    cluster text NOT NULL,
    namespaces text[] NOT NULL,
    label_selector jsonb,
    schedule_cron text NOT NULL,
    time_zone text NOT NULL DEFAULT 'UTC',
    retention interval NOT NULL DEFAULT '30 days',
    keep_at_least integer NOT NULL DEFAULT 1,
    storage_location text NOT NULL DEFAULT 'default',
    snapshot_options jsonb NOT NULL DEFAULT '{}',
    rpo_target interval NOT NULL,
    rto_target interval NOT NULL,
    drill_cron text,
    protected boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    last_due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (cardinality(namespaces) > 0),
    CHECK (keep_at_least >= 0),
    CHECK (rpo_target > interval '0' AND rto_target > interval '0' AND retention > interval '0')
);

COMMENT ON TABLE oco.dr_policies IS 'What is backed up, when, and which targets it must meet';
COMMENT ON COLUMN oco.dr_policies.id IS 'Identifier';
COMMENT ON COLUMN oco.dr_policies.name IS 'Name for people and for Velero objects';
COMMENT ON COLUMN oco.dr_policies.description IS 'What the policy protects';
COMMENT ON COLUMN oco.dr_policies.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.dr_policies.namespaces IS 'Namespaces that are backed up';
COMMENT ON COLUMN oco.dr_policies.label_selector IS 'Velero labelSelector that narrows them';
COMMENT ON COLUMN oco.dr_policies.schedule_cron IS 'When a backup is due, as cron';
COMMENT ON COLUMN oco.dr_policies.time_zone IS 'IANA zone of the cron expression';
COMMENT ON COLUMN oco.dr_policies.retention IS 'Velero ttl of each backup';
COMMENT ON COLUMN oco.dr_policies.keep_at_least IS 'Usable recovery points that are kept whatever their age';
COMMENT ON COLUMN oco.dr_policies.storage_location IS 'Velero BackupStorageLocation';
COMMENT ON COLUMN oco.dr_policies.snapshot_options IS 'Volume snapshot and data mover options of the Backup spec';
COMMENT ON COLUMN oco.dr_policies.rpo_target IS 'Largest age that the newest usable recovery point may reach';
COMMENT ON COLUMN oco.dr_policies.rto_target IS 'Longest time that a restore may take';
COMMENT ON COLUMN oco.dr_policies.drill_cron IS 'When a restore drill is due; NULL never';
COMMENT ON COLUMN oco.dr_policies.protected IS 'Whether restores into its namespaces are refused';
COMMENT ON COLUMN oco.dr_policies.enabled IS 'Whether the policy is scheduled';
COMMENT ON COLUMN oco.dr_policies.last_due_at IS 'Last due time that was handled';
COMMENT ON COLUMN oco.dr_policies.created_at IS 'When the row was made';
COMMENT ON COLUMN oco.dr_policies.updated_at IS 'When the row was last changed';
CREATE TRIGGER dr_policies_touch BEFORE UPDATE ON oco.dr_policies FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();

CREATE TABLE oco.backup_records (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    cluster text NOT NULL,
    backup_name text NOT NULL,
    backup_uid text,
    policy_id uuid REFERENCES oco.dr_policies (id) ON DELETE SET NULL,
    due_at timestamptz,
    attempt integer NOT NULL DEFAULT 1,
    phase text NOT NULL,
    namespaces text[] NOT NULL DEFAULT '{}',
    storage_location text,
    items_total bigint,
    items_backed_up bigint,
    errors integer NOT NULL DEFAULT 0,
    warnings integer NOT NULL DEFAULT 0,
    validation_errors text[] NOT NULL DEFAULT '{}',
    failure_reason text,
    volume_operations_attempted integer NOT NULL DEFAULT 0,
    volume_operations_completed integer NOT NULL DEFAULT 0,
    size_bytes numeric,
    usable boolean NOT NULL DEFAULT false,
    usable_reason text NOT NULL DEFAULT '',
    triggered_at timestamptz,
    created_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    expires_at timestamptz,
    vanished_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (cluster, backup_name, attempt)
);

COMMENT ON TABLE oco.backup_records IS 'Velero backups as we saw them; kept after Velero forgets';
COMMENT ON COLUMN oco.backup_records.id IS 'Identifier';
COMMENT ON COLUMN oco.backup_records.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.backup_records.backup_name IS 'Name of the Velero Backup';
COMMENT ON COLUMN oco.backup_records.backup_uid IS 'Kubernetes UID; NULL until the object was seen';
COMMENT ON COLUMN oco.backup_records.policy_id IS 'Policy that asked for it; NULL for foreign backups';
COMMENT ON COLUMN oco.backup_records.due_at IS 'Scheduled time that it was taken for';
COMMENT ON COLUMN oco.backup_records.attempt IS 'Attempt for the due time';
COMMENT ON COLUMN oco.backup_records.phase IS 'Velero phase as reported';
COMMENT ON COLUMN oco.backup_records.namespaces IS 'Namespaces in the backup';
COMMENT ON COLUMN oco.backup_records.storage_location IS 'Velero BackupStorageLocation';
COMMENT ON COLUMN oco.backup_records.items_total IS 'status.progress.totalItems';
COMMENT ON COLUMN oco.backup_records.items_backed_up IS 'status.progress.itemsBackedUp';
COMMENT ON COLUMN oco.backup_records.errors IS 'status.errors';
COMMENT ON COLUMN oco.backup_records.warnings IS 'status.warnings';
COMMENT ON COLUMN oco.backup_records.validation_errors IS 'status.validationErrors';
COMMENT ON COLUMN oco.backup_records.failure_reason IS 'status.failureReason';
COMMENT ON COLUMN oco.backup_records.volume_operations_attempted IS 'Volume snapshots and item operations attempted';
COMMENT ON COLUMN oco.backup_records.volume_operations_completed IS 'Volume snapshots and item operations completed';
COMMENT ON COLUMN oco.backup_records.size_bytes IS 'Bytes in the storage location, where known';
COMMENT ON COLUMN oco.backup_records.usable IS 'Whether it is a recovery point by our own rule';
COMMENT ON COLUMN oco.backup_records.usable_reason IS 'Why it is not, in one line';
COMMENT ON COLUMN oco.backup_records.triggered_at IS 'When we decided to take it';
COMMENT ON COLUMN oco.backup_records.created_at IS 'When the Backup object was created';
COMMENT ON COLUMN oco.backup_records.started_at IS 'status.startTimestamp: the age of a recovery point counts from here';
COMMENT ON COLUMN oco.backup_records.completed_at IS 'status.completionTimestamp';
COMMENT ON COLUMN oco.backup_records.expires_at IS 'status.expiration';
COMMENT ON COLUMN oco.backup_records.vanished_at IS 'When the object was found gone from the cluster';
COMMENT ON COLUMN oco.backup_records.first_seen_at IS 'When the row was made';
COMMENT ON COLUMN oco.backup_records.last_seen_at IS 'When the object was last seen';
CREATE UNIQUE INDEX ux_backup_records_uid ON oco.backup_records (cluster, backup_uid) WHERE backup_uid IS NOT NULL;
CREATE UNIQUE INDEX ux_backup_records_due ON oco.backup_records (policy_id, due_at, attempt) WHERE due_at IS NOT NULL;
CREATE INDEX idx_backup_records_policy_started ON oco.backup_records (policy_id, started_at DESC);

CREATE TABLE oco.dr_compliance (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    policy_id uuid NOT NULL REFERENCES oco.dr_policies (id) ON DELETE CASCADE,
    judged_at timestamptz NOT NULL DEFAULT now(),
    verdict text NOT NULL,
    reasons text[] NOT NULL DEFAULT '{}',
    newest_usable_backup_id uuid REFERENCES oco.backup_records (id) ON DELETE SET NULL,
    recovery_point_age interval,
    measured_rto interval,
    CHECK (verdict IN ('PolicyMet', 'AtRisk', 'PolicyBreached', 'Unknown'))
);

COMMENT ON TABLE oco.dr_compliance IS 'Verdicts on DR policies over time, with their evidence';
COMMENT ON COLUMN oco.dr_compliance.id IS 'Order of the verdicts';
COMMENT ON COLUMN oco.dr_compliance.policy_id IS 'Policy that was judged';
COMMENT ON COLUMN oco.dr_compliance.judged_at IS 'When it was judged';
COMMENT ON COLUMN oco.dr_compliance.verdict IS 'PolicyMet, AtRisk, PolicyBreached or Unknown';
COMMENT ON COLUMN oco.dr_compliance.reasons IS 'Why, a line each';
COMMENT ON COLUMN oco.dr_compliance.newest_usable_backup_id IS 'Recovery point that the verdict rests on';
COMMENT ON COLUMN oco.dr_compliance.recovery_point_age IS 'Its age when judged';
COMMENT ON COLUMN oco.dr_compliance.measured_rto IS 'Last measured restore time';
CREATE INDEX idx_dr_compliance_policy ON oco.dr_compliance (policy_id, judged_at DESC);

CREATE TABLE oco.recovery_plans (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    backup_id uuid NOT NULL REFERENCES oco.backup_records (id),
    purpose text NOT NULL DEFAULT 'recovery',
    target_cluster text NOT NULL,
    namespaces text[] NOT NULL,
    namespace_mapping jsonb NOT NULL DEFAULT '{}',
    existing_resource_policy text NOT NULL DEFAULT 'none',
    status text NOT NULL DEFAULT 'pending',
    preview jsonb NOT NULL DEFAULT '{}',
    restore_name text UNIQUE,
    restore_phase text,
    items_total bigint,
    items_restored bigint,
    errors integer NOT NULL DEFAULT 0,
    warnings integer NOT NULL DEFAULT 0,
    verification jsonb NOT NULL DEFAULT '{}',
    failure_reason text,
    requested_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    approved_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (purpose IN ('recovery', 'drill')),
    CHECK (existing_resource_policy IN ('none', 'update')),
    CHECK (status IN ('pending', 'approved', 'executing', 'completed', 'partially_failed', 'failed', 'cancelled')),
    CHECK (cardinality(namespaces) > 0)
);

COMMENT ON TABLE oco.recovery_plans IS 'Planned and executed restores';
COMMENT ON COLUMN oco.recovery_plans.id IS 'Identifier';
COMMENT ON COLUMN oco.recovery_plans.backup_id IS 'Recovery point that is restored';
COMMENT ON COLUMN oco.recovery_plans.purpose IS 'recovery or drill';
COMMENT ON COLUMN oco.recovery_plans.target_cluster IS 'kubeconfig context that is restored into';
COMMENT ON COLUMN oco.recovery_plans.namespaces IS 'Namespaces of the backup that are restored';
COMMENT ON COLUMN oco.recovery_plans.namespace_mapping IS '{namespace in the backup: namespace in the target}';
COMMENT ON COLUMN oco.recovery_plans.existing_resource_policy IS 'none skips what exists, update overwrites it';
COMMENT ON COLUMN oco.recovery_plans.status IS 'pending, approved, executing, completed, partially_failed, failed or cancelled';
COMMENT ON COLUMN oco.recovery_plans.preview IS 'What would be created, skipped, overwritten, and what clashes';
COMMENT ON COLUMN oco.recovery_plans.restore_name IS 'Velero Restore, once there is one';
COMMENT ON COLUMN oco.recovery_plans.restore_phase IS 'Its phase as reported';
COMMENT ON COLUMN oco.recovery_plans.items_total IS 'status.progress.totalItems';
COMMENT ON COLUMN oco.recovery_plans.items_restored IS 'status.progress.itemsRestored';
COMMENT ON COLUMN oco.recovery_plans.errors IS 'status.errors';
COMMENT ON COLUMN oco.recovery_plans.warnings IS 'status.warnings';
COMMENT ON COLUMN oco.recovery_plans.verification IS 'What was checked in the target afterwards';
COMMENT ON COLUMN oco.recovery_plans.failure_reason IS 'Why it failed, in one line';
COMMENT ON COLUMN oco.recovery_plans.requested_by IS 'Who asked for it';
COMMENT ON COLUMN oco.recovery_plans.created_at IS 'When the plan was made';
COMMENT ON COLUMN oco.recovery_plans.approved_at IS 'When it was approved';
COMMENT ON COLUMN oco.recovery_plans.started_at IS 'When the restore was created';
COMMENT ON COLUMN oco.recovery_plans.completed_at IS 'When it ended';
COMMENT ON COLUMN oco.recovery_plans.updated_at IS 'When the row was last changed';
CREATE INDEX idx_recovery_plans_status ON oco.recovery_plans (status, created_at DESC);
CREATE TRIGGER recovery_plans_touch BEFORE UPDATE ON oco.recovery_plans FOR EACH ROW EXECUTE FUNCTION oco.touch_updated_at();
