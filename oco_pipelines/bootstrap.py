"""The first materialisation of everything: `python -m oco_pipelines.bootstrap`.

Materialises every asset once, in the order in which the data flows, on the Dagster instance of
DAGSTER_HOME and in this process; asset checks run along. With the shipped sample it then loads the
sample's second delivery, so that the warehouse has a restated day. Each step is told as one line of
JSON on stdout; the exit code is 1 when anything failed.

Does not belong here: what an asset does, or how progress is shown to people (`oco_cli`).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from dagster import (
    AssetKey,
    AssetSelection,
    DagsterEvent,
    DagsterExecutionInterruptedError,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    JobDefinition,
)

from oco_pipelines.ingestion.source_assets import GROUP as SOURCES
from oco_warehouse.errors import OpenCloudOpsError
from oco_warehouse.settings import Settings

FILES: Final = "focus_files"
State = Literal["started", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of progress; `rows` and `seconds` are None while a step has only started."""

    step: str
    state: State
    rows: int | None = None
    seconds: float | None = None
    error: str | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        values = {
            "step": self.step,
            "asset": self.step,
            "state": self.state,
            "rows": self.rows,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "error": self.error,
        }
        return json.dumps({name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True, slots=True)
class AssetResult:
    """What became of one asset; rows of a partitioned asset are summed over its partitions."""

    name: str
    materialised: bool
    rows: int | None
    metadata: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of everything.

    Attributes:
        assets: by name; every asset of the definitions is in it.
        failures: one line for each step or check that failed.
        checks_passed: how many asset checks held.
        seconds: wall clock of the whole.
    """

    assets: dict[str, AssetResult] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    checks_passed: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when every asset was materialised and every check held."""
        return not self.failures and all(asset.materialised for asset in self.assets.values())


Listener = Callable[[Progress], None]


def materialise_everything(
    settings: Settings,
    instance: DagsterInstance,
    on_progress: Listener = lambda _: None,
    *,
    restate: bool = True,
    definitions: Definitions | None = None,
) -> Outcome:
    """Materialise every asset once; goes on after a failure as far as it can.

    Args:
        settings: with every address filled in.
        instance: the Dagster instance that keeps the runs.
        on_progress: told at the start and the end of each step.
        restate: whether the sample's second delivery is loaded too, where the sample is in use.
        definitions: instead of the code location's own.
    """
    started = time.monotonic()
    run = _Bootstrap(settings, instance, on_progress, definitions)
    for step, assets in run.steps():
        if step == FILES:
            run.load_files(restate)
        else:
            run.materialise(step, assets)
    outcome = run.outcome
    for name in run.all_assets:
        missing = AssetResult(name, materialised=False, rows=None, metadata={})
        if name not in outcome.assets:
            outcome.failures.append(f"{name}: was not materialised")
        outcome.assets.setdefault(name, missing)
    outcome.seconds = time.monotonic() - started
    return outcome


class _Bootstrap:
    """One pass over the assets; collects what happened in `outcome`."""

    def __init__(
        self,
        settings: Settings,
        instance: DagsterInstance,
        on_progress: Listener,
        definitions: Definitions | None,
    ) -> None:
        from oco_pipelines.resources import use_settings

        if definitions is None:
            from oco_pipelines.definitions import build

            use_settings(settings)
            definitions = build(settings)
        self._settings = settings
        self._instance = instance
        self._tell = on_progress
        self._graph = definitions.resolve_asset_graph()
        self._job: JobDefinition = definitions.resolve_implicit_global_asset_job_def()
        # What an account has costs of is found by its own sensor, which runs from the start.
        left = AssetSelection.groups(SOURCES).resolve(self._graph, allow_missing=True)
        self._keys = self._graph.materializable_asset_keys - left
        self.all_assets = sorted(key.to_user_string() for key in self._keys)
        self.outcome = Outcome()
        # By asset and partition: a partition that is loaded again replaces its rows.
        self._rows: dict[str, dict[str | None, int | None]] = {}

    def steps(self) -> Iterator[tuple[str, list[AssetKey]]]:
        """(step, assets) in the order of the flow; what no step names comes last."""
        # Trends are read from marts, and marts show them: those are built after them.
        trends = AssetSelection.groups("trends").downstream()
        plan: Sequence[tuple[str, AssetSelection]] = (
            ("partition_maintenance", AssetSelection.assets("partition_maintenance")),
            ("model_pricing", AssetSelection.assets("model_pricing")),
            # Bills in other currencies are refused without.
            ("exchange_rates", AssetSelection.assets("exchange_rates")),
            (FILES, AssetSelection.assets(FILES)),
            ("cloud_costs", AssetSelection.assets("cloud_costs", "resources")),
            ("api_requests", AssetSelection.assets("api_requests", "governance_policies")),
            ("resilience", AssetSelection.groups("resilience")),
            ("tag_rules", AssetSelection.assets("tag_rules", "tag_values")),
            ("marts", AssetSelection.groups("staging", "intermediate", "marts") - trends),
            ("trends", trends),
            ("optimizer", AssetSelection.groups("optimizer")),
            ("policy", AssetSelection.groups("policy")),
            ("rest", AssetSelection.all()),
        )
        done: set[AssetKey] = set()
        for step, selection in plan:
            keys = (selection.resolve(self._graph, allow_missing=True) & self._keys) - done
            done |= keys
            if keys:
                yield step, sorted(keys)

    def materialise(
        self, step: str, assets: Sequence[AssetKey], partition: str | None = None
    ) -> None:
        """One run over some assets and their checks."""
        self._tell(Progress(step, "started"))
        started = time.monotonic()
        before = len(self.outcome.failures)
        try:
            result = self._job.execute_in_process(
                asset_selection=list(assets),
                partition_key=partition,
                instance=self._instance,
                raise_on_error=False,
                tags={"oco/bootstrap": step},
            )
        except Exception as error:
            self.outcome.failures.append(f"{step}: {_one_line(error)}")
            rows = None
        else:
            rows = self._collect(step, result)
        seconds = time.monotonic() - started
        failures = self.outcome.failures[before:]
        if failures:
            self._tell(Progress(step, "failed", rows, seconds, "; ".join(failures)))
        else:
            self._tell(Progress(step, "done", rows, seconds))

    def load_files(self, restate: bool) -> None:
        """Every file of the source; then, of the sample, what its second delivery changed."""
        from oco_pipelines.ingestion.sources import discover, uses_sample

        try:
            files = {file.key: file.etag for file in discover(self._settings)}
            self._load(list(files))
            if restate and uses_sample(self._settings):
                from oco_pipelines.ingestion import sample

                sample.install(self._settings.home / "sample", 2)
                later = {file.key: file.etag for file in discover(self._settings)}
                self._load([key for key, etag in later.items() if files.get(key) != etag])
        except OpenCloudOpsError as error:
            self.outcome.failures.append(f"{FILES}: {error}")
            self._tell(Progress(FILES, "failed", error=str(error)))

    def _load(self, keys: Sequence[str]) -> None:
        if not keys:
            # There are none where accounts are read instead; costs do not wait for them.
            self.outcome.assets.setdefault(FILES, AssetResult(FILES, True, 0, {}))
            self._tell(Progress(FILES, "done", rows=0, seconds=0.0))
            return
        self._instance.add_dynamic_partitions(FILES, list(keys))
        for key in keys:
            self.materialise(f"{FILES} {key}", [AssetKey(FILES)], partition=key)

    def _collect(self, step: str, result: ExecuteInProcessResult) -> int | None:
        total: int | None = None
        for event in result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            name = materialization.asset_key.to_user_string()
            metadata = {label: value.value for label, value in materialization.metadata.items()}
            value = metadata.get("rows", metadata.get("dagster/row_count"))
            rows = value if isinstance(value, int) else None
            if rows is not None:
                total = (total or 0) + rows
            parts = self._rows.setdefault(name, {})
            parts[materialization.partition] = rows
            known = [part for part in parts.values() if part is not None]
            self.outcome.assets[name] = AssetResult(
                name, materialised=True, rows=sum(known) if known else None, metadata=metadata
            )
        for check in result.get_asset_check_evaluations():
            if check.passed:
                self.outcome.checks_passed += 1
            elif check.severity.value == "ERROR":
                name = f"{check.asset_key.to_user_string()}.{check.check_name}"
                reason = f" ({check.description})" if check.description else ""
                self.outcome.failures.append(f"{step}: check {name} failed{reason}")
        if not result.success:
            # Dagster makes a failed step of a Ctrl-C; going on with the next one is not meant.
            if any(_was_interrupted(event) for event in result.all_events):
                raise KeyboardInterrupt
            reasons = [
                f"{event.step_key}: {_root_cause(event.step_failure_data.error)}"
                for event in result.all_events
                if event.is_step_failure
            ]
            self.outcome.failures += [f"{step}: {reason}" for reason in reasons or ["run failed"]]
        return total


def _was_interrupted(event: DagsterEvent) -> bool:
    error = event.step_failure_data.error if event.is_step_failure else None
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__


def _root_cause(error: Any) -> str:
    """The innermost message of a serialised error, on one line."""
    if error is None:
        return "unknown error"
    while error.cause is not None:
        error = error.cause
    return _one_line(error.message)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:500]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; 0 when everything is there, 1 when something failed."""
    from oco_pipelines.resources import resolve_settings

    parser = argparse.ArgumentParser(description="Materialise every asset once.")
    parser.add_argument(
        "--restate",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also load the sample's second delivery, where the sample is in use",
    )
    options = parser.parse_args(arguments)

    lines = sys.stdout

    def show(progress: Progress) -> None:
        lines.write(progress.to_json() + "\n")
        lines.flush()

    try:
        settings = resolve_settings()
        # dbt and Dagster talk on stdout too; there only progress belongs.
        with redirect_stdout(sys.stderr), DagsterInstance.get() as instance:
            outcome = materialise_everything(settings, instance, show, restate=options.restate)
    except OpenCloudOpsError as error:
        sys.stderr.write(f"oco: {error}\n")
        return 1
    for failure in outcome.failures:
        sys.stderr.write(f"oco: {failure}\n")
    show(
        Progress(
            "everything",
            "done" if outcome.ok else "failed",
            len(outcome.assets),
            outcome.seconds,
            None if outcome.ok else "; ".join(outcome.failures),
        )
    )
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
