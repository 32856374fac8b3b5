"""Reads photos by their paths, from any file system that Arrow knows, and fetches the next ones while one is decoded."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from fruit_features.photos.tree import modified_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

S3_SCHEMES = frozenset({"s3", "s3a", "s3n"})

MAX_BYTES_AHEAD = 2**26
"""Bytes of photos that are fetched ahead, 64 MiB: with large photos, fewer than `n_ahead` of them."""

_file_systems: dict[str, fs.FileSystem] = {}
"""File systems that this process has connected to, by scheme and authority."""


class ListedPhoto(NamedTuple):
    """A photo as the listing knows it.

    Attributes:
        path: As Spark spells it: `file:/folder/a b.jpg`, `s3a://bucket/a b.jpg`.
        length: Bytes.
        modified: When it was modified, in milliseconds since the epoch as Spark lists it; None if that is not compared.

    """

    path: str
    length: int
    modified: int | None = None


@dataclass(frozen=True)
class PhotoReader:
    """Reads photos in order, several at a time. It holds settings alone, so that workers can have it, too.

    Attributes:
        n_ahead: Photos that are fetched at once.
        s3: Keyword arguments of `pyarrow.fs.S3FileSystem`. Without any, Arrow does as the AWS tools do.

    """

    n_ahead: int
    s3: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def read(self, photos: Iterable[ListedPhoto]) -> Iterator[bytes | None]:
        """Read photos.

        Args:
            photos: In the order in which their contents are wanted.

        Yields:
            The content of each; None if it is gone, may not be read, or has changed since the listing: it has another length,
            or, on a local disk, another time of modification.

        Raises:
            OSError: The file system fails, rather than one file.

        """
        waiting: deque[tuple[Future[bytes | None], int]] = deque()
        n_bytes = 0
        pool = ThreadPoolExecutor(self.n_ahead, "read photos")
        try:
            for photo in photos:
                while waiting and (len(waiting) == self.n_ahead or n_bytes + photo.length > MAX_BYTES_AHEAD):
                    content, its_length = waiting.popleft()
                    n_bytes -= its_length
                    yield content.result()
                waiting.append((pool.submit(self._read, photo), photo.length))
                n_bytes += photo.length
            for content, _ in waiting:
                yield content.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, photo: ListedPhoto) -> bytes | None:
        scheme, _, place = photo.path.partition(":")
        try:
            if scheme == "file":
                file_system, name = _local(), f"/{place.lstrip('/')}"
            else:
                authority, _, key = place.removeprefix("//").partition("/")
                file_system = self._connect(scheme, authority)
                name = f"{authority}/{key}" if scheme in S3_SCHEMES else f"/{key}"
            with file_system.open_input_file(name) as file:
                content: bytes = file.read()
            if scheme == "file" and photo.modified not in {None, _modified(name)}:
                return None
        except (FileNotFoundError, PermissionError):
            return None
        except OSError as error:
            if scheme == "file" or "ACCESS_DENIED" in str(error):  # one file's fault
                return None
            raise
        return content if len(content) == photo.length else None

    def _connect(self, scheme: str, authority: str) -> fs.FileSystem:
        key = f"{scheme}://{authority}"
        if key not in _file_systems:
            if scheme not in S3_SCHEMES:
                _file_systems[key], _ = fs.FileSystem.from_uri(key)
            elif self.s3.get("endpoint_override") or self.s3.get("region"):
                _file_systems[key] = fs.S3FileSystem(**self.s3)
            else:
                _file_systems[key] = fs.S3FileSystem(**self.s3, region=fs.resolve_s3_region(authority))
        return _file_systems[key]


def listed_photos(batch: pa.RecordBatch) -> Iterator[ListedPhoto]:
    """What `PhotoReader.read` takes, from a batch of a listing: path, length, and modificationTime if it is there."""
    paths, lengths = batch.column("path").to_pylist(), batch.column("length").to_pylist()
    if "modificationTime" not in batch.schema.names:
        return map(ListedPhoto, paths, lengths)
    microseconds = batch.column("modificationTime").cast(pa.int64()).to_pylist()
    return map(ListedPhoto, paths, lengths, (None if number is None else number // 1000 for number in microseconds))


def _modified(path: str) -> int:
    return modified_at(os.stat(path))  # noqa: PTH116 - a Path for every photo takes longer than this


def _local() -> fs.FileSystem:
    return _file_systems.setdefault("file", fs.LocalFileSystem())
