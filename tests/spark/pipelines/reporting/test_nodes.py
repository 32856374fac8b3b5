"""Plots and contact sheet: the numbers and photos that they show."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from fruit_features.analysis.pca import PcaModel
from fruit_features.pipelines.reporting.nodes import (
    LABELS_SHOWN,
    MAX_BARS,
    PHOTOS_PER_LABEL,
    REJECTS_SHOWN,
    make_contact_sheet,
    plot_class_counts,
    plot_rejects_by_reason,
    plot_scatter,
    plot_scree,
)
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.scatters import COLOURS as COLOURS_OF_LABELS
from fruit_features.pipelines.reporting.scatters import OTHER_COLOUR
from tests.support.photos import COLOURS
from tests.support.runs import as_path
from tests.support.tables import with_outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import plotly.graph_objects as go
    from pyspark.sql import DataFrame, SparkSession

    from tests.support.photos import PhotoTree

RATIOS = np.array([0.5, 0.25, 0.15, 0.06, 0.04])


def parameters(**changes: int) -> ReportingParameters:
    return ReportingParameters(
        **{"max_scatter_points": 5000, "max_map_points": 2000, "max_quality_photos": 2000, "seed": 0, **changes}
    )


# --- scree plot -------------------------------------------------------------------------------------------------------


@pytest.fixture
def explained_variance() -> pd.DataFrame:
    return pd.DataFrame({"component": np.arange(1, 6), "explained_variance_ratio": RATIOS, "cumulative": np.cumsum(RATIOS)})


def model_table(n_components: int, variance_threshold: float | None) -> pd.DataFrame:
    model = PcaModel(np.zeros(5), RATIOS, np.eye(5)[:n_components], 9, "any", variance_threshold=variance_threshold)
    return pd.DataFrame([model.to_record()])


def projected(spark: SparkSession, n_photos: int, n_components: int = 3) -> DataFrame:
    columns = ", ".join(f"pca_{component} float" for component in range(1, n_components + 1))
    rows = [
        (f"file:/photos/{number % 4}/{number}.jpg", f"label {number % 4}", *(number + c / 10 for c in range(n_components)))
        for number in range(n_photos)
    ]
    return spark.createDataFrame(rows, f"path string, label string, {columns}")


def points(figure: go.Figure) -> dict[str, tuple[Any, float, float]]:
    """Photo to label, x and y, of all that a scatter shows."""
    return {
        photo: (trace.name, float(x), float(y))
        for trace in figure.data
        for photo, x, y in zip(trace.hovertext, trace.x, trace.y, strict=True)
    }


def test_the_scree_plot_shows_every_ratio_and_their_sum(explained_variance: pd.DataFrame) -> None:
    bars, line = plot_scree(explained_variance, model_table(3, 0.9)).data
    assert (bars.type, line.type) == ("bar", "scatter")
    for trace, values in ((bars, RATIOS), (line, np.cumsum(RATIOS))):
        np.testing.assert_array_equal(trace.x, [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(trace.y, values)


def test_the_scree_plot_marks_the_kept_components(explained_variance: pd.DataFrame) -> None:
    layout = plot_scree(explained_variance, model_table(3, 0.9)).layout
    mark = layout.shapes[0]
    assert (mark.x0, mark.x1) == (3, 3)
    assert layout.annotations[0].text == "3 components: 90.0%"


def test_the_scree_plot_marks_the_threshold_that_decided(explained_variance: pd.DataFrame) -> None:
    layout = plot_scree(explained_variance, model_table(4, 0.955)).layout
    _, mark = layout.shapes
    assert (mark.y0, mark.y1) == (0.955, 0.955)
    assert layout.annotations[1].text == "threshold: 95.5%"


def test_the_scree_plot_marks_no_threshold_where_a_number_was_asked_for(explained_variance: pd.DataFrame) -> None:
    assert len(plot_scree(explained_variance, model_table(3, None)).layout.shapes) == 1


def test_the_scree_plot_shows_one_component_too(explained_variance: pd.DataFrame) -> None:
    layout = plot_scree(explained_variance[:1], model_table(1, 0.9)).layout
    assert layout.xaxis.range[0] < 1 < layout.xaxis.range[1]


# --- scatter ----------------------------------------------------------------------------------------------------------


def test_the_scatter_shows_every_photo_of_few(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 12), parameters(max_scatter_points=12))
    shown = points(figure)
    assert shown == {
        f"{number}.jpg": (f"label {number % 4}", pytest.approx(number, abs=1e-6), pytest.approx(number + 0.1, abs=1e-6))
        for number in range(12)
    }
    assert "12 photos" in figure.layout.title.text


def test_the_scatter_shows_a_sample_of_many(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 2000), parameters(max_scatter_points=200))
    n_shown = len(points(figure))
    assert 150 < n_shown < 250
    assert f"a sample of {n_shown} of 2,000 photos" in figure.layout.title.text


def test_the_sample_depends_on_the_seed_and_on_no_partition(spark: SparkSession) -> None:
    photos = projected(spark, 500)

    def sample(frame: DataFrame, seed: int) -> dict[str, Any]:
        return points(plot_scatter(frame, parameters(max_scatter_points=50, seed=seed)))

    assert sample(photos, 1) == sample(photos.repartition(5), 1)
    assert sample(photos, 1).keys() != sample(photos, 2).keys()


def test_the_scatter_of_one_component_is_drawn(spark: SparkSession) -> None:
    shown = points(plot_scatter(projected(spark, 4, n_components=1), parameters(max_scatter_points=9)))
    assert {(x, y) for _, x, y in shown.values()} == {(float(number), float(number)) for number in range(4)}


def test_photos_without_a_label_have_a_colour_of_their_own(spark: SparkSession) -> None:
    photos = projected(spark, 8).withColumn("label", F.when(F.col("label") != "label 1", F.col("label")))
    shown = points(plot_scatter(photos, parameters()))
    assert {label for label, _, _ in shown.values()} == {"label 0", "label 2", "label 3", "(no label)"}
    assert (shown["1.jpg"][0], shown["5.jpg"][0]) == ("(no label)", "(no label)")


def test_the_scatter_of_no_photos_is_empty(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 4).where("false"), parameters(max_scatter_points=9))
    assert points(figure) == {}


def test_of_many_labels_the_most_frequent_have_a_colour_and_a_name(spark: SparkSession) -> None:
    n_coloured = len(COLOURS_OF_LABELS)
    rows = [
        (f"file:/p/{label:03}/{n}.jpg", f"{label:03}", 0.0, 0.0) for label in range(300) for n in range(1 + (label >= 290))
    ]
    photos = spark.createDataFrame(rows, "path string, label string, pca_1 float, pca_2 float")
    figure = plot_scatter(photos, parameters())
    others, *coloured = figure.data
    assert [trace.name for trace in coloured] == [f"{label}" for label in range(290, 300)]
    assert len({trace.marker.color for trace in coloured} | {OTHER_COLOUR}) == n_coloured + 1
    assert (others.name, others.marker.color, len(others.x)) == ("290 other labels", OTHER_COLOUR, 290)
    assert others.legendrank > max(trace.legendrank for trace in coloured), "it is named last"
    assert ["007"] in others.customdata.tolist(), "a photo still says its label"


def test_one_label_needs_no_legend(spark: SparkSession) -> None:
    (trace,) = plot_scatter(projected(spark, 8).where("label = 'label 1'"), parameters()).data
    assert trace.showlegend is False


def test_what_looks_like_markup_is_shown_as_it_is(spark: SparkSession) -> None:
    photos = spark.createDataFrame(
        [("file:/p/<b>x.jpg", "<i>&", 1.0, 2.0)], "path string, label string, pca_1 float, pca_2 float"
    )
    (trace,) = plot_scatter(photos, parameters()).data
    assert trace.name == "&lt;i&gt;&amp;", "Plotly turns entities back, and tags into styles"
    assert trace.hovertext[0] == "&lt;b&gt;x.jpg"


def test_a_label_is_no_template_of_a_hover_text(spark: SparkSession) -> None:
    rows = [("file:/p/x.jpg", "%{x} <extra>$y$", 1.0, 2.0)]
    (trace,) = plot_scatter(
        spark.createDataFrame(rows, "path string, label string, pca_1 float, pca_2 float"), parameters()
    ).data
    assert trace.customdata.tolist() == [["%{x} &lt;extra&gt;$y$"]]
    assert trace.meta is None, "else Plotly takes the name in the legend for a template"
    assert "$y$" not in trace.hovertemplate
    assert "label=%{customdata[0]}<br>pca_1=%{x}<br>pca_2=%{y}" in trace.hovertemplate


def test_a_long_label_is_cut_in_the_legend_only(spark: SparkSession) -> None:
    rows = [(f"file:/p/{end}.jpg", f"<{'x' * 200}{end}", 1.0) for end in "ab"]
    traces = plot_scatter(spark.createDataFrame(rows, "path string, label string, pca_1 float"), parameters()).data
    assert [trace.hovertext[0] for trace in traces] == ["a.jpg", "b.jpg"], "two labels"
    for trace in traces:
        assert trace.name.startswith("&lt;xxx")
        assert len(trace.name) < 70
        assert f"{'x' * 200}" in trace.customdata[0][0]
        assert "%{customdata[0]}" in trace.hovertemplate


# --- bars -------------------------------------------------------------------------------------------------------------


def outcomes(spark: SparkSession, exported: Mapping[str, int], rejected: Mapping[str, int]) -> DataFrame:
    """What became of so many exported and rejected photos of each label."""
    tables = (
        [(f"file:/photos/{label}/{kind}{number}.jpg", label) for label, count in counts.items() for number in range(count)]
        for kind, counts in (("good", exported), ("bad", rejected))
    )
    good, bad = (spark.createDataFrame(table, "path string, label string") for table in tables)
    return with_outcomes(good.unionByName(bad), bad.selectExpr("*", "'no image' AS reason"))


def bars(figure: go.Figure) -> dict[str, dict[str, int]]:
    """Outcome to length of every bar by its name, in the order from top to bottom."""
    assert figure.layout.yaxis.autorange == "reversed"
    return {trace.name: dict(zip(trace.y, map(int, trace.x), strict=True)) for trace in figure.data}


def test_photos_are_counted_by_label_and_outcome(spark: SparkSession) -> None:
    figure = plot_class_counts(outcomes(spark, {"Apple": 2, "Kiwi": 5, "Pear": 2}, {"Apple": 2, "Lemon": 1}))
    assert bars(figure) == {
        "exported": {"Kiwi": 5, "Apple": 2, "Pear": 2, "Lemon": 0},
        "rejected": {"Kiwi": 0, "Apple": 2, "Pear": 0, "Lemon": 1},
    }
    assert list(bars(figure)["exported"]) == ["Kiwi", "Apple", "Pear", "Lemon"], "largest first, then by name"
    assert figure.layout.title.text == "12 photos of 4 labels"


def test_photos_without_a_label_are_a_bar_but_no_label(spark: SparkSession) -> None:
    photos = outcomes(spark, {"Apple": 2, "Pear": 3}, {"Pear": 1})
    figure = plot_class_counts(photos.withColumn("label", F.when(F.col("label") != "Pear", F.col("label"))))
    assert bars(figure) == {"exported": {"(no label)": 3, "Apple": 2}, "rejected": {"(no label)": 1, "Apple": 0}}
    assert figure.layout.title.text == "6 photos of 1 label"


def test_of_many_labels_the_largest_are_shown(spark: SparkSession) -> None:
    figure = plot_class_counts(outcomes(spark, {f"{number:03}": 1 + (number == 70) for number in range(71)}, {}))
    shown = list(bars(figure)["exported"])
    assert (shown[0], len(shown)) == ("070", MAX_BARS)
    assert figure.layout.title.text == (
        "72 photos of 71 labels, from 1 to 2 each, half of them at most 1: the 60 most frequent labels"
    )


@pytest.mark.parametrize(
    ("n_more", "title", "expected"),
    [
        (0, "100 photos of 100 labels, 1 each", {"1 photo": 100}),
        (70, "170 photos of 100 labels, from 1 to 2 each, half of them at most 2", {"2 photos": 70, "1 photo": 30}),
    ],
)
def test_of_many_labels_with_equally_many_photos_their_sizes_are_shown(
    spark: SparkSession, n_more: int, title: str, expected: dict[str, int]
) -> None:
    figure = plot_class_counts(outcomes(spark, {f"{number:03}": 1 + (number < n_more) for number in range(100)}, {}))
    assert bars(figure) == {"labels": expected}
    assert figure.layout.title.text == title
    assert figure.layout.height < 300


def test_a_label_is_a_name_and_neither_a_date_nor_markup(spark: SparkSession) -> None:
    figure = plot_class_counts(outcomes(spark, {"2024-01-01": 1, "<b>&": 1}, {}))
    assert figure.layout.yaxis.type == "category"
    assert set(bars(figure)["exported"]) == {"2024-01-01", "&lt;b&gt;&amp;"}


def test_a_long_name_is_cut_beside_its_bar_only(spark: SparkSession) -> None:
    figure = plot_class_counts(outcomes(spark, {"x" * 200: 1}, {}))
    assert list(bars(figure)["exported"]) == ["x" * 200] == list(figure.layout.yaxis.tickvals)
    (shown,) = figure.layout.yaxis.ticktext
    assert len(shown) < 80
    assert shown.endswith("…")


def test_rejects_are_counted_by_reason() -> None:
    figure = plot_rejects_by_reason({"rejected_by_reason": {"empty file": 2, "too large": 7, "cannot decode": 2}})
    assert bars(figure) == {"rejected": {"too large": 7, "cannot decode": 2, "empty file": 2}}
    assert list(bars(figure)["rejected"]) == ["too large", "cannot decode", "empty file"]
    assert figure.layout.title.text == "11 rejected photos by reason"


def test_of_many_reasons_the_most_frequent_are_shown() -> None:
    reasons = {"x" * number: number for number in range(1, 101)}
    figure = plot_rejects_by_reason({"rejected_by_reason": reasons})
    assert list(bars(figure)["rejected"].values()) == list(range(100, 100 - MAX_BARS, -1))
    assert figure.layout.title.text == "5,050 rejected photos by reason: the 60 most frequent reasons"


def test_reasons_that_differ_by_a_number_are_one() -> None:
    reasons = {"truncated (12 bytes not processed)": 2, "empty file": 4, "truncated (7 bytes not processed)": 3}
    figure = plot_rejects_by_reason({"rejected_by_reason": reasons})
    assert bars(figure) == {"rejected": {"truncated (# bytes not processed)": 5, "empty file": 4}}


def test_it_is_said_when_no_photo_was_rejected() -> None:
    figure = plot_rejects_by_reason({"rejected_by_reason": {}})
    assert bars(figure) == {"rejected": {}}
    assert figure.layout.title.text == "No photo was rejected"


# --- contact sheet ----------------------------------------------------------------------------------------------------


@pytest.fixture
def rejected_images(photos: DataFrame, photo_tree: PhotoTree) -> DataFrame:
    """The broken photos of `photo_tree`, as the featurization finds them."""
    rows = [(row["path"], row["label"], "broken") for row in photos.collect() if as_path(row["path"]) in photo_tree.bad]
    assert len(rows) == len(photo_tree.bad)
    return photos.sparkSession.createDataFrame(rows, "path string, label string, reason string")


def listing(spark: SparkSession, labels: Mapping[str, int]) -> DataFrame:
    """Photos that are nowhere."""
    paths = [(f"file:/nowhere/{label}/{number}.jpg", label) for label, count in labels.items() for number in range(count)]
    return spark.createDataFrame(paths, "path string, label string").withColumn("length", F.lit(100).cast("bigint"))


def test_a_few_photos_of_every_label_are_shown(photos: DataFrame, rejected_images: DataFrame, photo_tree: PhotoTree) -> None:
    sheet, _ = make_contact_sheet(with_outcomes(photos, rejected_images), parameters())
    assert list(sheet.columns) == ["label", "n_photos", "path"]
    assert Counter(sheet["label"]) == dict.fromkeys(COLOURS, PHOTOS_PER_LABEL)
    assert {as_path(path) for path in sheet["path"]} <= photo_tree.good
    n_good = Counter(path.parent.name for path in photo_tree.good)
    assert dict(zip(sheet["label"], sheet["n_photos"], strict=True)) == n_good
    assert sheet["n_photos"].is_monotonic_decreasing


def test_photos_without_a_label_lie_together_on_the_sheet(spark: SparkSession) -> None:
    photos = listing(spark, {"Pear": 6, "Kiwi": 2, "Plum": 1}).withColumn(
        "label", F.when(F.col("label") != "Pear", F.col("label"))
    )
    is_plum = F.col("label") == "Plum"
    rejected = photos.where(is_plum | (F.col("path") == "file:/nowhere/Pear/0.jpg")).selectExpr(
        "path", "label", "'broken' reason"
    )
    sheet, sample = make_contact_sheet(with_outcomes(photos, rejected), parameters())
    assert sheet["label"].isna().tolist() == [True] * PHOTOS_PER_LABEL + [False] * 2
    assert sheet["n_photos"].tolist() == [5] * PHOTOS_PER_LABEL + [2] * 2
    assert set(sample["label"].fillna("none")) == {"none", "Plum"}


def test_of_many_labels_those_with_most_photos_are_shown(spark: SparkSession, rejected_images: DataFrame) -> None:
    photos = listing(spark, {f"label {number:02}": 1 + number % 6 for number in range(60)})
    sheet, _ = make_contact_sheet(with_outcomes(photos, rejected_images), parameters())
    assert sheet["label"].nunique() == LABELS_SHOWN
    assert sheet["n_photos"].min() == 3
    assert sheet.groupby("label").size().max() == PHOTOS_PER_LABEL


def test_the_photos_shown_depend_on_the_seed_and_on_no_partition(spark: SparkSession, rejected_images: DataFrame) -> None:
    photos = listing(spark, {"Pear": 50, "Kiwi": 50})

    def shown(frame: DataFrame, seed: int) -> list[str]:
        paths: list[str] = make_contact_sheet(with_outcomes(frame, rejected_images), parameters(seed=seed))[0]["path"].tolist()
        return paths

    assert shown(photos, 1) == shown(photos.repartition(5), 1) != shown(photos, 2)


def test_of_many_rejects_every_reason_is_shown(spark: SparkSession) -> None:
    reasons = (
        ["frequent"] * 200 + [f"truncated ({number} bytes)" for number in range(200)] + [f"rare {c}" for c in "abcdefghi"]
    )
    rows = [(f"file:/p/{number}.jpg", "Pear", reason) for number, reason in enumerate(reasons)]
    rejected = spark.createDataFrame(rows, "path string, label string, reason string")
    _, sample = make_contact_sheet(with_outcomes(rejected.withColumn("length", F.lit(9)), rejected), parameters())
    assert list(sample.columns) == ["path", "label", "reason"]
    assert len(sample) == REJECTS_SHOWN
    kinds = Counter(sample["reason"].str.split(" ").str[0])
    assert kinds["rare"] == 9
    assert abs(kinds["frequent"] - kinds["truncated"]) <= 1


def test_a_listing_of_nothing_but_rejects_shows_no_photo(spark: SparkSession) -> None:
    photos = listing(spark, {"Pear": 2})
    rejected = photos.selectExpr("path", "label", "'broken' AS reason")
    sheet, sample = make_contact_sheet(with_outcomes(photos, rejected), parameters())
    assert (len(sheet), len(sample)) == (0, 2)
