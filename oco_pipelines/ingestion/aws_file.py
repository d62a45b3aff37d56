"""Reads a file that AWS exported, whatever its form, into a table of FOCUS; judges nothing yet."""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path

from oco_pipelines.ingestion.aws_cur import translate
from oco_pipelines.ingestion.aws_cur_columns import recognise
from oco_pipelines.ingestion.aws_cur_costs import net_costs
from oco_pipelines.ingestion.focus_reader import ROW_NUMBER, SourceTable, read_focus
from oco_pipelines.ingestion.table_reader import read_table
from oco_warehouse.errors import InvalidFileError


def read_aws(name: str, path: Path, ignore: Collection[str] = ()) -> Iterator[SourceTable]:
    """Read a file some rows at a time: a Cost and Usage Report, legacy or 2.0, or a FOCUS export.

    Args:
        name: for messages.
        path: the file.
        ignore: as `read_focus` takes it; of a Cost and Usage Report nothing has to be ignored.

    Raises:
        InvalidFileError: one line naming the file and what is wrong with it.
    """
    frames = read_table(name, path)
    first = next(frames)
    report = recognise(name, first.columns)
    if report.form == "FOCUS":
        yield from read_focus(name, path, ignore)
        return
    done = 0
    has_net = has_lost = False
    for frame in chain([first], frames):
        rows = translate(name, frame, report)
        net, lost = net_costs(frame, report)
        has_net, has_lost = has_net or net, has_lost or lost
        yield SourceTable(rows.with_row_index(ROW_NUMBER, offset=done + 1), ignored=())
        done += frame.height
    if has_lost and not has_net:
        raise InvalidFileError(
            f"{name}: has lines of a private discount and a column of net costs that is empty in "
            "every row, so that the discount would be lost: export it again with its net costs, or "
            "without the column"
        )
