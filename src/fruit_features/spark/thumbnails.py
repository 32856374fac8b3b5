"""The function that Python workers run on the few photos that a report shows. It imports little, as workers start for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import thumbnail
from fruit_features.photos.reading import listed_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fruit_features.photos.reading import PhotoReader

THUMBNAIL_SIZE = 96
"""Pixels of a thumbnail's longer side."""

THUMBNAIL_SCHEMA = "path string, thumbnail binary"


class PhotoShrinker:
    """Function for `DataFrame.mapInArrow`: batches of photos' paths to batches of thumbnails.

    Args:
        reader: Reads the photos.

    """

    def __init__(self, reader: PhotoReader) -> None:
        self._reader = reader

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Shrink photos.

        Args:
            batches: path, length (bytes).

        Yields:
            path, and thumbnail: a JPEG, or null for what is gone or no photo any more.

        """
        for batch in batches:
            contents = self._reader.read(listed_photos(batch))
            thumbnails = pa.array([None if content is None else _shrink(content) for content in contents], pa.binary())
            yield pa.RecordBatch.from_arrays([batch.column("path"), thumbnails], ["path", "thumbnail"])


def _shrink(content: bytes) -> bytes | None:
    try:
        return thumbnail(content, THUMBNAIL_SIZE)
    except ImageError:
        return None
