"""`python -m fruit_features` and the `fruit-features` command: `kedro run`, and the project's other commands by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project as `kedro run` would, from any folder that holds its `conf`, or another of its commands by name."""
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    command = find_run_command(package_name)
    words = args[0] if args else sys.argv[1:]
    from fruit_features.cli import cli  # after the project is configured, as Kedro imports it

    if words and words[0] in cli.commands:
        command = cli
    return command(*args, **kwargs)


if __name__ == "__main__":
    main()
