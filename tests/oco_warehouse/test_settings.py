import pytest

from oco_warehouse.errors import ConfigurationError
from oco_warehouse.settings import Settings, load_settings


def test_the_original_systems_variables_keep_their_names_and_defaults() -> None:
    settings = load_settings({})
    assert (settings.port, settings.gateway_log_level) == (8080, "info")
    assert settings.allowed_origins == "http://localhost:3000"
    assert (settings.postgres_db, settings.postgres_user) == ("opencloudops", "oco_user")
    assert (settings.postgres_port, settings.redis_port, settings.economist_port) == (
        5432,
        6379,
        8081,
    )
    assert settings.aws_region == "us-east-1"


def test_an_empty_variable_counts_as_unset() -> None:
    assert load_settings({"DATABASE_URL": "", "CEREBRA_PORT": ""}) == load_settings({})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql://host"),
        ("DATABASE_URL", "postgresql://host:notaport/db"),
        ("REDIS_URL", "http://host"),
        ("CEREBRA_PORT", "0"),
        ("CEREBRA_PORT", "eighty"),
        ("LOG_LEVEL", "loud"),
        ("OCO_OPENAI_BASE_URL", "api.openai.com"),
        ("OCO_OPENAI_BASE_URL", "http://h:99999"),
        ("OCO_OPENAI_BASE_URL", "http://h:0"),
        ("OCO_OPENAI_BASE_URL", "http://h:port"),
        ("OCO_OPENAI_BASE_URL", "http://h:"),
        ("OCO_OPENAI_BASE_URL", "http://h/v1?key=1"),
        ("OCO_OPENAI_BASE_URL", "http://h/v1#top"),
        ("OCO_ANTHROPIC_BASE_URL", "http://x y"),
        ("OCO_GEMINI_BASE_URL", "http://hunter2:p@h"),
        ("CEREBRA_ALLOWED_ORIGINS", "localhost:3000 foo"),
        ("CEREBRA_ALLOWED_ORIGINS", "http://a, http://b/"),
        ("OCO_BUDGET_FAILURE_MODE", "maybe"),
        ("OCO_INGESTION_CRON", "every day"),
        ("OCO_SMTP_SECURITY", "ssl"),
        ("OCO_SMTP_PORT", "70000"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["http://h", "https://h_1.example:8443/openai/v1/", "http://[::1]:80", "HTTP://10.0.0.1:1"],
)
def test_an_address_may_have_a_port_and_a_path(address: str) -> None:
    settings = load_settings({"OCO_OPENAI_BASE_URL": address})
    assert settings.openai_base_url == address.rstrip("/")


def test_origins_are_any_schemes_or_all() -> None:
    origins = "http://localhost:3000, https://*.example.com,tauri://localhost, *"
    assert len(load_settings({"CEREBRA_ALLOWED_ORIGINS": origins}).cors_origins) == 4


def test_a_wrong_secret_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"DATABASE_URL": "mysql://user:hunter2@host/db"})
    assert "hunter2" not in str(caught.value)


def test_single_variables_make_an_address_with_the_password_escaped() -> None:
    settings = load_settings({"POSTGRES_HOST": "db", "POSTGRES_PASSWORD": "p@ss/word"})
    assert settings.warehouse_url() == "postgresql://oco_user:p%40ss%2Fword@db:5432/opencloudops"
    assert settings.dagster_url() == "postgresql://oco_user:p%40ss%2Fword@db:5432/dagster"


def test_servers_are_embedded_only_where_nothing_names_one() -> None:
    assert load_settings({}).uses_embedded_postgres
    assert load_settings({}).uses_embedded_redis
    assert not load_settings({"POSTGRES_HOST": "db"}).uses_embedded_postgres
    assert not load_settings({"REDIS_URL": "redis://cache"}).uses_embedded_redis


def test_secrets_do_not_show_when_the_settings_are_printed() -> None:
    settings = load_settings({"POSTGRES_PASSWORD": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter2"})
    assert "hunter2" not in repr(settings)


def test_every_setting_names_its_variable_and_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.alias, name
        assert field.description, name


def test_a_password_with_a_lone_percent_sign_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"DATABASE_URL": "postgresql://u:p%zz@127.0.0.1:5432/x"})
    assert "%25" in str(caught.value)
    assert "zz" not in str(caught.value)
