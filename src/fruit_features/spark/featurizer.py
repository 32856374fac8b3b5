"""The function that Python workers run on photos: it reads, decodes and infers, and gives a reason for each that fails."""

from __future__ import annotations

import gc
import sys
from itertools import islice, tee
from typing import TYPE_CHECKING
from zipimport import zipimporter

import numpy as np
import pyarrow as pa
from pyspark import TaskContext

from fruit_features.networks.engines import ENGINES
from fruit_features.photos.imaging import ImageError, decode
from fruit_features.photos.isolation import decode_in_child
from fruit_features.photos.reading import listed_photos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pyspark import Accumulator, Broadcast

    from fruit_features.networks.engines import Predictor
    from fruit_features.networks.network import Network
    from fruit_features.photos.imaging import Decoding
    from fruit_features.photos.reading import PhotoReader


class PhotoFeaturizer:
    """Function for `DataFrame.mapInArrow`: batches of photos' paths to batches of features.

    Args:
        reader: Reads the photos.
        network: The network, broadcast; fetched only by a worker that has not compiled it yet.
        fingerprint: Its fingerprint, by which a worker knows that.
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
        batch_size: int,
        decoding: Decoding,
        done: Accumulator[int],
        rejected: Accumulator[int],
    ) -> None:
        self._reader = reader
        self._network = network
        self._fingerprint = fingerprint
        self._batch_size = batch_size
        self._decoding = decoding
        self._done, self._rejected = done, rejected

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Featurize record batches one by one.

        Args:
            batches: path, length, modificationTime.

        Yields:
            path, length, modificationTime, features list<float32>[n_features] or null, error or null: a row per photo that
            could be read.

        """
        predict, input_size, n_features = self._compiled()
        # The first try of this task killed its worker, perhaps by one of these photos: take them one by one.
        task = TaskContext.get()
        decode_photo = decode_in_child if task is not None and task.attemptNumber() else decode
        photos = np.zeros((self._batch_size, input_size, input_size, 3), np.uint8)
        batches, ahead = tee(batches)
        contents = self._reader.read(photo for batch in ahead for photo in listed_photos(batch))
        for batch in batches:
            features = np.empty((len(batch), n_features), np.float32)
            was_read = np.ones(len(batch), bool)
            errors: list[str | None] = []
            n_done = n_waiting = 0
            for row, content in enumerate(islice(contents, len(batch))):
                if content is None:
                    was_read[row] = False
                    continue
                try:
                    photos[n_waiting] = decode_photo(content, input_size, **self._decoding)
                except ImageError as error:
                    errors.append(str(error))
                    continue
                errors.append(None)
                n_waiting += 1
                if n_waiting == self._batch_size:
                    features[n_done : n_done + n_waiting] = predict(photos)
                    n_done, n_waiting = n_done + n_waiting, 0
            if n_waiting:  # the rest of `photos` is stale, and so are the features that come of it
                features[n_done : n_done + n_waiting] = predict(photos)[:n_waiting]
                n_done += n_waiting
            self._done.add(len(batch))
            self._rejected.add(len(batch) - n_done)
            read = batch.filter(pa.array(was_read))
            yield pa.RecordBatch.from_pydict(
                {
                    "path": read.column("path"),
                    "length": read.column("length"),
                    "modificationTime": read.column("modificationTime"),
                    "features": _to_lists(features[:n_done], errors),
                    "error": pa.array(errors, pa.string()),
                }
            )
        _forget_zip_archives()

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


def _forget_zip_archives() -> None:
    """Spare this process a tenth of a second before every further task.

    Spark invalidates Python's import caches at the start of each, upon which every archive on `sys.path` (Spark puts itself
    there as one) is read anew, in Python code. A forgotten archive is opened again if an import ever asks for it.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter):
            del sys.path_importer_cache[path]


def _to_lists(features: NDArray[np.float32], errors: list[str | None]) -> pa.ListArray:
    """Spread the features of the good photos, (n_good, n_features), over all rows: null where there is an error."""
    is_bad = np.array([error is not None for error in errors], bool)
    offsets = np.zeros(len(errors) + 1, np.int32)
    np.cumsum(np.where(is_bad, 0, features.shape[1]), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(features.ravel()), mask=pa.array(is_bad))
