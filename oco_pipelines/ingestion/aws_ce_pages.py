"""Every page of an answer of Cost Explorer, however often AWS asks to slow down.

boto3 has no paginator for it. Each page is paid for: who asks decides to ask again, and says so.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from oco_pipelines.ingestion.aws_access import aws_failures
from oco_pipelines.ingestion.aws_ce_request import Query
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.errors import UpstreamError, UpstreamUnavailable

# 1, 2, 4 … seconds and at most a minute between them: some four minutes in all.
ATTEMPTS: Final = 9
_LONGEST_WAIT_SECONDS: Final = 60
_MAX_PAGES: Final = 5_000

Say = Callable[[str], object]
Sleep = Callable[[float], object]


def read_pages(
    account: Account,
    client: Any,
    query: Query,
    say: Say = lambda _: None,
    sleep: Sleep = time.sleep,
) -> Iterator[dict[str, Any]]:
    """The pages of the answer to a question, in order.

    Args:
        account: for messages.
        client: of Cost Explorer.
        query: what is asked.
        say: told of every wait.
        sleep: instead of `time.sleep`.

    Raises:
        OpenCloudOpsError: as `aws_failures` raises; also when the pages do not end.
    """
    where = f"account {account.name}: ce:{query.operation}"
    request, seen = dict(query.request), set[str]()
    while len(seen) < _MAX_PAGES:
        page = _ask(where, client, query, request, say, sleep)
        yield page
        token = page.get("NextPageToken")
        if not token:
            return
        if token in seen:
            raise UpstreamUnavailable(f"{where}: the pages of the answer do not end")
        seen.add(token)
        request["NextPageToken"] = token
    raise UpstreamUnavailable(f"{where}: the answer has more than {_MAX_PAGES} pages")


def _ask(
    where: str, client: Any, query: Query, request: dict[str, Any], say: Say, sleep: Sleep
) -> dict[str, Any]:
    """One page; waits as long as AWS asks to slow down or does not answer, and says so."""
    ask = (
        client.get_cost_and_usage_with_resources
        if query.part == "resources"
        else client.get_cost_and_usage
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with aws_failures(where):
                page: dict[str, Any] = ask(**request)
                return page
        except UpstreamError as error:
            if attempt == ATTEMPTS:
                raise
            wait = min(2 ** (attempt - 1), _LONGEST_WAIT_SECONDS)
            say(f"{error}: attempt {attempt} of {ATTEMPTS}, the next one in {wait} s")
            sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")
