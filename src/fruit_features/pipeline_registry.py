"""The pipelines that `kedro run --pipeline` and Kedro-Viz know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fruit_features.pipelines.export.pipeline import create_pipeline as create_export
from fruit_features.pipelines.featurization.pipeline import create_compaction_pipeline as create_compaction
from fruit_features.pipelines.featurization.pipeline import create_pipeline as create_featurization
from fruit_features.pipelines.featurization.pipeline import create_selection_pipeline as create_selection
from fruit_features.pipelines.featurization.pipeline import create_vacuum_pipeline as create_vacuum
from fruit_features.pipelines.ingestion.pipeline import create_pipeline as create_ingestion
from fruit_features.pipelines.reduction.pipeline import create_pipeline as create_reduction
from fruit_features.pipelines.reporting.pipeline import create_pipeline as create_reporting

if TYPE_CHECKING:
    from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Name the stages, and compose them: the whole mission, new photos into a saved model's space, care of the store."""
    ingestion, featurization, selection = create_ingestion(), create_featurization(), create_selection()
    reduction, export, reporting = create_reduction(), create_export(), create_reporting()
    return {
        "ingestion": ingestion,
        "featurization": featurization,
        "reduction": selection + reduction,
        "export": selection + export,
        "reporting": selection + reporting,
        "project": ingestion + create_featurization(for_saved_model=True) + selection + export,
        "compact": create_compaction(),
        "vacuum": ingestion + create_vacuum(),
        "__default__": ingestion + featurization + selection + reduction + export + reporting,
    }
