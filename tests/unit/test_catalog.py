"""What is read and written, where and in which format: a promise that holds in every environment."""

from __future__ import annotations

import re
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from kedro_datasets.spark import SparkDatasetV2

from fruit_features.datasets import PhotoFolderDataset
from fruit_features.settings import CONFIG_LOADER_ARGS
from tests.support.runs import PROJECT

ENVIRONMENTS = ["base", "demo", "local", "emr", "test"]

PROMISED = {  # what others rely on: name, place under output_root, type, format
    "feature_store": ("04_feature/feature_store", "fruit_features.datasets.GrowingSparkDataset", "parquet"),
    "network": ("06_models/networks", "fruit_features.datasets.NetworkDataset", None),
    "pca_model": ("06_models/pca_model.parquet", "pandas.ParquetDataset", None),
    "pca_features": ("07_model_output/pca_features", "fruit_features.datasets.SwappedSparkDataset", "parquet"),
    "pca_features@spark": ("07_model_output/pca_features", "fruit_features.datasets.SwappedSparkDataset", "parquet"),
    "pca_features@pandas": ("07_model_output/pca_features", "pandas.ParquetDataset", None),
    "pca_features_csv": ("07_model_output/pca_features_csv", "fruit_features.datasets.SwappedSparkDataset", "csv"),
    "neighbours": ("07_model_output/neighbours", "fruit_features.datasets.SwappedSparkDataset", "parquet"),
    "findings": ("07_model_output/findings", "fruit_features.datasets.SwappedSparkDataset", "parquet"),
    "findings_csv": ("08_reporting/findings.csv", "pandas.CSVDataset", None),
    "rejected_images": ("07_model_output/rejected_images", "fruit_features.datasets.SwappedSparkDataset", "csv"),
    "metadata_mismatches": ("07_model_output/metadata_mismatches", "fruit_features.datasets.SwappedSparkDataset", "csv"),
    "explained_variance": ("08_reporting/explained_variance.csv", "pandas.CSVDataset", None),
    "scree_plot": ("08_reporting/scree_plot.json", "plotly.JSONDataset", None),
    "pca_scatter": ("08_reporting/pca_scatter.json", "plotly.JSONDataset", None),
    "photo_map": ("08_reporting/photo_map.json", "plotly.JSONDataset", None),
    "class_counts": ("08_reporting/class_counts.json", "plotly.JSONDataset", None),
    "rejects_by_reason": ("08_reporting/rejects_by_reason.json", "plotly.JSONDataset", None),
    "quality": ("08_reporting/quality.csv", "pandas.CSVDataset", None),
    "label_quality": ("08_reporting/label_quality.csv", "pandas.CSVDataset", None),
    "confusion": ("08_reporting/confusion.csv", "pandas.CSVDataset", None),
    "confusion_plot": ("08_reporting/confusion_plot.json", "plotly.JSONDataset", None),
    "corrections": ("08_reporting/corrections.csv", "fruit_features.datasets.SpreadsheetCSVDataset", None),
    "corrected_metadata": ("08_reporting/metadata.csv", "pandas.CSVDataset", None),
    "report": ("08_reporting/report.html", "text.TextDataset", None),
    "run_report": ("08_reporting/run_report.json", "json.JSONDataset", None),
}


def catalog(env: str, **runtime_params: str) -> dict[str, dict[str, Any]]:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, runtime_params=runtime_params, **CONFIG_LOADER_ARGS)
    loaded: dict[str, dict[str, Any]] = loader["catalog"]
    return loaded


def filepaths(config: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Where every dataset lies; entries that begin with an underscore are parts of others."""
    return {name: entry["filepath"] for name, entry in config.items() if not name.startswith("_") and entry.get("filepath")}


@pytest.fixture(autouse=True)
def _no_s3_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRUIT_FEATURES_S3_ROOT", raising=False)


@pytest.mark.parametrize("name", PROMISED)
def test_results_lie_where_they_were_promised(name: str) -> None:
    place, dataset_type, file_format = PROMISED[name]
    entry = catalog("base")[name]
    assert (entry["type"], entry.get("file_format"), entry["filepath"]) == (dataset_type, file_format, f"data/{place}")


def test_photos_are_read_as_they_were_promised() -> None:
    images = catalog("base")["images"]
    assert (images["type"], images["file_format"]) == ("fruit_features.datasets.PhotoFolderDataset", "binaryFile")
    assert issubclass(PhotoFolderDataset, SparkDatasetV2)
    assert images["filepath"] == "data/01_raw/images"


def test_the_csv_has_a_header_and_is_replaced_by_every_run() -> None:
    for name in ("pca_features_csv", "rejected_images", "metadata_mismatches"):
        save_args = catalog("base")[name]["save_args"]
        assert (save_args["header"], save_args["mode"]) == (True, "overwrite")


def test_the_feature_store_is_appended_to_where_it_is_read() -> None:
    config = catalog("base")
    assert config["feature_store"]["save_args"]["mode"] == "append"
    assert config["known_features"]["filepath"] == config["feature_store"]["filepath"]


def test_every_entry_is_in_the_layer_of_its_folder() -> None:
    config = catalog("base")
    folders = {name: re.findall(r"/\d\d_(\w+)", path)[0] for name, path in filepaths(config).items()}
    # What networks make comes before the PCA model: a circle, if the two kinds were one layer, and Kedro-Viz would draw none.
    expected = folders | dict.fromkeys(("networks", "network"), "networks")
    assert {name: config[name].get("metadata", {}).get("kedro-viz", {}).get("layer") for name in folders} == expected


@pytest.mark.parametrize("env", ["base", "demo", "local", "test"])
def test_a_catalog_can_be_made_of_every_local_environment(env: str) -> None:
    datasets = DataCatalog.from_config({name: entry for name, entry in catalog(env).items() if not name.startswith("_")})
    for name in (*PROMISED, "images"):
        assert datasets.get(name) is not None


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_two_parameters_move_everything(env: str) -> None:
    config = filepaths(catalog(env, images_root="s3a://bucket/photos", output_root="s3a://bucket/out"))
    assert config.pop("images") == "s3a://bucket/photos"
    assert {name for name, path in config.items() if not path.startswith("s3a://bucket/out/")} == set()
    for name, (place, _, _) in PROMISED.items():
        assert config[name] == f"s3a://bucket/out/{place}"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_models_can_be_shared_by_outputs(env: str) -> None:
    config = filepaths(catalog(env, output_root="/out", models_root="/models"))
    moved = {name: path for name, path in config.items() if not path.startswith("/out/")}
    del moved["images"]
    assert moved == {
        "networks": "/models/networks",
        "network": "/models/networks",
        "pca_model": "/models/pca_model.parquet",
    }


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_an_environment_changes_roots_and_no_more(env: str) -> None:
    roots = {"images_root": "/photos", "output_root": "/out"}
    assert catalog(env, **roots) == catalog("base", **roots)


def test_the_demo_runs_on_the_bundled_sample() -> None:
    assert (PROJECT / filepaths(catalog("demo"))["images"]).is_dir()


def test_emr_takes_its_bucket_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRUIT_FEATURES_S3_ROOT", "s3a://bucket/prefix")
    config = filepaths(catalog("emr"))
    assert config["images"] == "s3a://bucket/prefix/images"
    assert config["pca_features_csv"] == "s3a://bucket/prefix/output/07_model_output/pca_features_csv"
    assert all(path.startswith("s3a://bucket/prefix/") for path in config.values())


@pytest.mark.parametrize("env", ENVIRONMENTS)
@pytest.mark.parametrize("kind", ["parameters", "spark"])
def test_every_environment_resolves(env: str, kind: str) -> None:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env=env, **CONFIG_LOADER_ARGS)
    base = OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)
    assert loader[kind].keys() >= base[kind].keys(), "an environment states only what differs"
