"""Pure: what the figures of a storm or of a fault must say; each broken promise is a sentence."""

from dataclasses import dataclass
from typing import Any

USABLE_SHARE = 0.95
# What must be nothing, and what it would mean.
_NOTHING = {
    "unrecorded": "answered calls have no row",
    "double_rows": "rows are there twice",
    "overspend_usd": "dollars were recorded above the limit",
    "spent_minus_rows_usd": "dollars lie between the budget's figure and the sum of its rows",
    "leaked_holds": "reservations were left when every call had ended",
}
# What must have happened, or nothing was shown.
_SOMETHING = {
    "answered": "no call was answered",
    "disconnects": "no client hung up while the provider worked",
    "upstream_errors": "no error of the provider reached a client",
}


@dataclass(frozen=True)
class Promise:
    """What holds of one fault beside what holds of all.

    Attributes:
        answers: calls are answered while it lasts.
        refuses: statuses that the gateway must have refused calls with while it lasted.
        loses_calls_in_flight: what a killed process was just asking may be billed and unknown.
    """

    answers: bool = True
    refuses: tuple[int, ...] = (429,)
    loses_calls_in_flight: bool = False


PROMISES = {
    "gateway_killed": Promise(loses_calls_in_flight=True),
    "postgres_stopped": Promise(),
    "postgres_down": Promise(),
    "redis_flushed": Promise(),
    "redis_stopped": Promise(),
    "both_down": Promise(answers=False, refuses=(503,)),
    "disk_full": Promise(refuses=(429, 503)),
}


def broken_by_faults(figures: dict[str, dict[str, Any]]) -> list[str]:
    """What the figures of faults say that must not be."""
    return [
        f"{fault}: {sentence}"
        for fault, found in figures.items()
        for sentence in _broken_by(PROMISES[fault], found)
    ]


def broken_by_storm(figures: dict[str, Any], requests: int) -> list[str]:
    """What a storm's figures say that must not be."""
    broken = [*_broken_by_any(figures), *_broken_books(figures)]
    if figures["limit_usable_share"] < USABLE_SHARE:
        broken.append(f"only {figures['limit_usable_share']} of the limit could be used")
    if figures["rows"] != figures["answered"]:
        broken.append(f"{figures['rows']} rows stand for {figures['answered']} calls")
    if not figures["refused"].get(429):
        broken.append("no call was refused with 429, so the limit was never reached")
    # A tenth of the calls tries either; most of them find the budget used up.
    broken += [
        f"{name} is {figures[name]}, too few to show anything"
        for name in ("disconnects", "upstream_errors")
        if figures[name] < requests // 200
    ]
    return broken


def _broken_by(promise: Promise, found: dict[str, Any]) -> list[str]:
    during, after = found["during"], found["after"]
    broken = _broken_by_any(found)
    broken += _broken_bound(found) if promise.loses_calls_in_flight else _broken_books(found)
    if promise.loses_calls_in_flight and not found["failed"]:
        broken.append("no call broke off, so nothing was killed in mid-call")
    if promise.answers and not during["answered"]:
        broken.append("no call was answered while it lasted")
    if not promise.answers and during["answered"]:
        broken.append(f"{during['answered']} calls were answered that had to be refused")
    broken += [
        f"no call was refused with {status} while it lasted"
        + (", so the hard budget was never reached" if status == 429 else "")
        for status in promise.refuses
        if not during["refused"].get(status)
    ]
    if not found["refused"].get(429):
        broken.append("no call was ever refused with 429, so the limit was never reached")
    if not after["answered"]:
        broken.append("no call was answered afterwards")
    if not after["ready"]:
        broken.append("not every gateway was whole again afterwards")
    return broken


def _broken_by_any(found: dict[str, Any]) -> list[str]:
    broken = [f"{found[key]} {what}" for key, what in _NOTHING.items() if found[key] != 0]
    return broken + [what for key, what in _SOMETHING.items() if not found[key]]


def _broken_books(found: dict[str, Any]) -> list[str]:
    """The provider bills what is recorded, to the last digit."""
    broken = []
    if found["rows"] != found["provider_calls"]:
        broken.append(f"the provider had {found['provider_calls']} calls, rows {found['rows']}")
    if found["provider_minus_rows_usd"] != 0:
        broken.append(f"the provider bills {found['provider_minus_rows_usd']} dollars beside rows")
    if found["provider_overspend_usd"] != 0:
        broken.append(f"the provider bills {found['provider_overspend_usd']} dollars above limits")
    return broken


def _broken_bound(found: dict[str, Any]) -> list[str]:
    """Only calls whose clients saw them end may be billed without a row, and only their cost."""
    lost = found["provider_calls"] - found["rows"]
    ended = found["failed"] + found["disconnects"]
    broken = []
    if not 0 <= lost <= ended:
        broken.append(f"{lost} calls have no row, and clients saw {ended} end without an answer")
    if found["provider_minus_rows_usd"] < 0 or (found["provider_minus_rows_usd"] and not lost):
        broken.append(f"the provider bills {found['provider_minus_rows_usd']} dollars beside rows")
    if found["provider_overspend_usd"] > found["provider_minus_rows_usd"]:
        broken.append(
            f"the provider bills {found['provider_overspend_usd']} dollars above limits, "
            f"more than the {found['provider_minus_rows_usd']} of lost calls"
        )
    return broken
