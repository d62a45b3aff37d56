import pytest

from oco_warehouse.names import is_visible, one_spelling


@pytest.mark.parametrize("name", ["support-bot", "böt", "ボット", "бот", "a b"])
def test_names_in_any_script_are_visible_and_stay_as_they_are(name: str) -> None:
    assert is_visible(name) and one_spelling(name) == name


@pytest.mark.parametrize(
    "hidden",
    "\0\n\x7f\u0085\u00ad\u034f\u200b\u200d\u202e\u2060\u2800\u3164\ufe0f\ufeff\U000e0001\U000e0100",
)
def test_a_character_that_shows_nothing_is_not_visible(hidden: str) -> None:
    assert not is_visible(f"b{hidden}t")


def test_an_accent_apart_from_its_letter_is_the_same_name() -> None:
    assert one_spelling("bo\u0308t") == "böt"
