"""How well labels are told apart: which photos are measured, by which method, and what is said where none can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F

from fruit_features.analysis.separability import LINEAR_PROBE, NEIGHBOURS, plan_trial, score_classifiers
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.quality import CONFUSION, LABEL_QUALITY, QUALITY, measure_quality
from tests.support.tables import as_stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

NO_COPIES = pd.DataFrame(columns=["path", "group", "kind", "compared_with", "score"])

METHOD = "3-fold cross-validation, copies in one fold"


def parameters(**changes: int) -> ReportingParameters:
    return ReportingParameters(
        **{"max_scatter_points": 5000, "max_map_points": 0, "max_quality_photos": 2000, "seed": 0, **changes}
    )


def clouds(spark: SparkSession, labels: Mapping[str, int], spread: float = 0.1) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Photos, their features of six columns in a cloud per label, and their first two columns as if a PCA had kept them."""
    rng = np.random.default_rng(0)
    rows = [
        (f"file:/photos/{label}/{number}.jpg", label, (np.eye(6)[which % 6] + rng.normal(0, spread, 6)).tolist())
        for which, (label, count) in enumerate(labels.items())
        for number in range(count)
    ]
    features = spark.createDataFrame(rows, "path string, label string, features array<float>")
    components = features.selectExpr("path", "label", "features[0] AS pca_1", "features[1] AS pca_2")
    return *as_stored(features), components.repartition(3)


def with_column(name: str, column: str, photos: DataFrame, store: DataFrame, components: DataFrame) -> list[DataFrame]:
    """The same with another column of photos and of components, which stands before the features there."""
    others = [other for other in components.columns if other.startswith("pca_")]
    named = components.withColumn(name, F.expr(column)).select("path", "label", *({name} - {"label"}), *others)
    return [photos.withColumn(name, F.expr(column)), store, named]


def test_quality_is_measured_on_all_features_and_on_the_components(spark: SparkSession) -> None:
    quality, labels, confusion = measure_quality(*clouds(spark, {"Apple": 20, "Pear": 20}), NO_COPIES, parameters())
    assert list(quality.columns) == QUALITY
    assert quality.drop(columns="n_train").to_dict("records") == [
        {
            "features": features,
            "n_columns": n_columns,
            "classifier": classifier,
            "accuracy": 1.0,
            "n_test": 40,
            "note": METHOD,
        }
        for features, n_columns in (("network", 6), ("PCA", 2))
        for classifier in (NEIGHBOURS, LINEAR_PROBE)
    ]
    assert quality["n_train"].between(26, 27).all()
    assert list(labels.columns) == LABEL_QUALITY
    assert labels[["label", "n_photos", "recall", "precision", "n_confused"]].to_numpy().tolist() == [
        ["Apple", 20, 1.0, 1.0, 0],
        ["Pear", 20, 1.0, 1.0, 0],
    ]
    assert confusion.to_numpy().tolist() == [["Apple", "Apple", 20], ["Pear", "Pear", 20]]


def test_what_the_components_lost_shows(spark: SparkSession) -> None:
    quality, labels, _ = measure_quality(*clouds(spark, dict.fromkeys("abcdef", 30)), NO_COPIES, parameters())
    accuracy = quality.set_index(["features", "classifier"])["accuracy"]
    assert accuracy["network"].min() == 1.0
    assert accuracy["PCA"].max() < 0.8, "four of six clouds lie on top of one another"
    assert labels.set_index("label")["recall"][["a", "b"]].tolist() == [1.0, 1.0]
    assert labels["most_confused_with"].notna().tolist() == [False, False, True, True, True, True]


def test_quality_is_that_of_the_photos_in_the_order_of_their_paths(spark: SparkSession) -> None:
    photos, store, components = clouds(spark, {"Apple": 30, "Kiwi": 30, "Pear": 30}, spread=0.8)
    rows = photos.join(store.select("digest", "features"), "digest").toPandas().sort_values("path")
    trial = plan_trial(rows["label"].tolist(), np.arange(90), None, 3)
    expected = score_classifiers(np.stack(rows["features"].to_list()).astype(np.float32), rows["label"].tolist(), trial)
    for frame in (store, store.repartition(4)):
        table, _, _ = measure_quality(photos, frame, components, NO_COPIES, parameters(seed=3))
        assert table["accuracy"].tolist()[:2] == [score.accuracy for score in expected]


def test_quality_of_many_photos_is_measured_on_a_sample(spark: SparkSession) -> None:
    table, _, _ = measure_quality(*clouds(spark, {"Apple": 500, "Pear": 500}), NO_COPIES, parameters(max_quality_photos=100))
    assert 70 < table["n_test"][0] < 130
    assert table["n_train"].nunique() == 1, "the same photos for both"


def test_copies_do_not_vouch_for_each_other(spark: SparkSession) -> None:
    """Photos of one content, and near copies, have labels by chance: only a copy on the other side could tell them."""
    photos, store, components = clouds(spark, dict.fromkeys("abc", 60))
    rows = components.toPandas().sort_values("path", ignore_index=True)
    place = np.random.default_rng(0).normal(size=(30, 2))[np.arange(180) // 6]
    near = spark.createDataFrame(rows.assign(pca_1=place[:, 0], pca_2=place[:, 1]))
    paths = rows["path"].to_numpy()
    copies = pd.DataFrame({"path": paths, "group": paths[np.arange(180) // 6 * 6]})
    shuffled = dict(zip(paths, np.random.default_rng(1).choice([*"abc"], 30)[np.arange(180) // 6].tolist(), strict=True))
    relabelled = spark.createDataFrame(list(shuffled.items()), "path string, label string")
    photos = photos.drop("label").join(relabelled, "path").select("path", "label", "digest", "fingerprint", "error")
    near = near.drop("label").join(relabelled, "path").select("path", "label", "pca_1", "pca_2")

    def accuracy(photos: DataFrame, copies: pd.DataFrame) -> float:
        table, _, _ = measure_quality(photos, store, near, copies, parameters())
        return float(table.set_index(["features", "classifier"])["accuracy"]["PCA", NEIGHBOURS])

    assert accuracy(photos, copies) < 0.6 < accuracy(photos, NO_COPIES)


def test_where_nobody_has_looked_for_copies_photos_of_one_content_are_in_one_fold(spark: SparkSession) -> None:
    photos, store, components = clouds(spark, {"Apple": 20, "Pear": 20})
    equal = photos.withColumn("digest", F.lit("the same"))
    one = store.limit(1).withColumn("digest", F.lit("the same"))
    table, labels, confusion = measure_quality(equal, one, components, NO_COPIES, parameters())
    assert table["note"].tolist() == [
        "Not measured: fewer than two labels have two photos or more that are no copies of one another: 40 photos are 1 but "
        "for copies"
    ]
    assert (list(labels.columns), list(confusion.columns), len(labels), len(confusion)) == (LABEL_QUALITY, CONFUSION, 0, 0)


def test_where_there_is_a_split_the_others_are_tested(spark: SparkSession) -> None:
    split = "if(path rlike '/[0-5][.]jpg', 'test', 'train')"
    tables = with_column("split", split, *clouds(spark, {"Apple": 20, "Pear": 20}))
    table, labels, _ = measure_quality(*tables, NO_COPIES, parameters())
    assert set(table["note"]) == {"learned from the split train, tested on the others"}
    assert (set(table["n_train"]), set(table["n_test"])) == ({28}, {12})
    assert labels["n_photos"].tolist() == [6, 6]


def test_photos_without_a_label_take_no_part_in_the_accuracies(spark: SparkSession) -> None:
    tables = clouds(spark, {"Apple": 30, "Kiwi": 30, "Pear": 300})
    unlabelled = with_column("label", "nullif(label, 'Pear')", *tables)
    table, _, _ = measure_quality(*unlabelled, NO_COPIES, parameters(max_quality_photos=60))
    assert set(table["n_test"]) == {60}, "the sample is one of labelled photos"
    is_labelled = F.col("label") != "Pear"
    photos, store, components = tables
    expected, _, _ = measure_quality(photos.where(is_labelled), store, components.where(is_labelled), NO_COPIES, parameters())
    pd.testing.assert_frame_equal(table, expected)
    nothing = [table.where("label is null") if "label" in table.columns else table for table in unlabelled]
    quality, _, _ = measure_quality(*nothing, NO_COPIES, parameters())
    assert quality["note"].tolist() == ["Not measured: fewer than two labels have two photos or more: no photo has a label"]


FEWER = "Not measured: fewer than two labels have two photos or more"


@pytest.mark.parametrize(
    ("labels", "max_quality_photos", "note"),
    [
        ({"Apple": 20, "Pear": 20}, 0, "Not measured: reporting.max_quality_photos is 0"),
        ({"Apple": 20}, 2000, f"{FEWER}: all photos have the same label"),
        (
            {"Apple": 1, "Kiwi": 1, "Pear": 1},
            2000,
            f"{FEWER}: 3 of 3 labels have a single photo, which cannot be learned and named as well",
        ),
        ({"Apple": 2, "Pear": 2}, 2000, "Not measured: 2 photos to learn from are too few for 5 nearest neighbours"),
        ({}, 2000, f"{FEWER}: no photo has a label"),
    ],
)
def test_the_table_says_why_quality_was_not_measured(
    spark: SparkSession, labels: dict[str, int], max_quality_photos: int, note: str
) -> None:
    given = parameters(max_quality_photos=max_quality_photos)
    table, of_labels, confusion = measure_quality(*clouds(spark, labels), NO_COPIES, given)
    assert list(table.columns) == QUALITY
    assert table["note"].tolist() == [note]
    assert table.drop(columns="note").isna().all(axis=None)
    assert (len(of_labels), len(confusion)) == (0, 0)


def test_a_sample_in_which_labels_are_alone_is_named_as_the_reason(spark: SparkSession) -> None:
    labels = {f"label {number}": 2 for number in range(200)}
    table, _, _ = measure_quality(*clouds(spark, labels), NO_COPIES, parameters(max_quality_photos=8))
    assert table["note"][0].startswith("Not measured: ")
    assert table["note"][0].endswith(" of 400 photos: reporting.max_quality_photos")
