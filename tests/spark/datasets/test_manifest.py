"""Photos that a table lists: those of the folder, with what S3 Inventory writes, and what cannot be right is refused."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from fruit_features.datasets.manifest import is_manifest
from tests.support.inventory import csv_report, manifest
from tests.support.runs import MISSION, Outputs, load_catalog, run_project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame

    from tests.support.photos import PhotoTree

pytestmark = pytest.mark.usefixtures("spark")

NAMES = ("Apple/0 1.jpg", "Apple/ü.JPG", 'Kiwi/"quoted", 2.png')
OTHERS = ("Kiwi/notes.txt", "Kiwi/more.TXT", ".git/3.jpg", "README")
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def loaded(place: Path) -> tuple[DataFrame, Any]:
    dataset = load_catalog(place, Outputs(place.parent / "outputs"))["images"]
    return dataset.load(), dataset


def write_csv(
    path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = ("path", "length", "modificationTime")
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def entries() -> list[tuple[str, int, str]]:
    return [(name, number, WHEN.isoformat()) for number, name in enumerate((*NAMES, *OTHERS), start=1)]


def test_a_name_tells_a_manifest_from_a_folder() -> None:
    for name in (
        "s3a://bucket/inventory/2026-11-01T01-00Z/manifest.json",
        "/photos/list.CSV",
        "list.csv.gz",
        "listed.parquet/",
    ):
        assert is_manifest(name)
    for name in ("s3a://bucket/photos", "/photos", "/my.photos/", "/csv"):
        assert not is_manifest(name)


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_a_table_lists_photos_below_its_folder(tmp_path: Path, form: str) -> None:
    place = write_csv(tmp_path / "list.csv", entries())
    if form == "csv.gz":
        (tmp_path / "list.csv.gz").write_bytes(gzip.compress(place.read_bytes()))
    if form == "parquet":
        names, lengths, _ = zip(*entries(), strict=True)
        times = pa.array([WHEN] * len(names), pa.timestamp("ms", "UTC"))
        pq.write_table(pa.table({"path": names, "length": lengths, "modificationTime": times}), tmp_path / "list.parquet")
    photos, dataset = loaded(tmp_path / f"list.{form}")
    assert photos.columns == ["path", "modificationTime", "length", "content", "error", "file_name"]
    found = {row["file_name"]: row for row in photos.drop("content").collect()}
    assert set(found) == set(NAMES)
    for number, name in enumerate(NAMES, start=1):
        assert (found[name]["path"], found[name]["length"]) == (f"file:{tmp_path}/{name}", number)
        assert found[name]["modificationTime"].timestamp() == WHEN.timestamp()
    assert dataset.left_out == {".txt": 2, ".git/": 1, "README": 1}


def test_whole_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = [
        (f"{tmp_path}/Apple/1.jpg", 1, WHEN),
        ("s3a://bucket/photos/Kiwi/2.jpg", 2, WHEN),
        ("file:/elsewhere/Pear/3.jpg", 3, WHEN),
    ]
    photos, _ = loaded(write_csv(tmp_path / "list.csv", rows))
    assert {row["path"]: row["file_name"] for row in photos.select("path", "file_name").collect()} == {
        f"file:{tmp_path}/Apple/1.jpg": "Apple/1.jpg",
        "s3a://bucket/photos/Kiwi/2.jpg": "photos/Kiwi/2.jpg",
        "file:/elsewhere/Pear/3.jpg": "elsewhere/Pear/3.jpg",
    }


def test_a_manifest_that_was_written_anew_is_another_one(tmp_path: Path) -> None:
    place = write_csv(tmp_path / "list.csv", entries())
    _, dataset = loaded(place)
    assert dataset.loaded_identity == dataset.identify()
    write_csv(place, entries()[:1])
    assert dataset.loaded_identity != dataset.identify()


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (
            ("path", "size", "modificationTime"),
            ("a.jpg", 1, WHEN),
            "has no column length; it has path, size, modificationTime",
        ),
        (None, ("a.jpg", "many", WHEN), r"entry of file:.*/a\.jpg has no length, or none that is a length in bytes"),
        (None, ("a.jpg", -1, WHEN), r"entry of file:.*/a\.jpg has no length"),
        (None, ("a.jpg", 1, "yesterday"), r"entry of file:.*/a\.jpg has no modificationTime"),
        (None, ("", 1, WHEN), "has no path, or none that is a path"),
        (None, ("Apple/1.jpg", 1, WHEN), r"Apple/1\.jpg is in 2 entries"),
    ],
)
def test_what_cannot_be_right_is_named(tmp_path: Path, header: Any, row: Any, message: str) -> None:
    rows = [("Apple/1.jpg", 1, WHEN), row]
    place = write_csv(tmp_path / "list.csv", rows, header or ("path", "length", "modificationTime"))
    with pytest.raises(DatasetError, match=message) as caught:
        loaded(place)
    assert str(place) in str(caught.value)


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    for name, content in (("list.parquet", b"not Parquet"), ("manifest.json", b"{}"), ("manifest.json", b"nothing")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=f"images_root=.*{name}"):
            loaded(tmp_path / name)


def write_inventory(folder: Path, *, form: str = "CSV", schema: str = SCHEMA) -> Path:
    """A report as AWS writes it, copied to a disk: manifest.json in the folder of its day, and the files in data/."""
    (folder / "data").mkdir(parents=True)
    (folder / "2026-11-01T01-00Z").mkdir()
    keys = ["photos/Apple/0+1%2B.jpg", "photos/Apple/%C3%BC.jpg", "photos/Kiwi/", "photos/Kiwi/notes.txt"]
    rows = [["bucket", key, "v1", "true", "false", "17", "2026-10-31T12:34:56.789Z", "e"] for key in keys]
    rows.append(["bucket", "photos/Apple/%C3%BC.jpg", "v0", "false", "false", "9", "2026-10-01T12:34:56.000Z", "e"])
    rows.append(["bucket", "photos/Apple/gone.jpg", "v0", "true", "true", "", "2026-10-01T12:34:56.000Z", ""])
    name = f"3f4a.{'csv.gz' if form == 'CSV' else 'parquet'}"
    if form == "CSV":
        (folder / "data" / name).write_bytes(csv_report(rows))
    else:
        decoded = ["photos/Apple/0 1+.jpg", "photos/Apple/ü.jpg", "photos/Kiwi/", "photos/Kiwi/notes.txt"]
        columns = {
            "bucket": ["bucket"] * 4,
            "key": decoded,
            "is_latest": [True] * 4,
            "is_delete_marker": [False] * 4,
            "size": pa.array([17] * 4, pa.int64()),
            "last_modified_date": pa.array(
                [datetime(2026, 10, 31, 12, 34, 56, 789000, tzinfo=UTC)] * 4, pa.timestamp("ms", "UTC")
            ),
        }
        pq.write_table(pa.table(columns), folder / "data" / name)
    place = folder / "2026-11-01T01-00Z" / "manifest.json"
    place.write_bytes(manifest(f"bucket/daily/data/{name}", schema, source="bucket", destination="inventories", form=form))
    return place


@pytest.mark.parametrize("form", ["CSV", "Parquet"])
def test_a_report_of_s3_inventory_lists_objects(tmp_path: Path, form: str) -> None:
    photos, dataset = loaded(write_inventory(tmp_path / "inventory", form=form))
    found = {row["path"]: row for row in photos.drop("content").collect()}
    assert set(found) == {"s3a://bucket/photos/Apple/0 1+.jpg", "s3a://bucket/photos/Apple/ü.jpg"}
    first = found["s3a://bucket/photos/Apple/0 1+.jpg"]
    assert (first["length"], first["file_name"]) == (17, "photos/Apple/0 1+.jpg")
    assert first["modificationTime"].timestamp() == datetime(2026, 10, 31, 12, 34, 56, tzinfo=UTC).timestamp()
    assert dataset.left_out == {".txt": 1}


def test_a_report_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    place = write_inventory(tmp_path / "inventory", schema="Bucket, Key, A, B, C, Size, D, E")
    with pytest.raises(DatasetError, match=r"the report has no LastModifiedDate\. Let S3 Inventory write"):
        loaded(place)


def test_a_run_over_a_manifest_is_one_over_its_folder(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    root = photo_tree.root
    listed = pd.read_parquet(full_run.root / "02_intermediate" / "photos")
    names = [path.removeprefix(f"file:{root}/") for path in listed["path"]]
    times = [time.isoformat(timespec="milliseconds") for time in listed["modificationTime"]]
    lengths = listed["length"].tolist()
    lied_about = next(number for number, name in enumerate(names) if root / name in photo_tree.good)
    lengths[lied_about] += 1
    place = write_csv(tmp_path / "list.csv", list(zip([f"{root}/{name}" for name in names], lengths, times, strict=True)))
    outputs = run_project(place, full_run.copy_to(tmp_path / "data"), *MISSION)
    assert outputs.counts()["listed"] == photo_tree.n_photos
    assert outputs.counts()["inferred"] == 0
    expected = full_run.pca_features_csv()
    assert set(outputs.pca_features_csv()["path"]) == set(expected["path"]) - {listed["path"][lied_about]}
    rejected = outputs.rejected_images().set_index("path")["reason"]
    assert "has changed since it was listed" in rejected[listed["path"][lied_about]]
