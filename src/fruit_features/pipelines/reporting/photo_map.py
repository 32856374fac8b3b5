"""The map: photos on a plane, where neighbours lie together, and what the page shows when one points at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from fruit_features.analysis.layout import lay_out
from fruit_features.photos.sheets import Sheets, choose_side, lay_on_sheets
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.scatters import COLOURS, OTHER_COLOUR, scatter_by_label
from fruit_features.pipelines.reporting.tables import count_values, table_of_paths, with_none
from fruit_features.spark.feature_store import components_of, names_of
from fruit_features.spark.sampling import hash_of_path
from fruit_features.terminal.wording import NO_LABEL, count_of

MAP_PHOTOS: Final = ["path", "label", "split", "x", "y", "kinds", "suggested_label", "neighbours"]

N_NEAR: Final = 6
"""Neighbours of a photo that the page shows."""

_N_DIGITS = 4
"""Decimals of coordinates from 0 to 1 on the page: a tenth of a pixel on a map of a thousand."""

_AXIS = [-0.03, 1.03]
"""Range of both axes: places are from 0 to 1, and dots have a size."""


def lay_out_photos(
    pca_features: DataFrame,
    neighbours: DataFrame,
    findings: DataFrame,
    found_photos: pd.DataFrame,
    parameters: ReportingParameters,
) -> pd.DataFrame:
    """Choose the photos of the map and lay them out, by t-SNE on their components.

    Those that the page shows as findings are chosen first; then, of every label, one photo before any label's second, and so
    on: a rare label is there as a whole, and a frequent one is sampled.

    Args:
        pca_features: path, label, split if there is one, pca_1 .. pca_k.
        neighbours: path, rank, neighbour.
        findings: path, kind, suggested_label.
        found_photos: path, compared_with.
        parameters: How many photos, and the seed of their choice.

    Returns:
        `MAP_PHOTOS`, in the order of their paths: x and y, from 0 to 1; kinds of findings, suggested_label (or None), and
        neighbours, the nearest first.

    """
    if parameters.max_map_points == 0:
        return pd.DataFrame(columns=MAP_PHOTOS)
    session = pca_features.sparkSession
    found = table_of_paths(session, pd.concat([found_photos["path"], found_photos["compared_with"]])).withColumn(
        "is_found", F.lit(1)
    )
    first, by_chance = F.coalesce("is_found", F.lit(0)).desc(), hash_of_path(parameters.seed)
    place = F.row_number().over(Window.partitionBy("label").orderBy(first, by_chance, "path"))
    vector = F.array(*components_of(pca_features)).alias("vector")
    chosen = (
        pca_features.select(*names_of(pca_features), vector)
        .join(found, "path", "left")
        .withColumn("place", place)
        .orderBy(first, "place", by_chance, "path")
        .limit(parameters.max_map_points)
        .drop("is_found", "place")
        .toArrow()
        .sort_by("path")
    )
    vectors = chosen.column("vector").combine_chunks().flatten().to_numpy()
    placed = lay_out(vectors.reshape(len(chosen), -1 if len(chosen) else 0), parameters.seed)
    photos = chosen.drop_columns("vector").to_pandas().assign(x=placed[:, 0], y=placed[:, 1])
    shown = table_of_paths(session, photos["path"])
    near = neighbours.where(F.col("rank") <= N_NEAR).join(shown, "path").select("path", "rank", "neighbour").toPandas()
    kinds = findings.join(shown, "path").select("path", "kind", "suggested_label").toPandas()
    return describe_photos(photos, near, kinds)


def describe_photos(photos: pd.DataFrame, near: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Put what is known of the photos on the map into one table.

    Args:
        photos: path, label, split if there is one, x, y.
        near: path, rank, neighbour.
        found: path, kind, suggested_label.

    Returns:
        `MAP_PHOTOS`, in the order of `photos`.

    """
    in_order = near.sort_values(["path", "rank"]).groupby("path")["neighbour"].agg(list)
    kinds = found.sort_values(["path", "kind"]).groupby("path")["kind"].agg(list)
    suggested = found.dropna(subset="suggested_label").drop_duplicates("path").set_index("path")["suggested_label"]
    table = photos.reindex(columns=MAP_PHOTOS)
    for name, lists in (("kinds", kinds), ("neighbours", in_order)):
        table[name] = pd.Series([lists.get(path, []) for path in photos["path"]], index=table.index, dtype=object)
    table["suggested_label"] = photos["path"].map(suggested)
    return with_none(table, ["label", "split", "suggested_label"])


def plot_photo_map(map_photos: pd.DataFrame) -> go.Figure:
    """Draw the map as Kedro-Viz shows it: points without pictures, coloured by label.

    Args:
        map_photos: `MAP_PHOTOS`.

    """
    texts = map_photos.assign(
        findings=[", ".join(kinds).replace("_", " ") for kinds in map_photos["kinds"]],
        label=map_photos["label"].fillna(NO_LABEL),
    )
    shown = [name for name in ("label", "split", "findings") if texts[name].fillna("").astype(bool).any()]
    figure = scatter_by_label(texts, ("x", "y"), shown, is_map=True)
    title = f"{count_of(len(texts), 'photo')}: those that are alike lie together"
    return figure.update_layout(title=title).update_xaxes(range=_AXIS).update_yaxes(range=_AXIS)


@dataclass(frozen=True)
class MapView:
    """The map as the page shows it.

    Attributes:
        data: What the script of the page knows of the photos, as JSON.
        sheets: Their pictures, in their order.
        labels: Labels on the map, the most frequent first.
        splits: Splits on the map.
        kinds: Kinds of findings on the map, and their names in words.

    """

    data: dict[str, Any]
    sheets: Sheets
    labels: list[str]
    splits: list[str]
    kinds: dict[str, str]

    @property
    def n_photos(self) -> int:
        """Photos on the map."""
        return len(self.sheets.sizes)


def describe_map(map_photos: pd.DataFrame, thumbnails: dict[str, bytes | None], kinds_in_order: list[str]) -> MapView:
    """Lay the map out for the page.

    Args:
        map_photos: `MAP_PHOTOS`.
        thumbnails: Pictures by path.
        kinds_in_order: All kinds of findings, the most serious first.

    Returns:
        The view. In its data, photos are known by their place in the table; a neighbour that is not on the map is known by its
        place in `others`, which begin after the last photo.

    """
    paths = map_photos["path"].tolist()
    labels, label_of = _number(map_photos["label"].fillna(NO_LABEL))
    splits, split_of = _number(map_photos["split"])
    on_map = {kind for kinds in map_photos["kinds"] for kind in kinds}
    kinds = {kind: kind.replace("_", " ") for kind in kinds_in_order if kind in on_map}
    number_of_kind = {kind: number for number, kind in enumerate(kinds)}
    number = {path: place for place, path in enumerate(paths)}
    near = [[number.setdefault(path, len(number)) for path in of_photo] for of_photo in map_photos["neighbours"]]
    folder = _common_folder(list(number))
    names = [path[len(folder) :] for path in number]
    sheets = lay_on_sheets([thumbnails.get(path) for path in paths], choose_side(len(paths)))
    data = {
        "folder": folder,
        "names": names[: len(paths)],
        "others": names[len(paths) :],
        "x": np.round(map_photos["x"].to_numpy(np.float64), _N_DIGITS).tolist(),
        "y": np.round(map_photos["y"].to_numpy(np.float64), _N_DIGITS).tolist(),
        "labels": labels,
        "label": label_of,
        "splits": splits,
        "split": split_of,
        "kinds": list(kinds.values()),
        "found": [[number_of_kind[kind] for kind in of_photo if kind in kinds] for of_photo in map_photos["kinds"]],
        "suggested": {place: label for place, label in enumerate(map_photos["suggested_label"]) if isinstance(label, str)},
        "near": near,
        "side": sheets.side,
        "sheets": sheets.extents,
        "places": [size and [*sheets.place(place), *size] for place, size in enumerate(sheets.sizes)],
        "colours": COLOURS,
        "other": OTHER_COLOUR,
    }
    return MapView(data, sheets, labels, splits, kinds)


def _number(values: pd.Series) -> tuple[list[str], list[int]]:
    """Number the values of a column, the most frequent first: the values, and each row's number, -1 where it has no value."""
    names = count_values(values).index.tolist()
    numbers = {name: number for number, name in enumerate(names)}
    return names, [numbers.get(value, -1) for value in values]


def _common_folder(paths: list[str]) -> str:
    """Find the folder that all paths begin with, with the slash at its end."""
    if not paths:
        return ""
    low, high = min(paths), max(paths)
    n_equal = next((place for place, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    return low[: low[:n_equal].rfind("/") + 1]
