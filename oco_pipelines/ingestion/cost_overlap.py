"""Partitions of cloud costs that say the same: refused, or put in one another's place."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from oco_pipelines.ingestion.cost_days import change_rows
from oco_pipelines.ingestion.cost_partitions import forget_partitions
from oco_warehouse.database import Connection
from oco_warehouse.errors import ConflictError, InvalidInputError
from oco_warehouse.money import exact_sum

_SHOWN_PARTITIONS: Final = 5
# So many of the charges that come in are looked for; a bill's parts lie side by side.
_SAMPLE: Final = 20_000
_SAME: Final = "hash_record_extended(ROW({}), 0)".format(
    ", ".join(
        f"c.{name}"
        for name in (
            *("date", "billing_account_id", "account_id", "resource_id", "service", "sku_id"),
            *("charge_category", "charge_class", "charge_period_start", "charge_period_end"),
            *("billing_currency", "billed_cost", "effective_cost", "usage_quantity"),
            "commitment_discount_id",
        )
    )
)
_SAMPLED: Final = f"""
    CREATE TEMP TABLE sampled ON COMMIT DROP AS
    SELECT DISTINCT {_SAME} AS same, date, billing_account_id, account_id, billing_currency
    FROM (
        SELECT * FROM oco.cloud_costs
        WHERE source = %(source)s AND source_partition = %(partition)s AND valid_to IS NULL
          AND (billed_cost <> 0 OR effective_cost <> 0)
        LIMIT %(sample)s) AS c
"""  # noqa: S608
# Partitions that have enough charges of the same days and accounts to hold half of the sample.
_SIMILAR: Final = """
    WITH own AS (
        SELECT date, billing_account_id, account_id, billing_currency, count(*) AS charges
        FROM sampled GROUP BY 1, 2, 3, 4
    ),
    other AS (
        SELECT source_partition, date, billing_account_id, account_id, billing_currency,
               sum(charges) AS charges
        FROM oco.cloud_cost_partition_days
        WHERE source = %(source)s AND source_partition <> %(partition)s
          AND date BETWEEN %(first)s AND %(last)s
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT source_partition AS name
    FROM other JOIN own USING (date, billing_account_id, account_id, billing_currency)
    GROUP BY 1
    HAVING sum(least(own.charges, other.charges)) * 2 > (SELECT count(*) FROM sampled)
"""
# The inner query may only go by partition and day: statistics know nothing yet of a fresh month, of
# which the planner would otherwise read everything. OFFSET 0 keeps it so.
_SAME_CHARGES: Final = f"""
    SELECT others.name, count(DISTINCT same) AS charges,
           (SELECT count(*) FROM sampled) AS sampled
    FROM unnest(%(others)s::text[]) AS others (name)
    CROSS JOIN (SELECT DISTINCT date FROM sampled) AS days
    CROSS JOIN LATERAL (
        SELECT {_SAME} AS same FROM oco.cloud_costs AS c
        WHERE c.source = %(source)s AND c.source_partition = others.name AND c.date = days.date
          AND c.valid_to IS NULL
          AND c.account_id = ANY (ARRAY(SELECT DISTINCT account_id FROM sampled))
        OFFSET 0) AS found
    JOIN sampled USING (same)
    GROUP BY 1 ORDER BY 2 DESC
"""  # noqa: S608

# Forms of one bill round their lines differently; so few charges may cost the same by chance.
_TOLERANCE: Final = Decimal("0.0001")
_LEAST_CHARGES: Final = 10
_SHIFT: Final = timedelta(days=1)
_MONTHS: Final = """
    SELECT source_partition AS name,
           (provider, lower(regexp_replace(account_id, '^.*/', '')), billing_period_start,
            billing_currency)::text AS month,
           sum(billed_cost) AS billed, sum(charges)::bigint AS charges
    FROM oco.cloud_cost_partition_days
    WHERE source = %(source)s AND source_partition = ANY (%(names)s)
    GROUP BY 1, 2
"""
# When most of a partition was used: a tax or a fee of the month lasts longer than its neighbours.
_WHEN: Final = """
    SELECT percentile_disc(0.25) WITHIN GROUP (ORDER BY charge_period_start) AS begins,
           percentile_disc(0.75) WITHIN GROUP (ORDER BY charge_period_end) AS ends
    FROM oco.cloud_costs
    WHERE source = %s AND source_partition = ANY (%s) AND valid_to IS NULL
    GROUP BY source_partition
"""
# What tells a month of an account in a currency: (billed, charges)
Months = dict[str, tuple[Decimal, int]]


def refuse_doubles(
    connection: Connection, partition: str, different: int, disjoint: tuple[str, str] | None = None
) -> None:
    """Refuse charges that are believed already under other partitions; reads `doubled`.

    Few shared charges are normal. Two cases are not: most of the incoming charges are loaded
    already, be it over many partitions, or one partition is mostly contained in what comes in.

    Args:
        connection: in the transaction of the load, with the temporary table `doubled`: charges
            that come in and are believed under another partition.
        partition: the one that is being loaded.
        different: how many different charges come in.
        disjoint: (source, prefix) of partitions that are parts of one table, as this one is: what
            they share are different charges that say the same.

    Raises:
        ConflictError: when money would count twice.
    """
    if disjoint:
        connection.execute(
            "DELETE FROM doubled WHERE source = %s AND starts_with(source_partition, %s)", disjoint
        )
    # Of identical charges each partition has one first occurrence: counted up to the limit only.
    siblings = connection.execute(
        """
        SELECT shared.source_partition, shared.charges,
               shared.charges * 2 > (
                   SELECT count(*) FROM (
                       SELECT 1 FROM oco.cloud_costs AS own
                       WHERE own.valid_to IS NULL AND own.source = shared.source
                         AND own.source_partition = shared.source_partition AND occurrence = 1
                       LIMIT shared.charges * 2) AS few) AS contained
        FROM (
            SELECT source, source_partition, count(DISTINCT row_hash) AS charges
            FROM doubled GROUP BY 1, 2) AS shared
        ORDER BY shared.charges DESC, shared.source_partition
        """
    ).fetchall()
    if not siblings:
        return
    shared = connection.execute(
        "SELECT count(DISTINCT row_hash) AS charges FROM doubled"
    ).fetchall()[0]["charges"]
    if shared * 2 <= different:
        siblings = [row for row in siblings if row["contained"]]
    if not siblings:
        return
    names = [repr(row["source_partition"]) for row in siblings]
    more = len(names) - _SHOWN_PARTITIONS
    shown = ", ".join(names[:_SHOWN_PARTITIONS]) + (f" and {more} more" if more > 0 else "")
    remedy = (
        "leave these days out of one of the two ways in which they are read"
        if disjoint
        else "replace what this file takes the place of with --replaces NAME, as in --replaces "
        f"{names[0]}"
    )
    raise ConflictError(
        f"{partition}: {shared} of its {different} different charges are loaded "
        f"already from {shown}, so money would count twice: {remedy}"
    )


def refuse_replaced(
    connection: Connection, source: str, partition: str, replaces: Collection[str]
) -> None:
    """Refuse a partition that another one took the place of and that does not take it back.

    Args:
        connection: in the transaction of the load.
        source: kind of source.
        partition: the one that is being loaded.
        replaces: partitions that it takes the place of.

    Raises:
        ConflictError: when money would count twice.
    """
    holder, seen = partition, {partition}
    while True:
        rows = connection.execute(
            "SELECT holder.source_partition AS name FROM oco.ingestion_batches AS replaced "
            "JOIN oco.ingestion_batches AS holder ON holder.id = replaced.replaced_by "
            "WHERE replaced.source = %s AND replaced.source_partition = %s "
            "AND replaced.id = (SELECT id FROM oco.ingestion_batches WHERE source = %s "
            "AND source_partition = %s AND status IN ('loaded', 'unchanged') "
            "ORDER BY finished_at DESC LIMIT 1)",
            [source, holder, source, holder],
        ).fetchall()
        if not rows or rows[0]["name"] in seen:
            break
        holder = rows[0]["name"]
        seen.add(holder)
    if holder == partition or holder in replaces:
        return
    believed = connection.execute(
        "SELECT 1 FROM oco.cloud_costs WHERE source = %s AND source_partition = %s "
        "AND valid_to IS NULL LIMIT 1",
        [source, holder],
    ).fetchall()
    if believed:
        raise ConflictError(
            f"{partition}: {holder!r} took its place, so money would count twice: leave it out, or "
            f"put it back with --replaces {holder!r}"
        )


def refuse_same_bill(
    connection: Connection, source: str, partition: str, window: tuple[date, date]
) -> None:
    """Refuse a bill that is believed already under another name, though not word for word.

    A bill that is delivered again names invoices and tags that the delivery before had not, so that
    its charges are others. When half of those that cost something are believed already as charges
    of the same resource, SKU, period, amounts and quantity, it is the same bill. So it is when it
    is of the same time and billing months and adds up to the same: a report and a FOCUS export of a
    month name everything differently.

    Args:
        connection: in the transaction of the load.
        source: kind of source.
        partition: one that was loaded for the first time.
        window: first and last usage day of it.

    Raises:
        ConflictError: when money would count twice.
    """
    names = {"source": source, "partition": partition, "first": window[0], "last": window[1]}
    _refuse_same_sums(connection, source, partition, window)
    connection.execute(_SAMPLED, names | {"sample": _SAMPLE})
    others = connection.execute(_SIMILAR, names).fetchall()
    if not others:
        return
    # A nested loop over hashes of which statistics know nothing could take for ever.
    connection.execute("SET LOCAL enable_nestloop = off")
    found = connection.execute(
        _SAME_CHARGES, names | {"others": [row["name"] for row in others]}
    ).fetchall()
    connection.execute("SET LOCAL enable_nestloop = on")
    for row in found:
        if row["charges"] * 2 > row["sampled"]:
            raise ConflictError(
                f"{partition}: its charges are loaded already from {row['name']!r}, with other "
                "invoices or tags, so money would count twice: replace that with "
                f"--replaces {row['name']!r}"
            )


def _refuse_same_sums(
    connection: Connection, source: str, partition: str, window: tuple[date, date]
) -> None:
    rows = connection.execute(
        "SELECT DISTINCT source_partition AS name FROM oco.ingestion_batches "
        "WHERE source = %(source)s AND source_partition <> %(partition)s "
        "AND status IN ('loaded', 'unchanged') AND replaced_by IS NULL "
        "AND first_date BETWEEN %(first)s - %(shift)s AND %(first)s + %(shift)s "
        "AND last_date BETWEEN %(last)s - %(shift)s AND %(last)s + %(shift)s",
        {
            "source": source,
            "partition": partition,
            "shift": _SHIFT,
            "first": window[0],
            "last": window[1],
        },
    ).fetchall()
    others = [row["name"] for row in rows]
    if not others:
        return
    months: dict[str, Months] = {}
    for row in connection.execute(_MONTHS, {"source": source, "names": [partition, *others]}):
        found = months.setdefault(row["name"], {})
        found[row["month"]] = (row["billed"], row["charges"])
    for name in sorted(others):
        if add_up_alike(months[partition], months.get(name, {})) and are_of_one_time(
            connection, source, [partition, name]
        ):
            raise ConflictError(
                f"{partition}: {name!r} is of the same days and accounts and adds up to the same, "
                f"so money would count twice: replace that with --replaces {name!r}"
            )


def are_of_one_time(connection: Connection, source: str, names: list[str]) -> bool:
    """Whether two partitions are mostly of the same hours: days that follow may cost the same."""
    rows = connection.execute(_WHEN, [source, names]).fetchall()
    begins, ends = max(row["begins"] for row in rows), min(row["ends"] for row in rows)
    return bool(begins < ends)


def add_up_alike(one: Months, other: Months) -> bool:
    """Whether two bills are one in different words, as far as their sums tell.

    More than half of the money is of months of accounts that cost the same in both, but for a
    ten-thousandth. Months of few charges or worth nothing say little, and do not count.
    """
    told = {
        month: billed
        for month, (billed, charges) in one.items()
        if charges >= _LEAST_CHARGES and billed > 0
    }
    alike = [
        billed
        for month, billed in told.items()
        if month in other
        and other[month][1] >= _LEAST_CHARGES
        and abs(billed - other[month][0]) <= billed * _TOLERANCE
    ]
    return exact_sum(alike) * 2 > exact_sum(told.values())


def close_replaced(
    connection: Connection,
    source: str,
    replaces: Collection[str],
    batch: UUID,
    moment: datetime,
) -> int:
    """Stop believing the partitions that the incoming one takes the place of; returns their rows.

    Their loads keep which one it was, so that an empty partition can be told from a lost one.

    Args:
        connection: in the transaction of the load.
        source: kind of source; a partition of the same name in another source is left alone.
        replaces: names of partitions.
        batch: the load that takes their place, recorded already.
        moment: when it does.

    Raises:
        InvalidInputError: when nothing is believed from one of them.
    """
    closed = 0
    for name in dict.fromkeys(replaces):
        rows = change_rows(
            connection,
            "UPDATE oco.cloud_costs AS c SET valid_to = %(moment)s "
            "WHERE source = %(source)s AND source_partition = %(name)s AND valid_to IS NULL",
            {"moment": moment, "source": source, "name": name},
        )
        if rows == 0:
            raise InvalidInputError(f"nothing is loaded from {name!r}: check --replaces")
        connection.execute(
            "UPDATE oco.ingestion_batches SET replaced_by = %s WHERE source = %s "
            "AND source_partition = %s AND status IN ('loaded', 'unchanged') AND id <> %s",
            [batch, source, name, batch],
        )
        closed += rows
    forget_partitions(connection, source, replaces)
    return closed
