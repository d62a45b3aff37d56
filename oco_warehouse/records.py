"""Rows that both wings write and read, as plain typed values.

Belongs here: a row's fields, in the order of its table, and its one-line JSON form. Does not belong
here: SQL, connections, or anything that decides.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from oco_warehouse.errors import InvalidInputError
from oco_warehouse.pricing import CostStatus

SCOPES: Final = ("agent", "team", "user", "org")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls: the scopes that spend is attributed to and limited by; None when not said."""

    agent_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    org_id: str | None = None

    def scopes(self) -> list[tuple[str, str]]:
        """(scope, entity id) of everything that is known, as budgets name them."""
        ids = (self.agent_id, self.team_id, self.user_id, self.org_id)
        return [(scope, entity) for scope, entity in zip(SCOPES, ids, strict=True) if entity]


class RequestRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of `oco.api_requests`; the column comments there say what each field means.

    A Struct, because one is made, written and read again for every call.
    """

    id: str
    provider: str
    endpoint: str
    model: str
    agent_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    org_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: Decimal | None
    input_cost_usd: Decimal | None
    output_cost_usd: Decimal | None
    cost_status: CostStatus
    price_version: str | None = None
    service_tier: str | None = None
    requested_service_tier: str | None = None
    stream: bool = False
    latency_ms: int = 0
    ttft_ms: int | None = None
    overhead_us: int | None = None
    status_code: int
    error_type: str | None = None
    was_routed: bool = False
    original_model: str | None = None
    routed_model: str | None = None
    savings_usd: Decimal | None = None
    routing_policy_id: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    gateway_id: str = ""
    timestamp: datetime

    def scopes(self) -> list[tuple[str, str]]:
        """(scope, entity id) of every budget that this row may move, tags included."""
        ids = (self.agent_id, self.team_id, self.user_id, self.org_id)
        scopes = [(scope, entity) for scope, entity in zip(SCOPES, ids, strict=True) if entity]
        if self.tags:
            scopes += [(f"tag:{name}", value) for name, value in self.tags.items() if value]
        return scopes

    def to_json(self) -> bytes:
        """One line of JSON without its line end; money as decimal text, the time as ISO 8601."""
        return _ENCODER.encode(self)

    @classmethod
    def from_json(cls, line: bytes) -> "RequestRecord":
        """Read `to_json` back.

        Raises:
            InvalidInputError: when the line is not a record of this version.
        """
        try:
            record = _DECODER.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            reason = type(error).__name__
            raise InvalidInputError(f"a spooled request record cannot be read ({reason})") from None
        if record.timestamp.tzinfo is not UTC:
            record = msgspec.structs.replace(record, timestamp=record.timestamp.astimezone(UTC))
        return record


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(RequestRecord)
REQUEST_COLUMNS: Final = RequestRecord.__struct_fields__
# What `to_json` leaves out, for whoever reads its lines by other means.
REQUEST_DEFAULTS: Final = msgspec.json.encode({
    field.name: field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    for field in msgspec.structs.fields(RequestRecord)
    if not field.required
})  # fmt: skip
