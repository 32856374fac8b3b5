"""A table of labels that somebody keeps beside the photos, in the layout of Hugging Face's ImageFolder."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Final, NoReturn

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from kedro.io import AbstractDataset, DatasetError

from fruit_features.datasets.text import decode_utf8
from fruit_features.photos.file_names import is_like_a_place, without_dots
from fruit_features.storage import object_store
from fruit_features.terminal.wording import first_of

COLUMNS: Final = ("file_name", "label", "split", "use")
"""Columns that are read; a table may hold others."""

_USE_WORDS: Final = {"": True, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_MAX_SHOWN: Final = 5

_NO_TABLE: Final = "no table"


class MetadataDataset(AbstractDataset[NoReturn, "pa.Table | None"]):
    """Loads the table of labels that the parameter `ingestion.metadata` names, or None if it names none.

    Loads an Arrow table with file_name (string, without a leading `./`, each once) and those of label (string or null), split
    (string or null) and use (bool) that the file has. Every cell of a CSV is text: `NA` and `007` are labels, an empty cell
    is null. Numbers and dates in a Parquet file become text, and a NaN becomes null.

    Args:
        filepath: A CSV file (UTF-8, with commas and a header) or a Parquet file, local or a URI such as s3a://bucket/a.csv;
            None if there is no table.
        metadata: Ignored here; Kedro-Viz reads it.

    Attributes:
        loaded_identity: What `identify` said of the file that was loaded last; None before the first load.

    """

    loaded_identity: str | None = None

    def __init__(self, *, filepath: str | None, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> pa.Table | None:
        """Read the table.

        Raises:
            DatasetError: The file cannot be read, or is not such a table: the message names the file, the value and the fix.

        """
        if self._filepath is None:
            self.loaded_identity = _NO_TABLE
            return None
        place = f"ingestion.metadata={self._filepath}"
        content = _read(self._filepath, place)
        self.loaded_identity = hashlib.sha256(content).hexdigest()
        try:
            return _checked(_parse(self._filepath, content))
        except ValueError as error:
            raise DatasetError(f"{place}: {error}") from error

    def identify(self) -> str:
        """Read the file, and return its SHA-256.

        Raises:
            DatasetError: The file cannot be read.

        """
        if self._filepath is None:
            return _NO_TABLE
        return hashlib.sha256(_read(self._filepath, f"ingestion.metadata={self._filepath}")).hexdigest()

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: the table belongs to the user."""
        raise DatasetError("the table of labels is read only: nothing is saved through metadata")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


def _read(filepath: str, place: str) -> bytes:
    def read() -> bytes:
        with fsspec.open(filepath, "rb") as file:
            content: bytes = file.read()
        return content

    try:
        if not filepath.startswith(object_store.PROTOCOLS):
            return read()
        contents: list[bytes] = []
        object_store.explain(place, "read", "s3:GetObject", lambda: contents.append(read()))
        return contents[0]
    except object_store.ObjectStoreError as error:
        raise DatasetError(str(error)) from error
    except FileNotFoundError as error:
        raise DatasetError(
            f"{place}: there is no such file. Name a CSV or a Parquet file: kedro run --params ingestion.metadata=FILE"
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{place}: the file cannot be read ({error}). Let this user read it, or name another: kedro run --params "
            "ingestion.metadata=FILE"
        ) from error


def _parse(filepath: str, content: bytes) -> pa.Table:
    ending = filepath.rpartition(".")[2].lower()
    if ending == "csv":
        return _parse_csv(content)
    if ending == "parquet":
        try:
            return pa.parquet.read_table(pa.BufferReader(content))
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"this is not a Parquet file ({error}). Write it anew") from error
    raise ValueError("the name must end in .csv or .parquet, as the table must be one of the two. Save it as one of them")


def _parse_csv(content: bytes) -> pa.Table:
    decode_utf8(content)
    if not content.strip(b"\xef\xbb\xbf\r\n "):
        raise ValueError("the table is empty. Give it the columns file_name and label, and a row for each photo")
    try:
        return pa.csv.read_csv(
            pa.BufferReader(content),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"this is not a CSV file with commas ({error}). Give every row as many cells as the header, and put text with a "
            "comma in it in quotes"
        ) from error


def _checked(table: pa.Table) -> pa.Table:
    """Take the columns that count, as the types that `MetadataDataset` promises.

    Raises:
        ValueError: There is none of file_name, no row, or a value that is not allowed.

    """
    if "file_name" not in table.column_names:
        raise ValueError(
            f"there is no column file_name; the columns are {_named(table.column_names)}. Give the column with the paths "
            "below images_root this name, and put commas between the columns of a CSV"
        )
    twice = [name for name, count in Counter(table.column_names).items() if count > 1 and name in COLUMNS]
    if twice:
        raise ValueError(f"there is more than one column {twice[0]}. Leave one of them")
    if not len(table):
        raise ValueError("the table is empty: it has no rows. Give it one for each photo, or give no table")
    columns = {name: _as_text(table.column(name), name) for name in COLUMNS if name in table.column_names}
    columns["file_name"] = _normalised(columns["file_name"])
    if "use" in columns:
        columns["use"] = _as_bool(columns["use"], columns["file_name"])
    return pa.table(columns)


def _as_text(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Write a column as text, with null for what is empty or not a number."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        raise ValueError(f"the column {name} is of the type {values.type}. Make it text or numbers")
    text = values.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)


def _normalised(file_names: pa.Array) -> pa.Array:
    """Take `./` from the beginning of names, and refuse those that name no file below a folder, or one file twice."""
    names = []
    for number, given in enumerate(file_names.to_pylist(), start=1):
        if given is None:
            raise ValueError(f"row {number} has no file_name. Give it the path below images_root, such as Apple/1.jpg")
        if given.startswith("/") or is_like_a_place(given) or ".." in given.split("/"):
            raise ValueError(
                f"the file_name {given!r} (row {number}) is not below images_root. Give the path below it, such as Apple/1.jpg"
            )
        names.append(without_dots(given))
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise ValueError(f"the file_name {name!r} is in {count} rows. Leave one row for each file")
    return pa.array(names, pa.string())


def _as_bool(use: pa.Array, file_names: pa.Array) -> pa.Array:
    allowed = []
    for given, file_name in zip(use.to_pylist(), file_names.to_pylist(), strict=True):
        word = (given or "").strip().lower()
        if word not in _USE_WORDS:
            raise ValueError(
                f"the cell use of {file_name!r} is {given!r}. Allowed are true, false, 1, 0, yes, no, and an empty cell, "
                "which means true"
            )
        allowed.append(_USE_WORDS[word])
    return pa.array(allowed, pa.bool_())


def _named(names: list[str]) -> str:
    return first_of([repr(name) for name in names], _MAX_SHOWN)
