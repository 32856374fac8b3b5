"""What a worker makes of the photos that a report shows."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
from PIL import Image

from fruit_features.photos.reading import PhotoReader
from fruit_features.spark.thumbnails import PhotoShrinker
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from pathlib import Path


def test_photos_become_small_jpegs_and_others_nothing(tmp_path: Path) -> None:
    contents = {"photo": encoded(fruit("Pear", 0, (400, 300)), "PNG"), "text": b"no photo", "empty": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [f"file:{tmp_path / name}" for name in (*contents, "gone")]
    lengths = [*map(len, contents.values()), 10]
    batch = pa.RecordBatch.from_pydict({"path": paths, "length": pa.array(lengths, pa.int64())})
    (shrunk,) = PhotoShrinker(PhotoReader(2))([batch])
    assert shrunk.schema == pa.schema([("path", pa.string()), ("thumbnail", pa.binary())])
    assert shrunk.column("path").to_pylist() == paths
    picture, *others = shrunk.column("thumbnail").to_pylist()
    assert Image.open(io.BytesIO(picture)).size == (96, 72)
    assert others == [None, None, None]


def test_no_batches_give_none() -> None:
    assert list(PhotoShrinker(PhotoReader(2))([])) == []


def test_a_worker_imports_little() -> None:
    program = """
import sys
import fruit_features.spark.thumbnails
heavy = {"plotly", "pandas", "pyspark", "kedro", "sklearn", "tensorflow", "openvino"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True)
