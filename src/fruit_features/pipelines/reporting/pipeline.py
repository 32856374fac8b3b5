"""The reporting pipeline."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from fruit_features.pipelines.reporting.found_photos import choose_found_photos
from fruit_features.pipelines.reporting.nodes import (
    make_contact_sheet,
    plot_class_counts,
    plot_rejects_by_reason,
    plot_scatter,
    plot_scree,
)
from fruit_features.pipelines.reporting.photo_map import lay_out_photos, plot_photo_map
from fruit_features.pipelines.reporting.quality import measure_quality, plot_confusion
from fruit_features.pipelines.reporting.report import render_report
from fruit_features.pipelines.reporting.thumbnails import shrink_photos


def create_pipeline() -> Pipeline:
    """Results to plots, a measure of quality, and one page that shows them all."""
    return Pipeline(
        [
            node(plot_scree, ["explained_variance", "pca_model"], "scree_plot", name="plot_scree"),
            node(plot_scatter, ["pca_features@spark", "params:reporting"], "pca_scatter", name="plot_scatter"),
            node(plot_class_counts, "featurized_photos", "class_counts", name="plot_class_counts"),
            node(plot_rejects_by_reason, "photo_counts", "rejects_by_reason", name="plot_rejects_by_reason"),
            node(
                measure_quality,
                ["featurized_photos", "feature_store", "pca_features@spark", "copies", "params:reporting"],
                ["quality", "label_quality", "confusion"],
                name="measure_quality",
            ),
            node(plot_confusion, "confusion", "confusion_plot", name="plot_confusion"),
            node(
                make_contact_sheet,
                ["featurized_photos", "params:reporting"],
                ["contact_sheet", "rejected_sample"],
                name="make_contact_sheet",
            ),
            node(
                choose_found_photos,
                ["findings", "neighbours", "featurized_photos", "contact_sheet"],
                "found_photos",
                name="choose_found_photos",
            ),
            node(
                lay_out_photos,
                ["pca_features@spark", "neighbours", "findings", "found_photos", "params:reporting"],
                "map_photos",
                name="lay_out_photos",
            ),
            node(plot_photo_map, "map_photos", "photo_map", name="plot_photo_map"),
            node(
                shrink_photos,
                ["featurized_photos", "photo_reader", "contact_sheet", "found_photos", "map_photos"],
                "thumbnails",
                name="shrink_photos",
            ),
            node(
                render_report,
                [
                    "photo_counts",
                    "scree_plot",
                    "pca_scatter",
                    "class_counts",
                    "rejects_by_reason",
                    "quality",
                    "label_quality",
                    "confusion_plot",
                    "contact_sheet",
                    "rejected_sample",
                    "finding_counts",
                    "found_photos",
                    "map_photos",
                    "thumbnails",
                    "run_record",
                ],
                "report",
                name="render_report",
            ),
        ],
        tags="reporting",
    )
