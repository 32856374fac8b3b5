"""Parameters of the featurization pipeline."""

from __future__ import annotations

from pydantic import Field, PositiveInt, model_validator

from fruit_features.networks.backbones import BACKBONES
from fruit_features.networks.configuration import NetworkConfiguration
from fruit_features.networks.engines import ENGINES
from fruit_features.networks.network import Precision
from fruit_features.parameters import Parameters
from fruit_features.photos.imaging import PREPROCESSING, Decoding, decoding_of_features


class FeaturizationParameters(Parameters):
    """How photos become features.

    Attributes:
        backbone: Name of the network.
        weights: `imagenet`, or a file.
        input_size: Side of the square that photos are squashed to, in pixels; None for the network's own size.
        engine: What runs the network.
        precision: Arithmetic of the inference; `f32` gives the notebook's numbers, the others are faster and less exact.
        batch_size: Photos per inference call; small batches stay in the processor's cache.
        chunk_size: Photos per append to the feature store, at most; a run chooses fewer if they take long.
        apply_exif_orientation: Turn photos as their EXIF tag says; the notebook ignores the tag.
        max_decoded_mb: Megabytes that decoding one photo may take; a photo that would take more is rejected unread.
        jpeg_draft: Decode large JPEGs at a half, a quarter or an eighth of their size: faster, not the notebook's numbers.
        n_calibration_photos: Photos that calibrate an `int8` network.
        calibration_seed: Seed of their choice.
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
    max_vacuum_ratio: float = Field(ge=0, le=1)

    @property
    def decoding(self) -> Decoding:
        """Keyword arguments of `imaging.decode`."""
        return {
            "apply_exif_orientation": self.apply_exif_orientation,
            "jpeg_draft": self.jpeg_draft,
            "max_decoded_mb": self.max_decoded_mb,
        }

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
        )

    @model_validator(mode="after")
    def _check_together(self) -> FeaturizationParameters:
        backbone = BACKBONES.find(self.backbone)
        backbone.resolve_weights(self.weights)
        backbone.resolve_input_size(self.input_size)
        allowed = ENGINES.find(self.engine).precisions
        if self.precision not in allowed:
            raise ValueError(f"precision={self.precision!r}: engine {self.engine!r} offers {', '.join(sorted(allowed))}")
        return self
