"""The gateway's own answers on the proxied paths: one refusal, in our shape or the provider's.

The official SDKs show their users a message only when `error` is an object; `OCO_ERROR_SHAPE`
chooses. Money is decimal text, so that no digit is lost on the way.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any, Final, Literal

import msgspec

from oco_proxy.budget.verdicts import BudgetExceeded, RateLimited
from oco_proxy.middleware.problems import problem_body
from oco_proxy.proxy.headers import RawHeaders
from oco_proxy.proxy.providers import DialectName
from oco_warehouse.money import format_usd, plain

_TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    404: "Not found",
    408: "Request timeout",
    413: "Too large",
    415: "Unsupported encoding",
    429: "Too many requests",
    502: "The provider failed",
    503: "Not available",
    504: "The provider did not answer in time",
}
# What a provider's SDK expects beside the status, by status.
_ANTHROPIC_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_GOOGLE_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# Calls under way end within seconds, and their reservations with them.
_ROOM_SECONDS: Final = 1
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """An answer that the gateway gives by itself.

    Attributes:
        status: HTTP status.
        code: stable word for machines, as in `api_requests.error_type`.
        message: one sentence for people, without anything of the request's content.
        fields: further members of the body.
        retry_after: seconds after which a repeat may help; None says nothing about it.
        retry: whether an SDK should repeat the request by itself; None leaves it to the SDK.
    """

    status: int
    code: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    retry: bool | None = None

    def headers(self, content_type: str) -> RawHeaders:
        """Headers of the answer."""
        headers = [(b"content-type", content_type.encode())]
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        if self.retry is not None:
            headers.append((b"x-should-retry", b"true" if self.retry else b"false"))
        return headers

    def body(
        self,
        shape: Literal["oco", "provider"],
        request_id: str,
        dialect: DialectName = "openai",
    ) -> tuple[str, bytes]:
        """(content type, body) of the answer; `dialect` says whose shape the provider's is."""
        if shape == "provider":
            return "application/json", msgspec.json.encode(self._as_provider(dialect))
        if self.status == 429:
            return "application/json", msgspec.json.encode(
                {"error": self.code, **self.fields, "message": self.message}
            )
        return "application/problem+json", problem_body(
            status=self.status,
            code=self.code,
            title=_TITLES.get(self.status, "Refused"),
            detail=self.message,
            request_id=request_id,
            extra=self.fields,
        )

    def _as_provider(self, dialect: DialectName) -> dict[str, Any]:
        if dialect == "anthropic":
            kind = _ANTHROPIC_TYPES.get(self.status, "api_error")
            return {
                "type": "error",
                "error": {
                    "type": kind,
                    "message": self.message,
                    "code": self.code,
                    **self.fields,
                },
            }
        if dialect == "gemini":
            details = {"@type": _ERROR_INFO, "reason": self.code.upper(), "domain": "oco"}
            metadata = {name: str(value) for name, value in self.fields.items()}
            return {
                "error": {
                    "code": self.status,
                    "message": self.message,
                    "status": _GOOGLE_STATUSES.get(self.status, "UNKNOWN"),
                    "details": [{**details, "metadata": metadata}],
                }
            }
        named = {"message": self.message, "type": self.code, "code": self.code, "param": None}
        return {"error": {**named, **self.fields}}


def over_budget(error: BudgetExceeded, now: datetime) -> Refusal:
    """The refusal of a request whose worst case finds no room."""
    budget, resets_at = error.budget, error.period.end
    wait = ceil((resets_at - now).total_seconds())
    return Refusal(
        429,
        "budget_exceeded",
        _why_over(error),
        {
            "scope": budget.scope,
            "entity_id": budget.entity_id,
            "limit_usd": plain(budget.limit_usd),
            "spent_usd": plain(error.spent_usd),
            "reserved_usd": plain(error.reserved_usd),
            "requested_usd": plain(error.wanted_usd),
            "period": budget.period,
            "resets_at": resets_at.isoformat(),
        },
        retry_after=_ROOM_SECONDS if error.passes_later else max(1, wait),
        retry=error.passes_later,
    )


def _why_over(error: BudgetExceeded) -> str:
    budget = error.budget
    whose = f"The {_period_name(budget.period)} budget of {budget.scope} {budget.entity_id}"
    spent = f"{format_usd(error.spent_usd)} of {format_usd(budget.limit_usd)} is spent"
    cost = f"this request could cost up to {format_usd(error.wanted_usd)}"
    if error.passes_later:
        return (
            f"{whose} has no room while other calls are under way: {spent}, "
            f"{format_usd(error.reserved_usd)} is reserved for them, and {cost}. "
            f"Try again in {_ROOM_SECONDS} s; a smaller max_tokens reserves less."
        )
    resets = f"It resets at {error.period.end:%Y-%m-%d %H:%M} UTC."
    left = budget.limit_usd - error.spent_usd
    if left <= 0:
        return f"{whose} is used up: {spent}. {resets}"
    return (
        f"{whose} has {format_usd(left)} left, and {cost}: {spent}. "
        f"Send a smaller max_tokens or a shorter prompt. {resets}"
    )


def unpriced(what: str, where: str) -> Refusal:
    """The refusal under a hard budget of a call whose worst case is not known.

    Args:
        what: the part of it that has no price.
        where: the table that a price can be added to; empty where none helps.
    """
    remedy = f"add it to {where} or make the budget soft" if where else "make the budget soft"
    return Refusal(
        400,
        "unpriced_model",
        f"The price of {what} is not known, so a hard budget of this caller cannot be held; "
        f"{remedy}.",
    )


def rate_limited(error: RateLimited) -> Refusal:
    """The refusal of a request that comes too soon; SDKs repeat it by themselves."""
    wait = max(1, ceil(error.wait_seconds))
    what = error.what.replace("_", " ")
    return Refusal(
        429,
        "rate_limited",
        f"The limit of {error.most} {what} of {error.scope} {error.entity_id} is reached; "
        f"try again in {wait} s.",
        {
            "scope": error.scope,
            "entity_id": error.entity_id,
            "limit": error.what,
            "limit_value": error.most,
            "retry_after_seconds": wait,
        },
        retry_after=wait,
    )


def _period_name(period: str) -> str:
    return {
        "day": "daily",
        "week": "weekly",
        "month": "monthly",
        "quarter": "quarterly",
        "year": "yearly",
    }.get(period, period)
