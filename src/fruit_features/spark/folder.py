"""A folder that Spark writes: unfinished files in it are deleted, and a new table replaces an old one in one step."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from typing import Any

from pyspark.sql import SparkSession

UNCOMMITTED = ("_temporary", "__magic*")
"""Where Hadoop's committers gather what tasks have written: the one for disks takes *all* of it when a job commits; that of
S3A, its notes of uploads that wait for the job, takes its own."""

_COMPLETE = "_SUCCESS"
"""What Hadoop's committer writes last."""

_RENAMING_SCHEMES = frozenset({"file", "hdfs"})
"""File systems that rename a folder in one step. Object stores copy it file by file instead."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Constants of Linux's `renameat2`, from linux/fs.h and fcntl.h."""


class SparkFolder:
    """A folder of a dataset, by Hadoop's own file systems: wherever Spark can write, they can rename and delete.

    Attributes:
        path: The folder, as Spark spells it.
        successor: Where the table that is to take this folder's place is written.
        is_replaced_at_once: Whether the file system renames folders, so that a successor can take this folder's place.

    """

    def __init__(self, path: str) -> None:
        context = SparkSession.builder.getOrCreate().sparkContext
        self._make_path: Any = context._jvm.org.apache.hadoop.fs.Path  # type: ignore[union-attr]  # noqa: SLF001
        self.path = path
        self._fs = self._make_path(path).getFileSystem(context._jsc.hadoopConfiguration())  # noqa: SLF001
        self.successor = f"{path}.new"
        self._scheme = str(self._fs.getUri().getScheme())
        self.is_replaced_at_once = self._scheme in _RENAMING_SCHEMES

    def completed_at(self) -> int | None:
        """When the table in the folder was marked as complete, in milliseconds; None if it is not."""
        found = self._fs.globStatus(self._make_path(self._literally(), _COMPLETE)) or ()
        return next((int(status.getModificationTime()) for status in found), None)

    def delete(self, names: str) -> None:
        """Delete what lies in the folder by names like this (a glob), if anything does."""
        for status in self._fs.globStatus(self._make_path(self._literally(), names)) or ():
            self._fs.delete(status.getPath(), True)

    def finish_replacement(self) -> None:
        """Put a complete successor, if there is one, in the folder's place; called again after a crash, it goes on.

        On Linux the two change places in one step, so that at no moment neither is there. Elsewhere the old one is renamed
        first, or deleted on an object store, and a crash right then leaves the new one beside an empty place until this is
        called again.
        """
        places = (self.path, self.successor, f"{self.path}.old")
        folder, successor, predecessor = map(self._make_path, places)
        if not self._fs.exists(self._make_path(self.successor, _COMPLETE)):
            return
        if self._fs.exists(folder):
            # From here on the old table does not count as a complete successor, wherever it lies.
            self._fs.delete(self._make_path(self.path, _COMPLETE), False)
            if self._exchange():
                self._fs.delete(successor, True)
                return
            if self.is_replaced_at_once:
                self._fs.delete(predecessor, True)
                self._fs.rename(folder, predecessor)
            else:  # an object store would copy the old table aside, file by file
                self._fs.delete(folder, True)
        self._fs.rename(successor, folder)
        self._fs.delete(predecessor, True)

    def _literally(self) -> str:
        """The path as a glob that nothing else matches."""
        return re.sub(r"([\\*?\[\]{}])", r"\\\1", self.path)

    def _exchange(self) -> bool:
        """Let folder and successor change places in one step, where they lie on a local disk and the system can do that."""
        if self._scheme != "file" or not sys.platform.startswith("linux"):
            return False
        renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # glibc has it since 2.28
        if renameat2 is None:
            return False
        successor, folder = (os.fsencode(_local_path(path)) for path in (self.successor, self.path))
        return bool(renameat2(_AT_FDCWD, successor, _AT_FDCWD, folder, ctypes.c_uint(_RENAME_EXCHANGE)) == 0)


def _local_path(path: str) -> str:
    """Path of a local file as Spark spells it (`file:///folder`, `file:/folder` or `/folder`), which quotes nothing."""
    return re.sub(r"^file:/*", "/", path)
