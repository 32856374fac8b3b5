"""Photos of a camera's size: seconds and memory, decoded whole and decoded as drafts, and what the drafts change.

The photos are made from a folder of smaller ones: enlarged to 12 megapixels, given a camera's noise, and saved as JPEG. A few
are different, hard links make up the number: what counts here is their size.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from harness import machine, project
from harness.features import read_features
from harness.photos import SUFFIXES, repeat_photos
from harness.places import BENCHMARKS, PROJECT, QUIET, scratch_folder
from harness.processes import ContestantError, Measured, end_all_when_terminated, run_cold
from harness.tables import publish, table
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = (4000, 3000)
NOISE = 6.0  # standard deviation, of 255
QUALITY = 90
N_DIFFERENT = 25
WARM_UP_PHOTOS = 8
WORKER_LIMIT = 2048.0  # MiB


@dataclass(frozen=True)
class Run:
    """One run of the project.

    Attributes:
        decoding: How JPEGs were decoded.
        measured: Seconds and memory.
        photos_per_second: Speed of the featurization.
        mean_cosine: Between the features of a photo and those of the whole one.
        min_cosine: Of the photo for which it is smallest.

    """

    decoding: str
    measured: Measured
    photos_per_second: float
    mean_cosine: float
    min_cosine: float

    def as_record(self) -> dict[str, object]:
        """Plain numbers, for JSON."""
        return {
            "decoding": self.decoding,
            **self.measured.as_record(),
            "photos_per_second": round(self.photos_per_second, 2),
            "mean_cosine": self.mean_cosine,
            "min_cosine": self.min_cosine,
        }


def main() -> int:
    """Make the photos, run twice, print and write the table; the exit code is 1 if a worker took more than 2 GiB."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    with scratch_folder(arguments.scratch) as folder:
        try:
            runs = _measure(folder, arguments)
        except ContestantError as error:
            print(error)
            return 1
        size = sum(path.stat().st_size for path in (folder / "large").rglob("*.jpg")) / N_DIFFERENT
    publish(
        arguments.out,
        machine.versions(("pyspark", "openvino", "numpy", "pillow")),
        [_table(runs)],
        heading=f"{arguments.photos:,} photos of {SIZE[0]} x {SIZE[1]} pixels, {size / 2**20:.1f} MiB each",
        runs=[run.as_record() for run in runs],
    )
    return int(max(run.measured.peak_memory.worker for run in runs) > WORKER_LIMIT)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=lambda path: Path(path).resolve(), required=True, help="folder of labelled photos")
    parser.add_argument("--weights", help="as featurization.weights; default: the project's")
    parser.add_argument("--photos", type=int, default=500, help="number of large photos")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "big_photos.json", help="results; the table goes beside it")
    parser.add_argument("--scratch", type=Path, help="folder for photos and outputs; default: the system's")
    return parser.parse_args()


def _measure(folder: Path, arguments: argparse.Namespace) -> list[Run]:
    _make_large_photos(arguments.images, folder / "large")
    repeat_photos(folder / "large", folder / "few", WARM_UP_PHOTOS)
    repeat_photos(folder / "large", folder / "photos", arguments.photos)
    runs: list[Run] = []
    for name, jpeg_draft in (("whole", "false"), ("draft", "true")):
        for photos in ("few", "photos"):  # the first run builds the network and does not count
            output = folder / name
            shutil.rmtree(output / "04_feature", ignore_errors=True)
            command = project.kedro_run(folder / photos, output, weights=arguments.weights, jpeg_draft=jpeg_draft)
            measured = run_cold(command, cwd=PROJECT, log=folder / f"{name}.log", env=QUIET)
        features = read_features(project.photo_features(output), folder / "photos")
        if not runs:
            reference = features
        cosines = features.cosines(reference)
        speed = project.read_report(output)["images_per_second"]
        runs.append(Run(name, measured, speed, float(cosines.mean()), float(cosines.min())))
        print(
            f"{name}: {measured.seconds:.1f} s, {speed:.1f} photos/s, worker {measured.peak_memory.worker:,.0f} MiB",
            flush=True,
        )
    return runs


def _make_large_photos(images: Path, folder: Path) -> None:
    """Enlarge a few photos of a folder, and add noise."""
    photos = sorted(path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    rng = np.random.default_rng(0)
    for photo in islice(photos, 0, None, max(1, len(photos) // N_DIFFERENT)):
        with Image.open(photo) as image:
            pixels = np.asarray(image.convert("RGB").resize(SIZE), np.float32)
        noise = rng.standard_normal(pixels.shape, np.float32) * NOISE
        large = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
        target = (folder / photo.relative_to(images)).with_suffix(".jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        large.save(target, quality=QUALITY)


def _table(runs: Sequence[Run]) -> str:
    header = ["decoding", "whole, s", "photos/s", "driver, MiB", "JVM", "worker", "all", "mean cosine", "smallest"]
    rows = []
    for run in runs:
        peak = run.measured.peak_memory
        sizes = (f"{size:,.0f}" for size in (peak.driver, peak.jvm, peak.worker, peak.total))
        speed = f"{run.photos_per_second:,.1f}"
        rows.append(
            [run.decoding, f"{run.measured.seconds:,.1f}", speed, *sizes, f"{run.mean_cosine:.5f}", f"{run.min_cosine:.5f}"]
        )
    return table(header, rows)


if __name__ == "__main__":
    raise SystemExit(main())
