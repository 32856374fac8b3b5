"""What input size, engine and precision gain and cost on labelled photos: speed, components, and how these tell labels apart.

For every one of them, a network is built and featurizes all photos of a folder as the project does it: decoding, facts,
inference. Components are those that explain 90 % of the variance of the features; two classifiers learn the labels from the
components of three quarters of the photos and are scored on the rest, always the same split. Speed is measured apart from
that, on one core and fewer photos, all networks in turn in every round.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
from harness import machine
from harness.accuracy import SEED, accuracies
from harness.featurizer import Featurizer
from harness.photos import SUFFIXES, named_folder, parse_sizes
from harness.places import BENCHMARKS
from harness.project import parse_precisions
from harness.tables import publish, table

from fruit_features.analysis.pca import Moments, fit, grid_step
from fruit_features.analysis.separability import N_NEIGHBOURS
from fruit_features.networks.building import build_network
from fruit_features.networks.configuration import NetworkConfiguration
from fruit_features.photos.imaging import PREPROCESSING, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fruit_features.networks.network import Network, Precision

SIZES = (224, 192, 160, 128, 96)
PRECISIONS: tuple[Precision, ...] = ("f32", "int8")
BATCH_SIZE = 4
"""The project's own."""

N_CALIBRATION_PHOTOS = 300
VARIANCE_THRESHOLD = 0.9
ALLOWED_LOSS = 0.005
"""Of the linear probe's accuracy: half a point."""


@dataclass(frozen=True)
class Measured:
    """One folder, at one size, by one engine, in one precision.

    Attributes:
        folder: Its name.
        photos: Photos in it.
        labels: Number of different labels.
        size: Side of the square that photos are squashed to, in pixels.
        engine: What runs the network.
        precision: Arithmetic of the inference.
        photos_per_second: On one core, in every round.
        ratios: The same divided by the speed of the first size by the first engine in float32 in the same round.
        components: Fewest that explain the variance threshold.
        probe_accuracy: Of a logistic regression on standardised components.
        neighbours_accuracy: Of the 5 nearest neighbours.

    """

    folder: str
    photos: int
    labels: int
    size: int
    engine: str
    precision: Precision
    photos_per_second: list[float]
    ratios: list[float]
    components: int
    probe_accuracy: float
    neighbours_accuracy: float


def main() -> int:
    """Measure every folder, print and write the table."""
    arguments = _parse_arguments()
    measured: list[Measured] = []
    versions = machine.versions(("openvino", "nncf", "onnxruntime", "scikit-learn", "pillow"))
    for name, images in arguments.images:
        measured += _measure(name, images, arguments)
        numbers = [asdict(one) for one in measured]
        tables = [_table(measured), _small_losses(measured)]
        publish(arguments.out, versions, tables, heading=f"rounds: {arguments.runs}", measured=numbers)
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images", type=named_folder, action="append", required=True, metavar="NAME=DIR", help="labelled, whole photos"
    )
    parser.add_argument("--backbone", default="mobilenet_v2", help="as featurization.backbone")
    parser.add_argument("--weights", default="imagenet", help="as featurization.weights")
    parser.add_argument("--sizes", type=parse_sizes, default=SIZES, help="the network's own first")
    parser.add_argument("--engines", type=lambda names: names.split(","), default=["openvino"], help="openvino,onnxruntime")
    parser.add_argument("--precisions", type=parse_precisions, default=PRECISIONS, help="f32 first: f32,bf16,int8")
    parser.add_argument("--runs", type=int, default=3, help="rounds in which speed is measured")
    parser.add_argument("--timed-photos", type=int, default=320, help="photos on which speed is measured in each round")
    parser.add_argument("--out", type=Path, default=BENCHMARKS / "input_sizes.json", help="results; the table goes beside it")
    return parser.parse_args()


def _measure(name: str, images: Path, arguments: argparse.Namespace) -> list[Measured]:
    """Measure a folder at all sizes in all precisions."""
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES)
    contents, labels = [path.read_bytes() for path in paths], [path.parent.name for path in paths]
    shuffled = np.random.default_rng(SEED).permutation(len(contents))
    calibration = [contents[row] for row in sorted(shuffled[:N_CALIBRATION_PHOTOS])]
    timed = [contents[row] for row in shuffled[: arguments.timed_photos]]
    featurizers: dict[tuple[int, str, Precision], Featurizer] = {}
    scores = {}
    for key in product(arguments.sizes, arguments.engines, arguments.precisions):
        network = _build(arguments, calibration, *key)
        featurizers[key] = Featurizer(network, BATCH_SIZE)
        components = _components(_featurize_on_two_cores(network, contents))
        scores[key] = components.shape[1], *accuracies(components, labels)
        print(name, *key, *scores[key], flush=True)
    speeds: dict[tuple[int, str, Precision], list[float]] = defaultdict(list)
    for featurize in featurizers.values():
        featurize(timed[: 4 * BATCH_SIZE])  # the first calls are slower
    for _ in range(arguments.runs):
        for key, featurize in featurizers.items():
            started = time.perf_counter()
            featurize(timed)
            speeds[key].append(len(timed) / (time.perf_counter() - started))
    reference = next(iter(speeds.values()))
    return [
        Measured(
            name,
            len(contents),
            len(set(labels)),
            *key,
            speeds[key],
            [speed / first for speed, first in zip(speeds[key], reference, strict=True)],
            *scores[key],
        )
        for key in featurizers
    ]


def _build(
    arguments: argparse.Namespace, calibration: Sequence[bytes], size: int, engine: str, precision: Precision
) -> Network:
    configuration = NetworkConfiguration(
        backbone=arguments.backbone,
        weights=arguments.weights,
        input_size=size,
        engine=engine,
        precision=precision,
        preprocessing=PREPROCESSING,
        decoding={},
        n_calibration_photos=len(calibration),
        calibration_seed=SEED,
    )
    photos = np.stack([decode(content, size) for content in calibration]) if configuration.is_calibrated else None
    return build_network(configuration, photos)


def _featurize_on_two_cores(network: Network, contents: Sequence[bytes]) -> NDArray[np.float32]:
    """Decoding and inference both run outside of Python's lock."""
    middle = len(contents) // 2
    with ThreadPoolExecutor(2) as threads:
        halves = threads.map(_featurize, (network, network), (contents[:middle], contents[middle:]))
        return np.concatenate(list(halves))


def _featurize(network: Network, contents: Sequence[bytes]) -> NDArray[np.float32]:
    return Featurizer(network, BATCH_SIZE)(contents)


def _components(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project features to the fewest components that explain the variance threshold."""
    moments = Moments.of(features, grid_step(float(np.abs(features).max()), len(features)))
    return fit(moments, fingerprint="", variance_threshold=VARIANCE_THRESHOLD).project(features)


def _table(measured: Sequence[Measured]) -> str:
    header = [
        "photos",
        "size",
        "engine",
        "precision",
        "photos/s",
        "of the first",
        "components",
        "linear probe",
        f"{N_NEIGHBOURS} neighbours",
    ]
    rows = [
        [
            f"{one.folder} ({one.photos:,}, {one.labels} labels)",
            f"{one.size}",
            one.engine,
            one.precision,
            f"{median(one.photos_per_second):.0f}",
            f"{median(one.ratios):.2f}",
            f"{one.components}",
            f"{100 * one.probe_accuracy:.2f} %",
            f"{100 * one.neighbours_accuracy:.2f} %",
        ]
        for one in measured
    ]
    return table(header, rows)


def _small_losses(measured: Sequence[Measured]) -> str:
    """Say which sizes lose at most half a point of the linear probe's accuracy of the first row."""
    lines = []
    for folder in dict.fromkeys(one.folder for one in measured):
        of_folder = [one for one in measured if one.folder == folder]
        least = of_folder[0].probe_accuracy - ALLOWED_LOSS
        for engine, precision in dict.fromkeys((one.engine, one.precision) for one in of_folder):
            fine = [
                str(one.size)
                for one in of_folder
                if (one.engine, one.precision) == (engine, precision) and one.probe_accuracy >= least
            ]
            lines.append(
                f"- {folder}, {engine}, {precision}: at most {100 * ALLOWED_LOSS:g} points of linear probe below "
                f"{of_folder[0].size} {of_folder[0].precision}: {', '.join(fine) or 'no size'}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
