"""`python -m fruit_features` and the `fruit-features` command: `kedro run`, and the project's other commands by name."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.cli.utils import ENTRY_POINT_GROUPS, find_run_command
from kedro.framework.project import configure_project

if TYPE_CHECKING:
    import click

_PACKAGE = Path(__file__).parent.name


def main(*args: Any, **kwargs: Any) -> Any:
    """Run the project as `kedro run` would, from any folder that holds its `conf`, or another of its commands by name."""
    configure_project(_PACKAGE)
    kwargs["standalone_mode"] = not hasattr(sys, "ps1")
    words = args[0] if args else sys.argv[1:]
    command = (_find_group(words[0]) if words else None) or find_run_command(_PACKAGE)
    return command(*args, **kwargs)


def _find_group(word: str) -> click.Group | None:
    """Find the group that has a command of this name: the project's own, or one that this package adds by an entry point."""
    from fruit_features.cli import cli  # after the project is configured, as Kedro imports it

    if word in cli.commands:
        return cli
    for added in entry_points(group=ENTRY_POINT_GROUPS["project"], name=_PACKAGE):
        group: click.Group = added.load()
        if word in group.commands:
            return group
    return None


if __name__ == "__main__":
    main()
