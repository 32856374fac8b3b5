"""The export pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.export.nodes import (
    account_for_photos,
    embed_components,
    embed_features,
    list_rejects,
    project_features,
    sort_for_csv,
)


def create_pipeline() -> Pipeline:
    """Features and a PCA model to the exported tables."""
    return Pipeline(
        [
            node(
                project_features,
                ["featurized_photos", "feature_store", "pca_model"],
                "pca_features@spark",
                name="project_features",
            ),
            node(sort_for_csv, ["pca_features@spark", "params:export"], "pca_features_csv", name="sort_for_csv"),
            node(list_rejects, ["featurized_photos", "params:export"], "rejected_images", name="list_rejects"),
            node(
                account_for_photos,
                ["photos", "featurized_photos", "pca_features_csv", "rejected_images", "params:export"],
                "photo_counts",
                name="account_for_photos",
            ),
        ],
        tags="export",
    )


def create_embeddings_pipeline() -> Pipeline:
    """Components of the last run to one file for tools that search among vectors."""
    inputs = ["featurized_photos", "pca_features@spark"]
    return Pipeline([node(embed_components, inputs, "embeddings", name="embed_components")], tags="export")


def create_features_pipeline() -> Pipeline:
    """Features of the last listing to one file for tools that search among vectors."""
    return Pipeline(
        [node(embed_features, ["featurized_photos", "feature_store"], "features", name="embed_features")], tags="export"
    )
