"""Local copies of objects on S3, for libraries that read files only. They last as long as the process."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import shutil
import tempfile
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from fruit_features.storage import object_store

logger = logging.getLogger(__name__)


def fetch(uri: str, place: str) -> Path | None:
    """Fetch an object, unless this process has fetched the same content of it before.

    Args:
        uri: `s3://bucket/key` or `s3a://bucket/key`.
        place: The parameter and its value, for messages.

    Returns:
        A file of the same name, or None if there is no such object.

    Raises:
        ObjectStoreError: S3 refuses, or does not answer, or the object changed meanwhile.

    """
    bucket, key = object_store.split_object(uri)
    if not bucket or not key or key.endswith("/"):
        return None
    found: list[Path] = []

    def attempt() -> None:
        with contextlib.suppress(FileNotFoundError):
            found.append(_fetch(bucket, key, place))

    object_store.explain(place, "read", "s3:GetObject and s3:ListBucket", attempt)
    return found[0] if found else None


def _fetch(bucket: str, key: str, place: str) -> Path:
    import fsspec

    identity = _identity(bucket, key)
    digest = hashlib.sha256("\n".join((bucket, key, *identity)).encode()).hexdigest()
    copy = _folder() / digest[:16] / PurePosixPath(key).name
    if copy.exists():
        return copy
    copy.parent.mkdir(exist_ok=True)
    unfinished = copy.with_name(f".{copy.name}")
    _, length = identity
    logger.info("Fetching s3://%s/%s, %.1f MB", bucket, key, int(length) / 1e6)
    fsspec.filesystem("s3").get_file(f"{bucket}/{key}", str(unfinished))
    # A large object comes in several requests, and nothing says that all of them were answered from one content.
    if _identity(bucket, key) != identity:
        raise object_store.ObjectStoreError(f"{place}: the object changed while it was fetched. Run again")
    unfinished.replace(copy)
    return copy


def _identity(bucket: str, key: str) -> tuple[str, str]:
    """Return what changes with the content of an object: its ETag and its length."""
    about: dict[str, Any] = object_store.call("head_object", Bucket=bucket, Key=key)
    return about["ETag"], str(about["ContentLength"])


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="fruit_features_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
