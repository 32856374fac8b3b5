"""What is pending, and what comes of every photo."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import os
import re
import shutil
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pyspark.sql import functions as F

from fruit_features.analysis.pca import PcaModel
from fruit_features.networks.network import StoredNetwork
from fruit_features.photos.imaging import decode
from fruit_features.photos.reading import PhotoReader
from fruit_features.pipelines.featurization import nodes
from fruit_features.pipelines.featurization.nodes import (
    build_network,
    collect_outcomes,
    count_outcomes,
    featurize_photos,
    find_pending_photos,
    match_network,
    sample_calibration_photos,
    vacuum_store,
)
from fruit_features.spark import chunks, feature_store
from fruit_features.spark.feature_store import FACTS, N_SLOTS, UNREADABLE
from tests.support.listing import list_by_folder
from tests.support.photos import encoded, fruit
from tests.support.runs import Outputs, as_path, load_catalog

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    from pyspark.sql import DataFrame, SparkSession

    from fruit_features.networks.network import Network
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters
    from tests.support.photos import PhotoTree

LISTING = "path string, label string, length bigint, modificationTime timestamp, error string"
INDEX = "path string, length bigint, modificationTime timestamp, digest string, " + ", ".join(
    f"{name} {kind}" for name, kind in FACTS.items()
)
STORE = "digest string, length bigint, features array<float>, error string, fingerprint string"
NOON, LATER = dt.datetime(2026, 1, 1, 12), dt.datetime(2026, 1, 1, 12, 0, 1)


def listing(spark: SparkSession, *names: str) -> DataFrame:
    """Photos of 100 bytes, taken at noon."""
    rows = [(f"file:/photos/Kiwi/{name}", "Kiwi", 100, NOON, None) for name in names]
    return spark.createDataFrame(rows, LISTING)


def indexed(spark: SparkSession, *photos: tuple[Any, ...]) -> DataFrame:
    """A photo index: name and digest of photos of 100 bytes, taken at noon unless a third entry says otherwise."""
    rows = [
        (
            f"file:/photos/Kiwi/{name}",
            100,
            changed[0] if changed else NOON,
            digest,
            100,
            80,
            "JPEG",
            "RGB",
            6,
            0.5,
            0.1,
            9.0,
            b"",
        )
        for name, digest, *changed in photos
    ]
    return spark.createDataFrame(rows, INDEX)


def stored(digest: str, fingerprint: str, features: list[float] | None = None, error: str | None = None) -> tuple[Any, ...]:
    return digest, 100, features or ([1.0] if error is None else None), error, fingerprint


@pytest.fixture
def empty_index(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], INDEX)


@pytest.fixture
def empty_store(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], STORE)


# --- find_pending_photos ----------------------------------------------------------------------------------------------


def test_photos_are_pending_unless_the_store_has_their_content_by_this_network(
    spark: SparkSession, tiny_network: Network
) -> None:
    photos = listing(spark, "new", "known", "copy of known", "broken", "touched", "by another network", "killed before")
    ours, other = tiny_network.fingerprint, "another"
    index = indexed(
        spark,
        ("known", "k"),
        ("copy of known", "k"),
        ("broken", "b"),
        ("touched", "t", LATER),
        ("by another network", "a"),
        ("killed before", "c"),
        ("deleted since", "d"),
    )
    contents = [stored("k", ours), stored("k", other), stored("b", ours, error="not an image"), stored("t", ours)]
    store = spark.createDataFrame([*contents, stored("a", other), stored("d", ours)], STORE)
    pending = find_pending_photos(photos, index, store, tiny_network)
    found = {row["path"].rsplit("/", 1)[-1]: row["digest"] for row in pending.collect()}
    assert found == {"by another network": "a", "killed before": "c", "new": None, "touched": None}


def test_of_photos_that_are_known_to_be_copies_one_is_pending(
    spark: SparkSession, empty_store: DataFrame, tiny_network: Network
) -> None:
    index = indexed(spark, ("a", "same"), ("b", "same"), ("c", "same"), ("d", "other"))
    pending = find_pending_photos(listing(spark, *"abcdef"), index, empty_store, tiny_network)
    digests = [row["digest"] for row in pending.collect()]
    assert sorted(digests, key=str) == [None, None, "other", "same"]


def test_pending_photos_carry_their_slot(
    spark: SparkSession, empty_index: DataFrame, empty_store: DataFrame, tiny_network: Network
) -> None:
    pending = find_pending_photos(listing(spark, *map(str, range(200))), empty_index, empty_store, tiny_network)
    assert pending.dtypes == [
        ("path", "string"),
        ("length", "bigint"),
        ("modificationTime", "timestamp"),
        ("digest", "string"),
        ("slot", "int"),
    ]
    slots = [row["slot"] for row in pending.collect()]
    assert all(0 <= slot < N_SLOTS for slot in slots)
    assert len(set(slots)) > 190, "paths are spread over the slots"


# --- featurize_photos -------------------------------------------------------------------------------------------------


class Store:
    """A photo index and a feature store, to which chunks are saved as the catalog saves them."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self.index_rows: list[Any] = []
        self.store_rows: list[Any] = []
        self.sizes: list[int] = []
        self.counts: dict[str, int] = {}

    @property
    def index(self) -> DataFrame:
        return self._spark.createDataFrame(self.index_rows, INDEX)

    @property
    def features(self) -> DataFrame:
        return self._spark.createDataFrame(self.store_rows, STORE)

    def pending(self, photos: DataFrame, network: Network) -> DataFrame:
        return find_pending_photos(photos, self.index, self.features, network).localCheckpoint()

    def featurize(self, pending: DataFrame, network: Network, parameters: FeaturizationParameters) -> Store:
        chunks = featurize_photos(pending, self.index, self.features, PhotoReader(4), network, parameters)
        for index_rows, store_rows, self.counts in chunks:
            self.index_rows += index_rows.collect()
            self.store_rows += store_rows.collect()
            self.sizes.append(index_rows.count())
        return self

    def by_path(self) -> dict[Path, Any]:
        """Rows of the store by the photos that have them."""
        contents = {row["digest"]: row for row in self.store_rows}
        assert len(contents) == len(self.store_rows), "one row a content"
        return {as_path(row["path"]): contents[row["digest"]] for row in self.index_rows}


@pytest.fixture
def store(spark: SparkSession) -> Store:
    return Store(spark)


def test_every_photo_ends_as_features_or_with_a_reason(
    *,
    photos: DataFrame,
    store: Store,
    tiny_network: Network,
    tiny_model: keras.Model,
    parameters: FeaturizationParameters,
    photo_tree: PhotoTree,
) -> None:
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    assert len(store.sizes) > 1
    rows = store.by_path()
    assert len(store.index_rows) == len(rows)
    assert rows.keys() == photo_tree.good | photo_tree.bad.keys()

    for path, reason in photo_tree.bad.items():
        assert rows[path]["features"] is None
        assert re.search(reason, rows[path]["error"])
    good = sorted(photo_tree.good)
    assert all(rows[path]["error"] is None for path in good)
    tensors = np.stack([decode(path.read_bytes(), tiny_network.input_size) for path in good])
    features = np.array([rows[path]["features"] for path in good])
    np.testing.assert_allclose(features, tiny_model.predict(tensors, verbose=0), atol=1e-4)


def test_a_photo_is_known_by_the_digest_of_its_bytes_and_comes_with_facts(
    photos: DataFrame, store: Store, tiny_network: Network, parameters: FeaturizationParameters, photo_tree: PhotoTree
) -> None:
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    for row in store.index_rows:
        path = as_path(row["path"])
        assert row["digest"] == hashlib.sha256(path.read_bytes()).hexdigest()
        if path in photo_tree.good:
            with Image.open(path) as image:
                facts = (row["width"], row["height"], row["format"], row["mode"])
                assert facts == (*image.size, image.format, image.mode)
            assert 0 <= row["brightness"] <= 1
        else:
            assert row["width"] is None


def test_rows_can_be_appended_to_the_tables(
    photos: DataFrame,
    empty_index: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
) -> None:
    pending = find_pending_photos(photos, empty_index, empty_store, tiny_network)
    index_rows, store_rows, _ = next(
        featurize_photos(pending, empty_index, empty_store, PhotoReader(4), tiny_network, parameters)
    )
    assert index_rows.dtypes == empty_index.dtypes
    assert store_rows.dtypes == empty_store.dtypes
    assert {row["fingerprint"] for row in store_rows.collect()} == {tiny_network.fingerprint}
    keys = {(row["path"], row["length"], row["modificationTime"]) for row in index_rows.collect()}
    assert keys < {(row["path"], row["length"], row["modificationTime"]) for row in photos.collect()}


def test_only_pending_photos_are_featurized(
    photos: DataFrame, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    pending = store.pending(photos, tiny_network).where(F.col("path").endswith("0.jpg"))
    expected = {as_path(row["path"]) for row in pending.collect()}
    store.featurize(pending, tiny_network, parameters)
    assert len(expected) == 3
    assert store.by_path().keys() == expected


def test_nothing_pending_adds_nothing(
    photos: DataFrame, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    store.featurize(store.pending(photos, tiny_network).limit(0), tiny_network, parameters)
    assert (store.index_rows, store.store_rows) == ([], [])
    assert store.counts == {"featurized": 0, "inferred": 0}


def test_a_copy_is_read_and_not_featurized(
    *,
    photos: DataFrame,
    photo_tree: PhotoTree,
    tmp_path: Path,
    store: Store,
    tiny_network: Network,
    parameters: FeaturizationParameters,
) -> None:
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    n_contents, n_photos = len(store.store_rows), len(store.index_rows)
    assert store.counts == {"featurized": n_photos, "inferred": sum(row["error"] is None for row in store.store_rows)}
    root = shutil.copytree(photo_tree.root, tmp_path / "a copy")
    copied = photos.withColumn("path", F.replace("path", F.lit(str(photo_tree.root)), F.lit(str(root)))).withColumn(
        "modificationTime", F.date_trunc("day", "modificationTime")
    )
    times = {as_path(row["path"]): row["modificationTime"] for row in copied.collect()}
    for path, time_of_copy in times.items():
        os.utime(path, (time_of_copy.replace(tzinfo=dt.UTC).timestamp(),) * 2)
    store.featurize(store.pending(copied, tiny_network), tiny_network, parameters)
    assert store.counts == {"featurized": 0, "inferred": 0}
    assert (len(store.store_rows), len(store.index_rows)) == (n_contents, 2 * n_photos)
    facts = {as_path(row["path"]).relative_to(photo_tree.root): row[3:] for row in store.index_rows[:n_photos]}
    assert {as_path(row["path"]).relative_to(root): row[3:] for row in store.index_rows[n_photos:]} == facts
    outcomes = collect_outcomes(copied, store.index, store.features, tiny_network)
    assert outcomes.where("error IS NULL").count() == len(photo_tree.good)


def test_facts_that_were_lost_with_the_index_are_measured_again(
    photos: DataFrame, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    n_contents, index_rows = len(store.store_rows), store.index_rows
    store.index_rows = store.index_rows[::2]
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    assert len(store.store_rows) == n_contents, "and no features are stored twice"
    assert sorted(store.index_rows, key=lambda row: row["path"]) == sorted(index_rows, key=lambda row: row["path"])


def test_a_content_at_two_paths_has_one_row_of_features(
    spark: SparkSession, tmp_path: Path, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    for number in range(24):
        path = tmp_path / "photos" / f"Label {number % 5}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(fruit("Pear", number % 3), "JPEG"))
    photos = list_by_folder(load_catalog(tmp_path / "photos", Outputs(tmp_path)).load("images"))
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    assert len(store.sizes) > 1, "copies lie in one chunk and in several"
    assert (len(store.index_rows), len(store.store_rows)) == (24, 3)
    assert store.counts == {"featurized": 24, "inferred": 3}
    assert collect_outcomes(photos, store.index, store.features, tiny_network).where("error IS NULL").count() == 24


def test_another_network_featurizes_what_is_known_and_indexes_nothing_again(
    photos: DataFrame, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    n_photos = len(store.index_rows)
    other = dataclasses.replace(tiny_network, fingerprint="another")
    store.featurize(store.pending(photos, other), other, parameters)
    assert len(store.index_rows) == n_photos
    of_each = Counter(row["fingerprint"] for row in store.store_rows)
    assert of_each["another"] == of_each[tiny_network.fingerprint] == store.counts["featurized"]


def test_a_content_that_was_swapped_under_the_same_length_and_time_is_rejected_when_it_is_read(
    spark: SparkSession, tmp_path: Path, store: Store, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    path = tmp_path / "photos" / "Pear" / "a.bmp"
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded(fruit("Pear", 0), "BMP"))
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    photos = list_by_folder(load_catalog(tmp_path / "photos", Outputs(tmp_path)).load("images")).localCheckpoint()
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    path.write_bytes(encoded(fruit("Pear", 1), "BMP"))
    os.utime(path, ns=times)
    assert store.pending(photos, tiny_network).count() == 0, "it is not read, and not noticed"
    other = dataclasses.replace(tiny_network, fingerprint="another")
    store.featurize(store.pending(photos, other), other, parameters)
    (outcome,) = collect_outcomes(photos, store.index, store.features, other).collect()
    assert outcome["error"] == UNREADABLE


def test_photos_of_other_chunks_are_not_even_read(
    *,
    photos: DataFrame,
    photo_tree: PhotoTree,
    tmp_path: Path,
    empty_index: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
) -> None:
    root = shutil.copytree(photo_tree.root, tmp_path / "photos")
    moved = photos.withColumn("path", F.replace("path", F.lit(str(photo_tree.root)), F.lit(str(root))))
    pending = find_pending_photos(moved, empty_index, empty_store, tiny_network)
    chunks = featurize_photos(pending, empty_index, empty_store, PhotoReader(4), tiny_network, parameters)
    index_rows, store_rows, _ = next(chunks)
    assert index_rows.count() == store_rows.count() > 0
    shutil.rmtree(root)
    assert [row for _, store_rows, _ in chunks for row in store_rows.collect()] == []


def test_a_chunk_that_takes_long_is_followed_by_a_smaller_one(
    *,
    photos: DataFrame,
    empty_index: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n_cores = photos.sparkSession.sparkContext.defaultParallelism
    monkeypatch.setattr(chunks, "FIRST_TASK_WORK", 10 * chunks.PHOTO_OVERHEAD // n_cores)
    monkeypatch.setattr(chunks, "MIN_TASK_WORK", 2 * chunks.PHOTO_OVERHEAD // n_cores)
    monkeypatch.setattr(chunks, "SECONDS_PER_CHUNK", 1.0)
    pending = find_pending_photos(photos, empty_index, empty_store, tiny_network)
    as_much_as_wanted = parameters.model_copy(update={"chunk_size": 1000})
    rows = featurize_photos(pending, empty_index, empty_store, PhotoReader(4), tiny_network, as_much_as_wanted)
    n_first = next(rows)[0].count()
    time.sleep(2)
    n_second = next(rows)[0].count()
    assert 5 <= n_first <= 15
    assert 1 <= n_second <= n_first / 2 * 1.5, "at most half as many are wanted, and what is left is divided evenly"


def test_a_photo_that_is_too_long_for_spark_stops_no_run(
    tmp_path: Path, tiny_network: Network, parameters: FeaturizationParameters, store: Store
) -> None:
    folder = tmp_path / "photos" / "Pear"
    folder.mkdir(parents=True)
    (folder / "good.jpg").write_bytes(encoded(fruit("Pear", 0), "JPEG"))
    with (folder / "huge.tif").open("wb") as huge:
        huge.truncate(2**31 + 1)  # sparse: takes no room on the disk
    photos = list_by_folder(load_catalog(folder.parent, Outputs(tmp_path)).load("images"))
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    outcomes = collect_outcomes(photos, store.index, store.features, tiny_network).collect()
    errors = {as_path(row["path"]).name: row["error"] for row in outcomes}
    assert errors == {"good.jpg": None, "huge.tif": feature_store.TOO_LONG}


def test_a_photo_that_vanished_since_the_listing_is_rejected(
    photo_tree: PhotoTree, tmp_path: Path, tiny_network: Network, parameters: FeaturizationParameters, store: Store
) -> None:
    root = shutil.copytree(photo_tree.root / "Pear", tmp_path / "photos" / "Pear").parent
    photos = list_by_folder(load_catalog(root, Outputs(tmp_path)).load("images")).localCheckpoint()
    (root / "Pear" / "03.jpg").unlink()
    store.featurize(store.pending(photos, tiny_network), tiny_network, parameters)
    assert len(store.index_rows) == photos.where("error IS NULL").count() - 1
    outcomes = collect_outcomes(photos, store.index, store.features, tiny_network)
    reasons = {as_path(row["path"]).name: row["error"] for row in outcomes.collect()}
    assert reasons["03.jpg"] == UNREADABLE


def test_the_exif_orientation_is_applied_where_the_parameters_say_so(
    spark: SparkSession, tmp_path: Path, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    folder = tmp_path / "photos" / "Pear"
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient = Image.linear_gradient("L").convert("RGB")
    (folder / "turned.jpg").write_bytes(encoded(gradient, "JPEG", exif=exif))
    (folder / "plain.jpg").write_bytes(encoded(gradient, "JPEG"))
    photos = list_by_folder(load_catalog(folder.parent, Outputs(tmp_path)).load("images"))

    def features(*, apply_exif_orientation: bool) -> dict[str, list[float]]:
        chosen = parameters.model_copy(update={"apply_exif_orientation": apply_exif_orientation})
        store = Store(spark)
        store.featurize(store.pending(photos, tiny_network), tiny_network, chosen)
        outcomes = collect_outcomes(photos, store.index, store.features, tiny_network)
        counts = count_outcomes(photos, store.counts, outcomes, chosen)
        assert counts["orientation_ignored"] == (0 if apply_exif_orientation else 1)
        return {path.stem: row["features"] for path, row in store.by_path().items()}

    ignored, applied = features(apply_exif_orientation=False), features(apply_exif_orientation=True)
    assert ignored["turned"] == pytest.approx(ignored["plain"], abs=1e-6)
    assert applied["plain"] == pytest.approx(ignored["plain"], abs=1e-6)
    assert applied["turned"] != pytest.approx(applied["plain"], abs=1e-3)


# --- collect_outcomes, count_outcomes ---------------------------------------------------------------------------------


LISTED = ("good", "copy of good", "broken", "vanished", "changed")


def outcomes_of(spark: SparkSession, network: Network) -> DataFrame:
    ours = network.fingerprint
    index = indexed(spark, ("good", "g"), ("copy of good", "g"), ("broken", "b"), ("changed", "c", LATER), ("gone", "d"))
    contents = [
        stored("g", ours, [1.0, 2.0]),
        stored("g", "another", [8.0, 9.0]),
        stored("b", ours, error="not an image"),
        stored("b", "another", [8.0, 9.0]),
        stored("c", ours),
        stored("d", ours),
    ]
    return collect_outcomes(listing(spark, *LISTED), index, spark.createDataFrame(contents, STORE), network)


def test_every_listed_photo_has_features_or_a_reason(spark: SparkSession, tiny_network: Network) -> None:
    outcomes = outcomes_of(spark, tiny_network)
    assert outcomes.columns == ["path", "label", "length", "modificationTime", "digest", *FACTS, "fingerprint", "error"]
    rows = sorted(outcomes.collect(), key=lambda row: row["path"])
    assert {(row["label"], row["length"], row["modificationTime"]) for row in rows} == {("Kiwi", 100, NOON)}
    assert {row["fingerprint"] for row in rows} == {tiny_network.fingerprint}
    assert [(row["path"].rsplit("/", 1)[-1], row["digest"], row["error"]) for row in rows] == [
        ("broken", "b", "not an image"),
        ("changed", None, UNREADABLE),
        ("copy of good", "g", None),
        ("good", "g", None),
        ("vanished", None, UNREADABLE),
    ]
    assert {row["width"] for row in rows} == {100, None}


def test_what_the_run_had_to_do_is_counted(
    spark: SparkSession, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    outcomes = outcomes_of(spark, tiny_network)
    counts = count_outcomes(listing(spark, *LISTED), {"featurized": 2, "inferred": 1}, outcomes, parameters)
    assert counts == {
        "listed": 5,
        "featurized": 2,
        "reused": 3,
        "inferred": 1,
        "rejected": 3,
        "orientation_ignored": 2,
    }


def test_what_the_listing_rejects_is_not_featurized_and_keeps_its_reason(
    spark: SparkSession,
    empty_index: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
) -> None:
    pipe = spark.createDataFrame([("file:/photos/Kiwi/pipe", "Kiwi", 100, NOON, "not a file")], LISTING)
    photos = listing(spark, "good").union(pipe)
    pending = find_pending_photos(photos, empty_index, empty_store, tiny_network)
    assert [row["path"] for row in pending.collect()] == ["file:/photos/Kiwi/good"]
    store = spark.createDataFrame([stored(name, tiny_network.fingerprint) for name in ("g", "p")], STORE)
    outcomes = collect_outcomes(photos, indexed(spark, ("good", "g"), ("pipe", "p")), store, tiny_network)
    assert {row["path"]: row["error"] for row in outcomes.collect()} == {
        "file:/photos/Kiwi/good": None,
        "file:/photos/Kiwi/pipe": "not a file",
    }
    counts = count_outcomes(photos, {"featurized": 1, "inferred": 1}, outcomes, parameters)
    assert (counts["featurized"], counts["reused"], counts["rejected"]) == (1, 0, 1)


# --- build_network, sample_calibration_photos -------------------------------------------------------------------------


def test_a_network_that_is_known_is_not_built_again(
    photos: DataFrame, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    loaded: list[str] = []

    def kept(name: str) -> StoredNetwork:
        def load() -> Network:
            loaded.append(name)
            return tiny_network

        return StoredNetwork(name, {}, load)

    configuration = parameters.network.fingerprint()
    networks = {name: kept(name) for name in ("another", configuration)}
    assert build_network(networks, photos.limit(0), PhotoReader(4), parameters) is tiny_network
    assert loaded == [configuration], "other networks are not even read"


def test_a_store_is_not_vacuumed_for_a_network_that_no_run_has_used(
    photos: DataFrame, empty_index: DataFrame, empty_store: DataFrame, parameters: FeaturizationParameters
) -> None:
    with pytest.raises(ValueError, match="no run has featurized with these parameters"):
        vacuum_store(photos, empty_index, empty_store, {}, parameters)


def test_a_network_that_a_pca_model_does_not_belong_to_is_refused(tiny_network: Network) -> None:
    def model(fingerprint: str) -> pd.DataFrame:
        return pd.DataFrame([PcaModel(np.zeros(2), np.ones(2), np.eye(2), 9, fingerprint).to_record()])

    assert match_network(tiny_network, model(tiny_network.fingerprint)) is tiny_network
    with pytest.raises(
        ValueError, match=rf"features of network other, these photos belong to network {tiny_network.fingerprint}"
    ):
        match_network(tiny_network, model("other"))


def test_no_photo_calibrates_a_float_network(photos: DataFrame, parameters: FeaturizationParameters) -> None:
    sample = sample_calibration_photos(photos, parameters)
    assert (sample.columns, sample.count()) == (["path", "length"], 0)


def test_the_seed_decides_which_photos_calibrate(
    photos: DataFrame, parameters: FeaturizationParameters, photo_tree: PhotoTree
) -> None:
    def sample(seed: int, n_photos: int) -> set[str]:
        chosen = {"precision": "int8", "calibration_seed": seed, "n_calibration_photos": n_photos}
        sampled = sample_calibration_photos(photos, parameters.model_copy(update=chosen))
        return {row["path"] for row in sampled.collect()}

    n_photos = photos.count()
    samples = [sample(seed, n_photos // 2) for seed in range(5)]
    assert samples[0] == sample(0, n_photos // 2)
    assert len(set(map(frozenset, samples))) == 5
    assert 0.3 * n_photos < np.mean([len(paths) for paths in samples]) < 0.7 * n_photos
    n_empty = sum(path.stat().st_size == 0 for path in photo_tree.bad)
    assert len(sample(0, n_photos)) == n_photos - n_empty


def test_what_cannot_be_decoded_calibrates_nothing(photos: DataFrame, parameters: FeaturizationParameters) -> None:
    int8, reader = parameters.model_copy(update={"precision": "int8"}), PhotoReader(4)
    sample = photos.where(F.col("path").rlike(r"/Pear/(noise\.png|text\.jpg|00\.jpg|01\.jpg)$"))
    assert sample.count() == 4
    gone = sample.limit(1).withColumn("path", F.lit("file:/nowhere/1.jpg"))
    assert nodes._decode_all(sample.unionByName(gone), reader, 32, int8).shape == (2, 32, 32, 3)
    with pytest.raises(ValueError, match="precision=int8 needs photos to calibrate on"):
        nodes._decode_all(sample.where(F.col("path").contains("noise")), reader, 32, int8)
    with pytest.raises(ValueError, match="n_calibration_photos=12: no photo was chosen to calibrate"):
        nodes._decode_all(sample.limit(0), reader, 32, int8)
