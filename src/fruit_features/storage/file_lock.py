"""A lock on a folder of this machine, which the system drops when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"
"""Name of the file in the folder."""


class FileLock:
    """A lock on a folder of this machine, which the system drops when the process ends.

    Args:
        parameter: What the folder is called on the command line.
        folder: The folder that the lock lies in.

    """

    def __init__(self, parameter: str, folder: Path) -> None:
        self._parameter = parameter
        self._folder = folder
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            OSError: The folder cannot be made, or may not be written to.
            RuntimeError: Another run has the lock.

        """
        with self._explained():
            self._folder.mkdir(parents=True, exist_ok=True)
            file = (self._folder / LOCK).open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            file.close()
            raise RuntimeError(
                f"another run (process {holder}) is writing to {self._folder}: wait for it to end, or choose another "
                f"folder: kedro run --params {self._parameter}=FOLDER"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def check(self, *, waits: bool = True) -> None:
        """Do nothing: the lock lasts as long as this process."""

    def release(self) -> None:
        """Let other runs take the lock."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        root = self._folder.parent if self._parameter == "output_root" else self._folder
        try:
            yield
        except OSError as error:
            raise type(error)(
                f"{self._parameter}={root}: this user cannot write there ({error.strerror}). Choose a folder that "
                f"can be made and written to: kedro run --params {self._parameter}=FOLDER"
            ) from error
