"""What tells objects and photos on S3 from others that take their place: by moto's server, and without Spark."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from fruit_features.datasets import MetadataDataset, PhotoFolderDataset
from fruit_features.storage.snapshots import take_snapshot
from tests.support.amazon import BUCKET, Amazon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = f"s3a://{BUCKET}/output/table"


@pytest.fixture
def s3(amazon: Amazon) -> Iterator[Any]:
    """The client of a bucket with a table, another one whose name begins with the same letters, and photos."""
    fsspec.filesystem("s3").clear_instance_cache()
    client = amazon.client("s3")
    for key in ("output/table/_SUCCESS", "output/table/part-0.csv", "output/table_csv/part-0.csv", "photos/Pear/1.jpg"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    yield client
    fsspec.filesystem("s3").clear_instance_cache()


CHANGES: dict[str, Callable[[Any], object]] = {
    "edited": lambda s3: s3.put_object(Bucket=BUCKET, Key="output/table/part-0.csv", Body=b"output/table/part-1.csv"),
    "deleted": lambda s3: s3.delete_object(Bucket=BUCKET, Key="output/table/_SUCCESS"),
    "added": lambda s3: s3.put_object(Bucket=BUCKET, Key="output/table/part-1.csv", Body=b""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_of_an_object_shows(name: str, s3: Any) -> None:
    before = take_snapshot(TABLE)
    assert before is not None
    assert before.keys() == {"_SUCCESS", "part-0.csv"}
    assert take_snapshot(TABLE) == before
    CHANGES[name](s3)
    assert take_snapshot(TABLE) != before


def test_a_place_may_be_one_object_or_nothing(s3: Any) -> None:
    assert (take_snapshot(f"{TABLE}/_SUCCESS") or {}).keys() == {""}
    assert take_snapshot(f"s3://{BUCKET}/output/tab") == {}


def test_digests_are_left_out(s3: Any) -> None:
    before = take_snapshot(TABLE)
    s3.put_object(Bucket=BUCKET, Key="output/table/.sha256", Body=b"")
    assert take_snapshot(TABLE) == before


def test_photos_are_others_when_one_is_added_another_or_gone(s3: Any) -> None:
    photos = PhotoFolderDataset(
        filepath=f"s3a://{BUCKET}/photos", file_format="binaryFile", load_args={"pathGlobFilter": "*.jpg"}
    )
    found = [photos.identify()]
    assert photos.identify() == found[0]
    for key, body in (("photos/Pear/2.jpg", b"2"), ("photos/Pear/2.jpg", b"22")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        found.append(photos.identify())
    time.sleep(1)  # S3's listing is read in whole seconds
    s3.put_object(Bucket=BUCKET, Key="photos/Pear/2.jpg", Body=b"33")
    found.append(photos.identify())
    assert len(set(found)) == 4
    s3.delete_object(Bucket=BUCKET, Key="photos/Pear/2.jpg")
    assert photos.identify() == found[0]


def test_a_table_of_labels_is_another_when_its_content_is(s3: Any) -> None:
    table = MetadataDataset(filepath=f"s3a://{BUCKET}/labels.csv")
    found = []
    for body in (b"file_name,label\nPear/1.jpg,a\n", b"file_name,label\nPear/1.jpg,b\n"):
        s3.put_object(Bucket=BUCKET, Key="labels.csv", Body=body)
        found.append(table.identify())
        table.load()
        assert table.loaded_identity == found[-1]
    assert found[0] != found[1]
