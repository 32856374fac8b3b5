"""Decoding in a child process: a photo that crashes the decoder itself becomes a reject instead of a dead worker."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from fruit_features.photos.facts import PhotoFacts
from fruit_features.photos.imaging import Decoding, ImageError, decode_with_facts

if TYPE_CHECKING:
    from typing import Unpack

    from numpy.typing import NDArray

_DECODED, _REFUSED = b"+", b"-"
_END_OF_FACTS = b"\n"


def decode_with_facts_in_child(
    content: bytes | memoryview, size: int, **decoding: Unpack[Decoding]
) -> tuple[NDArray[np.uint8], PhotoFacts]:
    """Decode as `imaging.decode_with_facts` does, at the cost of a fork (milliseconds a photo).

    Returns:
        uint8 array of shape (size, size, 3), and the facts.

    Raises:
        ImageError: As `decode_with_facts`, and where the child was killed: by a bug in a decoder, or for want of memory.

    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(writing, content, size, decoding)
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
    facts, _, pixels = answer[1:].partition(_END_OF_FACTS)
    return np.frombuffer(pixels, np.uint8).reshape(size, size, 3), PhotoFacts(**json.loads(facts))


def _answer(writing: int, content: bytes | memoryview, size: int, decoding: Decoding) -> None:
    """Write one answer to the pipe and leave at once, without the parent's exit handlers."""
    try:
        try:
            pixels, facts = decode_with_facts(content, size, **decoding)
            answer = _DECODED + json.dumps(asdict(facts)).encode() + _END_OF_FACTS + pixels.tobytes()
        except ImageError as error:
            answer = _REFUSED + str(error).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
    finally:  # whatever happened: a child that went on would be a second worker on the first one's socket
        os._exit(0)
