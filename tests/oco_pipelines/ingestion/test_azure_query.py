"""The real SDK against a stand-in of Azure on loopback: what arrives is what Azure has."""

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oco_pipelines.ingestion.azure_credentials import TokenFile
from oco_pipelines.ingestion.azure_query_answer import AnswerRow, read_page
from oco_pipelines.ingestion.azure_query_client import AccessDenied, CostQuery, retry_after
from oco_pipelines.ingestion.azure_query_month import (
    QueriedMonth,
    Slice,
    read_month,
    slices,
)
from oco_warehouse.errors import (
    InvalidInputError,
    OpenCloudOpsError,
    UpstreamError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from tests.oco_pipelines.ingestion.azure_standin import (
    SCOPE,
    TOKEN,
    Azure,
    Charge,
    Fault,
    azure,
)

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
QPU, ENTITY, TENANT = (
    f"x-ms-ratelimit-microsoft.costmanagement-{word}-retry-after"
    for word in ("qpu", "entity", "tenant")
)


@pytest.fixture
def cloud() -> Iterator[Azure]:
    with azure() as server:
        server.charges = a_month(7)
        yield server


def a_month(seed: int, days: int = 5) -> list[Charge]:
    """Charges of October: usage, a reservation with what it covers and what not, tax, a refund."""
    dice = random.Random(seed)
    charges = []
    for number in range(days * 4):
        day = date(2026, 10, 1 + number % days)
        amount = f"{dice.randint(-50, 10**6)}.{dice.randint(0, 10**17):017d}"
        machine = f"{SCOPE}/resourcegroups/main/providers/microsoft.compute/vm/{number % 3}"
        category = dice.choice(["Virtual Machines", "Storage", "Azure Kurzstraße"])
        charges.append(Charge(day, amount, amount, ResourceId=machine, MeterCategory=category))
        charges.append(
            Charge(
                day, "0", "0.0000000000000000001", PricingModel="Reservation", ResourceId=machine
            )
        )
    first = date(2026, 10, 1)
    bought = {"ResourceId": "", "MeterCategory": "Virtual Machines", "PricingModel": "Reservation"}
    return [
        *charges,
        Charge(first, "1200.5", None, ChargeType="Purchase", **bought),
        Charge(first, None, "3.1e-3", ChargeType="UnusedReservation", **bought),
        Charge(first, "19.01", "19.01", ChargeType="Tax", ResourceId="", MeterCategory=""),
        Charge(first, "-0.3", "-0.3", ChargeType="CarbonLevy", ResourceId="", currency="EUR"),
    ]


def client(cloud: Azure, tmp_path: Path, waits: list[float] | None = None) -> CostQuery:
    token = tmp_path / "token"
    if not token.exists():
        token.write_text(TOKEN)
    kept: list[float] = [] if waits is None else waits
    return CostQuery(SCOPE, TokenFile(token), cloud.url, sleep=kept.append)


def totals(month: QueriedMonth) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    sums: tuple[dict[str, Decimal], dict[str, Decimal]] = ({}, {})
    for of, charges in zip(sums, (month.actual, month.amortized), strict=True):
        for charge in charges:
            of[charge.currency] = of.get(charge.currency, Decimal(0)) + charge.amount
    return sums


def truth(charges: list[Charge]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What the charges add up to, from their texts."""
    sums: tuple[dict[str, Decimal], dict[str, Decimal]] = ({}, {})
    for charge in charges:
        for of, text in zip(sums, (charge.actual, charge.amortized), strict=True):
            if text is not None:
                of[charge.currency] = of.get(charge.currency, Decimal(0)) + Decimal(text)
    return sums


def test_a_month_has_every_digit_of_both_totals(cloud: Azure, tmp_path: Path) -> None:
    query = client(cloud, tmp_path)
    month = read_month(query, *OCTOBER)
    assert totals(month) == truth(cloud.charges)
    assert query.effort.requests == len(cloud.requests)
    assert all(len(r["body"]["dataset"].get("grouping", [])) in {0, 2} for r in cloud.requests)


@pytest.mark.parametrize("size", range(1, 16))
def test_pages_cut_anywhere_and_in_any_order_say_the_same(
    cloud: Azure, tmp_path: Path, size: int
) -> None:
    whole = read_month(client(cloud, tmp_path), *OCTOBER)
    cloud.page_size, cloud.dice = size, random.Random(size)
    cloud.requests.clear()
    assert read_month(client(cloud, tmp_path), *OCTOBER) == whole
    # Every page but the first is asked for with the body of the first.
    followed = [r for r in cloud.requests if "$skiptoken" in r["query"]]
    assert followed
    bodies = [r["body"] for r in cloud.requests if "$skiptoken" not in r["query"]]
    assert all(r["body"] in bodies for r in followed)


def test_a_page_that_is_delivered_twice_counts_once(cloud: Azure, tmp_path: Path) -> None:
    cloud.page_size = 3
    # The first pages of the control totals are right; then rows come twice.
    cloud.faults = [*[None] * 14, Fault(double=True)]
    assert totals(read_month(client(cloud, tmp_path), *OCTOBER)) == truth(cloud.charges)


def test_equal_rows_that_azure_means_twice_count_twice() -> None:
    from oco_pipelines.ingestion.azure_query_month import settle

    row = AnswerRow(date(2026, 10, 1), Decimal("1.5"), "USD", ("a", "b"))
    control = {(row.day, "USD"): Decimal(3)}
    assert settle([row, row], control) == [row, row]
    assert settle([row, row], {(row.day, "USD"): Decimal("1.5")}) == [row]
    assert settle([row], control) is None


def test_a_lost_row_is_noticed_and_asked_for_again(cloud: Azure, tmp_path: Path) -> None:
    cloud.faults = [*[None] * 5, Fault(lose=True)]
    query = client(cloud, tmp_path)
    heard: list[str] = []
    query.log = heard.append
    assert totals(read_month(query, *OCTOBER)) == truth(cloud.charges)
    assert len(heard) == 1 and "reading 1 of 3" in heard[0]


@pytest.mark.parametrize("which", range(8))
def test_whichever_answer_loses_a_row_the_total_is_right(
    cloud: Azure, tmp_path: Path, which: int
) -> None:
    cloud.faults = [*[None] * which, Fault(lose=True)]
    assert totals(read_month(client(cloud, tmp_path), *OCTOBER)) == truth(cloud.charges)


def test_rows_that_never_add_up_are_refused(cloud: Azure, tmp_path: Path) -> None:
    cloud.faults = [None, None, Fault(lose=True)] * 3
    with pytest.raises(UpstreamError, match=r"do not add up.*nothing was changed"):
        read_month(client(cloud, tmp_path), *OCTOBER)


def test_a_throttled_request_waits_as_long_as_the_longest_header_says(
    cloud: Azure, tmp_path: Path
) -> None:
    waits: list[float] = []
    query = client(cloud, tmp_path, waits)
    heard: list[str] = []
    query.log = heard.append
    cloud.faults = [
        Fault(429, {QPU: "4", ENTITY: "17", TENANT: "2"}),
        Fault(429, {TENANT: "30", "Retry-After": "1"}),
        None,
        Fault(429, {}),
    ]
    assert totals(read_month(query, *OCTOBER)) == truth(cloud.charges)
    assert waits == [17, 30, 60]
    assert query.effort.waited == 107
    assert heard[0] == f"{SCOPE[1:]}: throttled by Azure: waiting 17 s"
    # Nobody else tried again in between.
    assert len(cloud.requests) == query.effort.requests


def test_a_storm_of_429_ends_at_the_bound(cloud: Azure, tmp_path: Path) -> None:
    waits: list[float] = []
    cloud.faults = [Fault(429, {QPU: "250"})] * 9
    with pytest.raises(UpstreamThrottled, match="bound of 900 s") as refused:
        read_month(client(cloud, tmp_path, waits), *OCTOBER)
    assert waits == [250, 250, 250]
    assert refused.value.retry_after == 250


def test_a_header_that_is_no_number_of_seconds_is_left_out() -> None:
    assert retry_after({QPU.upper(): "5", ENTITY: "soon", "x-other-retry-after": "9"}) == 5
    assert retry_after({ENTITY: "0"}) == 60


def test_a_connection_cut_in_the_middle_of_a_page_is_asked_for_again(
    cloud: Azure, tmp_path: Path
) -> None:
    cloud.page_size = 4
    cloud.faults = [Fault(cut=True), None, Fault(cut=True), Fault(503), Fault(200, cut=True)]
    waits: list[float] = []
    assert totals(read_month(client(cloud, tmp_path, waits), *OCTOBER)) == truth(cloud.charges)
    assert waits == [2, 2, 4, 8]


def test_a_service_that_stays_down_is_given_up(cloud: Azure, tmp_path: Path) -> None:
    waits: list[float] = []
    cloud.faults = [Fault(500, {"Retry-After": "20"}, b"<html>")] * 5
    with pytest.raises(UpstreamUnavailable, match=r"did not answer in 5 attempts \(HTTP 500"):
        read_month(client(cloud, tmp_path, waits), *OCTOBER)
    assert waits == [20, 20, 20, 20]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (403, '{"error":{"code":"RBACAccessDenied","message":"L’accès est refusé à Zoé."}}',
         AccessDenied, "HTTP 403 RBACAccessDenied"),
        (401, '{"error":{"code":"ExpiredAuthenticationToken","message":"期限切れ"}}',
         AccessDenied, "HTTP 401 ExpiredAuthenticationToken"),
        (404, '{"error":{"code":"SubscriptionNotFound","message":"Abonnement inconnu"}}',
         InvalidInputError, "HTTP 404 SubscriptionNotFound"),
        (400, '{"error":{"code":"BadRequest","message":"Ungültig:\\n PricingModel"}}',
         InvalidInputError, "HTTP 400 BadRequest: Ungültig: PricingModel"),
        (400, "\ufeffnicht einmal JSON", InvalidInputError, "HTTP 400[)]"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_its_code_in_any_language(
    cloud: Azure,
    tmp_path: Path,
    status: int,
    body: str,
    error: type[OpenCloudOpsError],
    said: str,
) -> None:
    cloud.faults = [Fault(status, {}, body.encode())]
    with pytest.raises(error, match=said) as refused:
        read_month(client(cloud, tmp_path), *OCTOBER)
    assert "Zoé" not in str(refused.value) and "\n" not in str(refused.value)
    assert len(cloud.requests) == 1


def test_the_token_is_sent_to_no_other_host(cloud: Azure, tmp_path: Path) -> None:
    with azure() as thief:
        cloud.other_host, cloud.page_size = thief.url, 2
        with pytest.raises(UpstreamError, match="it is not asked for"):
            read_month(client(cloud, tmp_path), *OCTOBER)
        assert thief.requests == []


def test_pages_that_lead_round_in_a_circle_end(cloud: Azure, tmp_path: Path) -> None:
    cloud.page_size = 2
    cloud.faults = [Fault(double=True)] * 3
    with pytest.raises(UpstreamError, match="circle"):
        read_month(client(cloud, tmp_path), *OCTOBER)


def test_a_token_file_that_is_gone_says_so(cloud: Azure, tmp_path: Path) -> None:
    query = CostQuery(SCOPE, TokenFile(tmp_path / "none"), cloud.url)
    with pytest.raises(OpenCloudOpsError, match="credentials cannot be read"):
        read_month(query, *OCTOBER)


words = st.sampled_from(["", "Usage", "Tax", "Purchase"])
models = st.sampled_from(["", "OnDemand", "Reservation"])


@given(st.lists(st.tuples(words, models), max_size=6))
def test_every_row_of_the_control_totals_is_in_exactly_one_slice(
    pairs: list[tuple[str, str]],
) -> None:
    rows = [AnswerRow(date(2026, 10, 1), Decimal(1), "USD", pair) for pair in pairs]
    parts = slices(rows)
    for charge_type, model in pairs:
        within = [
            part
            for part in parts
            if part.only.get("ChargeType", charge_type) == charge_type
            and part.only.get("PricingModel", model) == model
        ]
        assert len(within) == 1
    assert all(isinstance(part, Slice) for part in parts)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=25, min_value=-(10**15),
                   max_value=10**15))  # fmt: skip
def test_an_amount_keeps_every_digit(amount: Decimal) -> None:
    body = (
        '{"properties":{"columns":[{"name":"Currency"},{"name":"PreTaxCost"},{"name":"X"},'
        f'{{"name":"UsageDate"}}],"rows":[["eur",{amount},null,20261031]]}}}}'
    )
    (row,) = read_page(body.encode(), ("X",)).rows
    assert row == AnswerRow(date(2026, 10, 31), amount, "EUR", ("",))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('["USD",NaN,"",20261031]', "NaN"),
        ('["USD","1.5","",20261031]', "no amount"),
        ('["USD",1e400000,"",20261031]', "no amount"),
        ('["USD",true,"",20261031]', "no amount"),
        ('["USD",1,"",20261331]', "no.* as 20261031"),
        ('["USD",1,20261031]', "3 values for 4 columns"),
    ],
)
def test_a_row_that_cannot_be_read_fails_the_answer(row: str, said: str) -> None:
    head = '{"properties":{"columns":[{"name":"Currency"},{"name":"Cost"},{"name":"X"},'
    body = f'{head}{{"name":"UsageDate"}}],"rows":[{row}]}}}}'
    with pytest.raises(UpstreamError, match=said):
        read_page(body.encode(), ("X",))


def test_an_answer_without_a_column_says_which() -> None:
    body = b'{"properties":{"columns":[{"name":"Cost"},{"name":"UsageDate"}],"rows":[]}}'
    with pytest.raises(UpstreamError, match="no column 'currency'"):
        read_page(body, ())
