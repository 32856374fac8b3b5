"""Trees as they are found on disks: whatever a file or a folder is called, or turns out to be, it is accounted for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from fruit_features.spark.feature_store import UNREADABLE
from tests.support.photos import encoded, fruit
from tests.support.runs import MISSION, Outputs, as_path, run_project

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("spark")

NAMES = [
    "plain",
    "with blanks",
    " blanks around ",
    "quote'quote\"quote",
    "comma,comma;semicolon",
    "new\nline",
    "tab\tand\rreturn",
    "per%20cent%",
    "hash#question?star*",
    "[brackets]{braces}",
    "back\\slash",
    "plus+equals=ampersand&",
    "=1+1",
    "colon:colon",
    "~tilde",
    "\N{PEAR}\N{RED APPLE}",
    "\u05ea\u05e4\u05d5\u05d7",  # right to left
    "cafe\u0301",  # an e and an accent of its own
    "null",
    "NaN",
    "1.0",
    "\u00e9" * 125,  # 250 bytes, and 254 with the suffix
]


def write_photo(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(fruit("Pear", seed), "JPEG"))
    return path


def exported(outputs: Outputs) -> dict[Path, str]:
    """Path and label of every row of the CSV, which is the same as in the Parquet table."""
    table, parquet = outputs.pca_features_csv(), outputs.pca_features().sort_values("path", ignore_index=True)
    pd.testing.assert_frame_equal(table[["path", "label"]].sort_values("path", ignore_index=True), parquet[["path", "label"]])
    return {as_path(uri): str(label) for uri, label in zip(table["path"], table["label"], strict=True)}


def test_photos_and_labels_keep_their_names(full_run: Outputs, tmp_path: Path) -> None:
    root = tmp_path / "photos with blanks, #1"
    written = {write_photo(root / name / f"{name}.jpg", seed) for seed, name in enumerate(NAMES)}
    written |= {write_photo(root / "twins" / label / "twin.jpg", seed) for seed, label in enumerate(("a", "b"))}
    outputs = run_project(root, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    rows = exported(outputs)
    assert rows.keys() == written
    assert rows == {path: path.parent.name for path in written}
    again = run_project(root, outputs, *MISSION)
    assert again.counts()["featurized"] == 0


def test_a_photo_right_under_the_root_takes_its_label_from_the_root(full_run: Outputs, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    written = [write_photo(root / f"{seed}.jpg", seed) for seed in range(3)]
    rows = exported(run_project(root, full_run.with_networks_only(tmp_path / "data"), *MISSION))
    assert rows == dict.fromkeys(written, "photos")


def test_what_only_looks_like_a_photo_is_rejected_or_no_file_at_all(full_run: Outputs, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    good = {write_photo(root / "Pear" / f"{seed}.jpg", seed) for seed in range(3)}
    good.add(write_photo(root / "folder.jpg" / "inside.jpg", 4))
    (root / "Pear" / "page.jpg").write_text("<!doctype html><title>404</title>")
    (root / "Pear" / "empty.jpg").touch()
    link = root / "Pear" / "link.jpg"
    link.symlink_to(tmp_path / "elsewhere.jpg")
    write_photo(tmp_path / "elsewhere.jpg", 5)
    good.add(link)
    outputs = run_project(root, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    assert exported(outputs).keys() == good
    rejected = {as_path(row.path).name: row.reason for row in outputs.rejected_images().itertuples()}
    assert rejected.keys() == {"page.jpg", "empty.jpg"}


def test_links_pipes_and_names_that_are_not_utf8_are_accounted_for(full_run: Outputs, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    good = {write_photo(root / "Pear" / f"{seed}.jpg", seed) for seed in range(3)}
    write_photo(tmp_path / "elsewhere" / "5.jpg", 5)
    for link, target in {
        "Pear/again": "..",
        "Pear/and again": root,
        "Kiwi": tmp_path / "elsewhere",
        "Pear/same.jpg": "0.jpg",
        "Pear/nowhere.jpg": "nobody.jpg",
        "Pear/loop.jpg": "loop.jpg",
    }.items():
        (root / link).symlink_to(target)
    good.add(root / "Kiwi" / "5.jpg")
    os.mkfifo(root / "Pear" / "pipe.jpg")
    write_photo(root / "Pear" / os.fsdecode(b"caf\xe9.jpg"), 6)
    write_photo(root / os.fsdecode(b"caf\xe9") / "7.jpg", 7)
    good.add(write_photo(root / "Pear" / r"caf\xe9.jpg", 8))  # which is what the first of them is written as
    outputs = run_project(root, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    assert exported(outputs).keys() == good
    not_utf8 = "the name is not UTF-8: rename the file, or the folder that it lies in"
    nowhere = "a link that leads nowhere, or to where this user may not read"
    rejects = sorted(outputs.rejected_images().itertuples(index=False, name=None))
    assert rejects == sorted(
        (f"file:{root}/{name}", label, reason)
        for name, label, reason in [
            ("Pear/nowhere.jpg", "Pear", nowhere),
            ("Pear/loop.jpg", "Pear", nowhere),
            ("Pear/pipe.jpg", "Pear", "not a file, but a named pipe"),
            (r"Pear/caf\xe9.jpg", "Pear", not_utf8),
            (r"caf\xe9/7.jpg", r"caf\xe9", not_utf8),
        ]
    )
    expected = {"listed": 10, "featurized": 5, "reused": 0, "rejected": 5, "exported": 5, "inferred": 5}
    assert outputs.counts().items() >= expected.items()
    again = run_project(root, outputs, *MISSION)
    assert again.counts().items() >= (expected | {"featurized": 0, "reused": 5, "inferred": 0}).items()


def test_a_photo_that_may_not_be_read_is_rejected(full_run: Outputs, tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("root may read everything")
    root = tmp_path / "photos"
    good = {write_photo(root / "Pear" / f"{seed}.jpg", seed) for seed in range(3)}
    write_photo(root / "Pear" / "closed.jpg", 4).chmod(0)
    outputs = run_project(root, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    assert exported(outputs).keys() == good
    assert outputs.rejected_images()["reason"].tolist() == [UNREADABLE]
