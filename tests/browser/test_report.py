"""The report as people see it: opened from a disk, it draws everything and asks nobody for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, other_tab

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

MARKS = {
    "scree-plot": ".barlayer .point path",
    "confusion-plot": ".heatmaplayer image",
    "photo-map": ".scatterlayer path.point",
    "pca-scatter": ".scatterlayer path.point",
    "class-counts": ".barlayer .point path",
    "rejects-by-reason": ".barlayer .point path",
}
"""What each plot draws for a value, by the plot's identifier."""


def test_it_draws_everything_and_asks_nobody(tab: Tab, project: Path) -> None:
    report = project / "data" / "08_reporting" / "report.html"
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    tab.page.goto(report.as_uri())
    for plot, marks in MARKS.items():
        drawn = tab.page.locator(f"#{plot} svg.main-svg").first.locator(marks)
        expect(drawn).not_to_have_count(0)
        assert any(mark.bounding_box()["width"] > 1 for mark in drawn.all())
    expect(tab.page.locator("#pca-scatter .scatterlayer .trace")).to_have_count(3)
    expect(tab.page.locator("#run")).to_contain_text("featurize_photos")
    widths = tab.page.locator("figure img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(widths) == 12
    assert min(widths) > 0
    tab.page.screenshot(path=tab.screenshots / "report.png", full_page=True)
    assert tab.errors == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_it_fits_a_phone(browser: Browser, screenshots: Path, project: Path) -> None:
    with other_tab(browser, screenshots, viewport=PHONE, is_mobile=True, has_touch=True) as tab:
        tab.page.goto((project / "data" / "08_reporting" / "report.html").as_uri())
        expect(tab.page.locator("#photo-map path.point").first).to_be_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        heights = tab.page.locator("#run td").evaluate_all("cells => cells.map(cell => cell.getBoundingClientRect().height)")
        assert max(heights) < 120, "no word is broken into letters"
        tab.page.screenshot(path=screenshots / "report on a phone.png", full_page=True)
        assert tab.errors == []
