# Dagster's code server, UI and daemon with the dbt project: no gateway inside.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app DO_NOT_TRACK=1 \
    DAGSTER_DISABLE_TELEMETRY=1 DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    OCO_HOME=/var/lib/oco DAGSTER_HOME=/var/lib/oco/dagster

COPY requirements/pipelines.lock /tmp/pipelines.lock
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/pipelines.lock \
    && rm /tmp/pipelines.lock \
    && useradd --system --uid 10001 --home-dir /var/lib/oco --create-home oco \
    && install -d -o oco -g oco /app /var/lib/oco/dagster

WORKDIR /app
USER oco
COPY --chown=oco:oco dagster.yaml deploy/dagster-storage.yaml /var/lib/oco/dagster/
RUN cat /var/lib/oco/dagster/dagster-storage.yaml >> /var/lib/oco/dagster/dagster.yaml
COPY --chown=oco:oco dbt_project ./dbt_project
COPY --chown=oco:oco oco_warehouse ./oco_warehouse
COPY --chown=oco:oco oco_pipelines ./oco_pipelines
# Parsing needs no database; a code location without a manifest would parse at each start.
RUN python -c "from oco_pipelines.marts.project import ensure_manifest; ensure_manifest()"

EXPOSE 3000 4000
CMD ["python", "-m", "oco_pipelines.code_server", "--host", "0.0.0.0", "--port", "4000"]
