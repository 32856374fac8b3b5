"""What all parameters share: a name that nothing knows is refused, with the name that may have been meant."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fruit_features.parameters import Parameters, nearest


class Basket(Parameters):
    n_apples: int
    n_pears: int = 0


def test_the_nearest_name_is_suggested() -> None:
    assert nearest("image_root", ["output_root", "images_root"]) == "did you mean 'images_root'?"


def test_all_names_are_listed_where_none_is_near() -> None:
    assert nearest("xyz", ["n_pears", "n_apples"]) == "known: n_apples, n_pears"


@pytest.mark.parametrize(("name", "hint"), [("n_aples", "did you mean 'n_apples'?"), ("bananas", "known: n_apples, n_pears")])
def test_an_unknown_parameter_is_refused_by_name(name: str, hint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Basket(**{"n_apples": 1, name: 2})
    assert f"unknown parameter '{name}': {hint}" in str(caught.value)


def test_a_missing_parameter_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="n_apples"):
        Basket()


def test_parameters_do_not_change() -> None:
    basket = Basket(n_apples=1)
    with pytest.raises(ValidationError, match="frozen"):
        basket.n_apples = 2
