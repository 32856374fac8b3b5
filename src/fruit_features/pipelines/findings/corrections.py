"""From findings to a table of labels: a sheet in which people say what they agree to, and what follows from it.

This module knows pandas only, and each function returns a new table.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from fruit_features.photos.file_names import is_like_a_place, without_dots
from fruit_features.photos.reasons import LEFT_OUT
from fruit_features.pipelines.findings.tables import KINDS
from fruit_features.terminal.wording import first_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CORRECTIONS: Final = (
    "file_name",
    "label",
    "split",
    "kinds",
    "score",
    "compared_with",
    "compared_label",
    "suggested_label",
    "suggested_use",
    "agree",
)
"""Columns of the sheet; `split` is there if photos have one."""

READ: Final = ("file_name", "suggested_label", "suggested_use", "agree")
"""Those of them that are read again."""

_AGREED: Final = {"yes": True, "y": True, "x": True, "1": True, "": False, "no": False, "n": False, "0": False}

_USES: Final = {"yes": True, "no": False, "": None}

_COPIES: Final = frozenset({"leak", "label_conflict", "exact_duplicate", "near_duplicate"})
"""Kinds of photos that are copies of others."""

_MAX_NAMED: Final = 5
"""Labels or columns that an error names."""


def suggest_corrections(findings: pd.DataFrame, photos: pd.DataFrame) -> pd.DataFrame:
    """Lay out what there is to decide: a row for each photo with a finding, the most serious ones first.

    Args:
        findings: path, label, split, kind, score, compared_with, suggested_label, rank.
        photos: path, file_name, label of every listed photo. Findings of other photos are left out.

    Returns:
        `CORRECTIONS`, with texts that are empty where there is nothing to say, and score (float). A label is suggested for
        label issues. Suggested as use is `no` for copies and for photos that have no label issue, and `yes` for all others.
        Nobody has agreed yet.

    """
    file_names = dict(zip(photos["path"], photos["file_name"], strict=True))
    labels = dict(zip(photos["path"], photos["label"], strict=True))
    known = findings[findings["path"].isin(photos["path"])]
    known = known.assign(place=known["kind"].map(KINDS.index)).sort_values(["place", "rank"])
    rows = []
    for path, of_photo in known.groupby("path", sort=False):
        first = of_photo.iloc[0]
        kinds = set(of_photo["kind"])
        other = next((found for found in of_photo["compared_with"] if isinstance(found, str)), "")
        suggested = next((label for label in of_photo["suggested_label"] if isinstance(label, str)), "")
        rows.append(
            {
                "file_name": file_names[str(path)],
                "label": first["label"],
                "split": first["split"],
                "kinds": ", ".join(of_photo["kind"]),
                "score": round(float(first["score"]), 3),
                "compared_with": file_names.get(other),
                "compared_label": labels.get(other),
                "suggested_label": suggested,
                "suggested_use": "yes" if "label_issue" in kinds and not kinds & _COPIES else "no",
                "agree": "",
            }
        )
    sheet = pd.DataFrame(rows, columns=list(CORRECTIONS), dtype=object)
    if sheet["split"].isna().all():
        sheet = sheet.drop(columns="split")
    texts = sheet.columns.drop("score")
    return sheet.assign(**{name: sheet[name].fillna("").astype(object) for name in texts}, score=sheet["score"].astype(float))


def apply_corrections(photos: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    """Write the table of labels: what the photos had, but for what somebody has agreed to.

    Args:
        photos: file_name, label, split if there is one, error, of every listed photo.
        sheet: Texts: `READ`, and other columns. Rows may be missing, and rows for other photos may have been added.

    Returns:
        file_name, label, split if there is one, use (`true` or `false`), in the order of the names.

    Raises:
        ValueError: The sheet lacks a column, or a row has a value that is not allowed: the message names the row as a
            spreadsheet numbers it, the value and the fix.

    """
    decided = _read_sheet(sheet, set(photos["file_name"]), set(photos["label"].dropna()))
    table = photos.sort_values("file_name", ignore_index=True)
    labels = table["file_name"].map({name: label for name, (label, _) in decided.items() if label})
    uses = {name: use for name, (_, use) in decided.items() if use is not None}
    table["label"] = labels.where(labels.notna(), table["label"])
    were_used = zip(table["file_name"], table["error"] != LEFT_OUT, strict=True)
    table["use"] = ["true" if uses.get(name, was_used) else "false" for name, was_used in were_used]
    # What begins like a place of its own, as `C:/`, would not be taken for a name below the folder.
    table["file_name"] = [f"./{name}" if is_like_a_place(name) else name for name in table["file_name"]]
    return table[["file_name", "label", *(["split"] if "split" in table else []), "use"]]


def _read_sheet(sheet: pd.DataFrame, file_names: set[str], labels: set[str]) -> dict[str, tuple[str, bool | None]]:
    """Read what somebody has agreed to: label (empty: as it was) and use (None: as it was), by file name."""
    for column in READ:
        n_there = list(sheet.columns).count(column)
        if n_there != 1:
            raise ValueError(
                f"corrections: there {'is no column' if not n_there else 'are several columns'} {column}; the columns are "
                f"{_named(list(sheet.columns))}. Keep the header as it was written, and commas, semicolons or tabs between "
                "cells"
            )
    decided: dict[str, tuple[str, bool | None]] = {}
    for number, row in enumerate(sheet[list(READ)].to_dict("records"), start=2):
        if not any(row.values()):
            continue
        name = without_dots(row["file_name"])
        if name not in file_names:
            raise ValueError(
                f"corrections: row {number} has the file_name {row['file_name']!r}, which is not among the photos that were "
                "listed last. Correct the name, or delete the row"
            )
        if not _choose(row, "agree", _AGREED, "yes, y, x or 1; no, n or 0; and an empty cell, which means no", number):
            continue
        use = _choose(row, "suggested_use", _USES, "yes, no, and an empty cell, which leaves it as it is", number)
        label = row["suggested_label"]
        if label and label not in labels:
            raise ValueError(
                f"corrections: row {number} has the suggested_label {label!r}, which no photo has; the labels are "
                f"{_named(sorted(labels))}. Correct it; a label that is new is given to photos in metadata.csv, afterwards"
            )
        if not label and use is None:
            raise ValueError(
                f"corrections: row {number} agrees to nothing, as suggested_label and suggested_use are empty. Fill in one of "
                "them, or empty the cell agree"
            )
        if name in decided:
            raise ValueError(f"corrections: {name!r} is agreed to in two rows, the second of which is {number}. Leave one")
        decided[name] = (label, use)
    return decided


def _choose(row: Mapping[Any, str], column: str, words: Mapping[str, bool | None], allowed: str, number: int) -> bool | None:
    word = row[column].strip().casefold()
    if word not in words:
        raise ValueError(f"corrections: row {number} has the {column} {row[column]!r}. Allowed are {allowed}")
    return words[word]


def count_changes(before: pd.DataFrame, after: pd.DataFrame) -> Counter[str]:
    """Count what differs between two tables of labels.

    Args:
        before: label, error, in the order of the names.
        after: label, use, of the same photos.

    Returns:
        Numbers of `labels` that are others, of photos `left out`, and of those `taken back`.

    """
    is_other = before["label"].fillna("").to_numpy() != after["label"].fillna("").to_numpy()
    was_used, is_used = (before["error"] != LEFT_OUT).to_numpy(), (after["use"] == "true").to_numpy()
    return Counter(
        labels=int(is_other.sum()),
        left_out=int((was_used & ~is_used).sum()),
        taken_back=int((~was_used & is_used).sum()),
    )


def _named(names: list[str]) -> str:
    return first_of([repr(name) for name in names], _MAX_NAMED)
