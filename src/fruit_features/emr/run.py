"""What `spark-submit` starts: `kedro run`, with the configuration that was submitted with it.

Its arguments are those of `kedro run`. The configuration is looked for as the archive that Spark has unpacked under the name
`conf` (`--archives conf-fruit_features.tar.gz#conf`), and as the archive itself, beside this file.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from pathlib import Path

UNPACKED = Path("conf", "conf")
ARCHIVE = "conf-fruit_features.tar.gz"


def find_configuration(beside: Path) -> Path:
    """Find the folder of configuration, and unpack it first if need be.

    Args:
        beside: The folder that this file is in.

    Raises:
        FileNotFoundError: There is none.

    """
    if UNPACKED.is_dir():
        return UNPACKED.absolute()
    archive = beside / ARCHIVE
    if not archive.is_file():
        raise FileNotFoundError(f"no configuration: submit it by `--archives {ARCHIVE}#conf`, or put {ARCHIVE} into {beside}")
    folder = Path(tempfile.mkdtemp(prefix="fruit_features."))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "conf"


def main() -> None:
    """Run the project."""
    conf = find_configuration(Path(__file__).resolve().parent)
    # Kedro sets its log up while it is imported, and looks for this file in the project that it is not in.
    os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(conf / "logging.yml"))
    os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
    from fruit_features.__main__ import main as run_project

    run_project(["--conf-source", str(conf), *sys.argv[1:]])


if __name__ == "__main__":
    main()
