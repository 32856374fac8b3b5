"""The table of findings: what is compared with what, how findings are ranked, and names that come from outside."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from fruit_features.pipelines.findings.tables import (
    COPIES,
    FINDINGS,
    KINDS,
    LABEL_ISSUES,
    as_arrow,
    count_kinds,
    describe_copies,
    rank_findings,
)

NO_COPIES, NO_ISSUES = pd.DataFrame(columns=COPIES), pd.DataFrame(columns=LABEL_ISSUES)
NO_ODD, NO_NEAREST = pd.DataFrame(columns=["path", "kind", "score"]), pd.DataFrame(columns=["path", "neighbour"])


def photos_of(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["path", "label", "split"])


def copies_of(contents: dict[str, str], *near: tuple[str, str, float]) -> pd.DataFrame:
    """Copies among photos, by path and content."""
    photos = pd.DataFrame({"path": list(contents), "digest": list(contents.values())})
    first = photos.groupby("digest")["path"].transform("first")
    return describe_copies(photos["path"], first, pd.DataFrame(list(near), columns=["first", "second", "distance"]), 1.2)


def rows_of(table: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return [tuple(None if pd.isna(value) else value for value in row) for row in table[list(columns)].to_numpy()]


def test_copies_of_a_content_are_compared_with_its_first_photo() -> None:
    copies = copies_of({"a": "1", "b": "2", "c": "1", "d": "1"})
    assert rows_of(copies, "path", "group", "kind", "compared_with", "score") == [
        ("a", "a", None, None, None),
        ("c", "a", "exact_duplicate", "a", 1.0),
        ("d", "a", "exact_duplicate", "a", 1.0),
    ]


def test_near_duplicates_are_compared_with_the_first_photo_of_their_group() -> None:
    copies = copies_of({"a": "1", "b": "2", "c": "3", "d": "3", "e": "4"}, ("c", "b", 0.6), ("b", "c", 0.6), ("a", "b", 0.3))
    assert rows_of(copies, "path", "kind", "compared_with", "score") == [
        ("a", None, None, None),
        ("b", "near_duplicate", "a", 0.75),
        ("c", "near_duplicate", "a", 0.5),
        ("d", "exact_duplicate", "c", 1.0),
    ]
    assert set(copies["group"]) == {"a"}


def test_copies_in_two_splits_are_leaks_and_those_of_two_labels_conflicts() -> None:
    copies = copies_of({"a": "1", "b": "1", "c": "1"})
    photos = photos_of(("a", "x", None), ("b", "x", "train"), ("c", "y", "test"))
    found = rank_findings(photos, copies, NO_ISSUES, NO_ODD, NO_NEAREST)
    assert rows_of(found, "kind", "path", "compared_with", "rank") == [
        ("leak", "c", "b", 1),
        ("label_conflict", "c", "a", 1),
        ("exact_duplicate", "b", "a", 1),
        ("exact_duplicate", "c", "a", 2),
    ]


def test_findings_are_ranked_by_score_and_then_by_path() -> None:
    photos = photos_of(*((name, None, None) for name in "abc"))
    odd = pd.DataFrame({"path": ["c", "a", "b"], "kind": "dark", "score": [0.4, 0.4, 0.9]})
    found = rank_findings(photos, NO_COPIES, NO_ISSUES, odd, NO_NEAREST)
    assert rows_of(found, "path", "score", "rank") == [("b", 0.9, 1), ("a", 0.4, 2), ("c", 0.4, 3)]
    assert count_kinds(found) == {kind: 3 * (kind == "dark") for kind in KINDS}


def test_outliers_are_compared_with_their_nearest_neighbour_and_label_issues_name_a_label() -> None:
    photos = photos_of(("a", "x", None), ("b", "x", None))
    odd = pd.DataFrame({"path": ["a", "a"], "kind": ["outlier", "dark"], "score": [0.4, 0.4]})
    nearest = pd.DataFrame({"path": ["a"], "neighbour": ["b"]})
    issues = pd.DataFrame([("b", 0.99, "y")], columns=LABEL_ISSUES)
    found = rank_findings(photos, NO_COPIES, issues, odd, nearest)
    assert rows_of(found, "kind", "path", "label", "compared_with", "suggested_label") == [
        ("label_issue", "b", "x", None, "y"),
        ("outlier", "a", "x", "b", None),
        ("dark", "a", "x", None, None),
    ]


def test_nothing_is_a_table_with_the_same_types() -> None:
    found = rank_findings(photos_of(), NO_COPIES, NO_ISSUES, NO_ODD, NO_NEAREST)
    assert list(found.columns) == FINDINGS
    assert len(found) == 0
    odd = pd.DataFrame({"path": ["a"], "kind": "dark", "score": [0.4]})
    some = rank_findings(photos_of(("a", None, None)), NO_COPIES, NO_ISSUES, odd, NO_NEAREST)
    assert as_arrow(found).schema == as_arrow(some).schema
    assert as_arrow(some).column("label").null_count == 1


def test_names_from_outside_come_back_out_of_the_csv() -> None:
    hostile = ['a "b", <img onerror=x>\nc\rd', "=1+1", "", " blanks "]
    photos = photos_of(*((f"{number}{name}", name, None) for number, name in enumerate(hostile)))
    odd = pd.DataFrame({"path": photos["path"], "kind": "dark", "score": np.linspace(0.9, 0.1, len(photos))})
    found = rank_findings(photos, NO_COPIES, NO_ISSUES, odd, NO_NEAREST)
    text = found.to_csv(index=False, quoting=2, lineterminator="\n")
    read = pd.read_csv(io.StringIO(text, newline=""), keep_default_na=False)
    assert read["path"].tolist() == photos["path"].tolist()
    assert read["label"].tolist() == hostile
