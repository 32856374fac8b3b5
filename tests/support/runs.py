"""Runs of the whole project, as `kedro run --env test` makes them, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from kedro.framework.session import KedroSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kedro.io import DataCatalog
    from pyspark.sql import SparkSession

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outputs:
    """An `output_root` after a run; read with pandas alone, as any user of the results would.

    Attributes:
        root: The folder.

    """

    root: Path

    @property
    def networks(self) -> Path:
        return self.root / "06_models" / "networks"

    def csv_bytes(self) -> bytes:
        (part,) = (self.root / "07_model_output" / "pca_features_csv").glob("part-*.csv")
        return part.read_bytes()

    def pca_features_csv(self) -> pd.DataFrame:
        (part,) = (self.root / "07_model_output" / "pca_features_csv").glob("part-*.csv")
        return pd.read_csv(part, keep_default_na=False)

    def pca_features(self) -> pd.DataFrame:
        return pd.read_parquet(self.root / "07_model_output" / "pca_features")

    def rejected_images(self) -> pd.DataFrame:
        parts = sorted((self.root / "07_model_output" / "rejected_images").glob("part-*.csv"))
        return pd.concat([pd.read_csv(part, keep_default_na=False) for part in parts], ignore_index=True)

    def feature_store(self) -> pd.DataFrame:
        """One row a content and network: digest, length, features, error, fingerprint."""
        return pd.read_parquet(self.root / "04_feature" / "feature_store")

    def photo_index(self) -> pd.DataFrame:
        """One row a photo: path, length, modificationTime, digest, facts."""
        return pd.read_parquet(self.root / "04_feature" / "photo_index")

    def stored_photos(self) -> pd.DataFrame:
        """One row a photo and network: path, length, modificationTime, digest, features, error, fingerprint."""
        photos = self.photo_index()[["path", "length", "modificationTime", "digest"]]
        return photos.merge(self.feature_store().drop(columns="length"), on="digest")

    def run_report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.root / "08_reporting" / "run_report.json").read_text())
        return report

    def report(self) -> str:
        return (self.root / "08_reporting" / "report.html").read_text(encoding="utf-8")

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.run_report()["counts"]
        return counts

    def copy_to(self, root: Path) -> Outputs:
        """A copy to run on, for results that several tests look at."""
        shutil.copytree(self.root, root)
        return Outputs(root)

    def with_networks_only(self, root: Path) -> Outputs:
        """An `output_root` where nothing has run, but for the minute that building a network takes."""
        shutil.copytree(self.networks, root / "06_models" / "networks")
        return Outputs(root)


MISSION = ("ingestion", "featurization", "reduction", "export")
"""The pipelines whose results most tests look at; findings and the report take as long again."""


def run_project(images_root: Path, outputs: Outputs, *pipelines: str, **parameters: Any) -> Outputs:
    """Run pipelines (the whole mission where none is named) in the environment `test`.

    The working folder is another than the project's: nothing may depend on it.
    """
    outputs.root.mkdir(parents=True, exist_ok=True)
    runtime_params = {"images_root": str(images_root), "output_root": str(outputs.root), **parameters}
    with contextlib.chdir(outputs.root), KedroSession.create(PROJECT, env="test", runtime_params=runtime_params) as run:
        run.run(pipeline_names=list(pipelines) or None)  # type: ignore[call-arg]
    return outputs


def load_catalog(images_root: Path, outputs: Outputs, **parameters: Any) -> DataCatalog:
    """The catalog that such a run would use."""
    runtime_params = {"images_root": str(images_root), "output_root": str(outputs.root), **parameters}
    with KedroSession.create(PROJECT, env="test", runtime_params=runtime_params) as session:
        return session.load_context().catalog  # type: ignore[attr-defined]


@contextlib.contextmanager
def spark_set(spark: SparkSession, setting: str, value: int | str) -> Iterator[None]:
    """Spark with another setting."""
    before = spark.conf.get(setting, None)
    spark.conf.set(setting, value)
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(setting)
        else:
            spark.conf.set(setting, before)


def as_path(uri: str) -> Path:
    """The file that a `path` column names: Spark writes `file:` before it, and quotes nothing."""
    assert uri.startswith("file:/"), uri
    return Path(uri.removeprefix("file:"))
