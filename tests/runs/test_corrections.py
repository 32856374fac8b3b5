"""From findings through a spreadsheet to the next run, which infers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from kedro.io import DatasetError

from tests.support.runs import Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.support.photos import PhotoTree


@pytest.fixture(scope="module")
def outputs(
    spark: SparkSession, photo_tree: PhotoTree, full_run: Outputs, tmp_path_factory: pytest.TempPathFactory
) -> Outputs:
    """What a run has left, and the sheet that its findings make."""
    outputs = full_run.copy_to(tmp_path_factory.mktemp("corrections") / "data")
    with pytest.raises(FileNotFoundError, match=r"agreed_corrections .*kedro run --pipelines corrections$"):
        run_project(photo_tree.root, outputs, "apply_corrections")
    return run_project(photo_tree.root, outputs, "corrections")


def sheet_of(outputs: Outputs) -> Path:
    return outputs.root / "08_reporting" / "corrections.csv"


def read(sheet: Path) -> pd.DataFrame:
    delimiter = ";" if ";" in sheet.read_text("utf-8-sig").split("\n")[0] else ","
    return pd.read_csv(sheet, sep=delimiter, dtype=str, keep_default_na=False)


def save_as_excel_does(table: pd.DataFrame, sheet: Path) -> None:
    sheet.write_bytes(table.to_csv(index=False, sep=";", lineterminator="\r\n").encode("utf-8-sig"))


def test_the_sheet_has_a_row_for_each_photo_with_a_finding(outputs: Outputs, photo_tree: PhotoTree) -> None:
    sheet = read(sheet_of(outputs))
    findings = pd.read_parquet(outputs.root / "07_model_output" / "findings")
    assert len(sheet) == findings["path"].nunique() > 0
    assert set(sheet["file_name"]) == {path.removeprefix(f"file:{photo_tree.root}/") for path in findings["path"]}
    assert (sheet["agree"] == "").all()


def test_a_faulty_sheet_leaves_nothing(outputs: Outputs, photo_tree: PhotoTree) -> None:
    table = read(sheet_of(outputs))
    save_as_excel_does(table.assign(agree="WAHR"), sheet_of(outputs))
    with pytest.raises(ValueError, match="row 2 has the agree 'WAHR'"):
        run_project(photo_tree.root, outputs, "apply_corrections")
    assert not (outputs.root / "08_reporting" / "metadata.csv").exists()
    save_as_excel_does(table, sheet_of(outputs))


def test_the_next_run_does_what_somebody_agreed_to_and_infers_nothing(outputs: Outputs, photo_tree: PhotoTree) -> None:
    table = read(sheet_of(outputs))
    copy = table.index[table["suggested_use"] == "no"][0]
    table.loc[copy, "agree"] = "x"
    assert "Pear/00.jpg" not in set(table["file_name"]), "a row is added for it"
    added = dict.fromkeys(table.columns, "") | {"file_name": "Pear/00.jpg", "suggested_label": "Café Crème", "agree": "yes"}
    save_as_excel_does(pd.concat([table, pd.DataFrame([added])]), sheet_of(outputs))
    run_project(photo_tree.root, outputs, "apply_corrections")
    metadata = outputs.root / "08_reporting" / "metadata.csv"
    before = outputs.pca_features().set_index("path")["label"]

    run_project(photo_tree.root, outputs, ingestion={"metadata": str(metadata), "metadata_must_match": True})
    counts = outputs.counts()
    assert (counts["listed"], counts["inferred"], counts["featurized"]) == (photo_tree.n_photos, 0, 0)
    assert counts["metadata_mismatches"] == 0
    left_out = f"file:{photo_tree.root}/{table.loc[copy, 'file_name']}"
    rejected = outputs.rejected_images().set_index("path")["reason"]
    assert rejected[left_out] == "left out by metadata"
    after = outputs.pca_features().set_index("path")["label"]
    assert set(before.index) - set(after.index) == {left_out}
    changed = {path: label for path, label in after.items() if before[path] != label}
    assert changed == {f"file:{photo_tree.root}/Pear/00.jpg": "Café Crème"}

    with pytest.raises(DatasetError, match="somebody has written into the column agree"):
        run_project(photo_tree.root, outputs, "corrections")
    # Corrections of a run that had a table go on from that table.
    run_project(photo_tree.root, outputs, "apply_corrections")
    again = read(metadata)
    assert again.loc[again["use"] == "false", "file_name"].tolist() == [table.loc[copy, "file_name"]]
    assert again.set_index("file_name")["label"]["Pear/00.jpg"] == "Café Crème"
