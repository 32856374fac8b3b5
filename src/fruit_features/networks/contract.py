"""What a network in a file takes and gives: what its user states, and what is found out from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fruit_features.networks.normalisation import Normalisation

Layout = Literal["NCHW", "NHWC"]
"""The order of a network's input: batch, channels, height, width, or batch, height, width, channels."""

Pooling = Literal["none", "mean"] | int
"""How a feature map or a row of tokens becomes one vector; a number chooses a token, such as 0 for the CLS token of a ViT."""


@dataclass(frozen=True)
class NetworkContract:
    """What a file does not say of its network, or not always, as its user states it.

    Attributes:
        layout: Order of the input; `auto`: it is found out by which dimension is 3.
        normalisation: What the network wants to see of RGB samples in [0, 255], and its order of channels.
        output: Name of the output to take; None if there is only one.
        pooling: How a feature map or a row of tokens becomes a vector.

    """

    layout: Literal["auto", "NCHW", "NHWC"]
    normalisation: Normalisation
    output: str | None
    pooling: Pooling


@dataclass(frozen=True)
class NetworkFacts:
    """What was found out about a network from its file and its contract, once both were checked.

    Attributes:
        layout: Order of the input.
        input_size: Side of the square photos, in pixels.
        output: Which of the outputs is taken, counted from 0 in the order of the file.
        output_rank: Dimensions of that output, the batch included: 2 for vectors, 3 for tokens [batch, tokens, n], 4 for a
            feature map in the layout of the input.
        n_features: Numbers per photo, after pooling.

    """

    layout: Layout
    input_size: int
    output: int
    output_rank: int
    n_features: int

    def describe(self, contract: NetworkContract) -> dict[str, Any]:
        """Describe for a fingerprint how the network is used."""
        return {
            "input_size": self.input_size,
            **contract.normalisation.describe(),
            "layout": self.layout,
            "output": self.output,
            "pooling": contract.pooling,
        }


@dataclass(frozen=True)
class NetworkFile:
    """A network in a file, read and checked: what an engine's `adopt` takes.

    Attributes:
        place: Where the file lies, a path or a URI; for messages.
        format: `onnx`, `tflite` or `ir`: the value of `featurization.backbone`.
        content: The bytes of the file.
        companions: The files that belong to it, by their paths beside it: the weights of an IR (`NAME.bin`), the external
            data of an ONNX network.
        contract: What its user states.
        facts: What was found out.

    """

    place: str
    format: str
    content: bytes
    contract: NetworkContract
    facts: NetworkFacts
    companions: Mapping[str, bytes] = field(default_factory=dict)
