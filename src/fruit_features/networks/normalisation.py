"""How a network wants its photos normalised: as data, without the libraries that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

PerChannel = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """What a network wants to see of RGB samples in [0, 255]: `(sample - mean) * scale`, for each channel.

    Attributes:
        mean: Of each channel, in the order that the network wants.
        scale: Likewise; the reciprocal of a standard deviation.
        channels: The order that the network wants.

    """

    mean: PerChannel
    scale: PerChannel
    channels: Literal["RGB", "BGR"] = "RGB"

    @classmethod
    def uniform(cls, mean: float, scale: float) -> Normalisation:
        """Normalise all channels alike."""
        return cls((mean, mean, mean), (scale, scale, scale))

    @property
    def offset(self) -> PerChannel:
        """The same as `sample * scale + offset`, which is how Keras's `Rescaling` computes it."""
        # adding 0.0 turns -0.0 into 0.0
        red, green, blue = (-mean * scale + 0.0 for mean, scale in zip(self.mean, self.scale, strict=True))
        return red, green, blue

    def describe(self) -> dict[str, Any]:
        """Describe it for a fingerprint. Where all channels are alike, one number stands for the three of them."""
        described: dict[str, Any] = {"scale": shortened(self.scale), "offset": shortened(self.offset)}
        return described if self.channels == "RGB" else {**described, "channels": self.channels}


def shortened(values: PerChannel) -> float | list[float]:
    """Return one number where all channels are alike, else those of all channels."""
    return values[0] if len(set(values)) == 1 else list(values)


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
