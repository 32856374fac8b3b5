"""The commands `fruit-features emr ...`, which are also `kedro emr ...`: Kedro finds them by an entry point of the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS, _split_params

from fruit_features.commands.command import OneScreenCommand, exit_code_of_a_stop


@click.group(context_settings=CONTEXT_SETTINGS, name="fruit-features")
def commands() -> None:
    """Commands that this package adds to the project's own."""


def _split_and_keep(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, dict[str, Any]]:
    return value, _split_params(ctx, param, value)


@commands.group()
def emr() -> None:
    """Run the project on Amazon EMR; docs/emr.md begins at the beginning."""


def _split_settings(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    if not all(re.match(r"[\w.-]+=", setting) for setting in value):
        raise click.BadParameter("settings look like spark.executor.memory=8g", ctx, param)
    return {name: text for name, _, text in (setting.partition("=") for setting in value)}


@emr.command(cls=OneScreenCommand)
@click.option("--s3-root", required=True, help="s3://bucket/prefix: photos are in images/ under it, results go to output/.")
@click.option("--application-id", help="Of EMR Serverless.")
@click.option("--execution-role-arn", help="What the job may do, on EMR Serverless.")
@click.option("--cluster-id", help="Of EMR on EC2.")
@click.option("--dist", type=click.Path(path_type=Path), default="dist", show_default=True, help="What `make package` made.")
@click.option(
    "--machine", type=click.Choice(["x86_64", "aarch64"]), default="x86_64", show_default=True, help="The processors."
)
@click.option("--params", callback=_split_and_keep, default="", help="As of `kedro run`.")
@click.option("--pipelines", "--pipeline", "pipelines", help="As of `kedro run`: names, with commas between them.")
@click.option("--conf", "settings", multiple=True, callback=_split_settings, help="As of spark-submit; may be repeated.")
@click.option("--region", envvar="AWS_REGION", help="Else what the AWS tools are set to.")
@click.option("--dry-run", is_flag=True, help="Print the calls to AWS as JSON, and make none.")
@click.pass_context
def submit(ctx: click.Context, /, params: tuple[str, dict[str, Any]], region: str | None, dry_run: bool, **asked: Any) -> None:
    """Upload dist/ to S3, run it on EMR, wait, and show what came out."""
    from fruit_features.emr import submit as deploying
    from fruit_features.emr.aws import Aws, SubmitError

    try:
        submission = deploying.prepare(params=params[0], given=params[1], **asked)
        if dry_run:
            click.echo(deploying.as_json(submission.calls()))
        else:
            deploying.submit(submission, Aws(region))
    except SubmitError as error:
        raise click.ClickException(str(error)) from error
    except deploying.StoppedWaitingError as stopped:
        click.secho(f"\n{stopped}", err=True)
        ctx.exit(exit_code_of_a_stop(ctx))
    except KeyboardInterrupt:
        click.secho("\nStopped before the job was started; what is uploaded already will not be uploaded again.", err=True)
        ctx.exit(exit_code_of_a_stop(ctx))
