"""Exchange rates into `oco.exchange_rates`: what a person states wins over what is fetched."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from oco_pipelines.rates.ecb_fetch import fetch_file
from oco_pipelines.rates.ecb_file import read_ecb
from oco_pipelines.rates.rate_file import Rate, read_rates
from oco_warehouse.database import Warehouse
from oco_warehouse.errors import InvalidFileError
from oco_warehouse.settings import Settings


@dataclass(frozen=True, slots=True)
class Written:
    """How many rates were new or other than before, of how many that were read."""

    changed: int
    read: int


def refresh(warehouse: Warehouse, settings: Settings) -> dict[str, Written]:
    """Load the stated file and fetch the ECB's, as far as the settings name them; by setting.

    Raises:
        InvalidInputError: when a file is not what it should be; nothing of it was written.
        UpstreamUnavailable: when the ECB's file cannot be had.
    """
    done = {}
    if settings.exchange_rates_file is not None:
        done["OCO_EXCHANGE_RATES"] = import_file(warehouse, settings.exchange_rates_file)
    if settings.exchange_rates_url is not None:
        done["OCO_EXCHANGE_RATES_URL"] = fetch(warehouse, settings.exchange_rates_url)
    return done


def import_file(warehouse: Warehouse, path: Path) -> Written:
    """Write every rate of a person's file, over whatever was there: all of them or none.

    Raises:
        InvalidFileError: when it cannot be read.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise InvalidFileError(f"{path}: cannot be read ({reason})") from None
    return _write(warehouse, read_rates(path.name, text), fetched=False)


def fetch(warehouse: Warehouse, url: str) -> Written:
    """Fetch the ECB's file and write its rates; those that a person stated stay as they are.

    Raises:
        InvalidInputError: when there is no such file, or it is another or not whole.
        UpstreamUnavailable: when it cannot be had now.
    """
    return _write(warehouse, read_ecb(url, fetch_file(url)), fetched=True)


def _write(warehouse: Warehouse, rates: Iterable[Rate], *, fetched: bool) -> Written:
    rows = [
        (r.month, r.from_currency, r.to_currency, r.rate, r.source, fetched, fetched) for r in rates
    ]
    with warehouse.transaction() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO oco.exchange_rates AS r "
            "(month, from_currency, to_currency, rate, source, fetched) "
            "VALUES (%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (month, from_currency, to_currency) DO UPDATE SET rate = excluded.rate, "
            "source = excluded.source, fetched = excluded.fetched, updated_at = now() "
            "WHERE (r.fetched OR NOT %s) AND (r.rate, r.source, r.fetched) IS DISTINCT FROM "
            "(excluded.rate, excluded.source, excluded.fetched)",
            rows,
        )
        return Written(cursor.rowcount, len(rows))
