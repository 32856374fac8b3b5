"""The featurization pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.featurization.nodes import (
    build_network,
    collect_outcomes,
    compact,
    count_outcomes,
    featurize_photos,
    find_pending_photos,
    match_network,
    sample_calibration_photos,
    vacuum_store,
)


def create_pipeline(*, for_saved_model: bool = False) -> Pipeline:
    """Listing of photos to an up-to-date feature store, and what became of each photo.

    Args:
        for_saved_model: Stop before the first photo unless the saved PCA model belongs to this network.

    """
    chosen = "matched_network" if for_saved_model else "network"
    matching = [node(match_network, ["network", "pca_model"], chosen, name="match_network")] if for_saved_model else []
    return Pipeline(
        [
            *matching,
            node(
                sample_calibration_photos,
                ["photos", "params:featurization"],
                "calibration_photos",
                name="sample_calibration_photos",
            ),
            node(
                build_network,
                ["networks", "calibration_photos", "photo_reader", "params:featurization"],
                "network",
                name="build_network",
            ),
            node(
                find_pending_photos,
                ["photos", "known_photos", "known_features", chosen],
                "pending_photos",
                name="find_pending_photos",
            ),
            node(
                featurize_photos,
                ["pending_photos", "known_photos", "known_features", "photo_reader", chosen, "params:featurization"],
                ["photo_index", "feature_store", "chunk_counts"],
                name="featurize_photos",
            ),
            node(
                collect_outcomes,
                ["photos", "photo_index", "feature_store", chosen],
                "featurized_photos",
                name="collect_outcomes",
            ),
            node(
                count_outcomes,
                ["photos", "chunk_counts", "featurized_photos", "params:featurization"],
                "featurization_counts",
                name="count_outcomes",
            ),
        ],
        tags="featurization",
    )


def create_compaction_pipeline() -> Pipeline:
    """Feature store and photo index to the same rows in few files."""
    return Pipeline(
        [
            node(compact, "known_features", "rewritten_features", name="compact_store"),
            node(compact, "known_photos", "rewritten_photos", name="compact_index"),
        ],
        tags="featurization",
    )


def create_vacuum_pipeline() -> Pipeline:
    """Listing and feature store to a store of these photos alone, as the network of these parameters sees them."""
    return Pipeline(
        [
            node(
                vacuum_store,
                ["present_photos", "known_photos", "known_features", "networks", "params:featurization"],
                ["rewritten_features", "rewritten_photos"],
                name="vacuum_store",
            )
        ],
        tags="featurization",
    )
