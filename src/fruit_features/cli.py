"""The project's commands: Kedro's own `run`, with errors that fit on a screen."""

from __future__ import annotations

import re
import warnings
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import CONTEXT_SETTINGS, KedroCliError

# `--pipeline` still works; that Kedro prefers `--pipelines` need not be said at every run.
warnings.filterwarnings("ignore", message="Option '--pipeline' is deprecated")

_JAVA_STACK = ("\n\tat ", "\nJVM stacktrace", "\nCaused by:")

# Kedro and pydantic wrap the sentence that says what is wrong with a parameter in much that does not.
_INVALID_FIELD = re.compile(r"^(\w+)\n  (.*) \[type=\w+, input_value=(.*), input_type=\w+\]$", re.MULTILINE)
_VALIDATION_NOISE = re.compile(
    r"Failed to instantiate .*\n|\s*\[type=.*\]$|^\s*For further information.*\n?|Value error, ", re.MULTILINE
)


_INTERRUPTED = 130  # what shells report for a command that Ctrl-C ended


class _OneScreenError(KedroCliError):
    """Shown without a stack, unless `kedro --verbose run` asks for it."""

    def show(self, file: Any = None) -> None:
        if self.VERBOSE_ERROR:
            super().show(file)
        else:
            click.secho(f"Error: {self.message}", fg="red", err=True)
            click.secho("`kedro --verbose run` shows where it came from.", err=True)


class _RunCommand(click.Command):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except KeyboardInterrupt:
            click.secho(
                "\nStopped. Chunks of photos that were featurized are kept: the same command goes on where this run was.",
                err=True,
            )
            ctx.exit(_INTERRUPTED)
        except Exception as error:
            raise _OneScreenError(summarize_error(error)) from error


def summarize_error(error: BaseException) -> str:
    """Say what went wrong in a few lines: no Java stack, and of a Python worker's traceback the last line only."""
    message = str(error) or type(error).__name__
    for marker in _JAVA_STACK:
        message = message.split(marker, 1)[0]
    if "Traceback (most recent call last)" in message:
        message = message.strip().rsplit("\n", 1)[-1]
    if "[FAILED_READ_FILE" in message and "/feature_store/" in message:
        message += (
            "\nDelete that file and run again: the photos in it will be featurized once more, the others are not touched."
        )
    message = _INVALID_FIELD.sub(r"\1=\3: \2", message)
    return re.sub(r":\s{2,}", ": ", _VALIDATION_NOISE.sub("", message)).strip()


@click.group(context_settings=CONTEXT_SETTINGS, name="fruit-features")
def cli() -> None:
    """Commands of this project; those of Kedro stay as they are."""


run = _RunCommand(
    name="run",
    callback=kedro_run.callback,
    params=kedro_run.params,
    help=kedro_run.help,
    context_settings=CONTEXT_SETTINGS,
)
cli.add_command(run)
