"""Runs of a part: they begin with what earlier runs left, say what is missing, and touch the tables of no other stage."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from kedro.framework.session import KedroSession

from fruit_features.pipeline_registry import register_pipelines
from tests.support.runs import PROJECT, Outputs, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")

STAGES = ("ingestion", "featurization", "reduction", "export", "findings", "reporting")

OF_THE_RUN = {
    "04_feature/.lock",
    "04_feature/.sha256",
    "06_models/.lock",
    "06_models/.sha256",
    "07_model_output/.sha256",
    "08_reporting/.sha256",
    "08_reporting/last_complete_run.json",
    "08_reporting/run_report.json",
}
"""Files that a run writes about itself, whichever its stages are."""

BF16 = {"precision": "bf16"}


@pytest.fixture
def outputs(full_run: Outputs, tmp_path: Path) -> Outputs:
    """What a whole run left."""
    return full_run.copy_to(tmp_path / "data")


def snapshot(outputs: Outputs) -> dict[str, bytes]:
    """Content of every file under `output_root`, but the record that a run empties before it may write."""
    files = (path for path in outputs.root.rglob("*") if path.is_file() and path.name != "last_complete_run.json")
    return {str(path.relative_to(outputs.root)): path.read_bytes() for path in files}


def places_of(stage: str) -> set[str]:
    """Where a stage's tables lie under `output_root`."""
    with KedroSession.create(PROJECT, env="base") as session:
        catalog = session.load_context().config_loader["catalog"]
    return {
        catalog[name]["filepath"].removeprefix("data/") for name in register_pipelines()[stage].all_outputs() & set(catalog)
    }


def run_part(photo_tree: PhotoTree, outputs: Outputs, **part: Any) -> None:
    """Run a slice of the whole mission, as `kedro run --from-nodes` and its like do."""
    roots = {"images_root": str(photo_tree.root), "output_root": str(outputs.root)}
    with contextlib.chdir(outputs.root), KedroSession.create(PROJECT, env="test", runtime_params=roots) as session:
        session.run(**part)


@pytest.mark.parametrize("pipeline", sorted(register_pipelines()))
def test_every_pipeline_runs_by_itself_and_a_stage_changes_its_own_tables_only(
    pipeline: str, outputs: Outputs, full_run: Outputs, photo_tree: PhotoTree
) -> None:
    if pipeline == "apply_corrections":
        run_project(photo_tree.root, outputs, "corrections")  # which makes the sheet that people fill in
    before = snapshot(outputs)
    run_project(photo_tree.root, outputs, pipeline)
    assert outputs.csv_bytes() == full_run.csv_bytes()
    assert len(outputs.feature_store()) == len(full_run.feature_store())
    if pipeline in STAGES:
        after = snapshot(outputs)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - OF_THE_RUN
        assert {name for name in changed if not name.startswith(tuple(places_of(pipeline)))} == set()


def test_the_escaping_of_spreadsheets_stays_in_the_last_file(full_run: Outputs, tmp_path: Path, photo_tree: PhotoTree) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(photo_tree.root / "Pear", photos / "=Pear")
    outputs = full_run.with_networks_only(tmp_path / "data")
    run_project(photos, outputs, export={"escape_formulas": True})
    assert set(outputs.pca_features_csv()["label"]) == set(outputs.rejected_images()["label"]) == {"'=Pear"}
    written = (outputs.root / "07_model_output" / "rejected_images").rglob("*.csv")
    before = {path: path.read_bytes() for path in written}
    run_project(photos, outputs, "reporting", export={"escape_formulas": False})
    assert {path: path.read_bytes() for path in before} == before
    assert "&#x27;=Pear" not in outputs.report(), "the page is no spreadsheet"


@pytest.mark.parametrize(
    ("pipeline", "parameters"),
    [
        pytest.param("reduction", {"featurization": BF16}, id="reduction"),
        pytest.param("export", {"featurization": BF16}, id="export"),
        pytest.param("reporting", {"featurization": BF16}, id="reporting"),
        pytest.param("vacuum", {"featurization": {"apply_exif_orientation": True}}, id="vacuum"),
    ],
)
def test_parameters_that_no_run_has_featurized_with_are_refused_and_nothing_is_touched(
    pipeline: str, parameters: dict[str, Any], outputs: Outputs, photo_tree: PhotoTree
) -> None:
    before = snapshot(outputs)
    with pytest.raises(ValueError, match=r"there is no network of these .* parameters .*--pipelines ingestion,featurization"):
        run_project(photo_tree.root, outputs, pipeline, **parameters)
    assert snapshot(outputs) == before


def test_features_of_other_parameters_are_named_and_a_vacuum_keeps_those_of_its_own(
    outputs: Outputs, photo_tree: PhotoTree
) -> None:
    """Neither is about the network that ran last, which here is another one."""
    ours = set(outputs.feature_store()["fingerprint"])
    run_project(photo_tree.root, outputs, "ingestion", "featurization", featurization=BF16)
    assert len(set(outputs.feature_store()["fingerprint"])) == 2
    before = snapshot(outputs)
    for stage in ("reduction", "export", "reporting"):
        with pytest.raises(ValueError, match=r"featurized_photos belongs to .*precision is bf16 there, f32 here"):
            run_project(photo_tree.root, outputs, stage)
    for stage, stale in (("export", "pca_model"), ("reporting", "(pca_model|photo_counts)")):
        stages = "--pipelines featurization,reduction"
        with pytest.raises(ValueError, match=rf"{stale} belongs to .* f32 there, bf16 here.* {stages}"):
            run_project(photo_tree.root, outputs, stage, featurization=BF16)
    assert snapshot(outputs) == before
    run_project(photo_tree.root, outputs, "vacuum")
    assert set(outputs.feature_store()["fingerprint"]) == ours


@pytest.mark.parametrize("n_left", [0, 4])
def test_photos_that_are_away_empty_no_store(n_left: int, outputs: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    """A disk that is not mounted is an empty folder, or one with the few files that were copied to it by mistake."""
    folder = tmp_path / "not mounted"
    (folder / "Pear").mkdir(parents=True)
    for number in range(n_left):
        shutil.copy2(photo_tree.root / "Pear" / f"{number:02}.jpg", folder / "Pear")
    before = snapshot(outputs)
    message = "would drop .* of contents that no photo has where it lay last" if n_left else "there is no photo in it"
    with pytest.raises(ValueError, match=message):
        run_project(folder, outputs, "vacuum")
    assert snapshot(outputs) == before


def test_a_projection_by_an_int8_network_that_is_not_there_is_refused_before_it_is_built(
    outputs: Outputs, photo_tree: PhotoTree
) -> None:
    before = snapshot(outputs)
    with pytest.raises(ValueError, match="there is no int8 network of these parameters"):
        run_project(photo_tree.root, outputs, "project", featurization={"precision": "int8"})
    assert snapshot(outputs) == before


@pytest.mark.parametrize(
    ("stage", "missing", "stages"),
    [
        ("featurization", ["02_intermediate"], "ingestion"),
        ("reduction", ["04_feature/featurized_photos"], "featurization"),
        ("export", ["06_models/pca_model.parquet"], "reduction"),
        ("reporting", ["07_model_output", "08_reporting/photo_counts.json"], "export,findings"),
        ("export", ["02_intermediate", "04_feature", "06_models/pca_model.parquet"], "ingestion,featurization,reduction"),
    ],
)
def test_the_stages_that_have_to_run_first_are_named(
    stage: str, missing: list[str], stages: str, outputs: Outputs, photo_tree: PhotoTree
) -> None:
    for name in missing:
        path = outputs.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=rf"is not there.*--pipelines {stages}$"):
        run_project(photo_tree.root, outputs, stage)
    if len(missing) > 1:  # and that is enough; once, as it takes its time
        run_project(photo_tree.root, outputs, *stages.split(","), stage)


@pytest.mark.parametrize(
    ("part", "last"),
    [
        ({"from_nodes": ["fit_pca"]}, "render_report"),
        ({"tags": ["reduction"]}, "fit_pca"),
        ({"to_outputs": ["scree_plot"]}, "plot_scree"),
        ({"from_nodes": ["render_report"]}, "render_report"),
        ({"node_names": ["collect_outcomes", "build_network", "sample_calibration_photos"]}, "collect_outcomes"),
    ],
    ids=str,
)
def test_slices_that_kedro_offers_run(
    part: dict[str, Any], last: str, outputs: Outputs, full_run: Outputs, photo_tree: PhotoTree
) -> None:
    run_part(photo_tree, outputs, **part)
    assert outputs.csv_bytes() == full_run.csv_bytes()
    assert last in {node.name for node in register_pipelines()["__default__"].nodes}


def test_a_slice_that_begins_with_what_is_not_kept_says_where_to_begin(outputs: Outputs, photo_tree: PhotoTree) -> None:
    message = "which no run keeps for the next.*--from-nodes sample_calibration_photos$"
    for node in ("find_pending_photos", "build_network"):
        with pytest.raises(ValueError, match=message):
            run_part(photo_tree, outputs, from_nodes=[node])
    run_part(photo_tree, outputs, from_nodes=["sample_calibration_photos"])
