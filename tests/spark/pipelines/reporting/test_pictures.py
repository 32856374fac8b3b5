"""The map, the findings and their thumbnails: which photos are chosen, where they come from, and that each is read once."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyspark.sql import functions as F

from fruit_features.photos.reading import PhotoReader
from fruit_features.pipelines.reporting.found_photos import FOUND_PHOTOS, N_SHOWN, choose_found_photos
from fruit_features.pipelines.reporting.parameters import ReportingParameters
from fruit_features.pipelines.reporting.photo_map import MAP_PHOTOS, N_NEAR, lay_out_photos
from fruit_features.pipelines.reporting.thumbnails import shrink_photos
from tests.support.photos import encoded, fruit
from tests.support.tables import with_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from fruit_features.photos.reading import ListedPhoto

NEIGHBOURS = "path string, rank int, neighbour string, distance float"
FINDINGS = (
    "path string, label string, split string, kind string, score double, compared_with string, suggested_label string, "
    "rank int"
)
FACTS = "width int, height int, brightness float, contrast float, sharpness float"
NOTHING_FOUND = pd.DataFrame(columns=FOUND_PHOTOS)
NO_SHEET = pd.DataFrame(columns=["label", "n_photos", "path"])


def parameters(**changes: int) -> ReportingParameters:
    return ReportingParameters(
        **{"max_scatter_points": 5000, "max_map_points": 2000, "max_quality_photos": 2000, "seed": 0, **changes}
    )


def path_of(label: str, number: int) -> str:
    return f"file:/photos/{label}/{number:03}.jpg"


def projected(spark: SparkSession, labels: Mapping[str, int], n_components: int = 4) -> DataFrame:
    """Exported photos, those of a label in a cloud of their own."""
    rng = np.random.default_rng(0)
    rows = [
        (path_of(label, number), label, *map(float, 10 * place + rng.normal(size=n_components)))
        for place, (label, count) in enumerate(labels.items())
        for number in range(count)
    ]
    columns = ", ".join(f"pca_{component} float" for component in range(1, n_components + 1))
    return spark.createDataFrame(rows, f"path string, label string, {columns}")


@pytest.fixture
def no_neighbours(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], NEIGHBOURS)


@pytest.fixture
def no_findings(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], FINDINGS)


def findings(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    usual = {"label": "Pear", "split": None, "score": 0.9, "compared_with": None, "suggested_label": None, "rank": 1}
    return spark.createDataFrame([usual | row for row in rows], FINDINGS)


# --- the map ----------------------------------------------------------------------------------------------------------


def test_photos_that_are_alike_lie_together(spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame) -> None:
    photos = projected(spark, {"Apple": 20, "Kiwi": 20})
    table = lay_out_photos(photos, no_neighbours, no_findings, NOTHING_FOUND, parameters())
    assert list(table.columns) == MAP_PHOTOS
    assert table["path"].tolist() == sorted(row["path"] for row in photos.collect())
    centres = table.groupby("label")[["x", "y"]].mean()
    own, other = (
        np.linalg.norm(table[["x", "y"]].to_numpy() - centres.loc[labels].to_numpy(), axis=1)
        for labels in (table["label"], table["label"].map({"Apple": "Kiwi", "Kiwi": "Apple"}))
    )
    assert (own < other).all()
    again = lay_out_photos(photos.repartition(5), no_neighbours, no_findings, NOTHING_FOUND, parameters())
    pd.testing.assert_frame_equal(again, table, check_exact=True)


def test_of_many_photos_rare_labels_are_there_as_a_whole(
    spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame
) -> None:
    photos = projected(spark, {"Apple": 300, "Kiwi": 100, "Pear": 5}).withColumn(
        "label", F.when(F.col("label") != "Pear", F.col("label"))
    )

    def sample(seed: int) -> pd.DataFrame:
        return lay_out_photos(photos, no_neighbours, no_findings, NOTHING_FOUND, parameters(max_map_points=45, seed=seed))

    assert Counter(sample(0)["label"].fillna("none")) == {"Apple": 20, "Kiwi": 20, "none": 5}
    assert set(sample(0)["path"]) != set(sample(1)["path"])


def test_photos_that_the_page_shows_as_findings_are_chosen_first(spark: SparkSession, no_neighbours: DataFrame) -> None:
    photos = projected(spark, {"Apple": 300, "Kiwi": 100})
    shown = [path_of("Apple", number) for number in range(7)]
    found = pd.DataFrame({"path": shown[:6], "compared_with": [shown[6], *[None] * 5]}).reindex(columns=FOUND_PHOTOS)
    of_kind = findings(
        spark,
        {"path": shown[0], "kind": "outlier"},
        {"path": shown[0], "kind": "label_issue", "suggested_label": "Kiwi"},
        {"path": path_of("Kiwi", 99), "kind": "outlier"},
    )
    table = lay_out_photos(photos, no_neighbours, of_kind, found, parameters(max_map_points=10)).set_index("path")
    assert set(shown) < set(table.index)
    assert table["kinds"][shown[0]] == ["label_issue", "outlier"]
    assert table["suggested_label"][shown[0]] == "Kiwi"
    assert table["kinds"][shown[1]] == []


def test_a_photo_has_its_nearest_neighbours_in_their_order(spark: SparkSession, no_findings: DataFrame) -> None:
    photos = projected(spark, {"Apple": 12})
    paths = [path_of("Apple", number) for number in range(12)]
    near = spark.createDataFrame([(paths[0], rank, paths[rank], float(rank)) for rank in range(10, 0, -1)], NEIGHBOURS)
    table = lay_out_photos(photos, near, no_findings, NOTHING_FOUND, parameters()).set_index("path")
    assert table["neighbours"][paths[0]] == paths[1 : N_NEAR + 1]
    assert table["neighbours"][paths[1]] == []


@pytest.mark.parametrize(
    ("labels", "n_components"), [({"Pear": 1}, 4), ({"Pear": 30}, 1), ({f"{number:04}": 1 for number in range(60)}, 3)]
)
def test_any_photos_can_be_laid_out(
    spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame, labels: dict[str, int], n_components: int
) -> None:
    table = lay_out_photos(projected(spark, labels, n_components), no_neighbours, no_findings, NOTHING_FOUND, parameters())
    assert len(table) == sum(labels.values())
    assert table[["x", "y"]].apply(lambda values: values.between(0, 1)).all(axis=None)


def test_a_split_and_photos_that_are_equal(spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame) -> None:
    rows = [(f"file:/p/{number}.jpg", None, "train", 0.0, 0.0) for number in range(20)]
    photos = spark.createDataFrame(rows, "path string, label string, split string, pca_1 float, pca_2 float")
    table = lay_out_photos(photos, no_neighbours, no_findings, NOTHING_FOUND, parameters())
    assert set(table["split"]) == {"train"}
    assert table["label"].isna().all()
    assert len(table[["x", "y"]].drop_duplicates()) == 20


def test_no_photos_and_no_map(spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame) -> None:
    photos = projected(spark, {"Pear": 3})
    for frame, n_points in ((photos.where("false"), 2000), (photos, 0)):
        table = lay_out_photos(frame, no_neighbours, no_findings, NOTHING_FOUND, parameters(max_map_points=n_points))
        assert list(table.columns) == MAP_PHOTOS
        assert len(table) == 0


# --- findings ---------------------------------------------------------------------------------------------------------


def listed(spark: SparkSession, *rows: tuple[str, str | None, str | None]) -> DataFrame:
    photos = [(*row, 640, 480, 0.5, 0.2, 7.0) for row in rows]
    return spark.createDataFrame(photos, f"path string, label string, split string, {FACTS}")


def test_the_worst_of_each_kind_are_chosen(spark: SparkSession, no_neighbours: DataFrame) -> None:
    of_kinds = [
        {"path": f"{kind} {rank}", "kind": kind, "rank": rank, "compared_with": "other"}
        for kind, count in (("leak", 30), ("dark", 3))
        for rank in range(count, 0, -1)
    ]
    found = choose_found_photos(
        findings(spark, *of_kinds),
        no_neighbours,
        listed(spark, ("other", "Plum", "train"), ("dark 1", "Pear", None)),
        NO_SHEET,
    )
    assert list(found.columns) == FOUND_PHOTOS
    assert list(zip(found["kind"], found["rank"], strict=True)) == [
        *(("dark", rank) for rank in (1, 2, 3)),
        *(("leak", rank) for rank in range(1, N_SHOWN + 1)),
    ]
    assert set(zip(found["compared_with"], found["compared_label"], found["compared_split"], strict=True)) == {
        ("other", "Plum", "train")
    }
    assert found["measured"].tolist()[:2] == ["brightness 0.5", None]


def test_a_label_issue_is_shown_beside_a_neighbour_of_the_suggested_label(spark: SparkSession) -> None:
    near = spark.createDataFrame([("a", 1, "b", 1.0), ("a", 2, "c", 2.0), ("z", 1, "a", 1.0)], NEIGHBOURS)
    photos = listed(spark, ("a", "Pear", None), ("b", "Pear", None), ("c", "Plum", None)).drop("split")
    issue = findings(spark, {"path": "a", "kind": "label_issue", "suggested_label": "Plum"})
    (row,) = choose_found_photos(issue, near, photos, NO_SHEET).to_dict("records")
    assert (row["compared_with"], row["compared_label"], row["compared_split"]) == ("c", "Plum", None)


def test_nothing_found_is_an_empty_table(spark: SparkSession, no_neighbours: DataFrame, no_findings: DataFrame) -> None:
    found = choose_found_photos(no_findings, no_neighbours, listed(spark, ("a", "Pear", None)), NO_SHEET)
    assert (list(found.columns), len(found)) == (FOUND_PHOTOS, 0)


# --- thumbnails -------------------------------------------------------------------------------------------------------


def tables(contact: list[str], found: list[tuple[str, str | None]], on_map: list[str]) -> tuple[pd.DataFrame, ...]:
    sheet = pd.DataFrame({"path": contact}, dtype=object)
    pairs = pd.DataFrame(found, columns=["path", "compared_with"], dtype=object)
    return sheet, pairs, pd.DataFrame({"path": on_map}, dtype=object)


def test_each_photo_is_read_once_and_no_other_and_no_rejected_one(spark: SparkSession, tmp_path: Path) -> None:
    folder, notes = tmp_path / "Äpfel & 100%25", tmp_path / "notes"
    folder.mkdir()
    notes.mkdir()
    place = str(notes)

    class NotingReader(PhotoReader):
        """Notes what it was asked for. Workers get this class itself, as they know nothing of tests."""

        def read(self, photos: Iterable[ListedPhoto]) -> Iterator[bytes | None]:
            asked = list(photos)
            for photo in asked:
                with open(f"{place}/{photo.path[-6:-4]}", "a") as note:  # noqa: PTH123
                    note.write("x")
            return PhotoReader.read(self, asked)

    for number in range(12):
        (folder / f"{number:02}.png").write_bytes(encoded(fruit("Pear", number, (400, 300)), "PNG"))
    photos = (
        spark.read.format("binaryFile").load(str(folder)).selectExpr("path", "'apple' AS label", "length").localCheckpoint()
    )
    paths = sorted(row["path"] for row in photos.collect())
    broken = spark.createDataFrame([(paths[5], "broken")], "path string, reason string")
    chosen = tables(paths[:3], [(paths[1], paths[3]), (paths[5], None)], paths[2:7])
    (folder / "06.png").unlink()
    table = shrink_photos(with_outcomes(photos, broken), NotingReader(4), *chosen)
    assert table["path"].tolist() == [paths[number] for number in (0, 1, 2, 3, 4, 6)]
    assert {note.name: note.read_text() for note in notes.iterdir()} == {f"{number:02}": "x" for number in (0, 1, 2, 3, 4, 6)}
    *pictures, gone = table["thumbnail"]
    assert {Image.open(io.BytesIO(picture)).size for picture in pictures} == {(96, 72)}
    assert gone is None


def test_without_photos_to_show_there_are_no_thumbnails(spark: SparkSession) -> None:
    photos = spark.createDataFrame([("file:/p/a.jpg", 9, None)], "path string, length bigint, error string")
    table = shrink_photos(photos, PhotoReader(4), *tables([], [], []))
    assert (list(table.columns), len(table)) == (["path", "thumbnail"], 0)
