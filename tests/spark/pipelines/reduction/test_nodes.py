"""The PCA of a Spark table: numpy's on the collected matrix, to the same bits however Spark holds the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F

from fruit_features.analysis import pca
from fruit_features.analysis.pca import Moments, PcaModel
from fruit_features.pipelines.reduction.nodes import fit_pca
from fruit_features.pipelines.reduction.parameters import ReductionParameters
from fruit_features.spark.reducers import pca as pca_reducer
from tests.support.tables import FINGERPRINT, as_stored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession


N_PHOTOS, N_FEATURES = 300, 8
SCHEMA = "path string, label string, features array<float>"


@pytest.fixture(scope="module")
def matrix() -> NDArray[np.float32]:
    """float32 (300, 8): correlated features with means far from 0."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(N_PHOTOS, N_FEATURES)) * np.geomspace(4, 0.1, N_FEATURES)
    return (factors @ rng.normal(size=(N_FEATURES, N_FEATURES)) + 3).astype(np.float32)


def to_frame(spark: SparkSession, matrix: NDArray[np.float32], n_partitions: int = 3) -> DataFrame:
    rows = [(f"file:/photos/{number}.jpg", "Kiwi", row.tolist()) for number, row in enumerate(matrix)]
    return spark.createDataFrame(rows, SCHEMA).repartition(n_partitions)


@pytest.fixture
def features(spark: SparkSession, matrix: NDArray[np.float32]) -> DataFrame:
    return to_frame(spark, matrix)


@pytest.fixture
def parameters() -> ReductionParameters:
    return ReductionParameters(reducer="pca", variance_threshold=0.9, n_components=None, centred=False)


def as_bytes(model: pd.DataFrame) -> list[bytes]:
    row = model.iloc[0]
    return [np.stack(row[name]).tobytes() for name in ("mean", "eigenvalues", "eigenvectors")]


def test_the_model_is_that_of_the_collected_matrix(
    features: DataFrame, matrix: NDArray[np.float32], parameters: ReductionParameters
) -> None:
    model, explained_variance = fit_pca(*as_stored(features), parameters)
    moments = Moments.of(matrix, pca.grid_step(float(np.abs(matrix).max()), N_PHOTOS))
    expected = pca.fit(moments, fingerprint=FINGERPRINT, variance_threshold=0.9)
    (row,) = model.to_dict("records")
    assert (row["n_photos"], row["n_components"]) == (N_PHOTOS, expected.n_components)
    assert (row["fingerprint"], row["centred"]) == (FINGERPRINT, False)
    np.testing.assert_array_equal(row["mean"], expected.mean)
    np.testing.assert_array_equal(row["eigenvalues"], expected.eigenvalues)
    np.testing.assert_array_equal(np.stack(row["eigenvectors"]), expected.eigenvectors)
    assert list(explained_variance.columns) == ["component", "explained_variance_ratio", "cumulative"]
    assert explained_variance["component"].tolist() == list(range(1, N_FEATURES + 1))
    ratios = explained_variance["explained_variance_ratio"]
    np.testing.assert_allclose(ratios, expected.explained_variance_ratio, rtol=1e-9)
    np.testing.assert_allclose(explained_variance["cumulative"], np.cumsum(ratios))


def test_the_same_photos_give_the_same_bits_in_any_order_and_partitions(
    spark: SparkSession, matrix: NDArray[np.float32], parameters: ReductionParameters
) -> None:
    features = to_frame(spark, matrix)
    expected = as_bytes(fit_pca(*as_stored(features), parameters)[0])
    rearranged = [features.repartition(1), features.repartition(7, "path"), features.orderBy("path", ascending=False)]
    for same in rearranged:
        assert as_bytes(fit_pca(*as_stored(same), parameters)[0]) == expected


def test_the_same_photos_give_the_same_bits_in_arrow_batches_of_any_size(
    spark: SparkSession, features: DataFrame, parameters: ReductionParameters
) -> None:
    expected = as_bytes(fit_pca(*as_stored(features), parameters)[0])
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(setting)
    spark.conf.set(setting, 7)
    try:
        assert as_bytes(fit_pca(*as_stored(features), parameters)[0]) == expected
    finally:
        spark.conf.set(setting, before)


@pytest.mark.parametrize("rows_in_hand", [1, 10, 1000])
@pytest.mark.parametrize("cuts", [[], [1, 2, 250], list(range(17, N_PHOTOS, 17))])
def test_a_partition_is_summed_whole_however_arrow_cuts_it(
    matrix: NDArray[np.float32], rows_in_hand: int, cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pca_reducer, "_ROWS_AT_ONCE", rows_in_hand)
    step = pca.grid_step(float(np.abs(matrix).max()), N_PHOTOS)
    pieces = [pa.array(list(piece), pa.list_(pa.float32())) for piece in np.split(matrix, cuts)]
    (summed,) = pca_reducer._sum_moments([pa.RecordBatch.from_arrays([piece], ["features"]) for piece in pieces], step)
    (row,) = summed.to_pylist()
    expected = Moments.of(matrix, step)
    assert row == {
        "count": N_PHOTOS,
        "total": expected.total.tobytes(),
        "products": expected.products.tobytes(),
    }


def test_a_partition_without_photos_has_no_moments() -> None:
    assert list(pca_reducer._sum_moments([], 1.0)) == []


def test_the_parameters_choose_the_components(features: DataFrame, parameters: ReductionParameters) -> None:
    changes = {"n_components": 5, "centred": True}
    model, explained_variance = fit_pca(*as_stored(features), parameters.model_copy(update=changes))
    (row,) = model.to_dict("records")
    assert (row["n_components"], row["centred"]) == (5, True)
    assert np.stack(row["eigenvectors"]).shape == (5, N_FEATURES)
    assert len(explained_variance) == N_FEATURES, "of all components, kept or not"


@pytest.mark.parametrize(("n_components", "kept"), [(None, 0.75), (5, None)])
def test_the_model_says_which_threshold_decided(
    features: DataFrame, parameters: ReductionParameters, n_components: int | None, kept: float | None
) -> None:
    changes = {"n_components": n_components, "variance_threshold": 0.75}
    model, _ = fit_pca(*as_stored(features), parameters.model_copy(update=changes))
    assert PcaModel.from_record(model.iloc[0].to_dict()).variance_threshold == kept


def test_photos_with_an_error_and_features_of_other_networks_are_left_out(
    features: DataFrame, parameters: ReductionParameters
) -> None:
    photos, store = as_stored(features)
    _, of_another_network = as_stored(
        features.selectExpr("path", "label", "transform(features, x -> x * 9) AS features"), "other"
    )
    spoilt = photos.withColumn("error", F.when(F.col("path").endswith("7.jpg"), "broken"))
    model, _ = fit_pca(spoilt, store.unionByName(of_another_network), parameters)
    expected, _ = fit_pca(*as_stored(features.where("path NOT LIKE '%7.jpg'")), parameters)
    assert as_bytes(model) == as_bytes(expected)


def test_the_model_survives_parquet(features: DataFrame, parameters: ReductionParameters, tmp_path: Path) -> None:
    model, _ = fit_pca(*as_stored(features), parameters)
    model.to_parquet(tmp_path / "pca_model.parquet")
    assert as_bytes(pd.read_parquet(tmp_path / "pca_model.parquet")) == as_bytes(model)


@pytest.mark.parametrize(
    ("n_photos", "message"), [(0, "at least 2 usable photos; there is none"), (1, "at least 2 usable photos; there is 1")]
)
def test_too_few_photos_are_refused(
    *,
    spark: SparkSession,
    matrix: NDArray[np.float32],
    parameters: ReductionParameters,
    n_photos: int,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_pca(*as_stored(to_frame(spark, matrix[:n_photos])), parameters)


def test_equal_photos_are_refused(spark: SparkSession, matrix: NDArray[np.float32], parameters: ReductionParameters) -> None:
    with pytest.raises(ValueError, match="all 20 usable photos are equal"):
        fit_pca(*as_stored(to_frame(spark, matrix[[7] * 20])), parameters)
