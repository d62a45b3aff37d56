"""What instance types have: virtual processors and memory."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from oco_pipelines.inventory.aws_access import Aws
from oco_pipelines.inventory.aws_place import Place, Shape

_TYPES_A_REQUEST: Final = 100
_MIB_A_GIB: Final = 1024


def learn_shapes(aws: Aws, place: Place, types: Iterable[str]) -> None:
    """Ask about the instance types that a place does not know yet."""
    new = sorted({name for name in types if name} - place.shapes.keys())
    for start in range(0, len(new), _TYPES_A_REQUEST):
        asked = new[start : start + _TYPES_A_REQUEST]
        # By a filter: a type that does not exist there would refuse the whole request by name.
        answer = aws.detail(
            "ec2",
            place.region,
            "describe_instance_types",
            Filters=[{"Name": "instance-type", "Values": asked}],
        )
        if answer is None:
            return
        known = {one["InstanceType"]: shape(one) for one in answer["InstanceTypes"]}
        place.shapes |= {name: known.get(name) for name in asked}


def shape(document: Mapping[str, Any]) -> Shape:
    """Of a document of DescribeInstanceTypes."""
    memory = document["MemoryInfo"]["SizeInMiB"] / _MIB_A_GIB
    return Shape(
        int(document["VCpuInfo"]["DefaultVCpus"]), int(memory) if memory % 1 == 0 else memory
    )


def shape_facts(place: Place, name: str | None) -> dict[str, Any]:
    """The facts vcpu and memory_gib of an instance type, as far as they are known."""
    found = place.shapes.get(name or "")
    return {} if found is None else {"vcpu": found.vcpu, "memory_gib": found.memory_gib}
