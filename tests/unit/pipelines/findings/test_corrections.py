"""From findings to a table of labels: what is suggested, what an agreement changes, and which sheets are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from fruit_features.datasets import MetadataDataset
from fruit_features.photos.reasons import LEFT_OUT
from fruit_features.pipelines.findings.corrections import (
    CORRECTIONS,
    READ,
    apply_corrections,
    count_changes,
    suggest_corrections,
)
from fruit_features.pipelines.findings.tables import FINDINGS

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [f"{label}/{number}.jpg" for label in ("Apple", "Pear") for number in range(3)]

PHOTOS = pd.DataFrame(
    {
        "path": [f"file:/photos/{name}" for name in NAMES],
        "file_name": NAMES,
        "label": [name.split("/")[0] for name in NAMES],
        "error": [None, LEFT_OUT, "empty file", None, None, None],
    }
)


def findings_of(*rows: tuple[str, str, str | None, str | None], split: str | None = None) -> pd.DataFrame:
    """Findings by file name, kind, file name of what it is compared with, suggested label."""
    labels = PHOTOS.set_index("file_name")["label"]
    table = [
        (f"file:/photos/{name}", labels.get(name), split, kind, 0.98765, other and f"file:/photos/{other}", suggested, rank)
        for rank, (name, kind, other, suggested) in enumerate(rows, start=1)
    ]
    return pd.DataFrame(table, columns=FINDINGS)


def sheet_of(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(READ), dtype=object)


def corrected(*rows: tuple[str, str, str, str]) -> list[list[str]]:
    table = apply_corrections(PHOTOS, sheet_of(*rows))
    assert list(table.columns) == ["file_name", "label", "use"]
    return table.to_numpy().tolist()


UNCHANGED = [[name, name.split("/")[0], "false" if name == "Apple/1.jpg" else "true"] for name in NAMES]


# --- the sheet --------------------------------------------------------------------------------------------------------


def test_there_is_a_row_for_each_photo_with_what_is_suggested() -> None:
    sheet = suggest_corrections(
        findings_of(
            ("Pear/2.jpg", "dark", None, None),
            ("Pear/0.jpg", "label_issue", None, "Apple"),
            ("Pear/1.jpg", "near_duplicate", "Apple/0.jpg", None),
            ("Pear/1.jpg", "label_conflict", "Apple/0.jpg", None),
            ("Pear/0.jpg", "blurry", None, None),
            ("Gone/0.jpg", "dark", None, None),
        ),
        PHOTOS,
    )
    assert list(sheet.columns) == [name for name in CORRECTIONS if name != "split"]
    assert sheet.to_numpy().tolist() == [
        ["Pear/1.jpg", "Pear", "label_conflict, near_duplicate", 0.988, "Apple/0.jpg", "Apple", "", "no", ""],
        ["Pear/0.jpg", "Pear", "label_issue, blurry", 0.988, "", "", "Apple", "yes", ""],
        ["Pear/2.jpg", "Pear", "dark", 0.988, "", "", "", "no", ""],
    ]


def test_the_split_is_shown_where_there_is_one() -> None:
    sheet = suggest_corrections(findings_of(("Pear/2.jpg", "leak", "Pear/0.jpg", None), split="test"), PHOTOS)
    assert list(sheet.columns) == list(CORRECTIONS)
    assert sheet["split"].tolist() == ["test"]


def test_without_findings_there_is_nothing_to_decide() -> None:
    assert len(suggest_corrections(findings_of(), PHOTOS)) == 0


def test_where_nobody_has_agreed_all_stays_as_it_was() -> None:
    sheet = suggest_corrections(findings_of(("Pear/0.jpg", "label_issue", None, "Apple")), PHOTOS)
    table = apply_corrections(PHOTOS, sheet)
    assert table.to_numpy().tolist() == UNCHANGED
    assert not count_changes(PHOTOS, table).total()


# --- what follows from it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["yes", "y", "x", "1", " YES ", "X"])
def test_what_somebody_agrees_to_is_done(word: str) -> None:
    rows = corrected(("Pear/0.jpg", "Apple", "yes", word), ("Pear/2.jpg", "", "no", word))
    assert [row for row in rows if row not in UNCHANGED] == [["Pear/0.jpg", "Apple", "true"], ["Pear/2.jpg", "Pear", "false"]]
    assert len(rows) == len(NAMES)


@pytest.mark.parametrize("word", ["", "no", "N", "0", " "])
def test_what_nobody_agrees_to_is_not(word: str) -> None:
    assert corrected(("Pear/0.jpg", "Apple", "no", word)) == UNCHANGED


def test_people_may_decide_otherwise_and_about_other_photos() -> None:
    """A row may be added, a photo that was left out be taken back, and a photo without a label get one."""
    photos = PHOTOS.assign(label=[None, *PHOTOS["label"][1:]])
    sheet = sheet_of(("Apple/1.jpg", "", "yes", "x"), ("./Apple/0.jpg", "Pear", "", "x"), ("", "", "", ""))
    table = apply_corrections(photos, sheet)
    assert table.to_numpy().tolist()[:2] == [["Apple/0.jpg", "Pear", "true"], ["Apple/1.jpg", "Apple", "true"]]
    assert count_changes(photos, table) == {"labels": 1, "left_out": 0, "taken_back": 1}


def test_splits_are_kept() -> None:
    splits = ["train", None, "test", "test", "train", "train"]
    table = apply_corrections(PHOTOS.assign(split=splits), sheet_of())
    assert list(table.columns) == ["file_name", "label", "split", "use"]
    assert table["split"].tolist() == splits


def test_the_table_is_one_that_a_run_takes(tmp_path: Path) -> None:
    names = ["C:/1.jpg", "=1.jpg", "a, b/2.jpg", "x\ny.jpg", "s3://b/3.jpg"]
    photos = pd.DataFrame({"file_name": names, "label": ["NA", "007", None, "", '"q"'], "error": None})
    path = tmp_path / "metadata.csv"
    apply_corrections(photos, sheet_of(("C:/1.jpg", "", "no", "x"))).to_csv(path, index=False, quoting=2)
    loaded = MetadataDataset(filepath=str(path)).load()
    assert loaded is not None
    assert dict(zip(loaded["file_name"].to_pylist(), loaded["label"].to_pylist(), strict=True)) == {
        "C:/1.jpg": "NA",
        "=1.jpg": "007",
        "a, b/2.jpg": None,
        "x\ny.jpg": None,
        "s3://b/3.jpg": '"q"',
    }
    assert loaded["use"].to_pylist() == [name != "C:/1.jpg" for name in loaded["file_name"].to_pylist()]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("Pear/9.jpg", "", "no", ""), r"row 2 has the file_name 'Pear/9\.jpg', which is not among .*\. Correct the name"),
        (("Pear/0.jpg", "Apple", "", "WAHR"), r"row 2 has the agree 'WAHR'\. Allowed are yes, y, x or 1; no"),
        (("Pear/0.jpg", "Apple", "", "TRUE"), r"the agree 'TRUE'\. Allowed"),
        (("Pear/0.jpg", "", "FALSCH", "yes"), r"the suggested_use 'FALSCH'\. Allowed are yes, no, and an empty cell"),
        (
            ("Pear/0.jpg", "Aple", "", "yes"),
            r"the suggested_label 'Aple', which no photo has; the labels are 'Apple', 'Pear'\.",
        ),
        (("Pear/0.jpg", "", "", "yes"), r"row 2 agrees to nothing"),
    ],
)
def test_a_faulty_row_is_refused(row: tuple[str, str, str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corrected(row)


def test_two_rows_that_agree_on_one_photo_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'Pear/0\.jpg' is agreed to in two rows, the second of which is 3\. Leave one"):
        corrected(("Pear/0.jpg", "Apple", "", "x"), ("Pear/0.jpg", "", "no", "x"))


@pytest.mark.parametrize("column", READ)
def test_a_sheet_without_a_column_is_refused(column: str) -> None:
    sheet = sheet_of(("Pear/0.jpg", "Apple", "", "x"))
    with pytest.raises(ValueError, match=f"there is no column {column}; the columns are"):
        apply_corrections(PHOTOS, sheet.drop(columns=column))
    with pytest.raises(ValueError, match=f"there are several columns {column}"):
        apply_corrections(PHOTOS, pd.concat([sheet, sheet[[column]]], axis=1))
