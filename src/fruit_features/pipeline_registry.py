"""The pipelines that `kedro run --pipelines` and Kedro-Viz know."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from fruit_features.pipelines.export.pipeline import create_embeddings_pipeline, create_features_pipeline
from fruit_features.pipelines.export.pipeline import create_pipeline as create_export
from fruit_features.pipelines.featurization.pipeline import create_compaction_pipeline as create_compaction
from fruit_features.pipelines.featurization.pipeline import create_pipeline as create_featurization
from fruit_features.pipelines.featurization.pipeline import create_vacuum_pipeline as create_vacuum
from fruit_features.pipelines.findings.pipeline import create_corrections_pipeline as create_corrections
from fruit_features.pipelines.findings.pipeline import create_metadata_pipeline as create_metadata
from fruit_features.pipelines.findings.pipeline import create_pipeline as create_findings
from fruit_features.pipelines.ingestion.pipeline import create_pipeline as create_ingestion
from fruit_features.pipelines.reduction.pipeline import create_pipeline as create_reduction
from fruit_features.pipelines.reporting.pipeline import create_pipeline as create_reporting

_LISTING_OF_A_VACUUM = {
    "photos": "present_photos",
    "metadata_mismatches": "present_metadata_mismatches",
    "listing_counts": "present_listing_counts",
}
"""The listing of a vacuum is its own: a vacuum that is refused leaves that of the last run as it was."""


def register_pipelines() -> dict[str, Pipeline]:
    """Return the stages by name, what is composed of them (the default run, `project`), and what is run on request."""
    ingestion, featurization = create_ingestion(), create_featurization()
    reduction, export = create_reduction(), create_export()
    findings, reporting = create_findings(), create_reporting()
    return {
        "ingestion": ingestion,
        "featurization": featurization,
        "reduction": reduction,
        "export": export,
        "findings": findings,
        "reporting": reporting,
        "project": ingestion + create_featurization(for_saved_model=True) + export,
        "embeddings": create_embeddings_pipeline(),
        "features": create_features_pipeline(),
        "corrections": create_corrections(),
        "apply_corrections": create_metadata(),
        "compact": create_compaction(),
        "vacuum": Pipeline(ingestion, outputs=_LISTING_OF_A_VACUUM) + create_vacuum(),
        "__default__": ingestion + featurization + reduction + export + findings + reporting,
    }
