"""Regular expressions that could run away are refused; the others are bounded."""

import time

import pytest

from oco_warehouse.errors import InvalidRuleError, PolicyRunError
from oco_warehouse.policy_rules.patterns import read_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"(a+)+$", r"(a*)*b", r"(a|a)*b", r"(a|ab)+$", r"([a-z]+\s*)+$", r"(?:(?:x?)*)*y"),
        *(r"(\w+)\1", r".*.*.*.*x", "a?" * 30 + "a" * 30, r"(.*a){20}", r"((ab?)+c)+"),
        *("(a{0,50}){0,50}b", "(?=(a+)+)b", "x" * 501, "(", "", r"(?P<a>.)(?(a)b|c)"),
    ],
)
def test_a_pattern_that_could_run_away_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRuleError, match=r"^filters\[0\]\.value: "):
        read_pattern(pattern, "filters[0].value", ignore_case=True)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"^(dev|test|prod)(-.*)?$", "PROD-web", True),
        (r"^[a-z]{2}-[a-z]+-\d{1,2}$", "eu-west-1", True),
        (r"(?!prod).*-db$", "prod-db", False),
        (r"^[\w.+-]+@[\w-]+\.[\w.-]+$", "kim@example.com", True),
        (r"^arn:aws:iam::\d{12}:role/.*$", "arn:aws:iam::123456789012:role/x", True),
        (r"^[^-]*-[^-]*-[^-]*$", "a-b-c", True),
        (r".*(foo|bar).*", "xbar", True),
        (r"(abc|def)+$", "abcdef", True),
        (r"^.{1,128}$", "x", True),
    ],
)
def test_patterns_of_everyday_policies_are_taken(pattern: str, text: str, matches: bool) -> None:
    assert bool(read_pattern(pattern, "here", ignore_case=True).match(text)) is matches


def test_the_worst_of_what_is_taken_ends_soon() -> None:
    pattern = read_pattern(".*a.*b.*c", "here", ignore_case=False)
    worst = ("ab" * pattern.longest)[: pattern.longest]
    began = time.perf_counter()
    assert pattern.match(worst) is None
    assert time.perf_counter() - began < 5


def test_a_text_that_is_too_long_for_a_pattern_fails_the_policy() -> None:
    pattern = read_pattern(".*a.*b.*c", "here", ignore_case=False)
    with pytest.raises(PolicyRunError, match="is tried on at most"):
        pattern.match("x" * (pattern.longest + 1))
