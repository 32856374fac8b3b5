"""Findings by Spark: planted cases of each kind, and tables that are empty where nothing is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fruit_features.pipelines.findings.nodes import collect_findings, find_copies, find_label_issues, find_neighbours
from fruit_features.pipelines.findings.parameters import FindingsParameters
from fruit_features.pipelines.findings.tables import KINDS
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DEFAULTS = yaml.safe_load((PROJECT / "conf" / "base" / "parameters_findings.yml").read_text())["findings"]

PHOTO_SCHEMA = (
    "path string, label string, split string, digest string, width int, height int, brightness float, contrast float, "
    "sharpness float, thumbnail binary, error string"
)

N_PHOTOS = 60


def parameters(**changes: Any) -> FindingsParameters:
    return FindingsParameters(**(DEFAULTS | changes))


def photo(number: int, **changes: Any) -> dict[str, Any]:
    """An unremarkable photo; its thumbnail is far from those of others."""
    rng = np.random.default_rng(number)
    described = {
        "path": f"file:/photos/{number:02}.jpg",
        "label": f"label {number % 3}",
        "split": "train",
        "digest": f"digest {number}",
        "width": 100,
        "height": 80,
        "brightness": float(rng.normal(0.5, 0.02)),
        "contrast": float(rng.normal(0.2, 0.005)),
        "sharpness": float(rng.normal(300, 10)),
        "thumbnail": rng.integers(50, 200, 256).astype(np.uint8).tobytes(),
        "error": None,
    }
    return described | changes


def featurized(spark: SparkSession, *more: dict[str, Any], without: str = "") -> DataFrame:
    rows = [photo(number) for number in range(N_PHOTOS)]
    photos = pd.DataFrame([*rows, *more])
    table = spark.createDataFrame(photos.to_dict("records"), PHOTO_SCHEMA)
    return table.drop(without) if without else table


def projected(spark: SparkSession, featurized_photos: DataFrame, far: str = "") -> DataFrame:
    """Components that tell labels apart; a photo may be far from all others."""
    rows = []
    for row in featurized_photos.where("error is null").orderBy("path").collect():
        rng = np.random.default_rng(int(row["path"][-6:-4]))
        place = 8.0 * int(row["label"][-1]) if row["label"] else 0.0
        rows.append((row["path"], row["label"], *(place + rng.normal(size=3) + 100 * (row["path"] == far)).tolist()))
    return spark.createDataFrame(rows, "path string, label string, pca_1 float, pca_2 float, pca_3 float")


def found_among(
    photos: DataFrame, components: DataFrame, given: FindingsParameters
) -> tuple[DataFrame, pd.DataFrame, dict[str, int]]:
    n_photos = {"listed": photos.count(), "rejected": photos.where("error is not null").count()}
    copies = find_copies(photos, n_photos, given)
    issues = find_label_issues(components, copies, n_photos, given)
    neighbours = find_neighbours(components, n_photos, given)
    return collect_findings(photos, neighbours, copies, issues, n_photos, given)


def find_all(
    spark: SparkSession, photos: DataFrame, far: str = "", **changes: Any
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    findings, for_people, counts = found_among(photos, projected(spark, photos, far), parameters(**changes))
    return findings.toPandas(), for_people, counts


def test_nothing_is_found_among_usual_photos(spark: SparkSession) -> None:
    findings, for_people, counts = find_all(spark, featurized(spark))
    assert len(findings) == len(for_people) == 0
    assert counts == dict.fromkeys(KINDS, 0)


def test_planted_cases_of_every_kind_are_found(spark: SparkSession) -> None:
    rng = np.random.default_rng(0)
    near = (np.frombuffer(photo(1)["thumbnail"], np.uint8) + rng.integers(0, 2, 256)).astype(np.uint8).tobytes()
    more = [
        photo(60, digest="digest 0", split="test", label="label 0"),
        photo(61, thumbnail=near, label="label 2"),
        photo(62, brightness=0.02),
        photo(63, brightness=0.99),
        photo(64, sharpness=3.0),
        photo(65, contrast=0.02, sharpness=3.0),
        photo(66, width=1000, height=800),
        photo(67, width=200, height=40),
        photo(68),
        photo(69, label="label 1"),  # stands among photos of label 0
        photo(70, error="broken", digest="digest 0"),
    ]
    photos = featurized(spark, *more)
    wrong = photos.withColumn("label", photos["label"])
    far = more[8]["path"]
    components = projected(spark, wrong, far).toPandas()
    components.loc[components["path"] == more[9]["path"], ["pca_1", "pca_2", "pca_3"]] = [0.1, 0.2, -0.1]
    table = spark.createDataFrame(components)
    findings, for_people, counts = found_among(photos, table, parameters())
    found = findings.toPandas()
    planted = {(kind, row["path"]) for kind, row in zip(found["kind"], found.to_dict("records"), strict=True)}
    expected = {
        ("leak", more[0]["path"]),
        ("exact_duplicate", more[0]["path"]),
        ("near_duplicate", more[1]["path"]),
        ("label_conflict", more[1]["path"]),
        ("dark", more[2]["path"]),
        ("bright", more[3]["path"]),
        ("blurry", more[4]["path"]),
        ("low_contrast", more[5]["path"]),
        ("odd_size", more[6]["path"]),
        ("odd_aspect_ratio", more[7]["path"]),
        ("outlier", far),
        ("label_issue", more[9]["path"]),
    }
    assert expected <= planted
    assert len(planted - expected) <= 1, "a label that its classifier finds doubtful, at most"
    assert found["score"].between(0, 1).all()
    by_kind = found.set_index("kind")
    assert by_kind.loc["leak", "compared_with"] == "file:/photos/00.jpg"
    assert by_kind.loc["near_duplicate", "compared_with"] == "file:/photos/01.jpg"
    assert by_kind.loc["outlier", "compared_with"] is not None
    assert "label 0" in set(found.loc[found["kind"] == "label_issue", "suggested_label"])
    assert counts["leak"] == 1
    assert for_people["path"].tolist() == found["path"].tolist()


def test_partitions_make_no_difference(spark: SparkSession) -> None:
    more = [photo(60 + number, digest=f"digest {number}", split="test") for number in range(5)]
    photos = featurized(spark, *more)
    expected, _, counts = find_all(spark, photos)
    found, _, _ = find_all(spark, photos.repartition(7))
    assert counts["leak"] == 5
    pd.testing.assert_frame_equal(found, expected)


def test_without_a_split_there_are_no_leaks(spark: SparkSession) -> None:
    _, _, counts = find_all(spark, featurized(spark, photo(60, digest="digest 0"), without="split"))
    assert (counts["exact_duplicate"], counts["leak"]) == (1, 0)


def test_photos_of_an_earlier_version_have_no_near_duplicates_but_exact_ones(spark: SparkSession) -> None:
    more = [photo(60, digest="digest 0", thumbnail=None), photo(61, thumbnail=None), photo(62, thumbnail=None)]
    _, _, counts = find_all(spark, featurized(spark, *more))
    assert (counts["exact_duplicate"], counts["near_duplicate"]) == (1, 0)


def test_a_brighter_and_a_mirrored_copy_are_near_duplicates(spark: SparkSession) -> None:
    brighter = np.frombuffer(photo(1)["thumbnail"], np.uint8) + np.uint8(30)
    mirrored = np.frombuffer(photo(2)["thumbnail"], np.uint8).reshape(16, 16)[:, ::-1]
    photos = featurized(spark, photo(60, thumbnail=brighter.tobytes()), photo(61, thumbnail=mirrored.tobytes()))
    findings, _, _ = find_all(spark, photos)
    near = findings[findings["kind"] == "near_duplicate"].sort_values("path")
    assert near["compared_with"].tolist() == ["file:/photos/01.jpg", "file:/photos/02.jpg"]
    assert (near["score"] > 0.99).all()


def test_near_duplicates_may_be_left_alone(spark: SparkSession) -> None:
    photos = featurized(spark, photo(60, thumbnail=photo(1)["thumbnail"]))
    assert find_all(spark, photos)[2]["near_duplicate"] == 1
    assert find_all(spark, photos, max_copy_distance=0)[2]["near_duplicate"] == 0


@pytest.mark.parametrize("n_photos", [0, 1, 2])
def test_few_photos_have_no_findings(spark: SparkSession, n_photos: int) -> None:
    photos = spark.createDataFrame([photo(number, label=None) for number in range(n_photos)], PHOTO_SCHEMA)
    components = spark.createDataFrame(
        [(f"file:/photos/{n:02}.jpg", None, 1.0) for n in range(n_photos)], "path string, label string, pca_1 float"
    )
    _, _, counts = found_among(photos, components, parameters())
    assert not any(counts.values())


@pytest.mark.parametrize("changes", [{"enabled": False}, {"max_photos": N_PHOTOS}])
def test_nothing_is_looked_for_when_it_is_disabled_or_photos_are_too_many(
    spark: SparkSession, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    photos = featurized(spark, photo(60, digest="digest 0", brightness=0.0))
    findings, _, counts = find_all(spark, photos, **changes)
    assert len(findings) == 0
    assert not any(counts.values())
    n_photos = {"listed": photos.count(), "rejected": 0}
    assert find_neighbours(projected(spark, photos), n_photos, parameters(**changes)).count() == 0
    assert ("more than findings.max_photos=60 photos: no neighbours and no findings" in caplog.text) == (
        "max_photos" in changes
    )


def test_as_many_photos_as_are_allowed_are_looked_at(spark: SparkSession) -> None:
    photos = featurized(spark, photo(60, digest="digest 0"))
    _, _, counts = find_all(spark, photos, max_photos=N_PHOTOS + 1)
    assert counts["exact_duplicate"] == 1


def test_an_index_finds_what_comparing_all_photos_finds(spark: SparkSession) -> None:
    photos = featurized(spark, photo(60, digest="digest 0"), photo(61, thumbnail=photo(1)["thumbnail"]))
    expected, _, counts = find_all(spark, photos)
    assert counts["near_duplicate"] == 1
    found, _, _ = find_all(spark, photos, max_exact_photos=1)
    pd.testing.assert_frame_equal(found, expected)


def test_formulas_are_disarmed_for_people_alone(spark: SparkSession) -> None:
    photos = featurized(spark, photo(60, path="=1+1.jpg", digest="digest 0"))
    findings, for_people, _ = find_all(spark, photos, escape_formulas=True)
    assert findings["compared_with"].tolist() == ["=1+1.jpg"] or findings["path"].tolist() == ["=1+1.jpg"]
    assert "'=1+1.jpg" in {*for_people["path"], *for_people["compared_with"]}
