"""What a worker makes of the photos that a report shows."""

from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
from PIL import Image

from fruit_features.pipelines.reporting.thumbnails import shrink_photos
from tests.photos import encoded, fruit


def test_photos_become_small_jpegs_and_others_nothing() -> None:
    contents = [encoded(fruit("Pear", 0, (400, 300)), "PNG"), b"no photo", b""]
    batch = pa.RecordBatch.from_pydict({"file_path": ["a", "b", "c"], "content": pa.array(contents, pa.binary())})
    (shrunk,) = shrink_photos([batch])
    assert shrunk.schema == pa.schema([("file_path", pa.string()), ("thumbnail", pa.binary())])
    assert shrunk.column("file_path").to_pylist() == ["a", "b", "c"]
    picture, *others = shrunk.column("thumbnail").to_pylist()
    assert Image.open(io.BytesIO(picture)).size == (96, 72)
    assert others == [None, None]


def test_no_batches_give_none() -> None:
    assert list(shrink_photos([])) == []


def test_a_worker_imports_little() -> None:
    program = """
import sys
import fruit_features.pipelines.reporting.thumbnails
heavy = {"plotly", "pandas", "pyspark", "kedro", "sklearn", "tensorflow", "openvino"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
