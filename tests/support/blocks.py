"""Searches that are shown their rows block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


def show_all_blocks(
    begin: Callable[[NDArray[Any], int], Any], rows: NDArray[Any], block: int, *, backwards: bool = False
) -> list[Any]:
    """Begin a search for every block of rows, with the number of its first one, and show it all blocks; rows have their
    numbers as names."""
    names = np.array([f"{number:06}" for number in range(len(rows))], object)
    starts = list(range(0, len(rows), block))
    found = []
    for start in starts:
        nearest = begin(rows[start : start + block], start)
        for other in reversed(starts) if backwards else starts:
            nearest.show(rows[other : other + block], other, names[other : other + block])
        found.append(nearest)
    return found


def numbers_as_named(found: list[Any]) -> NDArray[np.int64]:
    """The numbers of the neighbours that several blocks have kept, which are also their names."""
    numbers = np.concatenate([kept.numbers for kept in found])
    called = np.concatenate([kept.names for kept in found])
    assert all(name == f"{number:06}" for name, number in zip(called.flat, numbers.flat, strict=True) if name is not None)
    return numbers
