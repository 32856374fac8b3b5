"""A run of everything that would change nothing says so and ends. Every complete run leaves on record what it depended on."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import DatasetError

from fruit_features.datasets.identity import Identifiable
from fruit_features.hooks.parameters import FORCE
from fruit_features.hooks.places import catalog_entries, places
from fruit_features.hooks.up_to_date.decision import RunState, is_whole_mission, why_run
from fruit_features.hooks.up_to_date.session import UpToDate, may_end_early
from fruit_features.hooks.up_to_date.software import identify_software
from fruit_features.parameters import flatten
from fruit_features.spark.feature_store import UNREADABLE
from fruit_features.storage.snapshots import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

_RECORD: Final = "last_complete_run"
_REPORT: Final = "run_report"
"""What `RunReportHooks` writes after the last node."""

_IN_MEMORY: Final = "MemoryDataset"

_N_AT_ONCE: Final = 16
"""Places that are looked at at the same time; on S3, each look waits for an answer most of its time."""

_IMPORTED_SOFTWARE: Final = identify_software()
"""What this process runs: a notebook may go on for days after the files were edited."""


class UpToDateHooks:
    """Compares a run of everything with the last complete one in its `output_root`, before anything is started or locked.

    No lock is needed for that. A run that writes anything which is on record empties the record first, while it holds the
    lock: so where there is a record, no such run has begun, and what one does afterwards shows in the states of files.
    """

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._run: _Run | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Keep the context: it is asked when there is a run."""
        self._context = context

    @hook_impl(specname="before_pipeline_run", tryfirst=True)
    def end_if_up_to_date(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
        """End a run that would change nothing.

        Raises:
            UpToDate: It would change nothing.

        """
        assert self._context is not None
        self._run = None
        if not is_whole_mission(run_params):
            return
        self._run = _Run(self._context, pipeline, catalog)
        # On YARN, a driver that ends without having started Spark counts as failed.
        is_submitted = "PYSPARK_GATEWAY_PORT" in os.environ
        if not may_end_early() or is_submitted or self._context.config_loader["parameters"].get(FORCE):
            return
        last = _read_record(catalog)
        reason = _why_run(last, self._run)
        if last is not None and reason is None and _read_record(catalog) == last:
            logger.info(
                "Up to date: the %s photos, the parameters, the network and the code are those of the run that ended at %s, "
                "and its results are unchanged. To run all the same: kedro run --params force=true",
                f"{last.n_photos:,}",
                last.finished,
            )
            raise UpToDate({name: catalog[name] for name in pipeline.outputs()})
        logger.log(logging.DEBUG if last is None else logging.INFO, "There is something to do, %s", reason)

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
        """Take the last complete run off the record, if this one writes what that one wrote: it may be killed half-way.

        The other hooks have been called by now, so that this run has the lock.
        """
        assert self._context is not None
        where = places(self._context)
        written, on_record = (
            {where[name] for name in each.all_outputs() & where.keys()} for each in (pipeline, pipelines["__default__"])
        )
        if written & on_record and catalog.exists(_RECORD):
            catalog.save(_RECORD, {})

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str) -> None:
        """Note what was read from outside."""
        if self._run is not None:
            self._run.note_loaded(dataset_name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Note the files of what was written, before anyone else can change them."""
        if self._run is None:
            return
        self._run.note_saved(dataset_name)
        if dataset_name == "photo_counts":
            self._run.n_photos = data["listed"]
            self._run.has_unread = any(reason.startswith(UNREADABLE) for reason in data["rejected_by_reason"])

    @hook_impl
    def after_pipeline_run(self, catalog: CatalogProtocol[str, Any]) -> None:
        """Put a complete run on record; the other hooks have written their reports by now."""
        state = self._run.describe() if self._run is not None else None
        self._run = None
        if state is not None:
            catalog.save(_RECORD, state.to_record())


@dataclass
class _Run:
    """What a run of everything depends on, and what it writes. It is the evidence that `why_run` asks for.

    Attributes:
        context: Kedro's.
        pipeline: What is run.
        catalog: The datasets of the run.
        n_photos: How many photos were listed, once that is known.
        has_unread: Whether a photo could not be read, for a reason that its path, length and time do not show: the next run
            tries it again.

    """

    context: KedroContext
    pipeline: Pipeline
    catalog: CatalogProtocol[str, Any]
    n_photos: int = 0
    has_unread: bool = False
    _loaded: dict[str, str | None] = field(default_factory=dict)
    _saved: dict[str, Snapshot | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._entries = catalog_entries(self.context)
        self._places = places(self.context)
        self._settings = {**self._read_settings(), **_IMPORTED_SOFTWARE}
        outputs = {name for name in self.pipeline.all_outputs() if not self._is_in_memory(name)} | {_REPORT}
        # A dataset without a place makes a place that cannot be looked at, and so the run is never up to date.
        self._written = {self._places.get(name, f"unknown://{name}") for name in outputs}
        self._read = sorted(name for name in self.pipeline.inputs() if self._comes_from_outside(name))

    def settings(self) -> Mapping[str, str | None]:
        """Parameters, network, configuration and software."""
        return {**self._settings, **_changed_on_disk()}

    def results(self) -> Mapping[str, Snapshot | None]:
        """The states of all files that a run writes."""
        return _look_at(self._written)

    def data(self) -> Mapping[str, str | None]:
        """The identities of what a run reads."""
        return {name: self._identify(name) for name in self._read}

    def note_loaded(self, name: str) -> None:
        """Note which data the run has loaded."""
        if name in self._read:
            dataset = self.catalog[name]
            identity = dataset.loaded_identity if isinstance(dataset, Identifiable) else None
            self._loaded[name] = identity if self._loaded.get(name, identity) == identity else None

    def note_saved(self, name: str) -> None:
        """Note the files that the run has written."""
        place = self._places.get(name)
        if place in self._written:
            self._saved[place] = take_snapshot(place)

    def describe(self) -> RunState | None:
        """Describe the run as the next one compares itself to it; None if there may be something to do for that."""
        results = self.results()
        was_changed = any(results[place] != saved for place, saved in self._saved.items())
        if self.has_unread or was_changed or self._loaded.keys() != set(self._read):
            return None
        record = {
            "finished": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
            "n_photos": self.n_photos,
            "settings": self.settings(),
            "data": self._loaded,
            "results": results,
        }
        return RunState.from_record(record)  # None if anything in it is not known

    def _read_settings(self) -> dict[str, str | None]:
        config = self.context.config_loader
        parameters = {name: value for name, value in config["parameters"].items() if name != FORCE}
        return {
            **{name: _as_text(value) for name, value in flatten(parameters).items()},
            "network": self.context.params["featurization"].network.fingerprint(),
            "environment": str(self.context.env),
            "configuration of catalog, Spark or credentials": _digest([self._entries, config["spark"], _credentials(config)]),
        }

    def _is_in_memory(self, name: str) -> bool:
        """Whether a dataset is only handed from node to node: no entry and no pattern of the catalog is for it."""
        entry = self._entries.get(name)
        return name not in self.catalog if entry is None else entry.get("type") == _IN_MEMORY

    def _comes_from_outside(self, name: str) -> bool:
        is_parameter = name == "parameters" or name.startswith("params:")
        return not is_parameter and not self._is_in_memory(name) and self._places.get(name) not in self._written

    def _identify(self, name: str) -> str | None:
        dataset = self.catalog[name]
        return dataset.identify() if isinstance(dataset, Identifiable) else None


def _why_run(last: RunState | None, now: _Run) -> str | None:
    """Say why to run. What cannot be looked at is a reason, too: the run itself will name it, with what mends it."""
    try:
        return why_run(last, now)
    except Exception as error:
        return f"as it cannot be found out whether anything has changed: {error}"


def _read_record(catalog: CatalogProtocol[str, Any]) -> RunState | None:
    try:
        return RunState.from_record(catalog.load(_RECORD))
    except DatasetError:  # there is none, or it is damaged
        return None


def _changed_on_disk() -> dict[str, str | None]:
    """Name the software that is not what this process has imported, as what is not known."""
    now = identify_software()
    return {name: None for name, text in _IMPORTED_SOFTWARE.items() if now[name] != text and name != "Java and Spark"}


def _look_at(where: Iterable[str]) -> dict[str, Snapshot | None]:
    ordered = sorted(where)
    with ThreadPoolExecutor(_N_AT_ONCE, "look at results") as threads:
        return dict(zip(ordered, threads.map(take_snapshot, ordered), strict=True))


def _credentials(config: Any) -> Any:
    try:
        return config["credentials"]
    except MissingConfigException:
        return None


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _digest(value: Any) -> str:
    return hashlib.sha256(_as_text(value).encode()).hexdigest()
