"""What tells a changed file from an unchanged one without reading it: of every file of a dataset, on local disks and on S3."""

from __future__ import annotations

import os
from pathlib import Path

from fruit_features.storage import object_store

Snapshot = dict[str, str]
"""Names of files below a place, with slashes, and the state of each; a place that is itself a file has the name ""."""


def take_snapshot(place: str) -> Snapshot | None:
    """Note the state of each file of a dataset.

    On a local disk, the state is length, time of modification and time of change, in nanoseconds. No program can set the last
    of them: a file that was written to and got its old time of modification back is found, too. On S3 it is length, ETag and
    time of modification. Names that begin with a dot, as the record of digests does, hold no data and are left out.

    Args:
        place: A local path, or a URI.

    Returns:
        The states; none if nothing is there. None if this file system cannot tell them.

    Raises:
        OSError: The place cannot be looked at.

    """
    if place.startswith(object_store.PROTOCOLS):
        return _look_at_bucket(place)
    return None if "://" in place else _look_at_disk(Path(place))


def _look_at_disk(place: Path) -> Snapshot:
    if place.is_file():
        return {"": _state(place.stat())}
    states: Snapshot = {}
    pending = [str(place)] if place.is_dir() else []
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    pending.append(entry.path)
                else:
                    states[Path(entry.path).relative_to(place).as_posix()] = _state(entry.stat())
    return states


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _look_at_bucket(place: str) -> Snapshot:
    _, key = object_store.split_object(place)
    below = f"{key}/"
    states: Snapshot = {}
    for found in object_store.describe_objects(place):
        name = found.key.removeprefix(below)
        is_part = found.key == key or found.key.startswith(below)
        if is_part and not any(part.startswith(".") for part in name.split("/")):
            states["" if found.key == key else name] = f"{found.length} {found.etag} {found.modified.isoformat()}"
    return states
