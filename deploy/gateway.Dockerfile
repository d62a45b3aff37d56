# The gateway and the `oco` commands that need no Dagster: no Dagster, dbt or cloud SDK inside.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app DO_NOT_TRACK=1 \
    OCO_HOST=0.0.0.0 OCO_HOME=/var/lib/oco

COPY requirements/proxy.lock /tmp/proxy.lock
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/proxy.lock \
    && rm /tmp/proxy.lock \
    && useradd --system --uid 10001 --home-dir /var/lib/oco --create-home oco

WORKDIR /app
COPY oco_warehouse ./oco_warehouse
COPY oco_cli ./oco_cli
COPY oco_proxy ./oco_proxy

USER oco
# The spool: calls that were answered and are not in PostgreSQL yet.
VOLUME /var/lib/oco
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
# exec form: the gateway itself gets the SIGTERM and drains its ledger.
CMD ["python", "-m", "oco_proxy"]
