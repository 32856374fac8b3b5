"""Rows in, rows out, in the same order: whatever fails in between."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark import SparkContext

from fruit_features.photos.facts import PhotoFacts
from fruit_features.photos.imaging import decode
from fruit_features.photos.reading import PhotoReader
from fruit_features.spark.feature_store import FACTS
from fruit_features.spark.featurizer import KnownContents, PhotoFeaturizer, shorten_digest
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import keras
    from numpy.typing import NDArray
    from pyspark import Broadcast
    from pyspark.sql import SparkSession

    from fruit_features.networks.network import Network

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`PHOTOS` by their number, `broken`, and nothing else."""
    folder = tmp_path_factory.mktemp("photos")
    for number, photo in enumerate(PHOTOS):
        (folder / str(number)).write_bytes(photo)
    (folder / "broken").write_bytes(BROKEN)
    return folder


def record_batch(folder: Path, names: Sequence[str]) -> pa.RecordBatch:
    files = [path.stat() if path.exists() else None for path in map(folder.joinpath, names)]
    return pa.RecordBatch.from_pydict(
        {
            "path": pa.array([f"file:{folder / name}" for name in names], pa.string()),
            "length": pa.array([file.st_size if file else 100 for file in files], pa.int64()),
            "modificationTime": pa.array(
                [file.st_mtime_ns // 1_000_000 * 1000 if file else row for row, file in enumerate(files)],
                pa.timestamp("us", "UTC"),
            ),
            "digest": pa.array([None] * len(names), pa.string()),
        }
    )


def numbers(contents: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.array(sorted(shorten_digest(hashlib.sha256(content).hexdigest()) for content in contents), np.uint64)


def featurizer(
    broadcast: Broadcast[Network], batch_size: int, *known: bytes, without_facts: Sequence[bytes] = ()
) -> PhotoFeaturizer:
    context = SparkContext.getOrCreate()
    contents = KnownContents(numbers(known), numbers(without_facts))
    return PhotoFeaturizer(
        PhotoReader(3),
        broadcast,
        fingerprint=broadcast.value.fingerprint,
        known_contents=context.broadcast(contents) if known else None,
        batch_size=batch_size,
        decoding={},
        done=context.accumulator(0),
        rejected=context.accumulator(0),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(["good", "broken", "gone"]), max_size=12), max_size=3), st.integers(1, 5))
@example([["broken"] * 7], 3)
@example([["gone"] * 7], 3)
@example([["good", "gone", "good", "broken", "broken", "good", "good"], ["gone", "good"]], 2)
@example([[], ["good"]], 4)
def test_features_stay_with_their_photo(
    broadcast: Broadcast[Network], expected: NDArray[np.float32], folder: Path, kinds: list[list[str]], batch_size: int
) -> None:
    names = [[str(row) if kind == "good" else kind for row, kind in enumerate(batch)] for batch in kinds]
    batches = [record_batch(folder, batch) for batch in names]
    results = list(featurizer(broadcast, batch_size)(iter(batches)))
    assert len(results) == len(batches)
    for batch, result, batch_names in zip(batches, results, names, strict=True):
        read = [row for row, name in enumerate(batch_names) if name != "gone"]
        for column in ("path", "length", "modificationTime"):
            assert result.column(column).equals(batch.column(column).take(pa.array(read, pa.int64())))
        for photo, row in zip(result.to_pylist(), read, strict=True):
            if batch_names[row] == "broken":
                assert photo["error"] == "not an image that Pillow can identify"
                assert photo["features"] is None
            else:
                assert photo["error"] is None
                np.testing.assert_allclose(photo["features"], expected[row], atol=1e-4)


def test_the_columns_are_those_of_the_store(broadcast: Broadcast[Network], folder: Path) -> None:
    (result,) = featurizer(broadcast, 2)([record_batch(folder, ["0"])])
    of_photo, of_content = ["path", "length", "modificationTime", "is_indexed"], ["digest", "is_new", "error", *FACTS]
    assert result.schema.names == [*of_photo, *of_content, "features"]
    assert result.schema.field("features").type == pa.list_(pa.float32())
    assert result.schema.field("error").type == pa.string()


def test_every_fact_about_a_photo_has_a_column() -> None:
    assert list(FACTS) == [field.name for field in fields(PhotoFacts)]


def test_known_contents_are_read_and_not_decoded(
    broadcast: Broadcast[Network], expected: NDArray[np.float32], folder: Path
) -> None:
    names = ["0", "1", "broken", "2", "3"]
    known = featurizer(broadcast, 2, PHOTOS[1], PHOTOS[3], BROKEN, PHOTOS[11])
    rows = known([record_batch(folder, names)]).__next__().to_pylist()
    assert [row["digest"] for row in rows] == [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    assert [row["is_new"] for row in rows] == [True, False, False, True, False]
    assert [row["width"] is None for row in rows] == [not row["is_new"] for row in rows]
    for row, name in zip(rows, names, strict=True):
        if row["is_new"]:
            np.testing.assert_allclose(row["features"], expected[int(name)], atol=1e-4)
        else:
            assert (row["features"], row["error"]) == (None, None)


def test_a_known_content_whose_facts_were_lost_is_decoded_and_not_inferred(
    broadcast: Broadcast[Network], folder: Path
) -> None:
    known = featurizer(broadcast, 2, PHOTOS[0], PHOTOS[1], BROKEN, without_facts=[PHOTOS[1], BROKEN])
    ((result,), inferred) = counted(known, record_batch(folder, ["0", "1", "broken", "2"]))
    rows = result.to_pylist()
    assert [row["is_new"] for row in rows] == [False, False, False, True]
    assert [row["width"] is not None for row in rows] == [False, True, False, True]
    assert [row["features"] is not None for row in rows] == [False, False, False, True]
    assert [row["error"] for row in rows] == [None] * 4
    assert inferred == 1, "calls of the network"


def counted(featurizer: PhotoFeaturizer, batch: pa.RecordBatch) -> tuple[list[pa.RecordBatch], int]:
    """The batches that it yields, and how often it called the network meanwhile."""
    predict, *sizes = featurizer._compiled()
    calls = []

    def predict_and_count(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
        calls.append(len(photos))
        return predict(photos)

    featurizer._compiled = lambda: (predict_and_count, *sizes)  # type: ignore[method-assign, assignment]
    return list(featurizer([batch])), len(calls)


def test_a_known_content_is_featurized_if_the_index_gave_its_digest(broadcast: Broadcast[Network], folder: Path) -> None:
    batch = record_batch(folder, ["1"])
    digest = hashlib.sha256(PHOTOS[1]).hexdigest()
    given = batch.set_column(3, "digest", pa.array([digest]))
    (result,) = featurizer(broadcast, 2, PHOTOS[1])([given])
    (row,) = result.to_pylist()
    assert (row["is_indexed"], row["is_new"], len(row["features"])) == (True, True, 5)


def test_a_network_is_compiled_once_per_process(broadcast: Broadcast[Network]) -> None:
    first, second = (featurizer(broadcast, 5)._compiled()[0] for _ in range(2))
    assert first is second
    assert featurizer(broadcast, 6)._compiled()[0] is not first
