"""Typed settings from the environment, validated once.

The variables of the original system keep their names and defaults; new ones begin with `OCO_`.
`docs/configuration.md` is generated from the descriptions below and a test holds the two together.
"""

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote, urlsplit

from croniter import croniter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from oco_warehouse.errors import ConfigurationError

Port = Annotated[int, Field(ge=1, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]


_HTTP_ADDRESS: Final = re.compile(
    r"https?://(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]+))?"
    r"(?:/[!-~]*)?",
    re.IGNORECASE,
)
# The scheme may be that of a desktop application or a browser's extension.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@]+", re.IGNORECASE)


def http_address(value: str) -> str:
    """An address that paths are put behind, without a slash at its end.

    Raises:
        ValueError: when it is none; the message repeats nothing of it.
    """
    found = _HTTP_ADDRESS.fullmatch(value)
    if found is None or "?" in value or "#" in value:
        raise ValueError(
            "must be an http:// or https:// address of a host, without user, query or fragment"
        )
    if found["port"] is not None and not 1 <= int(found["port"][:6]) <= 65535:
        raise ValueError("has a port that is not a number from 1 to 65535")
    return value.rstrip("/")


def _origins(value: str) -> str:
    for origin in _split(value):
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            raise ValueError(
                f"{origin!r} is no origin: write them as in http://localhost:3000, with commas "
                "between"
            )
    return value


def _split(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _postgres_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must begin with postgresql://")
    if _LONE_PERCENT.search(value):
        raise ValueError("has a % without two hexadecimal digits behind it: a % itself is %25")
    if not parts.path.strip("/"):
        raise ValueError("must name a database, as in postgresql://user@host:5432/opencloudops")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("has a port that is not a number from 1 to 65535") from error
    return value


def _redis_url(value: str | None) -> str | None:
    if value is not None and urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


def _cron(value: str) -> str:
    if not croniter.is_valid(value) or len(value.split()) != 5:
        raise ValueError("must be a cron expression of five fields, as in 0 */6 * * *")
    return value


HttpUrl = Annotated[str, AfterValidator(http_address)]


class Settings(BaseModel):
    """Every setting of the platform. Field aliases are the environment variables."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    # Where things live
    home: Path = Field(
        default_factory=lambda: Path.home() / ".oco",
        alias="OCO_HOME",
        description="Folder of the embedded servers, Dagster's files and the gateway's spool",
    )
    host: str = Field(
        "127.0.0.1", alias="OCO_HOST", description="Address that the services listen on"
    )
    port: Port = Field(8080, alias="CEREBRA_PORT", description="Port of the gateway and the API")
    dagster_port: Port = Field(3000, alias="OCO_DAGSTER_PORT", description="Port of the Dagster UI")
    economist_port: Port = Field(
        8081, alias="ECONOMIST_PORT", description="Port of the cost API when it runs apart"
    )

    # Logs
    gateway_log_level: LogLevel = Field(
        "info", alias="CEREBRA_LOG_LEVEL", description="Log level of the gateway"
    )
    log_level: LogLevel = Field(
        "info", alias="LOG_LEVEL", description="Log level of everything else"
    )

    # Warehouse and cache
    database_url: Annotated[str | None, AfterValidator(_postgres_url)] = Field(
        None,
        alias="DATABASE_URL",
        description="PostgreSQL address; wins over POSTGRES_*; with neither, one is embedded",
    )
    postgres_host: str | None = Field(
        None, alias="POSTGRES_HOST", description="PostgreSQL host; setting it turns embedding off"
    )
    postgres_port: Port = Field(5432, alias="POSTGRES_PORT", description="PostgreSQL port")
    postgres_db: str = Field("opencloudops", alias="POSTGRES_DB", description="Database name")
    postgres_user: str = Field("oco_user", alias="POSTGRES_USER", description="Database user")
    postgres_password: SecretStr = Field(
        SecretStr("change_me"), alias="POSTGRES_PASSWORD", description="Database password"
    )
    dagster_database: str = Field(
        "dagster",
        alias="OCO_DAGSTER_DATABASE",
        description="Database on the same server that holds Dagster's own storage",
    )
    redis_url: Annotated[str | None, AfterValidator(_redis_url)] = Field(
        None,
        alias="REDIS_URL",
        description="Redis address; wins over REDIS_*; with neither, one is embedded",
    )
    redis_host: str | None = Field(
        None, alias="REDIS_HOST", description="Redis host; setting it turns embedding off"
    )
    redis_port: Port = Field(6379, alias="REDIS_PORT", description="Redis port")

    embedded_fsync: Literal["on", "off"] = Field(
        "on",
        alias="OCO_EMBEDDED_FSYNC",
        description="Whether the embedded PostgreSQL waits for the disk; off is for tests only",
    )

    # Gateway
    allowed_origins: Annotated[str, AfterValidator(_origins)] = Field(
        "http://localhost:3000",
        alias="CEREBRA_ALLOWED_ORIGINS",
        description="Comma-separated CORS origins",
    )
    openai_base_url: HttpUrl = Field(
        "https://api.openai.com",
        alias="OCO_OPENAI_BASE_URL",
        description="Where calls to /api/v1/proxy/openai are forwarded",
    )
    anthropic_base_url: HttpUrl = Field(
        "https://api.anthropic.com",
        alias="OCO_ANTHROPIC_BASE_URL",
        description="Where calls to /api/v1/proxy/anthropic are forwarded",
    )
    gemini_base_url: HttpUrl = Field(
        "https://generativelanguage.googleapis.com",
        alias="OCO_GEMINI_BASE_URL",
        description="Where calls to /api/v1/proxy/gemini are forwarded",
    )
    providers_file: Path | None = Field(
        None,
        alias="OCO_PROVIDERS",
        description="JSON file of further providers, each with a dialect and a base_url",
    )
    require_token: bool = Field(
        False,
        alias="OCO_REQUIRE_TOKEN",
        description="Refuse calls to models that have no valid X-OCO-Token",
    )
    budget_failure_mode: Literal["closed", "open"] = Field(
        "closed",
        alias="OCO_BUDGET_FAILURE_MODE",
        description="What hard budgets do when neither Redis nor PostgreSQL answers",
    )
    error_shape: Literal["oco", "provider"] = Field(
        "oco",
        alias="OCO_ERROR_SHAPE",
        description="Shape of the gateway's own refusals: ours, or the provider's error object",
    )
    stream_usage: bool = Field(
        True,
        alias="OCO_STREAM_USAGE",
        description="Ask for usage in streams that carry none, and take that event out again",
    )
    max_body_bytes: int = Field(
        64 * 1024 * 1024,
        ge=1024,
        alias="OCO_MAX_BODY_BYTES",
        description="Largest request body that the gateway forwards, in bytes",
    )
    upstream_timeout_seconds: float = Field(
        600.0,
        gt=0,
        alias="OCO_UPSTREAM_TIMEOUT_SECONDS",
        description="Longest silence of a provider before the call is given up, in seconds",
    )
    drain_timeout_seconds: float = Field(
        30.0,
        ge=0,
        alias="OCO_DRAIN_TIMEOUT_SECONDS",
        description="How long an answer is still read after its client left, in seconds",
    )
    client_timeout_seconds: float = Field(
        60.0,
        gt=0,
        alias="OCO_CLIENT_TIMEOUT_SECONDS",
        description="Longest time without a client taking a byte of its answer, in seconds",
    )
    spool_dir: Path | None = Field(
        None,
        alias="OCO_SPOOL_DIR",
        description="Folder of the ledger's spool; default $OCO_HOME/spool",
    )

    # Ingestion
    focus_path: str | None = Field(
        None,
        alias="OCO_FOCUS_PATH",
        description="Folder or s3://, gs://, az:// address of FOCUS files; default the shipped "
        "sample when no cloud credentials are set",
    )
    sources_file: Path | None = Field(
        None,
        alias="OCO_SOURCES",
        description="YAML file of the cloud accounts whose costs are read by themselves",
    )
    ingestion_cron: Annotated[str, AfterValidator(_cron)] = Field(
        "0 */6 * * *",
        alias="OCO_INGESTION_CRON",
        description="When clouds are ingested (cron, UTC)",
    )
    restatement_warn_percent: Decimal = Field(
        Decimal(5),
        ge=0,
        le=1_000_000,
        alias="OCO_RESTATEMENT_WARN_PERCENT",
        description="A load that changes what its days cost by more than this is warned of",
    )
    exchange_rates_file: Path | None = Field(
        None,
        alias="OCO_EXCHANGE_RATES",
        description="CSV file of exchange rates (month,from,to,rate); they win over fetched ones",
    )
    exchange_rates_url: HttpUrl | None = Field(
        None,
        alias="OCO_EXCHANGE_RATES_URL",
        description="Address of the ECB's eurofxref-hist.zip or .csv; unset fetches nothing",
    )
    retention_months: int = Field(
        0,
        ge=0,
        alias="OCO_RETENTION_MONTHS",
        description="Months of api_requests and cloud_costs that are kept; 0 keeps everything",
    )

    metric_retention_days: int = Field(
        400,
        ge=0,
        alias="OCO_METRIC_RETENTION_DAYS",
        description="Days of resources' metrics that are kept; 0 keeps everything",
    )

    # Trends of cloud cost
    cost_settling_days: int = Field(
        2,
        ge=0,
        le=31,
        alias="OCO_COST_SETTLING_DAYS",
        description="Newest days of a bill that its provider still restates: not judged for "
        "anomalies, and forecast instead of believed",
    )
    anomaly_floor_usd: Decimal = Field(
        Decimal(10),
        gt=0,
        allow_inf_nan=False,
        alias="OCO_ANOMALY_FLOOR_USD",
        description="Smallest excess of a day in USD that is told as a cost anomaly",
    )

    # Recommendations
    optimizer_thresholds_file: Path | None = Field(
        None,
        alias="OCO_OPTIMIZER_THRESHOLDS",
        description="YAML file of thresholds of the optimizer's rules, where they differ from "
        "the defaults",
    )

    # Alerts
    smtp_host: str = Field(
        "", alias="OCO_SMTP_HOST", description="SMTP server of e-mail alerts; unset sends none"
    )
    smtp_port: Port = Field(587, alias="OCO_SMTP_PORT", description="Port of the SMTP server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        alias="OCO_SMTP_SECURITY",
        description="How the connection to the SMTP server is secured",
    )
    smtp_user: str = Field(
        "", alias="OCO_SMTP_USER", description="SMTP user; unset logs in nowhere"
    )
    smtp_password: SecretStr = Field(
        SecretStr(""), alias="OCO_SMTP_PASSWORD", description="SMTP password"
    )
    smtp_from: str = Field(
        "open-cloud-ops@localhost",
        alias="OCO_SMTP_FROM",
        description="Sender of e-mail alerts",
    )

    # Resilience
    kubeconfig: Path | None = Field(
        None,
        alias="OCO_KUBECONFIG",
        description="kubeconfig whose contexts are the clusters of DR policies",
    )
    in_cluster_name: str = Field(
        "",
        alias="OCO_IN_CLUSTER_NAME",
        description="Name, as DR policies call it, of the cluster that the pipelines run in",
    )

    # Clouds
    aws_access_key_id: str = Field("", alias="AWS_ACCESS_KEY_ID", description="AWS credentials")
    aws_secret_access_key: SecretStr = Field(
        SecretStr(""), alias="AWS_SECRET_ACCESS_KEY", description="AWS credentials"
    )
    aws_region: str = Field("us-east-1", alias="AWS_REGION", description="AWS region")
    azure_subscription_id: str = Field(
        "", alias="AZURE_SUBSCRIPTION_ID", description="Azure subscription"
    )
    azure_tenant_id: str = Field("", alias="AZURE_TENANT_ID", description="Azure tenant")
    azure_client_id: str = Field("", alias="AZURE_CLIENT_ID", description="Azure client ID")
    azure_client_secret: SecretStr = Field(
        SecretStr(""), alias="AZURE_CLIENT_SECRET", description="Azure client secret"
    )
    gcp_project_id: str = Field("", alias="GCP_PROJECT_ID", description="GCP project")
    gcp_credentials_json: SecretStr = Field(
        SecretStr(""), alias="GCP_CREDENTIALS_JSON", description="GCP service account JSON"
    )

    @property
    def uses_embedded_postgres(self) -> bool:
        """True when neither DATABASE_URL nor POSTGRES_HOST names a server."""
        return self.database_url is None and self.postgres_host is None

    @property
    def uses_embedded_redis(self) -> bool:
        """True when neither REDIS_URL nor REDIS_HOST names a server."""
        return self.redis_url is None and self.redis_host is None

    @property
    def spool(self) -> Path:
        """Folder of the ledger's spool."""
        return self.spool_dir or self.home / "spool"

    @property
    def cors_origins(self) -> list[str]:
        """CEREBRA_ALLOWED_ORIGINS as a list."""
        return _split(self.allowed_origins)

    @property
    def has_cloud_credentials(self) -> bool:
        """True when any cloud is configured, so that sample data would mix with real costs."""
        return bool(
            self.sources_file
            or self.aws_access_key_id
            or self.azure_client_id
            or self.gcp_project_id
        )

    def warehouse_url(self) -> str:
        """PostgreSQL address of the warehouse.

        Raises:
            ConfigurationError: when the embedded server is in use; `embedded.attach` resolves it.
        """
        if self.database_url is not None:
            return self.database_url
        if self.postgres_host is None:
            raise ConfigurationError("no PostgreSQL address is set: call embedded.attach() first")
        password = quote(self.postgres_password.get_secret_value(), safe="")
        user, database = quote(self.postgres_user, safe=""), quote(self.postgres_db, safe="")
        return (
            f"postgresql://{user}:{password}@{self.postgres_host}:{self.postgres_port}/{database}"
        )

    def dagster_url(self) -> str:
        """PostgreSQL address of Dagster's storage, on the warehouse's server."""
        return urlsplit(self.warehouse_url())._replace(path=f"/{self.dagster_database}").geturl()

    def cache_url(self) -> str:
        """Redis address.

        Raises:
            ConfigurationError: when the embedded server is in use; `embedded.attach` resolves it.
        """
        if self.redis_url is not None:
            return self.redis_url
        if self.redis_host is None:
            raise ConfigurationError("no Redis address is set: call embedded.attach() first")
        return f"redis://{self.redis_host}:{self.redis_port}/0"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read and validate the settings; an empty variable counts as unset.

    Raises:
        ConfigurationError: one line naming the variable and what is wrong with it.
    """
    source = os.environ if environment is None else environment
    values = {name: value for name, value in source.items() if value != ""}
    for name in ("LOG_LEVEL", "CEREBRA_LOG_LEVEL"):
        if name in values:
            lowered = values[name].lower()
            values[name] = {"warn": "warning"}.get(lowered, lowered)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        variable = str(first["loc"][0])
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigurationError(f"{variable}: {reason}") from None


def describe_settings() -> list[tuple[str, str, str]]:
    """(variable, default, description) of every setting, in order, for the documentation."""
    rows = []
    for field in Settings.model_fields.values():
        if field.default_factory is not None:
            default = "~/.oco"
        elif isinstance(field.default, SecretStr):
            default = field.default.get_secret_value()
        else:
            default = "" if field.default is None else str(field.default)
        rows.append((str(field.alias), default, str(field.description)))
    return rows
