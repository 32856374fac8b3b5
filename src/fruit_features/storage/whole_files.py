"""Local files that are replaced in one step: a reader, or a run after a crash, finds the old content or the new one."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


class WholeFileSystem(LocalFileSystem):  # type: ignore[misc]
    """fsspec's local file system, but for files that are opened to be written: they take the place of the old ones at the end.

    Kedro's datasets for plots, pages, JSON and small tables write through fsspec, so that this serves all of them.
    """

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        """Open a file; see fsspec."""
        if mode != "wb":
            return super()._open(path, mode, block_size, **kwargs)
        target = Path(self._strip_protocol(path))
        if self.auto_mkdir:
            target.parent.mkdir(parents=True, exist_ok=True)
        return _WholeFile(target)


class _WholeFile(io.FileIO):
    """A temporary file beside its target, which it replaces when it is closed; after an error it is deleted instead."""

    def __init__(self, target: Path) -> None:
        descriptor, self._temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        self._target = target
        # The error that is being handled now, if any, is not one of writing this file.
        self._error_before = sys.exc_info()[1]
        super().__init__(descriptor, "wb")

    def close(self) -> None:
        """Put the file in its place, unless a `with` block closes it because of an error."""
        if self.closed:
            return
        has_failed = sys.exc_info()[1] is not self._error_before
        if not has_failed:
            os.fsync(self.fileno())  # else a power cut may leave the new name with nothing in it
            os.fchmod(self.fileno(), _mode_of_new_files())
        super().close()
        if has_failed:
            with contextlib.suppress(FileNotFoundError):
                Path(self._temporary).unlink()
        else:
            Path(self._temporary).replace(self._target)


def _mode_of_new_files() -> int:
    """Permissions of a file that `open` would make; `mkstemp` makes files that nobody else may read."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def write_whole_files() -> None:
    """Let everything in this process that writes local files through fsspec write them whole."""
    fsspec.register_implementation("file", WholeFileSystem, clobber=True)
    fsspec.register_implementation("local", WholeFileSystem, clobber=True)
