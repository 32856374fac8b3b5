"""What a network in a file takes and gives: what its user states, and what is found out from the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from fruit_features.networks.backbones.base import Normalisation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Layout = Literal["NCHW", "NHWC"]
"""The order of a network's input: batch, channels, height, width, or batch, height, width, channels."""

Pooling = Literal["none", "mean"] | int
"""How a feature map or a row of tokens becomes one vector; a number chooses a token, such as 0 for the CLS token of a ViT."""

NORMALISATIONS: Final[Mapping[str, Normalisation]] = {
    # https://pytorch.org/vision/stable/models.html: the means and standard deviations of ImageNet's samples in [0, 1]
    "imagenet": Normalisation(
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255))
    ),
    # https://github.com/openai/CLIP/blob/main/clip/clip.py, `_transform`
    "clip": Normalisation(
        mean=(0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255),
        scale=(1 / (0.26862954 * 255), 1 / (0.26130258 * 255), 1 / (0.27577711 * 255)),
    ),
    "-1..1": Normalisation.uniform(mean=127.5, scale=1 / 127.5),
    "0..1": Normalisation.uniform(mean=0.0, scale=1 / 255),
    "0..255": Normalisation.uniform(mean=0.0, scale=1.0),
}
"""What a network wants to see of samples in [0, 255], by the names that `featurization.network_file.normalisation` takes."""


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
        path: Where the file lies; for messages.
        format: `onnx`, `tflite` or `ir`: the value of `featurization.backbone`.
        content: The bytes of the file.
        companions: The files that belong to it, by their paths beside it: the weights of an IR (`NAME.bin`), the external
            data of an ONNX network.
        contract: What its user states.
        facts: What was found out.

    """

    path: Path
    format: str
    content: bytes
    contract: NetworkContract
    facts: NetworkFacts
    companions: Mapping[str, bytes] = field(default_factory=dict)
