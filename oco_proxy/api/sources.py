"""Cloud accounts that the pipelines read by themselves, beside those of the file OCO_SOURCES."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, delete, get, post, put
from litestar.datastructures import State
from litestar.params import FromPath, JSONBody

from oco_proxy.api.audit import audit
from oco_proxy.api.document import answers, problems
from oco_proxy.api.fields import told
from oco_proxy.api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    Limit,
    Page,
    newest_page,
)
from oco_proxy.middleware.auth import operator
from oco_warehouse.cloud_accounts.account_file import load_file
from oco_warehouse.cloud_accounts.stored import (
    credentials_folder,
    join,
    parse_stored,
    refuse_clash,
)
from oco_warehouse.errors import InvalidInputError, NotFoundError
from oco_warehouse.settings import Settings

_COLUMNS: Final = (
    "id::text AS id, name, provider, kind, options, credentials, problem, created_at, updated_at"
)
_MAX_TEXT: Final = 2000
# One writer at a time: each new account is held against all others.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('source_accounts', 0))"

Text = Annotated[str, told(max_length=_MAX_TEXT, pattern="^[^\\x00]*$")]
Option = bool | int | Text | list[Text]


class SourceSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A cloud account, as docs/sources.md describes it.

    `credentials` says where the secret is, never what it is: `from` is `instance_role`, or
    `environment` with variables that begin with `OCO_SOURCE_`, or `file` with the name of a file in
    the folder `credentials` of the pipelines' OCO_HOME.
    """

    name: Annotated[str, told(pattern="^[a-z0-9][a-z0-9_-]{0,62}$")]
    provider: Text
    kind: Text
    options: dict[str, Option] = msgspec.field(default_factory=dict)
    credentials: dict[str, Text]


class Source(msgspec.Struct, kw_only=True):
    """An account as it is answered; `problem` says why the pipelines do not read it."""

    id: str
    name: str
    provider: str
    kind: str
    options: dict[str, bool | int | str | list[str]]
    credentials: dict[str, str]
    problem: str | None
    created_at: datetime
    updated_at: datetime


class Sources(msgspec.Struct):
    """One page of them."""

    items: list[Source]
    next_cursor: str | None


class SourceController(Controller):
    """`/api/v1/sources`."""

    path = "/sources"
    tags = ("costs",)

    @get(
        guards=[operator],
        summary="All accounts of the API, newest first",
        responses=answers(200, Sources, "One page"),
    )
    async def list_sources(
        self, state: State, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Page:
        """Those of the file OCO_SOURCES are not among them."""
        page = await newest_page(
            state.services.pool, "oco.source_accounts", _COLUMNS, cursor, limit
        )
        page.items = [_told(item) for item in page.items]
        return page

    @post(
        guards=[operator],
        summary="Add an account",
        responses=answers(201, Source, "The account") | problems(409),
    )
    async def add_source(
        self, state: State, request: Request[Any, Any, Any], data: JSONBody[SourceSettings]
    ) -> dict[str, Any]:
        """The pipelines read it from their next start on."""
        return await _write(
            state,
            request,
            "source.create",
            "INSERT INTO oco.source_accounts (name, provider, kind, options, credentials) "  # noqa: S608
            "VALUES ($1, $2, $3, $4::text::jsonb, $5::text::jsonb) "
            f"RETURNING {_COLUMNS}",
            data,
        )

    @put(
        "/{source_id:uuid}",
        guards=[operator],
        summary="Replace an account",
        responses=answers(200, Source, "The account") | problems(409),
    )
    async def replace_source(
        self,
        state: State,
        request: Request[Any, Any, Any],
        source_id: FromPath[UUID],
        data: JSONBody[SourceSettings],
    ) -> dict[str, Any]:
        """Its name, provider and kind stay: its costs are called by them."""
        return await _write(
            state,
            request,
            "source.update",
            "UPDATE oco.source_accounts SET options = $4::text::jsonb, "  # noqa: S608
            "credentials = $5::text::jsonb, problem = NULL, updated_at = now() "
            "WHERE id = $6 AND (name, provider, kind) = ($1, $2, $3) "
            f"RETURNING {_COLUMNS}",
            data,
            source_id,
        )

    @delete("/{source_id:uuid}", guards=[operator], summary="Remove an account")
    async def remove_source(
        self, state: State, request: Request[Any, Any, Any], source_id: FromPath[UUID]
    ) -> None:
        """Costs that were read stay."""
        async with state.services.pool.acquire() as connection, connection.transaction():
            name = await connection.fetchval(
                "DELETE FROM oco.source_accounts WHERE id = $1 RETURNING name", source_id
            )
            if name is None:
                raise NotFoundError(f"there is no source {source_id}")
            await _audit(connection, request, "source.delete", str(source_id), {"name": name})


async def _write(
    state: State,
    request: Request[Any, Any, Any],
    action: str,
    statement: str,
    data: SourceSettings,
    *key: UUID,
) -> dict[str, Any]:
    settings: Settings = state.services.settings
    entry = msgspec.to_builtins(data)
    if "\x00" in json.dumps(entry, ensure_ascii=False) or "\\u0000" in json.dumps(entry):
        raise InvalidInputError("an account must not have NUL characters")
    folder = credentials_folder(settings.home)
    account = parse_stored(entry, folder)
    # A file of any length; no call waits for it.
    of_file = await asyncio.to_thread(load_file, settings)
    async with state.services.pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOCK)
        rows = await connection.fetch(f"SELECT {_COLUMNS} FROM oco.source_accounts")  # noqa: S608
        if key:
            _check_kept(rows, data, key[0])
        others = [_told(row) for row in rows if row["id"] not in {str(one) for one in key}]
        accounts, _ = join(of_file, others, folder)
        refuse_clash(account, accounts, [one.name for one in of_file])
        row = await connection.fetchrow(
            statement,
            data.name,
            data.provider,
            data.kind,
            json.dumps(entry["options"]),
            json.dumps(entry["credentials"]),
            *key,
        )
        details = {"name": data.name, "provider": data.provider, "kind": data.kind}
        await _audit(connection, request, action, row["id"], details)
    return _told(row)


def _check_kept(rows: list[Any], data: SourceSettings, source_id: UUID) -> None:
    """Costs in the warehouse are called by name, provider and kind of their account."""
    found = next((row for row in rows if row["id"] == str(source_id)), None)
    if found is None:
        raise NotFoundError(f"there is no source {source_id}")
    for field in ("name", "provider", "kind"):
        if found[field] != getattr(data, field):
            raise InvalidInputError(
                f"{field} must stay {found[field]}: costs that were read are called by it"
            )


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    told = dict(row)
    for name in ("options", "credentials"):
        if isinstance(told[name], str):
            told[name] = json.loads(told[name])
    return told


async def _audit(
    connection: Any,
    request: Request[Any, Any, Any],
    action: str,
    source_id: str,
    details: dict[str, str],
) -> None:
    await audit(
        connection,
        request,
        action=action,
        entity_type="source",
        entity_id=source_id,
        details=details,
    )
