"""Spark's `_SUCCESS` files are lost, as by a copy that leaves them out: the results stay the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.runs import Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.photos import PhotoTree


@pytest.mark.parametrize("pipelines", [("export", "reporting"), ()], ids=["a part", "everything"])
def test_tables_without_their_marks_give_the_same_results(
    pipelines: tuple[str, ...], spark: SparkSession, full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    marks = list(outputs.root.rglob("_SUCCESS"))
    assert {mark.parent.name for mark in marks} == {
        "photos",
        "pending_photos",
        "photo_index",
        "feature_store",
        "featurized_photos",
        "pca_features",
        "pca_features_csv",
        "neighbours",
        "findings",
        "rejected_images",
        "metadata_mismatches",
    }
    for mark in marks:
        mark.unlink()
        mark.with_name("._SUCCESS.crc").unlink(missing_ok=True)
    run_project(photo_tree.root, outputs, *pipelines)
    assert outputs.csv_bytes() == full_run.csv_bytes()
    assert outputs.rejected_images().equals(full_run.rejected_images())
    assert outputs.counts()["exported"] == full_run.counts()["exported"]
    if not pipelines:
        assert outputs.counts()["featurized"] == 0
