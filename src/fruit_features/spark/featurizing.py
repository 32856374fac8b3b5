"""Featurizes photos on Spark's workers, chunk by chunk.

Everything in the featurization that is no pure function over tables is in this module. The network is broadcast to the
workers, and so are the contents that they need not featurize. Two accumulators count what the workers have done, for the
display that a run shows. Spark keeps the outcomes of a chunk until two tables have been saved from them. The clock is read
around every chunk, to decide how many photos the next one has. No feature depends on any of these.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from py4j.protocol import Py4JError
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, StructType

from fruit_features.spark.arrow_tables import from_arrow
from fruit_features.spark.chunks import PHOTO_OVERHEAD, Pace, count_tasks, plan_chunks
from fruit_features.spark.feature_store import FACTS, PHOTO_KEY, is_in_slots
from fruit_features.spark.featurizer import KnownContents, PhotoFeaturizer, shorten_digest
from fruit_features.terminal import progress
from fruit_features.terminal.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

    from fruit_features.networks.network import Network
    from fruit_features.photos.imaging import Decoding
    from fruit_features.photos.reading import PhotoReader

logger = logging.getLogger(__name__)


def featurize_in_chunks(
    pending_photos: DataFrame,
    known_photos: DataFrame,
    known_features: DataFrame,
    photo_reader: PhotoReader,
    network: Network,
    *,
    batch_size: int,
    chunk_size: int,
    decoding: Decoding,
) -> Iterator[tuple[DataFrame, DataFrame, dict[str, int]]]:
    """Read photos in chunks, and featurize those whose content is new.

    The caller saves each chunk before it asks for the next one. The photo index is the one to save first: if a run is killed
    between the two, it knows the digests of the chunk's photos, and the next run featurizes them. The other way round, that
    run would find the contents featurized, and have no facts about their photos.

    Args:
        pending_photos: path, length, modificationTime, digest (null if it is not known), slot (int, of
            `feature_store.N_SLOTS`).
        known_photos: The photo index as earlier runs left it: path, length, modificationTime, digest, facts.
        known_features: The feature store as earlier runs left it: digest, length, fingerprint and others.
        photo_reader: Reads the photos, on the workers.
        network: The network.
        batch_size: Photos per inference call.
        chunk_size: Photos of a chunk at most, but for those of one slot.
        decoding: Keyword arguments of `imaging.decode`.

    Yields:
        Rows of the photo index: path, length, modificationTime, digest, and the facts. Rows of the feature store: digest,
        length, features array<float> or null, error or null, fingerprint. There is no row of either for a photo that is gone,
        has changed since the listing, or may not be read. Third, what has been counted up to and with this chunk: featurized
        (photos whose content was not known, or that could not be read) and inferred (contents that went through the network).
        Where nothing is pending, all three come once, empty and zero.

    """
    session = pending_photos.sparkSession
    slots = pending_photos.groupBy("slot").agg(F.count("*").alias("n_photos"), F.sum("length").alias("n_bytes")).toPandas()
    photos_per_slot = dict(zip(slots["slot"].tolist(), slots["n_photos"].tolist(), strict=True))
    total, saved = sum(photos_per_slot.values()), 0
    logger.info("%s to featurize", count_of(total, "photo"))
    if not total:
        # No job runs for LIMIT 0. What Spark makes of Arrow's table is known to be empty, so that nothing is saved.
        index_rows, store_rows = (
            session.createDataFrame(table.limit(0).toArrow()) for table in (known_photos, known_features)
        )
        yield index_rows, store_rows, {"featurized": 0, "inferred": 0}
        return
    context = session.sparkContext
    of_network = known_features.where(F.col("fingerprint") == network.fingerprint)
    done, rejected = context.accumulator(0), context.accumulator(0)
    contents = _Contents()
    known_contents = contents.add_known(_contents_that_may_recur(pending_photos, known_photos, of_network))
    featurizer = PhotoFeaturizer(
        photo_reader,
        context.broadcast(network),
        fingerprint=network.fingerprint,
        known_contents=context.broadcast(known_contents) if len(known_contents.with_features) else None,
        batch_size=batch_size,
        decoding=decoding,
        done=done,
        rejected=rejected,
    )
    schema = outcome_schema()
    n_cores = context.defaultParallelism
    work_per_photo = PHOTO_OVERHEAD + slots["n_bytes"].sum() / total
    pace = Pace(total, work_per_photo, n_cores)
    n_known = 0
    progress.note_saved(saved, total)
    with progress.follow(total, lambda: progress.Counts(done.value, rejected.value)):
        for chunk_slots in plan_chunks(photos_per_slot, chunk_size, pace.wanted):
            n_photos = sum(photos_per_slot[slot] for slot in chunk_slots)
            chunk = pending_photos.where(is_in_slots(chunk_slots)).select(*PHOTO_KEY, "digest")
            n_tasks = count_tasks(n_photos * work_per_photo, n_cores)
            began = time.monotonic()
            outcomes = chunk.repartition(n_tasks).mapInArrow(featurizer, schema).persist()
            try:
                seen = outcomes.drop("features").toArrow()
                n_known_here = len(seen) - sum(seen.column("is_new").to_pylist())
                n_known += n_known_here
                index_rows = _index_rows(from_arrow(session, seen), known_photos, are_all_new=not n_known_here)
                store_rows = _store_rows(outcomes, contents.add(seen), network.fingerprint)
                counts = {"featurized": saved + n_photos - n_known, "inferred": contents.n_inferred}
                yield index_rows, store_rows, counts
            finally:
                with suppress(Py4JError, OSError):  # if Java has ended, what it kept has ended with it
                    outcomes.unpersist()
            pace.learn(n_photos, time.monotonic() - began)
            saved += n_photos
            progress.note_saved(saved, total)
            logger.info(progress.describe(total, progress.Counts(saved, rejected.value)))


def outcome_schema() -> StructType:
    """What `PhotoFeaturizer` yields."""
    facts = ", ".join(f"{name} {kind}" for name, kind in FACTS.items())
    outcomes = cast(
        "StructType",
        StructType.fromDDL(
            "path string, length bigint, modificationTime timestamp, is_indexed boolean, digest string, is_new boolean, "
            f"error string, {facts}"
        ),
    )
    return outcomes.add("features", ArrayType(FloatType(), containsNull=False))  # which Parquet writes in half the time


def _contents_that_may_recur(pending_photos: DataFrame, known_photos: DataFrame, of_network: DataFrame) -> pa.Table:
    """Find the contents that have features by the network, and the length of some photo whose content is not known yet.

    Returns:
        digest, and is_described: whether the photo index has the facts of the content, or it is one that has none.

    """
    lengths = pending_photos.where(F.col("digest").isNull()).select("length").distinct()
    known = of_network.join(lengths, "length", "left_semi").select("digest", "error")
    described = known_photos.where(F.col("width").isNotNull()).select("digest", F.lit(True).alias("has_facts")).distinct()
    is_described = F.coalesce("has_facts", F.col("error").isNotNull()).alias("is_described")
    return known.join(described, "digest", "left").select("digest", is_described).toArrow()


class _Contents:
    """The contents that have features by the network of this run, as far as the run has to know.

    Attributes:
        n_inferred: How many of them this run has decoded, and passed through the network.

    """

    def __init__(self) -> None:
        self._digests: set[int] = set()
        self.n_inferred = 0

    def add_known(self, known: pa.Table) -> KnownContents:
        """Add those of earlier runs.

        Args:
            known: digest, is_described.

        Returns:
            What workers have to know of them.

        """
        digests = known.column("digest").to_pylist()
        self._digests.update(map(_as_number, digests))
        undescribed = known.filter(pc.invert(known.column("is_described"))).column("digest").to_pylist()
        return KnownContents(_sorted_numbers(digests), _sorted_numbers(undescribed))

    def add(self, seen: pa.Table) -> list[str]:
        """Add those of a chunk.

        Args:
            seen: path, digest, is_new, error of its photos.

        Returns:
            Paths of the photos whose content was there already, by another path.

        """
        repeated = []
        columns = (seen.column(name).to_pylist() for name in ("path", "digest", "is_new", "error"))
        for path, digest, is_new, error in zip(*columns, strict=True):
            content = _as_number(digest)
            if not is_new:
                continue
            if content in self._digests:
                repeated.append(path)
                continue
            self._digests.add(content)
            self.n_inferred += error is None
        return repeated


def _sorted_numbers(digests: list[str]) -> NDArray[np.uint64]:
    return np.unique(np.array([shorten_digest(digest) for digest in digests], np.uint64))


def _as_number(digest: str) -> int:
    """Half of a digest, which no two contents share, as a number: it takes less memory than text."""
    return int(digest[:32], 16)


def _index_rows(seen: DataFrame, known_photos: DataFrame, *, are_all_new: bool) -> DataFrame:
    """Make rows of the photo index for the photos that are not in it.

    Args:
        seen: path, length, modificationTime, is_indexed, digest, is_new, and facts of the photos that were decoded.
        known_photos: The photo index, which has the facts of contents that were not decoded.
        are_all_new: Whether all contents are.

    """
    rows = seen.where(~F.col("is_indexed")).select(*PHOTO_KEY, "digest", *FACTS)
    if are_all_new:
        return rows
    facts = known_photos.join(F.broadcast(rows.select("digest").distinct()), "digest", "left_semi")
    facts = facts.where(F.col("width").isNotNull()).dropDuplicates(["digest"])
    known = facts.select("digest", *(F.col(name).alias(f"known_{name}") for name in FACTS))
    inherited = (F.coalesce(name, f"known_{name}").alias(name) for name in FACTS)
    return rows.join(known, "digest", "left").select(*PHOTO_KEY, "digest", *inherited)


def _store_rows(outcomes: DataFrame, repeated: list[str], fingerprint: str) -> DataFrame:
    """Make rows of the feature store for the contents that are new, one for each."""
    rows = outcomes.where("is_new")
    if repeated:
        paths = from_arrow(outcomes.sparkSession, pa.table({"path": pa.array(repeated, pa.string())}))
        rows = rows.join(F.broadcast(paths), "path", "left_anti")
    return rows.select("digest", "length", "features", "error", F.lit(fingerprint).alias("fingerprint"))
