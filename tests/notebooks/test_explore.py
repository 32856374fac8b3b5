"""The notebook runs from its first cell to its last, where a newcomer would open it: after a demo run, in its own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from tests.runs import PROJECT

if TYPE_CHECKING:
    from tests.project_copy import DemoRun

pytest_plugins = ["tests.project_copy"]

NOTEBOOK = "notebooks/explore.ipynb"


@pytest.fixture(scope="module")
def executed(demo_run: DemoRun) -> nbformat.NotebookNode:
    notebook = nbformat.read(demo_run.project / NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(demo_run.project / "notebooks")}},  # the kernel's working folder
    )
    client.execute()
    return notebook


def outputs_of_type(notebook: nbformat.NotebookNode, mime_type: str) -> list[object]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.data[mime_type] for output in outputs if mime_type in output.get("data", {})]


def test_it_is_stored_without_outputs() -> None:
    for cell in nbformat.read(PROJECT / NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_no_cell_raises(executed: nbformat.NotebookNode) -> None:
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]


def test_it_draws_scree_plot_and_scatter(executed: nbformat.NotebookNode) -> None:
    scree_plot, scatter = outputs_of_type(executed, "application/vnd.plotly.v1+json")
    assert [trace["type"] for trace in scree_plot["data"]] == ["bar", "scatter"]
    labels = [folder.name for folder in (PROJECT / "data" / "01_raw" / "sample").iterdir() if folder.is_dir()]
    assert [trace["name"] for trace in scatter["data"]] == sorted(labels)


def test_it_shows_photos_and_neighbours_of_every_label(executed: nbformat.NotebookNode) -> None:
    n_labels = len(list((PROJECT / "data" / "01_raw" / "sample").iterdir()))
    assert len(outputs_of_type(executed, "image/png")) == 2 * n_labels


def test_neighbours_share_a_label(executed: nbformat.NotebookNode) -> None:
    last = executed.cells[-1].outputs[-1].data["text/plain"]
    assert "100% of 240 photos" in last
