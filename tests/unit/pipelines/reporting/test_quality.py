"""The table of labels and the plot of which are confused: their numbers, their limits, and names that come from outside."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog

from fruit_features.pipelines.reporting.quality import (
    CONFUSION,
    LABEL_QUALITY,
    MAX_LABELS,
    plot_confusion,
    tabulate_labels,
)
from fruit_features.settings import CONFIG_LOADER_ARGS
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    import plotly.graph_objects as go


def confused(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=CONFUSION)


def cells(figure: go.Figure) -> dict[tuple[str, str], float]:
    """Shares that are drawn, by the names beside them."""
    (heatmap,) = figure.data
    names = figure.layout.xaxis.ticktext
    assert figure.layout.yaxis.ticktext == names
    return {
        (label, predicted): share
        for label, shares in zip(names, heatmap.z, strict=True)
        for predicted, share in zip(names, shares, strict=True)
        if share
    }


def test_labels_are_tabulated_with_what_they_are_confused_with() -> None:
    given = ["Kiwi"] * 4 + ["Apple"] * 2 + ["Pear"]
    labels, confusion = tabulate_labels(given, ["Kiwi", "Pear", "Lime", "Lime", "Apple", "Apple", "Kiwi"])
    assert list(labels.columns) == LABEL_QUALITY
    assert labels.astype(object).where(labels.notna(), None).to_numpy().tolist() == [
        ["Apple", 2, 1.0, 1.0, None, 0],
        ["Kiwi", 4, 0.25, 0.5, "Lime", 2],
        ["Pear", 1, 0.0, 0.0, "Kiwi", 1],
    ]
    assert confusion.to_numpy().tolist() == [
        ["Apple", "Apple", 2],
        ["Kiwi", "Kiwi", 1],
        ["Kiwi", "Lime", 2],
        ["Kiwi", "Pear", 1],
        ["Pear", "Kiwi", 1],
    ]
    assert confusion["n_photos"].sum() == labels["n_photos"].sum() == len(given)


def test_the_tables_are_read_as_they_were_written(tmp_path: Path) -> None:
    loader = OmegaConfigLoader(
        str(PROJECT / "conf"), env="base", runtime_params={"output_root": str(tmp_path)}, **CONFIG_LOADER_ARGS
    )
    catalog = DataCatalog.from_config({name: loader["catalog"][name] for name in ("label_quality", "confusion")})
    names = ["NA", "007", "=1+1", 'a "b", c', "null", "x\ry", "Äpfel"]
    labels, confusion = tabulate_labels(names * 2, [*names, *names[1:], "NA"])
    labels.loc[0, "precision"] = float("nan")
    empty = labels[:0], confusion[:0]
    for tables in ((labels, confusion), empty):
        for name, table in zip(("label_quality", "confusion"), tables, strict=True):
            catalog.save(name, table)
            pd.testing.assert_frame_equal(catalog.load(name), table.reset_index(drop=True), check_dtype=bool(len(table)))


def test_cells_are_shares_of_a_label_s_photos() -> None:
    figure = plot_confusion(confused(("a", "a", 3), ("a", "b", 1), ("b", "b", 5)))
    assert cells(figure) == {("a", "a"): 0.75, ("a", "b"): -0.25, ("b", "b"): 1.0}
    assert figure.data[0].hovertext[0][1] == "a<br>was named b:<br>1 of 4 photos"
    assert figure.layout.title.text == "Which labels are confused"


def test_a_label_that_is_only_predicted_has_a_row_too() -> None:
    assert cells(plot_confusion(confused(("a", "b", 2)))) == {("a", "b"): -1.0}


def test_of_many_labels_the_most_confused_are_shown() -> None:
    right = [(f"label {number:03}", f"label {number:03}", 9) for number in range(1000)]
    figure = plot_confusion(confused(*right, ("label 998", "label 999", 5), ("label 500", "label 020", 1)))
    names = list(figure.layout.xaxis.ticktext)
    assert len(names) == MAX_LABELS + 1
    assert names[-1] == "(other labels)"
    assert {"label 998", "label 999", "label 500", "label 020"} <= set(names)
    assert names[:-1] == sorted(names[:-1])
    shown = cells(figure)
    assert shown["(other labels)", "(other labels)"] == 1.0
    assert shown["label 998", "label 999"] == pytest.approx(-5 / 14)
    assert figure.layout.title.text == "Which labels are confused: the 40 labels that are confused most, and 960 others"


def test_a_label_with_the_name_of_the_others_is_none_of_them() -> None:
    right = [(f"label {number:03}", f"label {number:03}", 9) for number in range(MAX_LABELS)]
    figure = plot_confusion(confused(*right, ("(other labels)", "label 000", 3)))
    assert list(figure.layout.xaxis.ticktext).count("(other labels)") == 2


def test_where_nothing_was_measured_the_plot_says_so() -> None:
    figure = plot_confusion(confused())
    assert not figure.data
    assert figure.layout.title.text == "Which labels are confused was not measured"


def test_names_are_text() -> None:
    hostile = "<b>%{x}</b> & " + "x" * 100
    figure = plot_confusion(confused((hostile, hostile, 1), ("a", hostile, 1)))
    written: dict[str, Any] = json.loads(figure.to_json())
    (heatmap,) = written["data"]
    assert "<b>" not in json.dumps(written["layout"]["xaxis"]) + json.dumps(written["layout"]["yaxis"])
    assert heatmap["hoverinfo"] == "text"
    assert "hovertemplate" not in heatmap
    assert heatmap["hovertext"][0][0].startswith("&lt;b&gt;%{x}&lt;/b&gt; &amp; xxx")
    assert max(map(len, written["layout"]["xaxis"]["ticktext"])) < 60


def test_what_the_catalog_reads_can_be_plotted() -> None:
    text = confused(("a", "a", 2), ("b", "a", 1)).to_csv(index=False)
    assert cells(plot_confusion(pd.read_csv(io.StringIO(text)))) == {("a", "a"): 1.0, ("b", "a"): -1.0}
