"""The exported tables: the model's own projection, and a count that must come out even."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from fruit_features.analysis import pca
from fruit_features.analysis.pca import Moments, PcaModel
from fruit_features.pipelines.export.nodes import account_for_photos, list_rejects, project_features, sort_for_csv
from fruit_features.pipelines.export.parameters import ExportParameters
from tests.support.tables import FINGERPRINT, as_stored

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

N_PHOTOS, N_FEATURES = 50, 6
PATHS = [f"file:/photos/{number:02}.jpg" for number in range(N_PHOTOS)]
LABELS = [f"label {number % 3}" for number in range(N_PHOTOS)]

PLAIN = ExportParameters(max_reject_ratio=None, escape_formulas=False, n_csv_files=1)


def model_table(model: PcaModel) -> pd.DataFrame:
    """As the reduction pipeline saves a model."""
    return pd.DataFrame([model.to_record()])


@pytest.fixture(scope="module")
def matrix() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(2, 1, (N_PHOTOS, N_FEATURES)).astype(np.float32)


@pytest.fixture
def features(spark: SparkSession, matrix: NDArray[np.float32]) -> DataFrame:
    rows = list(zip(PATHS, LABELS, matrix.tolist(), strict=True))
    return spark.createDataFrame(rows, "path string, label string, features array<float>").repartition(3)


@pytest.fixture
def fit(matrix: NDArray[np.float32]) -> Callable[..., PcaModel]:
    def fitted(*, n_components: int = 4, centred: bool = False) -> PcaModel:
        moments = Moments.of(matrix, pca.grid_step(float(np.abs(matrix).max()), N_PHOTOS))
        return pca.fit(moments, fingerprint=FINGERPRINT, variance_threshold=0.9, n_components=n_components, centred=centred)

    return fitted


# --- project_features -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("n_components", [1, 4])
def test_photos_are_projected_as_the_model_does(
    *,
    features: DataFrame,
    matrix: NDArray[np.float32],
    fit: Callable[..., PcaModel],
    centred: bool,
    n_components: int,
) -> None:
    model = fit(n_components=n_components, centred=centred)
    rows = project_features(*as_stored(features), model_table(model)).orderBy("path").collect()
    assert [row["path"] for row in rows] == PATHS
    assert [row["label"] for row in rows] == LABELS
    components = np.array([row[2:] for row in rows], np.float32)
    np.testing.assert_allclose(components, model.project(matrix), rtol=1e-6, atol=1e-6)


def test_the_columns_are_path_label_and_components_as_floats(features: DataFrame, fit: Callable[..., PcaModel]) -> None:
    projected = project_features(*as_stored(features), model_table(fit(n_components=3)))
    assert projected.dtypes == [
        ("path", "string"),
        ("label", "string"),
        ("pca_1", "float"),
        ("pca_2", "float"),
        ("pca_3", "float"),
    ]


def test_a_model_that_was_read_back_projects_the_same(
    features: DataFrame, fit: Callable[..., PcaModel], tmp_path: Path
) -> None:
    import pandas as pd

    table = model_table(fit())
    table.to_parquet(tmp_path / "pca_model.parquet")
    read_back = pd.read_parquet(tmp_path / "pca_model.parquet")
    fresh, stored = (project_features(*as_stored(features), model).orderBy("path").collect() for model in (table, read_back))
    assert fresh == stored


def test_no_photos_are_projected_to_no_rows(features: DataFrame, fit: Callable[..., PcaModel]) -> None:
    assert project_features(*as_stored(features.where("false")), model_table(fit())).collect() == []


def test_a_model_of_another_networks_features_is_refused(features: DataFrame, fit: Callable[..., PcaModel]) -> None:
    with pytest.raises(ValueError, match=rf"network {FINGERPRINT}, these photos belong to network another: run the reduction"):
        project_features(*as_stored(features, "another"), model_table(fit()))


def test_photos_with_an_error_are_not_projected(features: DataFrame, fit: Callable[..., PcaModel]) -> None:
    photos, store = as_stored(features)
    spoilt = photos.withColumn("error", F.when(F.col("path") == PATHS[3], "broken"))
    rows = project_features(spoilt, store, model_table(fit())).orderBy("path").collect()
    assert [row["path"] for row in rows] == PATHS[:3] + PATHS[4:]


# --- sort_for_csv -----------------------------------------------------------------------------------------------------


def test_the_csv_is_one_part_in_the_order_of_paths(features: DataFrame) -> None:
    ordered = sort_for_csv(features.orderBy("features"), PLAIN)
    assert ordered.rdd.getNumPartitions() == 1
    assert [row["path"] for row in ordered.collect()] == PATHS


def test_several_csv_files_are_in_the_order_of_paths_too(features: DataFrame) -> None:
    shuffled = features.orderBy("features").repartition(3)
    ordered = sort_for_csv(shuffled, PLAIN.model_copy(update={"n_csv_files": 4}))
    parts = ordered.select("path").rdd.glom().map(lambda rows: [row["path"] for row in rows]).collect()
    assert len(parts) == 4
    assert all(parts)
    assert [path for part in parts for path in part] == PATHS


FORMULAS = ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"]
HARMLESS = ["Apple", "1=1", " =1", "a\n=1", "", "'=1"]


def test_formulas_are_disarmed_where_the_parameters_say_so(spark: SparkSession) -> None:
    rows = [(f"file:/{number:02}", label) for number, label in enumerate([*FORMULAS, *HARMLESS])]
    table = spark.createDataFrame(rows, "path string, label string")
    disarmed = [row["label"] for row in sort_for_csv(table, PLAIN.model_copy(update={"escape_formulas": True})).collect()]
    assert disarmed == [*(f"'{formula}" for formula in FORMULAS), *HARMLESS]
    assert [tuple(row) for row in sort_for_csv(table, PLAIN).collect()] == rows


# --- list_rejects -----------------------------------------------------------------------------------------------------


def test_rejects_are_photos_with_an_error_in_the_order_of_their_paths(spark: SparkSession) -> None:
    rows = [("c", "Kiwi", "empty file"), ("a", "Pear", None), ("b", "=1+2", "@x")]
    photos = spark.createDataFrame(rows, "path string, label string, error string").repartition(3)
    listed = list_rejects(photos, PLAIN)
    assert listed.columns == ["path", "label", "reason"]
    assert [tuple(row) for row in listed.collect()] == [("b", "=1+2", "@x"), ("c", "Kiwi", "empty file")]
    disarmed = list_rejects(photos, PLAIN.model_copy(update={"escape_formulas": True}))
    assert [tuple(row) for row in disarmed.collect()] == [("b", "'=1+2", "'@x"), ("c", "Kiwi", "empty file")]


# --- account_for_photos -----------------------------------------------------------------------------------------------


def listed(spark: SparkSession, numbers: range) -> DataFrame:
    rows = [(str(number), "Kiwi", 100, dt.datetime(2026, 1, 1)) for number in numbers]
    return spark.createDataFrame(rows, "path string, label string, length bigint, modificationTime timestamp")


def featurized(photos: DataFrame, *reasons: str) -> DataFrame:
    """What became of each photo: the first ones were rejected, for these reasons."""
    known = dict(enumerate(reasons))
    error = F.create_map(*(F.lit(word) for item in known.items() for word in (str(item[0]), item[1])), F.lit(""), F.lit(""))
    return photos.withColumn("fingerprint", F.lit(FINGERPRINT)).withColumn("error", error[F.col("path")])


def exported(spark: SparkSession, numbers: range) -> DataFrame:
    rows = [(str(number), "Kiwi", 1.0, 2.0) for number in numbers]
    return spark.createDataFrame(rows, "path string, label string, pca_1 float, pca_2 float")


def test_every_photo_is_counted(spark: SparkSession) -> None:
    photos = listed(spark, range(10))
    outcomes = featurized(photos, "empty file", "not an image", "empty file")
    counts = account_for_photos(photos, outcomes, exported(spark, range(3, 10)), list_rejects(outcomes, PLAIN), PLAIN)
    assert counts == {
        "listed": 10,
        "rejected": 3,
        "exported": 7,
        "rejected_by_reason": {"empty file": 2, "not an image": 1},
        "components": 2,
        "fingerprint": FINGERPRINT,
    }


def test_nothing_rejected_is_no_reason(spark: SparkSession) -> None:
    photos = listed(spark, range(3))
    outcomes = featurized(photos)
    counts = account_for_photos(photos, outcomes, exported(spark, range(3)), list_rejects(outcomes, PLAIN), PLAIN)
    assert (counts["rejected"], counts["rejected_by_reason"]) == (0, {})


@pytest.mark.parametrize(("n_exported", "fault"), [(6, "lost"), (8, "doubled")])
def test_a_lost_or_doubled_photo_stops_the_run(spark: SparkSession, n_exported: int, fault: str) -> None:
    photos = listed(spark, range(10))
    outcomes = featurized(photos, "a", "b", "c")
    with pytest.raises(RuntimeError, match=f"10 photos were listed, but {n_exported} exported and 3 rejected"):
        account_for_photos(photos, outcomes, exported(spark, range(n_exported)), list_rejects(outcomes, PLAIN), PLAIN)


def test_a_reject_that_the_table_lacks_stops_the_run(spark: SparkSession) -> None:
    photos = listed(spark, range(10))
    outcomes = featurized(photos, "a", "b", "c")
    table = list_rejects(outcomes, PLAIN).where("path != '0'")
    with pytest.raises(RuntimeError, match="8 exported and 2 rejected"):
        account_for_photos(photos, outcomes, exported(spark, range(8)), table, PLAIN)


def test_a_listing_that_is_newer_than_the_features_stops_the_run(spark: SparkSession) -> None:
    """Also where the number of photos is the same: one went, another came."""
    outcomes = featurized(listed(spark, range(10)))
    with pytest.raises(
        RuntimeError, match=r"1 of the 10 photos .* not been featurized.*--pipelines featurization,reduction,export"
    ):
        account_for_photos(
            listed(spark, range(1, 11)), outcomes, exported(spark, range(10)), list_rejects(outcomes, PLAIN), PLAIN
        )


@pytest.mark.parametrize(("ratio", "is_refused"), [(None, False), (1.0, False), (0.3, False), (0.29, True), (0.0, True)])
def test_too_many_rejects_stop_the_run_where_the_parameters_say_so(
    spark: SparkSession, ratio: float | None, is_refused: bool
) -> None:
    photos, table = listed(spark, range(10)), exported(spark, range(3, 10))
    outcomes = featurized(photos, "empty file", "not an image", "empty file")
    rejects, parameters = list_rejects(outcomes, PLAIN), PLAIN.model_copy(update={"max_reject_ratio": ratio})
    if not is_refused:
        assert account_for_photos(photos, outcomes, table, rejects, parameters)["rejected"] == 3
        return
    message = rf"3 of 10 photos were rejected, more than export\.max_reject_ratio={ratio} .*'empty file': 2"
    with pytest.raises(RuntimeError, match=message):
        account_for_photos(photos, outcomes, table, rejects, parameters)
