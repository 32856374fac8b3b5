"""Labels from a pattern and from a table, on layouts that public data sets have."""

from __future__ import annotations

import csv
import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fruit_features.pipelines.ingestion.nodes import list_photos
from fruit_features.pipelines.ingestion.parameters import IngestionParameters
from fruit_features.spark.feature_store import MAX_LENGTH, TOO_LONG
from tests.support.runs import Outputs, load_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pyspark.sql import DataFrame

pytestmark = pytest.mark.usefixtures("spark")

FRUITS = ("Training/Apple/0_100.jpg", "Training/Pear/1_100.jpg", "Test/Apple/0_100.jpg")


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"content")
    return root


def write_table(path: Path, *rows: tuple[str, ...]) -> str:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(rows)
    else:
        header, *cells = rows
        pq.write_table(pa.table(dict(zip(header, map(list, zip(*cells, strict=True)), strict=True))), path)
    return str(path)


def run(root: Path, **ingestion: Any) -> tuple[DataFrame, DataFrame, dict[str, int | None]]:
    """The node, on what a catalog with these parameters loads."""
    parameters = IngestionParameters(**{"label_pattern": None, "metadata": None, "metadata_must_match": False} | ingestion)
    catalog = load_catalog(root, Outputs(root.parent), ingestion=ingestion)
    return list_photos(catalog.load("images"), catalog.load("metadata"), parameters)


def column(root: Path, photos: DataFrame, name: str) -> dict[str, str | None]:
    return {row["path"].removeprefix(f"file:{root}/"): row[name] for row in photos.collect()}


def rows(table: DataFrame) -> Iterable[tuple[Any, ...]]:
    return [tuple(row) for row in table.collect()]


def test_a_pattern_finds_label_and_split(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    photos, mismatches, counts = run(root, label_pattern="^(?P<split>[^/]+)/(?P<label>[^/]+)/")
    assert photos.columns == ["path", "label", "length", "modificationTime", "error", "split"]
    assert column(root, photos, "label") == dict(zip(FRUITS, ("Apple", "Pear", "Apple"), strict=True))
    assert column(root, photos, "split") == dict(zip(FRUITS, ("Training", "Training", "Test"), strict=True))
    assert mismatches.columns == ["file_name", "problem"]
    assert mismatches.isEmpty()
    assert counts == {"not_in_folder": None, "not_in_table": None}


@pytest.mark.parametrize(
    ("names", "pattern", "label"),
    [
        (("n01440764_tench.JPEG", "n01440764_tench2.JPEG"), r"^(?P<label>n\d+)_", "n01440764"),
        (("train/n01440764/a.JPEG", "val/n01440764/b.JPEG"), r"/(?P<label>n\d+)/", "n01440764"),
        (("cat.0.jpg", "cat.1.jpg"), r"^(?P<label>[^.]+)\.", "cat"),
        (("ünïcode/Straße_1.jpg",), r"(?P<label>\w+)_\d", "Straße"),
    ],
)
def test_a_pattern_without_a_split_adds_no_column(names: tuple[str, ...], pattern: str, label: str, tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *names)
    photos, _, _ = run(root, label_pattern=pattern)
    assert "split" not in photos.columns
    assert column(root, photos, "label") == dict.fromkeys(names, label)


def test_photos_that_a_pattern_does_not_match_have_no_label_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path / "photos", "a_1.jpg", "b_2.jpg", "3.jpg", "_=/4.jpg")
    with caplog.at_level(logging.WARNING):
        photos, _, _ = run(root, label_pattern=r"^(?P<label>\w?)_")
    assert column(root, photos, "label") == {"a_1.jpg": "a", "b_2.jpg": "b", "3.jpg": None, "_=/4.jpg": None}
    message = "ingestion.label_pattern matched 3 of 4 photos: the others have no label by it"
    assert [record.getMessage() for record in caplog.records if "label_pattern" in record.getMessage()] == [message]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    with pytest.raises(ValueError, match=r"matched 0 of 3 photos, the first of which is Test/Apple/0_100\.jpg"):
        run(root, label_pattern="^(?P<label>Plum)")


@pytest.mark.parametrize("table", ["labels.csv", "labels.parquet"])
def test_the_labels_of_a_table_come_before_those_of_folders(table: str, tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS, "Training/Plum/2.jpg")
    header, *cells = ("file_name", "label"), (FRUITS[0], "NA"), (f"./{FRUITS[1]}", ""), (FRUITS[2], "007")
    photos, _, _ = run(root, metadata=write_table(tmp_path / table, header, *cells))
    assert photos.columns == ["path", "label", "length", "modificationTime", "error"]
    by_table = dict(zip(FRUITS, ("NA", None, "007"), strict=True))
    assert column(root, photos, "label") == by_table | {"Training/Plum/2.jpg": "Plum"}
    assert set(column(root, photos, "error").values()) == {None}


def test_photos_that_are_not_in_the_table_have_the_label_of_the_pattern(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    table = write_table(tmp_path / "labels.csv", ("file_name", "label"), (FRUITS[0], "by table"))
    photos, _, _ = run(root, metadata=table, label_pattern="^(?P<split>[^/]+)/(?P<label>[^/]+)/")
    assert column(root, photos, "label") == dict(zip(FRUITS, ("by table", "Pear", "Apple"), strict=True))
    assert set(column(root, photos, "split").values()) == {"Training", "Test"}


def test_a_table_without_labels_leaves_them_as_they_are_and_may_hold_splits(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    table = write_table(tmp_path / "labels.csv", ("split", "file_name"), ("train", FRUITS[0]), ("", FRUITS[1]))
    photos, _, _ = run(root, metadata=table)
    assert column(root, photos, "label") == dict(zip(FRUITS, ("Apple", "Pear", "Apple"), strict=True))
    assert column(root, photos, "split") == dict(zip(FRUITS, ("train", None, None), strict=True))


def test_a_photo_that_is_not_to_be_used_is_accounted_for(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    with (root / FRUITS[2]).open("wb") as file:
        file.truncate(MAX_LENGTH + 1)
    cells = (FRUITS[0], "No"), (FRUITS[1], ""), (FRUITS[2], "yes")
    photos, _, _ = run(root, metadata=write_table(tmp_path / "labels.csv", ("file_name", "use"), *cells))
    assert column(root, photos, "error") == dict(zip(FRUITS, ("left out by metadata", None, TOO_LONG), strict=True))


def test_files_that_are_not_worth_opening_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    for name, length in zip(FRUITS, (0, MAX_LENGTH, MAX_LENGTH + 1), strict=True):
        with (root / name).open("wb") as file:
            file.truncate(length)
    photos, _, _ = run(root)
    errors = (None, None, "too long: exceeds 512 MiB")  # an empty file is read, as others are, and has a digest
    assert column(root, photos, "error") == dict(zip(FRUITS, errors, strict=True))


MISMATCHES = [
    ("Absent/1.jpg", "in the table, but not in the folder"),
    ("Test/Apple/0_100.jpg", "in the folder, but not in the table"),
    ("Training/Pear/1_100.jpg", "in the folder, but not in the table"),
]


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What the node logs, heard by a filter: Kedro, which may configure logging anew for a session, takes handlers away."""
    messages: list[str] = []

    def listen(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return True

    logger = logging.getLogger(list_photos.__module__)
    logger.addFilter(listen)
    yield messages
    logger.removeFilter(listen)


def test_table_and_folder_are_compared(tmp_path: Path, warnings: list[str]) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    table = write_table(tmp_path / "labels.csv", ("file_name",), (f"./{FRUITS[0]}",), ("Absent/1.jpg",))
    photos, mismatches, counts = run(root, metadata=table)
    assert photos.count() == 3
    assert rows(mismatches) == MISMATCHES
    assert counts == {"not_in_folder": 1, "not_in_table": 2}
    (warning,) = (message for message in warnings if "metadata_mismatches" in message)
    assert "1 file of the table is not among the photos of the folder, and 2 photos of the folder are not in the" in warning
    with pytest.raises(ValueError, match=rf"{table}: 1 file .* and 2 photos .*The first of them: Absent/1\.jpg, Test.*false"):
        run(root, metadata=table, metadata_must_match=True)


def test_a_table_that_fits_is_told_to_fit(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", *FRUITS)
    table = write_table(tmp_path / "labels.csv", ("file_name",), *((name,) for name in FRUITS))
    _, mismatches, counts = run(root, metadata=table, metadata_must_match=True)
    assert mismatches.isEmpty()
    assert counts == {"not_in_folder": 0, "not_in_table": 0}
