"""How the terminal and the log write numbers (1 photo, 2,946 photos, 48.1 a second, 1:05) and names that come from outside."""

from __future__ import annotations

_WHOLE_NUMBERS_FROM = 100
"""A speed below this is written with one decimal: 48.1 a second says more than 48, and 227.3 no more than 227."""


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


def printable(text: str) -> str:
    r"""Write what a terminal would obey or hide as escapes: \x1b, \n, \u202e."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
