"""A network that a child process builds is the one that would be built here, and a child that fails changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fruit_features.networks import ahead
from fruit_features.networks.building import build_network
from tests.support.featurization import small_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fruit_features.networks.configuration import NetworkConfiguration


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    ahead.give_up()


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_the_network_is_the_same(precision: Any) -> None:
    wanted = small_network(precision)
    photos = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), np.uint8) if precision == "int8" else None
    child = ahead.NetworkAhead(wanted)
    assert child.finish(photos) == build_network(wanted, photos)


def test_a_child_that_was_killed_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead.begin(small_network())
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    built_here: list[NetworkConfiguration] = []
    monkeypatch.setattr(ahead, "build_network", lambda wanted, _photos: built_here.append(wanted))
    ahead.build(small_network(), None)
    assert built_here == [small_network()]


def test_a_child_that_fails_leaves_the_error_to_this_process() -> None:
    wanted = small_network("int8")
    child = ahead.NetworkAhead(wanted)
    assert child.finish(np.zeros((4, 7, 7, 3), np.uint8)) is None  # photos of a size that the network does not take


def test_another_network_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    ahead.begin(small_network())
    monkeypatch.setattr(ahead, "build_network", lambda wanted, _photos: wanted)
    other = small_network(input_size=128)
    assert ahead.build(other, None) == other  # type: ignore[comparison-overlap]


def test_what_is_given_up_is_ended() -> None:
    ahead.begin(small_network())
    (child,) = children()
    ahead.give_up()
    assert not children()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_child_ends_with_its_parent() -> None:
    program = f"""
import os, signal
from fruit_features.networks import ahead
from fruit_features.networks.configuration import NetworkConfiguration
ahead.begin({small_network()!r})
print(ahead._current._child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert said.returncode == -signal.SIGKILL, said.stderr
    child = int(said.stdout)
    until = time.monotonic() + 120
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.1)
    assert not is_alive(child)


def children() -> list[int]:
    child = ahead._current and ahead._current._child
    return [child.pid] if child else []


def is_alive(pid: int) -> bool:
    """Whether a process that is none of ours goes on: one that has ended may still wait to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
