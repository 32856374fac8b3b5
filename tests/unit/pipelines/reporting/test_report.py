"""The page: that it says what it was given, needs nothing else, and takes no name for markup."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from PIL import Image

from fruit_features.pipelines.reporting.found_photos import FOUND_PHOTOS
from fruit_features.pipelines.reporting.nodes import plot_rejects_by_reason
from fruit_features.pipelines.reporting.photo_map import MAP_PHOTOS
from fruit_features.pipelines.reporting.quality import plot_confusion, tabulate_labels
from fruit_features.pipelines.reporting.report import render_report
from fruit_features.pipelines.reporting.run_record import RunRecord

HOSTILE = '</script><script>alert("1")</script><img src=x onerror=alert(2)> & "quoted" \'so\''

RUN_REPORT = {
    "counts": {"listed": 22_688, "featurized": 20_000, "reused": 2_688, "rejected": 3, "exported": 22_685},
    "seconds_per_node": {"list_photos": 2.5, "featurize_photos": 10.0, "plot_scree": 0.04},
    "images_per_second": 1234.5,
    "fingerprint": "0123abcd",
    "parameters": {
        "images_root": "../my_photos",
        "reduction": {"variance_threshold": 0.9, "n_components": None, "centred": False},
    },
    "versions": {"python": "3.11.7", "kedro": "1.7.0"},
}


class Page(HTMLParser):
    """What a browser would see.

    Attributes:
        text: Text outside scripts and styles.
        tags: Every tag that is opened, with its attributes.
        scripts: Content of every script.

    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._open = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            self.scripts[-1] += data
        elif self._open != "style":
            self.text += f" {data}"

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def jpeg(shade: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("L", (8, 8), shade).save(content, "JPEG")
    return content.getvalue()


def contact_sheet(*rows: tuple[str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["label", "n_photos", "path"])


def thumbnails(**pictures: bytes | None) -> pd.DataFrame:
    return pd.DataFrame({"path": list(pictures), "thumbnail": list(pictures.values())}, dtype=object)


def found_photos(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = dict.fromkeys(FOUND_PHOTOS) | {"kind": "leak", "rank": 1, "score": 0.5, "path": "a", "label": "Pear"}
    return pd.DataFrame([usual | row for row in rows], columns=FOUND_PHOTOS)


def map_photos(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = dict.fromkeys(MAP_PHOTOS) | {"label": "Pear", "x": 0.5, "y": 0.5, "kinds": [], "neighbours": []}
    return pd.DataFrame([usual | row for row in rows], columns=MAP_PHOTOS)


def rejects(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["path", "label", "reason"])


def quality(*rows: tuple[Any, ...]) -> pd.DataFrame:
    """As the catalog reads it back: CSV knows no empty strings."""
    columns = ["features", "n_columns", "classifier", "accuracy", "n_train", "n_test", "note"]
    return pd.read_csv(io.StringIO(pd.DataFrame(list(rows), columns=columns).to_csv(index=False)))


METHOD = "3-fold cross-validation"

MEASURED = quality(
    ("network", 1280, "linear probe", 0.98765, 1500, 500, METHOD), ("PCA", 54, "linear probe", 0.9, 1500, 500, METHOD)
)

LABEL_QUALITY, CONFUSION = tabulate_labels(["Kiwi"] * 4 + ["Apple"] * 2, ["Kiwi", "Apple", "Kiwi", "Kiwi", "Apple", "Apple"])

NOT_MEASURED = {"label_quality": LABEL_QUALITY[:0], "confusion_plot": plot_confusion(CONFUSION[:0])}


class Described(RunRecord):
    """A record that describes its run as it is told to."""

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__({}, [])
        self._described = described

    def describe(self) -> dict[str, Any]:
        return self._described


def render(run_report: dict[str, Any] = RUN_REPORT, **changes: Any) -> str:
    content = {
        "photo_counts": {
            "listed": 22_688,
            "rejected": 3,
            "exported": 22_685,
            "components": 54,
        },
        "scree_plot": go.Figure(go.Bar(x=[1, 2], y=[0.6, 0.4])),
        "pca_scatter": go.Figure(go.Scatter(x=[1.0], y=[2.0], name="Apple")),
        "class_counts": go.Figure(go.Bar(x=[3], y=["Apple"])),
        "rejects_by_reason": plot_rejects_by_reason({"rejected_by_reason": {"empty file": 3}}),
        "quality": MEASURED,
        "label_quality": LABEL_QUALITY,
        "confusion_plot": plot_confusion(CONFUSION),
        "contact_sheet": contact_sheet(("Apple", 22_685, "file:/photos/Apple/0.jpg")),
        "rejected_sample": rejects(("file:/photos/Pear/1.jpg", "Pear", "empty file")),
        "finding_counts": {"leak": 0, "near_duplicate": 1234},
        "found_photos": found_photos(),
        "map_photos": map_photos(),
        "thumbnails": thumbnails(**{"file:/photos/Apple/0.jpg": jpeg()}),
        "run_record": Described(run_report),
    }
    return render_report(**{**content, **changes})


def test_the_head_counts_photos_and_components() -> None:
    text = Page(render()).text
    assert "22,688 photos listed 22,685 exported 3 rejected 54 components kept 1,234 findings" in text


def test_every_figure_is_drawn_by_one_copy_of_plotly() -> None:
    page = Page(render())
    drawn = [match for script in page.scripts for match in re.findall(r'Plotly\.newPlot\(\s*"([\w-]+)"', script)]
    assert drawn == ["scree-plot", "confusion-plot", "pca-scatter", "class-counts", "rejects-by-reason"]
    assert [attributes["id"] for tag, attributes in page.tags if tag == "div" and "id" in attributes] == drawn
    assert sum(len(script) > 1_000_000 for script in page.scripts) == 1


def test_the_page_needs_no_network_and_no_other_file() -> None:
    page = Page(render())
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.attributes("src"))
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.tags}
    pictures = {"map_photos": map_photos({"path": "a"}), "found_photos": found_photos({"path": "a"})}
    styles = re.findall("<style>(.*?)</style>", render(**pictures, thumbnails=thumbnails(a=jpeg())), re.DOTALL)
    assert len(styles) == 3
    assert "@import" not in "".join(styles)
    assert re.findall(r"url\((.{12})", "".join(styles)) == ['"data:image/'] * 2


def test_the_same_results_give_the_same_page() -> None:
    assert render() == render()


def test_figures_are_not_changed_by_being_drawn() -> None:
    figure = go.Figure(go.Bar(x=[1], y=[2]))
    before = figure.to_json()
    render(scree_plot=figure)
    assert figure.to_json() == before


def test_photos_lie_under_their_labels() -> None:
    page = Page(
        render(
            contact_sheet=contact_sheet(
                ("Kiwi", 1_200, "file:/photos/Kiwi/a.jpg"),
                ("Kiwi", 1_200, "file:/photos/Kiwi/b.jpg"),
                ("Apple", 7, "file:/photos/Apple/c.jpg"),
            ),
            thumbnails=thumbnails(
                **{f"file:/photos/{name}.jpg": jpeg(shade) for shade, name in enumerate(("Kiwi/a", "Kiwi/b", "Apple/c"))}
            ),
        )
    )
    assert "Kiwi 1,200 a.jpg b.jpg Apple 7 c.jpg" in page.text
    assert len(set(page.attributes("src"))) == 3
    assert page.attributes("alt") == ["a.jpg", "b.jpg", "c.jpg"]


def test_photos_without_a_label_are_shown_as_such() -> None:
    sheet = contact_sheet(("Kiwi", 2, "file:/photos/a.jpg"), (None, 1, "file:/photos/a.jpg"))  # type: ignore[arg-type]
    rejected = rejects(("file:/b.jpg", None, "empty file"))  # type: ignore[arg-type]
    page = Page(render(contact_sheet=sheet, rejected_sample=rejected, thumbnails=thumbnails(**{"file:/photos/a.jpg": jpeg()})))
    assert "Kiwi 2 a.jpg (no label) 1 a.jpg" in page.text
    assert "b.jpg (no label) empty file" in page.text


def test_what_was_not_taken_for_a_photo_is_told() -> None:
    counts = {**RUN_REPORT["counts"], "left_out": {".txt": 1_200, "<b>": 3, ".mp4": 4}, "metadata_mismatches": 2}  # type: ignore[dict-item]
    page = Page(render({**RUN_REPORT, "counts": counts}))
    assert "are hidden: .txt 1,200, .mp4 4, <b> 3." in page.text
    assert "The table of labels and the folder differ in 2 names: metadata_mismatches has them." in page.text
    text = Page(render({**RUN_REPORT, "counts": counts | {"left_out": None, "metadata_mismatches": None}})).text
    assert "are hidden" not in text
    assert "table of labels" not in text


def test_a_photo_that_is_gone_has_a_name_and_no_picture() -> None:
    page = Page(render(contact_sheet=contact_sheet(("Kiwi", 1, "file:/photos/Kiwi/a.jpg"))))
    assert "Kiwi 1 no picture a.jpg" in page.text
    assert page.attributes("src") == []


def test_no_photos_at_all_are_no_fault() -> None:
    assert "Rejected photos" in Page(render(contact_sheet=contact_sheet())).text


def test_rejected_photos_are_named_with_their_reasons() -> None:
    assert "1 of 3; rejected_images has their whole paths. photo label reason 1.jpg Pear empty file" in Page(render()).text
    all_of_them = render(rejected_sample=rejects(*[(f"file:/p/{number}.jpg", "Pear", "empty file") for number in range(3)]))
    assert "All of them; " in Page(all_of_them).text


def test_it_is_said_when_no_photo_was_rejected() -> None:
    counts = {"listed": 1, "rejected": 0, "exported": 1, "components": 1}
    page = Page(render(photo_counts=counts, rejected_sample=rejects()))
    assert "No photo was rejected." in page.text
    assert "rejects-by-reason" not in page.attributes("id")


def test_quality_is_a_table() -> None:
    text = Page(render()).text
    assert "network 1,280 linear probe 98.8 % 1,500 500 PCA 54 linear probe 90.0 % 1,500 500" in text
    assert "The method: 3-fold cross-validation." in text


def test_labels_are_a_table_with_the_worst_first() -> None:
    text = Page(render()).text
    assert "recall precision most confused with photos Kiwi 4 75 % 100 % Apple 1 Apple 2 100 % 67 %" in text
    assert "All labels, those that are told apart worst first" in text


def test_of_many_labels_the_worst_are_shown() -> None:
    names = [f"label {number:04}" for number in range(1000)]
    labels, confusion = tabulate_labels(names, [*names[:999], names[0]])
    page = Page(render(label_quality=labels, confusion_plot=plot_confusion(confusion)))
    assert "The 40 labels that are told apart worst, of 1,000; label_quality has all of them" in page.text
    assert "label 0999 1 0 % label 0000 1 label 0000 1 100 % 50 %" in page.text
    assert "label 0500" not in page.text


def test_the_page_says_why_quality_was_not_measured() -> None:
    note = "Not measured: reporting.max_quality_photos is 0"
    page = Page(render(quality=quality((None, None, None, None, None, None, note)), **NOT_MEASURED))
    assert f"{note}." in page.text
    assert "linear probe" not in page.text
    assert "confusion-plot" not in page.attributes("id")


# --- the run ----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_run_took() -> None:
    page = Page(render())
    assert "This run featurized 20,000 photos, 1,234.5 a second, and took 2,688 from the feature store." in page.text
    assert "list_photos 2.5 featurize_photos 10.0 plot_scree 0.0 all of these steps 12.5" in page.text
    widths = [attributes["style"] for tag, attributes in page.tags if attributes.get("class") == "bar"]
    assert widths == ["width:25%", "width:100%", "width:0%"]


def test_the_page_says_what_the_run_was_told() -> None:
    text = Page(render()).text
    assert (
        "images_root ../my_photos reduction.variance_threshold 0.9 reduction.n_components null reduction.centred false" in text
    )
    assert "python 3.11.7 kedro 1.7.0" in text
    assert "0123abcd" in text


def test_a_run_of_nothing_is_described_too() -> None:
    nothing = {
        **RUN_REPORT,
        "counts": {"listed": None, "featurized": 0, "reused": None, "rejected": None, "exported": None},
        "seconds_per_node": {},
        "images_per_second": 0.0,
        "fingerprint": None,
        "parameters": {},
    }
    text = Page(render(nothing)).text
    assert "all of these steps 0.0" in text
    assert "This run featurized no photo: it drew the results that were there." in text
    assert "a second" not in text


# --- names are text ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile() -> Page:
    """A page on which everything that a user's files can name is markup."""
    figure = go.Figure(go.Scatter(x=[1], y=[2], name=HOSTILE, hovertext=[HOSTILE]))
    label_quality, confusion = tabulate_labels([HOSTILE, "Apple"], ["Apple", HOSTILE])
    run_report = {
        **RUN_REPORT,
        "seconds_per_node": {HOSTILE: 1.0},
        "fingerprint": HOSTILE,
        "parameters": {HOSTILE: {HOSTILE: HOSTILE}},
        "versions": {HOSTILE: HOSTILE},
    }
    page = render(
        run_report,
        scree_plot=figure,
        pca_scatter=figure,
        class_counts=figure,
        rejects_by_reason=plot_rejects_by_reason({"rejected_by_reason": {HOSTILE: 3}}),
        contact_sheet=contact_sheet((HOSTILE, 1, f"file:/photos/{HOSTILE}"), (HOSTILE, 1, HOSTILE)),
        thumbnails=thumbnails(**{f"file:/photos/{HOSTILE}": jpeg()}),
        finding_counts={HOSTILE: 2},
        found_photos=found_photos({name: HOSTILE for name in FOUND_PHOTOS if name not in {"rank", "score"}}),
        map_photos=map_photos(
            dict.fromkeys(("path", "label", "split", "suggested_label"), HOSTILE)
            | {"kinds": [HOSTILE], "neighbours": [HOSTILE, f"{HOSTILE}2"]},
            {"path": f"file:/photos/{HOSTILE}"},
        ),
        rejected_sample=rejects((f"file:/{HOSTILE}", HOSTILE, HOSTILE)),
        quality=quality((HOSTILE, 1, HOSTILE, 0.5, 1, 1, HOSTILE)),
        label_quality=label_quality,
        confusion_plot=plot_confusion(confusion),
    )
    return Page(page)


def test_names_open_no_tags(hostile: Page) -> None:
    names = dict.fromkeys(("path", "label", "split", "suggested_label"), "a")
    harmless = Page(
        render(
            contact_sheet=contact_sheet(("A", 1, "a"), ("A", 1, "b")),
            thumbnails=thumbnails(a=jpeg()),
            finding_counts={"leak": 2},
            found_photos=found_photos({"compared_with": "b", "suggested_label": "b", "measured": "b"}),
            map_photos=map_photos({**names, "kinds": ["leak"], "neighbours": ["a", "b"]}, {"path": "c"}),
        )
    )
    assert {tag for tag, _ in hostile.tags} == {tag for tag, _ in harmless.tags}
    assert len(hostile.scripts) == len(harmless.scripts)
    assert hostile.attributes("onerror") == []
    assert sum(tag == "img" for tag, _ in hostile.tags) == 1


def test_names_are_shown_as_they_are(hostile: Page) -> None:
    shown = " ".join(HOSTILE.split())
    assert hostile.text.count(shown) >= 8
    assert any(title.endswith(HOSTILE) for title in hostile.attributes("title"))


def test_a_note_is_text_too() -> None:
    page = Page(render(quality=quality((None, None, None, None, None, None, "<b>note</b>")), **NOT_MEASURED))
    assert "<b>note</b>." in page.text


# --- findings ---------------------------------------------------------------------------------------------------------


def test_findings_are_counted_by_kind() -> None:
    page = Page(render())
    assert "1,234 findings near duplicate 1,234" in page.text, "in the head"
    assert page.text.count("near duplicate 1,234") == 2, "and where they are shown"
    assert "leak" not in page.text
    assert page.attributes("href") == ["#found-near_duplicate"]
    assert "found-near_duplicate" in page.attributes("id")
    assert "There are none." in Page(render(finding_counts={"leak": 0})).text


def test_a_finding_is_shown_beside_what_it_is_compared_with() -> None:
    finding = {
        "path": "file:/p/a.jpg",
        "split": "test",
        "compared_with": "file:/p/b.jpg",
        "compared_label": "Plum",
        "suggested_label": "Quince",
        "measured": "brightness 0.1",
        "score": 0.987,
    }
    pictures = thumbnails(**{"file:/p/a.jpg": jpeg(), "file:/p/b.jpg": jpeg(9)})
    page = Page(render(finding_counts={"leak": 21}, found_photos=found_photos(finding), thumbnails=pictures))
    assert "The worst 1: Pear a.jpg, test Plum b.jpg 0.99: brightness 0.1: rather Quince" in page.text
    assert [label for label in page.attributes("aria-label") if label.endswith(".jpg")] == ["a.jpg", "b.jpg"]


def test_a_found_photo_that_is_gone_has_a_name_and_no_picture() -> None:
    page = Page(render(finding_counts={"leak": 1}, found_photos=found_photos({"path": "file:/p/a.jpg"})))
    assert "no picture Pear a.jpg" in page.text
    assert "The worst" not in page.text, "as all are shown"


# --- the map ----------------------------------------------------------------------------------------------------------


def controls(page: Page) -> set[str]:
    known = {"map-label", "map-split", "map-kind", "map-legend", "map-filters"}
    return known & set(page.attributes("id"))


def test_the_page_knows_the_photos_of_the_map() -> None:
    page = Page(render(map_photos=map_photos({"path": "file:/p/a.jpg"}, {"path": "file:/p/b.jpg", "label": "Plum"})))
    assert "2 of 22,685 photos: those that are alike" in page.text
    (data,) = [json.loads(script) for script in page.scripts if script.startswith('{"colours"')]
    assert (data["names"], data["labels"]) == (["a.jpg", "b.jpg"], ["Pear", "Plum"])


def test_one_label_without_splits_and_findings_has_no_controls() -> None:
    assert controls(Page(render(map_photos=map_photos({"path": "a"}, {"path": "b"})))) == set()
    assert controls(Page(render(map_photos=map_photos({"path": "a", "label": None})))) == set()


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        ({"label": "Plum"}, {"map-filters", "map-label", "map-legend"}),
        ({"label": None}, {"map-filters", "map-label", "map-legend"}),
        ({"split": "test"}, {"map-filters", "map-split"}),
        ({"kinds": ["leak"]}, {"map-filters", "map-kind"}),
    ],
)
def test_there_is_a_control_for_what_photos_differ_in(photo: dict[str, Any], expected: set[str]) -> None:
    page = Page(render(map_photos=map_photos({"path": "a"}, {"path": "b", **photo}), finding_counts={"leak": 1}))
    assert controls(page) == expected


def test_without_photos_on_it_there_is_no_map() -> None:
    assert "Map of the photos" not in Page(render()).text


# --- many labels ------------------------------------------------------------------------------------------------------


def test_of_many_labels_the_first_are_seen_and_the_others_are_behind_a_click() -> None:
    rows = [(f"label {number}", 40 - number, f"file:/p/{number}.jpg") for number in range(40)]
    page = Page(render(contact_sheet=contact_sheet(*rows)))
    assert "label 11 29 no picture 11.jpg Photos of 28 more labels label 12 28 no picture 12.jpg" in page.text
    assert "more labels" not in Page(render(contact_sheet=contact_sheet(*rows[:12]))).text
