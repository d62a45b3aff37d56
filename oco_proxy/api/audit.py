"""Who changed what: one line in `oco.audit_log`, in the transaction of the change."""

import json
from typing import Any

from litestar import Request

from oco_proxy.middleware.requests import request_id_of


async def audit(
    connection: Any,
    request: Request[Any, Any, Any],
    *,
    action: str,
    entity_type: str,
    entity_id: str,
    details: dict[str, str],
) -> None:
    """Write one entry; `details` never holds a secret."""
    await connection.execute(
        "INSERT INTO oco.audit_log (actor, action, entity_type, entity_id, request_id, details) "
        "VALUES ($1, $2, $3, $4, $5, $6::text::jsonb)",
        f"token:{request.user.id}",
        action,
        entity_type,
        entity_id,
        request_id_of(request.scope),
        json.dumps(details),
    )
