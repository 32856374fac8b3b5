"""What Kedro-Viz is told about the project: layers in their order, a preview of what can be shown, every node's docstring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from kedro_viz.api.rest.responses.nodes import get_node_metadata_response
from kedro_viz.api.rest.responses.pipelines import get_pipeline_response
from kedro_viz.api.rest.responses.utils import get_encoded_response
from kedro_viz.data_access import data_access_manager
from kedro_viz.server import load_and_populate_data

from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from tests.support.photos import PhotoTree
    from tests.support.runs import Outputs

PREVIEWS = {
    "explained_variance": "TablePreview",
    "quality": "TablePreview",
    "label_quality": "TablePreview",
    "confusion": "TablePreview",
    "copies": "TablePreview",
    "label_issues": "TablePreview",
    "findings_csv": "TablePreview",
    "finding_counts": "JSONPreview",
    "photo_counts": "JSONPreview",
    "featurization_counts": "JSONPreview",
    "listing_counts": "JSONPreview",
    "rejected_sample": "TablePreview",
    "scree_plot": "PlotlyPreview",
    "pca_scatter": "PlotlyPreview",
    "confusion_plot": "PlotlyPreview",
    "photo_map": "PlotlyPreview",
    "contact_sheet": "TablePreview",
    "found_photos": "TablePreview",
    "class_counts": "PlotlyPreview",
    "rejects_by_reason": "PlotlyPreview",
}


@pytest.fixture(scope="module")
def shown(full_run: Outputs, photo_tree: PhotoTree) -> dict[str, dict[str, Any]]:
    """What the panel of every node of the mission shows, by the node's name, as the browser gets it."""
    roots = {"images_root": str(photo_tree.root), "output_root": str(full_run.root)}
    load_and_populate_data(PROJECT, env="test", package_name="fruit_features", extra_params=roots)
    nodes = get_pipeline_response("__default__").nodes
    return {node.name: json.loads(get_encoded_response(get_node_metadata_response(node.id))) for node in nodes}


def test_layers_are_in_the_order_of_the_folders(shown: dict[str, dict[str, Any]]) -> None:
    layers = get_pipeline_response("__default__").layers
    assert layers == ["raw", "intermediate", "networks", "feature", "models", "model_output", "reporting"]


def test_every_dataset_that_is_kept_is_in_a_layer(shown: dict[str, dict[str, Any]]) -> None:
    nodes = [data_access_manager.nodes.get_node_by_id(node.id) for node in get_pipeline_response("__default__").nodes]
    without = {node.name for node in nodes if node.type == "data" and node.layer is None}
    assert without == {node.name for node in nodes if (getattr(node, "dataset_type", "") or "").endswith("MemoryDataset")}


def test_plots_and_small_tables_are_previewed(shown: dict[str, dict[str, Any]]) -> None:
    assert {name: panel["preview_type"] for name, panel in shown.items() if panel.get("preview")} == PREVIEWS


def test_a_table_is_previewed_with_the_rows_that_the_catalog_asks_for(
    shown: dict[str, dict[str, Any]], full_run: Outputs
) -> None:
    lines = (full_run.root / "08_reporting" / "explained_variance.csv").read_text().splitlines()
    assert len(shown["explained_variance"]["preview"]["data"]) == min(40, len(lines) - 1)


def test_the_code_of_every_node_is_shown_with_its_docstring(shown: dict[str, dict[str, Any]]) -> None:
    code = {name: panel["code"] for name, panel in shown.items() if "code" in panel}
    assert len(code) > 10
    assert not [name for name, text in code.items() if f"def {name}(" not in text or '    """' not in text]
