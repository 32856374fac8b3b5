"""Parameters of findings: what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from fruit_features.pipelines.findings.parameters import FindingsParameters
from tests.support.runs import PROJECT

DEFAULTS = yaml.safe_load((PROJECT / "conf" / "base" / "parameters_findings.yml").read_text())["findings"]


@pytest.mark.parametrize(
    "changes",
    [
        {"n_neighbours": 0},
        {"metric": "manhattan"},
        {"max_copy_distance": -1},
        {"min_label_issue_score": 1.5},
        {"odd_threshold": 0},
        {"max_label_photos": 0},
        {"colour": "red"},
    ],
)
def test_wrong_values_are_refused_by_name(changes: dict[str, Any]) -> None:
    assert FindingsParameters(**DEFAULTS).enabled
    with pytest.raises(ValidationError, match=next(iter(changes))):
        FindingsParameters(**(DEFAULTS | changes))
