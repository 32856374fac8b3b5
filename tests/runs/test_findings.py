"""Findings of whole runs: planted copies are found, and the export is the same bits with and without them."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from PIL import Image

from tests.support.photos import encoded
from tests.support.runs import Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")


def findings_of(outputs: Outputs) -> pd.DataFrame:
    return pd.read_parquet(outputs.root / "07_model_output" / "findings")


def test_planted_copies_are_found(photo_tree: PhotoTree, full_run: Outputs, tmp_path: Path) -> None:
    photos, outputs = tmp_path / "photos", full_run.with_networks_only(tmp_path / "data")
    shutil.copytree(photo_tree.root, photos)
    pear = photos / "Pear" / "00.jpg"
    shutil.copy(pear, photos / "Apple Red 1" / "a pear.jpg")
    with Image.open(pear) as image:
        smaller = encoded(image.resize((image.width * 3 // 4, image.height * 3 // 4)), "JPEG", quality=90)
    (photos / "Pear" / "zz smaller.jpg").write_bytes(smaller)
    run_project(photos, outputs)
    found = findings_of(outputs)
    of_pear = {(row.kind, row.path.rsplit("/", 1)[-1]) for row in found.itertuples() if "pear" in row.path or "zz" in row.path}
    assert ("near_duplicate", "zz smaller.jpg") in of_pear
    assert ({"exact_duplicate", "label_conflict"}) <= set(found["kind"])
    counts = json.loads((outputs.root / "08_reporting" / "finding_counts.json").read_text())
    assert sum(counts.values()) == len(found)
    for_people = pd.read_csv(outputs.root / "08_reporting" / "findings.csv", keep_default_na=False)
    assert for_people["path"].tolist() == found["path"].tolist()
    neighbours = pd.read_parquet(outputs.root / "07_model_output" / "neighbours")
    assert neighbours.groupby("path")["rank"].max().eq(10).all()
    assert neighbours["path"].nunique() == len(outputs.pca_features())


def test_the_export_is_the_same_without_findings(photo_tree: PhotoTree, full_run: Outputs, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, findings={"enabled": False})
    assert len(findings_of(outputs)) == 0
    assert outputs.csv_bytes() == full_run.csv_bytes()
    sorted_rows = [run.pca_features().sort_values("path", ignore_index=True) for run in (outputs, full_run)]
    pd.testing.assert_frame_equal(*sorted_rows, check_exact=True)
    assert len(pd.read_csv(io.StringIO((outputs.root / "08_reporting" / "findings.csv").read_text()))) == 0
