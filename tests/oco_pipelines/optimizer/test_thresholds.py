"""Thresholds from a file: what differs, and what is refused with which words."""

from pathlib import Path

import pytest

from oco_pipelines.optimizer.thresholds import Thresholds, read_thresholds
from oco_warehouse.errors import InvalidFileError


def test_without_a_file_or_with_an_empty_one_the_defaults_hold(tmp_path: Path) -> None:
    empty = tmp_path / "t.yaml"
    empty.write_text("# nothing yet\n")
    assert read_thresholds(None) == read_thresholds(empty) == Thresholds()


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "idle_instance:\n  cpu_percent: 3\nold_snapshot:\n  enabled: false\n"
        "previous_generation:\n  successors:\n    aws:m4: [m7i, 0.1]\n"
    )
    made = read_thresholds(file)
    assert made.idle_instance.cpu_percent == 3
    assert made.idle_instance.window_days == 14
    assert not made.old_snapshot.enabled
    assert made.previous_generation.successors == {"aws:m4": ("m7i", 0.1)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("idle_instance:\n  cpu_percent: 101\n", "idle_instance.cpu_percent: Input should be less"),
        ("idle_instance:\n  cpu: 1\n", "idle_instance.cpu: Extra inputs are not permitted"),
        ("idle_instanec:\n  enabled: false\n", "idle_instanec: Extra inputs are not permitted"),
        ("idle_instance:\n  enabled: 'no'\n", "idle_instance.enabled: Input should be a valid"),
        ("idle_instance:\n  cpu_percent: .nan\n", "idle_instance.cpu_percent: Input should be"),
        ("off_hours:\n  window_days: 15\n", "off_hours.window_days: Input should be a multiple"),
        ("- a\n", "expected rules with their thresholds under them"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(InvalidFileError) as caught:
        read_thresholds(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="cannot be read"):
        read_thresholds(tmp_path / "none.yaml")
