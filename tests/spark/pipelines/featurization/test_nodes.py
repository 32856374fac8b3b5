"""What is pending, and what comes of every photo."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import time
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
from fruit_features.spark.feature_store import N_SLOTS, UNREADABLE
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
STORE = "path string, length bigint, modificationTime timestamp, features array<float>, error string, fingerprint string"
NOON, LATER = dt.datetime(2026, 1, 1, 12), dt.datetime(2026, 1, 1, 12, 0, 1)


def listing(spark: SparkSession, *names: str) -> DataFrame:
    """Photos of 100 bytes, taken at noon."""
    rows = [(f"file:/photos/Kiwi/{name}", "Kiwi", 100, NOON, None) for name in names]
    return spark.createDataFrame(rows, LISTING)


def stored(name: str, fingerprint: str, **changes: Any) -> tuple[Any, ...]:
    row = {"path": f"file:/photos/Kiwi/{name}", "length": 100, "modificationTime": NOON, "features": [1.0], "error": None}
    return (*(row | changes).values(), fingerprint)


@pytest.fixture
def empty_store(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], STORE)


# --- find_pending_photos ----------------------------------------------------------------------------------------------


def test_photos_are_pending_unless_the_store_has_this_version_by_this_network(
    spark: SparkSession, tiny_network: Network
) -> None:
    photos = listing(spark, "new", "known", "broken", "grown", "touched", "by another network", "both")
    ours, other = tiny_network.fingerprint, "another"
    store = spark.createDataFrame(
        [
            stored("known", ours),
            stored("broken", ours, features=None, error="not an image"),
            stored("grown", ours, length=99),
            stored("touched", ours, modificationTime=LATER),
            stored("by another network", other),
            stored("both", other),
            stored("both", ours),
            stored("deleted since", ours),
        ],
        STORE,
    )
    pending = find_pending_photos(photos, store, tiny_network)
    names = sorted(row["path"].rsplit("/", 1)[-1] for row in pending.collect())
    assert names == ["by another network", "grown", "new", "touched"]


def test_pending_photos_carry_their_slot(spark: SparkSession, empty_store: DataFrame, tiny_network: Network) -> None:
    pending = find_pending_photos(listing(spark, *map(str, range(200))), empty_store, tiny_network)
    assert pending.dtypes == [
        ("path", "string"),
        ("length", "bigint"),
        ("modificationTime", "timestamp"),
        ("slot", "int"),
    ]
    slots = [row["slot"] for row in pending.collect()]
    assert all(0 <= slot < N_SLOTS for slot in slots)
    assert len(set(slots)) > 190, "paths are spread over the slots"


# --- featurize_photos -------------------------------------------------------------------------------------------------


def featurize(pending: DataFrame, network: Network, parameters: FeaturizationParameters) -> list[list[Any]]:
    return [chunk.collect() for chunk in featurize_photos(pending, PhotoReader(4), network, parameters)]


def test_every_photo_ends_as_features_or_with_a_reason(
    *,
    photos: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    tiny_model: keras.Model,
    parameters: FeaturizationParameters,
    photo_tree: PhotoTree,
) -> None:
    pending = find_pending_photos(photos, empty_store, tiny_network)
    chunks = featurize(pending, tiny_network, parameters)
    assert len(chunks) > 1
    rows = {as_path(row["path"]): row for chunk in chunks for row in chunk}
    assert sum(map(len, chunks)) == len(rows)
    bad = {path: reason for path, reason in photo_tree.bad.items() if path.stat().st_size}  # the listing refuses empty files
    assert rows.keys() == photo_tree.good | bad.keys()

    for path, reason in bad.items():
        assert rows[path]["features"] is None
        assert re.search(reason, rows[path]["error"])
    good = sorted(photo_tree.good)
    assert all(rows[path]["error"] is None for path in good)
    tensors = np.stack([decode(path.read_bytes(), tiny_network.input_size) for path in good])
    features = np.array([rows[path]["features"] for path in good])
    np.testing.assert_allclose(features, tiny_model.predict(tensors, verbose=0), atol=1e-4)


def test_featurized_photos_can_be_appended_to_the_store(
    photos: DataFrame, empty_store: DataFrame, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    pending = find_pending_photos(photos, empty_store, tiny_network)
    chunk = next(featurize_photos(pending, PhotoReader(4), tiny_network, parameters))
    assert chunk.dtypes == empty_store.dtypes
    rows = chunk.collect()
    assert {row["fingerprint"] for row in rows} == {tiny_network.fingerprint}
    keys = {(row["path"], row["length"], row["modificationTime"]) for row in rows}
    assert keys < {(row["path"], row["length"], row["modificationTime"]) for row in photos.collect()}


def test_only_pending_photos_are_featurized(
    photos: DataFrame, empty_store: DataFrame, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    pending = find_pending_photos(photos, empty_store, tiny_network).where(F.col("path").endswith("0.jpg"))
    expected = {row["path"] for row in pending.collect()}
    rows = [row for chunk in featurize(pending, tiny_network, parameters) for row in chunk]
    assert len(expected) == 3
    assert {row["path"] for row in rows} == expected


def test_nothing_pending_costs_nothing(
    photos: DataFrame, empty_store: DataFrame, tiny_network: Network, parameters: FeaturizationParameters
) -> None:
    pending = find_pending_photos(photos, empty_store, tiny_network).limit(0)
    assert featurize(pending, tiny_network, parameters) == []


def test_photos_of_other_chunks_are_not_even_read(
    *,
    photos: DataFrame,
    photo_tree: PhotoTree,
    tmp_path: Path,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
) -> None:
    root = shutil.copytree(photo_tree.root, tmp_path / "photos")
    moved = photos.withColumn("path", F.replace("path", F.lit(str(photo_tree.root)), F.lit(str(root))))
    chunks = featurize_photos(find_pending_photos(moved, empty_store, tiny_network), PhotoReader(4), tiny_network, parameters)
    first = {as_path(row["path"]) for row in next(chunks).collect()}
    shutil.rmtree(root)
    assert first
    assert [row for chunk in chunks for row in chunk.collect() if row["features"] is not None] == []


def test_a_chunk_that_takes_long_is_followed_by_a_smaller_one(
    photos: DataFrame,
    empty_store: DataFrame,
    tiny_network: Network,
    parameters: FeaturizationParameters,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n_cores = photos.sparkSession.sparkContext.defaultParallelism
    monkeypatch.setattr(chunks, "FIRST_TASK_WORK", 10 * chunks.PHOTO_OVERHEAD // n_cores)
    monkeypatch.setattr(chunks, "MIN_TASK_WORK", 2 * chunks.PHOTO_OVERHEAD // n_cores)
    monkeypatch.setattr(chunks, "SECONDS_PER_CHUNK", 1.0)
    pending = find_pending_photos(photos, empty_store, tiny_network).where("length > 0")
    as_much_as_wanted = parameters.model_copy(update={"chunk_size": 1000})
    features = featurize_photos(pending, PhotoReader(4), tiny_network, as_much_as_wanted)
    n_first = next(features).count()
    time.sleep(2)
    n_second = next(features).count()
    assert 5 <= n_first <= 15
    assert 1 <= n_second <= n_first / 2 * 1.5, "at most half as many are wanted, and what is left is divided evenly"


def test_a_photo_that_is_too_long_for_spark_stops_no_run(
    spark: SparkSession, tmp_path: Path, tiny_network: Network, parameters: FeaturizationParameters, empty_store: DataFrame
) -> None:
    folder = tmp_path / "photos" / "Pear"
    folder.mkdir(parents=True)
    (folder / "good.jpg").write_bytes(encoded(fruit("Pear", 0), "JPEG"))
    with (folder / "huge.tif").open("wb") as huge:
        huge.truncate(2**31 + 1)  # sparse: takes no room on the disk
    images = load_catalog(folder.parent, Outputs(tmp_path)).load("images")
    photos = list_by_folder(images)
    pending = find_pending_photos(photos, empty_store, tiny_network)
    rows = [row for chunk in featurize(pending, tiny_network, parameters) for row in chunk]
    outcomes = collect_outcomes(photos, spark.createDataFrame(rows, STORE), tiny_network).collect()
    errors = {as_path(row["path"]).name: row["error"] for row in outcomes}
    assert errors == {"good.jpg": None, "huge.tif": feature_store.TOO_LONG}


def test_a_photo_that_vanished_since_the_listing_is_rejected(
    *,
    spark: SparkSession,
    photo_tree: PhotoTree,
    tmp_path: Path,
    tiny_network: Network,
    parameters: FeaturizationParameters,
    empty_store: DataFrame,
) -> None:
    root = shutil.copytree(photo_tree.root / "Pear", tmp_path / "photos" / "Pear").parent
    photos = list_by_folder(load_catalog(root, Outputs(tmp_path)).load("images")).localCheckpoint()
    (root / "Pear" / "03.jpg").unlink()
    pending = find_pending_photos(photos, empty_store, tiny_network)
    rows = [row for chunk in featurize(pending, tiny_network, parameters) for row in chunk]
    assert len(rows) == photos.count() - 1
    outcomes = collect_outcomes(photos, spark.createDataFrame(rows, STORE), tiny_network)
    reasons = {as_path(row["path"]).name: row["error"] for row in outcomes.collect()}
    assert reasons["03.jpg"] == UNREADABLE


def test_the_exif_orientation_is_applied_where_the_parameters_say_so(
    spark: SparkSession,
    tmp_path: Path,
    tiny_network: Network,
    parameters: FeaturizationParameters,
    empty_store: DataFrame,
) -> None:
    folder = tmp_path / "photos" / "Pear"
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient = Image.linear_gradient("L").convert("RGB")
    (folder / "turned.jpg").write_bytes(encoded(gradient, "JPEG", exif=exif))
    (folder / "plain.jpg").write_bytes(encoded(gradient, "JPEG"))
    images = load_catalog(folder.parent, Outputs(tmp_path)).load("images")
    pending = find_pending_photos(list_by_folder(images), empty_store, tiny_network)

    def features(*, apply_exif_orientation: bool) -> dict[str, list[float]]:
        chosen = parameters.model_copy(update={"apply_exif_orientation": apply_exif_orientation})
        (rows,) = featurize(pending, tiny_network, chosen)
        return {as_path(row["path"]).stem: row["features"] for row in rows}

    ignored, applied = features(apply_exif_orientation=False), features(apply_exif_orientation=True)
    assert ignored["turned"] == pytest.approx(ignored["plain"], abs=1e-6)
    assert applied["plain"] == pytest.approx(ignored["plain"], abs=1e-6)
    assert applied["turned"] != pytest.approx(applied["plain"], abs=1e-3)


# --- collect_outcomes, count_outcomes ---------------------------------------------------------------------------------


LISTED = ("good", "broken", "vanished", "changed")


def outcomes_of(spark: SparkSession, network: Network) -> DataFrame:
    photos = listing(spark, *LISTED)
    ours = network.fingerprint
    store = spark.createDataFrame(
        [
            stored("good", ours, features=[1.0, 2.0]),
            stored("good", "another", features=[8.0, 9.0]),
            stored("broken", ours, features=None, error="not an image"),
            stored("broken", "another", features=[8.0, 9.0]),
            stored("changed", ours, modificationTime=LATER),
            stored("deleted since", ours),
        ],
        STORE,
    )
    return collect_outcomes(photos, store, network)


def test_every_listed_photo_has_features_or_a_reason(spark: SparkSession, tiny_network: Network) -> None:
    outcomes = outcomes_of(spark, tiny_network)
    assert outcomes.columns == ["path", "label", "length", "modificationTime", "fingerprint", "error"]
    rows = sorted(outcomes.collect(), key=lambda row: row["path"])
    assert {(row["label"], row["length"], row["modificationTime"]) for row in rows} == {("Kiwi", 100, NOON)}
    assert {row["fingerprint"] for row in rows} == {tiny_network.fingerprint}
    assert [(row["path"].rsplit("/", 1)[-1], row["error"]) for row in rows] == [
        ("broken", "not an image"),
        ("changed", UNREADABLE),
        ("good", None),
        ("vanished", UNREADABLE),
    ]


def test_what_the_run_had_to_do_is_counted(spark: SparkSession, tiny_network: Network) -> None:
    pending = listing(spark, "vanished", "changed")
    counts = count_outcomes(listing(spark, *LISTED), pending, outcomes_of(spark, tiny_network))
    assert counts == {"listed": 4, "featurized": 2, "reused": 2, "rejected": 3}


def test_what_the_listing_rejects_is_not_featurized_and_keeps_its_reason(
    spark: SparkSession, empty_store: DataFrame, tiny_network: Network
) -> None:
    pipe = spark.createDataFrame([("file:/photos/Kiwi/pipe", "Kiwi", 100, NOON, "not a file")], LISTING)
    photos = listing(spark, "good").union(pipe)
    pending = find_pending_photos(photos, empty_store, tiny_network)
    assert [row["path"] for row in pending.collect()] == ["file:/photos/Kiwi/good"]
    store = spark.createDataFrame([stored(name, tiny_network.fingerprint) for name in ("good", "pipe")], STORE)
    outcomes = collect_outcomes(photos, store, tiny_network)
    assert {row["path"]: row["error"] for row in outcomes.collect()} == {
        "file:/photos/Kiwi/good": None,
        "file:/photos/Kiwi/pipe": "not a file",
    }
    assert count_outcomes(photos, pending, outcomes) == {"listed": 2, "featurized": 1, "reused": 0, "rejected": 1}


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
    photos: DataFrame, empty_store: DataFrame, parameters: FeaturizationParameters
) -> None:
    with pytest.raises(ValueError, match="no run has featurized with these parameters"):
        vacuum_store(photos, empty_store, {}, parameters)


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
