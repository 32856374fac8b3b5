"""Networks that turn photos into features, one file per network.

A backbone tells how its input is scaled and where its weights come from, and builds itself in Keras. Importing this
package is cheap: TensorFlow is imported by `Backbone.build` alone, so that a machine without it can still resolve
weights and compute fingerprints.

    >>> from fruit_features import backbones
    >>> backbone = backbones.get("efficientnet_lite0")
    >>> backbone.n_features
    1280

A new backbone is one file with a class that satisfies `Backbone`, and one line in `BACKBONES`.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from fruit_features.networks.backbones.base import Backbone, Weights, WeightsError
from fruit_features.networks.backbones.efficientnet_lite0 import EfficientNetLite0
from fruit_features.networks.backbones.mobilenet_v2 import MobileNetV2

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BACKBONES", "Backbone", "Weights", "WeightsError", "get"]

BACKBONES: Final[Mapping[str, Backbone]] = {
    backbone.name: backbone
    for backbone in (
        MobileNetV2(),
        EfficientNetLite0(),
    )
}


def get(name: str) -> Backbone:
    """Return the backbone of this name.

    Raises:
        ValueError: no backbone has this name; the message lists those that exist, and the nearest.

    """
    try:
        return BACKBONES[name]
    except KeyError:
        nearest = difflib.get_close_matches(name.lower(), BACKBONES, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"backbone {name!r} is unknown: allowed are {', '.join(sorted(BACKBONES))}.{hint}") from None
