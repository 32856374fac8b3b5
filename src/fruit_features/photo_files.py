"""Photos by their paths, from any file system that Arrow knows: the next ones are fetched while one is decoded."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

S3_SCHEMES = frozenset({"s3", "s3a", "s3n"})

MAX_BYTES_AHEAD = 2**26
"""Bytes of photos that are fetched ahead, 64 MiB: with large photos, fewer than `n_ahead` of them."""

_file_systems: dict[str, fs.FileSystem] = {}
"""By scheme and authority: a process connects once."""


@dataclass(frozen=True)
class PhotoReader:
    """Reads photos in order, several at a time. It holds settings alone, so that workers can have it, too.

    Attributes:
        n_ahead: Photos that are fetched at once.
        s3: Keyword arguments of `pyarrow.fs.S3FileSystem`. Without any, Arrow does as the AWS tools do.

    """

    n_ahead: int
    s3: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def read(self, files: Iterable[tuple[str, int]]) -> Iterator[bytes | None]:
        """Read photos.

        Args:
            files: Paths as Spark spells them (`file:/folder/a b.jpg`, `s3a://bucket/a b.jpg`), and lengths in bytes.

        Yields:
            The content of each; None if it is gone, may not be read, or has another length by now.

        Raises:
            OSError: The file system fails, rather than one file.

        """
        waiting: deque[tuple[Future[bytes | None], int]] = deque()
        n_bytes = 0
        pool = ThreadPoolExecutor(self.n_ahead, "read photos")
        try:
            for path, length in files:
                while waiting and (len(waiting) == self.n_ahead or n_bytes + length > MAX_BYTES_AHEAD):
                    content, its_length = waiting.popleft()
                    n_bytes -= its_length
                    yield content.result()
                waiting.append((pool.submit(self._read, path, length), length))
                n_bytes += length
            for content, _ in waiting:
                yield content.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, path: str, length: int) -> bytes | None:
        scheme, _, place = path.partition(":")
        try:
            if scheme == "file":
                file_system, name = _local(), f"/{place.lstrip('/')}"
            else:
                authority, _, key = place.removeprefix("//").partition("/")
                file_system = self._connect(scheme, authority)
                name = f"{authority}/{key}" if scheme in S3_SCHEMES else f"/{key}"
            with file_system.open_input_file(name) as file:
                content: bytes = file.read()
        except (FileNotFoundError, PermissionError):
            return None
        except OSError as error:
            if scheme == "file" or "ACCESS_DENIED" in str(error):  # one file's fault
                return None
            raise
        return content if len(content) == length else None

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


def files_of(batch: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """What `PhotoReader.read` takes, from a batch of a listing: path, length."""
    return zip(batch.column("path").to_pylist(), batch.column("length").to_pylist(), strict=True)


def _local() -> fs.FileSystem:
    return _file_systems.setdefault("file", fs.LocalFileSystem())
