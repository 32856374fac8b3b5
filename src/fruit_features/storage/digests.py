"""The SHA-256 of saved files, written down beside them: what a disk or a copy damages afterwards is found."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RECORD: Final = ".sha256"
"""File in a folder that lists the digests of the folder's files, as `sha256sum` writes them. Spark and Arrow skip its name."""

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")

_SKIPPED_BY_SPARK = ("_", ".")
"""Files that begin like this hold no rows: `_SUCCESS`, and what is being written."""

_N_THREADS = 8
"""Files that are read at the same time; hashing runs outside of Python's lock."""


def record(place: Path, *, keep_known: bool) -> None:
    """Write down the digests of what was saved.

    Args:
        place: A file, or a folder of files that Spark wrote. Spark never gives two files the same name.
        keep_known: Whether a file that has a digest already keeps it. If not, its digest is computed again.

    """
    folder = place if place.is_dir() else place.parent
    before = _read(folder)
    names = _names(place)
    known = {name: before[name] for name in names if keep_known and name in before}
    new = _digests(folder, [name for name in names if name not in known])
    others = {} if place.is_dir() else before
    after = {**others, **known, **new}
    if after != before:
        _write(folder, after)


def find_damaged(place: Path) -> list[Path]:
    """Find the files that are not what was saved, by their digests.

    Args:
        place: A file, or a folder of files that Spark wrote. A file without a digest passes: an earlier version saved it, or
            a run that was killed before it could write the digest down.

    Returns:
        The files of other content than was saved, and those of a folder that are gone.

    """
    folder = place if place.is_dir() else place.parent
    recorded, names = _read(folder), _names(place)
    digests = _digests(folder, [name for name in names if name in recorded])
    gone = [name for name in recorded if name not in names] if place.is_dir() else []
    return [folder / name for name in sorted([*gone, *(name for name in digests if digests[name] != recorded[name])])]


def _names(place: Path) -> list[str]:
    if place.is_dir():
        return [path.name for path in place.iterdir() if path.is_file() and not path.name.startswith(_SKIPPED_BY_SPARK)]
    return [place.name] if place.is_file() else []


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    def digest(name: str) -> tuple[str, str]:
        with (folder / name).open("rb") as file:
            return name, hashlib.file_digest(file, "sha256").hexdigest()

    with ThreadPoolExecutor(_N_THREADS) as threads:
        return dict(threads.map(digest, names))


def _read(folder: Path) -> dict[str, str]:
    """Read the digests by file name. A line that is damaged counts as absent: its file passes, and gets a new digest."""
    try:
        text = (folder / RECORD).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    return {match[2]: match[1] for line in text.splitlines() if (match := _LINE.fullmatch(line))}


def _write(folder: Path, digests: dict[str, str]) -> None:
    """Write the record whole or not at all: under another name first, then renamed."""
    unfinished = folder / f"{RECORD}.new"
    unfinished.write_text("".join(f"{digests[name]}  {name}\n" for name in sorted(digests)), "utf-8")
    unfinished.replace(folder / RECORD)
