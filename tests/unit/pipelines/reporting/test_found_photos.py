"""Findings on the page: beside which photo each is shown, what is said of it, and that a photo is on the sheet once."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fruit_features.pipelines.reporting.found_photos import FOUND_PHOTOS, describe_found_photos, pair_photos
from tests.support.photos import encoded, fruit

FINDINGS = ["path", "label", "split", "kind", "score", "compared_with", "suggested_label", "rank"]

PICTURE = encoded(fruit("Pear", 0, (96, 48)), "JPEG")


def findings(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {
        "path": "a",
        "label": "Pear",
        "split": None,
        "score": 0.9,
        "compared_with": None,
        "suggested_label": None,
        "rank": 1,
    }
    return pd.DataFrame([usual | row for row in rows], columns=FINDINGS)


def known(**labels: str | None) -> pd.DataFrame:
    """Photos with their labels, of the split `train`."""
    facts = {"width": 640, "height": 48, "brightness": 0.0412, "contrast": 0.1, "sharpness": 0.00051234}
    rows = [{"path": path, "label": label, "split": "train", **facts} for path, label in labels.items()]
    return pd.DataFrame(rows, columns=["path", "label", "split", *facts])


def near(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["path", "rank", "neighbour"])


def sheet(**photos: str) -> pd.DataFrame:
    return pd.DataFrame({"label": list(photos), "path": list(photos.values())}, dtype=object)


def only(found: pd.DataFrame) -> dict[str, Any]:
    assert list(found.columns) == FOUND_PHOTOS
    (row,) = found.to_dict("records")
    return row


def test_a_copy_is_shown_beside_the_photo_that_it_is_a_copy_of() -> None:
    copies = findings({"kind": "leak", "compared_with": "b", "split": "test"})
    row = only(pair_photos(copies, near(), known(a="Pear", b="Plum"), sheet()))
    assert (row["compared_with"], row["compared_label"], row["compared_split"]) == ("b", "Plum", "train")
    assert (row["label"], row["split"], row["measured"]) == ("Pear", "test", None)


def test_a_label_issue_is_shown_beside_the_nearest_photo_of_the_label_that_is_suggested() -> None:
    issue = findings({"kind": "label_issue", "suggested_label": "Plum"})
    neighbours = near(("a", 3, "d"), ("a", 2, "c"), ("a", 1, "b"))
    row = only(pair_photos(issue, neighbours, known(a="Pear", b="Pear", c="Plum", d="Plum"), sheet(Plum="x")))
    assert (row["compared_with"], row["compared_label"]) == ("c", "Plum")


def test_if_no_neighbour_has_that_label_a_photo_of_the_contact_sheet_stands_for_it() -> None:
    issue = findings({"kind": "label_issue", "suggested_label": "Plum"})
    row = only(pair_photos(issue, near(("a", 1, "b")), known(a="Pear", b="Pear", x="Plum"), sheet(Pear="y", Plum="x")))
    assert (row["compared_with"], row["compared_label"]) == ("x", "Plum")
    alone = only(pair_photos(issue, near(), known(a="Pear"), sheet()))
    assert (alone["compared_with"], alone["compared_label"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "measured"),
    [
        ("dark", "brightness 0.0412"),
        ("bright", "brightness 0.0412"),
        ("blurry", "sharpness 0.000512"),
        ("low_contrast", "contrast 0.1"),
        ("odd_size", "640 x 48 pixels"),
        ("odd_aspect_ratio", "640 x 48 pixels"),
        ("outlier", None),
    ],
)
def test_what_is_odd_about_a_photo_is_said_in_numbers(kind: str, measured: str | None) -> None:
    assert only(pair_photos(findings({"kind": kind}), near(), known(a="Pear"), sheet()))["measured"] == measured


def test_a_photo_that_is_not_listed_any_more_is_named() -> None:
    row = only(pair_photos(findings({"kind": "dark", "compared_with": "b"}), near(), known(), sheet()))
    assert (row["path"], row["compared_with"], row["compared_label"], row["measured"]) == ("a", "b", None, None)


def found(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = dict.fromkeys(FOUND_PHOTOS) | {"kind": "leak", "rank": 1, "score": 0.5, "path": "file:/p/a.jpg"}
    return pd.DataFrame([usual | row for row in rows], columns=FOUND_PHOTOS)


def test_findings_are_laid_out_by_kind_and_rank() -> None:
    table = found(
        {"rank": 2, "path": "file:/p/b.jpg", "compared_with": "file:/p/a.jpg", "compared_label": "Plum"},
        {
            "rank": 1,
            "path": "file:/p/c.jpg",
            "label": "Pear",
            "split": "test",
            "suggested_label": "Plum",
            "measured": "dark 1",
        },
        {"kind": "dark"},
    )
    kinds, _ = describe_found_photos(table, {}, {"near_duplicate": 0, "dark": 1, "leak": 77, "outlier": 3})
    assert [(kind.name, kind.title, kind.n_findings, len(kind.pairs)) for kind in kinds] == [
        ("dark", "dark", 1, 1),
        ("leak", "leak", 77, 2),
        ("outlier", "outlier", 3, 0),
    ]
    first, second = kinds[1].pairs
    assert (first.photo.label, first.photo.split, first.suggested_label, first.measured) == ("Pear", "test", "Plum", "dark 1")
    assert first.beside is None
    assert second.photo.label == "(no label)"
    assert second.beside is not None
    assert (second.beside.path, second.beside.label) == ("file:/p/a.jpg", "Plum")
    assert second.photo.sheet is None, "it is gone"


def test_a_photo_is_on_the_sheet_once() -> None:
    table = found({"compared_with": "b"}, {"path": "b", "compared_with": "file:/p/a.jpg"})
    kinds, sheets = describe_found_photos(table, {"file:/p/a.jpg": PICTURE, "b": PICTURE}, {"leak": 2})
    assert sheets.sizes == [(96, 48)] * 2
    first, second = kinds[0].pairs
    assert first.beside is not None
    assert first.beside.style == second.photo.style == "width:96px;height:48px;background-position:-96px 0px"


def test_no_findings_are_no_fault() -> None:
    kinds, sheets = describe_found_photos(pd.DataFrame(columns=FOUND_PHOTOS), {}, {"leak": 0})
    assert (kinds, sheets.images) == ([], [])
