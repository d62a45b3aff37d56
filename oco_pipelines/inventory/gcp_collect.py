"""One run over the projects of a Google Cloud account."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from oco_pipelines.inventory.bill_names import as_on_the_bill, bill_names
from oco_pipelines.inventory.collecting import (
    Collected,
    Say,
    keep,
    keep_metrics,
    list_kind,
    metrics_listing,
)
from oco_pipelines.inventory.found import ADVICE, RECOMMENDATIONS, FoundResource, as_json
from oco_pipelines.inventory.gcp_access import Gcp
from oco_pipelines.inventory.gcp_advice import questions, targets
from oco_pipelines.inventory.gcp_metrics import (
    MEASURES,
    NAMED,
    Answer,
    label_of,
    metrics_of,
    question,
)
from oco_pipelines.inventory.gcp_resources import TYPES, other_names, resource
from oco_pipelines.inventory.metric_store import read_until, write_metrics
from oco_pipelines.inventory.missing_permission import MissingPermission
from oco_pipelines.inventory.store import forget_other_listings, write_resources
from oco_pipelines.inventory.windows import Window, window_of
from oco_warehouse.cloud_accounts.account import Account
from oco_warehouse.cloud_accounts.gcp_inventory import GcpInventoryOptions, parse_inventory
from oco_warehouse.database import Warehouse

SOURCE: Final = "gcp.monitoring"


@dataclass(slots=True)
class GcpCollected:
    """What a run did; `left` resources wait for the next run with their metrics."""

    collected: Collected
    requests: int = 0
    metric_requests: int = 0
    intervals: int = 0
    changed: int = 0
    left: int = 0
    advice: int = 0


def collect(
    warehouse: Warehouse,
    account: Account,
    *,
    gcp: Gcp | None = None,
    now: datetime | None = None,
    say: Say = lambda _: None,
) -> GcpCollected:
    """List what the projects have, and read how busy it was.

    Args:
        warehouse: migrated.
        account: of kind inventory.
        gcp: instead of a new connection.
        now: instead of the clock.
        say: told of every problem.

    Raises:
        ConfigurationError: when there are no credentials, or Google does not accept them.
    """
    options = parse_inventory(account)
    gcp = gcp or Gcp(account, options)
    done = GcpCollected(Collected(account.name, "gcp"))
    for project in options.projects:
        found = _list(warehouse, gcp, project, done, say)
        _advise(warehouse, gcp, project, found, done, say)
        if options.metrics:
            moment = now or datetime.now(UTC)
            _metrics(warehouse, gcp, project, found, options, moment, done, say)
    forget_other_listings(warehouse, account.name, done.collected.places)
    done.requests = gcp.requests
    return done


def _list(
    warehouse: Warehouse, gcp: Gcp, project: str, done: GcpCollected, say: Say
) -> dict[str, FoundResource]:
    """{asset's name in small letters: the resource, called as on the bill}."""
    names = bill_names(warehouse, "gcp", project)
    found: dict[str, FoundResource] = {}
    disks: frozenset[str] | None = None
    for kind, types in TYPES.items():
        listing = list_kind(
            done.collected, project, "", kind, _resources(gcp, project, kind, types, disks)
        )
        if kind == "gcp.disk" and listing.is_whole:
            disks = frozenset(one.resource_id for one in listing.found)
        told = {
            one.resource_id.lower(): as_on_the_bill(
                one, other_names(one.resource_id, one.attributes), names
            )
            for one in listing.found
        }
        found |= told
        renamed = [_with_disks(one, found) for one in told.values()]
        keep(warehouse, done.collected, replace(listing, found=renamed), say)
    return found


def _resources(
    gcp: Gcp, project: str, kind: str, types: Sequence[str], disks: frozenset[str] | None
) -> Iterator[FoundResource]:
    for name, document in gcp.assets(project, types):
        yield resource(kind, project, name, as_json(document), disks)


def _with_disks(one: FoundResource, found: Mapping[str, FoundResource]) -> FoundResource:
    """Its disks as they are called in the inventory."""
    disks = one.facts.get("volume_ids")
    if not disks:
        return one
    called = [found[disk.lower()].resource_id if disk.lower() in found else disk for disk in disks]
    return replace(one, facts={**one.facts, "volume_ids": called})


def _advise(
    warehouse: Warehouse,
    gcp: Gcp,
    project: str,
    found: dict[str, FoundResource],
    done: GcpCollected,
    say: Say,
) -> None:
    """Keep what Google recommends, as evidence beside the attributes of what it speaks of."""
    told: dict[str, list[dict[str, Any]]] = {}
    denied: dict[str, None] = {}

    def read() -> Iterator[FoundResource]:
        for location, asked in questions(found.values()):
            if asked.permission in denied:
                continue
            try:
                advice = gcp.advice(project, location, asked.name, asked.permission)
            except MissingPermission as missing:
                denied[missing.permission] = None
                continue
            done.advice += len(advice)
            for one in advice:
                for target in targets(one):
                    told.setdefault(target, []).append(as_json(one))
        yield from ()

    listing = list_kind(done.collected, project, "", ADVICE, read(), lambda: list(denied))
    keep_metrics(warehouse, done.collected, listing, say)
    for name in told.keys() & found.keys():
        attributes = {**found[name].attributes, RECOMMENDATIONS: told[name]}
        found[name] = _with_disks(replace(found[name], attributes=attributes), found)
    write_resources(warehouse, [found[name] for name in sorted(told.keys() & found.keys())])


def _metrics(
    warehouse: Warehouse,
    gcp: Gcp,
    project: str,
    found: Mapping[str, FoundResource],
    options: GcpInventoryOptions,
    now: datetime,
    done: GcpCollected,
    say: Say,
) -> None:
    known = read_until(warehouse, "gcp", [project])

    def read() -> None:
        for kind in sorted({measure.kind for measure in MEASURES}):
            measured = [one for one in found.values() if one.resource_type == kind]
            for window, part, is_all in _questions(measured, known, now, options):
                if done.metric_requests >= options.metric_requests:
                    done.left += len(part)
                    continue
                _read(warehouse, gcp, project, kind, window, part, is_all, done)

    listing = metrics_listing(done.collected, project, "", read)
    keep_metrics(warehouse, done.collected, listing, say)


def _questions(
    measured: Sequence[FoundResource],
    known: Mapping[tuple[str, str], datetime],
    now: datetime,
    options: GcpInventoryOptions,
) -> Iterator[tuple[Window, Sequence[FoundResource], bool]]:
    """Those that were read alike are asked about together; by name where they are not all."""
    groups: dict[Window, list[FoundResource]] = {}
    for one in measured:
        seconds = next(item.interval_seconds for item in MEASURES if item.kind == one.resource_type)
        until = known.get((one.account_id, one.resource_id))
        window = window_of(seconds, until, now, options.metric_days)
        if window is not None:
            groups.setdefault(window, []).append(one)
    for window, group in sorted(groups.items(), key=lambda item: item[0].start):
        if len(group) == len(measured):
            yield window, group, True
            continue
        for first in range(0, len(group), NAMED):
            yield window, group[first : first + NAMED], False


def _read(
    warehouse: Warehouse,
    gcp: Gcp,
    project: str,
    kind: str,
    window: Window,
    resources: Sequence[FoundResource],
    is_all: bool,
    done: GcpCollected,
) -> None:
    ids = {label_of(one): one.resource_id for one in resources if label_of(one)}
    answers: list[Answer] = []
    for measure in MEASURES:
        if measure.kind != kind:
            continue
        for value, aligner in measure.aligners.items():
            asked = question(measure, aligner, window, None if is_all else sorted(ids))
            before = gcp.requests
            answers += [Answer(measure, value, one) for one in gcp.series(project, asked)]
            done.metric_requests += gcp.requests - before
    metrics = metrics_of(answers, ids)
    done.intervals += metrics.height
    until = {one.resource_id: window.end for one in resources}
    done.changed += write_metrics(warehouse, "gcp", project, metrics, until, SOURCE)
