"""The feature store as two Spark tables: which content lies where, and which features a content has.

The photo index says of each photo, known by its path, length and time of modification, which content it has: the SHA-256 of
its bytes. The feature store says of each content and each network what its features are, or why it has none. Labels stand in
neither, so photos that are relabelled, renamed, copied or touched keep their features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from fruit_features.photos.heic import INSTALL

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PHOTO_KEY = ["path", "length", "modificationTime"]
"""A photo with the same path, length and time as one that was read is taken to have the same content, and is not read."""

FACTS = {
    "width": "int",
    "height": "int",
    "format": "string",
    "mode": "string",
    "orientation": "int",
    "brightness": "float",
    "contrast": "float",
    "sharpness": "float",
    "thumbnail": "binary",
}
"""Columns of the photo index that describe a photo, as `photos.facts.PhotoFacts` does, and their types in Spark."""

EXPORTED_FACTS = tuple(name for name in FACTS if name != "thumbnail")
"""Those of them that other tools get."""

N_SLOTS = 2**16
"""Paths are hashed into this many slots. A chunk is a set of slots, so the driver's plan never outgrows them."""

MAX_LENGTH = 2**29
"""Bytes of the longest file that is read, 512 MiB: a worker holds it, and what Pillow makes of it."""

TOO_LONG = f"too long: exceeds {MAX_LENGTH >> 20} MiB"
UNREADABLE = "could not be read: it vanished, has changed since it was listed, or may not be read"
_HEIC_NAME = r"(?i)\.hei[cf]$"


def usable_features(featurized_photos: DataFrame, feature_store: DataFrame) -> DataFrame:
    """Join the photos that became features with these features.

    Args:
        featurized_photos: path, label, split if there is one, digest, fingerprint, error: what became of each listed photo.
        feature_store: digest, features array<float>, error, fingerprint: all contents ever featurized.

    Returns:
        path, label, split if there is one, features array<float>, fingerprint, of the photos without an error.

    """
    return join_features(featurized_photos, feature_store).select(*names_of(featurized_photos), "features", "fingerprint")


def join_features(featurized_photos: DataFrame, feature_store: DataFrame) -> DataFrame:
    """Join the photos that became features with these features, as `usable_features` does, and keep all that is known of them.

    Returns:
        The columns of `featurized_photos`, and features array<float>, of the photos without an error.

    """
    usable = featurized_photos.where(F.col("error").isNull())
    stored = feature_store.where(F.col("error").isNull()).select("digest", "fingerprint", "features")
    return usable.join(stored, ["digest", "fingerprint"])


def names_of(photos: DataFrame) -> list[str]:
    """Name the columns by which people know a photo: path, label, and split where it was asked for."""
    return [name for name in ("path", "label", "split") if name in photos.columns]


def components_of(pca_features: DataFrame) -> list[str]:
    """Name the columns of a table of results that follow those of `names_of`."""
    return pca_features.columns[len(names_of(pca_features)) :]


def why_unread() -> Column:
    """Say why the tables have nothing about a photo that was listed without an error, by the column `path`: string.

    Nothing is kept about a photo that needs a decoder which is not installed: it is decoded when the decoder is there.
    """
    return F.when(F.col("path").rlike(_HEIC_NAME), F.lit(f"{UNREADABLE}; or {INSTALL}")).otherwise(F.lit(UNREADABLE))


def refuse_unread() -> Column:
    """Say why a file is not worth opening, by the column `length`: string, null for one that is."""
    return F.when(F.col("length") > MAX_LENGTH, F.lit(TOO_LONG))


def slot_of_path() -> Column:
    """Slot of a photo, by its path: int, of `N_SLOTS`."""
    return F.pmod(F.xxhash64("path"), F.lit(N_SLOTS)).cast("int")


def is_in_slots(slots: list[int]) -> Column:
    """Whether the column `slot` is one of these.

    One literal, a mask of bytes, stands for all slots, where `isin` would make a literal of each.
    """
    mask = bytearray(N_SLOTS)
    for member in slots:
        mask[member] = 1
    return F.substring(F.lit(bytes(mask)), F.col("slot") + 1, F.lit(1)) == F.lit(b"\x01")
