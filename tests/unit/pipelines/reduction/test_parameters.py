"""Reduction parameters: what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fruit_features.pipelines.reduction.parameters import ReductionParameters

VALUES = {"reducer": "pca", "variance_threshold": 0.9, "n_components": None, "centred": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"variance_threshold": 0},
        {"variance_threshold": 1.01},
        {"variance_threshold": float("nan")},
        {"variance_threshold": "most"},
        {"n_components": 0},
        {"n_components": -3},
        {"n_block": 4},
        {"reducer": "tsne"},
        {"centred": "maybe"},
    ],
)
def test_wrong_values_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        ReductionParameters(**(VALUES | changes))


@pytest.mark.parametrize(
    "changes", [{}, {"variance_threshold": 1}, {"variance_threshold": 1e-9}, {"n_components": 1}, {"centred": True}]
)
def test_values_in_range_are_taken(changes: dict[str, Any]) -> None:
    values = VALUES | changes
    assert ReductionParameters(**values).model_dump() == values
