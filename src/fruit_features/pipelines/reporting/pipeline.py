"""The reporting pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.reporting.nodes import plot_scatter, plot_scree


def create_pipeline() -> Pipeline:
    """Results to plots."""
    return Pipeline(
        [
            node(plot_scree, ["explained_variance", "pca_model"], "scree_plot", name="plot_scree"),
            node(plot_scatter, ["pca_features", "params:reporting"], "pca_scatter", name="plot_scatter"),
        ],
        tags="reporting",
    )
