"""The map: what is known of its photos, what the page is told of them, and what Kedro-Viz draws."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from fruit_features.pipelines.reporting.photo_map import MAP_PHOTOS, describe_map, describe_photos, plot_photo_map
from tests.support.photos import encoded, fruit

PICTURE = encoded(fruit("Pear", 0, (96, 48)), "JPEG")


def map_photos(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {"label": "Pear", "x": 0.25, "y": 0.5, "kinds": [], "neighbours": []}
    return pd.DataFrame([dict.fromkeys(MAP_PHOTOS) | usual | row for row in rows], columns=MAP_PHOTOS)


# --- the table --------------------------------------------------------------------------------------------------------


def test_a_photo_has_its_neighbours_and_its_findings() -> None:
    photos = pd.DataFrame({"path": ["a", "b"], "label": ["Pear", None], "x": [0.0, 1.0], "y": [1.0, 0.0]})
    near = pd.DataFrame({"path": ["a", "a", "b"], "rank": [2, 1, 1], "neighbour": ["c", "b", "a"]})
    found = pd.DataFrame({"path": ["b", "b"], "kind": ["outlier", "label_issue"], "suggested_label": [None, "Plum"]})
    table = describe_photos(photos, near, found)
    assert list(table.columns) == MAP_PHOTOS
    first, second = table.to_dict("records")
    assert first == {
        "path": "a",
        "label": "Pear",
        "split": None,
        "x": 0.0,
        "y": 1.0,
        "kinds": [],
        "suggested_label": None,
        "neighbours": ["b", "c"],
    }
    assert (second["label"], second["kinds"], second["suggested_label"], second["neighbours"]) == (
        None,
        ["label_issue", "outlier"],
        "Plum",
        ["a"],
    )


def test_without_findings_and_neighbours_photos_have_none() -> None:
    photos = pd.DataFrame({"path": ["a"], "label": [None], "split": ["train"], "x": [0.5], "y": [0.5]})
    near = pd.DataFrame(columns=["path", "rank", "neighbour"])
    found = pd.DataFrame(columns=["path", "kind", "suggested_label"])
    (row,) = describe_photos(photos, near, found).to_dict("records")
    assert (row["split"], row["kinds"], row["neighbours"], row["suggested_label"]) == ("train", [], [], None)


# --- what the page is told --------------------------------------------------------------------------------------------


def test_labels_are_numbered_by_their_frequency() -> None:
    rows = [{"path": f"{number}", "label": label} for number, label in enumerate(["Plum", None, "Kiwi", "Plum"])]
    view = describe_map(map_photos(*rows), {}, [])
    assert view.labels == view.data["labels"] == ["Plum", "(no label)", "Kiwi"]
    assert view.data["label"] == [0, 1, 2, 0]
    assert (view.splits, view.data["split"]) == ([], [-1] * 4)


def test_splits_and_findings_are_numbered_too() -> None:
    view = describe_map(
        map_photos(
            {"path": "a", "split": "train", "kinds": ["outlier", "leak"]},
            {"path": "b", "split": "test", "suggested_label": "Plum"},
            {"path": "c", "kinds": ["an unknown kind"]},
        ),
        {},
        ["leak", "near_duplicate", "outlier"],
    )
    assert (view.splits, view.data["split"]) == (["test", "train"], [1, 0, -1])
    assert (view.kinds, view.data["found"]) == ({"leak": "leak", "outlier": "outlier"}, [[1, 0], [], []])
    assert view.data["suggested"] == {1: "Plum"}


def test_neighbours_that_are_not_on_the_map_are_named_and_each_once() -> None:
    rows = {"a": ["b", "out/x", "out/y"], "b": ["out/y", "a"]}
    view = describe_map(map_photos(*({"path": path, "neighbours": near} for path, near in rows.items())), {}, [])
    assert view.data["near"] == [[1, 2, 3], [3, 0]]
    assert (view.data["names"], view.data["others"]) == (["a", "b"], ["out/x", "out/y"])


@pytest.mark.parametrize(
    ("paths", "folder", "names"),
    [
        (["file:/p/Kiwi/1.jpg", "file:/p/Pear/1.jpg"], "file:/p/", ["Kiwi/1.jpg", "Pear/1.jpg"]),
        (["file:/p/Kiwi/1.jpg", "file:/p/Kiwi/12.jpg"], "file:/p/Kiwi/", ["1.jpg", "12.jpg"]),
        (["file:/p/Kiwi/1.jpg"], "file:/p/Kiwi/", ["1.jpg"]),
        (["a", "b"], "", ["a", "b"]),
        ([], "", []),
    ],
)
def test_the_folder_of_all_photos_is_said_once(paths: list[str], folder: str, names: list[str]) -> None:
    data = describe_map(map_photos(*({"path": path} for path in paths)), {}, []).data
    assert (data["folder"], data["names"]) == (folder, names)


def test_pictures_are_found_on_their_sheet() -> None:
    view = describe_map(
        map_photos({"path": "a"}, {"path": "gone"}, {"path": "b"}), {"a": PICTURE, "gone": None, "b": PICTURE}, []
    )
    assert view.data["places"] == [[0, 0, 0, 96, 48], None, [0, 192, 0, 96, 48]]
    assert view.data["sheets"] == [(288, 96)]
    assert len(view.sheets.images) == 1


def test_what_the_page_is_told_is_json() -> None:
    view = describe_map(map_photos({"path": "a", "x": 1 / 3}), {}, [])
    assert json.loads(json.dumps(view.data))["x"] == [0.3333]


# --- Kedro-Viz --------------------------------------------------------------------------------------------------------


def test_dots_say_label_split_and_findings() -> None:
    (kiwi, pear) = plot_photo_map(
        map_photos(
            {"path": "file:/p/a.jpg", "split": "test", "kinds": ["leak", "odd_size"]},
            {"path": "b", "label": "Kiwi", "x": 0.75},
        )
    ).data
    assert (kiwi.name, pear.name, pear.hovertext[0]) == ("Kiwi", "Pear", "a.jpg")
    assert pear.customdata.tolist() == [["Pear", "test", "leak, odd size"]]
    assert pear.hovertemplate == (
        "<b>%{hovertext}</b><br><br>label=%{customdata[0]}<br>split=%{customdata[1]}<br>findings=%{customdata[2]}<extra></extra>"
    )
    assert (kiwi.x.tolist(), kiwi.type) == ([0.75], "scatter")


def test_what_no_photo_has_is_not_said() -> None:
    (trace,) = plot_photo_map(map_photos({"path": "a"})).data
    assert trace.customdata.tolist() == [["Pear"]]
    assert trace.showlegend is False


def test_a_map_of_no_photos_is_empty() -> None:
    figure = plot_photo_map(pd.DataFrame(columns=MAP_PHOTOS))
    assert len(figure.data) == 0
    assert figure.layout.title.text.startswith("0 photos")


def test_names_are_no_markup() -> None:
    (trace,) = plot_photo_map(map_photos({"path": "file:/p/<b>.jpg", "label": "%{x}<i>"})).data
    assert (trace.hovertext[0], trace.customdata.tolist()) == ("&lt;b&gt;.jpg", [["%{x}&lt;i&gt;"]])
