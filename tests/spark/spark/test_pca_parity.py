"""The PCA against Spark ML's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.unit.analysis.test_pca import features, fit, rank_deficient

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import SparkSession


@pytest.mark.parametrize(
    ("rows", "n_components"),
    [
        pytest.param(features(), 12, id="full rank"),
        pytest.param(features(n_photos=8), 7, id="fewer photos than features"),
        pytest.param(rank_deficient(), 4, id="rank deficient"),
    ],
)
def test_components_are_those_of_spark_ml(spark: SparkSession, rows: NDArray[np.float32], n_components: int) -> None:
    from pyspark.ml.feature import PCA
    from pyspark.ml.functions import array_to_vector, vector_to_array

    table = spark.createDataFrame([(i, row.tolist()) for i, row in enumerate(rows)], "photo int, features array<double>")
    vectors = table.select("photo", array_to_vector("features").alias("features"))
    of_spark = PCA(k=n_components, inputCol="features", outputCol="components").fit(vectors)
    projected = of_spark.transform(vectors).select("photo", vector_to_array("components").alias("components"))
    expected = np.array([row["components"] for row in projected.orderBy("photo").collect()])

    ours = fit(rows, n_components=n_components)
    ratios = ours.explained_variance_ratio[:n_components]
    np.testing.assert_allclose(ratios, of_spark.explainedVariance.toArray(), atol=1e-6)
    components = ours.project(rows)
    signs = np.sign((components * expected).sum(axis=0))
    np.testing.assert_allclose(components, expected * signs, atol=1e-3)
