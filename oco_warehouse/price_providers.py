"""Whose prices hold for the further providers of the file that `OCO_PROVIDERS` names.

The gateway checks that file and reads all of it; here only what prices need is read.
"""

from pathlib import Path
from typing import Final

import msgspec

from oco_warehouse.errors import ConfigurationError


class _Row(msgspec.Struct):
    price_provider: str = ""


_ROWS: Final = msgspec.json.Decoder(dict[str, _Row])


def read_price_providers(path: Path | None) -> dict[str, str]:
    """Provider → the one whose prices hold for it, for those that have none of their own.

    Raises:
        ConfigurationError: when the file cannot be read; one line says why.
    """
    if path is None:
        return {}
    try:
        rows = _ROWS.decode(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"OCO_PROVIDERS: {path}: cannot be read: {error.strerror}"
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigurationError(
            f"OCO_PROVIDERS: {path}: is not a JSON object of providers"
        ) from None
    return {name: row.price_provider for name, row in rows.items() if row.price_provider}
