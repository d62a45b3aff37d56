"""Whole bills, composed from a seed, and what must come of them without the product's code.

Seeded: how often each line type occurs, how large it is, in what order, in which currency, in which
form and layout, in how many files, and which lines stand there twice.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from oco_pipelines.ingestion.aws_file import read_aws
from oco_pipelines.ingestion.azure_file import AzureMonth, load_azure
from oco_pipelines.ingestion.cost_batch import LoadResult
from oco_pipelines.ingestion.focus_file import load_focus_file
from oco_pipelines.ingestion.focus_reader import read_focus
from oco_pipelines.ingestion.gcp_file import read_gcp
from oco_warehouse.database import Warehouse
from tests.oco_pipelines.ingestion.adversarial import (
    aws_lines,
    azure_lines,
    focus_lines,
    gcp_lines,
)
from tests.oco_pipelines.ingestion.adversarial.line_types import Effect, Item, LineType, same

Provider = Literal["aws", "azure", "gcp", "focus"]
PROVIDERS: Final[tuple[Provider, ...]] = ("aws", "azure", "gcp", "focus")
TYPES: Final[dict[Provider, tuple[LineType, ...]]] = {
    "aws": aws_lines.LINE_TYPES,
    "azure": azure_lines.LINE_TYPES,
    "gcp": gcp_lines.LINE_TYPES,
    "focus": focus_lines.LINE_TYPES,
}
# Forms that say the same of a bill, by what they say.
FORMS: Final[dict[Provider, Sequence[Sequence[str]]]] = {
    "aws": aws_lines.FAMILIES,
    "azure": tuple(azure_lines.FAMILIES.values()),
    "gcp": gcp_lines.FAMILIES,
    "focus": focus_lines.FAMILIES,
}
# To USD, by currency and the month of use.
RATES: Final = {
    ("EUR", "2026-08"): Decimal("1.0837"),
    ("EUR", "2026-09"): Decimal("1.125"),
    ("EUR", "2026-10"): Decimal("1.2"),
    ("JPY", "2026-08"): Decimal("0.0068"),
    ("JPY", "2026-09"): Decimal("0.0071"),
    ("JPY", "2026-10"): Decimal("0.0065"),
}
# (currency, month billed, month used, category, class, status of the commitment)
Key = tuple[str, str, str, str, str | None, str | None]
# Rows, billed, effective, list and contracted cost, billed in USD.
Sums = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class Bill:
    """A bill and how it is written.

    Attributes:
        words: what it has, which some line types need.
        forms: ways to write it that say the same, the first one first.
        has_amortized: of Azure, whether the AmortizedCost is there too.
        detailed: of GCP, whether it is the export with resources.
    """

    provider: Provider
    seed: int
    account: str
    items: tuple[Item, ...]
    words: frozenset[str]
    forms: tuple[str, ...]
    has_amortized: bool
    detailed: bool
    dice: random.Random = field(repr=False, compare=False)

    def effects(self, item: Item) -> tuple[Effect, ...]:
        """The rows that a line of this bill becomes."""
        effects = item.kind.effects
        if self.provider == "azure" and "typed" not in self.words:
            # A file of usage only has no prices either.
            effects = (same(str(item.kind.money.get("actual", "0")), "Usage"),)
        elif self.provider == "azure" and not self.has_amortized:
            effects = item.kind.alone or ()
        if self.provider == "gcp" and not self.detailed:
            # Only the detailed export names commitments.
            effects = tuple(
                Effect(
                    e.billed, e.effective, e.listed, e.contracted, e.category, None, e.charge_class
                )
                for e in effects
            )
        return tuple(effect.times(item.size) for effect in effects)

    def expected(self) -> dict[Key, Sums]:
        """What must be loaded."""
        sums: dict[Key, Sums] = {}
        with localcontext(prec=80):
            for item in self.items:
                if item.kind.is_rejected:
                    continue
                months = (item.kind.bill_month, item.kind.usage_month)
                if self.provider == "azure" and "typed" not in self.words:
                    months = (item.kind.usage_month, item.kind.usage_month)
                rate = RATES.get((item.currency, months[1]), Decimal(1))
                for effect in self.effects(item):
                    key = (
                        item.currency,
                        *months,
                        effect.category,
                        effect.charge_class,
                        effect.status,
                    )
                    rows, *amounts = sums.get(key, (0, *[Decimal(0)] * 5))
                    more = (
                        effect.billed,
                        effect.effective,
                        effect.listed,
                        effect.contracted,
                        effect.billed * rate,
                    )
                    totals = [one + other for one, other in zip(amounts, more, strict=True)]
                    sums[key] = (rows + 1, *totals)  # type: ignore[assignment]
        return sums

    def expected_rejected(self) -> tuple[int, dict[str, Decimal]]:
        """How many rows must be rejected, and what they would have billed by currency."""
        rows, billed = 0, defaultdict[str, Decimal](Decimal)
        for item in self.items:
            if item.kind.is_rejected:
                effects = self.effects(item)
                rows += len(effects)
                billed[item.currency] += sum((effect.billed for effect in effects), Decimal(0))
        return rows, dict(billed)

    def shuffled(self) -> "Bill":
        """The same lines in another order, laid out in another way, maybe in another form."""
        items, forms = list(self.items), list(self.forms)
        self.dice.shuffle(items)
        self.dice.shuffle(forms)
        return Bill(
            **{**vars(self), "items": tuple(items), "forms": tuple(forms)},
        )

    def cut(self) -> "list[Bill]":
        """The same lines in two to four bills, each in any form."""
        cuts = sorted(self.dice.randrange(1, len(self.items)) for _ in range(3))
        edges = sorted({0, *cuts, len(self.items)})
        pieces = [self.items[start:end] for start, end in pairwise(edges)]
        whole = [piece for piece in pieces if any(not item.kind.is_rejected for item in piece)]
        lost = [item for piece in pieces if piece not in whole for item in piece]
        whole[0] = (*whole[0], *lost)
        return [
            Bill(**{**vars(self), "items": piece, "forms": (self.dice.choice(self.forms),)})
            for piece in whole
        ]


def make_bill(provider: Provider, seed: int) -> Bill:
    """The bill of that seed."""
    dice = random.Random(f"{provider} {seed}")
    words, forms = _manner(provider, seed, dice)
    currency = dice.choice(("USD", "EUR", "JPY"))
    chosen: list[LineType] = []
    for kind in TYPES[provider]:
        if kind.only is None or kind.only in words:
            # The first types are what no bill is without: usage; of net costs, too.
            least = 1 if kind.name in {"Usage", "Usage, net", "regular"} else 0
            chosen += [kind] * dice.randint(least, 3)
    dice.shuffle(chosen)
    items = [
        Item(
            kind,
            Decimal(dice.randint(1, 99_999)).scaleb(-dice.randint(0, 4)),
            kind.currency or currency,
            number,
        )
        for number, kind in enumerate(chosen)
    ]
    # The same line twice is two charges.
    items += dice.sample(items, min(3, len(items)))
    dice.shuffle(items)
    account = str(100_000_000_000 + seed % 800_000_000_000)
    return Bill(
        provider,
        seed,
        account,
        tuple(items),
        words,
        forms,
        has_amortized="typed" in words and dice.random() < 0.6,
        detailed=dice.random() < 0.6,
        dice=dice,
    )


def _manner(
    provider: Provider, seed: int, dice: random.Random
) -> tuple[frozenset[str], tuple[str, ...]]:
    """What the bill has, and the forms that say the same of it: seeds in a row have them all."""
    families = list(FORMS[provider])
    turn, place = divmod(seed, len(families))
    words = {dice.choice(("net", "gross"))}
    forms = list(families[place])
    first = forms.pop(turn % len(forms))
    dice.shuffle(forms)
    forms = [first, *forms]
    if provider == "azure":
        agreement = next(name for name, of in azure_lines.FAMILIES.items() if first in of)
        words.add(agreement)
        if agreement not in azure_lines.USAGE_ONLY:
            words.add("typed")
    if not _has_types(first) and dice.random() < 0.7:
        # Columns of numbers cannot hold what is no number.
        words.add("texts")
        forms = [form for form in forms if not _has_types(form)]
    return frozenset(words), tuple(forms)


def _has_types(form: str) -> bool:
    return "Parquet" in form or form == "NUMERIC"


def write(bill: Bill, folder: Path, name: str) -> list[Path]:
    """The bill as a file; of Azure as two, where both are there."""
    form, path = bill.forms[0], folder / name
    match bill.provider:
        case "aws":
            content = aws_lines.write(bill.items, form, bill.account, bill.dice)
        case "gcp":
            content = gcp_lines.write(
                bill.items, form, bill.account, bill.dice, detailed=bill.detailed
            )
        case "focus":
            content = focus_lines.write(bill.items, form, bill.account, bill.dice)
        case "azure":
            content = azure_lines.write(bill.items, form, "actual", bill.account, bill.dice)
    path.write_bytes(content)
    if not bill.has_amortized:
        return [path]
    other = folder / f"{name}-amortized"
    other.write_bytes(azure_lines.write(bill.items, form, "amortized", bill.account, bill.dice))
    return [path, other]


def load(
    warehouse: Warehouse,
    bills: Sequence[Bill],
    folder: Path,
    partition: str,
    replaces: Iterable[str] = (),
) -> LoadResult:
    """Load as `oco import` does: one file; of Azure, all files of a month."""
    files = [write(bill, folder, f"{partition}-{number}") for number, bill in enumerate(bills)]
    bill = bills[0]
    if bill.provider == "azure":
        month = AzureMonth(
            [pair[0] for pair in files],
            [pair[1] for pair in files if bill.has_amortized],
            bill.items[0].currency,
            bill.account,
        )
        return load_azure(warehouse, partition, month, list(replaces))
    ((path,),) = files
    reader = {"aws": read_aws, "gcp": read_gcp, "focus": read_focus}[bill.provider]
    return load_focus_file(warehouse, partition, path, replaces=list(replaces), read=reader)


def loaded(warehouse: Warehouse, partitions: Iterable[str]) -> dict[Key, Sums]:
    """What is believed of the partitions."""
    rows = warehouse.query(
        """
        SELECT billing_currency,
               to_char(billing_period_start AT TIME ZONE 'UTC', 'YYYY-MM') AS billed_in,
               to_char(charge_period_start AT TIME ZONE 'UTC', 'YYYY-MM') AS used_in,
               charge_category, charge_class, commitment_discount_status, count(*) AS rows,
               sum(billed_cost) AS billed, sum(effective_cost) AS effective,
               sum(list_cost) AS listed, sum(contracted_cost) AS contracted, sum(cost_usd) AS usd
        FROM oco.cloud_costs
        WHERE valid_to IS NULL AND source_partition = ANY(%s)
        GROUP BY 1, 2, 3, 4, 5, 6
        """,
        [list(partitions)],
    )
    return {
        (
            row["billing_currency"],
            row["billed_in"],
            row["used_in"],
            row["charge_category"],
            row["charge_class"],
            row["commitment_discount_status"],
        ): (
            row["rows"],
            row["billed"],
            row["effective"],
            row["listed"],
            row["contracted"],
            row["usd"],
        )
        for row in rows
    }
