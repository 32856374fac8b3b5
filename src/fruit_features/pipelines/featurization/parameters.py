"""Parameters of the featurization pipeline."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, field_validator, model_validator

from fruit_features.networks.backbones import BACKBONES, NetworkFormat
from fruit_features.networks.configuration import NetworkConfiguration
from fruit_features.networks.contract import NetworkContract
from fruit_features.networks.engines import ENGINES, Engine, default_engine
from fruit_features.networks.network import Precision
from fruit_features.networks.normalisation import NORMALISATIONS, Normalisation
from fruit_features.parameters import Parameters
from fruit_features.photos.imaging import PREPROCESSING, Decoding, Interpolation, Resize, decoding_of_features

MAX_FILE_INPUT_SIZE = 2048
"""Pixels of the square that a network in a file may see; a few photos of this size fill the memory of a worker."""

ThreeNumbers = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]


class NetworkFileParameters(Parameters):
    """What a network in a file takes and gives; unused by the backbones that Keras builds.

    Attributes:
        layout: Order of its input; `auto`: channels are where the dimension of 3 is.
        channels: Order of its channels.
        normalisation: What it wants to see of samples in [0, 255], by name.
        mean: In the place of `normalisation`, with `scale`: three numbers, in the order of `channels`.
        scale: The network sees (sample - mean) * scale.
        resize: How a photo becomes a square.
        interpolation: Pillow's filter for that.
        output: Name of the output to take, if there are several.
        pooling: How a feature map, or a row of tokens, becomes a vector; a number chooses a token.

    """

    layout: Literal["auto", "NCHW", "NHWC"]
    channels: Literal["RGB", "BGR"]
    normalisation: Literal["imagenet", "clip", "-1..1", "0..1", "0..255"]
    mean: ThreeNumbers | None
    scale: ThreeNumbers | None
    resize: Resize
    interpolation: Interpolation
    output: str | None
    pooling: Literal["none", "mean"] | NonNegativeInt

    @property
    def contract(self) -> NetworkContract:
        """What an engine has to know of it."""
        return NetworkContract(self.layout, self._normalisation(), self.output, self.pooling)

    def _normalisation(self) -> Normalisation:
        if self.mean is not None and self.scale is not None:
            (first, second, third), scale = self.mean, self.scale
            return Normalisation((first, second, third), (scale[0], scale[1], scale[2]), self.channels)
        named = NORMALISATIONS[self.normalisation]
        if self.channels == "RGB":
            return named
        return Normalisation(named.mean[::-1], named.scale[::-1], self.channels)

    @model_validator(mode="after")
    def _check_numbers(self) -> NetworkFileParameters:
        if (self.mean is None) != (self.scale is None):
            raise ValueError("network_file.mean and network_file.scale go together: give three numbers for each, or neither")
        if self.scale is not None and 0 in self.scale:
            raise ValueError("network_file.scale is 0 for a channel, which would wipe it out: give 1 / standard deviation")
        return self


class FeaturizationParameters(Parameters):
    """How photos become features.

    Attributes:
        backbone: Name of the network.
        weights: `imagenet`, or a file, which may be on S3.
        input_size: Side of the square that photos are squashed to, in pixels; None for the network's own size.
        engine: What runs the network; `auto` is read as that of this machine.
        precision: Arithmetic of the inference; `f32` gives the notebook's numbers, the others are faster and less exact.
        batch_size: Photos per inference call; small batches stay in the processor's cache.
        chunk_size: Photos per append to the feature store, at most; a run chooses fewer if they take long.
        apply_exif_orientation: Turn photos as their EXIF tag says; the notebook ignores the tag.
        max_decoded_mb: Megabytes that decoding one photo may take; a photo that would take more is rejected unread.
        jpeg_draft: Decode large JPEGs at a half, a quarter or an eighth of their size: faster, not the notebook's numbers.
        n_calibration_photos: Photos that calibrate an `int8` network.
        calibration_seed: Seed of their choice.
        network_file: What a network in a file takes and gives.
        max_vacuum_ratio: Refuse a vacuum that would drop more than this share of the feature store's rows.

    """

    backbone: str
    weights: str
    input_size: int | None
    engine: str
    precision: Precision
    batch_size: PositiveInt
    chunk_size: PositiveInt
    apply_exif_orientation: bool
    jpeg_draft: bool
    max_decoded_mb: PositiveInt
    n_calibration_photos: int = Field(ge=1)
    calibration_seed: int
    network_file: NetworkFileParameters
    max_vacuum_ratio: float = Field(ge=0, le=1)

    @property
    def decoding(self) -> Decoding:
        """Keyword arguments of `imaging.decode`."""
        decoding: Decoding = {
            "apply_exif_orientation": self.apply_exif_orientation,
            "jpeg_draft": self.jpeg_draft,
            "max_decoded_mb": self.max_decoded_mb,
        }
        if self._is_in_a_file:
            decoding["resize"] = self.network_file.resize
            decoding["interpolation"] = self.network_file.interpolation
        return decoding

    @property
    def network(self) -> NetworkConfiguration:
        """What determines the network and its features."""
        return NetworkConfiguration(
            backbone=self.backbone,
            weights=self.weights,
            input_size=self.input_size,
            engine=self.engine,
            precision=self.precision,
            preprocessing=PREPROCESSING,
            decoding=decoding_of_features(self.decoding),
            n_calibration_photos=self.n_calibration_photos,
            calibration_seed=self.calibration_seed,
            contract=self.network_file.contract if self._is_in_a_file else None,
            network_file=self.network_file.model_dump() if self._is_in_a_file else None,
        )

    @property
    def _is_in_a_file(self) -> bool:
        return isinstance(BACKBONES.find(self.backbone), NetworkFormat)

    @field_validator("engine", mode="before")
    @classmethod
    def _choose_engine(cls, engine: object) -> object:
        return default_engine() if engine == "auto" else engine

    @model_validator(mode="after")
    def _check_together(self) -> FeaturizationParameters:
        backbone, engine = BACKBONES.find(self.backbone), ENGINES.find(self.engine)
        backbone.resolve_weights(self.weights)
        if isinstance(backbone, NetworkFormat):
            self._check_network_file(engine)
        else:
            backbone.resolve_input_size(self.input_size)
        allowed = engine.precisions
        if self.precision not in allowed:
            raise ValueError(f"precision={self.precision!r}: engine {self.engine!r} offers {', '.join(sorted(allowed))}")
        return self

    def _check_network_file(self, engine: Engine) -> None:
        if self.backbone not in engine.file_formats:
            able = [name for name, other in ENGINES.items() if self.backbone in other.file_formats]
            raise ValueError(
                f"engine={self.engine!r} runs no network in a file of the format {self.backbone}: give "
                f"featurization.engine={' or '.join(able)}"
            )
        if self.input_size is not None and not 1 <= self.input_size <= MAX_FILE_INPUT_SIZE:
            raise ValueError(
                f"input_size={self.input_size}: a network in a file may take 1 to {MAX_FILE_INPUT_SIZE} pixels. Give the size "
                "that it was trained on, such as 224"
            )
