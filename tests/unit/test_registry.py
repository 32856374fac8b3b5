"""Registries: parts are found by name, and a wrong name is answered with the right ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fruit_features.registry import Registry


@dataclass
class Tool:
    name: str


HAMMER, SAW = Tool("hammer"), Tool("saw")
TOOLS = Registry("tool", (HAMMER, SAW))


def test_a_part_is_found_by_its_own_name() -> None:
    assert TOOLS.find("saw") is SAW
    assert dict(TOOLS) == {"hammer": HAMMER, "saw": SAW}


def test_a_wrong_name_is_answered_with_all_names_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"^tool 'Hamer' is unknown: allowed are hammer, saw\. Did you mean 'hammer'\?$"):
        TOOLS.find("Hamer")


def test_no_name_is_suggested_where_none_is_near() -> None:
    with pytest.raises(ValueError, match=r"^tool 'drill' is unknown: allowed are hammer, saw\.$"):
        TOOLS.find("drill")
