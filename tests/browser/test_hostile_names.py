"""Labels and names that a page might take for scripts, markup, templates or formulas: they are shown as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from fruit_features.pipelines.reporting.scatters import COLOURS
from tests.browser.conftest import run_everything, serve_viz
from tests.support.photos import encoded, fruit
from tests.support.project_copy import copy_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator

    from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

LABELS = [
    "<script>window.attacked=1<",
    "<!--<script>",
    "'\"`${window.attacked=1}",
    "<img src=x onerror=window.attacked=1>",
    "<b>bold<",
    "<a href=javascript:window.attacked=1>link<",
    "%{x} %{customdata}",
    "$x^2$",
    "=cmd|' calc'!A1",
    "\u202egpj.exe",
    "\x01\x1b[31mred",
    "l" * 250,
]


@pytest.fixture(scope="module")
def hostile_project(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after a run on photos of such labels and names, one of each broken."""
    project = copy_project(tmp_path_factory.mktemp("hostile") / "project")
    for number, label in enumerate(LABELS):
        folder = project / "data" / "01_raw" / "images" / label
        folder.mkdir(parents=True)
        for seed in range(2):
            (folder / f"{label[:200]}{seed}.jpg").write_bytes(encoded(fruit("Pear", 10 * number + seed), "JPEG"))
        (folder / f"{label[:200]}.jpg").write_text("no photo")
    run_everything(project)
    return project


@pytest.fixture(scope="module")
def hostile_viz(hostile_project: Path) -> Iterator[str]:
    with serve_viz(hostile_project) as url:
        yield url


def check_that_no_label_did_anything(tab: Tab, shown: Locator) -> None:
    assert tab.page.evaluate("window.attacked") is None
    assert shown.locator("b, a[href], img[src=x], script").count() == 0
    assert tab.page.locator("a[href^='javascript']").count() == 0
    assert tab.errors == []


def hover_texts(tab: Tab, plot: Locator) -> str:
    """Point at every photo of a plot, one after the other: all that is shown."""
    return "\n".join(
        plot.first.evaluate(
            """async plot => {
                const shown = [];
                for (let curve = 0; curve < plot.data.length; curve++) {
                    (plot._Plotly || window.Plotly).Fx.hover(plot, [{curveNumber: curve, pointNumber: 0}]);
                    await new Promise(resolve => setTimeout(resolve, 200));
                    shown.push(plot.querySelector('.hoverlayer').textContent);
                }
                return shown;
            }"""
        )
    )


def test_the_report_shows_labels_as_they_are(tab: Tab, hostile_project: Path) -> None:
    tab.page.goto((hostile_project / "data" / "08_reporting" / "report.html").as_uri())
    headings = tab.page.locator(".labels h3 bdi")
    expect(headings).to_have_count(len(LABELS))
    assert set(headings.all_text_contents()) == set(LABELS)
    plot = tab.page.locator("#pca-scatter")
    legend = plot.locator(".legendtext").all_text_contents()
    *names, others = legend
    assert others == f"{len(LABELS) - len(COLOURS)} other labels"
    assert len(names) == len(COLOURS)
    for name in names:
        assert any(label.startswith(name.rstrip("\u2026")) for label in LABELS), name
    said = hover_texts(tab, plot)
    for label in ("<b>bold<", "<script>window.attacked=1<", "%{x} %{customdata}", "$x^2$"):
        assert f"label={label}" in said, said
    for identifier in ("#pca-scatter .legend", "#class-counts .cartesianlayer", ".labels h3", "td.name"):
        check_that_no_label_did_anything(tab, tab.page.locator(identifier))
    tab.picture("hostile labels in the report")


def test_the_map_shows_labels_and_names_as_they_are(tab: Tab, hostile_project: Path) -> None:
    tab.page.goto((hostile_project / "data" / "08_reporting" / "report.html").as_uri())
    view, panel = tab.page.locator("#map-view"), tab.page.locator("#map-photo")
    shown = set()
    for _ in range(2 * len(LABELS)):
        view.press("ArrowRight")
        shown.add(panel.locator("> b").text_content())
        check_that_no_label_did_anything(tab, panel.locator("small, li, .near"))
    assert shown == set(LABELS)
    options = tab.page.locator("#map-labels option").evaluate_all("options => options.map(option => option.value)")
    assert set(options) == set(LABELS)
    for label in LABELS[:4]:
        tab.page.locator("#map-label").fill(label)
        expect(tab.page.locator("#photo-map .traceshown path.point")).to_have_count(2)
    for identifier in ("#photo-map", "#map-legend", "#map-filters", "#findings"):
        check_that_no_label_did_anything(tab, tab.page.locator(identifier).locator("bdi, .textpoint, small, output"))
    tab.picture("hostile labels on the map")


def test_kedro_viz_shows_labels_as_they_are(tab: Tab, hostile_viz: str) -> None:
    tab.page.add_init_script("localStorage.setItem('KedroViz', '{\"showFeatureHints\": false}')")
    tab.page.goto(hostile_viz)
    for name, shown, text in (
        ("pca_scatter", ".js-plotly-plot .legend", "<b>bold<"),
        ("photo_map", ".js-plotly-plot .legend", "<b>bold<"),
        ("class_counts", ".js-plotly-plot .cartesianlayer", "<b>bold<"),
        ("rejected_sample", "table.preview-table", "/01_raw/images/"),  # a few rows, which ones is a matter of chance
    ):
        tab.page.get_by_test_id(f"node-list-tree-item--row--{name}").click()
        panel = tab.page.locator(".pipeline-metadata--visible")
        expect(panel.locator(".pipeline-metadata__title")).to_have_text(name)
        panel.get_by_role("button", name="Expand preview").click()
        expanded = tab.page.locator(".pipeline-metadata-modal")
        expect(expanded.locator(shown).first).to_contain_text(text)
        check_that_no_label_did_anything(tab, expanded.locator(shown))
        tab.picture(f"hostile labels in {name}")
        expanded.get_by_role("button", name="Back").click()
