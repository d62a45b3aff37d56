"""Fetches the ECB's file from the address that the settings name."""

from typing import Final

import httpx

from oco_warehouse.errors import InvalidInputError, UpstreamUnavailable

_TIMEOUT_SECONDS: Final = 30.0
_LARGEST: Final = 20 * 1024 * 1024


def fetch_file(url: str) -> bytes:
    """The file as it is, asked for once: who calls decides about another try.

    Raises:
        InvalidInputError: when the answer says that there is no such file, or it is too large.
        UpstreamUnavailable: when there is no answer, a broken one, or a 5xx or 429.
    """
    content = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_TIMEOUT_SECONDS, follow_redirects=True) as answer:
            if answer.status_code >= 500 or answer.status_code == 429:
                raise UpstreamUnavailable(f"{url} answered {answer.status_code}: try again later")
            if answer.status_code != 200:
                raise InvalidInputError(
                    f"{url} answered {answer.status_code}: check OCO_EXCHANGE_RATES_URL"
                )
            for block in answer.iter_bytes():
                content += block
                if len(content) > _LARGEST:
                    raise InvalidInputError(f"{url}: more than {_LARGEST} bytes; no rates file")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UpstreamUnavailable(f"{url} does not answer as it should: {reason}") from None
    return bytes(content)
