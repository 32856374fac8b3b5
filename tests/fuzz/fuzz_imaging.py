"""Coverage-guided fuzzing of `imaging.decode`: `make fuzz`, which stops at the first input that breaks the promise.

Atheris watches the Python half of Pillow; the C half is only seen to crash, to hang or to take too much memory.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "fruit_features"]):
    from PIL import Image

    Image.init()  # all readers, or those imported later go unwatched
    from tests.fuzz.promise import MEMORY_MIB, SECONDS, check

from tests.fuzz.seeds import seeds

FOLDER = Path(__file__).parent
LONGEST_INPUT = 8192  # bytes: each seed has fewer


def fuzz(content: bytes) -> None:
    check(content, apply_exif_orientation=len(content) % 2 == 1)


def main() -> None:
    seconds, corpus = int(sys.argv[1]), FOLDER / "corpus"
    corpus.mkdir(exist_ok=True)
    for name, content in seeds().items():
        (corpus / name).write_bytes(content)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": round(2 * SECONDS),
        "rss_limit_mb": MEMORY_MIB,
        "artifact_prefix": f"{FOLDER / 'findings'}/",
        "print_final_stats": 1,
    }
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)], fuzz)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
