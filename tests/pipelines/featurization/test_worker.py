"""Rows in, rows out, in the same order: whatever fails in between."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark import SparkContext

from fruit_features.imaging import decode
from fruit_features.pipelines.featurization.worker import PhotoFeaturizer
from tests.photos import encoded, fruit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import keras
    from numpy.typing import NDArray
    from pyspark import Broadcast
    from pyspark.sql import SparkSession

    from fruit_features.inference import Network

PHOTOS = [encoded(fruit("Pear", number), "JPEG") for number in range(12)]
BROKEN = b"no photo"


@pytest.fixture(scope="module")
def broadcast(spark: SparkSession, tiny_network: Network) -> Broadcast[Network]:
    return spark.sparkContext.broadcast(tiny_network)


@pytest.fixture(scope="module")
def expected(tiny_model: keras.Model) -> NDArray[np.float32]:
    """float32 (12, 5): the features of `PHOTOS` by Keras."""
    features: NDArray[np.float32] = tiny_model.predict(np.stack([decode(photo, 32) for photo in PHOTOS]), verbose=0)
    return features


def record_batch(contents: Sequence[bytes]) -> pa.RecordBatch:
    n_rows = len(contents)
    return pa.RecordBatch.from_pydict(
        {
            "path": pa.array([f"file:/{row}" for row in range(n_rows)], pa.string()),
            "length": pa.array([len(content) for content in contents], pa.int64()),
            "modificationTime": pa.array([dt.datetime(2026, 1, 1)] * n_rows, pa.timestamp("us", "UTC")),
            "content": pa.array(contents, pa.binary()),
        }
    )


def featurizer(broadcast: Broadcast[Network], batch_size: int) -> PhotoFeaturizer:
    context = SparkContext.getOrCreate()
    return PhotoFeaturizer(
        broadcast,
        fingerprint=broadcast.value.fingerprint,
        batch_size=batch_size,
        decoding={},
        done=context.accumulator(0),
        rejected=context.accumulator(0),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=3), st.integers(1, 5))
@example([[False] * 7], 3)
@example([[True, False, True, False, False, True, True], [False, True]], 2)
@example([[], [True]], 4)
def test_features_stay_with_their_photo(
    broadcast: Broadcast[Network], expected: NDArray[np.float32], are_good: list[list[bool]], batch_size: int
) -> None:
    batches = [record_batch([PHOTOS[row] if is_good else BROKEN for row, is_good in enumerate(rows)]) for rows in are_good]
    results = list(featurizer(broadcast, batch_size)(iter(batches)))
    assert len(results) == len(batches)
    for batch, result, rows in zip(batches, results, are_good, strict=True):
        for column in ("path", "length", "modificationTime"):
            assert result.column(column).equals(batch.column(column))
        table: list[dict[str, Any]] = result.to_pylist()
        for row, is_good in enumerate(rows):
            if is_good:
                assert table[row]["error"] is None
                np.testing.assert_allclose(table[row]["features"], expected[row], atol=1e-4)
            else:
                assert table[row]["error"] == "not an image that Pillow can identify"
                assert table[row]["features"] is None


def test_the_columns_are_those_of_the_store(broadcast: Broadcast[Network]) -> None:
    (result,) = featurizer(broadcast, 2)([record_batch(PHOTOS[:1])])
    assert result.schema.names == ["path", "length", "modificationTime", "features", "error"]
    assert result.schema.field("features").type == pa.list_(pa.float32())
    assert result.schema.field("error").type == pa.string()


def test_a_network_is_compiled_once_per_process(broadcast: Broadcast[Network]) -> None:
    first, second = (featurizer(broadcast, 5)._compiled()[0] for _ in range(2))
    assert first is second
    assert featurizer(broadcast, 6)._compiled()[0] is not first
