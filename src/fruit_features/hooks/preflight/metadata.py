"""The table of labels: whether the catalog reads the one that is meant, and whether it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from fruit_features.pipelines.ingestion.parameters import IngestionParameters


def check_place_of_metadata(catalog: Mapping[str, Any], parameters: IngestionParameters) -> None:
    """Refuse a table that the parameters name, but in a file of parameters that the catalog does not look into.

    Raises:
        ValueError: The catalog would read another table, or none.

    """
    if catalog["metadata"]["filepath"] != parameters.metadata:
        raise ValueError(
            f"ingestion.metadata={parameters.metadata}: the catalog would read {catalog['metadata']['filepath']}. Give the "
            "parameter in conf/base or conf/ENV in a file of the name parameters_ingestion.yml, or on the command line: kedro "
            "run --params ingestion.metadata=FILE"
        )


def check_metadata(pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
    """Read the table of labels, if this run uses one: a fault in it is told before Spark starts.

    Raises:
        DatasetError: It cannot be read, or a value in it is not allowed.

    """
    if "metadata" in pipeline.inputs():
        catalog.load("metadata")
