"""Export parameters: what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fruit_features.pipelines.export.parameters import ExportParameters


@pytest.mark.parametrize(
    "changes", [{"max_reject_ratio": 1.1}, {"max_reject_ratio": -0.1}, {"escape_formulas": "some"}, {"delimiter": ";"}]
)
def test_wrong_values_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ExportParameters(**({"max_reject_ratio": None, "escape_formulas": False, "n_csv_files": 1} | changes))
