"""Parameters of the reporting pipeline."""

from __future__ import annotations

from pydantic import NonNegativeInt, PositiveInt

from fruit_features.parameters import Parameters


class ReportingParameters(Parameters):
    """What the plots show, and on how many photos quality is measured.

    Attributes:
        max_scatter_points: Photos in the scatter; more are sampled down to about this many.
        max_map_points: Photos on the map; of more, rare labels are there as a whole, and frequent ones are sampled. 0: no map.
        max_quality_photos: Photos on which quality is measured; more are sampled down to about this many. 0: not measured.
        seed: Seed of all that is left to chance: samples, and the photos shown.

    """

    max_scatter_points: PositiveInt
    max_map_points: NonNegativeInt
    max_quality_photos: NonNegativeInt
    seed: int
