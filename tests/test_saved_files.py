"""Digests of saved files: what was written down, what is damaged, and what passes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from fruit_features.storage import digests as saved_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder as Spark writes it, whose digests are written down."""
    folder = tmp_path / "table"
    folder.mkdir()
    for name in ("part-0", "part-1"):
        (folder / name).write_text(name)
    (folder / "_SUCCESS").touch()
    saved_files.record(folder, keep_known=True)
    return folder


def test_every_flipped_bit_of_a_file_is_found(table: Path) -> None:
    assert saved_files.find_damaged(table) == []
    part, whole = table / "part-0", (table / "part-0").read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        part.write_bytes(flipped)
        assert saved_files.find_damaged(table) == [part]


def test_what_is_appended_gets_a_digest_and_what_was_there_keeps_its_own(table: Path) -> None:
    (table / "part-0").write_text("damaged")
    (table / "part-2").write_text("new")
    assert saved_files.find_damaged(table) == [table / "part-0"]
    saved_files.record(table, keep_known=True)
    (table / "part-2").write_text("damaged too")
    assert saved_files.find_damaged(table) == [table / "part-0", table / "part-2"]


def test_a_file_that_is_gone_is_found_until_the_digests_are_written_anew(table: Path) -> None:
    (table / "part-1").unlink()
    assert saved_files.find_damaged(table) == [table / "part-1"]
    saved_files.record(table, keep_known=True)
    assert saved_files.find_damaged(table) == []


def test_files_of_one_folder_are_saved_one_by_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for file in (first, second):
        file.write_text(file.name)
        saved_files.record(file, keep_known=False)
    second.write_text("another")
    assert (saved_files.find_damaged(first), saved_files.find_damaged(second)) == ([], [second])
    saved_files.record(second, keep_known=False)
    assert saved_files.find_damaged(second) == []
    first.unlink()
    assert saved_files.find_damaged(first) == []


@pytest.mark.parametrize("content", [b"", bytes(200), b"\xff\xfe noise", b"0123  part-0\n"])
def test_a_record_that_is_no_record_accuses_no_file(content: bytes, table: Path) -> None:
    (table / saved_files.RECORD).write_bytes(content)
    assert saved_files.find_damaged(table) == []
    saved_files.record(table, keep_known=True)
    (table / "part-0").write_text("damaged")
    assert saved_files.find_damaged(table) == [table / "part-0"]


def test_what_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    assert saved_files.find_damaged(tmp_path / "absent") == []


def test_the_record_is_one_that_sha256sum_reads(table: Path) -> None:
    check = ["sha256sum", "--check", "--strict", saved_files.RECORD]
    subprocess.run(check, cwd=table, check=True, stdout=subprocess.DEVNULL)
