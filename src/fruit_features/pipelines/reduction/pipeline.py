"""The reduction pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.reduction.nodes import fit_pca


def create_pipeline() -> Pipeline:
    """Features to a fitted reduction."""
    return Pipeline(
        [
            node(
                fit_pca,
                ["featurized_photos", "feature_store", "params:reduction"],
                ["pca_model", "explained_variance"],
                name="fit_pca",
            )
        ],
        tags="reduction",
    )
