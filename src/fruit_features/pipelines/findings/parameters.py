"""Parameters of the findings pipeline."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveInt

from fruit_features.analysis.neighbours import Metric
from fruit_features.parameters import Parameters


class FindingsParameters(Parameters):
    """What is looked for, and from where on it is a finding.

    Attributes:
        enabled: Whether anything is looked for; if not, all tables of this pipeline are empty.
        max_exact_photos: With more photos than this, neighbours are found by an index, which finds nearly all. To compare
            all photos with one another takes time that grows with the square of their number.
        max_photos: With more photos than this, nothing is looked for: the driver would hold paths and facts of all of them.
        n_neighbours: Nearest neighbours that are kept of each photo; the farthest of them tells whether it is an outlier.
        metric: How the distance between photos is measured, on the components.
        max_copy_distance: Grey levels by which the thumbnails of near duplicates differ at most; 0 to look for none.
        min_label_issue_score: 1 minus the probability of the given label from which a label is an issue.
        odd_threshold: Robust standard deviations from the median, from which a photo is odd or an outlier.
        max_label_photos: Photos whose labels are looked at; more are sampled down to about this many.
        escape_formulas: Put an apostrophe before what a spreadsheet would take for a formula, in `findings_csv`.
        seed: Seed of the folds of the cross-validation, and of the sample.

    """

    enabled: bool
    max_exact_photos: PositiveInt
    max_photos: PositiveInt
    n_neighbours: PositiveInt
    metric: Metric
    max_copy_distance: NonNegativeFloat
    min_label_issue_score: float = Field(ge=0, le=1)
    odd_threshold: float = Field(gt=0)
    max_label_photos: PositiveInt
    escape_formulas: bool
    seed: int
