"""Names of photos in tables: which are no paths below a folder, and what may stand before them."""

from __future__ import annotations

import pytest

from fruit_features.photos.file_names import is_like_a_place, without_dots


@pytest.mark.parametrize("name", ["s3://bucket/1.jpg", "file:/photos/1.jpg", "C:/photos/1.jpg", "C:\\photos\\1.jpg"])
def test_places_of_their_own_are_seen(name: str) -> None:
    assert is_like_a_place(name)


@pytest.mark.parametrize("name", ["Apple/1.jpg", "/photos/1.jpg", "./C:/1.jpg", "10:30/1.jpg", "a:b.jpg"])
def test_other_names_are_not(name: str) -> None:
    assert not is_like_a_place(name)


@pytest.mark.parametrize(
    ("given", "name"),
    [("./Apple/1.jpg", "Apple/1.jpg"), (".//././1.jpg", "1.jpg"), ("../1.jpg", "../1.jpg"), ("a/./1.jpg", "a/./1.jpg")],
)
def test_dots_at_the_beginning_mean_nothing(given: str, name: str) -> None:
    assert without_dots(given) == name
