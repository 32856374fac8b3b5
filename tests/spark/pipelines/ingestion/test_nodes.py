"""The listing: every photo once, with its label, and none of them opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.listing import list_by_folder
from tests.support.photos import COLOURS, encoded, fruit
from tests.support.runs import Outputs, as_path, load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from tests.support.photos import PhotoTree


def test_every_photo_is_listed_once(photos: DataFrame, photo_tree: PhotoTree) -> None:
    listed = [as_path(row["path"]) for row in photos.collect()]
    assert sorted(listed) == sorted([*photo_tree.good, *photo_tree.bad])


def test_the_label_is_the_folder_that_holds_the_photo(photos: DataFrame) -> None:
    rows = photos.collect()
    assert {row["label"] for row in rows} == set(COLOURS)
    for row in rows:
        assert row["label"] == as_path(row["path"]).parent.name


def test_the_label_is_the_innermost_folder(spark: SparkSession, tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "Training" / "Kiwi" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(encoded(fruit("Pear", 0), "JPEG"))
    (row,) = list_by_folder(load_catalog(tmp_path / "photos", Outputs(tmp_path)).load("images")).collect()
    assert row["label"] == "Kiwi"


def test_the_listing_has_these_columns(photos: DataFrame) -> None:
    assert photos.dtypes == [
        ("path", "string"),
        ("label", "string"),
        ("length", "bigint"),
        ("modificationTime", "timestamp"),
        ("error", "string"),
    ]


def test_the_length_is_the_files(photos: DataFrame) -> None:
    for row in photos.collect():
        assert row["length"] == as_path(row["path"]).stat().st_size


def test_extensions_count_in_any_case_and_other_files_do_not(spark: SparkSession, tmp_path: Path) -> None:
    names = {"a.jpg", "b.JPG", "c.Jpeg", "d.PNG", "e.WebP", "f.bmp", "g.GIF", "h.tif", "i.TIFF"}
    folder = tmp_path / "photos" / "Kiwi"
    folder.mkdir(parents=True)
    for name in names | {"a.jpg.txt", "jpg", "b.svg", "c.mp4", "Thumbs.db"}:
        (folder / name).write_bytes(b"content")
    listed = list_by_folder(load_catalog(tmp_path / "photos", Outputs(tmp_path)).load("images")).collect()
    assert sorted(as_path(row["path"]).name for row in listed) == sorted(names)
