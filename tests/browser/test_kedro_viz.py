"""Kedro-Viz as people see it: pipelines, layers, plots that draw, tables, code; served live, and as a site of plain files."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from playwright.sync_api import expect

from fruit_features.pipeline_registry import register_pipelines
from fruit_features.pipelines.reduction.nodes import fit_pca

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

PIPELINES = register_pipelines()

LAYERS = ["raw", "intermediate", "networks", "feature", "models", "model_output", "reporting"]

FONTS = {"fonts.googleapis.com", "fonts.gstatic.com"}
"""What Kedro-Viz asks for outside; it does without, where there is no network."""


@pytest.fixture
def viz(tab: Tab, kedro_viz: str) -> Iterator[Tab]:
    yield opened(tab, kedro_viz)
    check_that_nothing_went_wrong(tab)


def opened(tab: Tab, url: str) -> Tab:
    tab.page.add_init_script("localStorage.setItem('KedroViz', '{\"showFeatureHints\": false}')")  # they lie on the graph
    tab.page.goto(url)
    return tab


def check_that_nothing_went_wrong(tab: Tab) -> None:
    assert tab.errors == []
    assert tab.asked_outside <= FONTS


def node_names(pipeline: str) -> set[str]:
    """Tasks and datasets of a pipeline; parameters are hidden at first."""
    nodes = PIPELINES[pipeline].nodes
    data = {name for node in nodes for name in (*node.inputs, *node.outputs) if not name.startswith("params:")}
    return {name.partition("@")[0] for name in data} | {node.name for node in nodes}  # one table, transcoded


def wait_for_nodes(tab: Tab, pipeline: str) -> None:
    names = node_names(pipeline)
    drawn = tab.page.locator(".pipeline-node__text")
    expect(drawn).to_have_count(len(names))
    assert set(drawn.all_text_contents()) == names


def open_panel(tab: Tab, name: str) -> Locator:
    """Click a node's name in the list, and wait for its panel."""
    tab.page.get_by_test_id(f"node-list-tree-item--row--{name}").click()
    panel = tab.page.locator(".pipeline-metadata--visible")
    expect(panel.locator(".pipeline-metadata__title")).to_have_text(name)
    return panel


def expect_scree_plot(plot: Locator) -> None:
    """A bar per component, as high as it explains, the line that adds them up, and the threshold."""
    bars = plot.locator(".barlayer .trace.bars .point path")
    expect(bars).not_to_have_count(0)
    heights = [bar.bounding_box()["height"] for bar in bars.all()[:3]]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > 5
    line = plot.locator(".scatterlayer .trace path.js-line")
    expect(line).to_have_count(1)
    assert line.bounding_box()["width"] > 100
    expect(plot.locator(".annotation-text")).to_contain_text(["components: 9", "threshold: 90%"])


def expect_table(panel: Locator, expected: pd.DataFrame) -> None:
    """The header and the first rows of a CSV, as the panel shows them."""
    table = panel.locator("table.preview-table")
    expect(table.locator("th")).to_have_text(list(expected.columns))
    rows = table.locator("tr.preview-table__row")
    expect(rows).to_have_count(min(40, len(expected)))  # as the catalog says
    for shown, row in zip(rows.all()[:5], expected.itertuples(index=False), strict=False):
        for cell, value in zip(shown.locator("td").all_text_contents(), row, strict=True):
            if pd.isna(value):
                assert cell in {"", "null"}
            else:
                assert cell == value if isinstance(value, str) else float(cell) == pytest.approx(value)


def test_every_stage_can_be_selected(viz: Tab) -> None:
    wait_for_nodes(viz, "__default__")
    selector = viz.page.get_by_test_id("kedro-pipeline-selector")
    for name in ("ingestion", "featurization", "reduction", "export", "reporting"):
        selector.click()
        expect(selector.get_by_role("option")).to_have_text(list(PIPELINES))
        viz.picture("pipelines to select")
        selector.get_by_role("option", name=name, exact=True).click()
        wait_for_nodes(viz, name)
        viz.picture(f"pipeline {name}")


def test_layers_are_drawn_in_order(viz: Tab) -> None:
    expect(viz.page.locator(".pipeline-layer-name")).to_have_text(LAYERS)
    viz.page.wait_for_function(  # they move to their places
        """() => [...document.querySelectorAll('.pipeline-layer-name')]
            .map(layer => layer.getBoundingClientRect().y)
            .every((y, i, all) => i == 0 || y > all[i - 1])"""
    )
    viz.picture("layers")


def test_a_plot_opens_and_draws(viz: Tab) -> None:
    panel = open_panel(viz, "scree_plot")
    expect_scree_plot(panel)
    viz.picture("scree plot in the panel")
    panel.get_by_role("button", name="Expand preview").click()
    expect_scree_plot(viz.page.locator(".pipeline-metadata-modal"))
    viz.picture("scree plot, expanded")


@pytest.mark.parametrize("name", ["pca_scatter", "photo_map", "class_counts", "rejects_by_reason"])
def test_the_other_plots_draw_too(name: str, viz: Tab) -> None:
    panel = open_panel(viz, name)
    expect(panel.locator(".js-plotly-plot .point").first).to_be_visible()
    viz.picture(name)


@pytest.mark.parametrize("name", ["explained_variance", "quality"])
def test_a_table_is_previewed(name: str, viz: Tab, project: Path) -> None:
    panel = open_panel(viz, name)
    expect_table(panel, pd.read_csv(project / "data" / "08_reporting" / f"{name}.csv"))
    viz.picture(name)


def test_counts_are_previewed(viz: Tab) -> None:
    panel = open_panel(viz, "photo_counts")
    expect(panel.locator(".pipeline-metadata__preview-json, .react-json-view").last).to_contain_text('"listed":')
    viz.picture("photo_counts")


def test_a_dataset_that_cannot_be_previewed_opens_all_the_same(viz: Tab) -> None:
    expect(open_panel(viz, "pca_model")).to_contain_text("pandas.ParquetDataset")


def test_a_node_shows_its_code_and_what_it_says_of_itself(viz: Tab) -> None:
    open_panel(viz, "fit_pca").get_by_text("Show Code").click()
    code = viz.page.locator(".pipeline-metadata-code--visible")
    docstring = inspect.getdoc(fit_pca)
    assert docstring is not None
    expect(code).to_contain_text(docstring.splitlines()[0])
    expect(code).to_be_in_viewport(ratio=0.9)
    viz.picture("code of a node")


def test_the_static_site_shows_the_same(tab: Tab, static_site: str, project: Path) -> None:
    site = opened(tab, static_site)
    wait_for_nodes(site, "__default__")
    expect(site.page.locator(".pipeline-layer-name")).to_have_text(LAYERS)
    expect_scree_plot(open_panel(site, "scree_plot"))
    explained_variance = pd.read_csv(project / "data" / "08_reporting" / "explained_variance.csv")
    site.picture("static site")
    expect_table(open_panel(opened(tab, static_site), "explained_variance"), explained_variance)
    check_that_nothing_went_wrong(site)
