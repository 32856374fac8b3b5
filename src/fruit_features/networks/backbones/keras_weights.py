"""Files of weights that Keras saved: what is in them, and how they fill a network to its last array."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fruit_features.networks.weights import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras

HDF5_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
ARCHIVE_SIGNATURE: Final = b"PK\x03\x04"

_IN_ARCHIVE: Final = "model.weights.h5"
"""What a `.keras` file calls its weights; nothing else is read from it, so that no code in it can run."""

_SEEDS: Final = "seed_generator"
"""Keras keeps the state of a Dropout's random numbers beside the weights. At inference nothing is dropped."""


def cache_folder() -> Path:
    """Return the folder into which Keras downloads the weights that it publishes, and where it looks for them first."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


@contextmanager
def weights_in(path: Path, wrong_file: str) -> Iterator[Path]:
    """Find the HDF5 file: the file itself, or what a `.keras` file holds, unpacked for as long as the context lasts.

    Raises:
        WeightsError: The archive is damaged or holds no weights. The message begins with `wrong_file`.

    """
    if not zipfile.is_zipfile(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder, _IN_ARCHIVE)
        try:
            with zipfile.ZipFile(path) as archive, archive.open(_IN_ARCHIVE) as packed, unpacked.open("wb") as file:
                shutil.copyfileobj(packed, file)
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{wrong_file}: {error}.") from error
        yield unpacked


def inspect(path: Path, wrong_file: str) -> tuple[str, list[tuple[int, ...]]]:
    """Return which of Keras's two layouts the file has (as the ending of a file name), and the shapes of its arrays.

    Raises:
        WeightsError: neither, or the file is damaged. The message begins with `wrong_file`.

    """
    import h5py

    def shapes(group: Any) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for name, item in group.items():
            if name != _SEEDS:
                found += shapes(item) if isinstance(item, h5py.Group) else [tuple(item.shape)]
        return found

    try:
        with h5py.File(path, "r") as file:
            # A whole model (model.save) keeps its weights in a group of their own, next to the optimizer's.
            root = file.get("model_weights", file)
            if "layer_names" in root.attrs:
                return ".h5", shapes(root)
            if isinstance(root.get("layers"), h5py.Group):
                return ".weights.h5", shapes(root["layers"])
    except Exception as error:  # h5py raises OSError, RuntimeError, KeyError, ... on a damaged file
        raise WeightsError(f"{wrong_file}, or it is damaged: {error}. Fetch it again.") from error
    raise WeightsError(f"{wrong_file}: it has neither of the layouts in which Keras saves weights.")


def fill(network: keras.Model, path: Path, layout: str, wrong_file: str) -> None:
    """Take every array of a network from a file.

    Args:
        network: What is filled.
        path: An HDF5 file.
        layout: What `inspect` returned for it.
        wrong_file: What an error begins with.

    Raises:
        WeightsError: The file holds other arrays, lacks some, or holds numbers that are not finite.

    """
    import keras
    import numpy as np

    def is_float(array: Any) -> bool:
        return bool(keras.backend.is_float_dtype(array.dtype))

    # An array that the file does not fill, or fills with garbage, betrays itself.
    marked = [np.full(array.shape, np.nan if is_float(array) else 0, array.dtype) for array in network.weights]
    network.set_weights(marked)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a hundred of them, where one array is missing: that raises below
            # Keras picks its reader by the name of the file: give it the name that the content calls for.
            named_by_layout = Path(folder) / f"network{layout}"
            named_by_layout.symlink_to(path)
            network.load_weights(named_by_layout)
    except Exception as error:  # Keras raises ValueError, KeyError, OSError, ... as the layout has it
        # one line of Keras's many
        raise WeightsError(f"{wrong_file}: {' '.join(str(error).split())[:200]}") from error
    unusable = [array.path for array in network.weights if is_float(array) and not keras.ops.all(keras.ops.isfinite(array))]
    if unusable:
        raise WeightsError(f"{wrong_file}: {len(unusable)} arrays are missing or not finite, first {unusable[0]}.")
