"""The function that Python workers run on photos: it reads, decodes and infers, and gives a reason for each that fails.

A photo is known by its content, the SHA-256 of its bytes. One whose content has features already is read, but not decoded;
or it is decoded for its facts alone, where these were lost.
"""

from __future__ import annotations

import gc
import hashlib
from itertools import islice, tee
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark import TaskContext

from fruit_features.networks.engines import ENGINES
from fruit_features.photos.errors import ImageError, MissingDecoderError
from fruit_features.photos.imaging import decode_with_facts
from fruit_features.photos.isolation import decode_with_facts_in_child
from fruit_features.photos.reading import listed_photos
from fruit_features.spark.feature_store import FACTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark import Accumulator, Broadcast

    from fruit_features.networks.engines import Predictor
    from fruit_features.networks.network import Network
    from fruit_features.photos.facts import PhotoFacts
    from fruit_features.photos.imaging import Decoding
    from fruit_features.photos.reading import PhotoReader


class PhotoFeaturizer:
    """Function for `DataFrame.mapInArrow`: batches of photos' paths to batches of features.

    Args:
        reader: Reads the photos.
        network: The network, broadcast; fetched only by a worker that has not compiled it yet.
        fingerprint: Its fingerprint, by which a worker knows that.
        known_contents: Contents that are not featurized again, broadcast; None if there are none.
        batch_size: Photos per inference call.
        decoding: Keyword arguments of `decode`.
        done: Counts the photos that are done.
        rejected: Counts those of them that have an error.

    """

    def __init__(
        self,
        reader: PhotoReader,
        network: Broadcast[Network],
        *,
        fingerprint: str,
        known_contents: Broadcast[KnownContents] | None = None,
        batch_size: int,
        decoding: Decoding,
        done: Accumulator[int],
        rejected: Accumulator[int],
    ) -> None:
        self._reader = reader
        self._network = network
        self._fingerprint = fingerprint
        self._known_contents = known_contents
        self._batch_size = batch_size
        self._decoding = decoding
        self._done, self._rejected = done, rejected

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Featurize record batches one by one.

        Args:
            batches: path, length, modificationTime, digest: null for a photo whose content is not known.

        Yields:
            A row per photo that could be read: path, length, modificationTime, is_indexed (whether its digest was given),
            digest, is_new (false for one of the known contents, which has no features here, and facts only if they were lost),
            error or null, the facts, features list<float32>[n_features] or null.

        """
        predict, input_size, n_features = self._compiled()
        # The first try of this task killed its worker, perhaps by one of these photos: take them one by one.
        task = TaskContext.get()
        decode = decode_with_facts_in_child if task is not None and task.attemptNumber() else decode_with_facts
        photos = np.zeros((self._batch_size, input_size, input_size, 3), np.uint8)
        batches, ahead = tee(batches)
        contents = self._reader.read(photo for batch in ahead for photo in listed_photos(batch))
        for batch in batches:
            features = np.empty((len(batch), n_features), np.float32)
            was_read = np.ones(len(batch), bool)
            seen: list[_Seen] = []
            n_done = n_waiting = 0
            given = batch.column("digest").to_pylist()
            for row, content in enumerate(islice(contents, len(batch))):
                if content is None:
                    was_read[row] = False
                    continue
                digest = hashlib.sha256(content).hexdigest()
                is_new = given[row] is not None or not self._has_features(digest)
                if not is_new and self._has_facts(digest):
                    seen.append(_Seen(digest, is_new=False))
                    continue
                try:
                    photos[n_waiting], facts = decode(content, input_size, **self._decoding)
                except ImageError as error:
                    if not is_new:  # it could be decoded once, and its features are there
                        seen.append(_Seen(digest, is_new=False))
                    elif isinstance(error, MissingDecoderError):  # no lasting fact: its row goes to none of the tables
                        was_read[row] = False
                    else:
                        seen.append(_Seen(digest, error=str(error)))
                    continue
                seen.append(_Seen(digest, is_new=is_new, facts=facts))
                n_waiting += is_new
                if n_waiting == self._batch_size:
                    features[n_done : n_done + n_waiting] = predict(photos)
                    n_done, n_waiting = n_done + n_waiting, 0
            if n_waiting:  # the rest of `photos` is stale, and so are the features that come of it
                features[n_done : n_done + n_waiting] = predict(photos)[:n_waiting]
                n_done += n_waiting
            self._done.add(len(batch))
            self._rejected.add(sum(photo.error is not None for photo in seen) + len(batch) - len(seen))
            yield _to_record_batch(batch.filter(pa.array(was_read)), seen, features[:n_done])

    def _has_features(self, digest: str) -> bool:
        return self._known_contents is not None and _is_among(self._known_contents.value.with_features, digest)

    def _has_facts(self, digest: str) -> bool:
        return self._known_contents is not None and not _is_among(self._known_contents.value.without_facts, digest)

    def _compiled(self) -> tuple[Predictor, int, int]:
        key = self._fingerprint, self._batch_size
        if key not in _COMPILED:
            network = self._network.value
            predictor = ENGINES.find(network.engine).load(network, self._batch_size)
            _COMPILED[key] = predictor, network.input_size, network.n_features
            gc.freeze()  # what is loaded now stays: spare it Spark's full garbage collection after every task
        return _COMPILED[key]


_COMPILED: dict[tuple[str, int], tuple[Predictor, int, int]] = {}
"""Networks that this worker process has compiled: Spark reuses the process for task after task."""


def shorten_digest(digest: str) -> int:
    """Shorten a SHA-256, 64 hexadecimal digits, to a number of 64 bits: eight bytes a content are what workers can hold.

    Two contents of one number are as good as impossible. If it happened, the second one would have no features after its first
    run, and get them in the next one, which knows its digest.
    """
    return int(digest[:16], 16)


class KnownContents(NamedTuple):
    """Contents by `shorten_digest`: each uint64 (n_contents,), ascending.

    Attributes:
        with_features: Those that have features by the network of the run, or the reason why they have none.
        without_facts: Those of them whose facts were lost, along with a file of the photo index or all of it.

    """

    with_features: NDArray[np.uint64]
    without_facts: NDArray[np.uint64]


def _is_among(contents: NDArray[np.uint64], digest: str) -> bool:
    wanted = shorten_digest(digest)
    place = int(np.searchsorted(contents, np.uint64(wanted)))
    return place < len(contents) and int(contents[place]) == wanted


_ARROW_TYPES = {"int": pa.int32(), "float": pa.float32(), "string": pa.string(), "binary": pa.binary()}
_FACTS_TYPE = pa.struct([(name, _ARROW_TYPES[kind]) for name, kind in FACTS.items()])


class _Seen(NamedTuple):
    """What a worker has found out about a photo that it could read."""

    digest: str
    is_new: bool = True
    facts: PhotoFacts | None = None
    error: str | None = None


def _to_record_batch(photos: pa.RecordBatch, seen: list[_Seen], features: NDArray[np.float32]) -> pa.RecordBatch:
    """Put together the rows of photos that were read; `features` are those of the inferred ones, (n_inferred, n_features)."""
    facts = pa.array([None if photo.facts is None else vars(photo.facts) for photo in seen], _FACTS_TYPE)
    columns = {
        "path": photos.column("path"),
        "length": photos.column("length"),
        "modificationTime": photos.column("modificationTime"),
        "is_indexed": photos.column("digest").is_valid(),
        "digest": pa.array([photo.digest for photo in seen], pa.string()),
        "is_new": pa.array([photo.is_new for photo in seen], pa.bool_()),
        "error": pa.array([photo.error for photo in seen], pa.string()),
        **dict(zip(FACTS, facts.flatten(), strict=True)),
        "features": _to_lists(features, np.array([photo.facts is None or not photo.is_new for photo in seen], bool)),
    }
    return pa.RecordBatch.from_pydict(columns)


def _to_lists(features: NDArray[np.float32], is_without: NDArray[np.bool_]) -> pa.ListArray:
    """Spread the features of the inferred photos, (n_inferred, n_features), over all rows: null where there are none."""
    offsets = np.zeros(len(is_without) + 1, np.int32)
    np.cumsum(np.where(is_without, 0, features.shape[1]), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(features.ravel()), mask=pa.array(is_without))
