"""What the first materialisation tells; what it does is tested with `oco up`, which runs it."""

import json

from oco_pipelines.bootstrap import Progress


def test_progress_is_one_line_of_json_without_what_is_not_known_yet() -> None:
    started = json.loads(Progress("marts", "started").to_json())
    assert started == {"step": "marts", "asset": "marts", "state": "started"}
    done = json.loads(Progress("marts", "done", 3, 1.23456).to_json())
    assert (done["rows"], done["seconds"]) == (3, 1.235)
