"""A CSV file that people fill in with a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from kedro.io import DatasetError
from kedro_datasets.pandas import CSVDataset

from fruit_features.datasets.text import decode_utf8
from fruit_features.spark.spreadsheet import FORMULA

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

_DELIMITERS: Final = (",", ";", "\t")
"""What stands between cells: spreadsheets write semicolons where the comma is that of decimal numbers."""

_FORMULA: Final = re.compile(f"^(?='*{FORMULA})")

_DISARMED: Final = re.compile(f"^'(?='*{FORMULA})")


class SpreadsheetCSVDataset(CSVDataset):  # type: ignore[misc]
    """`CSVDataset` for a table that somebody fills in with a spreadsheet between a run and the next.

    It saves UTF-8 with a byte order mark, by which spreadsheets know the encoding, and an apostrophe before what they would
    take for a formula. It loads every cell as text, without that apostrophe; commas, semicolons or tabs may stand between
    cells, and lines may end as on any system.

    A file in whose column `filled_in` somebody has written is not replaced.

    Args:
        filepath: Where the file lies.
        filled_in: The column that is empty when the table is saved, and that people fill in.
        metadata: Ignored here; Kedro-Viz reads it.

    """

    def __init__(self, *, filepath: str | os.PathLike[str], filled_in: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(
            filepath=filepath,
            save_args={"index": False, "quoting": csv.QUOTE_NONNUMERIC},
            fs_args={"open_args_save": {"encoding": "utf-8-sig", "newline": ""}},
            metadata=metadata,
        )
        self._filled_in = filled_in

    def load(self) -> pd.DataFrame:
        """Read the table: every cell is text, an empty cell is an empty text.

        Raises:
            DatasetError: The file cannot be read as a table; the message names the file, the line and the fix.

        """
        with self._fs.open(str(self._get_load_path()), "rb") as file:
            content: bytes = file.read()
        try:
            return _parse(decode_utf8(content))
        except ValueError as error:
            raise DatasetError(f"{self._place()}: {error}") from error

    def save(self, data: pd.DataFrame) -> None:
        """Write the table.

        Raises:
            DatasetError: Somebody has filled in the table that is there.

        """
        self._refuse_to_replace_work()
        names = data.select_dtypes(object).columns
        super().save(data.assign(**{name: data[name].str.replace(_FORMULA, "'", regex=True) for name in names}))

    def preview(self, nrows: int = 40) -> dict[str, Any]:
        """Show the first rows in Kedro-Viz."""
        split: dict[str, Any] = self.load()[:nrows].to_dict(orient="split")
        return split

    def _refuse_to_replace_work(self) -> None:
        if not self._exists():
            return
        try:
            there = self.load()
        except DatasetError as error:
            raise DatasetError(f"{error}. Or move the file away, to have a new one written") from error
        if any(cell.strip() for cell in there.loc[:, there.columns == self._filled_in].to_numpy().flat):
            raise DatasetError(
                f"{self._place()}: somebody has written into the column {self._filled_in}, and a new table would replace "
                "that. Move the file away, or delete it"
            )

    def _place(self) -> str:
        path = str(self._filepath)
        return path if self._protocol == "file" else f"{self._protocol}://{path}"


def _parse(text: str) -> pd.DataFrame:
    """Read a table with a header, by the delimiter that makes most cells of the header.

    Raises:
        ValueError: It has no header, or a row that does not fit to it.

    """

    def read(delimiter: str) -> Iterator[list[str]]:
        return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)

    try:
        rows = list(read(max(_DELIMITERS, key=lambda delimiter: len(next(read(delimiter), [])))))
    except csv.Error as error:
        raise ValueError(f"this is not a CSV file ({error}). Save it as 'CSV UTF-8'") from error
    if not rows or not any(rows[0]):
        raise ValueError("the table is empty. Keep the header as it was written")
    header = [name.strip() for name in rows[0]]
    while header and not header[-1]:  # columns that a spreadsheet has added, and that nobody has named
        header.pop()
    cells = []
    for number, row in enumerate(rows[1:], start=2):
        if any(row[len(header) :]):
            raise ValueError(
                f"row {number} has {len(row)} cells, and the header {len(header)}. Give every row as many cells as the header"
            )
        if any(row):
            filled = [*row, *[""] * len(header)][: len(header)]
            cells.append([_DISARMED.sub("", cell) for cell in filled])
        else:
            cells.append([""] * len(header))
    return pd.DataFrame(cells, columns=pd.Index(header), dtype=object)
