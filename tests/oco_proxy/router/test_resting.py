"""A model that gives up again and again is left alone for a minute."""

from oco_proxy.router.resting import MAX_POLICIES, REST_SECONDS, TIMES, Resting


def test_a_model_rests_after_several_failures_in_a_row_and_then_gets_one_try() -> None:
    resting = Resting()
    assert [resting.gave_up("p", "m", 0.0) for _ in range(TIMES)] == [False] * (TIMES - 1) + [True]
    assert resting.models("p", REST_SECONDS - 0.1) == {"m"}
    assert resting.models("q", 0.0) == frozenset()
    assert resting.models("p", REST_SECONDS) == frozenset()
    assert resting.gave_up("p", "m", REST_SECONDS)
    assert resting.models("p", REST_SECONDS + 1) == {"m"}


def test_an_answer_in_between_begins_the_count_anew() -> None:
    resting = Resting()
    for _ in range(TIMES - 1):
        resting.gave_up("p", "m", 0.0)
    resting.answered("p", "m")
    resting.answered("p", "never seen")
    assert not resting.gave_up("p", "m", 0.0)
    assert resting.models("p", 0.0) == frozenset()


def test_policies_that_are_gone_do_not_fill_the_memory() -> None:
    resting = Resting()
    for number in range(3 * MAX_POLICIES):
        resting.gave_up(str(number), "m", 0.0)
    assert len(resting._policies) <= MAX_POLICIES
