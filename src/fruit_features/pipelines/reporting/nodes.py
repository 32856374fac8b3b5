"""Nodes of the reporting pipeline."""

from __future__ import annotations

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.pipelines.reporting.parameters import ReportingParameters


def plot_scree(explained_variance: pd.DataFrame, pca_model: pd.DataFrame) -> go.Figure:
    """Plot the explained variance ratio of every component and its cumulative sum, with the kept ones marked.

    Args:
        explained_variance: component, explained_variance_ratio, cumulative.
        pca_model: The one row of the model.

    """
    n_components = int(pca_model["n_components"].iloc[0])
    reached = explained_variance["cumulative"].iloc[n_components - 1]
    figure = go.Figure()
    figure.add_bar(x=explained_variance["component"], y=explained_variance["explained_variance_ratio"], name="one component")
    figure.add_scatter(x=explained_variance["component"], y=explained_variance["cumulative"], name="cumulative")
    figure.add_vline(x=n_components, line_dash="dash", annotation_text=f"{n_components} components: {reached:.1%}")
    figure.update_layout(
        title="Explained variance",
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
    axes = [name for name in ("pca_1", "pca_2") if name in pca_features.columns]
    n_photos = pca_features.count()
    share = min(1.0, parameters.max_scatter_points / max(1, n_photos))
    # A hash of the path samples the same photos whatever the partitions, which `DataFrame.sample` does not.
    fraction = F.pmod(F.xxhash64("path", F.lit(parameters.seed)), F.lit(1_000_000)) / 1_000_000
    points = pca_features.where(fraction < share).select("path", "label", *axes).orderBy("label", "path").toPandas()
    shown = f"{n_photos:,} photos" if share == 1 else f"a sample of {len(points):,} of {n_photos:,} photos"
    points["photo"] = points["path"].str.rsplit("/", n=1).str[-1]
    return px.scatter(
        points, x=axes[0], y=axes[-1], color="label", hover_name="photo", title=f"{shown} on the leading components"
    )
