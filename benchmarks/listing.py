"""How long it takes to list many photos and to plan what is new, on the local disk and on S3, and what memory that takes.

A table that lists the photos (`images_root=photos.csv`) is measured, too, beside the folder of the local disk that it lists.

Runs end at `find_pending_photos`: the photos are listed, labelled and compared with the feature store, and none is read. The
smallest number tells what any run takes to start; the others, what a photo more takes.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness import machine, project
from harness.photos import parse_sizes, repeat_photos
from harness.places import BENCHMARKS, scratch_folder
from harness.processes import ContestantError, Measured, end_all_when_terminated
from harness.stores import run_beside
from harness.tables import number_with_range, publish, table

from tests.support.cluster.object_store import running_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.cluster.object_store import ObjectStore

SIZES = (1_000, 10_000, 100_000)
LAST_NODE = "find_pending_photos"
LOCAL, S3, LISTED = "local disk", "S3", "local disk, listed by a CSV"
PLACES = (LOCAL, LISTED, S3)
BUCKET = "photos"


@dataclass(frozen=True)
class Run:
    """One run up to `LAST_NODE`.

    Attributes:
        place: Where the photos were.
        photos: Photos.
        measured: Seconds and memory, of the whole process.
        store_seconds: CPU seconds of the S3 server.

    """

    place: str
    photos: int
    measured: Measured
    store_seconds: float

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "place": self.place,
            "photos": self.photos,
            **self.measured.as_record(),
            "store_cpu_seconds": round(self.store_seconds, 1),
        }


@dataclass(frozen=True)
class Bench:
    """Lists photos in `conf/emr` on this machine; the same files are a folder of the local disk and a bucket.

    Attributes:
        scratch: Folder for outputs.
        store: The S3 server. It serves the files below its folder, by whomever they were put there.
        weights: As `featurization.weights`.

    """

    scratch: Path
    store: ObjectStore
    weights: str | None

    def run(self, place: str, n_photos: int) -> Run:
        """Run once, with the network that the first run keeps."""
        images = {
            LOCAL: str(self.folder(n_photos)),
            S3: f"s3a://{BUCKET}/{n_photos}",
            LISTED: str(self.list_of(n_photos)),
        }[place]
        output = self.scratch / "output"
        shutil.rmtree(output, ignore_errors=True)
        command = project.kedro_run(images, output, models=self.scratch / "models", env="emr", weights=self.weights)
        measured, store_seconds = run_beside(self.store, [*command, f"--to-nodes={LAST_NODE}"], self.scratch)
        print(f"{n_photos:9,} photos, {place:10}: {measured.seconds:6.1f} s, store {store_seconds:.1f} s", flush=True)
        return Run(place, n_photos, measured, store_seconds)

    def folder(self, n_photos: int) -> Path:
        """Where the photos of a size lie."""
        return self.store.folder / BUCKET / str(n_photos)

    def list_of(self, n_photos: int) -> Path:
        """Where the table lies that lists them."""
        return self.scratch / f"{n_photos}.csv"

    def make_photos(self, source: Path, n_photos: int) -> None:
        """Repeat photos until there are as many, and write the table that lists them."""
        repeat_photos(source, self.folder(n_photos), n_photos)
        with self.list_of(n_photos).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "length", "modificationTime"])
            for photo in self.folder(n_photos).rglob("*.*"):
                status = photo.stat()
                modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="milliseconds")
                rows.writerow([photo, status.st_size, modified.replace("+00:00", "Z")])


def main() -> int:
    """Make the photos, list them in turn, print and write the table."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    with ExitStack() as stack:
        scratch = stack.enter_context(scratch_folder(arguments.scratch))
        store = stack.enter_context(running_store(scratch / "s3"))
        store.client.create_bucket(Bucket=BUCKET)
        bench = Bench(scratch, store, arguments.weights)
        for size in arguments.sizes:
            bench.make_photos(arguments.images, size)
        try:
            bench.run(LOCAL, min(arguments.sizes))  # builds the network, and does not count
            runs = [bench.run(place, size) for _ in range(arguments.runs) for size in arguments.sizes for place in PLACES]
        except ContestantError as error:
            print(error)
            return 1
    publish(
        arguments.out,
        machine.versions(("pyspark", "pyarrow")),
        [_table(runs)],
        heading=f"listed and planned, not read; rounds: {arguments.runs}",
        runs=[run.as_record() for run in runs],
    )
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda path: Path(path).resolve(), required=True, help="folder of labelled photos")
    parser.add_argument("--weights", help="as featurization.weights; default: the project's")
    parser.add_argument("--sizes", type=parse_sizes, default=SIZES, help="numbers of photos, such as 1000,3000")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "listing.json", help="results; the table goes beside it")
    parser.add_argument("--scratch", type=Path, help="folder for photos and outputs; default: the system's")
    arguments = parser.parse_args()
    if not arguments.sizes:
        parser.error("--sizes: give at least one number")
    return arguments


def _table(runs: Sequence[Run]) -> str:
    """Lay out the medians; a photo's milliseconds are those beyond the smallest number of photos in the same place."""
    rows = []
    smallest = min(run.photos for run in runs)
    start = {place: _median_seconds(runs, place, smallest) for place in PLACES}
    for place, photos in sorted({(run.place, run.photos) for run in runs}):
        same = [run for run in runs if (run.place, run.photos) == (place, photos)]
        more, seconds = photos - smallest, _median_seconds(runs, place, photos) - start[place]
        rows.append(
            [
                place,
                f"{photos:,}",
                number_with_range([run.measured.seconds for run in same]),
                f"{1000 * seconds / more:.3f}" if more else "-",
                f"{statistics.median(run.store_seconds for run in same):,.1f}",
                f"{max(run.measured.peak_memory.driver for run in same):,.0f}",
                f"{max(run.measured.peak_memory.jvm for run in same):,.0f}",
            ]
        )
    header = ["photos on", "photos", "whole, s", "ms for a photo more", "store's CPU, s", "driver, MiB", "JVM"]
    return table(header, rows)


def _median_seconds(runs: Sequence[Run], place: str, photos: int) -> float:
    return statistics.median(run.measured.seconds for run in runs if (run.place, run.photos) == (place, photos))


if __name__ == "__main__":
    raise SystemExit(main())
