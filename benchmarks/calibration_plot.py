"""The picture of a calibration: stated confidence against how many came true, as an SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SIZE: Final = 360
_EDGE: Final = 50
_STATED: Final = "#2563eb"
_RAW: Final = "#cbd5e1"
_BAND: Final = "#dcfce7"


@dataclass(frozen=True, slots=True)
class Tenth:
    """Claims of one tenth of the confidence, or of neighbours that have few.

    Attributes:
        stated: mean confidence, as a share.
        observed: share that came true.
    """

    first: int
    last: int
    claims: int
    stated: float
    observed: float

    @property
    def gap_points(self) -> float:
        """Percentage points between what is stated and what is observed."""
        return 100 * abs(self.stated - self.observed)


def plot(stated: Sequence[Tenth], raw: Sequence[Tenth]) -> str:
    """A picture of both: the nearer to the diagonal, the truer."""
    corners = ((0, 0.1), (0.9, 1), (1, 1), (1, 0.9), (0.1, 0), (0, 0))
    band = " ".join(f"{_x(across)},{_y(up)}" for across, up in corners)
    middle, bottom = _EDGE + _SIZE / 2, _EDGE + _SIZE
    parts = [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 480" '
            'font-family="sans-serif" font-size="13">'
        ),
        "<title>Stated confidence of recommendations against how many came true</title>",
        '<rect width="560" height="480" fill="white"/>',
        f'<polygon points="{band}" fill="{_BAND}"/>',
        (
            f'<rect x="{_EDGE}" y="{_EDGE}" width="{_SIZE}" height="{_SIZE}" fill="none" '
            'stroke="#94a3b8"/>'
        ),
        (
            f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#64748b" '
            'stroke-dasharray="4 4"/>'
        ),
        *_dots(raw, _RAW),
        *_dots(stated, _STATED),
    ]
    for share in range(6):
        name, at = f"{20 * share}", share / 5
        parts += [
            f'<text x="{_x(at)}" y="{bottom + 20}" text-anchor="middle">{name}</text>',
            f'<text x="{_EDGE - 8}" y="{_y(at)}" dy="4" text-anchor="end">{name}</text>',
        ]
    parts += [
        f'<text x="{middle}" y="{bottom + 44}" text-anchor="middle">stated confidence, %</text>',
        (
            f'<text x="16" y="{middle}" text-anchor="middle" '
            f'transform="rotate(-90 16 {middle})">came true, %</text>'
        ),
        f'<circle cx="430" cy="70" r="7" fill="{_STATED}" fill-opacity="0.75"/>',
        '<text x="444" y="75">as stated</text>',
        f'<circle cx="430" cy="95" r="7" fill="{_RAW}"/><text x="444" y="100">formula alone</text>',
        f'<rect x="423" y="113" width="14" height="14" fill="{_BAND}"/>',
        '<text x="444" y="125">within 10 points</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


def _dots(tenths: Sequence[Tenth], colour: str) -> list[str]:
    """A dot a tenth, as large as it has claims."""
    most = max(tenth.claims for tenth in tenths)
    return [
        f'<circle cx="{_x(tenth.stated)}" cy="{_y(tenth.observed)}" '
        f'r="{4 + 8 * (tenth.claims / most) ** 0.5:.1f}" fill="{colour}" fill-opacity="0.75">'
        f"<title>{tenth.claims} claims: {tenth.stated:.0%} stated, {tenth.observed:.0%} came "
        "true</title></circle>"
        for tenth in tenths
    ]


def _x(share: float) -> str:
    return f"{_EDGE + share * _SIZE:.1f}"


def _y(share: float) -> str:
    return f"{_EDGE + (1 - share) * _SIZE:.1f}"
