"""Nodes of the featurization pipeline."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from fruit_features.networks import ahead, building
from fruit_features.networks.network import Network, StoredNetwork
from fruit_features.photos.errors import ImageError
from fruit_features.photos.imaging import decode
from fruit_features.photos.reading import ListedPhoto, PhotoReader
from fruit_features.pipelines.featurization.parameters import FeaturizationParameters
from fruit_features.spark.feature_store import FACTS, PHOTO_KEY, slot_of_path, why_unread
from fruit_features.spark.featurizing import featurize_in_chunks
from fruit_features.spark.reducers import load_reduction
from fruit_features.spark.sampling import is_sampled
from fruit_features.terminal.wording import count_of

logger = logging.getLogger(__name__)

_ROWS_PER_FILE = 2**15
"""Of a table that is compacted: features of 1,280 numbers then take some 170 MB a file."""

_CALIBRATION_RESOLUTION = 2**32
"""A coarser one would choose other photos, and int8 networks would be others than before."""


def sample_calibration_photos(photos: DataFrame, parameters: FeaturizationParameters) -> DataFrame:
    """Choose the photos that calibrate an int8 network: a seeded hash of the path decides, whatever the partitions.

    Args:
        photos: The listing.
        parameters: Precision; about how many photos, and the seed.

    Returns:
        path, length; none for any other precision.
    """
    if parameters.precision != "int8":
        return photos.limit(0).select("path", "length")
    is_chosen = is_sampled(
        parameters.n_calibration_photos, photos.count(), parameters.calibration_seed, resolution=_CALIBRATION_RESOLUTION
    )
    return photos.where(is_chosen & F.col("error").isNull() & (F.col("length") > 0)).select("path", "length")


def build_network(
    networks: Mapping[str, StoredNetwork],
    calibration_photos: DataFrame,
    photo_reader: PhotoReader,
    parameters: FeaturizationParameters,
) -> Network:
    """Take the network of this configuration from those already built, or build it.

    Args:
        networks: The networks that earlier runs kept, by configuration.
        calibration_photos: path, length; read for int8 alone, and only if that network has to be built.
        photo_reader: Reads them.
        parameters: Backbone, weights, engine and precision.

    Raises:
        ValueError: An int8 network has no photo to be calibrated on.
    """
    configuration = parameters.network
    building.warn_of_precision(configuration)
    stored = networks.get(configuration.fingerprint())
    if stored is not None:
        return stored.load()
    logger.info("Building %s with weights %s, once", configuration.backbone, configuration.weights)
    if not configuration.is_calibrated:
        return ahead.build(configuration, None)
    decoded = _decode_all(calibration_photos, photo_reader, configuration.side_of_photos(), parameters)
    return ahead.build(configuration, decoded)


def match_network(network: Network, pca_model: pd.DataFrame) -> Network:
    """Pass on the network that a PCA model belongs to, and refuse any other before it featurizes a photo.

    Args:
        network: The network of these parameters.
        pca_model: The one row of the model that photos are to be projected with.

    Raises:
        ValueError: The model was fitted on features of another network.

    """
    load_reduction(pca_model).check_fits(network.fingerprint)
    return network


def find_pending_photos(photos: DataFrame, known_photos: DataFrame, known_features: DataFrame, network: Network) -> DataFrame:
    """Find the photos whose content is not known, and one photo of each content that has no features by this network.

    Args:
        photos: The listing.
        known_photos: The photo index as earlier runs left it.
        known_features: The feature store as earlier runs left it.
        network: The network whose features are wanted.

    Returns:
        path, length, modificationTime, digest (null if it is not known), and slot (int, of `feature_store.N_SLOTS`).

    """
    located = photos.where(F.col("error").isNull()).join(known_photos.select(*PHOTO_KEY, "digest"), PHOTO_KEY, "left")
    of_network = known_features.where(F.col("fingerprint") == network.fingerprint).select("digest")
    pending = located.join(of_network, "digest", "left_anti").withColumn("content", F.coalesce("digest", "path"))
    return pending.dropDuplicates(["content"]).select(*PHOTO_KEY, "digest", slot_of_path().alias("slot"))


def featurize_photos(
    pending_photos: DataFrame,
    known_photos: DataFrame,
    known_features: DataFrame,
    photo_reader: PhotoReader,
    network: Network,
    parameters: FeaturizationParameters,
) -> Iterator[tuple[DataFrame, DataFrame, dict[str, int]]]:
    """Read the pending photos in chunks, and featurize those whose content has no features yet.

    Args:
        pending_photos: path, length, modificationTime, digest, slot.
        known_photos: The photo index as earlier runs left it.
        known_features: The feature store as earlier runs left it.
        photo_reader: Reads the photos, on the workers.
        network: Broadcast to the workers, none of which builds it.
        parameters: Size of batches, and of chunks at most.

    Yields:
        (photo_index, feature_store, chunk_counts). Rows to append: path, length, modificationTime, digest, and the facts of
        `spark.feature_store.FACTS`; digest, length, features array<float> or null, error or null, fingerprint. There is none
        for a photo that is gone, has changed since the listing, or may not be read. What this and the chunks before it have
        counted: featurized (photos whose content had no features, or that could not be read), inferred (contents that went
        through the network).

    """
    yield from featurize_in_chunks(
        pending_photos,
        known_photos,
        known_features,
        photo_reader,
        network,
        batch_size=parameters.batch_size,
        chunk_size=parameters.chunk_size,
        decoding=parameters.decoding,
    )


def collect_outcomes(photos: DataFrame, photo_index: DataFrame, feature_store: DataFrame, network: Network) -> DataFrame:
    """Say of each listed photo whether the store has features of its content, or why it has none.

    Args:
        photos: The listing.
        photo_index: All photos whose content is known.
        feature_store: All contents ever featurized, by any network.
        network: The network whose features are wanted.

    Returns:
        The listing's columns but its error, digest, the facts of `spark.feature_store.FACTS`, fingerprint, and error: null
        for a photo with features.

    """
    stored = feature_store.where(F.col("fingerprint") == network.fingerprint)
    stored = stored.select("digest", F.lit(True).alias("is_stored"), F.col("error").alias("stored_error"))
    outcomes = photos.join(photo_index, PHOTO_KEY, "left").join(stored, "digest", "left")
    found_error = F.when(F.col("is_stored"), F.col("stored_error")).otherwise(why_unread())
    return outcomes.select(
        *(name for name in photos.columns if name != "error"),
        "digest",
        *FACTS,
        F.lit(network.fingerprint).alias("fingerprint"),
        F.coalesce(photos["error"], found_error).alias("error"),
    )


def count_outcomes(
    photos: DataFrame, chunk_counts: dict[str, int], featurized_photos: DataFrame, parameters: FeaturizationParameters
) -> dict[str, int]:
    """Count what the featurization of this run had to do.

    Args:
        photos: The listing.
        chunk_counts: featurized and inferred, as the last chunk left them.
        featurized_photos: orientation, error, of every listed photo.
        parameters: Whether photos are turned as their EXIF tags say.

    Returns:
        listed; featurized: photos whose content had no features, or that could not be read; reused: all others, whether they
        were read to find that out or not; inferred: contents that went through the network; rejected; orientation_ignored:
        photos with an EXIF tag that turns them, if tags are ignored. A photo that the listing has an error for is rejected,
        but neither featurized nor reused.

    """
    is_turned = F.col("error").isNull() & F.col("orientation").between(2, 8)
    listed, rejected, turned = featurized_photos.agg(F.count("*"), F.count("error"), F.count_if(is_turned)).collect()[0]
    return {
        "listed": listed,
        **chunk_counts,
        "reused": photos.where(F.col("error").isNull()).count() - chunk_counts["featurized"],
        "rejected": rejected,
        "orientation_ignored": 0 if parameters.apply_exif_orientation else turned,
    }


def compact(table: DataFrame) -> DataFrame:
    """Lay a table out in few files: every run that featurizes appends some, however small.

    Args:
        table: The feature store or the photo index, as earlier runs left it.

    Returns:
        The same rows, in a partition for each `_ROWS_PER_FILE` of them.

    """
    return _in_few_files(table, table.count())


def _in_few_files(table: DataFrame, n_rows: int) -> DataFrame:
    return table.coalesce(max(1, math.ceil(n_rows / _ROWS_PER_FILE)))


def vacuum_store(
    present_photos: DataFrame,
    known_photos: DataFrame,
    known_features: DataFrame,
    networks: Mapping[str, StoredNetwork],
    parameters: FeaturizationParameters,
) -> tuple[DataFrame, DataFrame]:
    """Keep what the listed photos need, by the network of these parameters, and drop all else.

    Args:
        present_photos: A listing that was made for this.
        known_photos: The photo index as earlier runs left it.
        known_features: The feature store as earlier runs left it.
        networks: The networks that earlier runs kept, by configuration.
        parameters: Those of the network whose features are kept, and the share of rows that may be dropped.

    Returns:
        (feature_store, photo_index): rows of the feature store, one per content, and of the photo index, one per photo, in few
        files. They have to be saved in this order: features without a photo in the index would be as good as lost.

    Raises:
        ValueError: No run has featurized with these parameters, or more would be dropped than `max_vacuum_ratio` allows.

    """
    configuration = parameters.network.fingerprint()
    if configuration not in networks:
        raise ValueError(
            "no run has featurized with these parameters: the whole feature store would be dropped. Give the --env and "
            "--params of the run whose features are to be kept"
        )
    located = known_photos.join(present_photos, PHOTO_KEY, "left_semi").dropDuplicates(PHOTO_KEY)
    of_network = known_features.where(F.col("fingerprint") == networks[configuration].fingerprint)
    kept = of_network.join(located, "digest", "left_semi").dropDuplicates(["digest"])
    n_known, n_of_network, n_kept = known_features.count(), of_network.count(), kept.count()
    n_dropped = n_known - n_kept
    if n_dropped > parameters.max_vacuum_ratio * n_known:
        raise ValueError(
            f"the vacuum would drop {n_dropped:,} of the {n_known:,} rows of the feature store: {n_known - n_of_network:,} of "
            f"other networks, and {n_of_network - n_kept:,} of contents that no photo has where it lay last. That is more "
            f"than featurization.max_vacuum_ratio={parameters.max_vacuum_ratio:g} allows; nothing was dropped. If images_root "
            "is the right folder, and whole, run once (kedro run), so that photos which were moved are found again, and allow "
            "the rest: kedro run --pipelines vacuum --params featurization.max_vacuum_ratio=1"
        )
    logger.info("Dropping %s of %s", f"{n_dropped:,}", count_of(n_known, "row"))
    return _in_few_files(kept, n_kept), compact(located)


def _decode_all(
    photos: DataFrame, photo_reader: PhotoReader, size: int, parameters: FeaturizationParameters
) -> NDArray[np.uint8]:
    """Decode those of a few photos that can be: uint8 (n_decoded, size, size, 3), in the order of their paths."""
    decoded = []
    chosen = [ListedPhoto(row["path"], row["length"]) for row in photos.orderBy("path").collect()]
    if not chosen:
        raise ValueError(
            f"featurization.n_calibration_photos={parameters.n_calibration_photos}: no photo was chosen to calibrate the int8 "
            "network on, as they are chosen by chance, about that many. Give a larger number (300 is the default), another "
            "featurization.calibration_seed, or featurization.precision=bf16"
        )
    for content in photo_reader.read(chosen):
        if content is None:
            continue
        with contextlib.suppress(ImageError):
            decoded.append(decode(content, size, **parameters.decoding))
    if not decoded:
        raise ValueError(
            f"precision=int8 needs photos to calibrate on, and none of the {len(chosen):,} that were chosen could be decoded: "
            "give a larger featurization.n_calibration_photos, or featurization.precision=bf16"
        )
    return np.stack(decoded)
