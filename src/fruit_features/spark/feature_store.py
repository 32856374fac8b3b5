"""The feature store as a Spark table: what identifies a photo in it, and how its features are joined with a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

PHOTO_KEY = ["path", "length", "modificationTime"]
"""A photo with the same path, size and time is taken to be the same photo."""

N_SLOTS = 2**16
"""Paths are hashed into this many slots. A chunk is a set of slots, so the driver's plan never outgrows them."""

MAX_LENGTH = 2**29
"""Bytes of the longest file that is read, 512 MiB: a worker holds it, and what Pillow makes of it."""

EMPTY = "empty file"
TOO_LONG = f"too long: exceeds {MAX_LENGTH >> 20} MiB"
UNREADABLE = "could not be read: it vanished, has changed since it was listed, or may not be read"


def usable_features(featurized_photos: DataFrame, feature_store: DataFrame) -> DataFrame:
    """Join the photos that became features with these features.

    Args:
        featurized_photos: path, label, length, modificationTime, fingerprint, error: what became of each listed photo.
        feature_store: path, length, modificationTime, features array<float>, error, fingerprint: all photos ever featurized.

    Returns:
        path, label, features array<float>, fingerprint, of the photos without an error.

    """
    usable = featurized_photos.where(F.col("error").isNull()).drop("error")
    stored = feature_store.where(F.col("features").isNotNull()).drop("error")
    return usable.join(stored, [*PHOTO_KEY, "fingerprint"]).select("path", "label", "features", "fingerprint")


def can_be_read() -> Column:
    """Whether the column `length` is one that a file is worth opening for."""
    return F.col("length").between(1, MAX_LENGTH)


def refuse_unread(photos: DataFrame, fingerprint: str) -> DataFrame:
    """Make rows of the feature store for files that are not worth opening, as they are empty or too long.

    Args:
        photos: path, length, modificationTime.
        fingerprint: Fingerprint of the network of this run.

    """
    return photos.select(
        *PHOTO_KEY,
        F.lit(None).cast("array<float>").alias("features"),
        F.when(F.col("length") == 0, EMPTY).otherwise(TOO_LONG).alias("error"),
        F.lit(fingerprint).alias("fingerprint"),
    )


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
