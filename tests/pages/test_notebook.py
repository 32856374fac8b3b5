"""The notebook runs from its first cell to its last, where a newcomer would open it: after a demo run, in its own folder."""

from __future__ import annotations

import base64
import io
import re
import shutil
from typing import TYPE_CHECKING

import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient
from PIL import Image

from fruit_features.commands.similar import similar
from tests.support.runs import PROJECT, Outputs, as_path

if TYPE_CHECKING:
    import pandas as pd

    from tests.support.project_copy import DemoRun

pytest_plugins = ["tests.support.project_copy"]

NOTEBOOK = "notebooks/explore.ipynb"

TILE, PICTURE = 110, 104
"""Pixels that a photo and its margin take in a row of photos, and the photo alone."""


@pytest.fixture(scope="module")
def executed(demo_run: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook after its last cell. Its last part runs on, in the place of the demo: what that left is put back."""
    notebook = nbformat.read(demo_run.project / NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(demo_run.project / "notebooks")}},  # the kernel's working folder
    )
    data, kept = demo_run.project / "data", tmp_path_factory.mktemp("notebook") / "data"
    shutil.copytree(data, kept)
    try:
        client.execute()
    finally:
        shutil.rmtree(data)
        shutil.move(kept, data)
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


def tiles(png: str) -> list[bytes]:
    """Pixels of the photos that were pasted side by side, without what is written under them."""
    row = Image.open(io.BytesIO(base64.b64decode(png)))
    return [row.crop((left, 0, left + TILE, TILE)).tobytes() for left in range(0, row.width, TILE)]


def as_tile(path: str) -> bytes:
    tile = Image.new("RGB", (TILE, TILE), "white")
    with Image.open(as_path(path)) as photo:
        picture = photo.convert("RGB")
    picture.thumbnail((PICTURE, PICTURE))
    tile.paste(picture)
    return tile.tobytes()


@pytest.fixture(scope="module")
def exported(demo_run: DemoRun) -> pd.DataFrame:
    return Outputs(demo_run.project / "data").pca_features().sort_values("path", ignore_index=True)


def test_it_shows_photos_of_every_label(executed: nbformat.NotebookNode, exported: pd.DataFrame) -> None:
    of_labels = [[as_tile(path) for path in of_label["path"]] for _, of_label in exported.groupby("label")]
    for png, of_label in zip(outputs_of_type(executed, "image/png")[: len(of_labels)], of_labels, strict=True):
        shown = tiles(png)
        assert len(set(shown)) == 6
        assert set(shown) <= set(of_label)


def test_the_nearest_photo_is_the_one_that_the_command_finds(
    executed: nbformat.NotebookNode, exported: pd.DataFrame, demo_run: DemoRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(demo_run.project)
    n_labels = exported["label"].nunique()
    rows = outputs_of_type(executed, "image/png")[n_labels:]
    for png, (_, of_label) in zip(rows, exported.groupby("label"), strict=True):
        photo = of_label["path"].iloc[len(of_label) // 2]
        said = CliRunner().invoke(similar, [str(as_path(photo)), "--env", "demo", "--top", "2"]).output
        itself, nearest = re.findall(r"file:.+", said)
        assert itself == photo
        shown = tiles(png)
        assert len(shown) == 7
        assert shown[:2] == [as_tile(photo), as_tile(nearest)]


def said_by(notebook: nbformat.NotebookNode, identifier: str) -> str:
    """What the last line of a cell was, as text."""
    (cell,) = (cell for cell in notebook.cells if cell["id"] == identifier)
    (text,) = (output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")
    return str(text)


def test_neighbours_share_a_label(executed: nbformat.NotebookNode) -> None:
    assert "100% of 240 photos" in said_by(executed, "cell-19")


def test_it_goes_from_findings_to_a_run_that_infers_nothing(executed: nbformat.NotebookNode) -> None:
    agreed = said_by(executed, "cell-23")
    assert agreed.count("Apple/") >= 2
    n_left_out = agreed.split().count("no")
    assert n_left_out >= 1
    assert said_by(executed, "cell-25") == f"'0 photos went through the network, and {n_left_out} of 240 are left out'"
