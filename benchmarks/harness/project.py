"""Runs of the project itself, from the command line and without private settings, and what they leave behind."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fruit_features.networks.network import Precision
from harness.places import PYTHON

if TYPE_CHECKING:
    from pathlib import Path

PRECISIONS: tuple[Precision, ...] = get_args(Precision)


def parse_precisions(names: str) -> tuple[Precision, ...]:
    """Parse a command line's f32,bf16,int8, of which the first has to be there.

    Raises:
        argparse.ArgumentTypeError: It is not, or another name is.

    """
    chosen = tuple(precision for precision in PRECISIONS if precision in names.split(","))
    if ",".join(chosen) != names or "f32" not in chosen:
        raise argparse.ArgumentTypeError(f"{names!r}: expected f32, and after it bf16 or int8 or both")
    return chosen


def kedro_run(
    images: Path | str,
    output: Path,
    *,
    models: Path | None = None,
    conf: Path | None = None,
    env: str = "base",
    force: bool = False,
    pipelines: str | None = None,
    **featurization: str | None,
) -> list[str]:
    """Write the command of a run.

    Args:
        images: Folder of photos.
        output: Output root.
        models: Models root, where it is not in `output`: a network that is kept there is not built again.
        conf: Folder of configuration, where it is not the project's.
        env: Environment in it.
        force: Make all steps even if nothing has changed.
        pipelines: Names of pipelines, where it is not the default one.
        featurization: Parameters of the featurization; None leaves the default.

    """
    parameters: dict[str, Path | str | None] = {"images_root": images, "output_root": output, "models_root": models}
    parameters |= {f"featurization.{name}": value for name, value in featurization.items()}
    parameters |= {"force": "true"} if force else {}
    given = ",".join(f"{name}={value}" for name, value in parameters.items() if value is not None)
    source = [f"--conf-source={conf}"] if conf else []
    chosen = [f"--pipelines={pipelines}"] if pipelines else []
    return [str(PYTHON), "-m", "kedro", "run", f"--env={env}", *chosen, *source, f"--params={given}"]


def read_report(output: Path) -> dict[str, Any]:
    """Read the run report."""
    report: dict[str, Any] = json.loads((output / "08_reporting" / "run_report.json").read_text())
    return report


def read_explained_variance(output: Path) -> pd.Series:
    """Read the explained variance ratio of every component."""
    return pd.read_csv(output / "08_reporting" / "explained_variance.csv")["explained_variance_ratio"]


def photo_features(output: Path) -> Path:
    """Join the photo index with the feature store, into a folder of Parquet files with path and features."""
    store, joined = output / "04_feature", output / "photo_features"
    photos = pq.read_table(store / "photo_index", columns=["path", "digest"])
    contents = pq.read_table(store / "feature_store", columns=["digest", "features"])
    rows = {digest: row for row, digest in enumerate(contents.column("digest").to_pylist())}
    features = contents.column("features").take(pa.array([rows[digest] for digest in photos.column("digest").to_pylist()]))
    joined.mkdir(exist_ok=True)
    pq.write_table(pa.table({"path": photos.column("path"), "features": features}), joined / "part-0.parquet")
    return joined


def export_folder(output: Path) -> Path:
    """Folder of the exported CSV."""
    return output / "07_model_output" / "pca_features_csv"


def find_network(output: Path, precision: str) -> Path:
    """Find the network of a precision among those that a run kept.

    Raises:
        FileNotFoundError: It kept none.

    """
    networks = output / "06_models" / "networks"
    for record in networks.glob("*/network.json"):
        if json.loads(record.read_text())["precision"] == precision:
            return record.parent
    raise FileNotFoundError(f"no {precision} network in {networks}")
