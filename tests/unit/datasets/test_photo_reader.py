"""What reads photos, as the catalog describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import DatasetError

from fruit_features.datasets import PhotoReaderDataset
from fruit_features.photos.reading import ListedPhoto

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_loaded_reads_photos(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"content")
    assert list(PhotoReaderDataset(n_ahead=2).load().read([ListedPhoto(f"file:{tmp_path}/1.jpg", 7)])) == [b"content"]


def test_settings_are_passed_on_and_null_stands_for_none() -> None:
    dataset = PhotoReaderDataset(
        n_ahead=2, fs_args={"endpoint_override": "127.0.0.1:1", "region": None}, credentials={"secret_key": "hidden"}
    )
    assert dataset.load().s3 == {"endpoint_override": "127.0.0.1:1", "secret_key": "hidden"}
    assert "hidden" not in str(dataset)


def test_nothing_is_saved() -> None:
    photos: Any = [b"content"]
    with pytest.raises(DatasetError, match="read only"):
        PhotoReaderDataset(n_ahead=1).save(photos)
