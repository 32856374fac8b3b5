"""A lock on S3 that ends by itself when its holder dies: an object that its holder keeps renewing.

The object is created only where there is none (`If-None-Match: *`), and it is renewed, taken over and deleted only while it is
still the one that was seen last (`If-Match` with its ETag). S3 decides which of two writers was first.

Clocks of different machines are not compared. The holder measures by a clock of its own machine how long ago it sent its last
renewal. Another run measures the age of the object by S3's clock: it writes an empty object and compares the two times of
modification, both of which S3 has set.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fruit_features.storage import object_store

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

_RENEWALS_PER_LEASE: Final = 3
"""With three, two renewals in a row may fail before the lease ends."""

_CLOCK_MARGIN: Final = timedelta(seconds=2)
"""S3 tells times of modification in whole seconds: the difference of two may be a second too large."""

_RETRY_SECONDS: Final = 0.2
_WAITING_SECONDS: Final = 1.0

_REFUSED: Final = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey", "404"}
"""What S3 answers when the condition does not hold, when another write of the same object is under way, or when the object of
`If-Match` is gone."""

_NOT_IMPLEMENTED: Final = {"NotImplemented", "501"}

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that cannot be set, and that also counts while the machine sleeps. Linux's monotonic clock stops then, macOS's does
not."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, as the object says it in JSON.

    Attributes:
        token: Identifies the run.
        host: Name of its machine.
        process: Number of its process there.
        since: When it took the lease, by its own clock; shown to users and compared with nothing.
        until: When the lease ends unless it is renewed, by the same clock.
        lease_seconds: How long the lease lasts after a renewal.
        application: The YARN application that the run belongs to, or None.

    """

    token: str
    host: str
    process: int
    since: str
    until: str
    lease_seconds: float
    application: str | None = None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


class LeaseHeldError(RuntimeError):
    """Another run holds the lease.

    Attributes:
        holder: That run, or None if the object is not one that a run wrote.
        seconds_left: When the lease ends if that run is dead.

    """

    def __init__(self, holder: Holder | None, seconds_left: float) -> None:
        super().__init__(f"held by {holder}")
        self.holder, self.seconds_left = holder, seconds_left


class LeaseLostError(RuntimeError):
    """The lease is another run's by now, or it is not known whose; the message says what is known."""


class NoConditionalWritesError(RuntimeError):
    """The store does not compare ETags before it writes, so no object in it can be a lock."""


@dataclass(frozen=True)
class _Found:
    """The object as it was read.

    Attributes:
        etag: Names this very content.
        modified: When it was written, by S3's clock.
        holder: What it says, or None if that cannot be understood.

    """

    etag: str
    modified: datetime
    holder: Holder | None


class Lease:
    """A lease on a folder in S3.

    Args:
        uri: The object, `s3a://bucket/prefix/.lock`.
        seconds: How long the lease lasts after a renewal.
        root: The folder that is written to under this lease, `s3a://bucket/prefix`.
        on_loss: Called from another thread when the lease turns out to be lost, to stop what is being written.

    """

    def __init__(self, uri: str, seconds: float, root: str, on_loss: Callable[[], None]) -> None:
        self._uri = uri
        self._bucket, self._key = object_store.split_object(uri)
        self._seconds = seconds
        self._root = root
        self._on_loss = on_loss
        self._process = os.getpid()
        self._token = uuid.uuid4().hex
        self._application = _yarn_application()
        self._since = _timestamp()
        self._mutex = threading.Lock()
        self._released = threading.Event()
        self._etag: str | None = None
        self._renewed_at = 0.0
        self._lost: str | None = None

    def acquire(self) -> None:
        """Take the lease and keep renewing it.

        A driver that YARN has restarted waits for the lease of the driver before it to end.

        Raises:
            LeaseHeldError: Another run has renewed it recently enough.
            NoConditionalWritesError: The store cannot tell two writers apart.
            OSError: The object cannot be read or written.

        """
        if not _has_conditional_writes(self._bucket, self._probe_key()):
            raise NoConditionalWritesError(self._uri)
        says_that_it_waits = True
        while not self._try_to_acquire():
            if says_that_it_waits:
                logger.info("Waiting until the lock of the driver before this one has ended: %s", self._uri)
                says_that_it_waits = False
            time.sleep(_WAITING_SECONDS)
        threading.Thread(target=self._keep_renewing, name=f"renew {self._uri}", daemon=True).start()

    def check(self, *, waits: bool = True) -> None:
        """Make sure that the lease is still this run's, before something is written.

        In its first half it is, by the clock. After that, S3 is asked, by renewing it. If S3 does not answer, it still is
        until it ends, and then this waits for an answer.

        Args:
            waits: False for a run that writes nothing more: then a loss is told only if S3 answers.

        Raises:
            LeaseLostError: It is not, or S3 does not answer for as long as a lease lasts.

        """
        if self._lost is None and self._age() < self._seconds / 2:
            return
        with self._mutex:
            self._raise_if_lost()
            while self._age() >= self._seconds / 2:
                try:
                    self._renew()
                except OSError as error:
                    if not waits or self._age() < self._seconds:
                        return
                    if self._age() >= 2 * self._seconds:
                        raise LeaseLostError(
                            f"{self._uri} could not be renewed for {self._age():.0f} seconds ({error}), so another run may "
                            "have taken this folder over. This run writes nothing more: run again when S3 answers"
                        ) from error
                    time.sleep(_RETRY_SECONDS)

    def release(self) -> None:
        """Abort what is left of uploads, and delete the object, if it is this run's; if that fails, the lease ends by itself.

        Processes that were forked from the one that holds the lease leave it alone. OpenVINO forks one; when that one ends, it
        does what was registered for the end of this process.
        """
        if os.getpid() != self._process:
            return
        self._released.set()
        with self._mutex:
            if self._etag is None or self._lost is not None:
                return
            self._etag = None
            try:
                found = self._read()
                if found is not None and self._is_mine(found):
                    self._abort_uploads("this run")
                    self._delete(found.etag)
            except OSError as error:
                logger.warning(
                    "%s could not be deleted (%s): it blocks other runs for another %.0f seconds",
                    self._uri,
                    error,
                    self._seconds,
                )

    def _try_to_acquire(self) -> bool:
        """Take the lease if it is free or has ended.

        Returns:
            Whether it was taken; if not, it was held by another attempt of this application.

        Raises:
            LeaseHeldError: It is held by another run.

        """
        while not self._write(IfNoneMatch="*"):
            found = self._read()
            if found is None:  # its holder has deleted it meanwhile
                continue
            if self._is_mine(found):  # it was written, and the answer was lost
                self._etag = found.etag
                self._renew()
                return True
            lasts = timedelta(seconds=found.holder.lease_seconds if found.holder else self._seconds)
            left = found.modified + lasts + _CLOCK_MARGIN - self._time_by_s3()
            if left <= timedelta():
                if self._write(IfMatch=found.etag):
                    logger.warning("Took over %s, as its holder has not renewed it: %s", self._uri, found.holder)
                    self._abort_uploads(f"the former holder of {self._uri}")
                    return True
                continue
            if self._application is None or found.holder is None or found.holder.application != self._application:
                raise LeaseHeldError(found.holder, left.total_seconds())
            return False
        return True

    def _keep_renewing(self) -> None:
        while not self._released.wait(self._seconds / _RENEWALS_PER_LEASE):
            try:
                with self._mutex:
                    if self._released.is_set() or self._lost is not None:
                        return
                    self._renew()
            except LeaseLostError:
                self._on_loss()
                return
            except OSError as error:  # the next renewal may succeed; if none does, `check` says so before anything is written
                logger.debug("%s was not renewed: %s", self._uri, error)

    def _renew(self) -> None:
        """Renew the lease, however long ago that was done last: unless another run has taken it over, it is still this run's.

        Raises:
            LeaseLostError: Another run has taken it over.
            OSError: S3 does not answer.

        """
        while not self._write(IfMatch=self._etag):
            found = self._read()
            if found is None or not self._is_mine(found):
                self._lost = self._describe_loss(found)
                self._raise_if_lost()
            else:
                # Either another write was under way (409), or a renewal arrived whose answer was lost.
                self._etag = found.etag
                time.sleep(_RETRY_SECONDS)

    def _write(self, **condition: str | None) -> bool:
        """Write the object if the condition holds.

        Returns:
            Whether it did. The lease then lasts from the time when the request was sent.

        """
        now = datetime.now(UTC)
        holder = Holder(
            token=self._token,
            host=socket.gethostname(),
            process=self._process,
            since=self._since,
            until=_timestamp(now + timedelta(seconds=self._seconds)),
            lease_seconds=self._seconds,
            application=self._application,
        )
        # A number that is never the same twice gives every renewal an ETag of its own.
        body = json.dumps({**asdict(holder), "renewal": uuid.uuid4().hex}).encode()
        sent_at = time.clock_gettime(_CLOCK)
        try:
            answer = object_store.call("put_object", Bucket=self._bucket, Key=self._key, Body=body, **condition)
        except OSError as error:
            if object_store.error_code(error) in _REFUSED:
                return False
            raise
        self._etag, self._renewed_at = answer["ETag"], sent_at
        return True

    def _read(self) -> _Found | None:
        try:
            answer, content = object_store.read(self._bucket, self._key)
        except FileNotFoundError:
            return None
        try:
            said = json.loads(content)
            holder = Holder(**{field.name: said[field.name] for field in fields(Holder)})
        except (ValueError, KeyError, TypeError):
            holder = None
        return _Found(answer["ETag"], answer["LastModified"], holder)

    def _delete(self, etag: str) -> None:
        where = {"Bucket": self._bucket, "Key": self._key}
        try:
            object_store.call("delete_object", **where, IfMatch=etag)
        except OSError as error:
            code = object_store.error_code(error)
            if code in _NOT_IMPLEMENTED:  # such a store leaves the moment since the object was read
                object_store.call("delete_object", **where)
            elif code not in _REFUSED:
                raise

    def _time_by_s3(self) -> datetime:
        """Tell the time by the clock by which S3 dates the lease: when an object that is written now was modified."""
        where = {"Bucket": self._bucket, "Key": self._probe_key()}
        object_store.call("put_object", **where, Body=b"")
        modified: datetime = object_store.call("head_object", **where)["LastModified"]
        object_store.call("delete_object", **where)
        return modified

    def _abort_uploads(self, whose: str) -> None:
        """Abort the uploads under this folder: those of a former holder, which may be paused, cannot be completed any more.

        Spark writes tables as uploads that it completes at the very end of a job. Tasks that are killed leave some, and Hadoop
        is told to leave them alone: it could not tell them from those of another run.
        """
        bucket, prefix = object_store.split(self._root)
        where: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        try:
            while True:
                answer = object_store.call("list_multipart_uploads", **where)
                for upload in answer.get("Uploads", []):
                    what = {"Key": upload["Key"], "UploadId": upload["UploadId"]}
                    object_store.call("abort_multipart_upload", Bucket=bucket, **what)
                if not answer.get("IsTruncated"):
                    return
                where |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        except OSError as error:
            logger.warning(
                "The uploads that %s had begun could not be aborted (%s). If it is paused, and not dead, end it before it "
                "goes on",
                whose,
                error,
            )

    def _describe_loss(self, found: _Found | None) -> str:
        away = f"{self._uri} was not renewed for {self._age():.0f} seconds (this run was paused, or cut off from S3)"
        if found is None:
            return (
                f"{away}, and is gone: another run has taken this folder over and ended, or the lock was deleted. This "
                "run writes nothing more: run again with the same command"
            )
        return (
            f"{away}, and another run ({found.holder}) has taken this folder over. This run writes nothing more: wait for "
            "that one to end, and run again with the same command"
        )

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise LeaseLostError(self._lost)

    def _is_mine(self, found: _Found) -> bool:
        return found.holder is not None and found.holder.token == self._token

    def _age(self) -> float:
        return time.clock_gettime(_CLOCK) - self._renewed_at

    def _probe_key(self) -> str:
        """Name a new object beside the lock; Spark leaves out what begins with an underscore."""
        return f"{self._key.rpartition('/')[0]}/_write_check/{uuid.uuid4().hex}"


def _has_conditional_writes(bucket: str, key: str) -> bool:
    """Find out whether a store does what `If-None-Match` and `If-Match` ask, by writes that must be refused."""
    where: dict[str, Any] = {"Bucket": bucket, "Key": key, "Body": b""}
    try:
        object_store.call("put_object", **where, IfNoneMatch="*")
    except OSError as error:
        if object_store.error_code(error) in _NOT_IMPLEMENTED:
            return False
        raise
    try:
        return all(_is_refused(where, condition) for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"no such etag"'}))
    finally:
        object_store.call("delete_object", Bucket=bucket, Key=key)


def _is_refused(where: dict[str, Any], condition: dict[str, str]) -> bool:
    try:
        object_store.call("put_object", **where, **condition)
    except OSError as error:
        code = object_store.error_code(error)
        if code in _REFUSED | _NOT_IMPLEMENTED:
            return code not in _NOT_IMPLEMENTED
        raise
    return False


def _yarn_application() -> str | None:
    """Name the YARN application that this process drives: the middle of container_e17_1410901177871_0001_01_000005."""
    parts = os.environ.get("CONTAINER_ID", "").removeprefix("container_").split("_")
    return "_".join(parts[-4:-2]) or None


def _timestamp(time_: datetime | None = None) -> str:
    return f"{time_ or datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
