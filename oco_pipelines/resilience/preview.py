"""What a restore would do, and whether it did: pure comparisons of a backup with a cluster."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from oco_pipelines.resilience.evidence import Found, ResourceList

# A preview names as many objects of a sort; it counts all of them.
MOST_NAMES: Final = 200
NAMESPACE: Final = "v1/Namespace"
CLAIM: Final = "v1/PersistentVolumeClaim"
VOLUME: Final = "v1/PersistentVolume"
ROLE_BINDING: Final = "rbac.authorization.k8s.io/v1/RoleBinding"
# Velero restores none of these, or a cluster makes them by itself (kinds without version).
_NOT_RESTORED: Final = frozenset(
    {
        "Node",
        "Event",
        "Endpoints",
        "EndpointSlice",
        "PodMetrics",
        "NodeMetrics",
        "Backup",
        "Restore",
        "CSINode",
        "VolumeAttachment",
        "BackupRepository",
        "ResticRepository",
        "Lease",
    }
)
# Their owners make them anew under other names, so that nobody can expect them.
_SHORT_LIVED: Final = frozenset({"Pod", "ReplicaSet", "ControllerRevision", "Job"})


def expected_objects(
    contents: ResourceList, targets: Mapping[str, str], *, cluster_wide: bool
) -> ResourceList:
    """What a restore is about, under the names that it has in the target.

    Args:
        contents: of the backup.
        targets: {namespace in the backup: namespace in the target}.
        cluster_wide: whether volumes, which belong to no namespace, come along.
    """
    found: dict[str, tuple[str, ...]] = {}
    for kind, names in contents.items():
        if kind.rpartition("/")[2] in _NOT_RESTORED:
            continue
        wanted = [
            to
            for name in names
            if (to := _target_name(kind, name, targets, cluster_wide)) is not None
        ]
        if wanted:
            found[kind] = tuple(wanted)
    return found


def build_preview(
    expected: ResourceList,
    there: Found,
    targets: Mapping[str, str],
    *,
    same_cluster: bool,
    overwrite: bool,
) -> dict[str, Any]:
    """What would be created, skipped, overwritten, and what clashes.

    Args:
        expected: from `expected_objects`.
        there: what the target holds now.
        targets: {namespace in the backup: namespace in the target}.
        same_cluster: whether the target is the cluster that the backup is of.
        overwrite: whether the plan says `update`.
    """
    create, exist = _split(expected, there)
    namespaces = {kind: names for kind, names in exist.items() if kind == NAMESPACE}
    others = {kind: names for kind, names in exist.items() if kind != NAMESPACE}
    skip, update = (namespaces, others) if overwrite else (exist, {})
    clashes = list(_clashes(expected, there, targets, same_cluster=same_cluster))
    if others and not overwrite:
        number = sum(map(len, others.values()))
        clashes.insert(
            0,
            f"{number} of the objects exist: Velero skips them and says Completed all the same; "
            "make the plan with existing_resource_policy update to overwrite them",
        )
    parts = {"create": create, "skip": skip, "overwrite": update}
    return {
        "counts": {
            **{part: sum(map(len, kinds.values())) for part, kinds in parts.items()},
            "clashes": len(clashes),
        },
        **{part: _shown(kinds) for part, kinds in parts.items()},
        "clashes": clashes,
        "unread": dict(there.unread),
        "existing_resource_policy": "update" if overwrite else "none",
    }


def faults_of(expected: ResourceList, there: Found) -> list[str]:
    """What is wrong in a target after a restore, a line each."""
    faults = []
    for kind, names in expected.items():
        if kind.rpartition("/")[2] in _SHORT_LIVED or kind == VOLUME:
            continue
        if kind in there.unread:
            faults.append(f"{kind} cannot be checked: {there.unread[kind]}")
            continue
        missing = sorted(set(names) - set(there.objects.get(kind, ())))
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            faults.append(f"{kind} {', '.join(missing[:3])}{more} did not come back")
    faults += [
        f"volume claim {name} is {phase}, not Bound"
        for name, phase in sorted(there.claims.items())
        if name in expected.get(CLAIM, ()) and phase != "Bound"
    ]
    return faults


def _target_name(
    kind: str, name: str, targets: Mapping[str, str], cluster_wide: bool
) -> str | None:
    home, slash, short = name.partition("/")
    if slash:
        return f"{targets[home]}/{short}" if home in targets else None
    if kind == NAMESPACE:
        return targets.get(name)
    # Of what belongs to no namespace only volumes come along, with their claims.
    return name if cluster_wide and kind == VOLUME else None


def _split(expected: ResourceList, there: Found) -> tuple[ResourceList, ResourceList]:
    create: dict[str, tuple[str, ...]] = {}
    exist: dict[str, tuple[str, ...]] = {}
    for kind, names in expected.items():
        known = set(there.objects.get(kind, ()))
        parts = [name for name in names if name not in known], [n for n in names if n in known]
        for found, part in zip((create, exist), parts, strict=True):
            if part:
                found[kind] = tuple(part)
    return create, exist


def _clashes(
    expected: ResourceList, there: Found, targets: Mapping[str, str], *, same_cluster: bool
) -> Iterator[str]:
    mapped = {home: to for home, to in targets.items() if home != to}
    backwards = {to: home for home, to in mapped.items()}
    for name in expected.get(CLAIM, ()):
        home = backwards.get(name.partition("/")[0])
        if home and same_cluster:
            yield (
                f"volume claim {name}: its volume belongs to namespace {home!r} of this cluster; "
                "without a volume snapshot it stays without a volume"
            )
    taken = sorted(set(expected.get(VOLUME, ())) & set(there.objects.get(VOLUME, ())))
    for name in taken:
        yield f"volume {name} exists in the target: it is not restored"
    for name in expected.get(ROLE_BINDING, ()):
        home = backwards.get(name.partition("/")[0])
        if home:
            yield (
                f"role binding {name} keeps naming service accounts of namespace {home!r}: "
                "it gives no rights to those of the new one"
            )
    for kind, reason in sorted(there.unread.items()):
        yield f"{kind} in the target cannot be looked at: {reason}"


def _shown(kinds: ResourceList) -> dict[str, Any]:
    """Numbers by kind and the first names."""
    numbers = Counter({kind: len(names) for kind, names in kinds.items()})
    names = [f"{kind} {name}" for kind, listed in kinds.items() for name in listed]
    return {"kinds": dict(sorted(numbers.items())), "objects": names[:MOST_NAMES]}
