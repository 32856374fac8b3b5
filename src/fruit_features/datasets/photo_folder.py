"""Photos in a folder, or in a table that lists them, as a Spark table."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pyarrow as pa
from kedro_datasets.spark import SparkDatasetV2
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType

from fruit_features.datasets.manifest import is_manifest, read_manifest
from fruit_features.photos.tree import glob_to_regex, is_hidden, kind_of_other, walk
from fruit_features.spark.arrow_tables import from_arrow
from fruit_features.storage import object_store
from fruit_features.storage.snapshots import take_snapshot

if TYPE_CHECKING:
    import re

    from pyspark.sql import Column, DataFrame

NOT_IN_XML = "the name has characters that a listing of S3 cannot carry: rename the object"

_S3 = frozenset({"s3", "s3a", "s3n"})


@dataclass
class _Listing:
    """Four columns, with an entry for each photo: path, modification time in milliseconds, length in bytes, error.

    Attributes:
        root: What every path begins with, and what is below it is the name of the file.
        left_out: How many files and hidden folders are not taken for photos, by kind.

    """

    root: str
    left_out: Counter[str]
    paths: list[str] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    errors: list[str | None] = field(default_factory=list)

    def identify(self) -> str:
        """Describe the listing: the number of photos, and the SHA-256 of all that is known of them and of what is left out."""
        digest = hashlib.sha256()
        for photo in zip(self.paths, self.lengths, self.modified, self.errors, strict=True):
            digest.update(f"{photo}\n".encode())
        digest.update(f"{sorted(self.left_out.items())}".encode())
        return f"{len(self.paths)} photos, {digest.hexdigest()}"


class PhotoFolderDataset(SparkDatasetV2):  # type: ignore[misc]
    """`SparkDatasetV2` of the format binaryFile, with two more columns: the path below the folder, and an error.

    Spark's own listing follows links to the parents of a folder, leaves out names that are not UTF-8 and files of no bytes,
    takes a named pipe for an empty file, and asks S3 for every object by itself. So photos are listed here: those in folders
    on a disk as `photos.tree.walk` says, those on S3 by requests that name a thousand of them at once. Other file systems
    are left to Spark, and there files of no bytes are left out.

    Where `filepath` is no folder but a manifest, as `datasets.manifest` describes it, Spark reads that, and nothing is listed.

    `load_args.pathGlobFilter` is required: it is what the names of photos match.

    Loads path, modificationTime, length, content (read only if it is asked for; null for a file that cannot be read), error
    (why a file can be no photo, whatever is in it; null for a file), and file_name (the path below the folder, with slashes).

    Attributes:
        left_out: How many files and hidden folders the last load did not take for photos, by what `photos.tree.kind_of_other`
            calls them; None before the first load, and where Spark lists.
        loaded_identity: What `identify` says of the listing that was loaded last; None before the first load, and where Spark
            lists.

    """

    left_out: Counter[str] | None = None
    loaded_identity: str | None = None
    _identified: _Listing | None = None

    def identify(self) -> str | None:
        """List the photos, and say which these are, and how much is left out; None where Spark lists.

        The next load takes this listing, so that a run does not list twice. Of a manifest, say which state the file is in.
        """
        if self._is_manifest:
            return self._identify_manifest()
        self._identified = self._list()
        return self._identified.identify() if self._identified is not None else None

    @property
    def _is_manifest(self) -> bool:
        return is_manifest(self._path)

    def _identify_manifest(self) -> str | None:
        snapshot = take_snapshot(self._path if self._protocol == "file" else self._spark_path)
        return None if snapshot is None else f"manifest {json.dumps(snapshot, sort_keys=True)}"

    def _list(self) -> _Listing | None:
        is_photo = glob_to_regex(self._load_args["pathGlobFilter"])
        if self._protocol == "file":
            return _list_folder(self._path, is_photo)
        return _list_bucket(self._spark_path, is_photo) if self._protocol in _S3 else None

    def _load(self) -> DataFrame:
        if self._is_manifest:
            return self._load_manifest()
        listing, self._identified = self._identified or self._list(), None
        self.loaded_identity = listing.identify() if listing is not None else None
        if listing is None:
            self.left_out = None
            loaded: DataFrame = super()._load()
            error, file_name = F.lit(None).cast("string"), _below_folder(self._spark_path)
            return loaded.withColumns({"error": error, "file_name": file_name})
        self.left_out = listing.left_out
        table = pa.table(
            {
                "path": pa.array(listing.paths, pa.string()),
                "modificationTime": pa.array(listing.modified, pa.int64()),
                "length": pa.array(listing.lengths, pa.int64()),
                "error": pa.array(listing.errors, pa.string()),
            }
        )
        files = from_arrow(SparkSession.builder.getOrCreate(), table)
        return files.select(
            "path",
            F.timestamp_millis("modificationTime").alias("modificationTime"),
            "length",
            _content(),
            "error",
            F.expr(f"substring(path, {len(listing.root) + 1})").alias("file_name"),
        )

    def _load_manifest(self) -> DataFrame:
        self.loaded_identity = self._identify_manifest()
        place = f"file:{Path(self._path).absolute()}" if self._protocol == "file" else self._spark_path
        photos, self.left_out = read_manifest(place, glob_to_regex(self._load_args["pathGlobFilter"]))
        with_error = photos.withColumn("error", F.lit(None).cast("string"))
        return with_error.select("path", "modificationTime", "length", _content(), "error", "file_name")


def _content() -> Column:
    return F.udf(_read, BinaryType())("path", "error").alias("content")


def _list_folder(folder: str, is_photo: re.Pattern[str]) -> _Listing:
    tree = walk(Path(folder), is_photo)
    root = "file:" + tree.root.rstrip("/") + "/"
    return _Listing(root, tree.others, [f"file:{path}" for path in tree.paths], tree.modified, tree.lengths, tree.errors)


def _list_bucket(root: str, is_photo: re.Pattern[str]) -> _Listing:
    """List photos under a root on S3; names below it are passed over if they begin with a dot or an underscore."""
    bucket, prefix = object_store.split(root)
    listing = _Listing(f"{root.partition('://')[0]}://{bucket}/{prefix}", Counter())
    hidden_folders: set[str] = set()
    for found in object_store.list_objects(root):
        below = found.key.removeprefix(prefix)
        *folders, name = below.split("/")
        hidden = next((depth for depth, folder in enumerate(folders, start=1) if is_hidden(folder)), None)
        if hidden is not None:  # S3 knows no folders: one that is hidden is found again with every object in it
            hidden_folders.add("/".join(folders[:hidden]))
            continue
        if not name:  # an object that stands for an empty folder
            continue
        if not is_photo.fullmatch(name) or is_hidden(name):
            listing.left_out[kind_of_other(name)] += 1
            continue
        listing.paths.append(listing.root + below)
        listing.modified.append(int(found.modified.timestamp()) * 1000)  # in whole seconds, as S3 tells of one object
        listing.lengths.append(found.length if found.is_known else 0)
        listing.errors.append(None if found.is_known else NOT_IN_XML)
    listing.left_out.update(kind_of_other(folder, is_folder=True) for folder in hidden_folders)
    return listing


def _below_folder(folder: str) -> Column:
    """Cut the folder off Spark's paths, in which scheme and host may be spelled in another way than in the folder's name."""
    without_host = F.regexp_replace("path", r"^[A-Za-z0-9+.-]+:(//[^/]*)?", "")
    below = folder.partition("://")[2].partition("/")[2].strip("/")
    return F.substr(without_host, F.lit(len(f"/{below}/" if below else "/") + 1))


def _read(path: str, error: str | None) -> bytes | None:
    if error is not None:  # reading a named pipe would wait for someone to write
        return None
    try:
        if path.startswith("file:"):
            return Path(path.removeprefix("file:")).read_bytes()
        with fsspec.open(path) as file:
            content: bytes = file.read()
    except OSError:
        return None
    return content
