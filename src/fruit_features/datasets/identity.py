"""Data that come from outside: how a run finds out whether they are those of an earlier run."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Identifiable(Protocol):
    """A dataset that a run reads and that no run writes.

    Attributes:
        loaded_identity: What `identify` would have said of the data that were loaded last; None before that, and where it
            cannot be said.

    """

    loaded_identity: str | None

    def identify(self) -> str | None:
        """Look at the data as they are now, and return text that is another one whenever results could be others.

        Returns:
            The text; None if this cannot be said.

        """
