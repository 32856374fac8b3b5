"""Decoding in a child process: the same tensors and reasons, and a crash is one more reason."""

from __future__ import annotations

import faulthandler
import os
import signal
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from fruit_features.photos import isolation
from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import decode_with_facts
from fruit_features.photos.isolation import decode_with_facts_in_child
from fruit_features.photos.reading import PhotoReader
from fruit_features.spark.featurizer import PhotoFeaturizer
from fruit_features.spark.featurizing import outcome_schema
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from fruit_features.networks.network import Network

PHOTO = encoded(fruit("Pear", 0), "JPEG")


def n_open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_a_child_decodes_the_same_tensor() -> None:
    for size in (32, 224):
        (pixels, facts), (expected, expected_facts) = (
            function(PHOTO, size) for function in (decode_with_facts_in_child, decode_with_facts)
        )
        np.testing.assert_array_equal(pixels, expected)
        assert facts == expected_facts


@pytest.mark.parametrize("content", [b"", b"no photo", PHOTO[: len(PHOTO) // 2]])
def test_a_child_gives_the_same_reason(content: bytes) -> None:
    with pytest.raises(ImageError) as expected:
        decode_with_facts(content, 32)
    with pytest.raises(ImageError) as caught:
        decode_with_facts_in_child(content, 32)
    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_of_the_decoder_is_a_reason(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> NoReturn:
        faulthandler.disable()  # pytest's: it would print a stack for every crash
        os.kill(os.getpid(), number)
        raise AssertionError

    before = n_open_files()
    with monkeypatch.context() as patch:
        patch.setattr(isolation, "decode_with_facts", crash)
        with pytest.raises(ImageError, match=f"^crashed the decoder \\({number.name}\\)$"):
            decode_with_facts_in_child(PHOTO, 32)
    np.testing.assert_array_equal(decode_with_facts_in_child(PHOTO, 32)[0], decode_with_facts(PHOTO, 32)[0])
    assert n_open_files() == before


def test_a_second_try_of_a_task_gives_the_same_features(spark: SparkSession, tiny_network: Network, tmp_path: Path) -> None:
    featurizer = PhotoFeaturizer(
        PhotoReader(4),
        spark.sparkContext.broadcast(tiny_network),
        fingerprint=tiny_network.fingerprint,
        batch_size=2,
        decoding={},
        done=spark.sparkContext.accumulator(0),
        rejected=spark.sparkContext.accumulator(0),
    )
    listed = "path string, length bigint, modificationTime timestamp, digest string"
    schema = outcome_schema()
    contents = [PHOTO, b"no photo", encoded(fruit("Pear", 1), "JPEG"), PHOTO]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    rows = [(f"file:{tmp_path / str(number)}", len(content), None, None) for number, content in enumerate(contents)]
    photos = spark.createDataFrame(rows, listed).coalesce(1)

    def kill_the_worker_once(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import os
        import signal

        from pyspark import TaskContext

        if TaskContext.get().attemptNumber() == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        return featurizer(batches)

    expected = photos.mapInArrow(featurizer, schema).orderBy("path").collect()
    assert [row["error"] is None for row in expected] == [True, False, True, True]
    assert photos.mapInArrow(kill_the_worker_once, schema).orderBy("path").collect() == expected
