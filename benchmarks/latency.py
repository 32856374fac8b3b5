"""Photos on S3, near and far: how fast they are featurized, beside the same photos on the local disk.

The S3 server and the proxy that delays every request run on the same cores as the project, and take their share of them: the
table has their CPU seconds. One photo at a time is how Spark's own binaryFile source reads: a HEAD and a GET, then the next.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import machine, project
from harness.photos import repeat_photos
from harness.places import BENCHMARKS, PROJECT, scratch_folder
from harness.processes import ContestantError, Measured, end_all_when_terminated
from harness.stores import far_away, round_trip, run_beside
from harness.tables import publish, table

from tests.support.cluster.object_store import running_store
from tests.support.cluster.places import Prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.cluster.object_store import ObjectStore

LATENCIES = (0, 20, 50)  # milliseconds a request
N_AHEAD = (1, 8, 32)
LOCAL = "local disk"
BUCKET = "photos"


@dataclass(frozen=True)
class Run:
    """One run of the project.

    Attributes:
        round: From 1.
        place: Where the photos were.
        n_ahead: Photos that a worker fetched at once.
        measured: Seconds and memory.
        photos: Photos.
        photos_per_second: Speed of the featurization.
        store_seconds: CPU seconds of the S3 server and the proxy.

    """

    round: int
    place: str
    n_ahead: int
    measured: Measured
    photos: int
    photos_per_second: float
    store_seconds: float

    @property
    def photos_per_second_beside_store(self) -> float:
        """Speed, had the S3 server and the proxy run elsewhere: their CPU seconds would have been the project's."""
        seconds = self.photos / self.photos_per_second - self.store_seconds / (os.cpu_count() or 1)
        return self.photos / seconds

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "round": self.round,
            "place": self.place,
            "n_ahead": self.n_ahead,
            **self.measured.as_record(),
            "photos_per_second": round(self.photos_per_second, 1),
            "store_cpu_seconds": round(self.store_seconds, 1),
        }


@dataclass(frozen=True)
class Bench:
    """Runs the project in `conf/emr` on this machine, photos here or there, results on the local disk.

    Attributes:
        photos: The local folder of photos.
        scratch: Folder for outputs.
        store: The S3 server, with the same photos.
        weights: As `featurization.weights`.

    """

    photos: Path
    scratch: Path
    store: ObjectStore
    weights: str | None

    def run(self, round_: int, place: str, images: str, n_ahead: int, store: ObjectStore) -> Run:
        """Run once, with the network that the first run keeps."""
        output = self.scratch / "output"
        shutil.rmtree(output, ignore_errors=True)
        command = project.kedro_run(
            images, output, models=self.scratch / "models", conf=self._configuration(n_ahead), env="emr", weights=self.weights
        )
        measured, store_seconds = run_beside(store, command, self.scratch)
        report = project.read_report(output)
        n_photos, speed = report["counts"]["featurized"], report["images_per_second"]
        print(f"round {round_}: {place}, {n_ahead} at a time: {speed:.1f} photos/s, store {store_seconds:.1f} s", flush=True)
        return Run(round_, place, n_ahead, measured, n_photos, speed, store_seconds)

    def _configuration(self, n_ahead: int) -> Path:
        conf = self.scratch / f"conf_{n_ahead}"
        if not conf.exists():
            shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
            catalog = conf / "base" / "catalog.yml"
            text = catalog.read_text()
            assert text.count("n_ahead: 32") == 1
            catalog.write_text(text.replace("n_ahead: 32", f"n_ahead: {n_ahead}"))
        return conf


def main() -> int:
    """Upload the photos, run in every way, print and write the table."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder(arguments.scratch))
        repeat_photos(arguments.images, scratch / "photos", arguments.photos)
        store = stack.enter_context(running_store(scratch / "s3"))
        store.client.create_bucket(Bucket=BUCKET)
        prefix = Prefix(store, BUCKET, "all")
        prefix.upload(scratch / "photos")
        distances = {f"S3, {latency} ms": stack.enter_context(far_away(store.port, latency, scratch)) for latency in LATENCIES}
        round_trips = {place: round_trip(port) for place, port in distances.items()}
        bench = Bench(scratch / "photos", scratch, store, arguments.weights)
        ways = [(LOCAL, max(N_AHEAD)), *((place, n_ahead) for place in distances for n_ahead in N_AHEAD)]
        try:
            bench.run(0, LOCAL, str(bench.photos), max(N_AHEAD), store)  # builds the network, and does not count
            runs = []
            for round_ in range(1, arguments.runs + 1):
                for place, n_ahead in ways:
                    if n_ahead == 1 and round_ > 1:  # minutes that tell nothing new
                        continue
                    seen = store if place == LOCAL else store.through(distances[place])
                    images = str(bench.photos) if place == LOCAL else prefix.uri
                    runs.append(bench.run(round_, place, images, n_ahead, seen))
        except ContestantError as error:
            print(error)
            return 1
    publish(
        arguments.out,
        machine.versions(("pyspark", "openvino", "pyarrow", "pillow")),
        [_table(runs, round_trips)],
        heading=f"{arguments.photos:,} photos, f32; rounds: {arguments.runs}, of one photo at a time: 1",
        photos=arguments.photos,
        round_trips_ms=round_trips,
        runs=[run.as_record() for run in runs],
    )
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda path: Path(path).resolve(), required=True, help="folder of labelled photos")
    parser.add_argument("--weights", help="as featurization.weights; default: the project's")
    parser.add_argument("--photos", type=int, default=2944, help="number of photos")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "latency.json", help="results; the table goes beside it")
    parser.add_argument("--scratch", type=Path, help="folder for photos and outputs; default: the system's")
    return parser.parse_args()


def _table(runs: Sequence[Run], round_trips: dict[str, float]) -> str:
    local = {run.round: run for run in runs if run.place == LOCAL}
    rows = []
    for place, n_ahead in dict.fromkeys((run.place, run.n_ahead) for run in runs):
        same = [run for run in runs if (run.place, run.n_ahead) == (place, n_ahead)]
        ratio = statistics.median(run.photos_per_second / local[run.round].photos_per_second for run in same)
        alone = statistics.median(run.photos_per_second_beside_store / local[run.round].photos_per_second for run in same)
        rows.append(
            [
                place,
                f"{round_trips[place]:.0f} ms" if place in round_trips else "-",
                str(n_ahead),
                f"{statistics.median(run.photos_per_second for run in same):,.1f}",
                f"{ratio:.0%}",
                f"{alone:.0%}",
                f"{statistics.median(run.store_seconds for run in same):,.1f}",
                f"{max(run.measured.peak_memory.worker for run in same):,.0f}",
            ]
        )
    header = [
        "photos on",
        "a request takes",
        "photos fetched at once",
        "photos/s",
        "of local disk",
        "had the store its own cores",
        "store's CPU, s",
        "worker, MiB",
    ]
    return table(header, rows)


if __name__ == "__main__":
    raise SystemExit(main())
