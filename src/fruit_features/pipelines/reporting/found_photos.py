"""The worst findings of each kind, and the photos beside which the page shows them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.photos.sheets import SIDES, Sheets, lay_on_sheets
from fruit_features.pipelines.reporting.tables import table_of_paths, with_none
from fruit_features.terminal.wording import NO_LABEL

N_SHOWN: Final = 20
"""Findings of each kind that the page shows, those of the highest scores."""

FOUND_PHOTOS: Final = [
    "kind",
    "rank",
    "score",
    "path",
    "label",
    "split",
    "compared_with",
    "compared_label",
    "compared_split",
    "suggested_label",
    "measured",
]

_FACTS = ["width", "height", "brightness", "contrast", "sharpness"]

_ISSUE = "label_issue"

_MEASURED = {"dark": "brightness", "bright": "brightness", "low_contrast": "contrast", "blurry": "sharpness"}
"""The fact about a photo that made it a finding of a kind."""

_BY_SIZE = frozenset({"odd_size", "odd_aspect_ratio"})

_EXPLAINED = {
    "leak": "A copy of a photo in another split.",
    "label_conflict": "A copy of a photo with another label.",
    "exact_duplicate": "A file with the same bytes as another one.",
    "near_duplicate": "A photo that was saved anew, scaled, mirrored, or made darker or brighter.",
    "label_issue": "The label is probably wrong. Beside it: the nearest photo that has the label which is more probable.",
    "outlier": "Far from all others. Beside it: the nearest one.",
    "dark": "Much darker than most.",
    "bright": "Much brighter than most.",
    "blurry": "Much less sharp than most.",
    "low_contrast": "Much less contrast than most.",
    "odd_size": "Much smaller or larger than most.",
    "odd_aspect_ratio": "Much narrower or wider than most.",
}


def choose_found_photos(
    findings: DataFrame, neighbours: DataFrame, featurized_photos: DataFrame, contact_sheet: pd.DataFrame
) -> pd.DataFrame:
    """Choose the worst findings of each kind, and for each the photo that it is shown beside.

    That is the one with which it is compared. A label issue is compared with none: it is shown beside the nearest photo of the
    label that is suggested, or, if none of its neighbours has it, beside one of the contact sheet.

    Args:
        findings: path, label, split, kind, score, compared_with, suggested_label, rank.
        neighbours: path, rank, neighbour.
        featurized_photos: What became of each listed photo: path, label, split if there is one, width, height, brightness,
            contrast, sharpness.
        contact_sheet: label, path.

    Returns:
        `FOUND_PHOTOS`, a row per finding, by kind and rank: compared_with (a path, or None), compared_label and
        compared_split of that photo; measured: what made it a finding, in words, or None.

    """
    worst = findings.where(F.col("rank") <= N_SHOWN).toPandas().sort_values(["kind", "rank"], ignore_index=True)
    if worst.empty:
        return pd.DataFrame(columns=FOUND_PHOTOS)
    session = findings.sparkSession
    issues = table_of_paths(session, worst.loc[worst["kind"] == _ISSUE, "path"])
    near = neighbours.join(issues, "path").select("path", "rank", "neighbour").toPandas()
    split = F.col("split") if "split" in featurized_photos.columns else F.lit(None).cast("string").alias("split")
    named = pd.concat([worst["path"], worst["compared_with"], near["neighbour"], contact_sheet["path"]])
    known = featurized_photos.join(table_of_paths(session, named), "path").select("path", "label", split, *_FACTS).toPandas()
    return pair_photos(worst, near, known, contact_sheet)


def pair_photos(worst: pd.DataFrame, near: pd.DataFrame, known: pd.DataFrame, contact_sheet: pd.DataFrame) -> pd.DataFrame:
    """Say of each finding beside which photo it is shown, and what was measured.

    Args:
        worst: Findings, by kind and rank.
        near: path, rank, neighbour of the label issues among them.
        known: path, label, split and facts of all photos that are named here.
        contact_sheet: label, path.

    Returns:
        `FOUND_PHOTOS`.

    """
    photos = known.set_index("path")
    typical = near.sort_values(["path", "rank"])[["path", "neighbour"]].assign(
        suggested_label=lambda table: table["neighbour"].map(photos["label"])
    )
    beside = typical.dropna().drop_duplicates(["path", "suggested_label"])
    found = worst.merge(beside, on=["path", "suggested_label"], how="left")
    of_label = contact_sheet.dropna(subset="label").drop_duplicates("label").set_index("label")["path"]
    near_by = found["neighbour"].astype(object)
    replacement = near_by.where(near_by.notna(), found["suggested_label"].map(of_label))
    is_issue = found["kind"] == _ISSUE
    found["compared_with"] = found["compared_with"].astype(object).where(~is_issue, replacement)
    for name in ("label", "split"):
        found[f"compared_{name}"] = found["compared_with"].map(photos[name])
    facts = photos[_FACTS].reindex(found["path"]).to_dict("records")
    found["measured"] = [_describe(kind, fact) for kind, fact in zip(found["kind"], facts, strict=True)]
    return with_none(found[FOUND_PHOTOS], [name for name in FOUND_PHOTOS if name not in {"rank", "score"}])


def _describe(kind: str, facts: Mapping[Hashable, Any]) -> str | None:
    """Say what was measured of a photo that is odd; None where nothing was, or nothing is known."""
    if kind in _BY_SIZE and pd.notna(facts["width"]):
        return f"{int(facts['width']):,} x {int(facts['height']):,} pixels"
    name = _MEASURED.get(kind)
    if name is None or pd.isna(facts[name]):
        return None
    return f"{name} {facts[name]:.3g}"


@dataclass(frozen=True)
class Picture:
    """A photo as the page shows it.

    Attributes:
        path: Its path.
        label: Its label, or what stands for none.
        split: Its split, or an empty text.
        sheet: Number of the sheet that it is on; None if the photo is gone.
        style: Where on that sheet, in CSS.

    """

    path: str
    label: str
    split: str
    sheet: int | None
    style: str


@dataclass(frozen=True)
class Pair:
    """A finding: a photo, the one that it is shown beside, if there is one, and what is said of it."""

    photo: Picture
    beside: Picture | None
    score: float
    suggested_label: str
    measured: str


@dataclass(frozen=True)
class Kind:
    """The findings of a kind.

    Attributes:
        name: Its name in the table of findings.
        title: Its name in words.
        explanation: What it means.
        n_findings: How many there are, in the whole table.
        pairs: Those of the highest scores.

    """

    name: str
    title: str
    explanation: str
    n_findings: int
    pairs: list[Pair]


def describe_found_photos(
    found_photos: pd.DataFrame, thumbnails: dict[str, bytes | None], finding_counts: dict[str, int]
) -> tuple[list[Kind], Sheets]:
    """Lay findings out for the page.

    Args:
        found_photos: `FOUND_PHOTOS`.
        thumbnails: Pictures by path.
        finding_counts: How many findings there are of each kind, in the order of the kinds.

    Returns:
        (kinds, sheets): the kinds of which there are findings, and the sheets with all of their photos, each of them once.

    """
    named = pd.concat([found_photos["path"], found_photos["compared_with"]]).dropna()
    numbers = {path: number for number, path in enumerate(named.unique())}
    sheets = lay_on_sheets([thumbnails.get(path) for path in numbers], SIDES[0])

    def picture(path: str, label: str | None, split: str | None) -> Picture:
        size = sheets.sizes[numbers[path]]
        names = path, NO_LABEL if pd.isna(label) else str(label), "" if pd.isna(split) else str(split)
        if size is None:
            return Picture(*names, None, "")
        sheet, left, top = sheets.place(numbers[path])
        return Picture(*names, sheet, f"width:{size[0]}px;height:{size[1]}px;background-position:{-left}px {-top}px")

    def pair(row: Any) -> Pair:
        has_other = pd.notna(row.compared_with)
        return Pair(
            picture(row.path, row.label, row.split),
            picture(row.compared_with, row.compared_label, row.compared_split) if has_other else None,
            row.score,
            "" if pd.isna(row.suggested_label) else row.suggested_label,
            "" if pd.isna(row.measured) else row.measured,
        )

    by_kind = {kind: list(rows.itertuples()) for kind, rows in found_photos.sort_values("rank").groupby("kind")}
    kinds = [
        Kind(name, name.replace("_", " "), _EXPLAINED.get(name, ""), count, [pair(row) for row in by_kind.get(name, [])])
        for name, count in finding_counts.items()
        if count
    ]
    return kinds, sheets
