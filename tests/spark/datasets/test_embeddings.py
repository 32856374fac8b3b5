"""One file whose lists have a fixed length, whatever Spark made of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fruit_features.datasets import EmbeddingsDataset, embeddings
from fruit_features.pipelines.export.nodes import embed_components, embed_features
from fruit_features.spark.feature_store import EXPORTED_FACTS, FACTS
from tests.support.tables import as_stored

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

N_PHOTOS = 100


@pytest.fixture
def outcomes(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    """What became of photos, and their features: the photo's number, and twice that."""
    rows = [(f"file:/photos/{number:03}.jpg", "Kiwi", [float(number), 2.0 * number]) for number in range(N_PHOTOS)]
    features = spark.createDataFrame(rows, "path string, label string, features array<float>").repartition(5)
    featurized, store = as_stored(features)
    return featurized.selectExpr("*", *(f"CAST(NULL AS {kind}) AS {name}" for name, kind in FACTS.items())), store


def test_features_come_in_the_order_of_paths_as_lists_of_a_fixed_length(
    outcomes: tuple[DataFrame, DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "_ROWS_AT_A_TIME", 7)
    dataset = EmbeddingsDataset(filepath=str(tmp_path / "features.parquet"), file_format="parquet")
    assert not dataset.exists()
    dataset.save(embed_features(*outcomes))
    assert dataset.exists()
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["features.parquet"]
    table = pq.read_table(tmp_path / "features.parquet")
    assert table.column_names == ["path", "label", "digest", *EXPORTED_FACTS, "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 2)
    assert table.column("path").to_pylist() == [f"file:/photos/{number:03}.jpg" for number in range(N_PHOTOS)]
    np.testing.assert_array_equal(np.stack(dataset.load()["embedding"])[:, 1], 2.0 * np.arange(N_PHOTOS))


def test_components_and_the_split_come_with_them(outcomes: tuple[DataFrame, DataFrame], tmp_path: Path) -> None:
    featurized = outcomes[0].selectExpr("path", "label", "'train' AS split", "digest", *FACTS, "fingerprint", "error")
    components = featurized.selectExpr("path", "label", "split", "CAST(1 AS FLOAT) AS pca_1", "CAST(2 AS FLOAT) AS pca_2")
    dataset = EmbeddingsDataset(filepath=str(tmp_path / "embeddings.parquet"), file_format="parquet")
    dataset.save(embed_components(featurized, components.where("path > 'file:/photos/04'")))
    loaded = dataset.load()
    assert len(loaded) == N_PHOTOS - 40
    assert set(loaded["split"]) == {"train"}
    assert [list(embedding) for embedding in loaded["embedding"]] == [[1.0, 2.0]] * len(loaded)


def test_nothing_to_embed_is_refused_and_the_old_file_stays(outcomes: tuple[DataFrame, DataFrame], tmp_path: Path) -> None:
    dataset = EmbeddingsDataset(filepath=str(tmp_path / "features.parquet"), file_format="parquet")
    dataset.save(embed_features(*outcomes))
    with pytest.raises(Exception, match="there is no photo with features"):
        dataset.save(embed_features(*outcomes).limit(0))
    assert len(dataset.load()) == N_PHOTOS


def test_spark_reads_the_file(outcomes: tuple[DataFrame, DataFrame], spark: SparkSession, tmp_path: Path) -> None:
    EmbeddingsDataset(filepath=str(tmp_path / "features.parquet"), file_format="parquet").save(embed_features(*outcomes))
    assert dict(spark.read.parquet(str(tmp_path / "features.parquet")).dtypes)["embedding"] == "array<float>"
