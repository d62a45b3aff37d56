"""Names of instance sizes: what is smaller in the same family, and what a size's family is.

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
# D, E and F: the number is that of the CPUs; memory goes with it.
_AZURE: Final = re.compile(r"(Standard_[DEF])(\d+)([a-z]*(?:_v\d+)?)")
_GCP: Final = re.compile(r"([a-z]\d[a-z]?-(?:standard|highmem|highcpu)-)(\d+)")


def smaller_sizes(provider: str, size: str, seen: Container[str]) -> list[tuple[str, float]]:
    """Smaller sizes of the same family, the largest first, and their part of this one.

    Args:
        provider: aws, azure or gcp.
        size: as the provider names it.
        seen: sizes that the organisation's bill has.
    """
    if provider == "aws":
        family, _, name = size.rpartition(".")
        units = _AWS_UNITS.get(name)
        if units is None or not family:
            return []
        below = sorted(
            ((other, count) for other, count in _AWS_UNITS.items() if count < units),
            key=lambda pair: -pair[1],
        )
        return [
            (f"{family}.{other}", count / units)
            for other, count in below
            if other in _EVERYWHERE or f"{family}.{other}" in seen
        ]
    match = {"azure": _AZURE, "gcp": _GCP}.get(provider, _GCP).fullmatch(size)
    if match is None:
        return []
    before, number, after = match[1], int(match[2]), "".join(match.groups()[2:])
    found = []
    half = number // 2
    while half >= 2 and number % half == 0:
        found.append((f"{before}{half}{after}", half / number))
        half //= 2
    return found


def family_of(size: str) -> str:
    """The family of a size: m4 of m4.large, db.m4 of db.m4.large, gp2 of gp2."""
    family, _, _ = size.rpartition(".")
    return family or size


def in_family(size: str, family: str) -> str:
    """The same size of another family."""
    _, point, name = size.rpartition(".")
    return f"{family}.{name}" if point else family
