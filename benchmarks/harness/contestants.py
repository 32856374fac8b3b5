"""Who competes: how each is started in a round, and where its seconds, features and tables are found afterwards."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from harness import project
from harness.places import BENCHMARKS, PYTHON, RIVALS_PYTHON
from harness.task import read_timings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FIRST, KEPT, NOTHING_NEW = "first run", "network kept", "nothing new"

NOTEBOOKS_PART = "ingestion,featurization,reduction,export"
"""Pipelines that do what the notebook does: it looks for no findings, and writes no report."""


@dataclass(frozen=True)
class Round:
    """A turn of every contestant over the same photos.

    Attributes:
        images: Folder of photos.
        folder: Folder for the outputs.
        weights: Weights file; None for Keras's own.

    """

    images: Path
    folder: Path
    weights: str | None


@dataclass(frozen=True)
class Phases:
    """Seconds of the phases of one run; None where the contestant has no such phase."""

    featurize: float | None = None
    pca: float | None = None
    per_node: dict[str, float] | None = None


@dataclass(frozen=True)
class Contestant(ABC):
    """Somebody who turns photos into features, and perhaps into components and a table.

    Attributes:
        name: In tables.
        precision: Arithmetic of the inference.

    """

    name: str
    precision: str

    @abstractmethod
    def command(self, turn: Round) -> Sequence[str | Path]:
        """Command of a cold process."""

    @abstractmethod
    def phases(self, turn: Round) -> Phases:
        """Read the seconds that the run noted."""

    @abstractmethod
    def features(self, turn: Round) -> Path:
        """Folder of the features that it wrote."""

    def explained_variance(self, turn: Round) -> NDArray[np.float64] | None:  # noqa: ARG002 - most fit no PCA
        """Explained variance ratio of every component."""
        return None

    def export(self, turn: Round) -> Path | None:  # noqa: ARG002 - most export no table
        """Folder of the CSV file that it wrote."""
        return None

    def output(self, turn: Round) -> Path:
        """Folder that it writes to."""
        return turn.folder / re.sub(r"\W+", "_", self.name)


class Notebook(Contestant):
    """The notebook's method."""

    @override
    def command(self, turn: Round) -> Sequence[str | Path]:
        weights = ["--weights", turn.weights] if turn.weights else []
        return [PYTHON, BENCHMARKS / "notebook_method.py", "--images", turn.images, "--out", self.output(turn), *weights]

    @override
    def phases(self, turn: Round) -> Phases:
        timings = read_timings(self.output(turn))
        return Phases(timings["featurize"], timings["pca"], timings)

    @override
    def features(self, turn: Round) -> Path:
        return self.output(turn) / "features"

    @override
    def explained_variance(self, turn: Round) -> NDArray[np.float64]:
        return np.loadtxt(self.output(turn) / "explained_variance.txt")

    @override
    def export(self, turn: Round) -> Path:
        return self.output(turn) / "csv"


@dataclass(frozen=True)
class Project(Contestant):
    """`kedro run`: the first one in an empty folder, one whose network an earlier run kept, or one that finds nothing new.

    Attributes:
        state: Which of these.
        input_size: Side of the square that photos are squashed to, in pixels; None for the network's own.
        pipelines: Names of pipelines; None for the default one.

    """

    state: str = FIRST
    input_size: int | None = None
    pipelines: str | None = None

    @override
    def command(self, turn: Round) -> Sequence[str | Path]:
        models = _first_run(self.precision).output(turn) / "06_models" if self.state == KEPT else None
        return project.kedro_run(
            turn.images,
            self.output(turn),
            models=models,
            force=self.state == NOTHING_NEW,  # else it would see that nothing has changed, and make no step
            pipelines=self.pipelines,
            weights=turn.weights,
            precision=self.precision,
            input_size=None if self.input_size is None else str(self.input_size),
        )

    @override
    def phases(self, turn: Round) -> Phases:
        seconds = project.read_report(self.output(turn))["seconds_per_node"]
        return Phases(None if self.state == NOTHING_NEW else seconds["featurize_photos"], seconds["fit_pca"], seconds)

    @override
    def features(self, turn: Round) -> Path:
        return project.photo_features(self.output(turn))

    @override
    def explained_variance(self, turn: Round) -> NDArray[np.float64]:
        return project.read_explained_variance(self.output(turn)).to_numpy()

    @override
    def export(self, turn: Round) -> Path:
        return project.export_folder(self.output(turn))

    @override
    def output(self, turn: Round) -> Path:
        return _first_run(self.precision).output(turn) if self.state == NOTHING_NEW else super().output(turn)


@dataclass(frozen=True)
class Rival(Contestant):
    """A script that featurizes only, by the network and with the batch size of the project's first run in this round."""

    python: Path
    script: str

    @override
    def command(self, turn: Round) -> Sequence[str | Path]:
        first_run = _first_run(self.precision).output(turn)
        batch_size = project.read_report(first_run)["parameters"]["featurization"]["batch_size"]
        network = project.find_network(first_run, self.precision)
        places: list[str | Path] = ["--images", turn.images, "--out", self.output(turn), "--network", network]
        sizes = ["--batch-size", str(batch_size), "--cores", str(os.cpu_count())]
        return [self.python, BENCHMARKS / self.script, *places, *sizes]

    @override
    def phases(self, turn: Round) -> Phases:
        return Phases(read_timings(self.output(turn))["featurize"])

    @override
    def features(self, turn: Round) -> Path:
        return self.output(turn) / "features"


def line_up(precisions: Sequence[str], input_sizes: Sequence[int], *, with_rivals: bool) -> list[Contestant]:
    """Everybody, in the order of a round: a network is built before those who need it.

    Args:
        precisions: Of the project and the bare loop.
        input_sizes: Of further runs of the project, in the last of the precisions.
        with_rivals: Whether Daft and Ray compete.

    """
    quickest = precisions[-1]
    rivals = [
        Rival("Daft", "f32", RIVALS_PYTHON, "daft_method.py"),
        Rival("Ray Data", "f32", RIVALS_PYTHON, "ray_method.py"),
    ]
    return [
        Notebook("notebook", "f32"),
        *(run for precision in precisions for run in _project_runs(precision)),
        *(run for size in input_sizes for run in _smaller_runs(quickest, size)),
        *(rivals if with_rivals else []),
        *(Rival(f"bare loop {precision}", precision, PYTHON, "bare_limit.py") for precision in precisions),
    ]


def _project_runs(precision: str) -> list[Project]:
    """The runs in one precision; a run that computes nothing needs one precision only."""
    later = (KEPT, NOTHING_NEW) if precision == "f32" else (KEPT,)
    return [_first_run(precision), *(Project(f"project {precision}, {state}", precision, state) for state in later)]


def _smaller_runs(precision: str, size: int) -> list[Project]:
    name = f"project {precision}, {size} pixels"
    as_notebook = f"{name}, the notebook's part"
    return [
        Project(name, precision, input_size=size),
        Project(as_notebook, precision, input_size=size, pipelines=NOTEBOOKS_PART),
    ]


def _first_run(precision: str) -> Project:
    return Project(f"project {precision}", precision)
