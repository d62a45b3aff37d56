"""Asks Azure's Cost Management Query API, page by page, through Microsoft's SDK.

`QueryOperations.usage` answers one page and does not follow `nextLink`; the rest is asked for here,
with the same body. Answers are taken as bytes, because the SDK would make floats of amounts. The
SDK's own retries are off: one place waits, as long as the longest of Azure's headers says, within
one bound for the whole reading, and says so. Does not belong here: what is asked and what it means.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from oco_pipelines.ingestion.azure_query_answer import AnswerRow, DamagedAnswer, Page, read_page
from oco_warehouse.errors import (
    ConfigurationError,
    InvalidInputError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse

PUBLIC: Final = "https://management.azure.com"
MAX_PAGES: Final = 10_000
_RETRY_AFTER: Final = re.compile(
    r"(x-ms-ratelimit-microsoft\.costmanagement-\w+-retry-after|retry-after)", re.IGNORECASE
)
# Where a 429 does not say how long, the quota of a minute is used up.
_THROTTLED_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5
_CODE: Final = re.compile(rb'"code"\s*:\s*"([\w.]{1,80})"')
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_DENIED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class AccessDenied(ConfigurationError):
    """Azure knows the identity, or not, and does not let it see these costs."""


@dataclass(slots=True)
class Effort:
    """What a reading has cost so far: requests sent, and seconds waited because Azure said so."""

    requests: int = 0
    pages: int = 0
    waited: float = 0.0


class CostQuery:
    """One scope's costs.

    Args:
        scope: as in `/subscriptions/…`.
        credential: gives tokens.
        endpoint: of Azure's Resource Manager; http:// only on this machine.
        max_wait_seconds: so long is waited at most, all in all.
        log: hears of every wait.
        sleep: waits.
    """

    def __init__(
        self,
        scope: str,
        credential: "TokenCredential",
        endpoint: str = PUBLIC,
        *,
        max_wait_seconds: float = 900.0,
        log: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        from azure.core.pipeline.policies import RetryPolicy
        from azure.mgmt.costmanagement import CostManagementClient

        self.scope = scope.strip("/")
        self.effort = Effort()
        self.log = log
        self._endpoint = urlsplit(endpoint)
        self._max_wait = max_wait_seconds
        self._sleep = sleep
        is_plain = self._endpoint.scheme == "http" and self._endpoint.hostname in _LOOPBACK
        self._options: dict[str, Any] = {"enforce_https": False} if is_plain else {}
        self._client = CostManagementClient(
            credential,
            endpoint,
            credential_scopes=[f"{PUBLIC if is_plain else endpoint.rstrip('/')}/.default"],
            retry_policy=RetryPolicy.no_retries(),
            permit_redirects=False,
            connection_timeout=10,
            read_timeout=300,
        )

    def ask(self, body: bytes, grouping: Sequence[str]) -> list[AnswerRow]:
        """Every row of every page of the answer.

        Raises:
            AccessDenied: when the credential is refused, or has no role on the scope.
            InvalidInputError: when Azure says that the scope or the question is wrong.
            UpstreamThrottled: when Azure wants to be waited for longer than the bound.
            UpstreamError: when it does not answer, or not what was asked.
        """
        page = self._page(body, grouping, None)
        rows, seen = page.rows, set[str]()
        while page.next_link:
            if page.next_link in seen or len(seen) >= MAX_PAGES:
                raise UpstreamError(f"{self.scope}: Azure's pages lead round in a circle")
            seen.add(page.next_link)
            page = self._page(body, grouping, self._own(page.next_link))
            rows += page.rows
        return rows

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _page(self, body: bytes, grouping: Sequence[str], link: str | None) -> Page:
        """One page, asked for again while it is throttled or breaks off."""
        from azure.core.exceptions import (
            IncompleteReadError,
            ServiceRequestError,
            ServiceResponseError,
        )

        broken = (IncompleteReadError, ServiceRequestError, ServiceResponseError, DamagedAnswer)
        failures = 0
        while True:
            self.effort.requests += 1
            try:
                status, headers, answer = self._send(body, link)
                if status == HTTPStatus.OK:
                    page = read_page(answer, grouping)
                    self.effort.pages += 1
                    return page
                if status == HTTPStatus.NO_CONTENT:
                    self.effort.pages += 1
                    return Page([], None)
            except broken as error:
                status, headers, answer = 0, {}, b""
                reason = type(error).__name__
            else:
                reason = f"HTTP {status} {_code(answer)}".rstrip()
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                self._wait(retry_after(headers), "throttled by Azure")
                continue
            if 0 < status < 500 and status != HTTPStatus.REQUEST_TIMEOUT:
                raise _refusal(self.scope, status, answer)
            failures += 1
            if failures >= _ATTEMPTS:
                raise UpstreamUnavailable(
                    f"{self.scope}: Azure did not answer in {_ATTEMPTS} attempts ({reason})"
                )
            self._wait(max(2.0**failures, _told(headers)), f"no whole answer ({reason})")

    def _send(self, body: bytes, link: str | None) -> tuple[int, Mapping[str, str], bytes]:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        if link is None:
            try:
                first: Any = self._client.query.usage(
                    self.scope,
                    BytesIO(body),
                    stream=True,
                    cls=lambda answer, *_: answer.http_response,
                    **self._options,
                )
            except HttpResponseError as error:
                if error.response is None:
                    raise
                refused: Any = error.response
                return _answer(refused)
            return _answer(first)
        request = HttpRequest(
            "POST", link, content=body, headers={"Content-Type": "application/json"}
        )
        return _answer(self._client.send_request(request, stream=True, **self._options))

    def _own(self, link: str) -> str:
        """A link that leads to Azure's own address: the token goes nowhere else."""
        there = urlsplit(link)
        if (there.scheme, there.netloc.lower()) != (
            self._endpoint.scheme,
            self._endpoint.netloc.lower(),
        ):
            raise UpstreamError(
                f"{self.scope}: the next page is at {there.netloc!r}, not at "
                f"{self._endpoint.netloc!r}: it is not asked for"
            )
        return link

    def _wait(self, seconds: float, why: str) -> None:
        if self.effort.waited + seconds > self._max_wait:
            raise UpstreamThrottled(
                f"{self.scope}: {why}; waiting {seconds:g} s more would be over the bound of "
                f"{self._max_wait:g} s ({self.effort.waited:g} s waited, "
                f"{self.effort.requests} requests sent)",
                seconds,
            )
        self.log(f"{self.scope}: {why}: waiting {seconds:g} s")
        self._sleep(seconds)
        self.effort.waited += seconds


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait: the longest that a header of a throttled answer says."""
    return max(_told(headers), 1.0) if _told(headers) else _THROTTLED_SECONDS


def _told(headers: Mapping[str, str]) -> float:
    told = [
        float(value)
        for name, value in headers.items()
        if _RETRY_AFTER.fullmatch(name) and re.fullmatch(r"\d{1,6}(\.\d+)?", value.strip())
    ]
    return max(told, default=0.0)


def _answer(response: "HttpResponse") -> tuple[int, Mapping[str, str], bytes]:
    return response.status_code, response.headers, response.read()


def _code(answer: bytes) -> str:
    """Azure's word for an error; its sentences are in the reader's language, and may quote."""
    found = _CODE.findall(answer[:20_000])
    return found[0].decode() if found else ""


def _sentence(answer: bytes) -> str:
    """What Azure says about a wrong question, in its language: which name it does not know."""
    try:
        said = json.loads(answer.decode("utf-8-sig"))["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {' '.join(str(said).split())[:300]}"


def _refusal(scope: str, status: int, answer: bytes) -> Exception:
    said = f"HTTP {status} {_code(answer)}".rstrip()
    if status in _DENIED:
        return AccessDenied(
            f"{scope}: access is denied ({said}): give the identity the role "
            "Cost Management Reader on this scope"
        )
    return InvalidInputError(
        f"{scope}: Azure refuses the question ({said}{_sentence(answer)}): check the scope, and "
        "that its agreement offers costs"
    )
