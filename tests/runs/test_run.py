"""Whole runs, through Kedro: what comes out, what a second run costs, and that no history shows in the results."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from plotly.io import read_json as load_figure
from pyspark.sql import functions as F

from fruit_features.cli import run
from fruit_features.datasets import GrowingSparkDataset
from fruit_features.pipelines.reporting.nodes import PHOTOS_PER_LABEL
from fruit_features.storage import digests
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import MISSION, PROJECT, Outputs, as_path, run_project, spark_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def few_photos(tmp_path: Path) -> Path:
    """Five good photos of a label."""
    folder = tmp_path / "photos" / "Pear"
    folder.mkdir(parents=True)
    for number in range(5):
        add_photo(folder.parent, f"Pear/{number}.jpg", number)
    return folder.parent


def add_photo(root: Path, name: str, seed: int = 1000) -> Path:
    path = root / name
    path.write_bytes(encoded(fruit(path.parent.name, seed), "JPEG"))
    return path


def by_path(features: pd.DataFrame) -> NDArray[np.float32]:
    """float32 (n_photos, n_features) of the feature store's usable photos, in the order of their paths."""
    usable = features[features["error"].isna()].sort_values("path")
    return np.stack(usable["features"].to_list())


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_every_good_photo_is_in_the_csv(full_run: Outputs, photo_tree: PhotoTree) -> None:
    table = full_run.pca_features_csv()
    paths = [as_path(uri) for uri in table["path"]]
    assert paths == sorted(paths)
    assert set(paths) == photo_tree.good
    assert len(paths) == len(photo_tree.good)
    assert table["label"].tolist() == [path.parent.name for path in paths]


def test_the_columns_are_path_label_and_numbered_components(full_run: Outputs) -> None:
    table = full_run.pca_features_csv()
    n_components = len(table.columns) - 2
    assert n_components > 1
    assert list(table.columns) == ["path", "label", *(f"pca_{number}" for number in range(1, n_components + 1))]
    assert set(table.dtypes[2:]) == {np.dtype("float64")}
    assert np.isfinite(table.iloc[:, 2:]).all(axis=None)


def test_the_csv_and_the_parquet_table_are_the_same(full_run: Outputs) -> None:
    csv, parquet = (
        table.sort_values("path", ignore_index=True) for table in (full_run.pca_features_csv(), full_run.pca_features())
    )
    assert set(parquet.dtypes[2:]) == {np.dtype("float32")}
    pd.testing.assert_frame_equal(csv, parquet, check_dtype=False)


def test_every_broken_photo_has_a_reason(full_run: Outputs, photo_tree: PhotoTree) -> None:
    rejected = full_run.rejected_images()
    assert list(rejected.columns) == ["path", "label", "reason"]
    reasons = {as_path(row.path): row.reason for row in rejected.itertuples()}
    assert reasons.keys() == photo_tree.bad.keys()
    assert len(rejected) == len(reasons)
    for path, expected in photo_tree.bad.items():
        assert re.search(expected, reasons[path])
    assert rejected["label"].tolist() == [as_path(uri).parent.name for uri in rejected["path"]]


def test_listed_is_exported_and_rejected(full_run: Outputs) -> None:
    counts = full_run.counts()
    assert counts["listed"] == counts["exported"] + counts["rejected"]
    assert counts["exported"] == len(full_run.pca_features_csv())
    assert counts["rejected"] == len(full_run.rejected_images())


def test_the_components_explain_as_much_as_was_asked_for(full_run: Outputs) -> None:
    variance = pd.read_csv(full_run.root / "08_reporting" / "explained_variance.csv")
    assert list(variance.columns) == ["component", "explained_variance_ratio", "cumulative"]
    assert len(variance) == 1280
    kept = len(full_run.pca_features_csv().columns) - 2
    assert variance["cumulative"][kept - 1] >= 0.9 > variance["cumulative"][kept - 2]


def test_the_components_are_projections_of_the_stored_features(full_run: Outputs) -> None:
    (model,) = pd.read_parquet(full_run.root / "06_models" / "pca_model.parquet").to_dict("records")
    store = full_run.stored_photos().dropna(subset="features").sort_values("path")
    expected = np.stack(store["features"].to_list()).astype(np.float64) @ np.stack(model["eigenvectors"]).T
    table = full_run.pca_features_csv().set_index("path").loc[store["path"]]
    np.testing.assert_allclose(table.iloc[:, 1:], expected, rtol=1e-5, atol=1e-5)


def test_photos_of_a_label_lie_together(full_run: Outputs) -> None:
    table = full_run.pca_features_csv()
    table = table[table["path"].str.contains(r"/\d\d\.jpg$")].set_index("label")
    centres = table.groupby("label")[["pca_1", "pca_2", "pca_3"]].mean()
    assert set(centres.index) == set(COLOURS)
    distances = {label: ((table[centres.columns] - centre) ** 2).sum(axis=1) for label, centre in centres.iterrows()}
    nearest = pd.DataFrame(distances).idxmin(axis=1)
    assert (nearest == nearest.index).mean() > 0.8


def test_the_plots_show_the_results(full_run: Outputs) -> None:
    scatter = json.loads((full_run.root / "08_reporting" / "pca_scatter.json").read_text())
    assert {trace["name"] for trace in scatter["data"]} == set(COLOURS)
    assert sum(len(trace["hovertext"]) for trace in scatter["data"]) == full_run.counts()["exported"]
    scree = json.loads((full_run.root / "08_reporting" / "scree_plot.json").read_text())
    assert [trace["type"] for trace in scree["data"]] == ["bar", "scatter"]


def test_the_bars_count_every_photo(full_run: Outputs) -> None:
    folder = full_run.root / "08_reporting"
    labels = load_figure(folder / "class_counts.json")
    n_photos = {trace.name: sum(trace.x) for trace in labels.data}
    assert n_photos == {name: full_run.counts()[name] for name in ("exported", "rejected")}
    (reasons,) = load_figure(folder / "rejects_by_reason.json").data
    assert sum(reasons.x) == full_run.counts()["rejected"]
    assert "empty file" in reasons.y


def test_labels_are_told_apart(full_run: Outputs) -> None:
    table = pd.read_csv(full_run.root / "08_reporting" / "quality.csv")
    assert table["features"].tolist() == ["network", "network", "PCA", "PCA"]
    labels = pd.read_csv(full_run.root / "08_reporting" / "label_quality.csv")
    assert set(labels["label"]) == set(COLOURS)
    confusion = pd.read_csv(full_run.root / "08_reporting" / "confusion.csv")
    assert set(table["n_test"]) == {full_run.counts()["exported"]} == {labels["n_photos"].sum(), confusion["n_photos"].sum()}
    assert "3-fold cross-validation" in full_run.report()
    assert table["accuracy"].between(0.6, 1).all(), "by chance it would be a third"


def test_the_page_shows_photos_of_every_label_and_names_the_rejected_ones(full_run: Outputs, photo_tree: PhotoTree) -> None:
    page = full_run.report()
    for label in COLOURS:
        assert f"<h3><bdi>{label}</bdi> <small>" in page
    assert page.count('src="data:image/jpeg;base64,') == 4 * len(COLOURS)
    for path in photo_tree.bad:
        assert f">{path.name}</span>" in page
    assert len(page) < 10_000_000


def test_results_are_reported_without_the_photos(full_run: Outputs, few_photos: Path, tmp_path: Path) -> None:
    outputs = run_project(few_photos, full_run.with_networks_only(tmp_path / "data"))
    shutil.rmtree(few_photos)
    page = run_project(few_photos, outputs, "reporting").report()
    assert page.count("<i>no picture</i>") == PHOTOS_PER_LABEL
    assert "data:image/jpeg;base64," not in page


def test_markup_in_a_label_stays_text(full_run: Outputs, few_photos: Path, tmp_path: Path) -> None:
    label = '<img src=x onerror=alert(1)> & "co"'
    (few_photos / "Pear").rename(few_photos / label)
    page = run_project(few_photos, full_run.with_networks_only(tmp_path / "data")).report()
    assert "<h3><bdi>&lt;img src=x onerror=alert(1)&gt; &amp; &#34;co&#34;</bdi> <small>5</small></h3>" in page
    assert "<img src=x" not in page


def test_the_feature_store_wastes_no_time_on_dictionaries(full_run: Outputs) -> None:
    parts = list((full_run.root / "04_feature" / "feature_store").glob("*.parquet"))
    assert parts
    for part in parts:
        group = pq.ParquetFile(part).metadata.row_group(0)
        assert not any(group.column(column).has_dictionary_page for column in range(group.num_columns))


def test_the_feature_store_holds_bare_floats(full_run: Outputs) -> None:
    parts = (full_run.root / "04_feature" / "feature_store").glob("*.parquet")
    features = [pq.read_table(part).column("features") for part in parts]
    featurized = [column for column in features if column.null_count < len(column)]
    assert featurized
    assert not any(column.type.value_field.nullable for column in featurized)


def test_a_tree_without_broken_photos_has_an_empty_table_of_rejects(
    full_run: Outputs, few_photos: Path, tmp_path: Path
) -> None:
    outputs = run_project(few_photos, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    assert outputs.counts()["rejected"] == 0
    rejected = outputs.rejected_images()
    assert (list(rejected.columns), len(rejected)) == (["path", "label", "reason"], 0)


# --- what another run costs -------------------------------------------------------------------------------------------


def test_a_second_run_featurizes_nothing_and_writes_the_same_bytes(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    network_files = {path: path.stat().st_mtime_ns for path in outputs.networks.glob("*/*")}
    run_project(photo_tree.root, outputs, *MISSION)
    counts = outputs.counts()
    assert (counts["featurized"], counts["reused"]) == (0, photo_tree.n_photos)
    assert outputs.csv_bytes() == full_run.csv_bytes()
    assert len(outputs.feature_store()) == len(full_run.feature_store())
    assert {path: path.stat().st_mtime_ns for path in outputs.networks.glob("*/*")} == network_files


@dataclass(frozen=True)
class History:
    """A tree that changed between two runs, and what they left."""

    photos: Path
    changed: frozenset[Path]
    before: pd.DataFrame
    outputs: Outputs


@pytest.fixture(scope="module")
def history(full_run: Outputs, photo_tree: PhotoTree, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Photos appeared, vanished, were replaced and repaired."""
    folder = tmp_path_factory.mktemp("history")
    photos = shutil.copytree(photo_tree.root, folder / "photos")
    late = {photos / label / "05.jpg": (photos / label / "05.jpg").read_bytes() for label in COLOURS}
    for path in late:
        path.unlink()
    outputs = run_project(photos, full_run.with_networks_only(folder / "data"), *MISSION)
    before = outputs.stored_photos()

    for path, content in late.items():
        path.write_bytes(content)
    (photos / "Pear" / "07.jpg").unlink()
    replaced, repaired = add_photo(photos, "Pear/03.jpg"), add_photo(photos, "Pear/noise.png")
    run_project(photos, outputs, *MISSION)
    return History(photos, frozenset({*late, replaced, repaired}), before, outputs)


def test_new_and_changed_photos_cost_only_themselves(history: History) -> None:
    counts = history.outputs.counts()
    assert counts["featurized"] == len(history.changed)
    assert counts["reused"] == counts["listed"] - len(history.changed)
    store = history.outputs.stored_photos()
    key = ["path", "length", "modificationTime"]
    marked = store.merge(history.before[key], on=key, how="left", indicator=True)
    assert {as_path(uri) for uri in marked["path"][marked["_merge"] == "left_only"]} == history.changed
    assert len(store) == len(history.before) + len(history.changed)


def test_no_history_shows_in_the_results(full_run: Outputs, history: History, tmp_path: Path) -> None:
    scratch = run_project(history.photos, full_run.with_networks_only(tmp_path / "scratch"), *MISSION)
    assert scratch.counts()["featurized"] == scratch.counts()["listed"]
    assert history.outputs.csv_bytes() == scratch.csv_bytes()
    after_history, from_scratch = (
        outputs.rejected_images().sort_values("path", ignore_index=True) for outputs in (history.outputs, scratch)
    )
    pd.testing.assert_frame_equal(after_history, from_scratch)


@pytest.mark.slow
def test_a_run_that_died_is_continued(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = full_run.with_networks_only(tmp_path / "data")
    save, n_saved = GrowingSparkDataset.save, 0

    def die_in_the_second_chunk(dataset: GrowingSparkDataset, chunk: DataFrame) -> None:
        nonlocal n_saved
        n_saved += 1
        if n_saved == 4:  # each chunk is saved to the index, and then to the store
            raise OSError("power cut")
        save(dataset, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(GrowingSparkDataset, "save", die_in_the_second_chunk)
        with pytest.raises(Exception, match="power cut"):
            run_project(photo_tree.root, outputs)
    n_done = len(outputs.stored_photos())
    assert 0 < n_done < photo_tree.n_photos
    written = {path.name for path in (outputs.root / "07_model_output").iterdir()}
    assert written == {"metadata_mismatches"}, "which the listing writes"

    run_project(photo_tree.root, outputs)
    assert outputs.counts()["reused"] == n_done
    assert outputs.csv_bytes() == full_run.csv_bytes()


def test_the_features_that_the_how_to_reads_are_one_row_a_photo(history: History, tmp_path: Path) -> None:
    """After photos came, changed and went, and with another network's features in the store."""
    (snippet,) = re.findall(
        r"```python\n([^`]*features\.parquet[^`]*matrix[^`]*)```", (PROJECT / "docs" / "how-to.md").read_text()
    )
    home = tmp_path / "home"
    outputs = history.outputs.copy_to(home / "data")
    store = outputs.root / "04_feature" / "feature_store"
    outputs.feature_store().assign(fingerprint="another").to_parquet(store / "another.parquet")
    run_project(history.photos, outputs, "features")
    namespace: dict[str, pd.DataFrame] = {}
    with contextlib.chdir(home):
        exec(snippet, namespace)
    assert sorted(namespace["features"]["path"]) == sorted(outputs.pca_features_csv()["path"])
    assert namespace["matrix"].shape == (outputs.counts()["exported"], 1280)


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "emptied",
        "a flipped bit",
        pytest.param("noise", marks=pytest.mark.slow),
        pytest.param("cut in half", marks=pytest.mark.slow),
        pytest.param("noise in the middle", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_file_of_the_store_is_named_and_can_be_deleted(
    damage: str, full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    (outputs.root / "04_feature" / "feature_store" / digests.RECORD).unlink()  # as on S3: Parquet has to find it
    part = max(parquet_files(outputs), key=lambda path: path.stat().st_size)
    n_lost = len(pd.read_parquet(part))
    whole = part.read_bytes()
    half, noise = len(whole) // 2, np.random.default_rng(0).bytes(len(whole))
    part.write_bytes(
        {
            "noise": noise,
            "cut in half": whole[:half],
            "emptied": b"",
            "noise in the middle": whole[:1000] + noise[1000:-10_000] + whole[-10_000:],
            "a flipped bit": whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :],
        }[damage]
    )
    roots = f"images_root={photo_tree.root},output_root={outputs.root}"
    with contextlib.chdir(PROJECT):
        result = CliRunner().invoke(run, ["--env", "test", "--params", roots])
    if damage == "emptied":  # Spark skips a file of no bytes: it holds no rows, and they are computed again
        assert result.exit_code == 0
    else:
        assert result.exit_code == 1
        error = result.output[result.output.index("Error:") :]
        assert part.name in error
        assert "Delete that file and run again" in error
        assert len(error.splitlines()) <= 6
        part.unlink()
        run_project(photo_tree.root, outputs, *MISSION)
    assert outputs.counts()["featurized"] == n_lost
    assert outputs.csv_bytes() == full_run.csv_bytes()


# --- care of the store ------------------------------------------------------------------------------------------------


def parquet_files(outputs: Outputs) -> set[Path]:
    return set((outputs.root / "04_feature" / "feature_store").glob("*.parquet"))


def test_a_run_with_nothing_new_adds_no_file_to_the_store(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    before = parquet_files(outputs)
    run_project(photo_tree.root, outputs, *MISSION)
    assert parquet_files(outputs) == before


@pytest.mark.slow
def test_a_store_whose_lists_are_in_parquets_newer_form_goes_on(
    spark: SparkSession, full_run: Outputs, few_photos: Path, tmp_path: Path
) -> None:
    outputs = run_project(few_photos, full_run.with_networks_only(tmp_path / "data"))
    store, rewritten = outputs.root / "04_feature" / "feature_store", tmp_path / "rewritten"
    with spark_set(spark, "spark.sql.parquet.writeLegacyFormat", "false"):
        spark.read.parquet(str(store)).write.parquet(str(rewritten))
    shutil.rmtree(store)
    rewritten.rename(store)
    add_photo(few_photos, "Pear/new.jpg")
    run_project(few_photos, outputs)
    counts = outputs.counts()
    assert (counts["featurized"], counts["reused"]) == (1, 5)
    forms = {pq.read_schema(part).field("features").type.value_field.name for part in store.glob("*.parquet")}
    assert forms == {"element", "array"}
    assert len(outputs.feature_store()) == 6
    from_scratch = run_project(few_photos, full_run.with_networks_only(tmp_path / "from scratch"))
    assert outputs.csv_bytes() == from_scratch.csv_bytes()


@pytest.mark.slow
def test_a_compacted_store_holds_the_same_in_one_file(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    assert len(parquet_files(outputs)) > 2
    run_project(photo_tree.root, outputs, "compact")
    assert len(parquet_files(outputs)) == 1
    rows, expected = (
        one.stored_photos().sort_values(["path", "fingerprint"], ignore_index=True) for one in (outputs, full_run)
    )
    pd.testing.assert_frame_equal(rows, expected)
    run_project(photo_tree.root, outputs)
    assert outputs.counts()["featurized"] == 0
    assert outputs.csv_bytes() == full_run.csv_bytes()


def test_a_vacuumed_store_holds_the_photos_that_are_there_and_one_network(
    spark: SparkSession, history: History, tmp_path: Path
) -> None:
    outputs = history.outputs.copy_to(tmp_path / "data")
    folder = str(outputs.root / "04_feature" / "feature_store")
    spark.read.parquet(folder).withColumn("fingerprint", F.lit("another")).write.mode("append").parquet(folder)
    n_listed = outputs.counts()["listed"]
    n_rows = len(outputs.feature_store())

    with pytest.raises(ValueError, match=r"would drop .* rows .* of other networks.*max_vacuum_ratio=1$"):
        run_project(history.photos, outputs, "vacuum")
    assert len(outputs.feature_store()) == n_rows, "nothing was dropped"
    run_project(history.photos, outputs, "vacuum", featurization={"max_vacuum_ratio": 1})
    store = outputs.feature_store()
    assert store["digest"].is_unique
    assert sorted(outputs.photo_index()["digest"].unique()) == sorted(store["digest"])
    assert len(outputs.photo_index()) == n_listed
    assert set(store["fingerprint"]) == {outputs.run_report()["fingerprint"]}
    run_project(history.photos, outputs)
    assert outputs.counts()["featurized"] == 0
    assert outputs.csv_bytes() == history.outputs.csv_bytes()


# --- pipelines by themselves ------------------------------------------------------------------------------------------


def test_stages_one_by_one_are_a_full_run(full_run: Outputs, few_photos: Path, tmp_path: Path) -> None:
    at_once = run_project(few_photos, full_run.with_networks_only(tmp_path / "at once"))
    by_stages = full_run.with_networks_only(tmp_path / "by stages")
    for stage in ("ingestion", "featurization", "reduction", "export", "findings", "reporting"):
        run_project(few_photos, by_stages, stage)
    assert by_stages.csv_bytes() == at_once.csv_bytes()
    files, expected = (
        {path.relative_to(outputs.root).parts[:2] for path in outputs.root.rglob("*") if path.is_file()}
        for outputs in (by_stages, at_once)
    )
    assert files == expected - {("08_reporting", "last_complete_run.json")}, "which is that of a run of everything"


def test_new_photos_are_projected_into_the_space_of_an_old_model(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    old = full_run.copy_to(tmp_path / "old")
    new_photos = tmp_path / "new photos"
    (new_photos / "Pear").mkdir(parents=True)
    add_photo(new_photos, "Pear/new.jpg")
    shutil.copy2(photo_tree.root / "Pear" / "00.jpg", new_photos / "Pear")
    model = (old.root / "06_models" / "pca_model.parquet").read_bytes()

    outputs = run_project(new_photos, Outputs(tmp_path / "new"), "project", models_root=str(old.root / "06_models"))
    table, old_table = outputs.pca_features_csv(), full_run.pca_features_csv()
    assert list(table.columns) == list(old_table.columns)
    assert [as_path(uri).name for uri in table["path"]] == ["00.jpg", "new.jpg"]
    same = old_table[old_table["path"].str.endswith("/Pear/00.jpg")]
    np.testing.assert_allclose(table.iloc[:1, 2:], same.iloc[:, 2:], rtol=1e-4, atol=1e-4)
    assert outputs.counts()["featurized"] == 2
    assert (old.root / "06_models" / "pca_model.parquet").read_bytes() == model
    assert not (outputs.root / "06_models").exists()


# --- engines, precisions and parameters -------------------------------------------------------------------------------


def test_workers_with_openvino_never_meet_tensorflow(
    spark: SparkSession, full_run: Outputs, few_photos: Path, tmp_path: Path
) -> None:
    outputs = run_project(few_photos, full_run.with_networks_only(tmp_path / "data"), "ingestion", "featurization")

    def describe_worker(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import sys

        import pyarrow as pa

        from fruit_features.spark.featurizer import _COMPILED

        for _ in batches:
            compiled = [fingerprint for fingerprint, _ in _COMPILED]
            yield pa.RecordBatch.from_pydict({"compiled": [compiled], "modules": [list(sys.modules)]})

    # Spark keeps its workers for a minute and takes them in turn: more tasks than workers meet each of them
    tasks = spark.range(0, 24, 1, numPartitions=24)
    workers = tasks.mapInArrow(describe_worker, "compiled array<string>, modules array<string>").collect()
    (fingerprint,) = set(outputs.feature_store()["fingerprint"])
    that_featurized = [set(worker["modules"]) for worker in workers if fingerprint in worker["compiled"]]
    assert that_featurized
    for modules in that_featurized:
        assert "openvino" in modules
        assert not modules & {"tensorflow", "keras", "kedro"}


def test_the_tensorflow_engine_computes_the_same_features(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = run_project(
        photo_tree.root, Outputs(tmp_path / "data"), "ingestion", "featurization", featurization={"engine": "tensorflow"}
    )
    ours, reference = outputs.stored_photos(), full_run.stored_photos()
    assert set(ours["path"]) == set(reference["path"])
    assert set(ours["fingerprint"]).isdisjoint(reference["fingerprint"])
    np.testing.assert_allclose(by_path(ours), by_path(reference), atol=1e-3)


def test_an_int8_network_is_calibrated_once_and_computes_nearly_the_same(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = Outputs(tmp_path / "data")
    int8 = {"precision": "int8", "n_calibration_photos": 20}
    run_project(photo_tree.root, outputs, "ingestion", "featurization", featurization=int8)
    (record,) = (json.loads(path.read_text()) for path in outputs.networks.glob("*/network.json"))
    assert record["precision"] == "int8"
    assert record["fingerprint"] != record["configuration"]
    n_rows = len(outputs.feature_store())

    run_project(photo_tree.root, outputs, "ingestion", "featurization", featurization=int8)
    assert len(list(outputs.networks.glob("*/network.json"))) == 1
    assert len(outputs.feature_store()) == n_rows

    ours, reference = (by_path(features) for features in (outputs.stored_photos(), full_run.stored_photos()))
    cosines = (ours * reference).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(reference, axis=1)
    assert np.mean(cosines) > 0.9
    assert not np.allclose(ours, reference, atol=1e-3), "int8 it is"


@pytest.mark.slow
def test_features_of_two_configurations_share_a_store_without_meeting(
    full_run: Outputs, few_photos: Path, tmp_path: Path
) -> None:
    outputs = run_project(few_photos, full_run.with_networks_only(tmp_path / "data"))
    before, n_rows = outputs.csv_bytes(), len(outputs.feature_store())
    bf16 = {"precision": "bf16"}
    with pytest.raises(ValueError, match=r"pca_model belongs to network .*precision is f32 there, bf16 here"):
        run_project(few_photos, outputs, "project", featurization=bf16)
    assert len(outputs.feature_store()) == n_rows, "it is refused before anything is featurized"
    assert outputs.csv_bytes() == before

    run_project(few_photos, outputs, featurization=bf16)
    assert outputs.counts()["featurized"] == n_rows
    assert len(outputs.feature_store()) == 2 * n_rows
    assert outputs.csv_bytes() != before

    run_project(few_photos, outputs)
    assert outputs.counts()["featurized"] == 0
    assert outputs.csv_bytes() == before


def test_the_number_of_components_can_be_chosen(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photo_tree.root, outputs, "reduction", "export", reduction={"n_components": 2, "centred": True})
    table = outputs.pca_features_csv()
    assert list(table.columns) == ["path", "label", "pca_1", "pca_2"]
    np.testing.assert_allclose(table[["pca_1", "pca_2"]].mean(), 0, atol=1e-4)


def test_too_many_rejects_fail_a_run_that_has_written_everything(
    full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path
) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    shutil.rmtree(outputs.root / "07_model_output")
    with pytest.raises(RuntimeError, match="photos were rejected"):
        run_project(photo_tree.root, outputs, export={"max_reject_ratio": 0.01})
    assert outputs.csv_bytes() == full_run.csv_bytes()
    assert len(outputs.rejected_images()) == len(full_run.rejected_images())
