"""Registries of interchangeable parts, such as backbones: each part is found by the name that a parameter gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar


class Named(Protocol):
    """A part that has a name."""

    name: str


Part = TypeVar("Part", bound=Named)


class Registry(Mapping[str, Part]):
    """Parts of one kind by their names.

    Args:
        kind: What a part is called in errors, which is also the name of the parameter that chooses one.
        parts: The parts.

    """

    def __init__(self, kind: str, parts: Iterable[Part]) -> None:
        self._kind = kind
        self._parts = {part.name: part for part in parts}

    def __getitem__(self, name: str) -> Part:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def find(self, name: str) -> Part:
        """Return the part of this name.

        Raises:
            ValueError: No part has this name; the message lists the names, and the one that may have been meant.

        """
        if name in self._parts:
            return self._parts[name]
        nearest = difflib.get_close_matches(name.lower(), self._parts, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"{self._kind} {name!r} is unknown: allowed are {', '.join(sorted(self._parts))}.{hint}")
