"""What Cloud Asset Inventory says of each kind of resource. Pure; one function a kind."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from oco_pipelines.inventory.facts import gcp_family, known, moment
from oco_pipelines.inventory.found import FoundResource

Document = Mapping[str, Any]
# Our kind → Google's types of assets. Disks come before what they are part of.
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "gcp.disk": ("compute.googleapis.com/Disk",),
    "gcp.instance": ("compute.googleapis.com/Instance",),
    "gcp.snapshot": ("compute.googleapis.com/Snapshot",),
    "gcp.image": ("compute.googleapis.com/Image",),
    "gcp.compute-address": (
        "compute.googleapis.com/Address",
        "compute.googleapis.com/GlobalAddress",
    ),
    "gcp.loadbalancer-forwarding-rule": (
        "compute.googleapis.com/ForwardingRule",
        "compute.googleapis.com/GlobalForwardingRule",
    ),
    "gcp.sql-instance": ("sqladmin.googleapis.com/Instance",),
    "gcp.bucket": ("storage.googleapis.com/Bucket",),
}
_LINK: Final = re.compile(r"https://(?:www|compute)\.googleapis\.com/compute/[^/]+/")
_MIB_A_GIB: Final = 1024
_PREDEFINED: Final = re.compile(r"[a-z]\d[a-z]?-(?:standard|highmem|highcpu)-(\d+)")
_CUSTOM: Final = re.compile(r"(?:[a-z]\d[a-z]?-)?custom-(\d+)-(\d+)(?:-ext)?")


def resource(
    kind: str, project: str, name: str, document: Document, disks: frozenset[str] | None = None
) -> FoundResource:
    """Of an asset.

    Args:
        kind: ours.
        project: its ID, as the bill has it.
        name: the asset's, as in //compute.googleapis.com/projects/…
        document: the resource's own, as its API gives it.
        disks: names of every disk where they are known; snapshots ask whether theirs is.
    """
    state, size, facts = _MAKERS[kind](document, disks)
    return FoundResource(
        "gcp",
        project,
        name,
        kind,
        document.get("name"),
        _region(document),
        state,
        size,
        {str(key): str(value) for key, value in labels(document).items()},
        document,
        facts,
    )


def other_names(name: str, document: Document) -> list[str]:
    """What a bill may call it: with its number in place of its name, or by its name alone."""
    found = []
    if document.get("id") and "/" in name:
        found.append(f"{name.rpartition('/')[0]}/{document['id']}")
    if document.get("name"):
        found.append(str(document["name"]))
    return found


def labels(document: Document) -> Mapping[str, Any]:
    """Labels; a database has them among its settings."""
    own = document.get("labels") or _of(document, "settings", "userLabels")
    return own if isinstance(own, Mapping) else {}


def asset_name(link: object) -> str | None:
    """The asset's name of a link to a resource of Compute Engine."""
    if not isinstance(link, str) or not link:
        return None
    return _LINK.sub("//compute.googleapis.com/", link)


def _instance(document: Document, _: frozenset[str] | None) -> "_Made":
    size = _last(document.get("machineType"))
    family, generation = gcp_family(size)
    schedule = document.get("scheduling") or {}
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        stopped_since=(
            moment(document.get("lastStopTimestamp"))
            if document.get("status") == "TERMINATED"
            else None
        ),
        volume_ids=[
            name
            for disk in document.get("disks") or ()
            if (name := asset_name(disk.get("source"))) is not None
        ],
        family=family,
        generation=generation,
        public=any(
            access.get("natIP")
            for interface in document.get("networkInterfaces") or ()
            for access in interface.get("accessConfigs") or ()
        ),
        interruptible=bool(schedule.get("preemptible"))
        or schedule.get("provisioningModel") == "SPOT",
        autoscaling_group=next(
            (
                _last(item.get("value"))
                for item in _of(document, "metadata", "items") or ()
                if item.get("key") == "created-by" and "instanceGroup" in str(item.get("value"))
            ),
            None,
        ),
        **_shape(size),
    )
    return document.get("status"), size, facts


def _disk(document: Document, _: frozenset[str] | None) -> "_Made":
    users = document.get("users") or ()
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        attached=bool(users),
        attached_to=asset_name(users[0]) if users else None,
        size_gib=_number(document.get("sizeGb")),
        source_id=asset_name(document.get("sourceSnapshot") or document.get("sourceImage")),
        encrypted=True,
    )
    return document.get("status"), _last(document.get("type")), facts


def _snapshot(document: Document, disks: frozenset[str] | None) -> "_Made":
    source = asset_name(document.get("sourceDisk"))
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        size_gib=_number(document.get("diskSizeGb")),
        source_id=source,
        source_exists=None if disks is None or source is None else source in disks,
        encrypted=True,
    )
    return document.get("status"), document.get("snapshotType"), facts


def _image(document: Document, _: frozenset[str] | None) -> "_Made":
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        size_gib=_number(document.get("diskSizeGb")),
        source_id=asset_name(document.get("sourceDisk")),
        family=document.get("family"),
    )
    return document.get("status"), None, facts


def _address(document: Document, _: frozenset[str] | None) -> "_Made":
    users = document.get("users") or ()
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        attached=bool(users),
        attached_to=asset_name(users[0]) if users else None,
        public=document.get("addressType", "EXTERNAL") == "EXTERNAL",
    )
    return document.get("status"), document.get("addressType"), facts


def _forwarding_rule(document: Document, _: frozenset[str] | None) -> "_Made":
    scheme = document.get("loadBalancingScheme")
    facts = known(
        created_at=moment(document.get("creationTimestamp")),
        public=None if scheme is None else str(scheme).startswith("EXTERNAL"),
    )
    return None, scheme, facts


def _sql(document: Document, _: frozenset[str] | None) -> "_Made":
    settings = document.get("settings") or {}
    facts = known(
        created_at=moment(document.get("createTime")),
        size_gib=_number(settings.get("dataDiskSizeGb")),
        engine=document.get("databaseVersion"),
        multi_az=settings.get("availabilityType") == "REGIONAL",
        public=_of(settings, "ipConfiguration", "ipv4Enabled"),
        encrypted=True,
    )
    return document.get("state"), settings.get("tier"), facts


def _bucket(document: Document, _: frozenset[str] | None) -> "_Made":
    closed = _of(document, "iamConfiguration", "publicAccessPrevention") == "enforced"
    facts = known(
        created_at=moment(document.get("timeCreated")),
        storage_class=document.get("storageClass"),
        # Who may read it is not told: only that nobody in public may.
        public=False if closed else None,
        encrypted=True,
    )
    return None, document.get("storageClass"), facts


def _shape(size: str | None) -> dict[str, Any]:
    custom, predefined = _CUSTOM.fullmatch(size or ""), _PREDEFINED.fullmatch(size or "")
    if custom is not None:
        return {"vcpu": int(custom[1]), "memory_gib": int(custom[2]) / _MIB_A_GIB}
    return {} if predefined is None else {"vcpu": int(predefined[1])}


def _region(document: Document) -> str | None:
    """Of a zone its region: bills are by region."""
    zone = _last(document.get("zone"))
    if zone is not None:
        return zone.rpartition("-")[0]
    found = _last(document.get("region"))
    place = document.get("location")
    return found or (str(place).lower() if place else None)


def _last(link: object) -> str | None:
    return link.rpartition("/")[2] if isinstance(link, str) and link else None


def _number(value: object) -> float | int | None:
    """Google writes whole numbers of 64 bits as text."""
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int | float) else None


def _of(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# State, size, facts.
_Made = tuple[str | None, str | None, dict[str, Any]]
_MAKERS: Final[Mapping[str, Callable[[Document, frozenset[str] | None], _Made]]] = {
    "gcp.disk": _disk,
    "gcp.instance": _instance,
    "gcp.snapshot": _snapshot,
    "gcp.image": _image,
    "gcp.compute-address": _address,
    "gcp.loadbalancer-forwarding-rule": _forwarding_rule,
    "gcp.sql-instance": _sql,
    "gcp.bucket": _bucket,
}
