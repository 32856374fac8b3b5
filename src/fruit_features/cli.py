"""The project's commands: Kedro's own `run`, with errors that fit on a screen, and `similar`."""

from __future__ import annotations

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS

from fruit_features.commands.command import OneScreenCommand
from fruit_features.commands.similar import similar


@click.group(context_settings=CONTEXT_SETTINGS, name="fruit-features")
def cli() -> None:
    """Commands of this project; those of Kedro stay as they are."""


run = OneScreenCommand(
    name="run",
    callback=kedro_run.callback,
    params=kedro_run.params,
    help=kedro_run.help,
    context_settings=CONTEXT_SETTINGS,
)
cli.add_command(run)
cli.add_command(similar)
