"""Work in a child process: a decoder that crashes takes the child down, and not this process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from fruit_features.photos.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWERED, _REFUSED = b"+", b"-"


def answer_of_child(work: Callable[[], bytes]) -> bytes:
    """Let a child process do some work, at the cost of a fork (milliseconds).

    Args:
        work: What to do there.

    Returns:
        What it returns.

    Raises:
        ImageError: What it raises; or the child was killed: by a bug in a decoder, or for want of memory.

    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, work)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise ImageError(f"crashed the decoder ({signal.Signals(os.WTERMSIG(status)).name})")
    if not answer:
        raise ImageError("ended the decoder without an answer")
    if answer[:1] == _REFUSED:
        raise ImageError(answer[1:].decode())
    return answer[1:]


def _answer(writing: int, work: Callable[[], bytes]) -> None:
    """Write one answer to the pipe and leave at once, without the parent's exit handlers."""
    try:
        try:
            answer = _ANSWERED + work()
        except ImageError as error:
            answer = _REFUSED + str(error).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:  # whatever happened: a child that went on would be a second worker on the first one's socket
        os._exit(0)
