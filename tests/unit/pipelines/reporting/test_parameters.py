"""Reporting parameters: what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fruit_features.pipelines.reporting.parameters import ReportingParameters


@pytest.mark.parametrize(
    "changes",
    [{"max_scatter_points": 0}, {"max_map_points": -1}, {"max_quality_photos": -1}, {"seed": "x"}, {"colour": "red"}],
)
def test_wrong_values_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ReportingParameters(
            **({"max_scatter_points": 5000, "max_map_points": 2000, "max_quality_photos": 2000, "seed": 0} | changes)
        )
