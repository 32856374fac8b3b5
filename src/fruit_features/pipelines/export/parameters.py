"""Parameters of the export pipeline."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from fruit_features.parameters import Parameters


class ExportParameters(Parameters):
    """What the exported tables look like, and when a run counts as failed.

    Attributes:
        max_reject_ratio: Fail the run, with everything written, if more than this share of photos is rejected; null: never.
        escape_formulas: Put an apostrophe before what a spreadsheet would take for a formula, in `pca_features_csv`
            and `rejected_images`.
        n_csv_files: Number of files of `pca_features_csv`, which as many cores write at the same time; read one after the
            other, in the order of their names, they are in the order of the photos' paths.

    """

    max_reject_ratio: float | None = Field(ge=0, le=1)
    escape_formulas: bool
    n_csv_files: PositiveInt
