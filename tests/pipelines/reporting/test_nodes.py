"""The plots: the numbers that they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from fruit_features.pipelines.reporting.nodes import plot_scatter, plot_scree
from fruit_features.pipelines.reporting.parameters import ReportingParameters

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from pyspark.sql import DataFrame, SparkSession

RATIOS = np.array([0.5, 0.25, 0.15, 0.06, 0.04])


@pytest.fixture
def explained_variance() -> pd.DataFrame:
    return pd.DataFrame({"component": np.arange(1, 6), "explained_variance_ratio": RATIOS, "cumulative": np.cumsum(RATIOS)})


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
    bars, line = plot_scree(explained_variance, pd.DataFrame({"n_components": [3]})).data
    assert (bars.type, line.type) == ("bar", "scatter")
    for trace, values in ((bars, RATIOS), (line, np.cumsum(RATIOS))):
        np.testing.assert_array_equal(trace.x, [1, 2, 3, 4, 5])
        np.testing.assert_array_equal(trace.y, values)


def test_the_scree_plot_marks_the_kept_components(explained_variance: pd.DataFrame) -> None:
    layout = plot_scree(explained_variance, pd.DataFrame({"n_components": [3]})).layout
    (mark,) = layout.shapes
    assert (mark.x0, mark.x1) == (3, 3)
    assert layout.annotations[0].text == "3 components: 90.0%"


def test_the_scree_plot_shows_one_component_too(explained_variance: pd.DataFrame) -> None:
    layout = plot_scree(explained_variance[:1], pd.DataFrame({"n_components": [1]})).layout
    assert layout.xaxis.range[0] < 1 < layout.xaxis.range[1]


def test_the_scatter_shows_every_photo_of_few(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 12), ReportingParameters(max_scatter_points=12, seed=0))
    shown = points(figure)
    assert shown == {
        f"{number}.jpg": (f"label {number % 4}", pytest.approx(number, abs=1e-6), pytest.approx(number + 0.1, abs=1e-6))
        for number in range(12)
    }
    assert "12 photos" in figure.layout.title.text


def test_the_scatter_shows_a_sample_of_many(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 2000), ReportingParameters(max_scatter_points=200, seed=0))
    n_shown = len(points(figure))
    assert 150 < n_shown < 250
    assert f"a sample of {n_shown} of 2,000 photos" in figure.layout.title.text


def test_the_sample_depends_on_the_seed_and_on_no_partition(spark: SparkSession) -> None:
    photos = projected(spark, 500)

    def sample(frame: DataFrame, seed: int) -> dict[str, Any]:
        return points(plot_scatter(frame, ReportingParameters(max_scatter_points=50, seed=seed)))

    assert sample(photos, 1) == sample(photos.repartition(5), 1)
    assert sample(photos, 1).keys() != sample(photos, 2).keys()


def test_the_scatter_of_one_component_is_drawn(spark: SparkSession) -> None:
    shown = points(plot_scatter(projected(spark, 4, n_components=1), ReportingParameters(max_scatter_points=9, seed=0)))
    assert {(x, y) for _, x, y in shown.values()} == {(float(number), float(number)) for number in range(4)}


def test_the_scatter_of_no_photos_is_empty(spark: SparkSession) -> None:
    figure = plot_scatter(projected(spark, 4).where("false"), ReportingParameters(max_scatter_points=9, seed=0))
    assert points(figure) == {}
