"""The words that endpoints are named by."""

import pytest

from oco_proxy.proxy import anthropic, dialects, gemini, openai
from oco_proxy.proxy.endpoint_words import known_word
from oco_proxy.proxy.providers import Provider

PROVIDERS = {
    name: Provider(name, name, "http://x", 1, 1, {})  # type: ignore[arg-type]
    for name in ("openai", "anthropic", "gemini")
}


@pytest.mark.parametrize("dialect", [openai, anthropic])
def test_every_endpoint_that_is_metered_or_free_is_named_by_known_words(dialect: object) -> None:
    for endpoint in dialect.METERED | dialect.UNBILLED:  # type: ignore[attr-defined]
        assert openai.endpoint_of(f"v1/{endpoint.replace('.', '/')}") == endpoint


def test_every_method_and_collection_of_gemini_is_known() -> None:
    for word in gemini.METERED | gemini.UNBILLED:
        assert known_word(word, "gemini") == word


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai", "v1/models/../chat/completions"),
        ("openai", "v1/files/%2e%2E/chat/completions"),
        ("openai", "v1/files%2F..%2Fchat/completions"),
        ("openai", "v1/files\\..\\chat/completions"),
        ("openai", "v1/chat/./completions"),
        ("openai", "v1/chat/completions/."),
        ("openai", "openai/deployments/../v1/chat/completions"),
        ("anthropic", "v1/models/../messages"),
        ("gemini", "v1beta/files/../models/m:generateContent"),
        ("gemini", "v1beta/models/m:generateContent%20"),
    ],
)
def test_a_path_that_a_server_may_read_otherwise_is_never_free(name: str, path: str) -> None:
    provider = PROVIDERS[name]
    endpoint = dialects.endpoint_of(provider, path)
    assert dialects.is_billed(provider, endpoint, "POST")
    assert not dialects.is_metered(provider, endpoint, "POST")


@pytest.mark.parametrize(
    ("name", "path", "endpoint"),
    [
        ("openai", "v1//chat/completions", "chat.completions"),
        ("openai", "v1/chat%2Fcompletions/", "chat.completions"),
        ("openai", "openai/deployments/a%20b/chat/completions", "chat.completions"),
        ("openai", "models/chat/completions", "chat.completions"),
        ("openai", "models/embeddings", "embeddings"),
        ("anthropic", "v1//messages", "messages"),
        ("gemini", "v1beta/models/m%3AgenerateContent", "generateContent"),
        ("gemini", "v1beta//models/m:generateContent/", "generateContent"),
    ],
)
def test_a_call_is_metered_however_its_path_is_spelled(name: str, path: str, endpoint: str) -> None:
    provider = PROVIDERS[name]
    assert dialects.endpoint_of(provider, path) == endpoint
    assert dialects.is_metered(provider, endpoint, "POST")
    assert name != "gemini" or gemini.model_of(path) == "m"


def test_cancelling_a_batch_is_free_and_making_one_is_not() -> None:
    provider = PROVIDERS["anthropic"]
    made, cancelled = (
        dialects.endpoint_of(provider, f"v1/messages/batches{rest}")
        for rest in ("", "/msgbatch_01Ab/cancel")
    )
    assert dialects.is_billed(provider, made, "POST")
    assert not dialects.is_billed(provider, cancelled, "POST")


@pytest.mark.parametrize(
    ("name", "path", "billed"),
    [
        ("openai", "v1/webhook_endpoints", False),
        ("openai", "v1/webhook_endpoints/we_01/rotate_secret", False),
        ("openai", "v1/organization/projects/proj_1/users", False),
        ("openai", "v1/vector_stores/vs_01/search", False),
        ("openai", "v1/fine_tuning/jobs/ftjob-1/cancel", False),
        ("openai", "v1/fine_tuning/jobs/ftjob-1/resume", True),
        ("openai", "v1/vector_stores", True),
        ("openai", "v1/vector_stores/vs_01/files", True),
        # Either may make a vector store.
        ("openai", "v1/assistants", True),
        ("openai", "v1/threads", True),
        ("openai", "v1/threads/thread_1/runs", True),
        ("openai", "v1/agents/sessions", True),
        # A project of Azure's answers like any other server.
        ("openai", "projects/a/openai/v1/responses", True),
        ("anthropic", "v1/agents/agent_01/archive", False),
        ("anthropic", "v1/vaults/vlt_01/credentials", False),
        ("anthropic", "v1/organizations/workspaces/wrkspc_01/members", False),
        ("anthropic", "v1/environments", False),
        ("anthropic", "v1/memory_stores/memstore_01/memories", False),
        ("anthropic", "v1/sessions/sesn_01/archive", False),
        ("anthropic", "v1/dreams/drm_01/cancel", False),
        ("anthropic", "v1/sessions", True),
        ("anthropic", "v1/sessions/sesn_01/events", True),
        ("anthropic", "v1/deployments", True),
        ("anthropic", "v1/deployments/depl_01/run", True),
        ("anthropic", "v1/dreams", True),
        ("gemini", "v1beta/interactions", True),
    ],
)
def test_only_what_costs_nothing_is_free(name: str, path: str, billed: bool) -> None:
    provider = PROVIDERS[name]
    assert dialects.is_billed(provider, dialects.endpoint_of(provider, path), "POST") is billed
