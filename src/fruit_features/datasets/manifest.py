"""A table that lists photos, in the place of a folder: a CSV or Parquet file, or a report of S3 Inventory.

Spark reads it on the workers, so that the driver holds no list, however many photos there are.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial, reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import fsspec
from kedro.io import DatasetError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from fruit_features.photos.tree import is_hidden, kind_of_other
from fruit_features.storage import object_store

if TYPE_CHECKING:
    import re

    from pyspark.sql import Column, DataFrame

INVENTORY: Final = "manifest.json"
"""What S3 Inventory calls the list of the files of a report."""

_ENDINGS: Final = (".csv", ".csv.gz", ".parquet")

_COLUMNS: Final = {"path": "string", "length": "bigint", "modificationTime": "timestamp"}

_WHAT_IT_IS: Final = {
    "path": "a path",
    "length": "a length in bytes",
    "modificationTime": "a time such as 2026-11-28T13:00:00.000Z",
}

_FORMATS_OF_INVENTORY: Final = frozenset({"CSV", "Parquet", "ORC"})

_MAX_KINDS: Final = 1000
"""Kinds of files left out that are told apart: names without an ending are kinds of their own."""


class ListedPhotos(NamedTuple):
    """What a manifest lists.

    Attributes:
        photos: path, modificationTime, length, file_name.
        left_out: How many entries are not taken for photos, by kind.

    """

    photos: DataFrame
    left_out: Counter[str]


def is_manifest(place: str) -> bool:
    """Whether the name of a place is that of a manifest, and not of a folder of photos."""
    return _is_inventory(place) or place.rstrip("/").lower().endswith(_ENDINGS)


def _is_inventory(place: str) -> bool:
    return place.rstrip("/").rpartition("/")[2].lower() == INVENTORY


def read_manifest(place: str, is_photo: re.Pattern[str]) -> ListedPhotos:
    """Read a manifest.

    A CSV or Parquet file has the columns path (a URI, an absolute path, or one below the folder of the manifest), length
    (bytes) and modificationTime. A report of S3 Inventory has all of these.

    Args:
        place: A path or a URI, as Spark spells it.
        is_photo: What the names of photos match.

    Raises:
        DatasetError: It cannot be read, or an entry cannot be right: the message names it.

    """
    listed = _read_inventory(place) if _is_inventory(place) else _read_table(place)
    listed = listed.withColumn("kind", F.udf(partial(_kind_of, is_photo=is_photo), "string")("file_name"))
    _check(place, listed)
    others = listed.where(F.col("kind").isNotNull()).groupBy("kind").count()
    left_out = Counter({row["kind"]: row["count"] for row in others.orderBy(F.desc("count"), "kind").take(_MAX_KINDS)})
    photos = listed.where(F.col("kind").isNull())
    return ListedPhotos(photos.select("path", "modificationTime", "length", "file_name"), left_out)


def _read_table(place: str) -> DataFrame:
    reader = SparkSession.builder.getOrCreate().read
    is_csv = not place.rstrip("/").lower().endswith(".parquet")
    try:
        table = reader.csv(place, header=True, quote='"', escape='"') if is_csv else reader.parquet(place)
    except Exception as error:  # Spark and Hadoop raise errors of many kinds
        raise DatasetError(
            f"images_root={place}: the manifest cannot be read ({' '.join(str(error).split())[:200]})"
        ) from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise DatasetError(
            f"images_root={place}: the manifest has no column {missing[0]}; it has {', '.join(table.columns)}. It needs path, "
            "length (bytes) and modificationTime"
        )
    folder = place.rstrip("/").rpartition("/")[0] + "/"
    given = F.col("path").cast("string")
    is_whole = given.rlike(r"^(/|[A-Za-z][A-Za-z0-9+.-]*:)")
    path = (
        F.when(given.startswith("/"), F.concat(F.lit("file:"), given))
        .when(is_whole, given)
        .otherwise(F.concat(F.lit(folder), given))
    )
    return table.select(
        path.alias("path"),
        *(F.expr(f"try_cast({name} AS {kind})").alias(name) for name, kind in _COLUMNS.items() if name != "path"),
        F.when(is_whole, _below(folder, path)).otherwise(given).alias("file_name"),
    )


def _below(folder: str, path: Column) -> Column:
    """Take the folder of the manifest off a path, or, where it does not begin with it, scheme and bucket."""
    return F.when(path.startswith(folder), F.substr(path, F.lit(len(folder) + 1))).otherwise(
        F.regexp_replace(path, r"^[A-Za-z0-9+.-]+:(//[^/]*)?/*", "")
    )


def _read_inventory(place: str) -> DataFrame:
    """Read a report of S3 Inventory as AWS writes it: gzipped CSV without a header, Parquet or ORC."""
    try:
        with fsspec.open(place.removeprefix("file:"), "rb") as file:
            manifest = json.load(file)
        form, columns = manifest["fileFormat"], [name.strip() for name in manifest["fileSchema"].split(",")]
        files = [_place_of(place, manifest["destinationBucket"], file["key"]) for file in manifest["files"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"images_root={place}: this is not the manifest of a report of S3 Inventory ({error!r})") from error
    if form not in _FORMATS_OF_INVENTORY or not files:
        raise DatasetError(
            f"images_root={place}: the report has {len(files)} files of the format {form}. Let S3 Inventory write CSV"
        )
    reader = SparkSession.builder.getOrCreate().read
    if form == "CSV":
        report = reader.csv(files, schema=", ".join(f"`{name}` string" for name in columns), quote='"', escape='"')
        key = F.try_url_decode("Key")
    else:
        report = reader.parquet(*files) if form == "Parquet" else reader.orc(files)
        report = report.toDF(*(_NAMES_OF_INVENTORY.get(name, name) for name in report.columns))
        key = F.col("Key")
    missing = [name for name in ("Bucket", "Key", "Size", "LastModifiedDate") if name not in report.columns]
    if missing:
        raise DatasetError(
            f"images_root={place}: the report has no {missing[0]}. Let S3 Inventory write Size and Last modified, too"
        )
    for name, wanted in (("IsLatest", "true"), ("IsDeleteMarker", "false")):  # where it lists the versions of objects
        if name in report.columns:
            report = report.where(F.lower(F.col(name).cast("string")) == wanted)
    scheme = place.partition("://")[0] if place.startswith(object_store.PROTOCOLS) else "s3a"
    return report.select(
        F.concat(F.lit(f"{scheme}://"), F.col("Bucket"), F.lit("/"), key).alias("path"),
        F.expr("try_cast(Size AS bigint)").alias("length"),
        F.date_trunc("second", F.expr("try_cast(LastModifiedDate AS timestamp)")).alias("modificationTime"),
        key.alias("file_name"),
    ).where(~F.col("file_name").endswith("/"))  # an object that stands for an empty folder


_NAMES_OF_INVENTORY: Final = {
    "bucket": "Bucket",
    "key": "Key",
    "size": "Size",
    "last_modified_date": "LastModifiedDate",
    "is_latest": "IsLatest",
    "is_delete_marker": "IsDeleteMarker",
}
"""Columns of a report in Parquet or ORC, by what they are called in a CSV."""


def _place_of(place: str, bucket: str, key: str) -> str:
    """Where a file of a report lies: in the bucket that it was written to, or in the copy of the folders on a disk."""
    if place.startswith(object_store.PROTOCOLS):
        return f"{place.partition('://')[0]}://{bucket.rpartition(':')[2]}/{key}"
    folder_of_day = place.rpartition("/")[0]
    return f"{folder_of_day.rpartition('/')[0]}/data/{key.rpartition('/')[2]}"


def _kind_of(file_name: str | None, is_photo: re.Pattern[str]) -> str | None:
    """Say as what an entry is left out; None for a photo, and for an entry without a name, which is refused."""
    if not file_name:
        return None
    *folders, name = file_name.split("/")
    hidden = next((folder for folder in folders if is_hidden(folder)), None)
    if hidden is not None:
        return kind_of_other(hidden, is_folder=True)
    return None if is_photo.fullmatch(name) and not is_hidden(name) else kind_of_other(name)


def _check(place: str, listed: DataFrame) -> None:
    """Refuse entries that cannot be right, before anything is done with the others.

    Raises:
        DatasetError: An entry has no path, length or time, or is there twice.

    """
    is_wrong = {
        "path": F.col("path").isNull(),
        "length": F.col("length").isNull() | (F.col("length") < 0),
        "modificationTime": F.col("modificationTime").isNull(),
    }
    wrong: Any = (
        listed.where(F.col("kind").isNull() & reduce(or_, is_wrong.values()))
        .select("path", *(column.alias(f"wrong_{name}") for name, column in is_wrong.items()))
        .first()
    )
    if wrong is not None:
        name = next(name for name in is_wrong if wrong[f"wrong_{name}"])
        raise DatasetError(
            f"images_root={place}: the entry of {wrong['path']} has no {name}, or none that is {_WHAT_IT_IS[name]}"
        )
    twice: Any = listed.groupBy("path").count().where("count > 1").first()
    if twice is not None:
        raise DatasetError(f"images_root={place}: {twice['path']} is in {twice['count']} entries. Leave one of them")
