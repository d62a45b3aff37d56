"""Cloud Custodian as the oracle: its own filters on plain documents, without a cloud."""

import copy
import logging
from collections.abc import Sequence
from typing import Any, Final

from c7n.config import Bag, Config
from c7n.ctx import ExecutionContext
from c7n.filters import FilterRegistry
from c7n.filters.core import OPERATORS, AgeFilter
from c7n.manager import ResourceManager

ID: Final = "Id"
logging.getLogger("custodian").setLevel(logging.ERROR)


class _Model:
    id = ID


class _Age(AgeFilter):
    schema: Final = {"type": "object"}
    date_attribute = "StartTime"


class _Manager(ResourceManager):  # type: ignore[misc]
    filter_registry = FilterRegistry("filters")

    def get_model(self) -> type[_Model]:
        return _Model


_Manager.filter_registry.register("age", _Age)
_REMAINDER: Final = OPERATORS["mod"]


def _mod(found: Any, wanted: Any) -> bool:
    # Of a text Cloud Custodian makes a format: `"abc" % []` is "abc", which counts as true. Ours
    # says no, on purpose (docs/policies.md).
    return not isinstance(found, str) and bool(_REMAINDER(found, wanted))


OPERATORS["mod"] = _mod


class RefusedError(Exception):
    """Cloud Custodian refused the filters, or failed on a document."""


def judge(filters: Sequence[Any], documents: Sequence[dict[str, Any]]) -> set[int]:
    """Ids of the documents that Cloud Custodian selects.

    Raises:
        RefusedError: whatever Cloud Custodian raised.
    """
    data = {"filters": copy.deepcopy(list(filters))}
    context = ExecutionContext(None, Bag(name="oracle", provider_name="test"), Config.empty())
    try:
        manager = _Manager(context, data)
        for one in manager.filters:
            one.validate()
        left = manager.filter_resources(copy.deepcopy(list(documents)))
    except Exception as error:
        raise RefusedError(f"{type(error).__name__}: {error}") from error
    return {document[ID] for document in left}
