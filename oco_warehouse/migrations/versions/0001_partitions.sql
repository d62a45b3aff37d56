CREATE SCHEMA IF NOT EXISTS oco;

-- True where TimescaleDB manages time partitions; native monthly partitions are used elsewhere.
CREATE FUNCTION oco.has_timescaledb() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'create_hypertable')
$$;

-- Gives a parent table one partition for every month from first_day to last_day. Rows of such a
-- month that wait in the default partition move along. Returns the partitions that were made.
CREATE FUNCTION oco.ensure_partitions(parent text, first_day date, last_day date)
RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    month_start date;
    month_end date;
    partition text;
    time_column text;
BEGIN
    IF oco.has_timescaledb() THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('oco.ensure_partitions'), hashtext(parent));
    SELECT a.attname INTO STRICT time_column
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = format('oco.%I', parent)::regclass;
    FOR month_start IN
        SELECT generate_series(date_trunc('month', first_day::timestamp), last_day::timestamp, interval '1 month')::date
    LOOP
        month_end := (month_start + interval '1 month')::date;
        partition := format('%s_p%s', parent, to_char(month_start, 'YYYY_MM'));
        CONTINUE WHEN to_regclass(format('oco.%I', partition)) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE oco.%I (LIKE oco.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)',
            partition, parent
        );
        EXECUTE format(
            'WITH moved AS (DELETE FROM oco.%I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO oco.%I SELECT * FROM moved',
            parent || '_default', time_column, month_start, time_column, month_end, partition
        );
        EXECUTE format(
            'ALTER TABLE oco.%I ATTACH PARTITION oco.%I FOR VALUES FROM (%L) TO (%L)',
            parent, partition, month_start, month_end
        );
        RETURN NEXT partition;
    END LOOP;
END
$$;

-- Drops what lies wholly before a day. Returns the partitions (or chunks) that were dropped.
CREATE FUNCTION oco.drop_partitions_before(parent text, before_day date)
RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
    partition text;
BEGIN
    IF oco.has_timescaledb() THEN
        RETURN QUERY EXECUTE format('SELECT drop_chunks(%L::regclass, older_than => %L::date)::text', 'oco.' || parent, before_day);
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('oco.ensure_partitions'), hashtext(parent));
    FOR partition IN
        SELECT c.relname
        FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('oco.%I', parent)::regclass
          AND c.relname ~ ('^' || parent || '_p\d{4}_\d{2}$')
          AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= before_day
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE oco.%I', partition);
        RETURN NEXT partition;
    END LOOP;
END
$$;

-- Called once after a time-partitioned table is made: a hypertable, or a default partition so that
-- no row is ever refused, plus the months around today.
CREATE FUNCTION oco.start_partitions(parent text, time_column text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF oco.has_timescaledb() THEN
        EXECUTE format('SELECT create_hypertable(%L, %L, chunk_time_interval => interval ''1 month'', create_default_indexes => false)', 'oco.' || parent, time_column);
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE oco.%I PARTITION OF oco.%I DEFAULT', parent || '_default', parent);
    PERFORM oco.ensure_partitions(parent, (now() AT TIME ZONE 'UTC')::date, ((now() AT TIME ZONE 'UTC') + interval '3 months')::date);
END
$$;

-- Keeps updated_at true whoever writes.
CREATE FUNCTION oco.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

-- Alembic makes this table just before the first revision runs.
COMMENT ON TABLE oco.schema_version IS 'Which revision of the migrations the schema is at';
COMMENT ON COLUMN oco.schema_version.version_num IS 'Revision';
