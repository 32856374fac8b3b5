"""Whole runs with labels from a pattern and from a table, and what such runs say of files that they leave out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.config import OmegaConfigLoader
from kedro.io import DatasetError

from fruit_features.cli import similar
from fruit_features.commands.similar import render_similar
from fruit_features.hooks.preflight.metadata import check_place_of_metadata
from fruit_features.pipelines.ingestion.parameters import IngestionParameters
from fruit_features.settings import CONFIG_LOADER_ARGS
from tests.support.photos import encoded, fruit
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photos in the layout of Fruits-360, and files that are no photos."""
    root = tmp_path / "photos"
    for folder in ("Training/Apple", "Training/Pear", "Test/Apple"):
        (root / folder).mkdir(parents=True)
        for number in range(3):
            seed = number + 10 * len(folder)
            (root / folder / f"{number}_100.jpg").write_bytes(encoded(fruit("Pear", seed), "JPEG"))
    for name in ("notes.txt", "Test/NOTES.TXT", "LICENSE", "Test/clip.mp4", ".git/config", ".git/1.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"content")
    return root


def test_a_run_takes_labels_from_a_pattern_and_a_table_and_tells_what_it_leaves_out(
    spark: SparkSession, full_run: Outputs, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = root / "labels.csv"
    table.write_text(
        "file_name,label,use\nTraining/Apple/0_100.jpg,NA,\nTraining/Apple/1_100.jpg,,yes\n"
        "Training/Apple/2_100.jpg,Apple,no\nAbsent.jpg,x,\n"
    )
    before = {path.name for path in root.iterdir()}
    ingestion = {"label_pattern": "^(?P<split>[^/]+)/(?P<label>[^/]+)/", "metadata": str(table)}
    outputs = run_project(root, full_run.with_networks_only(tmp_path / "data"), ingestion=ingestion)

    left_out = {".txt": 2, ".mp4": 1, "LICENSE": 1, ".git/": 1}
    counts = outputs.counts()
    assert counts == {
        "listed": 9,
        "featurized": 8,
        "reused": 0,
        "inferred": 8,
        "rejected": 1,
        "exported": 8,
        "orientation_ignored": 0,
        "left_out": left_out,
        "metadata_mismatches": 7,
    }
    exported = outputs.pca_features()
    labels = {
        path.removeprefix(f"file:{root}/"): label for path, label in zip(exported["path"], exported["label"], strict=True)
    }
    assert labels.pop("Training/Apple/0_100.jpg") == "NA"
    assert labels.pop("Training/Apple/1_100.jpg") is None
    assert labels == {name: name.split("/")[1] for name in labels}
    (rejected,) = outputs.rejected_images().to_dict("records")
    assert (rejected["label"], rejected["reason"]) == ("Apple", "left out by metadata")
    splits = pd.read_parquet(outputs.root / "02_intermediate" / "photos")["split"]
    assert splits.value_counts().to_dict() == {"Training": 6, "Test": 3}
    (mismatches,) = (outputs.root / "07_model_output" / "metadata_mismatches").glob("part-*.csv")
    assert len(pd.read_csv(mismatches)) == 7
    assert {path.name for path in root.iterdir()} == before, "nothing is written beside the table"

    look = CliRunner().invoke(
        similar,
        [str(root / "Training/Apple/1_100.jpg"), "--env", "test", "--top", "8", "--params", f"output_root={outputs.root}"],
    )
    assert look.exit_code == 0, look.output
    assert re.search(r"\(no label\) +file:.*/Training/Apple/1_100\.jpg", look.output)

    said = capsys.readouterr().out
    assert ".txt 2, .git/ 1, .mp4 1, LICENSE 1" in said
    assert "07_model_output/metadata_mismatches" in said
    page = outputs.report()
    assert "are hidden: .txt 2, .git/ 1, .mp4 1, LICENSE 1." in page
    assert "(no label)" in page

    # Without a table, the comparison with one does not stay as if it were of this run.
    again = run_project(root, outputs)
    assert again.counts()["metadata_mismatches"] is None
    assert again.counts()["left_out"] == left_out | {".csv": 1}
    (mismatches,) = (outputs.root / "07_model_output" / "metadata_mismatches").glob("part-*.csv")
    assert mismatches.read_text() in {"", "file_name,problem\n"}


def test_a_page_of_similar_photos_names_those_without_a_label() -> None:
    similar_photos = pd.DataFrame({"path": ["file:/a.jpg"], "label": [None], "distance": [0.5]})
    assert "(no label), a.jpg: 0.50" in render_similar(b"", "photo.jpg", similar_photos, lambda path: b"")


def test_a_faulty_table_or_pattern_stops_the_run_before_anything_is_written(root: Path, tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "data")
    (tmp_path / "labels.csv").write_text("path\n")
    with pytest.raises(DatasetError, match="there is no column file_name"):
        run_project(root, outputs, ingestion={"metadata": str(tmp_path / "labels.csv")})
    with pytest.raises(Exception, match="has no group named label"):
        run_project(root, outputs, ingestion={"label_pattern": "(Apple)"})
    assert not list(outputs.root.rglob("part-*"))


def conf(folder: Path, name: str, text: str) -> OmegaConfigLoader:
    """The project's configuration with one more environment, `mine`, of one file."""
    (folder / "base").symlink_to(PROJECT / "conf" / "base")
    (folder / "mine").mkdir()
    (folder / "mine" / name).write_text(text)
    return OmegaConfigLoader(str(folder), env="mine", **CONFIG_LOADER_ARGS)


def test_a_file_of_parameters_names_the_table(tmp_path: Path) -> None:
    loader = conf(tmp_path, "parameters_ingestion.yml", "ingestion: {metadata: ../labels.csv}")
    assert loader["catalog"]["metadata"]["filepath"] == "../labels.csv"
    check_place_of_metadata(loader["catalog"], IngestionParameters(**loader["parameters"]["ingestion"]))


def test_the_command_line_wins_over_files(tmp_path: Path) -> None:
    loader = conf(tmp_path, "parameters_ingestion.yml", "ingestion: {metadata: ../labels.csv}")
    for given in ("s3a://bucket/labels.csv", None):
        loader.runtime_params = {"ingestion": {"metadata": given}}
        loader._runtime_params_oc = None
        assert loader["catalog"]["metadata"]["filepath"] == given
        check_place_of_metadata(loader["catalog"], IngestionParameters(**loader["parameters"]["ingestion"]))


def test_a_table_that_is_named_where_the_catalog_does_not_look_is_refused(tmp_path: Path) -> None:
    loader = conf(tmp_path, "parameters.yml", "ingestion: {metadata: ../labels.csv}")
    with pytest.raises(ValueError, match=r"the catalog would read None\. Give .* parameters_ingestion\.yml"):
        check_place_of_metadata(loader["catalog"], IngestionParameters(**loader["parameters"]["ingestion"]))
