"""Decode and infer, as every contestant but the notebook does it: the project's own decoding, engine and network."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Network
from fruit_features.photos.imaging import decode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


def read_network(folder: Path) -> Network:
    """Read a network that a run kept; without Kedro, which the environment of Daft and Ray lacks."""
    record = json.loads((folder / "network.json").read_text())
    kept = {field.name: record[field.name] for field in fields(Network) if field.name in record}
    return Network(**{**kept, "files": {name: (folder / name).read_bytes() for name in record["files"]}})


class Featurizer:
    """A network compiled for one core.

    Args:
        network: The network, or its folder as a run kept it.
        batch_size: Photos per inference call.

    """

    def __init__(self, network: Network | Path, batch_size: int) -> None:
        self._network = network if isinstance(network, Network) else read_network(network)
        self._predict = ENGINES.find(self._network.engine).load(self._network, batch_size)
        size = self._network.input_size
        self._photos = np.zeros((batch_size, size, size, 3), np.uint8)

    def __call__(self, contents: Sequence[bytes]) -> NDArray[np.float32]:
        """Featurize any number of encoded photos.

        Returns:
            float32 (len(contents), n_features).

        """
        features = np.empty((len(contents), self._network.n_features), np.float32)
        for start in range(0, len(contents), len(self._photos)):
            batch = contents[start : start + len(self._photos)]
            for row, content in enumerate(batch):
                self._photos[row] = decode(content, self._network.input_size)
            features[start : start + len(batch)] = self._predict(self._photos)[: len(batch)]
        return features
