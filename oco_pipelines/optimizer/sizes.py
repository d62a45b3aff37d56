"""Names of instance sizes: what is smaller in the same family, and what came after a family.

Inside a family CPUs, memory and price go in step. Sizes that only some families have are taken only
where the organisation's own bill has seen them.
"""

import re
from collections.abc import Container
from typing import Final

_AWS_UNITS: Final = {
    "large": 2,
    **{f"{n if n > 1 else ''}xlarge": 4 * n for n in (1, 2, 4, 8, 9, 12, 16, 18, 24, 32, 48)},
}
_EVERYWHERE: Final = frozenset({"large", "xlarge", "2xlarge", "4xlarge"})
# Families that have all of those that are smaller than their own largest size.
_COMMON_AWS: Final = re.compile(r"(?:m[3-9]|c[3-9]|r[3-9]|t[2-9])(?!zn)[a-z0-9-]*")
# Graphics cards, other accelerators and local disks shrink with the size, too, and neither CPU nor
# memory tells how busy they are.
_MORE_THAN_CPU: Final = re.compile(r"(?:p|g|gr|inf|trn|dl|vt|f|i|im|is|d|h|hs)\d[a-z0-9-]*")
# D and E from the third version on, and F: the number is that of the CPUs; memory goes with it.
# An i says that it has a host to itself.
_AZURE: Final = re.compile(r"(Standard_(?:[DE](?=\d+[a-z]*_v[3-9])|F))(\d+)([a-hj-z]*(?:_v\d+)?)")
_GCP: Final = re.compile(r"((?!g2)[a-z]\d[a-z]?-(?:standard|highmem|highcpu)-)(\d+)()")
_COMMON_GCP: Final = re.compile(r"(?:e2|n1|n2|n2d|n4|t2d|c4)-.*")
_CPUS: Final = (
    *(192, 180, 176, 160, 144, 128, 120, 112, 96, 90, 88, 80, 72, 64, 60, 56, 48, 44, 36, 32),
    *(30, 24, 22, 20, 16, 8, 4, 2),
)
_COMMON_CPUS: Final = {
    "azure": frozenset({64, 32, 16, 8, 4, 2}),
    "gcp": frozenset({32, 16, 8, 4, 2}),
}
_BIG: Final = "large xlarge 2xlarge 4xlarge"
# Sizes of families that came after others; those of other families are taken as they are named.
_SIZES: Final = {
    "t3": frozenset(["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    "db.t3": frozenset(["micro", "small", "medium", "large", "xlarge", "2xlarge"]),
    "c5": frozenset(f"{_BIG} 9xlarge 12xlarge 18xlarge 24xlarge".split()),
    "i3": frozenset(f"{_BIG} 8xlarge 16xlarge".split()),
    **dict.fromkeys(
        ("m5", "r5", "db.m5", "db.r5"),
        frozenset(f"{_BIG} 8xlarge 12xlarge 16xlarge 24xlarge".split()),
    ),
}
# Where the successor of the same strength is called otherwise.
_CALLED: Final = {
    "c1.medium": "large",
    "c1.xlarge": "2xlarge",
    "m2.xlarge": "large",
    "m2.2xlarge": "xlarge",
    "m2.4xlarge": "2xlarge",
}


def smaller_sizes(provider: str, size: str, seen: Container[str]) -> list[tuple[str, float]]:
    """Smaller sizes of the same family, the largest first, and their part of this one.

    Args:
        provider: aws, azure or gcp.
        size: as the provider names it.
        seen: sizes that the organisation's bill has.
    """
    if provider == "aws":
        return _smaller_aws(size, seen)
    match = (_AZURE if provider == "azure" else _GCP).fullmatch(size)
    if match is None:
        return []
    before, number, after = match[1], int(match[2]), match[3]
    is_common = provider == "azure" or _COMMON_GCP.fullmatch(size) is not None
    common = _COMMON_CPUS[provider] if is_common else frozenset[int]()
    return [
        (f"{before}{other}{after}", other / number)
        for other in _CPUS
        if other < number and (other in common or f"{before}{other}{after}" in seen)
    ]


def _smaller_aws(size: str, seen: Container[str]) -> list[tuple[str, float]]:
    family, _, name = size.rpartition(".")
    units = _AWS_UNITS.get(name)
    if units is None or not family or _MORE_THAN_CPU.fullmatch(family):
        return []
    everywhere = _EVERYWHERE if _COMMON_AWS.fullmatch(family) else frozenset[str]()
    below = sorted(
        ((other, count) for other, count in _AWS_UNITS.items() if count < units),
        key=lambda pair: -pair[1],
    )
    return [
        (f"{family}.{other}", count / units)
        for other, count in below
        if other in everywhere or f"{family}.{other}" in seen
    ]


def family_of(size: str) -> str:
    """The family of a size: m4 of m4.large, db.m4 of db.m4.large, gp2 of gp2."""
    family, _, _ = size.rpartition(".")
    return family or size


def successor_size(size: str, family: str) -> str | None:
    """What is as strong in the family that came after; None when that has no such size."""
    _, point, name = size.rpartition(".")
    if not point:
        return family
    name = _CALLED.get(size, name)
    known = _SIZES.get(family)
    return f"{family}.{name}" if known is None or name in known else None
