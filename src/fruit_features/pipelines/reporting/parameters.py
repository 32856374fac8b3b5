"""Parameters of the reporting pipeline."""

from __future__ import annotations

from pydantic import PositiveInt

from fruit_features.parameters import Parameters


class ReportingParameters(Parameters):
    """What the plots show.

    Attributes:
        max_scatter_points: Photos in the scatter; more are sampled down to about this many.
        seed: Seed of the sample.

    """

    max_scatter_points: PositiveInt
    seed: int
