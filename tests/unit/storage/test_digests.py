"""Digests of saved files: what was written down, what is damaged, and what passes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from fruit_features.storage import digests

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
    digests.record(folder, keep_known=True)
    return folder


def test_every_flipped_bit_of_a_file_is_found(table: Path) -> None:
    assert digests.find_damaged(table) == []
    part, whole = table / "part-0", (table / "part-0").read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        part.write_bytes(flipped)
        assert digests.find_damaged(table) == [part]


def test_what_is_appended_gets_a_digest_and_what_was_there_keeps_its_own(table: Path) -> None:
    (table / "part-0").write_text("damaged")
    (table / "part-2").write_text("new")
    assert digests.find_damaged(table) == [table / "part-0"]
    digests.record(table, keep_known=True)
    (table / "part-2").write_text("damaged too")
    assert digests.find_damaged(table) == [table / "part-0", table / "part-2"]


def test_a_file_that_is_gone_is_found_until_the_digests_are_written_anew(table: Path) -> None:
    (table / "part-1").unlink()
    assert digests.find_damaged(table) == [table / "part-1"]
    digests.record(table, keep_known=True)
    assert digests.find_damaged(table) == []


def test_files_of_one_folder_are_saved_one_by_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    for file in (first, second):
        file.write_text(file.name)
        digests.record(file, keep_known=False)
    second.write_text("another")
    assert (digests.find_damaged(first), digests.find_damaged(second)) == ([], [second])
    digests.record(second, keep_known=False)
    assert digests.find_damaged(second) == []
    first.unlink()
    assert digests.find_damaged(first) == []


@pytest.mark.parametrize("content", [b"", bytes(200), b"\xff\xfe noise", b"0123  part-0\n"])
def test_a_record_that_is_no_record_accuses_no_file(content: bytes, table: Path) -> None:
    (table / digests.RECORD).write_bytes(content)
    assert digests.find_damaged(table) == []
    digests.record(table, keep_known=True)
    (table / "part-0").write_text("damaged")
    assert digests.find_damaged(table) == [table / "part-0"]


def test_what_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    assert digests.find_damaged(tmp_path / "absent") == []


def test_the_record_is_one_that_sha256sum_reads(table: Path) -> None:
    check = ["sha256sum", "--check", "--strict", digests.RECORD]
    subprocess.run(check, cwd=table, check=True, stdout=subprocess.DEVNULL)
