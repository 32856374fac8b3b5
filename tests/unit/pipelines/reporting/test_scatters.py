"""Scatters by label: the tests of the nodes that draw them say the rest."""

from __future__ import annotations

import pandas as pd
import pytest

from fruit_features.pipelines.reporting.scatters import COLOURS, OTHER_COLOUR, scatter_by_label, shorten


def photos(n_photos: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"path": [f"{number}.jpg" for number in range(n_photos)], "label": "Pear", "x": range(n_photos), "y": range(n_photos)}
    )


@pytest.mark.parametrize(
    ("n_photos", "is_map", "kind"), [(1000, False, "scatter"), (1001, False, "scattergl"), (1001, True, "scatter")]
)
def test_many_photos_are_drawn_by_webgl_but_on_the_map(n_photos: int, is_map: bool, kind: str) -> None:
    (trace,) = scatter_by_label(photos(n_photos), ("x", "y"), ["label"], is_map=is_map).data
    assert trace.type == kind


def test_colours_are_all_different() -> None:
    assert len({*COLOURS, OTHER_COLOUR}) == len(COLOURS) + 1


def test_a_long_name_is_cut() -> None:
    assert [shorten("abcd", longest) for longest in (4, 3)] == ["abcd", "ab…"]
