"""Samples of photos that are the same whatever the partitions, which those of `DataFrame.sample` are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column


def hash_of_path(seed: int) -> Column:
    """Hash the column `path` with a seed: a number that depends on nothing else."""
    return F.xxhash64("path", F.lit(seed))


def is_sampled(n_wanted: int, n_photos: int, seed: int, *, resolution: int = 1_000_000) -> Column:
    """Whether a photo is among about `n_wanted` of `n_photos`, by a hash of its path.

    Args:
        n_wanted: Size of the sample.
        n_photos: Size of the whole.
        seed: Another seed gives another sample.
        resolution: Hashes are reduced to this many numbers. Another resolution gives another sample.

    """
    share = min(1.0, n_wanted / max(1, n_photos))
    return F.pmod(hash_of_path(seed), F.lit(resolution)) < share * resolution
