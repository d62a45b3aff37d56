"""Collections of a Kubernetes API: read page by page, and anew where a page has expired (410).

See "Retrieving large results sets in chunks" in Kubernetes' page on API concepts.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from oco_warehouse.errors import UpstreamUnavailable

Json = dict[str, Any]

PAGE_SIZE: Final = 250
MOST_PAGES: Final = 4_000
MOST_RELISTS: Final = 3


class PageExpiredError(Exception):
    """The page asked for has been compacted away."""


def whole_list(where: str, read_page: Callable[[str], Json]) -> list[Json]:
    """Every object of a collection.

    Args:
        where: names cluster and collection in errors.
        read_page: answers the page after a continue token, the first for none; raises
            PageExpiredError where that has expired.

    Raises:
        UpstreamUnavailable: when lists expire again and again, or do not end.
    """
    for _ in range(MOST_RELISTS):
        try:
            return list(_pages(where, read_page))
        except PageExpiredError:
            continue
    raise UpstreamUnavailable(f"{where}: its lists expire before they end")


def _pages(where: str, read_page: Callable[[str], Json]) -> Iterator[Json]:
    token = ""
    for _ in range(MOST_PAGES):
        page = read_page(token)
        yield from page.get("items") or ()
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return
    raise UpstreamUnavailable(f"{where}: its pages do not end")
