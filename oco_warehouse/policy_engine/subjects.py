"""What policies judge: an identity, a document, and how both come out of the warehouse."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from oco_warehouse.database import Connection
from oco_warehouse.errors import PolicyRunError
from oco_warehouse.policy_engine.batch import Batch

BATCH_ROWS: Final = 5000
# Who owns what carries one of these tags, the first that is there.
_OWNER_TAGS: Final = ("owner", "Owner", "OWNER")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a violation is about.

    Attributes:
        provider: short name, or `oco` for what is no provider's.
        account_id: account, cluster, or kind of budget; empty where there is none.
        resource_id: identifier in the account, or what a group is of.
        name: for people.
        owner: who is to mend it, where its tags say so.
        facts: what a violation's evidence quotes.
    """

    provider: str
    account_id: str
    resource_id: str
    name: str
    owner: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join(part for part in (self.provider, self.account_id, self.resource_id) if part)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Subjects that come together; the rows of the batch are theirs, in order.

    Attributes:
        untold: rows whose tags are unknown: no policy that looks at tags judges them.
    """

    subjects: Sequence[Subject]
    batch: Batch
    untold: frozenset[int] = frozenset()

    def rows(self, *, looks_at_tags: bool) -> Sequence[int]:
        """Rows that a policy judges."""
        every = range(len(self.subjects))
        if not looks_at_tags or not self.untold:
            return every
        return [row for row in every if row not in self.untold]


def owner_of(tags: Mapping[str, Any]) -> str | None:
    """Who the tags say owns it."""
    for key in _OWNER_TAGS:
        if tags.get(key):
            return str(tags[key])
    return None


@contextmanager
def readable(connection: Connection, what: str) -> Iterator[None]:
    """Read one thing; what goes wrong ends neither the transaction nor the judging of others.

    Raises:
        PolicyRunError: naming what could not be read.
    """
    try:
        with connection.transaction():
            yield
    except psycopg.errors.UndefinedTable:
        raise PolicyRunError(f"{what} cannot be read: the marts are not built yet") from None
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise PolicyRunError(f"{what} cannot be read: {said}") from error
