"""The map as readers use it: they point at dots, tap them, go from one to the next by keys, and filter."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from fruit_features.pipelines.reporting.found_photos import FOUND_PHOTOS
from fruit_features.pipelines.reporting.nodes import plot_rejects_by_reason
from fruit_features.pipelines.reporting.photo_map import MAP_PHOTOS
from fruit_features.pipelines.reporting.quality import CONFUSION, LABEL_QUALITY, plot_confusion
from fruit_features.pipelines.reporting.report import render_report
from fruit_features.pipelines.reporting.run_record import RunRecord
from tests.browser.conftest import PHONE, other_tab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from tests.browser.conftest import Tab

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=window.attacked=1>\u2028\"'`${window.attacked=1}"


def shade_of(number: int) -> tuple[int, int, int]:
    """A colour that tells which photo a picture is of."""
    return 40 + 20 * (number % 10), 40 + 20 * (number // 10 % 10), 40 + 20 * (number // 100 % 10)


def picture(number: int) -> bytes:
    image = Image.new("RGB", (96, 72), shade_of(number))
    ImageDraw.Draw(image).text((30, 28), str(number), "white")
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95)
    return content.getvalue()


def path_of(number: int, label: str = "Pear") -> str:
    return f"file:/photos/{label}/{number:05}.jpg"


def written(place: Path, photos: pd.DataFrame, found: pd.DataFrame | None = None, **counts: int) -> str:
    """A report of these photos, written to a file: its address."""
    record = RunRecord({"images_root": "/photos"}, ["__default__"])
    found = pd.DataFrame(columns=FOUND_PHOTOS) if found is None else found
    named = pd.concat([photos["path"], found["path"], found["compared_with"]]).dropna().unique()
    numbers = [int(re.findall(r"\d+", path)[-1]) for path in named]
    by_label = photos["label"].fillna("(no label)").value_counts()
    page = render_report(
        photo_counts={"listed": len(photos), "rejected": 0, "exported": len(photos), "components": 2},
        scree_plot=go.Figure(go.Bar(x=[1, 2], y=[0.6, 0.4])),
        pca_scatter=go.Figure(go.Scatter(x=photos["x"], y=photos["y"], mode="markers")),
        class_counts=go.Figure(go.Bar(x=by_label.tolist()[:60], y=by_label.index.tolist()[:60], orientation="h")),
        rejects_by_reason=plot_rejects_by_reason({"rejected_by_reason": {}}),
        quality=pd.DataFrame({"note": ["Not measured"], "accuracy": [None]}),
        label_quality=pd.DataFrame(columns=LABEL_QUALITY),
        confusion_plot=plot_confusion(pd.DataFrame(columns=CONFUSION)),
        contact_sheet=photos[:160].groupby("label").head(4)[["label", "path"]].assign(n_photos=9),
        rejected_sample=pd.DataFrame(columns=["path", "label", "reason"]),
        finding_counts=counts,
        found_photos=found,
        map_photos=photos,
        thumbnails=pd.DataFrame({"path": named, "thumbnail": [picture(number) for number in numbers]}),
        run_record=record,
    )
    place.write_text(page, encoding="utf-8")
    return place.as_uri()


def on_map(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {"label": "Pear", "kinds": [], "neighbours": []}
    return pd.DataFrame([dict.fromkeys(MAP_PHOTOS) | usual | row for row in rows], columns=MAP_PHOTOS)


def found_photos(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = dict.fromkeys(FOUND_PHOTOS) | {"kind": "leak", "rank": 1, "score": 0.5, "label": "Pear"}
    return pd.DataFrame([usual | row for row in rows], columns=FOUND_PHOTOS)


FEW = on_map(
    {"path": path_of(0), "x": 0.1, "y": 0.1, "split": "train", "neighbours": [path_of(1), path_of(77)]},
    {"path": path_of(1), "x": 0.5, "y": 0.9, "split": "test", "kinds": ["leak"], "neighbours": [path_of(0)]},
    {"path": path_of(2, "Plum"), "x": 0.9, "y": 0.1, "split": "train", "label": "Plum", "kinds": ["label_issue"]}
    | {"suggested_label": "Pear"},
    {"path": path_of(3, "Plum"), "x": 0.9, "y": 0.9, "split": "train", "label": "Plum"},
    {"path": path_of(4, HOSTILE), "x": 0.1, "y": 0.9, "label": HOSTILE, "neighbours": [f"file:/photos/{HOSTILE}/9.jpg"]},
)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of five photos in the corners of the map, one of them with names that try to be markup."""
    pair = {"path": path_of(0), "compared_with": path_of(1), "compared_label": "Pear", "measured": HOSTILE}
    hostile = {"path": path_of(4, HOSTILE), "label": HOSTILE, "suggested_label": HOSTILE, "kind": "label_issue"}
    place = tmp_path_factory.mktemp("few") / "report.html"
    return written(place, FEW, found_photos(pair, hostile), leak=1, label_issue=1)


@dataclass(frozen=True)
class Map:
    """The map on a page."""

    page: Page

    @property
    def panel(self) -> Locator:
        return self.page.locator("#map-photo")

    @property
    def dots(self) -> Locator:
        return self.page.locator("#photo-map .traceshown path.point")

    def point_at(self, place: int) -> None:
        """Move the mouse to a dot, as a person does."""
        x, y = self.centre(place)
        self.page.mouse.move(x - 40, y - 40)
        self.page.mouse.move(x, y, steps=3)

    def centre(self, place: int) -> tuple[float, float]:
        self.dots.nth(place).scroll_into_view_if_needed()
        box = self.dots.nth(place).bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def expect_photo(self, number: int) -> None:
        """The panel names the photo, and what is seen in it is that photo's picture."""
        expect(self.panel.locator("small")).to_contain_text(f"{number:05}.jpg")
        shown = self.panel.locator("> .picture")
        expect(shown).to_be_visible()
        pixels = np.asarray(Image.open(io.BytesIO(shown.screenshot())).convert("RGB")).astype(int)
        height, width, _ = pixels.shape
        corners = pixels[[height // 6, height // 6, -height // 6, -height // 6], [width // 6, -width // 6] * 2]
        assert np.abs(corners - shade_of(number)).max() <= 8, "no part of another photo"
        assert width / height == pytest.approx(96 / 72, rel=0.05)


@pytest.fixture
def page_of_few(tab: Tab, few: str) -> Iterator[Map]:
    tab.page.goto(few)
    yield Map(tab.page)
    assert tab.errors == []
    assert tab.page.evaluate("window.attacked") is None
    assert tab.page.locator("#map img, #map script[src], #findings img").count() == 0


def test_pointing_at_a_dot_shows_its_photo(page_of_few: Map, tab: Tab) -> None:
    expect(page_of_few.dots).to_have_count(5)
    for place in (0, 2, 3):
        page_of_few.point_at(place)
        page_of_few.expect_photo(place)
    expect(page_of_few.panel.locator("b")).to_have_text("Plum")
    page_of_few.point_at(2)
    expect(page_of_few.panel).to_contain_text("label issue")
    expect(page_of_few.panel).to_contain_text("rather Pear?")
    expect(page_of_few.panel).to_contain_text("train")
    tab.picture("map, pointed at")


def test_the_ring_is_around_the_photo_that_is_shown(page_of_few: Map) -> None:
    for place in (1, 2):
        page_of_few.point_at(place)
        page_of_few.expect_photo(place)
        ring = page_of_few.page.locator("#map-ring").bounding_box()
        x, y = page_of_few.centre(place)
        assert ring is not None
        assert (ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2) == pytest.approx((x, y), abs=1.5)


def test_a_click_keeps_a_photo_and_its_neighbours_can_be_clicked(page_of_few: Map) -> None:
    page_of_few.point_at(0)
    page_of_few.page.mouse.click(*page_of_few.centre(0))
    page_of_few.point_at(3)
    page_of_few.expect_photo(0)
    expect(page_of_few.panel.locator("li")).to_have_text(["Pear/00077.jpg"])
    near = page_of_few.panel.locator(".near button")
    expect(near).to_have_count(1)
    near.click()
    page_of_few.expect_photo(1)
    page_of_few.page.locator("#map-view").press("Escape")
    page_of_few.point_at(3)
    page_of_few.expect_photo(3)


def test_keys_go_from_photo_to_photo(page_of_few: Map) -> None:
    view = page_of_few.page.locator("#map-view")
    page_of_few.page.locator("#map-kind").focus()
    for _ in range(3):  # the button is hidden, so the map is near
        page_of_few.page.keyboard.press("Tab")
        if view.evaluate("view => view === document.activeElement"):
            break
    for key, number in (("ArrowRight", 0), ("ArrowDown", 1), ("ArrowLeft", 0), ("End", 4), ("ArrowRight", 0), ("Home", 0)):
        page_of_few.page.keyboard.press(key)
        page_of_few.panel.get_by_text(f"{number:05}.jpg").first.wait_for()
    page_of_few.page.keyboard.press("Enter")
    page_of_few.point_at(3)
    page_of_few.expect_photo(0)
    page_of_few.page.locator("#map-label").fill("Plum")
    view.focus()
    for number in (2, 3, 2):
        page_of_few.page.keyboard.press("ArrowRight")
        page_of_few.expect_photo(number)


def test_filters_leave_the_photos_that_match(page_of_few: Map, tab: Tab) -> None:
    page, dots, count = page_of_few.page, page_of_few.dots, page_of_few.page.locator("#map-count")
    page.locator("#map-label").fill("pl")
    expect(dots).to_have_count(2)
    expect(count).to_have_text("2 of 5 photos")
    page_of_few.point_at(0)
    page_of_few.expect_photo(2)
    page.locator("#map-kind").select_option("any")
    expect(dots).to_have_count(1)
    tab.picture("map, filtered")
    page.locator("#map-all").click()
    expect(dots).to_have_count(5)
    expect(count).to_be_empty()
    expect(page.locator("#map-all")).to_be_hidden()
    page.locator("#map-split").select_option("train")
    expect(dots).to_have_count(3)
    page.locator("#map-kind").select_option("leak")
    expect(dots).to_have_count(0)
    expect(count).to_have_text("0 of 5 photos")
    page.locator("#map-split").select_option("test")
    expect(dots).to_have_count(1)
    page.locator("#map-all").click()
    page.locator("#map-legend button", has_text="Plum").click()
    expect(dots).to_have_count(2)
    expect(page.locator("#map-label")).to_have_value("Plum")


def test_names_that_try_to_be_markup_are_shown_as_they_are(page_of_few: Map) -> None:
    page_of_few.point_at(4)
    page_of_few.expect_photo(4)
    expect(page_of_few.panel.locator("b")).to_have_text(" ".join(HOSTILE.split()))
    assert HOSTILE in (page_of_few.panel.locator("li").text_content() or "")
    options = page_of_few.page.locator("#map-labels option").evaluate_all("options => options.map(option => option.value)")
    assert HOSTILE in options
    page_of_few.page.locator("#map-label").fill(HOSTILE.replace("\u2028", ""))  # a field has one line
    legend = page_of_few.page.locator("#map-legend").text_content() or ""
    assert legend == "" or HOSTILE in legend
    captions = "".join(page_of_few.page.locator("#findings .pair").all_text_contents())
    assert captions.count(HOSTILE) >= 3


def test_a_tap_shows_a_photo_and_the_page_fits_a_phone(browser: Browser, screenshots: Path, few: str) -> None:
    with other_tab(browser, screenshots, viewport=PHONE, has_touch=True, is_mobile=True) as tab:
        tab.page.goto(few)
        phone = Map(tab.page)
        for place in (0, 3):
            tab.page.touchscreen.tap(*phone.centre(place))
            phone.expect_photo(place)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        tab.page.screenshot(path=screenshots / "map on a phone.png", full_page=True)
        assert tab.errors == []


def test_the_map_is_readable_in_the_dark(browser: Browser, screenshots: Path, few: str) -> None:
    with other_tab(browser, screenshots, viewport={"width": 1280, "height": 900}, color_scheme="dark") as tab:
        tab.page.goto(few)
        dark = Map(tab.page)
        dark.point_at(1)
        dark.expect_photo(1)
        ink = tab.page.locator("#map-photo b").evaluate("element => getComputedStyle(element).color")
        assert min(map(int, re.findall(r"\d+", ink))) > 200
        tab.picture("map in the dark")
        assert tab.errors == []


def many_photos(n_photos: int, n_labels: int) -> pd.DataFrame:
    """Photos in a cloud for each label."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(0.05, 0.95, (n_labels, 2))
    label = np.arange(n_photos) % n_labels
    x, y = np.clip(centres[label] + rng.normal(0, 0.012, (n_photos, 2)), 0, 1).T
    paths = [path_of(number, f"label {of:04}") for number, of in enumerate(label)]
    return on_map(
        *(
            {"path": paths[number], "label": f"label {label[number]:04}", "x": x[number], "y": y[number]}
            | {"neighbours": [paths[(number + step * n_labels) % n_photos] for step in range(1, 7)]}
            for number in range(n_photos)
        )
    )


def test_a_thousand_labels_stay_readable(tab: Tab, tmp_path: Path) -> None:
    url = written(tmp_path / "report.html", many_photos(2000, 1000))
    assert (tmp_path / "report.html").stat().st_size < 8_000_000
    tab.page.goto(url)
    many = Map(tab.page)
    expect(many.dots).to_have_count(2000)
    expect(tab.page.locator("#map-legend li")).to_have_count(11)
    expect(tab.page.locator("#map-legend")).to_contain_text("990 other labels")
    tab.page.mouse.click(*many.centre(1234))
    expect(many.panel.locator("b")).to_contain_text("label 0")
    expect(tab.page.locator("#photo-map .same")).to_have_count(2)
    tab.page.locator("#map-label").fill("label 0234")
    expect(many.dots).to_have_count(2)
    tab.page.mouse.click(*many.centre(1))
    many.expect_photo(1234)
    tab.page.screenshot(path=tab.screenshots / "map of a thousand labels.png", full_page=True)
    assert tab.page.evaluate("document.documentElement.scrollHeight") < 5000
    assert tab.errors == []


def test_five_thousand_photos_take_less_than_ten_megabytes(tab: Tab, tmp_path: Path) -> None:
    url = written(tmp_path / "report.html", many_photos(5000, 50))
    tab.page.goto(url)
    many = Map(tab.page)
    expect(many.dots).to_have_count(5000)
    tab.page.mouse.click(*many.centre(4321))
    shown = many.panel.locator("small").text_content() or ""
    many.expect_photo(int(shown[-9:-4]))
    tab.picture("map of 5,000 photos")
    assert json.loads(tab.page.locator("#map-data").text_content() or "")["side"] == 48


def test_names_at_an_edge_are_whole(tab: Tab, tmp_path: Path) -> None:
    shown = on_map(
        *(
            {"path": path_of(number, label), "label": label, "x": x, "y": y, "neighbours": []}
            for label, x, y in (("a long name left", 0.0, 0.2), ("a long name right", 1.0, 0.8))
            for number in range(4)
        )
    )
    tab.page.goto(written(tmp_path / "report.html", shown))
    names = tab.page.locator("#map-view .textpoint text")
    expect(names).to_have_count(2)
    view = tab.page.locator("#map-view").bounding_box()
    for place in range(2):
        name = names.nth(place).bounding_box()
        assert name
        assert view
        assert view["x"] <= name["x"]
        assert name["x"] + name["width"] <= view["x"] + view["width"]


def test_one_label_has_a_map_without_controls(tab: Tab, tmp_path: Path) -> None:
    url = written(tmp_path / "report.html", many_photos(30, 1).assign(label=None))
    tab.page.goto(url)
    expect(Map(tab.page).dots).to_have_count(30)
    expect(tab.page.locator("#map form, #map-legend")).to_have_count(0)
    tab.page.screenshot(path=tab.screenshots / "report of one label.png", full_page=True)
    assert tab.errors == []
