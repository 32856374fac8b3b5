"""Photos that are renamed, relabelled, copied or moved keep their features, and so does a store that is carried elsewhere."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from tests.support.photos import encoded, fruit
from tests.support.runs import MISSION, PROJECT, Outputs, as_path, load_catalog, run_project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.photos import PhotoTree

FACTS = ["width", "height", "format", "mode", "brightness", "contrast", "sharpness"]


@pytest.fixture
def photos(photo_tree: PhotoTree, tmp_path: Path) -> Path:
    """A copy, with times of its own."""
    return shutil.copytree(photo_tree.root, tmp_path / "photos")


def values(outputs: Outputs) -> np.ndarray:
    """The components alone, in the order of the photos' names: whatever their folders are called."""
    table = outputs.pca_features_csv()
    names = table["path"].map(lambda uri: (as_path(uri).name, as_path(uri).parent.name.removeprefix("new ")))
    return table.iloc[names.argsort()].iloc[:, 2:].to_numpy()


def by_path(outputs: Outputs) -> pd.DataFrame:
    """The photo index, by label and name; of paths that a folder was renamed under, the last one alone."""
    index = outputs.photo_index()
    places = index["path"].map(lambda uri: (as_path(uri).parent.name.removeprefix("new "), as_path(uri).name))
    return index.set_index(pd.MultiIndex.from_tuples(places)).sort_values("modificationTime").groupby(level=[0, 1]).last()


def test_whatever_happens_to_the_photos_no_content_is_inferred_twice(full_run: Outputs, photos: Path, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    run_project(photos, outputs, *MISSION)
    n_listed = outputs.counts()["listed"]
    assert (outputs.counts()["inferred"], outputs.counts()["featurized"]) == (0, 0), "a copy with other times"
    expected = values(outputs)

    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        folder.rename(folder.with_name(f"new {folder.name}"))
    run_project(photos, outputs, *MISSION)
    counts = outputs.counts()
    assert (counts["inferred"], counts["featurized"], counts["reused"]) == (0, 0, n_listed), "every label is another"
    assert set(outputs.pca_features_csv()["label"].str.startswith("new ")) == {True}
    np.testing.assert_array_equal(values(outputs), expected)

    for path in photos.rglob("*"):
        os.utime(path)
    run_project(photos, outputs, *MISSION)
    assert outputs.counts()["inferred"] == 0, "touched"

    elsewhere = photos.rename(tmp_path / "elsewhere")
    carried = full_run.with_networks_only(tmp_path / "carried")
    for table in ("feature_store", "photo_index"):
        shutil.copytree(outputs.root / "04_feature" / table, carried.root / "04_feature" / table)
    run_project(elsewhere, carried, *MISSION)
    assert (carried.counts()["inferred"], carried.counts()["reused"]) == (0, n_listed), "the store was carried"
    np.testing.assert_array_equal(values(carried), expected)
    assert carried.feature_store()["digest"].is_unique

    shutil.rmtree(carried.root / "04_feature" / "photo_index")
    run_project(elsewhere, carried, *MISSION)
    assert (carried.counts()["inferred"], carried.counts()["reused"]) == (0, n_listed), "the features alone were carried"
    np.testing.assert_array_equal(values(carried), expected)
    pd.testing.assert_frame_equal(*(by_path(each)[FACTS] for each in (carried, outputs)), check_index_type=False)


def test_the_facts_of_a_copy_are_those_of_the_original(full_run: Outputs, photos: Path, tmp_path: Path) -> None:
    outputs = run_project(photos, full_run.copy_to(tmp_path / "data"), "ingestion", "featurization")
    index = outputs.photo_index()
    assert len(index) == 2 * len(full_run.photo_index())
    for _, copies in index.groupby("digest"):
        assert len(copies[FACTS].drop_duplicates()) == 1
    facts = load_catalog(photos, outputs).load("photo_facts").toPandas()
    assert set(facts["path"].map(as_path).map(lambda path: path.parents[1])) == {photos}
    assert facts["width"].notna().sum() == len(full_run.pca_features())


def test_a_new_photo_among_known_ones_costs_itself_alone(full_run: Outputs, photos: Path, tmp_path: Path) -> None:
    outputs = full_run.copy_to(tmp_path / "data")
    (photos / "Pear" / "new.jpg").write_bytes(encoded(fruit("Pear", 99), "JPEG"))
    shutil.copy2(photos / "Pear" / "00.jpg", photos / "Pear" / "copy of 00.jpg")
    run_project(photos, outputs, *MISSION)
    counts = outputs.counts()
    assert (counts["inferred"], counts["featurized"]) == (1, 1)
    table = outputs.pca_features_csv()
    twins = table[table["path"].str.endswith(("/Pear/00.jpg", "/Pear/copy of 00.jpg"))]
    assert len(twins) == 2
    pd.testing.assert_series_equal(twins.iloc[0, 2:], twins.iloc[1, 2:], check_names=False)


def test_a_store_of_an_older_layout_is_refused_untouched(full_run: Outputs, photo_tree: PhotoTree, tmp_path: Path) -> None:
    outputs = full_run.with_networks_only(tmp_path / "data")
    store = outputs.root / "04_feature" / "feature_store"
    store.mkdir(parents=True)
    old = full_run.stored_photos()[["path", "length", "modificationTime", "features", "error", "fingerprint"]]
    old.to_parquet(store / "part-0.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)
    before = (store / "part-0.parquet").read_bytes()
    with pytest.raises(Exception, match=r"was not written by this version: .* Move it away, or choose another output_root"):
        run_project(photo_tree.root, outputs, *MISSION)
    assert (store / "part-0.parquet").read_bytes() == before


def test_heic_without_its_decoder_is_told_and_waits(full_run: Outputs, few_heic: Path, tmp_path: Path) -> None:
    outputs = run_project(few_heic, full_run.with_networks_only(tmp_path / "data"), *MISSION)
    rejected = outputs.rejected_images()
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        assert rejected["reason"].str.contains('pip install "pillow-heif>=1.8.0"', regex=False).tolist() == [True]
        assert not outputs.photo_index()["path"].str.endswith(".HEIC").any(), "nothing is known of it yet"
    else:
        assert rejected.empty


@pytest.fixture
def few_heic(photo_tree: PhotoTree, tmp_path: Path) -> Path:
    root = tmp_path / "phone"
    (root / "Pear").mkdir(parents=True)
    for number in range(4):
        shutil.copy2(photo_tree.root / "Pear" / f"{number:02}.jpg", root / "Pear")
    shutil.copy2(PROJECT / "tests" / "support" / "heic" / "fruit.heic", root / "Pear" / "IMG_1.HEIC")
    return root
