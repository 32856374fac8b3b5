"""Featurizes photos on Spark's workers, chunk by chunk.

Everything in the featurization that is no pure function over tables is in this module. The network is broadcast to the
workers. Two accumulators count what the workers have done, for the display that a run shows. The clock is read around every
chunk, to decide how many photos the next one has. No feature depends on any of these.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, LongType, StringType, StructField, StructType, TimestampType

from fruit_features.spark.chunks import PHOTO_OVERHEAD, Pace, count_tasks, plan_chunks
from fruit_features.spark.feature_store import PHOTO_KEY, can_be_read, is_in_slots, refuse_unread
from fruit_features.spark.featurizer import PhotoFeaturizer
from fruit_features.terminal import progress
from fruit_features.terminal.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from fruit_features.networks.network import Network
    from fruit_features.photos.imaging import Decoding
    from fruit_features.photos.reading import PhotoReader

logger = logging.getLogger(__name__)

_FEATURIZED = StructType(
    [
        StructField("path", StringType()),
        StructField("length", LongType()),
        StructField("modificationTime", TimestampType()),
        StructField("features", ArrayType(FloatType(), containsNull=False)),  # which Parquet writes in half the time
        StructField("error", StringType()),
    ]
)


def featurize_in_chunks(
    pending_photos: DataFrame,
    photo_reader: PhotoReader,
    network: Network,
    *,
    batch_size: int,
    chunk_size: int,
    decoding: Decoding,
) -> Iterator[DataFrame]:
    """Featurize photos in chunks. The caller computes and saves each before it asks for the next one.

    Args:
        pending_photos: path, length, modificationTime, slot (int, of `feature_store.N_SLOTS`).
        photo_reader: Reads them, on the workers.
        network: The network.
        batch_size: Photos per inference call.
        chunk_size: Photos of a chunk at most, but for those of one slot.
        decoding: Keyword arguments of `imaging.decode`.

    Yields:
        path, length, modificationTime, features array<float> or null, error or null, fingerprint; no row for a photo that
        is gone, has changed since the listing, or may not be read.

    """
    slots = (
        pending_photos.groupBy("slot", can_be_read().alias("readable"))
        .agg(F.count("*").alias("n_photos"), F.sum("length").alias("n_bytes"))
        .toPandas()
    )
    slots_taken = slots[slots["readable"]]
    photos_per_slot = dict(zip(slots_taken["slot"].tolist(), slots_taken["n_photos"].tolist(), strict=True))
    total, saved = sum(photos_per_slot.values()), 0
    if len(slots) > len(slots_taken):
        yield refuse_unread(pending_photos.where(~can_be_read()), network.fingerprint)
    logger.info("%s to featurize", count_of(total, "photo"))
    if not total:
        return
    context = pending_photos.sparkSession.sparkContext
    done, rejected = context.accumulator(0), context.accumulator(0)
    featurizer = PhotoFeaturizer(
        photo_reader,
        context.broadcast(network),
        fingerprint=network.fingerprint,
        batch_size=batch_size,
        decoding=decoding,
        done=done,
        rejected=rejected,
    )
    readable = pending_photos.where(can_be_read())
    n_cores = context.defaultParallelism
    work_per_photo = PHOTO_OVERHEAD + slots_taken["n_bytes"].sum() / total
    pace = Pace(total, work_per_photo, n_cores)
    progress.note_saved(saved, total)
    with progress.follow(total, lambda: progress.Counts(done.value, rejected.value)):
        for chunk_slots in plan_chunks(photos_per_slot, chunk_size, pace.wanted):
            n_photos = sum(photos_per_slot[slot] for slot in chunk_slots)
            chunk = readable.where(is_in_slots(chunk_slots)).select(*PHOTO_KEY)
            n_tasks = count_tasks(n_photos * work_per_photo, n_cores)
            began = time.monotonic()
            features = chunk.repartition(n_tasks).mapInArrow(featurizer, _FEATURIZED)
            yield features.withColumn("fingerprint", F.lit(network.fingerprint))
            pace.learn(n_photos, time.monotonic() - began)
            saved += n_photos
            progress.note_saved(saved, total)
            logger.info(progress.describe(total, progress.Counts(saved, rejected.value)))
