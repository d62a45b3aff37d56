"""How every benchmark takes its arguments and tells its figures."""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

Figures = dict[str, float]


def arguments(description: str, **numbers: int) -> argparse.Namespace:
    """`--json FILE` and one whole number for each keyword, with its default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


def spread(name: str, values: Sequence[float]) -> Figures:
    """Median, lowest and highest of repeated measurements."""
    return {
        f"{name}_median": round(statistics.median(values), 4),
        f"{name}_min": round(min(values), 4),
        f"{name}_max": round(max(values), 4),
    }


def tell(figures: Figures, file: Path | None) -> None:
    """Print the figures and write them as one flat JSON object."""
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:,}")
    Console().print(table)
    if file is not None:
        file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
