ALTER TABLE oco.recovery_plans
    ADD COLUMN idempotency_key text,
    ADD COLUMN waiting_for text,
    ADD COLUMN previewed_at timestamptz,
    ADD COLUMN approved_by text,
    ADD COLUMN execution_requested_at timestamptz,
    ADD COLUMN restore_uid text;
ALTER TABLE oco.recovery_plans ADD UNIQUE (requested_by, idempotency_key);

COMMENT ON COLUMN oco.recovery_plans.idempotency_key IS 'Says that a repeated request means this plan';
COMMENT ON COLUMN oco.recovery_plans.waiting_for IS 'What the next step waits for, in one line; NULL when for nothing';
COMMENT ON COLUMN oco.recovery_plans.previewed_at IS 'When the preview was made; it is made once';
COMMENT ON COLUMN oco.recovery_plans.approved_by IS 'Who approved it';
COMMENT ON COLUMN oco.recovery_plans.execution_requested_at IS 'When somebody first asked to execute it';
COMMENT ON COLUMN oco.recovery_plans.restore_uid IS 'Kubernetes UID of its one Restore, once it was seen';

CREATE FUNCTION oco.keep_recovery_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.backup_id, NEW.purpose, NEW.target_cluster, NEW.namespaces, NEW.namespace_mapping,
        NEW.existing_resource_policy, NEW.requested_by)
       IS DISTINCT FROM
       (OLD.backup_id, OLD.purpose, OLD.target_cluster, OLD.namespaces, OLD.namespace_mapping,
        OLD.existing_resource_policy, OLD.requested_by)
       OR (OLD.previewed_at IS NOT NULL AND NEW.preview IS DISTINCT FROM OLD.preview)
       OR (OLD.restore_name IS NOT NULL AND NEW.restore_name IS DISTINCT FROM OLD.restore_name)
       OR (OLD.restore_uid IS NOT NULL AND NEW.restore_uid IS DISTINCT FROM OLD.restore_uid) THEN
        RAISE EXCEPTION 'recovery plan % is immutable: make another one', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.status <> OLD.status AND NOT (OLD.status || '>' || NEW.status = ANY (ARRAY[
        'pending>approved', 'pending>cancelled', 'pending>failed',
        'approved>executing', 'approved>cancelled', 'approved>failed',
        'executing>completed', 'executing>partially_failed', 'executing>failed'])) THEN
        RAISE EXCEPTION 'recovery plan % is %, it cannot become %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER recovery_plans_keep BEFORE UPDATE ON oco.recovery_plans
    FOR EACH ROW EXECUTE FUNCTION oco.keep_recovery_plan();

CREATE FUNCTION oco.step_recovery_plan(
    plan uuid, wanted text, who text, why jsonb DEFAULT '{}', request text DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE oco.recovery_plans SET
        status = wanted,
        approved_at = CASE WHEN wanted = 'approved' THEN now() ELSE approved_at END,
        approved_by = CASE WHEN wanted = 'approved' THEN who ELSE approved_by END,
        started_at = CASE WHEN wanted = 'executing' THEN now() ELSE started_at END,
        completed_at = CASE WHEN wanted IN ('completed', 'partially_failed', 'failed', 'cancelled')
            THEN now() ELSE completed_at END,
        failure_reason = coalesce(why ->> 'reason', failure_reason),
        waiting_for = NULL
    WHERE id = plan AND status <> wanted;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, request_id, details)
    VALUES (who, 'recovery_plan.' || wanted, 'recovery_plan', plan::text, request, why);
    RETURN true;
END $$;
COMMENT ON FUNCTION oco.step_recovery_plan IS
    'Moves a recovery plan to its next status and writes that down; false when it is there already';

CREATE TABLE oco.recovery_targets (
    cluster text PRIMARY KEY,
    last_seen_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE oco.recovery_targets IS 'Clusters that the pipelines can reach, so that the API knows them';
COMMENT ON COLUMN oco.recovery_targets.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.recovery_targets.last_seen_at IS 'When it was last among the configured clusters';

CREATE TABLE oco.dr_drills (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    policy_id uuid NOT NULL REFERENCES oco.dr_policies (id) ON DELETE CASCADE,
    due_at timestamptz,
    requested_by text NOT NULL,
    cluster text NOT NULL,
    sentinel text NOT NULL,
    scratch_namespaces jsonb NOT NULL,
    status text NOT NULL DEFAULT 'running',
    reason text NOT NULL DEFAULT '',
    backup_id uuid REFERENCES oco.backup_records (id) ON DELETE SET NULL,
    plan_id uuid REFERENCES oco.recovery_plans (id) ON DELETE SET NULL,
    backup_took interval,
    measured_rto interval,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    cleaned_at timestamptz,
    UNIQUE (policy_id, due_at),
    CHECK (status IN ('running', 'passed', 'failed')),
    CHECK ((status = 'running') = (completed_at IS NULL))
);

COMMENT ON TABLE oco.dr_drills IS 'Restore drills: what was proved, how long it took, and why one failed';
COMMENT ON COLUMN oco.dr_drills.id IS 'Identifier';
COMMENT ON COLUMN oco.dr_drills.policy_id IS 'Policy that was drilled';
COMMENT ON COLUMN oco.dr_drills.due_at IS 'Scheduled time; NULL when somebody asked for it';
COMMENT ON COLUMN oco.dr_drills.requested_by IS 'Who asked for it; schedule for scheduled ones';
COMMENT ON COLUMN oco.dr_drills.cluster IS 'kubeconfig context';
COMMENT ON COLUMN oco.dr_drills.sentinel IS 'Name of the ConfigMap that had to come back; its value is never kept';
COMMENT ON COLUMN oco.dr_drills.scratch_namespaces IS '{namespace of the policy: namespace that it was restored into}';
COMMENT ON COLUMN oco.dr_drills.status IS 'running, passed or failed';
COMMENT ON COLUMN oco.dr_drills.reason IS 'Why it failed, in one line';
COMMENT ON COLUMN oco.dr_drills.backup_id IS 'Backup that was taken for it';
COMMENT ON COLUMN oco.dr_drills.plan_id IS 'Recovery plan that restored it';
COMMENT ON COLUMN oco.dr_drills.backup_took IS 'From the request for the backup to its end';
COMMENT ON COLUMN oco.dr_drills.measured_rto IS 'From the request for the restore to the verified end; NULL unless it passed';
COMMENT ON COLUMN oco.dr_drills.started_at IS 'When it began';
COMMENT ON COLUMN oco.dr_drills.completed_at IS 'When it ended';
COMMENT ON COLUMN oco.dr_drills.cleaned_at IS 'When nothing of it was left in the cluster';
CREATE INDEX idx_dr_drills_policy ON oco.dr_drills (policy_id, started_at DESC);
