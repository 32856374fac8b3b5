"""One run at a time writes to an output folder, and to a folder of models."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kedro.framework.hooks import hook_impl

from fruit_features.hooks.places import places
from fruit_features.spark.session import cancel_jobs
from fruit_features.storage import object_store
from fruit_features.storage.file_lock import LOCK, FileLock
from fruit_features.storage.lease import Lease, LeaseHeldError, NoConditionalWritesError

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)


class _Lock(Protocol):
    def acquire(self) -> None:
        """Take the lock."""

    def check(self, *, waits: bool = True) -> None:
        """Raise an error if the lock is another run's by now."""

    def release(self) -> None:
        """Let other runs take the lock."""


class OutputLockHooks:
    """Lets one run at a time write to `output_root`, and, if it fits a PCA, to `models_root`.

    Without the second lock, two runs that share `models_root` could export with each other's PCA model. Runs that only read
    the model load it once, and take no lock for that.

    On a local disk, the system drops the lock of a dead run. On S3 the lock ends by itself, and whether it is still this run's
    is checked before and after each dataset is saved.
    """

    def __init__(self) -> None:
        self._output_root = ""
        self._folders: dict[str, str] = {}
        self._lease_seconds = 0.0
        self._locks: list[_Lock] = []
        self._releases_at_exit = False

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Read where results and models go, and how long a lock on S3 lasts."""
        where = places(context)
        self._folders = {
            parameter: where[dataset].rsplit("/", 1)[0]
            for parameter, dataset in (("output_root", "feature_store"), ("models_root", "pca_model"))
        }
        self._lease_seconds = float(context.config_loader["locks"]["lease_seconds"])

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Take the locks.

        Raises:
            OSError: A folder cannot be made, or may not be written to.
            ObjectStoreError: The same, on S3.
            RuntimeError: Another run has a lock.

        """
        self._release()  # the lock of a run in this process that Ctrl-C ended, of which Kedro tells no hook
        fits_pca = "pca_model" in pipeline.all_outputs()
        wanted = {"output_root": self._folders["output_root"]}
        if fits_pca and self._folders["models_root"] != self._folders["output_root"]:
            wanted["models_root"] = self._folders["models_root"]
        try:
            unlocked = [folder for parameter, folder in wanted.items() if not self._acquire(parameter, folder)]
        except BaseException:
            self._release()
            raise
        if unlocked:
            logger.warning(
                "No lock is kept for %s, as this store ignores If-None-Match or If-Match: see to it that no other run writes "
                "there at the same time",
                " and ".join(unlocked),
            )

    @hook_impl
    def before_dataset_saved(self) -> None:
        """Make sure that nothing is written into a folder that another run has taken over."""
        self._check()

    @hook_impl
    def after_dataset_saved(self) -> None:
        """Stop a run that was paused while it saved."""
        self._check()

    @hook_impl(specname="after_pipeline_run")
    def before_reports_are_written(self) -> None:
        """Make sure of the same before the other hooks write their reports."""
        self._check()

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Release the locks, when the other hooks have written their reports."""
        self._release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Release the locks.

        Raises:
            LeaseLostError: One was lost: that is why Spark's jobs were cancelled, and what the user has to know.

        """
        try:
            self._check(waits=False)
        finally:
            self._release()

    def _acquire(self, parameter: str, folder: str) -> bool:
        """Take the lock of a folder.

        Returns:
            Whether there is one: that takes a local disk, or a store that compares ETags before it writes.

        """
        if "://" not in folder:
            self._take(FileLock(parameter, Path(folder)))
            return True
        if not folder.startswith(object_store.PROTOCOLS):
            return False
        root = folder.rsplit("/", 1)[0] if parameter == "output_root" else folder
        lease = Lease(f"{folder}/{LOCK}", self._lease_seconds, root, cancel_jobs)
        rights = "s3:GetObject, s3:PutObject and s3:DeleteObject"
        self._release_at_exit()
        try:
            object_store.explain(f"{parameter}={root}", "write", rights, lambda: self._take(lease))
        except LeaseHeldError as error:
            raise RuntimeError(
                f"another run ({error.holder}) is writing to {folder}: wait for it to end, or choose another folder: kedro "
                f"run --params {parameter}=FOLDER. If it is dead, its lock ends by itself in {error.seconds_left:.0f} seconds"
            ) from None
        except NoConditionalWritesError:
            return False
        return True

    def _take(self, lock: _Lock) -> None:
        lock.acquire()
        self._locks.append(lock)

    def _release_at_exit(self) -> None:
        """Release the locks when this process ends after Ctrl-C, of which Kedro tells no hook.

        Functions of `atexit` would come too late: no thread can be started by then, and the client of S3 starts some to look
        up the server's address.
        """
        if not self._releases_at_exit:
            threading._register_atexit(self._release)  # type: ignore[attr-defined]  # noqa: SLF001
            self._releases_at_exit = True

    def _check(self, *, waits: bool = True) -> None:
        for lock in self._locks:
            lock.check(waits=waits)

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()
