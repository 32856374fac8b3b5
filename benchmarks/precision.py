"""What reduced precision costs on labelled photos: cosines, components, and how well these tell the labels apart.

The project runs on each folder in each precision, and its outputs are compared with its float32 ones. Two classifiers learn
the labels from the components of three quarters of the photos, and are scored on the rest; the split is always the same.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import machine, project
from harness.accuracy import accuracies
from harness.features import read_export, read_features
from harness.photos import named_folder
from harness.places import BENCHMARKS, PROJECT, QUIET, scratch_folder
from harness.processes import ContestantError, end_all_when_terminated, run_cold
from harness.tables import publish, table

from fruit_features.analysis.separability import N_NEIGHBOURS


@dataclass(frozen=True)
class Loss:
    """One folder in one precision.

    Attributes:
        folder: Its name.
        precision: Arithmetic of the inference.
        photos: Photos that became features.
        labels: Number of different labels.
        mean_cosine: Between the features of a photo and its float32 ones.
        min_cosine: Of the photo for which it is smallest.
        components: Fewest that explain the variance threshold.
        probe_accuracy: Of a logistic regression on standardised components.
        neighbours_accuracy: Of the 5 nearest neighbours.

    """

    folder: str
    precision: str
    photos: int
    labels: int
    mean_cosine: float
    min_cosine: float
    components: int
    probe_accuracy: float
    neighbours_accuracy: float


def main() -> int:
    """Measure every folder in the precisions asked for, print and write the table."""
    end_all_when_terminated()
    arguments = _parse_arguments()
    losses: list[Loss] = []
    with scratch_folder(arguments.scratch) as scratch:
        for name, images in arguments.images:
            try:
                losses += _measure(name, images, scratch / name, arguments)
            except ContestantError as error:
                print(error)
                return 1
    versions = machine.versions(("openvino", "nncf", "scikit-learn", "pillow"))
    publish(arguments.out, versions, [_table(losses)], losses=[asdict(loss) for loss in losses])
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--images",
        type=named_folder,
        action="append",
        required=True,
        metavar="NAME=DIR",
        help="labelled photos; may be repeated",
    )
    parser.add_argument(
        "--precisions", type=project.parse_precisions, default=project.PRECISIONS, help="f32 first: f32,bf16,int8"
    )
    parser.add_argument("--backbone", help="as featurization.backbone; default: the project's")
    parser.add_argument("--weights", help="as featurization.weights; default: the project's")
    parser.add_argument(
        "--out", type=Path, default=BENCHMARKS / "precision.json", help="results; the table goes beside it, as .md"
    )
    parser.add_argument("--scratch", type=Path, help="folder for outputs; default: the system's for temporary files")
    return parser.parse_args()


def _measure(name: str, images: Path, scratch: Path, arguments: argparse.Namespace) -> list[Loss]:
    """Run the project on a folder in the precisions asked for, float32 first."""
    losses = []
    for precision in arguments.precisions:
        output = scratch / precision
        command = project.kedro_run(
            images, output, precision=precision, weights=arguments.weights, backbone=arguments.backbone
        )
        measured = run_cold(command, cwd=PROJECT, log=scratch / f"{precision}.log", env=QUIET)
        print(f"{name} {precision}: {measured.seconds:.1f} s", flush=True)
        features = read_features(project.photo_features(output), images)
        if precision == "f32":
            reference = features
        cosines = features.cosines(reference)
        export = read_export(project.export_folder(output), images)
        probe, neighbours = accuracies(export.drop(columns="label").to_numpy(), export["label"].tolist())
        losses.append(
            Loss(
                folder=name,
                precision=precision,
                photos=len(export),
                labels=export["label"].nunique(),
                mean_cosine=float(cosines.mean()),
                min_cosine=float(cosines.min()),
                components=len(export.columns) - 1,
                probe_accuracy=probe,
                neighbours_accuracy=neighbours,
            )
        )
    return losses


def _table(losses: list[Loss]) -> str:
    header = ["photos", "precision", "mean cosine", "smallest", "components", "linear probe", f"{N_NEIGHBOURS} neighbours"]
    rows = [
        [
            f"{loss.folder} ({loss.photos:,}, {loss.labels} labels)",
            loss.precision,
            f"{loss.mean_cosine:.4f}",
            f"{loss.min_cosine:.4f}",
            f"{loss.components}",
            f"{100 * loss.probe_accuracy:.2f} %",
            f"{100 * loss.neighbours_accuracy:.2f} %",
        ]
        for loss in losses
    ]
    return table(header, rows)


if __name__ == "__main__":
    raise SystemExit(main())
