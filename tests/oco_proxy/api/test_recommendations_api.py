"""Recommendations over the API: found by filters, accepted and dismissed by people, once."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

INSERT = """
INSERT INTO oco.optimization_recommendations (provider, account_id, resource_id, resource_type,
    recommendation_type, title, description, estimated_monthly_savings, confidence, evidence)
VALUES ('aws', '111', 'i-1', 'aws.ec2', 'idle_instance', 't', 'd', 315.50, 0.90, '{"days": "14"}'),
       ('gcp', 'p', 'd-1', 'gcp.disk', 'unattached_volume', 't', 'd', 2, 0.50, '{}')
"""


@pytest.fixture
def client(gateway: Any, admin_headers: dict[str, str]) -> Iterator[httpx.Client]:
    """An administrator's client of a gateway with two recommendations."""
    gateway.warehouse.execute(INSERT)
    with httpx.Client(base_url=f"{gateway.url}/api/v1", headers=admin_headers) as made:
        yield made


def ids(client: httpx.Client, **filters: Any) -> list[str]:
    answer = client.get("/recommendations", params=filters)
    assert answer.status_code == 200, answer.text
    return [item["resource_id"] for item in answer.json()["items"]]


def first(client: httpx.Client) -> tuple[str, str]:
    """Path and ETag of the idle machine."""
    (item,) = client.get("/recommendations", params={"resource_id": "i-1"}).json()["items"]
    path = f"/recommendations/{item['id']}"
    return path, client.get(path).headers["etag"]


def test_a_list_is_narrowed_by_each_of_its_filters(client: httpx.Client) -> None:
    assert sorted(ids(client)) == ["d-1", "i-1"]
    assert ids(client, recommendation_type="idle_instance") == ["i-1"]
    assert ids(client, provider="gcp") == ["d-1"]
    assert ids(client, account_id="111") == ["i-1"]
    assert ids(client, least_savings=300) == ["i-1"]
    assert ids(client, status="accepted") == []
    assert client.get("/recommendations", params={"status": "done"}).status_code == 400


def test_one_is_answered_with_exact_amounts_and_its_evidence(client: httpx.Client) -> None:
    path, etag = first(client)
    answer = client.get(path)
    assert etag == '"1"'
    assert answer.json()["estimated_monthly_savings"] == "315.50"
    assert answer.json()["evidence"] == {"days": "14"}
    assert client.get("/recommendations/none").status_code == 404


def test_accepting_is_written_once_and_audited(client: httpx.Client, gateway: Any) -> None:
    path, etag = first(client)
    answer = client.patch(path, json={"status": "accepted"}, headers={"If-Match": etag})
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    assert answer.json()["accepted_at"]
    stale = client.patch(path, json={"status": "accepted"}, headers={"If-Match": etag})
    assert stale.status_code == 412
    (entry,) = gateway.warehouse.query(
        "SELECT action, entity_id, details FROM oco.audit_log WHERE entity_type = 'recommendation'"
    )
    assert entry["action"] == "recommendation.accept"
    assert entry["entity_id"] in path
    assert entry["details"]["before"] == "open"


def test_a_dismissal_has_a_reason_and_may_have_an_end(client: httpx.Client) -> None:
    path, etag = first(client)
    match = {"If-Match": etag}
    for wrong in (
        {"status": "dismissed"},
        {"status": "dismissed", "reason": " "},
        {"status": "dismissed", "reason": "x", "until": "2020-01-01T00:00:00Z"},
        {"status": "dismissed", "reason": "x", "until": "2999-01-01T00:00:00"},
        {"status": "accepted", "reason": "x"},
        {"status": "expired"},
    ):
        assert client.patch(path, json=wrong, headers=match).status_code == 400, wrong
    body = {"status": "dismissed", "reason": "needed in May", "until": "2999-01-01T00:00:00Z"}
    done = client.patch(path, json=body, headers=match)
    assert done.json()["status_reason"] == "needed in May"
    assert done.json()["dismissed_until"] == "2999-01-01T00:00:00Z"
    back = client.patch(path, json={"status": "open"}, headers={"If-Match": done.headers["etag"]})
    assert (back.json()["status"], back.json()["dismissed_until"]) == ("open", None)


def test_nobody_decides_unseen_or_on_what_is_over(client: httpx.Client, gateway: Any) -> None:
    path, _ = first(client)
    assert client.patch(path, json={"status": "accepted"}).status_code == 428
    gateway.warehouse.execute("UPDATE oco.optimization_recommendations SET status = 'expired'")
    over = client.patch(path, json={"status": "accepted"}, headers={"If-Match": "*"})
    assert (over.status_code, "expired" in over.json()["detail"]) == (409, True)
