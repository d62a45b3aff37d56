"""Recommendations: read, accepted, dismissed, taken back. The ETag is the row's version."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, patch
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.etags import IfMatch, check_unchanged, etag, needed
from oco_proxy.api.fields import answered, in_utc, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.middleware.auth import operator, viewer
from oco_warehouse import recommendation_life as lives
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.recommendation_life import Life, Status

StatusName = Literal["open", "accepted", "dismissed", "realised", "regressed", "expired"]
LeastSavings = Annotated[
    int | None,
    QueryParameter(ge=0, le=1_000_000_000, description="Lowest estimated USD a month"),
]
_COLUMNS: Final = (
    "id::text AS id, provider, account_id, resource_id, resource_type, recommendation_type, title, "
    "description, estimated_monthly_savings, savings_alone, monthly_cost, confidence, "
    "raw_confidence, evidence::text AS evidence, status, status_reason, dismissed_until, "
    "realised_monthly_savings, created_at, opened_at, last_seen_at, accepted_at, realised_at, "
    "measured_at, resolved_at, version"
)
_LIST: Final = f"""
SELECT {_COLUMNS}
FROM oco.optimization_recommendations
WHERE ($1::timestamptz IS NULL OR (created_at, id::text) < ($1, $2))
  AND ($4::text IS NULL OR status = $4)
  AND ($5::text IS NULL OR recommendation_type = $5)
  AND ($6::text IS NULL OR provider = $6)
  AND ($7::text IS NULL OR account_id = $7)
  AND ($8::text IS NULL OR resource_id = $8)
  AND ($9::bigint IS NULL OR estimated_monthly_savings >= $9)
ORDER BY created_at DESC, id::text DESC
LIMIT $3
"""  # noqa: S608 - column names are constants
_ONE: Final = f"SELECT {_COLUMNS} FROM oco.optimization_recommendations WHERE id = $1"  # noqa: S608
_LIFE: Final = """
SELECT status, life, opened_at, seen_since, missed_since, status_reason, dismissed_until,
       accepted_at, realised_at, resolved_at, version
FROM oco.optimization_recommendations
WHERE id = $1
FOR UPDATE
"""
_DECIDE: Final = f"""
UPDATE oco.optimization_recommendations SET
    status = $2, status_reason = $3, dismissed_until = $4, accepted_at = $5, resolved_at = $6,
    version = version + 1
WHERE id = $1
RETURNING {_COLUMNS}
"""  # noqa: S608 - column names are constants
Reason = Annotated[str, told(min_length=1, max_length=lives.MOST_REASON, pattern="^[^\\x00]*$")]


class Decision(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a person decides: `open` takes a decision back; only a dismissal has a reason."""

    status: Literal["accepted", "dismissed", "open"]
    reason: Reason | None = None
    until: datetime | None = None


class Recommendation(msgspec.Struct, kw_only=True):
    """A recommendation as it is answered; amounts are USD a month as decimal text."""

    id: str
    provider: str
    account_id: str
    resource_id: str
    resource_type: str
    recommendation_type: str
    title: str
    description: str
    estimated_monthly_savings: Decimal
    savings_alone: Decimal | None
    monthly_cost: Decimal | None
    confidence: Decimal
    raw_confidence: Decimal | None
    evidence: dict[str, Any]
    status: StatusName
    status_reason: str | None
    dismissed_until: datetime | None
    realised_monthly_savings: Decimal | None
    created_at: datetime
    opened_at: datetime
    last_seen_at: datetime
    accepted_at: datetime | None
    realised_at: datetime | None
    measured_at: datetime | None
    resolved_at: datetime | None
    version: int


class Recommendations(msgspec.Struct):
    """One page of them."""

    items: list[Recommendation]
    next_cursor: str | None


_READ: Final = answers(200, Recommendation, "The recommendation, with its ETag")


class RecommendationController(Controller):
    """`/api/v1/recommendations`."""

    path = "/recommendations"
    tags = ("costs",)

    @get(
        guards=[viewer],
        summary="What could be saved",
        responses=answers(200, Recommendations, "One page"),
    )
    async def list_recommendations(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        status: FromQuery[StatusName | None] = None,
        recommendation_type: Filter = None,
        provider: Filter = None,
        account_id: Filter = None,
        resource_id: Filter = None,
        least_savings: LeastSavings = None,
    ) -> Page:
        """Recommendations of the optimizer and of model calls, newest first.

        Savings of what is open or regressed are netted: their sum can be had.
        """
        at, key = decode_cursor(cursor)
        filters = (recommendation_type, provider, account_id, resource_id)
        rows = await state.services.pool.fetch(
            _LIST, at, key, limit + 1, status, *filters, least_savings
        )
        page = to_page(rows, limit, "created_at", "id")
        page.items = [_plain(item) for item in page.items]
        return page

    @get(
        "/{recommendation_id:str}",
        guards=[viewer],
        summary="One recommendation",
        responses=_READ,
    )
    async def get_recommendation(
        self, state: State, recommendation_id: FromPath[str]
    ) -> Response[dict[str, Any]]:
        """With its ETag."""
        row = await state.services.pool.fetchrow(_ONE, _known(recommendation_id))
        return _answer(row, recommendation_id)

    @patch(
        "/{recommendation_id:str}",
        guards=[operator],
        summary="Accept or dismiss a recommendation",
        responses=_READ | problems(409),
    )
    async def decide(
        self,
        state: State,
        request: Request[Any, Any, Any],
        recommendation_id: FromPath[str],
        data: JSONBody[Decision],
        if_match: IfMatch = None,
    ) -> Response[dict[str, Any]]:
        """Needs `If-Match` with the ETag that was read, so that nobody decides unseen.

        A dismissal needs a reason and holds until `until`, or for good. What was accepted is looked
        for on the bill afterwards.
        """
        wanted = needed(if_match, "recommendation")
        identifier = _known(recommendation_id)
        # What can never be kept is refused whatever stands in the row.
        if data.reason is not None:
            lives.check_reason(data.reason)
        until = None if data.until is None else _moment(data.until)
        async with state.services.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_LIFE, identifier)
            if row is None:
                raise NotFoundError(f"there is no recommendation {recommendation_id}")
            check_unchanged(row, wanted, "recommendation")
            before = _life(row)
            after = _decided(before, data, until, datetime.now(UTC))
            if after == before:
                answer = await connection.fetchrow(_ONE, identifier)
                return _answer(answer, recommendation_id)
            answer = await connection.fetchrow(
                _DECIDE,
                identifier,
                after.status.value,
                after.reason,
                after.dismissed_until,
                after.accepted_at,
                after.resolved_at,
            )
            await audit(
                connection,
                request,
                action=f"recommendation.{_VERBS[data.status]}",
                entity_type="recommendation",
                entity_id=str(identifier),
                details={
                    "before": before.status.value,
                    "reason": data.reason or "",
                    "until": "" if until is None else until.isoformat(),
                },
            )
        return _answer(answer, recommendation_id)


_VERBS: Final = {"accepted": "accept", "dismissed": "dismiss", "open": "reopen"}


def _decided(before: Life, data: Decision, until: datetime | None, now: datetime) -> Life:
    if data.status == "dismissed":
        return lives.dismiss(before, now, data.reason or "", until)
    if data.reason is not None or until is not None:
        raise InvalidInputError("reason and until go with the status dismissed, and only with it")
    return lives.accept(before, now) if data.status == "accepted" else lives.reopen(before)


def _moment(until: datetime) -> datetime:
    if until.tzinfo is None:
        raise InvalidInputError("until must say its zone, as in 2026-11-23T00:00:00Z")
    return in_utc("until", until)


def _life(row: Any) -> Life:
    return Life(
        status=Status(row["status"]),
        number=row["life"],
        opened_at=row["opened_at"],
        seen_since=row["seen_since"],
        missed_since=row["missed_since"],
        reason=row["status_reason"],
        dismissed_until=row["dismissed_until"],
        accepted_at=row["accepted_at"],
        realised_at=row["realised_at"],
        resolved_at=row["resolved_at"],
    )


def _known(recommendation_id: str) -> UUID:
    try:
        return UUID(recommendation_id)
    except ValueError:
        raise NotFoundError("there is no such recommendation") from None


def _answer(row: Any, recommendation_id: str) -> Response[dict[str, Any]]:
    if row is None:
        raise NotFoundError(f"there is no recommendation {recommendation_id}")
    return Response(_plain(answered(row)), headers={"ETag": etag(row)})


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    # Figures keep every digit: they are text or whole numbers.
    item["evidence"] = msgspec.json.decode(item["evidence"])
    return item
