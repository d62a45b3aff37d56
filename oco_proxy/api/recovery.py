"""Recovery plans: asked for here, previewed and carried out by the pipelines, exactly once.

Nothing here reaches a cluster: requests are written into the warehouse, where pipelines find them.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, HeaderParameter, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.fields import Name, answered, told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Filter,
    Limit,
    Page,
    decode_cursor,
    to_page,
)
from oco_proxy.api.recovery_shapes import Drills, Plan, Plans
from oco_proxy.middleware.auth import operator, viewer
from oco_proxy.middleware.requests import request_id_of
from oco_warehouse.errors import ConflictError, InvalidInputError, NotFoundError
from oco_warehouse.recovery_rules import (
    MOST_NAMESPACES,
    RESOURCE_POLICIES,
    STATUSES,
    Known,
    RecoveryRequest,
    check_request,
    protection_problems,
    record_problems,
    wants_approval,
    wants_cancelling,
    wants_execution,
)

_MADE: Final = (
    "backup_id::text",
    "target_cluster",
    "namespaces",
    "namespace_mapping::text",
    "existing_resource_policy",
)
_COLUMNS: Final = (
    f"plan.id::text, {', '.join(f'plan.{name}' for name in _MADE)}, plan.purpose, plan.status, "
    "plan.preview::text, plan.previewed_at, plan.waiting_for, plan.restore_name, "
    "plan.restore_phase, plan.items_total, plan.items_restored, plan.errors, plan.warnings, "
    "plan.verification::text, plan.failure_reason, plan.requested_by, plan.approved_by, "
    "plan.created_at, plan.approved_at, plan.execution_requested_at, plan.started_at, "
    "plan.completed_at"
)
_JSON: Final = ("namespace_mapping", "preview", "verification")
_LIST: Final = f"""
SELECT {_COLUMNS} FROM oco.recovery_plans AS plan
WHERE ($1::timestamptz IS NULL OR (plan.created_at, plan.id::text) < ($1, $2))
  AND ($4::text IS NULL OR plan.status = $4)
  AND ($5::text IS NULL OR plan.target_cluster = $5)
ORDER BY plan.created_at DESC, plan.id::text DESC
LIMIT $3
"""  # noqa: S608 - column names are constants
_ONE: Final = f"""
SELECT {_COLUMNS}, record.cluster AS source_cluster, record.backup_name, record.usable,
       record.sound, record.usable_reason, record.vanished_at, record.expires_at
FROM oco.recovery_plans AS plan
JOIN oco.backup_records AS record ON record.id = plan.backup_id
WHERE plan.id = $1
"""  # noqa: S608 - column names are constants
_DRILLS: Final = """
SELECT drill.id::text, drill.policy_id::text, policy.name AS policy_name, drill.due_at,
       drill.requested_by, drill.cluster, drill.status, drill.reason,
       drill.backup_id::text, drill.plan_id::text,
       extract(epoch FROM drill.measured_rto)::text AS measured_rto_seconds,
       drill.started_at, drill.completed_at, drill.cleaned_at
FROM oco.dr_drills AS drill JOIN oco.dr_policies AS policy ON policy.id = drill.policy_id
WHERE ($1::timestamptz IS NULL OR (drill.started_at, drill.id::text) < ($1, $2))
  AND ($4::text IS NULL OR drill.status = $4)
ORDER BY drill.started_at DESC, drill.id::text DESC
LIMIT $3
"""
_BACKUP_COLUMNS: Final = (
    "source_cluster",
    "backup_name",
    "usable",
    "sound",
    "usable_reason",
    "vanished_at",
    "expires_at",
)
# Text of a namespace; what it must be is said and checked where every layer checks it.
_Namespace = Annotated[
    str, told(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=200,
        description="A repeated request with it means the plan that the first one made",
    ),
]


class NewPlan(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to be restored, and where."""

    backup_id: UUID
    target_cluster: Name
    namespaces: Annotated[list[_Namespace], told(min_items=1, max_items=MOST_NAMESPACES)]
    namespace_mapping: dict[str, str] = {}
    existing_resource_policy: Annotated[str, told(enum=list(RESOURCE_POLICIES))] = "none"


class RecoveryController(Controller):
    """`/api/v1/recovery`."""

    path = "/recovery"
    tags = ("resilience",)

    @post(
        "/plans",
        guards=[operator],
        summary="Plan a recovery",
        status_code=202,
        responses=answers(202, Plan, "The pending plan; its preview follows") | problems(404, 409),
    )
    async def make_plan(
        self,
        state: State,
        request: Request[Any, Any, Any],
        data: JSONBody[NewPlan],
        idempotency_key: Key = None,
    ) -> Response[dict[str, Any]]:
        """Checked now against what is known; the pipelines fill in the preview."""
        wanted = RecoveryRequest(
            str(data.backup_id),
            data.target_cluster,
            tuple(data.namespaces),
            data.namespace_mapping,
            data.existing_resource_policy,
        )
        who = f"token:{request.user.id}"
        async with state.services.pool.acquire() as connection, connection.transaction():
            if idempotency_key is not None:
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                    f"recovery {who} {idempotency_key}",
                )
                before = await connection.fetchval(
                    "SELECT id FROM oco.recovery_plans "
                    "WHERE requested_by = $1 AND idempotency_key = $2",
                    who,
                    idempotency_key,
                )
                if before is not None:
                    return _answer(_same(await _read(connection, before), wanted), 202)
            check_request(wanted, await _known(connection, wanted))
            made = await connection.fetchval(
                "INSERT INTO oco.recovery_plans (backup_id, target_cluster, namespaces, "
                "namespace_mapping, existing_resource_policy, requested_by, idempotency_key) "
                "VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7) RETURNING id",
                data.backup_id,
                data.target_cluster,
                data.namespaces,
                json.dumps({home: to for home, to in wanted.targets.items() if home != to}),
                data.existing_resource_policy,
                who,
                idempotency_key,
            )
            await audit(
                connection,
                request,
                action="recovery_plan.requested",
                entity_type="recovery_plan",
                entity_id=str(made),
                details={"backup": wanted.backup_id},
            )
            return _answer(await _read(connection, made), 202)

    @get(
        "/plans",
        guards=[viewer],
        summary="Recovery plans, newest first",
        responses=answers(200, Plans, "One page"),
    )
    async def list_plans(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        status: Filter = None,
        target_cluster: Filter = None,
    ) -> Page:
        """Drills have plans, too."""
        if status is not None and status not in STATUSES:
            raise InvalidInputError(f"status must be one of {', '.join(STATUSES)}")
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(_LIST, at, key, limit + 1, status, target_cluster)
        page = to_page(rows, limit, "created_at", "id")
        page.items = [_plain(item) for item in page.items]
        return page

    @get(
        "/plans/{plan_id:uuid}",
        guards=[viewer],
        summary="One recovery plan",
        responses=answers(200, Plan, "The plan, its preview and its progress"),
    )
    async def get_plan(self, state: State, plan_id: FromPath[UUID]) -> Response[dict[str, Any]]:
        """Its preview is empty and `previewed_at` null until the pipelines have made it."""
        return _answer(await _read(state.services.pool, plan_id))

    @post(
        "/plans/{plan_id:uuid}/approve",
        guards=[operator],
        summary="Approve a recovery plan",
        status_code=200,
        responses=answers(200, Plan, "The approved plan") | problems(409),
    )
    async def approve(
        self, state: State, request: Request[Any, Any, Any], plan_id: FromPath[UUID]
    ) -> Response[dict[str, Any]]:
        """What was seen is what is approved: a plan never changes. Again changes nothing."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            plan = await _read(connection, plan_id, lock=True)
            if wants_approval(plan):
                await _refuse_what_must_not_be(connection, plan)
                await _step(connection, request, plan, "approved")
            return _answer(await _read(connection, plan_id))

    @post(
        "/plans/{plan_id:uuid}/cancel",
        guards=[operator],
        summary="Cancel a recovery plan",
        status_code=200,
        responses=answers(200, Plan, "The cancelled plan") | problems(409),
    )
    async def cancel(
        self, state: State, request: Request[Any, Any, Any], plan_id: FromPath[UUID]
    ) -> Response[dict[str, Any]]:
        """Before it is executed; a restore cannot be called back. Again changes nothing."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            plan = await _read(connection, plan_id, lock=True)
            if wants_cancelling(plan):
                await _step(connection, request, plan, "cancelled")
            return _answer(await _read(connection, plan_id))

    @post(
        "/execute/{plan_id:uuid}",
        guards=[operator],
        summary="Execute an approved recovery plan",
        status_code=202,
        responses=answers(202, Plan, "The plan; its progress follows") | problems(409),
    )
    async def execute(
        self, state: State, request: Request[Any, Any, Any], plan_id: FromPath[UUID]
    ) -> Response[dict[str, Any]]:
        """One restore is made, however often this is called."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            plan = await _read(connection, plan_id, lock=True)
            if wants_execution(plan):
                await _refuse_what_must_not_be(connection, plan)
                await connection.execute(
                    "UPDATE oco.recovery_plans SET execution_requested_at = now() WHERE id = $1",
                    plan_id,
                )
                await audit(
                    connection,
                    request,
                    action="recovery_plan.execution_requested",
                    entity_type="recovery_plan",
                    entity_id=str(plan_id),
                    details={},
                )
            return _answer(await _read(connection, plan_id), 202)

    @get(
        "/drills",
        guards=[viewer],
        summary="Restore drills, newest first",
        responses=answers(200, Drills, "One page"),
    )
    async def list_drills(
        self,
        state: State,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
        status: Filter = None,
    ) -> Page:
        """What was proved, how long the restore took, and why a drill failed."""
        at, key = decode_cursor(cursor)
        rows = await state.services.pool.fetch(_DRILLS, at, key, limit + 1, status)
        return to_page(rows, limit, "started_at", "id")


async def _read(connection: Any, plan_id: UUID, *, lock: bool = False) -> dict[str, Any]:
    row = await connection.fetchrow(f"{_ONE} FOR UPDATE OF plan" if lock else _ONE, plan_id)
    if row is None:
        raise NotFoundError(f"there is no recovery plan {plan_id}")
    return _plain(answered(row))


async def _step(
    connection: Any, request: Request[Any, Any, Any], plan: dict[str, Any], status: str
) -> None:
    await connection.execute(
        "SELECT oco.step_recovery_plan($1::text::uuid, $2, $3, '{}', $4)",
        plan["id"],
        status,
        f"token:{request.user.id}",
        request_id_of(request.scope),
    )


async def _refuse_what_must_not_be(connection: Any, plan: dict[str, Any]) -> None:
    """Since the plan was made its backup may have expired, or its target may be protected now."""
    mapping = plan["namespace_mapping"]
    targets = [mapping.get(name, name) for name in plan["namespaces"]]
    against = [
        *record_problems(
            plan, datetime.now(UTC), elsewhere=plan["target_cluster"] != plan["source_cluster"]
        ),
        *protection_problems(plan["target_cluster"], targets, await _protected(connection)),
    ]
    if against:
        raise InvalidInputError(f"recovery plan {plan['id']}: {'; '.join(against)}")


async def _known(connection: Any, wanted: RecoveryRequest) -> Known:
    record = await connection.fetchrow(
        "SELECT * FROM oco.backup_records WHERE id = $1::text::uuid", wanted.backup_id
    )
    if record is None:
        raise NotFoundError(f"there is no backup {wanted.backup_id}")
    rows = await connection.fetch(
        "SELECT cluster FROM oco.recovery_targets UNION SELECT cluster FROM oco.dr_policies "
        "UNION SELECT cluster FROM oco.backup_records"
    )
    return Known(
        record=dict(record),
        protected=await _protected(connection),
        clusters={row["cluster"] for row in rows},
        now=datetime.now(UTC),
    )


async def _protected(connection: Any) -> list[tuple[str, list[str]]]:
    rows = await connection.fetch("SELECT cluster, namespaces FROM oco.protected_namespaces")
    return [(row["cluster"], row["namespaces"]) for row in rows]


def _same(plan: dict[str, Any], wanted: RecoveryRequest) -> dict[str, Any]:
    mapping = {home: to for home, to in wanted.targets.items() if home != to}
    asked = {
        "backup_id": wanted.backup_id,
        "target_cluster": wanted.target_cluster,
        "namespaces": list(wanted.namespaces),
        "namespace_mapping": mapping,
        "existing_resource_policy": wanted.existing_resource_policy,
    }
    if any(plan[name] != value for name, value in asked.items()):
        raise ConflictError(f"the Idempotency-Key made recovery plan {plan['id']}, which differs")
    return plan


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, **{name: json.loads(item[name]) for name in _JSON}}


def _answer(plan: dict[str, Any], status: int = 200) -> Response[dict[str, Any]]:
    shown = {name: value for name, value in plan.items() if name not in _BACKUP_COLUMNS}
    headers = {"Location": f"/api/v1/recovery/plans/{plan['id']}"} if status == 202 else {}
    return Response(shown, status_code=status, headers=headers)
