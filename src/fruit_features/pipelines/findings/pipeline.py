"""The findings pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.findings.nodes import collect_findings, find_copies, find_label_issues, find_neighbours


def create_pipeline() -> Pipeline:
    """Results to the neighbours of every photo, and to a table of photos that deserve a look."""
    return Pipeline(
        [
            node(find_neighbours, ["pca_features@spark", "params:findings"], "neighbours", name="find_neighbours"),
            node(find_copies, ["featurized_photos", "params:findings"], "copies", name="find_copies"),
            node(
                find_label_issues,
                ["pca_features@spark", "copies", "params:findings"],
                "label_issues",
                name="find_label_issues",
            ),
            node(
                collect_findings,
                ["featurized_photos", "neighbours", "copies", "label_issues", "params:findings"],
                ["findings", "findings_csv", "finding_counts"],
                name="collect_findings",
            ),
        ],
        tags="findings",
    )
