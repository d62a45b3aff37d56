"""How often recommendations come true, against how sure they say they are.

Rounds of a simulated cloud are lived through one after the other: each is judged, and its outcomes
are counted in. The last round is held back: what is stated of it rests on earlier rounds alone. The
figures say how far stated confidence and observed hits lie apart, by tenths of the confidence;
neighbouring tenths with few claims are taken together.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from benchmarks.calibration_plot import Tenth, plot
from benchmarks.calibration_world import Claim, draw, live_through, outcomes
from benchmarks.report import Figures, arguments, tell
from oco_pipelines.optimizer.calibration import Calibration, Outcome, calibrate

PLOT: Final = Path(__file__).parent.parent / "docs/images/calibration.svg"
# Fewer say too little: at 100 the observed rate is off by 5 points in one case of three.
LEAST_CLAIMS: Final = 100
_TENTHS: Final = 10


def simulate(seed: int, rounds: int, resources: int, held_back: int) -> list[Claim]:
    """Claims of the round that is held back, stated by what the rounds before it taught."""
    known: list[Outcome] = []
    calibration = Calibration(())
    for turn in range(rounds):
        known += outcomes(live_through(draw(seed + turn, resources), calibration))
        calibration = calibrate(known)
    return live_through(draw(seed + rounds, held_back), calibration)


def by_tenths(claims: Sequence[tuple[Decimal, bool]], least: int = LEAST_CLAIMS) -> list[Tenth]:
    """Claims (confidence, hit) by tenths; one with few is taken with the next one above it."""
    groups: list[list[tuple[Decimal, bool]]] = [[] for _ in range(_TENTHS)]
    for confidence, hit in claims:
        groups[min(_TENTHS - 1, int(confidence * _TENTHS))].append((confidence, hit))
    tenths: list[tuple[int, int, list[tuple[Decimal, bool]]]] = []
    for place, group in enumerate(groups):
        if tenths and len(tenths[-1][2]) < least:
            first, _, few = tenths[-1]
            tenths[-1] = (first, place, few + group)
        elif group:
            tenths.append((place, place, group))
    if len(tenths) > 1 and len(tenths[-1][2]) < least:
        (first, _, before), (_, last, few) = tenths[-2:]
        tenths[-2:] = [(first, last, before + few)]
    return [_tenth(*tenth) for tenth in tenths]


def _tenth(first: int, last: int, group: Sequence[tuple[Decimal, bool]]) -> Tenth:
    return Tenth(
        first + 1,
        last + 1,
        len(group),
        float(sum(confidence for confidence, _ in group)) / len(group),
        sum(hit for _, hit in group) / len(group),
    )


def main() -> None:
    """Simulate, tell, and draw."""
    options = arguments(
        __doc__.splitlines()[0], seed=20261101, rounds=6, resources=1600, held_back=6400
    )
    claims = simulate(options.seed, options.rounds, options.resources, options.held_back)
    stated = by_tenths([(claim.stated, claim.hit) for claim in claims])
    raw = by_tenths([(claim.raw, claim.hit) for claim in claims])
    PLOT.write_text(plot(stated, raw), encoding="utf-8")
    figures: Figures = {
        "claims": len(claims),
        "hit_rate": round(sum(claim.hit for claim in claims) / len(claims), 4),
        "tenths": len(stated),
        "largest_gap_points": round(max(tenth.gap_points for tenth in stated), 2),
        "largest_gap_points_formula_alone": round(max(tenth.gap_points for tenth in raw), 2),
    }
    for tenth in stated:
        name = f"tenth_{tenth.first}" + (f"_to_{tenth.last}" if tenth.last > tenth.first else "")
        figures |= {
            f"{name}_claims": tenth.claims,
            f"{name}_stated": round(tenth.stated, 4),
            f"{name}_observed": round(tenth.observed, 4),
        }
    tell(figures, options.json)


if __name__ == "__main__":
    main()
