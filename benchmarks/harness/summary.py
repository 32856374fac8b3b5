"""Runs to the tables of the comparison: medians, and medians of the ratios within each round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.contestants import FIRST, KEPT, Notebook, Phases, Project
from harness.tables import NOTHING, number, number_with_range, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.contestants import Contestant
    from harness.equality import Check
    from harness.processes import Measured, PeakMemory


@dataclass(frozen=True)
class Run:
    """One run of one contestant.

    Attributes:
        round: From 1.
        contestant: Who ran.
        n_photos: How many photos it was given.
        measured: Seconds and memory of the process.
        phases: Seconds within it.

    """

    round: int
    contestant: Contestant
    n_photos: int
    measured: Measured
    phases: Phases

    @property
    def photos_per_second(self) -> float | None:
        """Speed of the featurization."""
        return self.n_photos / self.phases.featurize if self.phases.featurize else None

    @property
    def whole_mission(self) -> float | None:
        """Seconds from photos to CSV, of those who do all of it."""
        is_whole = isinstance(self.contestant, Notebook) or (
            isinstance(self.contestant, Project) and self.contestant.state in (FIRST, KEPT)
        )
        return self.measured.seconds if is_whole else None

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "round": self.round,
            "contestant": self.contestant.name,
            "precision": self.contestant.precision,
            **self.measured.as_record(),
            "featurize_seconds": self.phases.featurize,
            "photos_per_second": self.photos_per_second and round(self.photos_per_second, 1),
            "pca_seconds": self.phases.pca,
            "seconds_per_node": self.phases.per_node,
        }


def comparison_table(runs: Sequence[Run]) -> str:
    """A row per contestant: its speed, against the notebook's and the bare loop's, and its memory."""
    header = ["", "whole, s", "notebook / this", "photos/s", "of bare loop", "PCA, s", "notebook / this"]
    header += ["driver, MiB", "JVM", "worker", "all"]
    rows = []
    for contestant in _contestants(runs):
        name, bare = contestant.name, f"bare loop {contestant.precision}"
        mine = [run for run in runs if run.contestant == contestant]
        rows.append(
            [
                name,
                number_with_range([run.measured.seconds for run in mine]),
                number(_ratios(runs, "notebook", name, lambda run: run.whole_mission), 2),
                number(run.photos_per_second for run in mine),
                number(_ratios(runs, name, bare, lambda run: run.photos_per_second, scale=100), unit=" %"),
                number(run.phases.pca for run in mine),
                number(_ratios(runs, "notebook", name, lambda run: run.phases.pca)),
                *_largest(run.measured.peak_memory for run in mine),
            ]
        )
    return table(header, rows)


def nodes_table(runs: Sequence[Run]) -> str:
    """A row per node of the project's pipeline, a column per kind of run: median seconds."""
    columns = {
        contestant.name: [run for run in runs if run.contestant == contestant]
        for contestant in _contestants(runs)
        if isinstance(contestant, Project)
    }
    per_node = {name: [run.phases.per_node or {} for run in mine] for name, mine in columns.items()}
    nodes = dict.fromkeys(node for seconds in per_node.values() for run in seconds for node in run)
    rows = [[node, *(number(run.get(node) for run in seconds) for seconds in per_node.values())] for node in nodes]
    around = [
        number(run.measured.seconds - sum((run.phases.per_node or {}).values()) for run in mine) for mine in columns.values()
    ]
    return table(["seconds", *columns], [*rows, ["start and end", *around]])


def checks_table(checks: Sequence[Check]) -> str:
    """A row per contestant, a column per comparison: the worst that was found in any round."""
    kinds = dict.fromkeys((check.what, check.allowed) for check in checks)
    found: dict[tuple[str, str], list[float]] = {}
    for check in checks:
        found.setdefault((check.contestant, check.what), []).append(check.found)
    rows = []
    for contestant in dict.fromkeys(check.contestant for check in checks):
        worst = [
            (min if allowed.startswith(">") else max)(found.get((contestant, what), []), default=None)
            for what, allowed in kinds
        ]
        rows.append([contestant, *(NOTHING if value is None else f"{value:.6g}" for value in worst)])
    return table(["against the project", *(f"{what}: {allowed}" for what, allowed in kinds)], rows)


def _contestants(runs: Iterable[Run]) -> list[Contestant]:
    return list(dict.fromkeys(run.contestant for run in runs))


def _ratios(
    runs: Sequence[Run], above: str, below: str, value: Callable[[Run], float | None], *, scale: float = 1.0
) -> list[float]:
    """Ratios of one contestant's number to another's in each round in which both have it."""
    values = {(run.round, run.contestant.name): value(run) for run in runs}
    rounds = dict.fromkeys(run.round for run in runs)
    pairs = ((values.get((round_, above)), values.get((round_, below))) for round_ in rounds)
    return [scale * upper / lower for upper, lower in pairs if upper is not None and lower is not None]


def _largest(peaks: Iterable[PeakMemory]) -> list[str]:
    """Largest memory of each role, in MiB."""
    roles = zip(*((peak.driver, peak.jvm, peak.worker, peak.total) for peak in peaks), strict=True)
    return [f"{max(sizes):,.0f}" if max(sizes) else NOTHING for sizes in roles]
