from oco_cli.bootstrap import describe_step


def test_a_step_is_told_with_its_rows_and_seconds_where_it_got_so_far() -> None:
    done = {"step": "marts", "state": "done", "rows": 1200, "seconds": 3.21}
    assert describe_step(done) == "marts: done, 1,200 rows, 3.2 s"
    failed = {"step": "focus_files", "state": "failed", "error": "no such folder"}
    assert describe_step(failed) == "focus_files: failed"
