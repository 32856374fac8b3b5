"""Numbers and names as the terminal and the log write them."""

from __future__ import annotations

import pytest

from fruit_features.terminal.wording import count_of, duration, first_of, printable, speed


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "0 photos"), (1, "1 photo"), (2, "2 photos"), (2946, "2,946 photos"), (10**6, "1,000,000 photos")],
)
def test_a_count_has_commas_and_the_right_noun(number: int, written: str) -> None:
    assert count_of(number, "photo") == written


@pytest.mark.parametrize(
    ("per_second", "written"),
    [
        (0.04, "0.0 a second"),
        (4.0, "4.0 a second"),
        (48.13, "48.1 a second"),
        (227.3, "227 a second"),
        (1195, "1,195 a second"),
    ],
)
def test_a_slow_speed_has_a_decimal(per_second: float, written: str) -> None:
    assert speed(per_second) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0:00"), (9.6, "0:10"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (363_599, "100:59:59")],
)
def test_a_duration_has_hours_only_where_it_is_that_long(seconds: float, written: str) -> None:
    assert duration(seconds) == written


def test_a_name_tells_a_terminal_nothing() -> None:
    assert printable("Golden, 50% \N{PEAR} \u05ea\x1b[31m\n\u202egpj\x00\x7f") == (
        "Golden, 50% \N{PEAR} \u05ea" + r"\x1b[31m\n\u202egpj\x00\x7f"
    )


def test_the_first_of_many_names_are_written() -> None:
    assert first_of(["a", "b"], 2) == "a, b"
    assert first_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
