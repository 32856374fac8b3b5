"""TensorFlow: the reference engine, a frozen graph that runs as Keras would; slower, and every worker imports TensorFlow."""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fruit_features.networks.engines.base import Engine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fruit_features.networks.engines.base import Predictor
    from fruit_features.networks.network import Network

GRAPH = "network.pb"


class TensorFlow(Engine):
    """Runs `network.pb`: a serialized `GraphDef` with one input and one output, named `photos` and `features`."""

    name = "tensorflow"
    precisions = frozenset({"f32"})

    def export(self, model: Any) -> dict[str, bytes]:
        """Freeze a Keras model: variables become constants."""
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        def features(photos: tf.Tensor) -> tf.Tensor:
            return tf.identity(model(photos, training=False), name="features")

        signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8, name="photos")
        # AutoGraph, of which this needs nothing, would write a Python file into the folder for temporary files.
        frozen = convert_variables_to_constants_v2(tf.function(features, autograph=False).get_concrete_function(signature))
        return {GRAPH: frozen.graph.as_graph_def().SerializeToString()}

    def warm_up(self) -> None:
        """Import TensorFlow."""
        importlib.import_module("tensorflow")

    def load(self, network: Network, batch_size: int) -> Predictor:  # noqa: ARG002 - a graph takes any batch size
        """Import the frozen graph."""
        import tensorflow as tf

        with suppress(RuntimeError):  # TensorFlow runs already in this process: on threads of others' choice
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(1)
        graph = tf.compat.v1.GraphDef.FromString(network.files[GRAPH])
        wrapped = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
        run = wrapped.prune("photos:0", "features:0")

        def predict(photos: NDArray[np.uint8]) -> NDArray[np.float32]:
            features: NDArray[np.float32] = run(tf.constant(photos)).numpy()
            return features

        return predict
