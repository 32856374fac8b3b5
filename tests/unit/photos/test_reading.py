"""Photos by their paths: each in its place, whatever happened to it, and many on their way at once."""

from __future__ import annotations

import os
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fruit_features.photos import reading as photo_files
from fruit_features.photos.reading import MAX_BYTES_AHEAD, ListedPhoto, PhotoReader


class SlowReader(PhotoReader):
    """Takes 20 ms a photo, as a store far away does, and counts how many are on their way."""

    n_reading = most_reading = 0
    lock = threading.Lock()

    def _read(self, photo: ListedPhoto) -> bytes | None:
        with self.lock:
            SlowReader.n_reading += 1
            SlowReader.most_reading = max(self.most_reading, self.n_reading)
        time.sleep(0.02)
        with self.lock:
            SlowReader.n_reading -= 1
        return photo.path.encode()


@pytest.fixture(autouse=True)
def _nothing_read_yet() -> None:
    SlowReader.n_reading = SlowReader.most_reading = 0


def write(path: Path, content: bytes) -> ListedPhoto:
    path.write_bytes(content)
    return ListedPhoto(f"file:{path}", len(content))


def test_photos_come_in_order_with_nothing_for_those_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    files = [
        write(tmp_path / "a b%20#?*[1].jpg", b"odd name"),
        ListedPhoto(f"file:{tmp_path}/gone.jpg", 4),
        write(tmp_path / "größe 🍐.jpg", b"more odd"),
        ListedPhoto(f"file:{tmp_path}/folder", 4096),
        write(tmp_path / "grown.jpg", b"longer")._replace(length=4),
        ListedPhoto(f"file://{write(tmp_path / 'last.jpg', b'last').path.removeprefix('file:')}", 4),
    ]
    assert list(PhotoReader(2).read(files)) == [b"odd name", None, b"more odd", None, None, b"last"]


@pytest.mark.parametrize("modified", ["1969-12-31T23:59:59.999", "2026-01-01T12:00:00.123", "2100-01-01"])
def test_a_photo_of_another_time_than_listed_has_changed(modified: str, tmp_path: Path) -> None:
    photo = write(tmp_path / "photo.jpg", b"content")
    listed = int(np.datetime64(modified, "ms").astype(int))
    nanoseconds = listed * 1_000_000 + 456_789  # Java rounds them down to milliseconds
    os.utime(tmp_path / "photo.jpg", ns=(nanoseconds, nanoseconds))
    times = [listed, listed - 1, listed + 1, None]
    contents = list(PhotoReader(1).read(photo._replace(modified=time) for time in times))
    assert contents == [b"content", None, None, b"content"]


def test_a_photo_that_vanishes_after_it_was_read_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete_first(path: str) -> int:
        Path(path).unlink()
        return as_before(path)

    as_before = photo_files._modified
    monkeypatch.setattr(photo_files, "_modified", delete_first)
    photo = write(tmp_path / "photo.jpg", b"content")._replace(modified=0)
    assert list(PhotoReader(1).read([photo])) == [None]


@given(st.lists(st.integers(0, 2 * MAX_BYTES_AHEAD), max_size=30), st.integers(1, 8))
def test_no_photo_is_lost_however_large(lengths: list[int], n_ahead: int) -> None:
    class Instant(PhotoReader):
        def _read(self, photo: ListedPhoto) -> bytes | None:
            return f"{photo.path} {photo.length}".encode()

    photos = [ListedPhoto(str(number), length) for number, length in enumerate(lengths)]
    assert list(Instant(n_ahead).read(photos)) == [f"{photo.path} {photo.length}".encode() for photo in photos]


def test_as_many_are_on_their_way_as_were_asked_for() -> None:
    assert len(list(SlowReader(8).read(ListedPhoto(str(number), 1) for number in range(40)))) == 40
    assert 2 <= SlowReader.most_reading <= 8


def test_large_photos_are_not_fetched_many_at_a_time() -> None:
    list(SlowReader(8).read(ListedPhoto(str(number), MAX_BYTES_AHEAD // 2) for number in range(12)))
    assert SlowReader.most_reading == 2


def test_whoever_stops_early_waits_for_no_more_than_what_is_on_its_way() -> None:
    asked: list[int] = []

    def files() -> Any:
        for number in range(1000):
            asked.append(number)
            yield ListedPhoto(str(number), 1)

    contents = SlowReader(4).read(files())
    assert next(contents) == b"0"
    contents.close()
    assert len(asked) <= 6
    assert SlowReader.n_reading == 0


def test_a_store_that_fails_is_no_photos_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        def __init__(self, fault: str) -> None:
            self.fault = fault

        def open_input_file(self, name: str) -> Any:
            raise OSError(f"When reading information for key {name!r}: AWS Error {self.fault} during HeadObject operation")

    monkeypatch.setitem(photo_files._file_systems, "s3a://denied", Store("ACCESS_DENIED"))
    monkeypatch.setitem(photo_files._file_systems, "s3a://down", Store("SERVICE_UNAVAILABLE"))
    assert list(PhotoReader(1).read([ListedPhoto("s3a://denied/a.jpg", 1)])) == [None]
    with pytest.raises(OSError, match="SERVICE_UNAVAILABLE"):
        list(PhotoReader(1).read([ListedPhoto("s3a://down/a.jpg", 1)]))


def test_workers_can_have_it_and_it_shows_no_secret() -> None:
    reader = PhotoReader(3, {"secret_key": "hidden"})
    assert pickle.loads(pickle.dumps(reader)) == reader
    assert "hidden" not in repr(reader)
