"""States of files on a disk; those on S3 are in `aws/test_snapshots.py`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fruit_features.storage.snapshots import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for name in ("_SUCCESS", "part-0.csv", "part-1.csv", "network/model.xml"):
        (tmp_path / "table" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "table" / name).write_text("path,label\n" if name.endswith("csv") else "")
    return tmp_path / "table"


def _edit_and_set_the_clock_back(table: Path) -> None:
    """As an editor, or a copy with its times, of the same length would."""
    before = (table / "part-0.csv").stat()
    (table / "part-0.csv").write_text("path,lebal\n")
    os.utime(table / "part-0.csv", ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace_by_an_older_one(table: Path) -> None:
    (table / "part-1.csv").replace(table / "part-0.csv")


@pytest.mark.parametrize(
    "change",
    [
        _edit_and_set_the_clock_back,
        _replace_by_an_older_one,
        lambda table: (table / "part-0.csv").write_text("path,lebal\n"),
        lambda table: (table / "part-0.csv").write_text(""),
        lambda table: (table / "part-0.csv").unlink(),
        lambda table: (table / "part-2.csv").touch(),
        lambda table: (table / "_SUCCESS").unlink(),
        lambda table: (table / "network" / "model.xml").write_text("<net/>"),
        lambda table: (table / "part-0.csv").rename(table / "part-3.csv"),
    ],
)
def test_any_change_of_a_file_shows(change: Callable[[Path], object], table: Path) -> None:
    before = take_snapshot(str(table))
    assert take_snapshot(str(table)) == before
    change(table)
    assert take_snapshot(str(table)) != before


def test_files_are_named_below_their_place_and_digests_are_left_out(table: Path) -> None:
    (table / ".sha256").write_text("")
    found = take_snapshot(str(table))
    assert found is not None
    assert set(found) == {"_SUCCESS", "part-0.csv", "part-1.csv", "network/model.xml"}


def test_a_place_may_be_a_file_or_nothing(table: Path) -> None:
    assert take_snapshot(str(table / "_SUCCESS")) is not None
    assert set(take_snapshot(str(table / "_SUCCESS")) or ()) == {""}
    assert take_snapshot(str(table / "absent")) == {}


@pytest.mark.parametrize("place", ["hdfs://host/table", "gs://bucket/table", "file:///tmp/table", "unknown://x"])
def test_other_file_systems_are_not_looked_at(place: str) -> None:
    assert take_snapshot(place) is None
