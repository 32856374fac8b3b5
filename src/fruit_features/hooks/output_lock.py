"""One run at a time writes to an output folder."""

from __future__ import annotations

import fcntl
import os
from typing import IO, TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import local_path

if TYPE_CHECKING:
    from pathlib import Path

    from kedro.framework.context import KedroContext


class OutputLockHooks:
    """Lets one run at a time write to a local output folder; the lock of a dead run is void, as the system drops it."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock: IO[str] | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where results go."""
        feature_store = local_path(context, "feature_store")
        self._folder = feature_store and feature_store.parent

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Take the lock.

        Raises:
            OSError: The folder cannot be made, or may not be written to.
            RuntimeError: Another run has the lock.

        """
        if self._folder is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self._folder / ".lock").open("a+")
        except OSError as error:
            raise type(error)(
                f"output_root={self._folder.parent}: this user cannot write there ({error.strerror}). Choose a folder that "
                "can be made and written to: kedro run --params output_root=FOLDER"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            raise RuntimeError(
                f"another run (process {holder}) is writing to {self._folder}: wait for it to end, or choose another "
                "folder: kedro run --params output_root=FOLDER"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Release the lock, when the other hooks have written their reports."""
        self._release()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Release the lock."""
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
