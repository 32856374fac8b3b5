"""Nodes of the reporting pipeline; those that tell labels apart are in `quality.py`, and the page is in `report.py`."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from fruit_features.photos.reading import PhotoReader
from fruit_features.photos.reasons import NUMBER, group_reasons
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.spark.feature_store import components_of
from fruit_features.spark.reducers import load_reduction
from fruit_features.spark.sampling import hash_of_path, is_sampled
from fruit_features.spark.thumbnails import THUMBNAIL_SCHEMA, PhotoShrinker
from fruit_features.terminal.wording import NO_LABEL, count_of

MAX_BARS = 60
"""Labels or reasons that a bar chart shows; more would be too thin to read."""

PHOTOS_PER_LABEL = 4
LABELS_SHOWN = 40
REJECTS_SHOWN = 40

_MAX_LENGTH_BESIDE_A_BAR = 72
_MAX_LENGTH_IN_A_LEGEND = 32
"""Characters of a name; the whole of it is shown when one points at what it names."""

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
    points = pca_features.where(is_shown).select("path", "label", *axes).toPandas().sort_values(["label", "path"])
    is_whole = n_photos <= parameters.max_scatter_points
    shown = count_of(n_photos, "photo") if is_whole else f"a sample of {len(points):,} of {n_photos:,} photos"
    points["photo"] = [_as_text(path.rsplit("/", 1)[-1]) for path in points["path"]]
    points["label"] = [_as_text(label) for label in points["label"].fillna(NO_LABEL)]
    figure = px.scatter(
        points,
        x=axes[0],
        y=axes[-1],
        color="label",
        hover_name="photo",
        custom_data=["label"],
        title=f"{shown} on the leading components",
    )
    return figure.for_each_trace(
        lambda trace: trace.update(
            name=_as_text(_shorten(html.unescape(trace.name), _MAX_LENGTH_IN_A_LEGEND)),
            # Plotly Express writes the label into the template, where %{x} in a label would be replaced by a number. With the
            # label as `meta` of the trace, Plotly would take the names in the legend for templates, too.
            hovertemplate=(
                f"<b>%{{hovertext}}</b><br><br>label=%{{customdata[0]}}<br>{axes[0]}=%{{x}}<br>{axes[-1]}=%{{y}}<extra></extra>"
            ),
        )
    )


def plot_class_counts(featurized_photos: DataFrame) -> go.Figure:
    """Plot how many photos of each label were exported and how many rejected, the largest label first.

    Args:
        featurized_photos: What became of each listed photo: label, and error, or null for an exported one.

    """
    by_label = featurized_photos.groupBy("label")
    counts = by_label.agg(F.count("*").alias("photos"), F.count("error").alias("rejected")).toPandas()
    largest = counts.fillna({"label": NO_LABEL}).sort_values(["photos", "label"], ascending=[False, True])[:MAX_BARS]
    names = [_as_text(label) for label in largest["label"]]
    figure = go.Figure()
    outcomes = {"exported": largest["photos"] - largest["rejected"], "rejected": largest["rejected"]}
    for outcome, n_photos in outcomes.items():
        figure.add_bar(
            x=n_photos.tolist(),
            y=names,
            name=outcome,
            orientation="h",
            marker_color=_COLOURS[outcome],
            hovertemplate="%{y}: %{x:,}",
        )
    title = f"{count_of(counts['photos'].sum(), 'photo')} of {count_of(counts['label'].nunique(), 'label')}"
    return _lay_out_bars(figure, largest["label"].tolist(), title + _leaving_out(len(counts), "labels"))


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
        y=[_as_text(reason) for reason in shown],
        name="rejected",
        orientation="h",
        marker_color=_COLOURS["rejected"],
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    title = f"{count_of(sum(counts.values()), 'rejected photo')} by reason" if counts else "No photo was rejected"
    _lay_out_bars(figure, list(shown), title + _leaving_out(len(counts), "reasons"))
    return figure.update_xaxes(visible=bool(counts))


def make_contact_sheet(
    featurized_photos: DataFrame, photo_reader: PhotoReader, parameters: ReportingParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose a few photos of each label and shrink them, and a few of the rejected ones, which are no pictures.

    Only the chosen photos are read. No rejected one is: it could not be decoded, and it might take a decoder down with it.

    Args:
        featurized_photos: What became of each listed photo: path, label, length, and error, or null for an exported one.
        photo_reader: Reads the chosen ones, on the workers.
        parameters: The seed of the choice.

    Returns:
        (contact_sheet, rejected_sample): label, n_photos (exported ones of the label), path, thumbnail (JPEG, or None if the
        photo is gone), of the labels with most photos first; and path, label, reason, of every reason one before any other's
        second.

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
        .select("label", "n_photos", "path", "length")
        .limit(LABELS_SHOWN * PHOTOS_PER_LABEL)
        .toPandas()
    )
    chosen = chosen[chosen["label"].isin(chosen["label"].unique()[:LABELS_SHOWN])]
    files = featurized_photos.sparkSession.createDataFrame(chosen[["path", "length"]], "path string, length bigint")
    shrunk = files.mapInArrow(PhotoShrinker(photo_reader), THUMBNAIL_SCHEMA).toArrow()
    thumbnails = dict(zip(*shrunk.to_pydict().values(), strict=True))
    contact_sheet = chosen.assign(thumbnail=chosen["path"].map(thumbnails.get)).drop(columns="length")
    of_every_reason = rejected.withColumn("place", F.row_number().over(of_reason)).orderBy("place", "reason")
    return contact_sheet, of_every_reason.select("path", "label", "reason").limit(REJECTS_SHOWN).toPandas()


def _lay_out_bars(figure: go.Figure, names: list[str], title: str) -> go.Figure:
    """Lay out horizontal bars, the first on top, as high as they are many."""
    figure.update_layout(
        title=title,
        barmode="stack",
        legend={"traceorder": "normal"},
        height=160 + 22 * max(1, len(names)),
        xaxis={"title": "photos", "tickformat": ",", "rangemode": "tozero"},
        yaxis={
            "type": "category",  # else a label such as 2024-01 would be taken for a date
            "autorange": "reversed",
            "automargin": True,
            "tickvals": [_as_text(name) for name in names],
            "ticktext": [_as_text(_shorten(name, _MAX_LENGTH_BESIDE_A_BAR)) for name in names],
        },
    )
    return figure


def _leaving_out(n_known: int, what: str) -> str:
    return f": the {MAX_BARS} most frequent {what}" if n_known > MAX_BARS else ""


def _shorten(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _as_text(name: str) -> str:
    """Escape what Plotly would take for markup: it knows a few of HTML's tags."""
    return html.escape(name, quote=False)
