"""Nodes of the reporting pipeline; those that tell labels apart are in `quality.py`, and the page is in `report.py`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from fruit_features.photos.reasons import NUMBER, group_reasons
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.scatters import as_text, scatter_by_label, shorten
from fruit_features.spark.feature_store import components_of
from fruit_features.spark.reducers import load_reduction
from fruit_features.spark.sampling import hash_of_path, is_sampled
from fruit_features.terminal.wording import NO_LABEL, count_of

MAX_BARS = 60
"""Labels or reasons that a bar chart shows; more would be too thin to read."""

PHOTOS_PER_LABEL = 4
LABELS_SHOWN = 40
REJECTS_SHOWN = 40

_MAX_LENGTH_BESIDE_A_BAR = 72
"""Characters of a name; the whole of it is shown when one points at what it names."""

_MAX_WIDE_BARS = 30
"""Bars that have room around them; more are drawn closer to one another."""

_WIDE_BAR, _NARROW_BAR = 22, 16
"""Pixels from one bar to the next."""

_COLOURS = {"exported": "#636efa", "rejected": "#ef553b"}

_MARK_COLOUR = "#888888"


def plot_scree(explained_variance: pd.DataFrame, pca_model: pd.DataFrame) -> go.Figure:
    """Plot the explained variance ratio of every component and its cumulative sum, with the kept ones marked.

    Args:
        explained_variance: component, explained_variance_ratio, cumulative.
        pca_model: The one row of the model: how many components are kept, and the threshold, if one decided that.

    """
    model = pca_model.iloc[0]
    n_components, variance_threshold = len(load_reduction(pca_model).columns), model.get("variance_threshold")
    figure = go.Figure().update_layout(title="Explained variance")
    if explained_variance.empty:
        return figure.update_layout(title="This reduction explains no variance")
    ratios, cumulative = explained_variance["explained_variance_ratio"], explained_variance["cumulative"]
    figure.add_bar(x=explained_variance["component"], y=ratios, name="one component")
    figure.add_scatter(x=explained_variance["component"], y=cumulative, name="cumulative")
    reached = cumulative.iloc[n_components - 1]
    figure.add_vline(
        x=n_components,
        line_dash="dash",
        line_color=_MARK_COLOUR,
        annotation_text=f"{n_components} components: {reached:.1%}",
        annotation_position="right",
    )
    if pd.notna(variance_threshold):
        figure.add_hline(
            y=variance_threshold,
            line_dash="dot",
            line_color=_MARK_COLOUR,
            annotation_text=f"threshold: {100 * variance_threshold:.4g}%",
            annotation_position="bottom left",
        )
    figure.update_layout(
        xaxis={"title": "component", "range": [0.5, min(len(explained_variance), 2 * n_components) + 0.5]},
        yaxis={"title": "explained variance ratio", "range": [0, 1.02], "tickformat": ".0%"},
    )
    return figure


def plot_scatter(pca_features: DataFrame, parameters: ReportingParameters) -> go.Figure:
    """Plot photos on the first two components, coloured by label.

    Args:
        pca_features: path, label, pca_1 .. pca_k.
        parameters: Size and seed of the sample.

    """
    axes = components_of(pca_features)[:2]
    n_photos = pca_features.count()
    is_shown = is_sampled(parameters.max_scatter_points, n_photos, parameters.seed)
    points = pca_features.where(is_shown).select("path", "label", *axes).toPandas()
    is_whole = n_photos <= parameters.max_scatter_points
    shown = count_of(n_photos, "photo") if is_whole else f"a sample of {len(points):,} of {n_photos:,} photos"
    figure = scatter_by_label(points, axes, ["label"])
    return figure.update_layout(title=f"{shown} on the leading components")


def plot_class_counts(featurized_photos: DataFrame) -> go.Figure:
    """Plot how many photos of each label were exported and how many rejected, the largest label first.

    Of more than `MAX_BARS` labels, the largest are shown. If these have equally many photos, their bars would say nothing: it
    is plotted how many labels have how many photos.

    Args:
        featurized_photos: What became of each listed photo: label, and error, or null for an exported one.

    """
    by_label = featurized_photos.groupBy("label")
    counts = by_label.agg(F.count("*").alias("photos"), F.count("error").alias("rejected")).toPandas()
    in_order = counts.fillna({"label": NO_LABEL}).sort_values(["photos", "label"], ascending=[False, True])
    largest = in_order[:MAX_BARS]
    title = f"{count_of(counts['photos'].sum(), 'photo')} of {count_of(counts['label'].nunique(), 'label')}"
    if len(counts) <= MAX_BARS:
        return _plot_outcomes(largest, title)
    title += f", {_describe_sizes(counts['photos'])}"
    if largest["photos"].nunique() == 1:
        return _plot_sizes(counts["photos"], title)
    return _plot_outcomes(largest, title + _leaving_out(len(counts), "labels"))


def _plot_outcomes(counts: pd.DataFrame, title: str) -> go.Figure:
    """Plot a bar per label.

    Args:
        counts: label, photos, rejected.
        title: The title.

    """
    names = [as_text(label) for label in counts["label"]]
    figure = go.Figure()
    outcomes = {"exported": counts["photos"] - counts["rejected"], "rejected": counts["rejected"]}
    for outcome, n_photos in outcomes.items():
        figure.add_bar(
            x=n_photos.tolist(),
            y=names,
            name=outcome,
            orientation="h",
            marker_color=_COLOURS[outcome],
            hovertemplate="%{y}: %{x:,}",
        )
    return _lay_out_bars(figure, counts["label"].tolist(), title)


def _plot_sizes(sizes: pd.Series, title: str) -> go.Figure:
    """Plot how many labels have how many photos, by the number of photos of each label."""
    n_labels = sizes.value_counts().sort_index(ascending=False)[:MAX_BARS]
    names = [count_of(size, "photo") for size in n_labels.index]
    figure = go.Figure().add_bar(
        x=n_labels.tolist(),
        y=names,
        name="labels",
        orientation="h",
        marker_color=_COLOURS["exported"],
        hovertemplate="%{x:,} labels with %{y}<extra></extra>",
    )
    return _lay_out_bars(figure, names, title, axis="labels")


def _describe_sizes(sizes: pd.Series) -> str:
    """Say how many photos labels have, by the number of photos of each label."""
    least, middle, most = sizes.min(), int(sizes.median()), sizes.max()
    if least == most:
        return f"{least:,} each"
    return f"from {least:,} to {most:,} each, half of them at most {middle:,}"


def plot_rejects_by_reason(photo_counts: dict[str, Any]) -> go.Figure:
    """Plot how many photos were rejected for which reason, the most frequent first; numbers in a reason make no difference.

    Args:
        photo_counts: rejected_by_reason, a count per reason, is looked at.

    """
    counts = group_reasons(photo_counts["rejected_by_reason"])
    shown = dict(list(counts.items())[:MAX_BARS])
    figure = go.Figure()
    figure.add_bar(
        x=list(shown.values()),
        y=[as_text(reason) for reason in shown],
        name="rejected",
        orientation="h",
        marker_color=_COLOURS["rejected"],
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    title = f"{count_of(sum(counts.values()), 'rejected photo')} by reason" if counts else "No photo was rejected"
    _lay_out_bars(figure, list(shown), title + _leaving_out(len(counts), "reasons"))
    return figure.update_xaxes(visible=bool(counts))


def make_contact_sheet(featurized_photos: DataFrame, parameters: ReportingParameters) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose a few photos of each label, which are shown, and a few of the rejected ones, which are no pictures.

    Args:
        featurized_photos: What became of each listed photo: path, label, and error, or null for an exported one.
        parameters: The seed of the choice.

    Returns:
        (contact_sheet, rejected_sample): label, n_photos (exported ones of the label), path, of the labels with most photos
        first; and path, label, reason, of every reason one before any other's second.

    """
    by_chance = hash_of_path(parameters.seed)
    of_label = Window.partitionBy("label")
    of_reason = Window.partitionBy(F.regexp_replace("reason", NUMBER, "#")).orderBy(by_chance, "path")
    is_exported = F.col("error").isNull()
    exported = featurized_photos.where(is_exported)
    rejected = featurized_photos.where(~is_exported).select("path", "label", F.col("error").alias("reason"))
    chosen = (
        exported.withColumn("place", F.row_number().over(of_label.orderBy(by_chance, "path")))
        .withColumn("n_photos", F.count("*").over(of_label))
        .where(F.col("place") <= PHOTOS_PER_LABEL)
        .orderBy(F.desc("n_photos"), "label", "place")
        .select("label", "n_photos", "path")
        .limit(LABELS_SHOWN * PHOTOS_PER_LABEL)
        .toPandas()
    )
    contact_sheet = chosen[chosen["label"].isin(chosen["label"].unique()[:LABELS_SHOWN])].reset_index(drop=True)
    of_every_reason = rejected.withColumn("place", F.row_number().over(of_reason)).orderBy("place", "reason")
    return contact_sheet, of_every_reason.select("path", "label", "reason").limit(REJECTS_SHOWN).toPandas()


def _lay_out_bars(figure: go.Figure, names: list[str], title: str, *, axis: str = "photos") -> go.Figure:
    """Lay out horizontal bars, the first on top, as high as they are many."""
    figure.update_layout(
        title=title,
        barmode="stack",
        legend={"traceorder": "normal"},
        height=160 + (_WIDE_BAR if len(names) <= _MAX_WIDE_BARS else _NARROW_BAR) * max(1, len(names)),
        xaxis={"title": axis, "tickformat": ",", "rangemode": "tozero"},
        yaxis={
            "type": "category",  # else a label such as 2024-01 would be taken for a date
            "autorange": "reversed",
            "automargin": True,
            "tickvals": [as_text(name) for name in names],
            "ticktext": [as_text(shorten(name, _MAX_LENGTH_BESIDE_A_BAR)) for name in names],
        },
    )
    return figure


def _leaving_out(n_known: int, what: str) -> str:
    return f": the {MAX_BARS} most frequent {what}" if n_known > MAX_BARS else ""
