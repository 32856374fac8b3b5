"""The findings pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.findings.nodes import (
    apply_corrections,
    collect_findings,
    find_copies,
    find_label_issues,
    find_neighbours,
    suggest_corrections,
)


def create_pipeline() -> Pipeline:
    """Results to the neighbours of every photo, and to a table of photos that deserve a look."""
    return Pipeline(
        [
            node(
                find_neighbours,
                ["pca_features@spark", "featurization_counts", "params:findings"],
                "neighbours",
                name="find_neighbours",
            ),
            node(find_copies, ["featurized_photos", "featurization_counts", "params:findings"], "copies", name="find_copies"),
            node(
                find_label_issues,
                ["pca_features@spark", "copies", "featurization_counts", "params:findings"],
                "label_issues",
                name="find_label_issues",
            ),
            node(
                collect_findings,
                ["featurized_photos", "neighbours", "copies", "label_issues", "featurization_counts", "params:findings"],
                ["findings", "findings_csv", "finding_counts"],
                name="collect_findings",
            ),
        ],
        tags="findings",
    )


def create_corrections_pipeline() -> Pipeline:
    """Findings to a sheet in which people say what they agree to."""
    inputs = ["images", "photos", "findings"]
    return Pipeline([node(suggest_corrections, inputs, "corrections", name="suggest_corrections")], tags="findings")


def create_metadata_pipeline() -> Pipeline:
    """What people have agreed to in that sheet to a table of labels for the next run."""
    inputs = ["images", "photos", "agreed_corrections"]
    return Pipeline([node(apply_corrections, inputs, "corrected_metadata", name="apply_corrections")], tags="findings")
