"""Photos and results on S3 from day to day: what is uploaded, changed and deleted, odd names, and a store that falters."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import pandas as pd
import pytest

from tests.support.cluster.fault_proxy import Fault, fault_proxy
from tests.support.cluster.local_runs import LEASE_HAS_ENDED, run_here, started_here, with_short_lease
from tests.support.cluster.places import Prefix
from tests.support.inventory import csv_report, manifest
from tests.support.photos import encoded, fruit

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cluster.object_store import ObjectStore
    from tests.support.runs import Outputs

pytestmark = pytest.mark.cluster

STORE = "04_feature/feature_store/"
NO_REPORT = ("--to-outputs", "pca_features_csv")  # where nobody looks at the plots
FAULT_LASTS = 4.0  # seconds

ODD_NAMES = (
    "Pear/plain.jpg",
    "Pear/with blanks.jpg",
    "Pear/per%20cent%.jpg",
    "Pear/plus+plus.jpg",
    "Pear/hash#hash.jpg",
    "Pear/comma,comma;semicolon.jpg",
    "Pear/quote'quote\"quote.jpg",
    "Pear/equals=ampersand&.jpg",
    "Pear/[brackets]{braces}.jpg",
    "Pear/star*question?.jpg",
    "Pear/\N{PEAR}\N{RED APPLE} \u00e9.JPG",
    "Golden, 50% + #1 \N{RED APPLE}/1.png",
    "Golden, 50% + #1 \N{RED APPLE}/deeper still/2.jpeg",
)


@pytest.fixture
def photos(store: ObjectStore, results: Prefix) -> Prefix:
    """Photos of a test's own."""
    return Prefix(store, results.bucket, "photos")


def photo(seed: int, label: str = "Pear") -> bytes:
    return encoded(fruit(label, seed), "JPEG")


def parameters_of(photos: Prefix, results: Prefix, **featurization: object) -> str:
    given = {"backbone": "efficientnet_lite0", **featurization}
    roots = f"images_root={photos.uri},output_root={results.uri}"
    return ",".join([roots, *(f"featurization.{name}={value}" for name, value in given.items())])


def exported_names(outputs: Outputs, photos: Prefix) -> list[str]:
    table = outputs.pca_features_csv()
    assert table["path"].str.startswith(f"{photos.uri}/").all()
    return sorted(path.removeprefix(f"{photos.uri}/") for path in table["path"])


def test_what_is_uploaded_changed_or_deleted_is_followed(photos: Prefix, results: Prefix, tmp_path: Path) -> None:
    for seed, name in enumerate(ODD_NAMES):
        photos.put(name, photo(seed))
    parameters = parameters_of(photos, results)
    run_here(results.store, tmp_path, parameters=parameters)
    first = results.download(tmp_path / "first")
    assert exported_names(first, photos) == sorted(ODD_NAMES)
    labels = dict(zip(first.pca_features_csv()["path"], first.pca_features_csv()["label"], strict=True))
    assert labels == {f"{photos.uri}/{name}": name.split("/")[-2] for name in ODD_NAMES}

    time.sleep(1.1)  # S3 tells times in whole seconds
    changed, deleted, uploaded = ODD_NAMES[2], ODD_NAMES[4], ("Plum/1.jpg", "Plum/nothing.jpg", "Plum/broken #1.jpg")
    photos.put(changed, photo(100))
    photos.delete(deleted)
    for name, content in zip(uploaded, (photo(101), b"", photo(102)[:500]), strict=True):
        photos.put(name, content)
    run_here(results.store, tmp_path, parameters=parameters)
    second = results.download(tmp_path / "second")
    assert exported_names(second, photos) == sorted({*ODD_NAMES, uploaded[0]} - {deleted})
    counted = {"listed": 15, "featurized": 4, "reused": 11, "rejected": 2, "exported": 13}
    assert {name: second.counts()[name] for name in counted} == counted
    reasons = second.rejected_images().set_index("path")["reason"]
    assert reasons[f"{photos.uri}/{uploaded[1]}"] == "empty file"
    assert "Truncated" in reasons[f"{photos.uri}/{uploaded[2]}"]

    scratch = Prefix(results.store, results.bucket, "runs/scratch")
    scratch.upload(second.networks, "06_models/networks")
    run_here(results.store, tmp_path, *NO_REPORT, parameters=parameters_of(photos, scratch))
    assert scratch.download(tmp_path / "scratch").csv_bytes() == second.csv_bytes()


def test_photos_that_are_moved_or_relabelled_by_a_table_are_not_inferred_again(
    photos: Prefix, results: Prefix, tmp_path: Path
) -> None:
    names = [f"{label}/{seed}.jpg" for seed in range(4) for label in ("Pear", "Plum")]
    for seed, name in enumerate(names):
        photos.put(name, photo(seed))
    parameters = parameters_of(photos, results)
    run_here(results.store, tmp_path, parameters=parameters)
    first = results.download(tmp_path / "first")
    assert first.counts()["inferred"] == len(names)

    time.sleep(1.1)  # S3 tells times in whole seconds
    for name in names:
        photos.move(name, f"new {name}")
    photos.put("notes.txt", b"no photo")
    run_here(results.store, tmp_path, parameters=parameters)
    moved = results.download(tmp_path / "moved")
    expected = {"inferred": 0, "featurized": 0, "reused": 8, "exported": 8, "left_out": {".txt": 1}}
    assert {name: moved.counts()[name] for name in expected} == expected
    assert set(moved.pca_features_csv()["label"]) == {"new Pear", "new Plum"}

    rows = [f"new {name},{'sweet' if name < 'Pl' else 'sour'},{'no' if name == names[0] else ''}" for name in names]
    labels = Prefix(results.store, results.bucket, "labels")
    labels.put("metadata.csv", "\n".join(["file_name,label,use", *rows]).encode())
    run_here(results.store, tmp_path, parameters=f"{parameters},ingestion.metadata={labels.uri}/metadata.csv")
    relabelled = results.download(tmp_path / "relabelled")
    expected = {"inferred": 0, "featurized": 0, "exported": 7, "rejected": 1, "metadata_mismatches": 0}
    assert {name: relabelled.counts()[name] for name in expected} == expected
    assert Counter(relabelled.pca_features_csv()["label"]) == {"sweet": 3, "sour": 4}
    assert relabelled.rejected_images()["reason"].tolist() == ["left out by metadata"]

    run_here(results.store, tmp_path, "--pipelines", "features", parameters=parameters)
    features = pd.read_parquet(results.download(tmp_path / "features").root / "07_model_output" / "features.parquet")
    assert (len(features), {len(row) for row in features["embedding"]}) == (7, {1280})


def test_a_report_of_s3_inventory_lists_what_s3_lists(photos: Prefix, results: Prefix, tmp_path: Path) -> None:
    for seed, name in enumerate(ODD_NAMES):
        photos.put(name, photo(seed))
    photos.put("notes.txt", b"no photo")
    run_here(results.store, tmp_path, parameters=parameters_of(photos, results))
    listed = results.download(tmp_path / "listed")

    reports = Prefix(results.store, results.bucket, "reports")
    report = write_inventory(photos, reports)
    photos.put("Pear/later.jpg", photo(99))  # which the report does not have
    roots = f"images_root={report},output_root={results.uri}"
    run_here(results.store, tmp_path, parameters=f"{roots},featurization.backbone=efficientnet_lite0")
    reported = results.download(tmp_path / "reported")
    expected = {"listed": len(ODD_NAMES), "featurized": 0, "inferred": 0, "left_out": {".txt": 1}}
    assert {name: reported.counts()[name] for name in expected} == expected
    assert reported.csv_bytes() == listed.csv_bytes()


def write_inventory(photos: Prefix, reports: Prefix) -> str:
    """Write what S3 Inventory would write of a bucket, which has to hold nothing but photos below their prefix; its URI."""
    found = photos.store.client.list_objects_v2(Bucket=photos.bucket, Prefix=f"{photos.name}/")["Contents"]
    rows = [
        (photos.bucket, quote_plus(item["Key"], safe="/"), item["Size"], f"{item['LastModified']:%Y-%m-%dT%H:%M:%S}.000Z")
        for item in found
    ]
    reports.put("daily/data/1.csv.gz", csv_report(rows))
    key, schema = f"{reports.name}/daily/data/1.csv.gz", "Bucket, Key, Size, LastModifiedDate"
    content = manifest(key, schema, source=photos.bucket, destination=reports.bucket)
    reports.put("daily/2026-11-28T01-00Z/manifest.json", content)
    return f"{reports.uri}/daily/2026-11-28T01-00Z/manifest.json"


def test_names_that_xml_cannot_carry_are_rejected(photos: Prefix, results: Prefix, tmp_path: Path) -> None:
    good = ["Pear/1.jpg", "Pear/2.jpg", "Pear/tab\t.jpg", "Pear/\ufffd.jpg"]
    for seed, name in enumerate((*good, "Pear/bell\a.jpg", "Pear/\x1b[31m.jpg")):
        photos.put(name, photo(seed))
    photos.put("Pear/empty.jpg", b"")
    (photos.store.folder / photos.bucket / "photos" / "Pear" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(photo(9))
    run_here(
        results.store, tmp_path, "--to-outputs", "pca_features_csv,rejected_images", parameters=parameters_of(photos, results)
    )
    outputs = results.download(tmp_path / "results")
    assert exported_names(outputs, photos) == sorted(good)
    reasons = outputs.rejected_images().set_index("path")["reason"]
    unknown = "the name has characters that a listing of S3 cannot carry: rename the object"
    assert {path.removeprefix(f"{photos.uri}/Pear/"): reason for path, reason in reasons.items()} == {
        "bell\ufffd.jpg": unknown,
        "\ufffd[31m.jpg": unknown,
        "caf\ufffd.jpg": unknown,
        "empty.jpg": "empty file",
    }


def test_a_store_that_falters_is_waited_for(sample: Prefix, results: Prefix, local_run: Outputs, tmp_path: Path) -> None:
    faults: tuple[tuple[str, Fault], ...] = ((STORE, "slow down"), (STORE, "cut"), ("07_model_output/", "cut"))
    with (
        fault_proxy(results.store.port) as proxy,
        started_here(
            results.store.through(proxy.port), tmp_path, parameters=parameters_of(sample, results, chunk_size=60)
        ) as run,
    ):
        for below, fault in faults:
            run.wait_until(lambda below=below: results.pending_uploads(below), f"{below} is being written")
            n_refused = proxy.n_refused
            proxy.fail(fault)
            time.sleep(FAULT_LASTS)
            proxy.fail("none")
            assert proxy.n_refused > n_refused, fault
        assert run.wait() == 0, run.text
    outputs = results.download(tmp_path / "results")
    pd.testing.assert_frame_equal(
        outputs.pca_features_csv().drop(columns="path"), local_run.pca_features_csv().drop(columns="path")
    )
    assert outputs.counts()["exported"] == len(local_run.pca_features_csv())
    assert outputs.counts()["rejected"] == 0


def test_a_replaced_store_that_is_killed_half_way_is_whole_after_the_next_run(
    photos: Prefix, results: Prefix, tmp_path: Path
) -> None:
    names = [f"Pear/{seed}.jpg" for seed in range(8)]
    for seed, name in enumerate(names):
        photos.put(name, photo(seed))
    parameters = parameters_of(photos, results, chunk_size=3)
    lease = with_short_lease(tmp_path)
    run_here(results.store, tmp_path, *NO_REPORT, parameters=parameters)
    before = results.download(tmp_path / "before")
    for moment, below in (("written", "feature_store.new/part-"), ("to be renamed", "feature_store.new/_SUCCESS")):
        with (
            fault_proxy(results.store.port) as proxy,
            started_here(
                results.store.through(proxy.port), tmp_path, *lease, "--pipelines", "compact", parameters=parameters
            ) as run,
        ):
            run.wait_until(lambda below=below: results.names(f"04_feature/{below}"), f"the new store is {moment}")
            proxy.fail("cut")
            run.kill()
        time.sleep(LEASE_HAS_ENDED)
    said = run_here(results.store, tmp_path, *NO_REPORT, parameters=parameters)
    after = results.download(tmp_path / "after")
    assert after.csv_bytes() == before.csv_bytes(), said
    store = after.stored_photos()
    assert sorted(store["path"]) == [f"{photos.uri}/{name}" for name in sorted(names)]
    assert not results.names("04_feature/feature_store.new")
    assert not results.pending_uploads()
