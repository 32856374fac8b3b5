"""The report: one HTML page of what a run did, which needs no network and no other file.

It is the last node of the pipeline, so it knows what all other nodes have left and what they took. The page itself is the
template `templates/report.html.j2`, and those that it includes: the map, its script, and the findings. Labels, paths and
reasons come from the file system: the templates escape them.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from fruit_features.pages import render_page
from fruit_features.parameters import flatten
from fruit_features.pipelines.reporting.found_photos import describe_found_photos
from fruit_features.pipelines.reporting.photo_map import describe_map
from fruit_features.pipelines.reporting.run_record import RunRecord
from fruit_features.pipelines.reporting.tables import with_none
from fruit_features.terminal.wording import NO_LABEL, most_frequent

_NEUTRAL = {
    "template": "plotly_white",
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"color": "#808080", "family": "system-ui, sans-serif"},
    "hoverlabel": {"align": "left"},
    "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#a0a0a0", "activecolor": "#606060"},
    "margin": {"t": 30, "b": 50, "r": 20},
    "title": None,
}
"""Figures without a ground of their own, readable on a light page and on a dark one; the page has their titles."""

_N_LABELS_OPEN = 12
"""Labels whose photos are seen at once; those of the others are behind a click."""

_MAX_KINDS = 10
"""Kinds of files that are no photos and are named with their numbers."""

_MAX_LABELS = 40
"""Labels in the table of those that are told apart worst."""

_GRID = {"gridcolor": "rgba(128,128,128,0.25)", "zerolinecolor": "rgba(128,128,128,0.5)"}


def render_report(
    photo_counts: dict[str, Any],
    scree_plot: go.Figure,
    pca_scatter: go.Figure,
    class_counts: go.Figure,
    rejects_by_reason: go.Figure,
    quality: pd.DataFrame,
    label_quality: pd.DataFrame,
    confusion_plot: go.Figure,
    contact_sheet: pd.DataFrame,
    rejected_sample: pd.DataFrame,
    finding_counts: dict[str, int],
    found_photos: pd.DataFrame,
    map_photos: pd.DataFrame,
    thumbnails: pd.DataFrame,
    run_record: RunRecord,
) -> str:
    """Bring everything that a run left to look at into one page.

    Args:
        photo_counts: listed, rejected, exported, components.
        scree_plot: Explained variance.
        pca_scatter: The photos on two components.
        class_counts: Photos by label.
        rejects_by_reason: Rejected photos by reason.
        quality: features, n_columns, classifier, accuracy, n_train, n_test, note.
        label_quality: label, n_photos, recall, precision, most_confused_with, n_confused; none if it was not measured.
        confusion_plot: Which labels are confused.
        contact_sheet: label (None: no label), n_photos, path: photos of a label lie together.
        rejected_sample: path, label, reason.
        finding_counts: How many findings there are of each kind.
        found_photos: The worst findings of each kind, `found_photos.FOUND_PHOTOS`.
        map_photos: The photos on the map, `photo_map.MAP_PHOTOS`.
        thumbnails: path, thumbnail (JPEG or None), of all photos that are shown.
        run_record: What the run has counted and timed so far.

    Returns:
        HTML.

    """
    run = run_record.describe()
    counts = run["counts"]
    measured = quality.dropna(subset="accuracy")
    pictures = dict(zip(thumbnails["path"], thumbnails["thumbnail"], strict=True))
    kinds, found_sheets = describe_found_photos(found_photos, pictures, finding_counts)
    shown = contact_sheet.assign(thumbnail=contact_sheet["path"].map(pictures.get)).fillna({"label": NO_LABEL})
    return render_page(
        "fruit_features.pipelines.reporting",
        "report.html.j2",
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own script
        photo_counts=photo_counts,
        scree_plot=_draw(scree_plot, "scree-plot"),
        pca_scatter=_draw(pca_scatter, "pca-scatter"),
        class_counts=_draw(class_counts, "class-counts"),
        rejects_by_reason=_draw(rejects_by_reason, "rejects-by-reason"),
        quality=measured.to_dict("records"),
        quality_note=quality["note"].iloc[0],
        label_quality=_worst_labels(label_quality),
        n_labels_measured=len(label_quality),
        confusion_plot=_draw(confusion_plot, "confusion-plot"),
        contact_sheet=[
            (label, photos["n_photos"].iloc[0], photos.to_dict("records"))
            for label, photos in shown.groupby("label", sort=False)
        ],
        rejected_sample=rejected_sample.fillna({"label": NO_LABEL}).to_dict("records"),
        n_labels_open=_N_LABELS_OPEN,
        photo_map=describe_map(map_photos, pictures, list(finding_counts)),
        kinds=kinds,
        found_sheets=found_sheets,
        left_out=most_frequent(counts["left_out"], _MAX_KINDS) if counts.get("left_out") else "",
        n_turned=counts.get("orientation_ignored") or 0,
        n_mismatches=counts.get("metadata_mismatches") or 0,
        run=run,
        longest=max(run["seconds_per_node"].values(), default=0.0) or 1.0,
        parameters=flatten(run["parameters"]),
    )


def _worst_labels(label_quality: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Choose the labels of the lowest recall, the lowest first; what is missing is None."""
    worst = label_quality.sort_values(["recall", "label"])[:_MAX_LABELS]
    return with_none(worst, worst.columns).to_dict("records")


def _draw(figure: go.Figure, identifier: str) -> Markup:
    """Draw a figure below its title, as a `div` and a script, in which Plotly escapes what would end the script."""
    neutral = go.Figure(figure).update_layout(_NEUTRAL).update_xaxes(_GRID).update_yaxes(_GRID)
    options = {"displaylogo": False, "responsive": True}
    drawn = neutral.to_html(config=options, full_html=False, include_plotlyjs=False, div_id=identifier)
    title = figure.layout.title.text
    return Markup("<h3>{}</h3>").format(title) * bool(title) + Markup(drawn)  # noqa: S704
