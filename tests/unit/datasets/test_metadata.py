"""The table of labels: what is read from it, and that each fault in it is refused with the file, the value and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from fruit_features.datasets import MetadataDataset

if TYPE_CHECKING:
    from pathlib import Path


def load_csv(folder: Path, text: str | bytes) -> dict[str, list[Any]]:
    path = folder / "labels.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)


def load_parquet(folder: Path, **columns: Any) -> dict[str, list[Any]]:
    path = folder / "labels.parquet"
    pq.write_table(pa.table(columns), path)
    return load(path)


def load(path: Path) -> dict[str, list[Any]]:
    table = MetadataDataset(filepath=str(path)).load()
    assert table is not None
    columns: dict[str, list[Any]] = table.to_pydict()
    return columns


def test_there_may_be_no_table() -> None:
    assert MetadataDataset(filepath=None).load() is None


def test_nothing_is_saved() -> None:
    with pytest.raises(DatasetError, match="read only"):
        MetadataDataset(filepath=None).save(pa.table({"file_name": []}))


def test_cells_of_a_csv_are_text_and_an_empty_cell_is_no_label(tmp_path: Path) -> None:
    labels = ["NA", "None", "nan", "null", "1", "007", "", " a ", '"b,\nc"', "true"]
    text = "label,file_name\r\n" + "".join(f"{label},{number}.jpg\r\n" for number, label in enumerate(labels))
    expected = ["NA", "None", "nan", "null", "1", "007", None, " a ", "b,\nc", "true"]
    assert load_csv(tmp_path, text) == {"file_name": [f"{number}.jpg" for number in range(10)], "label": expected}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_a_csv_is_utf8(mark: bytes, tmp_path: Path) -> None:
    columns = load_csv(tmp_path, mark + "file_name,label\nCafé/1.jpg,Crème\n".encode())
    assert columns == {"file_name": ["Café/1.jpg"], "label": ["Crème"]}


def test_other_columns_are_ignored(tmp_path: Path) -> None:
    text = "file_name,text,split,text\n1.jpg,5,train,x\n2.jpg,y,,2024-01-01\n"
    assert load_csv(tmp_path, text) == {"file_name": ["1.jpg", "2.jpg"], "split": ["train", None]}


def test_use_is_one_of_six_words_or_empty(tmp_path: Path) -> None:
    words = ["true", "FALSE", "1", "0", "Yes", "no", "", " No "]
    text = "file_name,use\n" + "".join(f"{number}.jpg,{word}\n" for number, word in enumerate(words))
    assert load_csv(tmp_path, text)["use"] == [True, False, True, False, True, False, True, False]


def test_names_may_begin_with_the_folder_itself(tmp_path: Path) -> None:
    text = "file_name\n./a/1.jpg\n././2.jpg\n.hidden/3.jpg\na..b/4.jpg\n"
    assert load_csv(tmp_path, text)["file_name"] == ["a/1.jpg", "2.jpg", ".hidden/3.jpg", "a..b/4.jpg"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pa.array([1, None, 30]), ["1", None, "30"]),
        (pa.array([1.0, float("nan"), 2.5]), ["1", None, "2.5"]),
        (pa.array(["NA", None, ""]), ["NA", None, None]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array(["a", "b", None], pa.large_string()), ["a", "b", None]),
        (pa.array([None, None, None], pa.null()), [None, None, None]),
        (pa.array([True, False, None]), ["true", "false", None]),
    ],
    ids=["integers", "floats", "text", "categories", "large text", "nulls", "booleans"],
)
def test_labels_of_parquet_become_text(labels: pa.Array, expected: list[str | None], tmp_path: Path) -> None:
    assert load_parquet(tmp_path, file_name=["1", "2", "3"], label=labels)["label"] == expected


@pytest.mark.parametrize("use", [[True, False, None], [1, 0, None], [1.0, 0.0, None], ["yes", "No", ""]])
def test_use_of_parquet_may_be_of_any_type(use: list[Any], tmp_path: Path) -> None:
    assert load_parquet(tmp_path, file_name=["1", "2", "3"], use=pa.array(use))["use"] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n1.jpg,a\n", r"there is no column file_name; the columns are 'path', 'label'\. Give"),
        ("file_name;label\n1.jpg;a\n", r"the columns are 'file_name;label'\. .*commas"),
        ("file_name,label\na/1.jpg,a\n./a/1.jpg,b\n", r"the file_name 'a/1\.jpg' is in 2 rows\. Leave one"),
        ("file_name\n/photos/1.jpg\n", r"the file_name '/photos/1\.jpg' \(row 1\) is not below images_root\. Give"),
        ("file_name\n1.jpg\na/../../2.jpg\n", r"the file_name 'a/\.\./\.\./2\.jpg' \(row 2\) is not below"),
        ("file_name\ns3a://bucket/1.jpg\n", r"'s3a://bucket/1\.jpg' \(row 1\) is not below"),
        ("file_name\nC:\\photos\\1.jpg\n", r"\(row 1\) is not below"),
        ("file_name,label\n,a\n", r"row 1 has no file_name\. Give"),
        ("file_name,use\n1.jpg,maybe\n", r"the cell use of '1\.jpg' is 'maybe'\. Allowed are true, false, 1, 0, yes, no"),
        ("file_name,label\n", r"the table is empty: it has no rows\. Give"),
        ("", r"the table is empty\. Give"),
        ("\ufeff\n", r"the table is empty\. Give"),
        ("file_name,label\n1.jpg,a,b\n", r"not a CSV file with commas \(.*Expected 2 columns, got 3.*quotes"),
        ("file_name,label,label\n1.jpg,a,b\n", r"more than one column label\. Leave one"),
        ("file_name,label\n1.jpg,Crème\n".encode("latin-1"), r"not UTF-8 \(line 2 has the byte 0xe8\)\. Save .* UTF-8"),
        ("file_name,label\n1.jpg,a\n".encode("utf-16"), r"not UTF-8 \(line 1 has the byte 0xff\)\. Save"),
    ],
)
def test_a_fault_in_a_csv_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        load_csv(tmp_path, text)
    assert str(caught.value).startswith(f"ingestion.metadata={tmp_path}/labels.csv: ")


@pytest.mark.parametrize("column", ["label", "split"])
@pytest.mark.parametrize("values", [[["a"]], [{"a": 1}], [b"a"]])
def test_a_column_that_is_no_text_is_refused(column: str, values: list[Any], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"the column {column} is of the type .*\. Make it text or numbers"):
        load_parquet(tmp_path, file_name=["1.jpg"], **{column: pa.array(values)})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "there is no such file. Name"),
        ("labels.jsonl", r"must end in \.csv or \.parquet"),
        ("labels.parquet", "this is not a Parquet file"),
        ("folder.csv", "the file cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text("{}")
    (tmp_path / "labels.parquet").write_text("file_name")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DatasetError, match=message):
        load(tmp_path / name)
