"""What Azure Resource Graph says of each kind of resource. Pure; one function a kind."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from oco_pipelines.inventory.facts import azure_family, known, moment
from oco_pipelines.inventory.found import FoundResource

Document = Mapping[str, Any]
# Our kind → Azure's type, in small letters.
TYPES: Final[Mapping[str, str]] = {
    "azure.vm": "microsoft.compute/virtualmachines",
    "azure.disk": "microsoft.compute/disks",
    "azure.snapshot": "microsoft.compute/snapshots",
    "azure.image": "microsoft.compute/images",
    "azure.publicip": "microsoft.network/publicipaddresses",
    "azure.loadbalancer": "microsoft.network/loadbalancers",
    "azure.networkinterface": "microsoft.network/networkinterfaces",
    "azure.sqldatabase": "microsoft.sql/servers/databases",
    "azure.storage": "microsoft.storage/storageaccounts",
}
# From the third version on a size says how many virtual processors it has, as in Standard_D8s_v5.
_VCPU: Final = re.compile(r"Standard_[A-Z]+(\d+)(?:-(\d+))?[a-z]*(?:_[A-Z]\d+)?_v[3-9]")


def resource(kind: str, document: Document, names: frozenset[str] | None = None) -> FoundResource:
    """Of a row of Azure Resource Graph.

    Args:
        kind: ours.
        document: the row.
        names: every disk, in small letters, where it is known; snapshots ask whether theirs is.
    """
    state, size, facts = _MAKERS[kind](document, names)
    return FoundResource(
        "azure",
        str(document["subscriptionId"]).lower(),
        str(document["id"]).lower(),
        kind,
        document.get("name"),
        document.get("location"),
        state,
        size,
        {str(key): str(value) for key, value in (document.get("tags") or {}).items()},
        document,
        facts,
    )


def _vm(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    size = _of(own, "hardwareProfile", "vmSize")
    family, generation = azure_family(size)
    disks = [
        _of(own, "storageProfile", "osDisk", "managedDisk", "id"),
        *(_of(disk, "managedDisk", "id") for disk in _of(own, "storageProfile", "dataDisks") or ()),
    ]
    vcpu = _VCPU.fullmatch(size or "")
    facts = known(
        created_at=moment(own.get("timeCreated")),
        volume_ids=[disk.lower() for disk in disks if disk],
        source_id=_of(own, "storageProfile", "imageReference", "id"),
        family=family,
        generation=generation,
        vcpu=int(vcpu[2] or vcpu[1]) if vcpu else None,
        interruptible=str(own.get("priority", "")).lower() in {"spot", "low"},
        autoscaling_group=_of(own, "virtualMachineScaleSet", "id"),
    )
    return _of(own, "extended", "instanceView", "powerState", "displayStatus"), size, facts


def _disk(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    state = own.get("diskState")
    holder = document.get("managedBy") or None
    facts = known(
        created_at=moment(own.get("timeCreated")),
        attached=state not in {None, "Unattached"} or holder is not None,
        attached_to=holder,
        size_gib=own.get("diskSizeGB"),
        source_id=_of(own, "creationData", "sourceResourceId"),
        encrypted=_of(own, "encryption", "type") is not None or None,
    )
    return state, _of(document, "sku", "name"), facts


def _snapshot(document: Document, names: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    source = _of(own, "creationData", "sourceResourceId")
    facts = known(
        created_at=moment(own.get("timeCreated")),
        size_gib=own.get("diskSizeGB"),
        source_id=source,
        source_exists=None if names is None or not source else source.lower() in names,
        encrypted=_of(own, "encryption", "type") is not None or None,
    )
    return own.get("diskState"), _of(document, "sku", "name"), facts


def _image(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    facts = known(
        source_id=_of(own, "sourceVirtualMachine", "id"),
        size_gib=_of(own, "storageProfile", "osDisk", "diskSizeGB"),
    )
    return own.get("provisioningState"), None, facts


def _public_ip(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    holder = _of(own, "ipConfiguration", "id") or _of(own, "natGateway", "id")
    facts = known(attached=holder is not None, attached_to=holder, public=True)
    return own.get("provisioningState"), _of(document, "sku", "name"), facts


def _load_balancer(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    members = [
        pool
        for pool in own.get("backendAddressPools") or ()
        for key in ("backendIPConfigurations", "loadBalancerBackendAddresses")
        if _of(pool, "properties", key)
    ]
    facts = known(
        # How many answer is not told: none is, where nothing is behind it.
        targets=None if members else 0,
        public=any(
            _of(front, "properties", "publicIPAddress")
            for front in own.get("frontendIPConfigurations") or ()
        ),
    )
    return own.get("provisioningState"), _of(document, "sku", "name"), facts


def _interface(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    holder = _of(own, "virtualMachine", "id") or _of(own, "privateEndpoint", "id")
    facts = known(attached=holder is not None, attached_to=holder)
    return own.get("provisioningState"), None, facts


def _sql(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    facts = known(
        created_at=moment(own.get("creationDate")),
        engine="sqlserver",
        multi_az=own.get("zoneRedundant"),
    )
    return own.get("status"), _of(document, "sku", "name"), facts


def _storage(document: Document, _: frozenset[str] | None) -> "_Made":
    own = document.get("properties") or {}
    facts = known(
        created_at=moment(own.get("creationTime")),
        public=own.get("allowBlobPublicAccess"),
        encrypted=_of(own, "encryption", "services", "blob", "enabled"),
        storage_class=own.get("accessTier"),
    )
    return own.get("provisioningState"), _of(document, "sku", "name"), facts


def _of(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


# State, size, facts.
_Made = tuple[str | None, str | None, dict[str, Any]]
_MAKERS: Final[Mapping[str, Callable[[Document, frozenset[str] | None], _Made]]] = {
    "azure.vm": _vm,
    "azure.disk": _disk,
    "azure.snapshot": _snapshot,
    "azure.image": _image,
    "azure.publicip": _public_ip,
    "azure.loadbalancer": _load_balancer,
    "azure.networkinterface": _interface,
    "azure.sqldatabase": _sql,
    "azure.storage": _storage,
}
