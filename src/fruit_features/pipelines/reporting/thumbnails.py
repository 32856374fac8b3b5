"""What a Python worker does with the few photos that a report shows. Imports little: workers start for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from fruit_features.imaging import ImageError, thumbnail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

THUMBNAIL_SIZE = 96
"""Pixels of a thumbnail's longer side."""

THUMBNAIL_SCHEMA = "file_path string, thumbnail binary"


def shrink_photos(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Shrink photos, for `DataFrame.mapInArrow`.

    Args:
        batches: file_path, content.

    Yields:
        file_path, and thumbnail: a JPEG, or null for what is no photo any more.

    """
    for batch in batches:
        thumbnails = pa.array([_shrink(content.as_buffer()) for content in batch.column("content")], pa.binary())
        yield pa.RecordBatch.from_arrays([batch.column("file_path"), thumbnails], ["file_path", "thumbnail"])


def _shrink(content: pa.Buffer) -> bytes | None:
    try:
        return thumbnail(content, THUMBNAIL_SIZE)
    except ImageError:
        return None
