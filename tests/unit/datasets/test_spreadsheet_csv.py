"""A table that people fill in: what spreadsheets make of it is read, faults are refused, and nobody's work is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from fruit_features.datasets import SpreadsheetCSVDataset

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["=1+1", "@x", "'=2", "''-3", "-4", "NA", "007", 'a "b"; c, d', "two\nlines", "Äpfel", "", " x ", "'plain'", "\tTab"]

TABLE = pd.DataFrame({"file_name": NAMES, "score": [0.5] * len(NAMES), "agree": ""})


def sheet(folder: Path) -> SpreadsheetCSVDataset:
    return SpreadsheetCSVDataset(filepath=str(folder / "sheet.csv"), filled_in="agree")


def written(folder: Path, content: str | bytes) -> SpreadsheetCSVDataset:
    (folder / "sheet.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return sheet(folder)


def test_what_was_saved_is_loaded_as_text(tmp_path: Path) -> None:
    dataset = sheet(tmp_path)
    dataset.save(TABLE)
    pd.testing.assert_frame_equal(dataset.load(), TABLE.astype(str).astype(object))


def test_spreadsheets_know_the_encoding_and_see_no_formula(tmp_path: Path) -> None:
    dataset = sheet(tmp_path)
    dataset.save(TABLE)
    content = (tmp_path / "sheet.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    cells = pd.read_csv(tmp_path / "sheet.csv", keep_default_na=False)["file_name"]
    assert cells.tolist()[:5] == ["'=1+1", "'@x", "''=2", "'''-3", "'-4"]
    assert not cells.str.match(r"[=+\-@\t\r]").any()


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    dataset = sheet(tmp_path_factory.mktemp("sheet"))
    dataset.save(pd.DataFrame({"file_name": ["first", *names], "agree": ""}, dtype=object))
    assert dataset.load()["file_name"].tolist() == ["first", *names]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spreadsheets_may_write_it_in_their_ways(mark: str, delimiter: str, end: str, tmp_path: Path) -> None:
    rows = [
        ["file_name", "label", "agree"],
        ["a/1.jpg", '"x, y; z"', "yes"],
        ["'=b.jpg", "'=1", ""],
        ["", "", ""],
        ["c", "", "x"],
    ]
    text = mark + end.join(delimiter.join(row) for row in rows) + end
    loaded = written(tmp_path, text).load()
    assert loaded.to_numpy().tolist() == [["a/1.jpg", "x, y; z", "yes"], ["=b.jpg", "=1", ""], ["", "", ""], ["c", "", "x"]]


def test_short_rows_are_filled_and_empty_columns_dropped(tmp_path: Path) -> None:
    loaded = written(tmp_path, "file_name;agree;;\na;yes;;\nb\n\n").load()
    assert list(loaded.columns) == ["file_name", "agree"]
    assert loaded.to_numpy().tolist() == [["a", "yes"], ["b", ""], ["", ""]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"sheet\.csv: the table is empty\. Keep the header"),
        ("\ufeff\r\n", "the table is empty"),
        ("file_name,agree\na,yes,more\n", r"row 2 has 3 cells, and the header 2\. Give"),
        ("file_name,agree\nÄ,yes\n".encode("latin-1"), r"not UTF-8 \(line 2 has the byte 0xc4\)\. Save .* 'CSV UTF-8'"),
        ("file_name\tagree\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_a_faulty_file_is_refused(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        written(tmp_path, content).load()


def test_a_table_that_nobody_has_filled_in_is_replaced(tmp_path: Path) -> None:
    dataset = sheet(tmp_path)
    for name in ("a", "b"):
        dataset.save(pd.DataFrame({"file_name": [name], "agree": [""]}))
    assert dataset.load()["file_name"].tolist() == ["b"]


@pytest.mark.parametrize("content", ["file_name;agree\na;yes\n", "file_name,agree\nb,no\n", b"\xff\xfe"])
def test_work_is_not_replaced(content: str | bytes, tmp_path: Path) -> None:
    dataset = written(tmp_path, content)
    before = (tmp_path / "sheet.csv").read_bytes()
    with pytest.raises(DatasetError, match="ove the file away"):
        dataset.save(TABLE)
    assert (tmp_path / "sheet.csv").read_bytes() == before


def test_kedro_viz_shows_the_first_rows(tmp_path: Path) -> None:
    dataset = sheet(tmp_path)
    dataset.save(TABLE)
    assert dataset.preview(2)["data"] == [["=1+1", "0.5", ""], ["@x", "0.5", ""]]
