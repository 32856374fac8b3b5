"""The tables of findings: a row per finding, of all kinds in one table, the most serious kinds first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from fruit_features.analysis.copies import group_copies
from fruit_features.spark.spreadsheet import FORMULA

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS: Final = (
    "leak",
    "label_conflict",
    "exact_duplicate",
    "near_duplicate",
    "label_issue",
    "outlier",
    "dark",
    "bright",
    "blurry",
    "low_contrast",
    "odd_size",
    "odd_aspect_ratio",
)

FINDINGS: Final = ["path", "label", "split", "kind", "score", "compared_with", "suggested_label", "rank"]

_TYPES = {"score": pa.float64(), "rank": pa.int32()}

COPIES: Final = ["path", "group", "kind", "compared_with", "score"]

LABEL_ISSUES: Final = ["path", "score", "suggested_label"]


def describe_copies(paths: pd.Series, first_of_content: pd.Series, pairs: pd.DataFrame, max_distance: float) -> pd.DataFrame:
    """Group photos that are copies, and say of each what it is a copy of.

    Args:
        paths: Photos, in order.
        first_of_content: The first photo with the same content, of each.
        pairs: first, second, distance: paths of photos with different contents that are near duplicates, and the grey levels
            that their thumbnails differ by.
        max_distance: The most that these may differ by.

    Returns:
        A row for each photo that is not alone in its group: `COPIES`.

    """
    number = pd.Series(np.arange(len(paths)), index=paths.to_numpy())
    same = np.column_stack([np.arange(len(paths)), number.reindex(first_of_content).to_numpy()])
    near = np.column_stack([number.reindex(pairs[name]).to_numpy(np.int64) for name in ("first", "second")])
    lowest = group_copies(len(paths), np.concatenate([same, near]))
    described = pd.DataFrame({"path": paths, "group": paths.to_numpy()[lowest]})
    # A near duplicate is shown beside the first photo of its group, and has the score of the copy that is nearest to it.
    both = [pairs.set_index(name)["distance"] for name in ("first", "second")]
    closest = pd.concat(both).groupby(level=0).min()
    of_near = 1 - described["path"].map(closest) / (max_distance or 1.0)
    is_exact = pd.Series(first_of_content.to_numpy() != paths.to_numpy())
    is_near = ~is_exact & (described["group"] != described["path"])
    described["kind"] = pd.Series(np.where(is_exact, "exact_duplicate", "near_duplicate"), dtype=object).where(
        is_exact | is_near
    )
    described["compared_with"] = described["group"].where(is_near)
    described.loc[is_exact, "compared_with"] = first_of_content[is_exact]
    described["score"] = of_near.where(is_near)
    described.loc[is_exact, "score"] = 1.0
    return described[described.groupby("group")["path"].transform("size") > 1].reset_index(drop=True)


def findings_table(photos: pd.DataFrame, kind: str, positions: NDArray[np.intp], scores: NDArray[np.float64]) -> pd.DataFrame:
    """Lay findings of one kind out as path, kind, score.

    Args:
        photos: path.
        kind: The kind.
        positions: Which photos, (n_findings,).
        scores: Their scores, (n_findings,).

    """
    return pd.DataFrame({"path": photos["path"].to_numpy()[positions], "kind": kind, "score": scores})


def rank_findings(
    photos: pd.DataFrame, copies: pd.DataFrame, label_issues: pd.DataFrame, odd: pd.DataFrame, nearest: pd.DataFrame
) -> pd.DataFrame:
    """Put findings of all kinds into one table, and rank them within their kind.

    Args:
        photos: path, label, split of all photos.
        copies: `COPIES`.
        label_issues: `LABEL_ISSUES`.
        odd: path, kind, score of outliers and odd photos.
        nearest: path, neighbour: the nearest one of every photo, beside which outliers are shown.

    Returns:
        `FINDINGS`, by kind and rank.

    """
    duplicates = copies[copies["kind"].notna()].drop(columns="group")
    neighbour = nearest.set_index("path")["neighbour"]
    odd = odd.assign(compared_with=odd["path"].map(neighbour).where(odd["kind"] == "outlier"))
    parts = [
        _find_differing(copies, photos, "split", "leak"),
        _find_differing(copies, photos, "label", "label_conflict"),
        duplicates,
        label_issues.assign(kind="label_issue"),
        odd,
    ]
    whole = [part.reindex(columns=["path", "kind", "score", "compared_with", "suggested_label"]) for part in parts]
    found = pd.concat([part.astype(object) for part in whole], ignore_index=True)
    found = found.merge(photos[["path", "label", "split"]], on="path")
    found["score"] = found["score"].astype(np.float64).clip(0, 1)
    found["kind"] = pd.Categorical(found["kind"], KINDS, ordered=True)
    found = found.sort_values(["kind", "score", "path"], ascending=[True, False, True], ignore_index=True)
    found["kind"] = found["kind"].astype(object)
    found["rank"] = found.groupby("kind").cumcount() + 1
    return found[FINDINGS]


def as_arrow(findings: pd.DataFrame) -> pa.Table:
    """Give the table of findings the types that it has whether there are findings or not; what is missing is null."""
    schema = pa.schema([(name, _TYPES.get(name, pa.string())) for name in FINDINGS])
    return pa.Table.from_pandas(findings, schema, preserve_index=False)


def disarm_formulas(findings: pd.DataFrame) -> pd.DataFrame:
    """Put an apostrophe where a spreadsheet would see a formula."""
    names = findings.select_dtypes(object).columns
    return findings.assign(**{name: findings[name].str.replace(f"^(?={FORMULA})", "'", regex=True) for name in names})


def count_kinds(findings: pd.DataFrame) -> dict[str, int]:
    """Count findings by kind, with a 0 for kinds of which there is none."""
    counts = findings["kind"].value_counts()
    return {kind: int(counts.get(kind, 0)) for kind in KINDS}


def _find_differing(copies: pd.DataFrame, photos: pd.DataFrame, column: str, kind: str) -> pd.DataFrame:
    """Find copies that differ in a column from the first photo of their group that has a value there.

    Args:
        copies: path, group, score, in the order of their paths.
        photos: path and the column.
        column: `label` or `split`.
        kind: The kind of finding that this is.

    Returns:
        path, kind, score, compared_with.

    """
    known = copies.merge(photos[["path", column]], on="path").dropna(subset=column).sort_values("path")
    first = known.groupby("group")[["path", column, "score"]].transform("first")
    differing = known[known[column] != first[column]]
    # The first photo of a group has no score of its own; where it differs, that of the photo it is shown beside is meant.
    scores = differing["score"].fillna(first.loc[differing.index, "score"])
    return pd.DataFrame(
        {"path": differing["path"], "kind": kind, "score": scores, "compared_with": first.loc[differing.index, "path"]}
    )
