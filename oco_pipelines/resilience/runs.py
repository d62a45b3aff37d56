"""Runs that are repeated until their work is done: one at a time, ever more rarely, to a limit."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

LIVE: Final = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
# With the pauses below that is 6 h or so.
MOST_RUNS: Final = 12
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)


def next_run(instance: DagsterInstance, tags: Mapping[str, str], now: datetime) -> int | None:
    """Number of the next run for a piece of work, from 1; None while it must not be started.

    It is not while one is live, before a pause after the last one has passed, or after MOST_RUNS.

    Args:
        instance: knows the runs so far.
        tags: which all runs for the work carry, and no others.
        now: aware.
    """
    runs = instance.get_run_records(RunsFilter(tags=dict(tags)), limit=MOST_RUNS)
    if len(runs) >= MOST_RUNS or any(run.dagster_run.status in LIVE for run in runs):
        return None
    if runs:
        pause = min(_FIRST_PAUSE * 2 ** (len(runs) - 1), _LONGEST_PAUSE)
        if now < _ended_at(runs[0]) + pause:
            return None
    return len(runs) + 1


def _ended_at(run: RunRecord) -> datetime:
    if run.end_time is not None:
        return datetime.fromtimestamp(run.end_time, UTC)
    # A run that never started has no end; this is when it was given up.
    return run.update_timestamp.replace(tzinfo=UTC)
