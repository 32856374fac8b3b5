"""How the terminal and the log write numbers (1 photo, 2,946 photos, 48.1 a second, 1:05) and names that come from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WHOLE_NUMBERS_FROM = 100
"""A speed below this is written with one decimal: 48.1 a second says more than 48, and 227.3 no more than 227."""


NO_LABEL = "(no label)"
"""Stands for the label of photos that have none, in plots, pages and in the terminal; in tables it is null."""


def count_of(number: int, noun: str) -> str:
    """Write a number of things, with commas between the thousands; the noun's plural ends in s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def speed(per_second: float) -> str:
    """Write how many things are done in a second."""
    return f"{per_second:,.{0 if per_second >= _WHOLE_NUMBERS_FROM else 1}f} a second"


def duration(seconds: float) -> str:
    """Write a length of time as minutes and seconds, or as hours, minutes and seconds where it is an hour or more."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def most_frequent(counts: Mapping[str, int], n_shown: int) -> str:
    """Write how often each name occurs, the most frequent first: `.txt 12, .mp4 3, and 2 more`.

    Args:
        counts: Numbers of things by name.
        n_shown: How many names are written; the things of all others are added up.

    """
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{printable(name)} {count:,}" for name, count in ordered[:n_shown]]
    n_more = sum(count for _, count in ordered[n_shown:])
    return ", ".join([*shown, *([f"and {n_more:,} more"] if n_more else [])])


def first_of(names: Sequence[str], n_shown: int) -> str:
    """Write the first of some names: `a, b and 2 more`."""
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more


def printable(text: str) -> str:
    r"""Write what a terminal would obey or hide as escapes: \x1b, \n, \u202e."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
