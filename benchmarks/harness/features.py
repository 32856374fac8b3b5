"""What contestants computed, in one form: features and exported tables by photo, and how far apart two of them are."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Features:
    """Features by photo.

    Attributes:
        photos: Paths below the folder of photos, sorted.
        values: float32 (n_photos, n_features), in the same order.

    """

    photos: list[str]
    values: NDArray[np.float32]

    def difference(self, other: Features) -> float:
        """Largest absolute difference of any feature of any photo."""
        return float(np.abs(self.values - other.values).max())

    def cosines(self, other: Features) -> NDArray[np.float64]:
        """Cosine between the two feature vectors of every photo, float64 (n_photos,)."""
        ours, theirs = self.values.astype(np.float64), other.values.astype(np.float64)
        products = np.einsum("ij,ij->i", ours, theirs)
        cosines: NDArray[np.float64] = products / (np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1))
        return cosines


def read_features(folder: Path, images: Path) -> Features:
    """Read Parquet files with path and features, as every contestant writes them.

    Args:
        folder: Folder of the files.
        images: Folder of the photos, which the paths are taken relative to.

    """
    table = pq.read_table(folder, columns=["path", "features"]).drop_null()
    photos = [_below(path, images) for path in table.column("path").to_pylist()]
    values = _as_matrix(table.column("features"))
    order = sorted(range(len(photos)), key=photos.__getitem__)
    return Features([photos[row] for row in order], values[order])


def read_export(folder: Path, images: Path) -> pd.DataFrame:
    """Read the one CSV file in a folder: a row per photo, which is the index; label, pca_1 .. pca_k."""
    table = pd.read_csv(_csv_file(folder))
    return table.set_index(table.pop("path").map(lambda path: _below(path, images))).sort_index()


def digest_export(folder: Path) -> str:
    """SHA-256 of the one CSV file in a folder."""
    return hashlib.sha256(_csv_file(folder).read_bytes()).hexdigest()


def _csv_file(folder: Path) -> Path:
    (file,) = folder.glob("*.csv")
    return file


def _below(path: str, images: Path) -> str:
    """Path of a photo below `images`, from a path or from a URI as Spark (`file:/`) or Daft (`file:///`) writes it."""
    return re.sub("^file:(//)?", "", path).removeprefix(f"{images}/")


def _as_matrix(lists: pa.ChunkedArray) -> NDArray[np.float32]:
    """Lists of one length, of whatever list type, to float32 (n_rows, length)."""
    blocks = [chunk.flatten().to_numpy().reshape(len(chunk), -1) for chunk in lists.chunks if len(chunk)]
    return np.concatenate(blocks).astype(np.float32, copy=False)
