"""Registries of interchangeable parts, such as backbones: each part is found by the name that a parameter gives."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """A part that has a name."""

    name: str


Part = TypeVar("Part", bound=Named)


@dataclass(frozen=True)
class Family(Generic[Part]):
    """Parts that are made when they are asked for, by names such as `keras:ResNet50`.

    Attributes:
        prefix: What stands before the colon.
        names: What may stand behind it.
        make: Makes the part of such a name.

    """

    prefix: str
    names: tuple[str, ...]
    make: Callable[[str], Part]

    def full_names(self) -> dict[str, str]:
        """Names in lower case, with and without the prefix, to full ones."""
        full = {name.lower(): f"{self.prefix}:{name}" for name in self.names}
        return full | {name.lower(): name for name in full.values()}


class Registry(Mapping[str, Part]):
    """Parts of one kind by their names.

    Args:
        kind: What a part is called in errors, which is also the name of the parameter that chooses one.
        parts: The parts.
        families: Parts beside these that `find` makes; they are not iterated over.

    """

    def __init__(self, kind: str, parts: Iterable[Part], families: Iterable[Family[Part]] = ()) -> None:
        self._kind = kind
        self._parts = {part.name: part for part in parts}
        self._families = {family.prefix: family for family in families}

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
        prefix, colon, rest = name.partition(":")
        family = self._families.get(prefix) if colon else None
        if family and rest in family.names:
            return family.make(rest)
        allowed = [*sorted(self._parts), *(f"{prefix}:NAME" for prefix in self._families)]
        hint = self._nearest(name.lower())
        raise ValueError(f"{self._kind} {name!r} is unknown: allowed are {', '.join(allowed)}.{hint}")

    def _nearest(self, name: str) -> str:
        is_of_family = name.partition(":")[0] in self._families
        close = [] if is_of_family else difflib.get_close_matches(name, self._parts, n=1)
        if not close:
            full_names = {lower: full for family in self._families.values() for lower, full in family.full_names().items()}
            found = difflib.get_close_matches(name, full_names, n=3, cutoff=0.75)
            close = list(dict.fromkeys(full_names[lower] for lower in found))
        return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
