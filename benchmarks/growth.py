"""How time and memory grow: with the number of photos on one machine, and with the number of workers of a Spark cluster.

The cluster is Spark's own standalone one, on this machine: a master and workers of one core each.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import machine, project
from harness.photos import parse_sizes, repeat_photos
from harness.places import BENCHMARKS, PROJECT, QUIET, scratch_folder
from harness.processes import ContestantError, Measured, end_all_when_terminated, run_cold
from harness.tables import number, number_with_range, publish, table

from tests.support.cluster.daemons import LOOPBACK
from tests.support.standalone_cluster import ENV, standalone_cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1_000, 3_000, 10_000, 22_000, 100_000)
WARM_UP_PHOTOS = 64
N_WORKERS = (1, 2)


@dataclass(frozen=True)
class Run:
    """One run of the project.

    Attributes:
        photos: Photos.
        workers: Workers of the cluster; 0: no cluster, but Spark's local mode on all cores.
        measured: Seconds and memory of the driver and what it started.
        featurize: Seconds of the featurization.
        pca: Seconds of the fit.

    """

    photos: int
    workers: int
    measured: Measured
    featurize: float
    pca: float

    @property
    def photos_per_second(self) -> float:
        """Speed of the featurization."""
        return self.photos / self.featurize

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "photos": self.photos,
            "workers": self.workers,
            **self.measured.as_record(),
            "featurize_seconds": self.featurize,
            "pca_seconds": self.pca,
        }


@dataclass(frozen=True)
class Bench:
    """Runs the project on working copies; the network is built by a first run that does not count, and kept.

    Attributes:
        images: Folder of labelled photos.
        scratch: Folder for working copies and outputs.
        weights: As `featurization.weights`.
        precision: As `featurization.precision`.

    """

    images: Path
    scratch: Path
    weights: str | None
    precision: str

    def run(self, n_photos: int, *, workers: int = 0) -> Run:
        """Run once, on that many photos; on a cluster, if it is to have workers."""
        folder = self.scratch / "run"
        photos, output = folder / "photos", folder / "output"
        repeat_photos(self.images, photos, n_photos)
        if workers:
            with standalone_cluster(workers, folder / "cluster", on_cores_of_their_own=True) as cluster:
                conf = cluster.configuration(folder / "conf", like="base", executor_memory="2g")
                measured = self._kedro_run(photos, output, conf=conf, env=ENV)
        else:
            measured = self._kedro_run(photos, output)
        seconds = project.read_report(output)["seconds_per_node"]
        run = Run(n_photos, workers, measured, seconds["featurize_photos"], seconds["fit_pca"])
        where = f"{workers} worker(s)" if workers else "local"
        print(f"{n_photos:8,} photos, {where}: {measured.seconds:8.1f} s, {run.photos_per_second:8.1f} photos/s", flush=True)
        shutil.rmtree(folder)
        return run

    def _kedro_run(self, photos: Path, output: Path, *, conf: Path | None = None, env: str = "base") -> Measured:
        command = project.kedro_run(
            photos,
            output,
            models=self.scratch / "models",
            conf=conf,
            env=env,
            weights=self.weights,
            precision=self.precision,
        )
        loopback = {"SPARK_LOCAL_IP": LOOPBACK}
        return run_cold(command, cwd=PROJECT, log=output.with_suffix(".log"), env=QUIET | loopback)


def main() -> int:
    """Measure both kinds of growth, print and write the tables."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    with scratch_folder(arguments.scratch) as scratch:
        bench = Bench(arguments.images, scratch, arguments.weights, arguments.precision)
        try:
            bench.run(WARM_UP_PHOTOS)
            by_size = [bench.run(size) for size in arguments.sizes]
            by_workers = [
                bench.run(arguments.cluster_photos, workers=workers) for _ in range(arguments.runs) for workers in N_WORKERS
            ]
        except ContestantError as error:
            print(error)
            return 1
    publish(
        arguments.out,
        machine.versions(("kedro", "pyspark", "openvino", "pyarrow", "numpy", "pillow")),
        [make_table(runs) for make_table, runs in ((_size_table, by_size), (_worker_table, by_workers)) if runs],
        runs=[run.as_record() for run in (*by_size, *by_workers)],
    )
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda path: Path(path).resolve(), required=True, help="folder of labelled photos")
    parser.add_argument("--weights", help="as featurization.weights; default: the project's")
    parser.add_argument("--precision", choices=project.PRECISIONS, default="f32", help="as featurization.precision")
    parser.add_argument("--sizes", type=parse_sizes, default=SIZES, help="numbers of photos, such as 1000,3000; '': none")
    parser.add_argument("--cluster-photos", type=int, default=22_688, help="photos for each run on the cluster")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs on the cluster; 0: none")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "growth.json", help="results; tables go beside it, as .md")
    parser.add_argument("--scratch", type=Path, help="folder for working copies and outputs; default: the system's")
    return parser.parse_args()


def _size_table(runs: Sequence[Run]) -> str:
    header = ["photos", "whole, s", "featurization, s", "photos/s", "PCA, s", "driver, MiB", "JVM", "worker", "all"]
    rows = []
    for run in runs:
        peak = run.measured.peak_memory
        seconds = [run.measured.seconds, run.featurize, run.photos_per_second, run.pca]
        sizes = [peak.driver, peak.jvm, peak.worker, peak.total]
        rows.append([f"{run.photos:,}", *(f"{value:,.1f}" for value in seconds), *(f"{size:,.0f}" for size in sizes)])
    return table(header, rows)


def _worker_table(runs: Sequence[Run]) -> str:
    header = ["workers", "photos", "whole, s", "speed-up", "photos/s", "speed-up"]
    of = {workers: [run for run in runs if run.workers == workers] for workers in N_WORKERS}
    rows = []
    for workers, mine in of.items():
        pairs = list(zip(of[N_WORKERS[0]], mine, strict=True))
        rows.append(
            [
                str(workers),
                f"{mine[0].photos:,}",
                number_with_range([run.measured.seconds for run in mine]),
                number((one.measured.seconds / run.measured.seconds for one, run in pairs), 2),
                number_with_range([run.photos_per_second for run in mine]),
                number((run.photos_per_second / one.photos_per_second for one, run in pairs), 2),
            ]
        )
    return table(header, rows)


if __name__ == "__main__":
    raise SystemExit(main())
