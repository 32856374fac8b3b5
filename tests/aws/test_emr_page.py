"""`docs/emr.md`: its policies are the files, its commands exist, and where there is an AWS CLI, they run in their order."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import pytest
from botocore import xform_name
from moto.core import DEFAULT_ACCOUNT_ID
from moto.emr.models import emr_backends
from moto.emrserverless.models import emrserverless_backends
from moto.moto_api._internal.models import moto_api_backend

from tests.support.amazon import BUCKET, REGION, Amazon
from tests.support.dist import keep_network, write_dist
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (PROJECT / "docs" / "emr.md").read_text()

POLICIES = sorted((PROJECT / "deploy" / "iam").glob("*.json"))

GENERATED = {"iam", "sts", "emr-serverless"}
"""Services whose commands the AWS CLI makes from their models alone; those of `aws s3` and `aws emr` are its own."""

OF_EVERY_COMMAND = {"query", "output", "region"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def aws_commands() -> Iterator[list[str]]:
    for line in "".join(blocks("bash")).splitlines():
        for command in re.findall(r"\$\((aws .*)\)$|^(aws .*)$", line):
            yield shlex.split("".join(command))


def test_the_page_shows_the_policies_as_they_are() -> None:
    assert sorted(blocks("json")) == sorted(path.read_text() for path in POLICIES)
    for path in POLICIES:
        assert f"`deploy/iam/{path.name}`" in PAGE


@pytest.mark.parametrize("command", [command for command in aws_commands() if command[1] in GENERATED], ids=" ".join)
def test_commands_and_their_options_are_those_of_the_services(command: list[str]) -> None:
    _, service, operation, *words = command
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    members = model.operation_model(operations[operation]).input_shape.members
    known = {xform_name(name, "-") for name in members} | OF_EVERY_COMMAND
    assert {word.removeprefix("--") for word in words if word.startswith("--")} <= known


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("aws") is None, reason="there is no AWS CLI")
def test_the_commands_lead_from_nothing_to_a_result(amazon: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")  # which EMR's default roles have
    moto_api_backend.reset()  # the page makes the bucket
    write_dist(tmp_path / "dist")
    for name in ("conf", "deploy", "pyproject.toml", "data/01_raw/sample"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(PROJECT / name)
    keep_network(tmp_path / "data/emr/06_models/networks", "f32")
    commands = "".join(blocks("bash")).replace("emr-spark-8.0.0", "emr-7.0.0").replace("BUCKET=my-bucket", f"BUCKET={BUCKET}")
    lines = [line for line in commands.splitlines() if not line.startswith("kedro run")]  # it would download weights
    # `aws emr` reads no AWS_ENDPOINT_URL, but for its roles. Whatever else would go to Amazon, goes nowhere.
    lines.insert(0, 'aws() { command aws $([ $2 = create-default-roles ] || echo --endpoint-url $AWS_ENDPOINT_URL) "$@"; }')
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    environment = os.environ | nowhere | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    del environment["AWS_DEFAULT_REGION"]
    ended = threading.Event()
    player = threading.Thread(target=end_every_job, args=(amazon, ended))
    player.start()
    try:
        run = subprocess.run(
            ["bash", "-e", "-x", "-c", "\n".join(lines)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        ended.set()
        player.join()
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("photos exported") == 2
    assert f"make_bucket: {BUCKET}" in run.stdout
    assert (tmp_path / "report.html").read_text() == "<h1>Report</h1>"
    assert not amazon.client("s3").list_buckets()["Buckets"]
    (application,) = emrserverless_backends[DEFAULT_ACCOUNT_ID][REGION].applications.values()
    assert application.state == "TERMINATED"
    assert_output_is_that_of_the_page(run.stdout)


def end_every_job(amazon: Amazon, ended: threading.Event) -> None:
    """Let jobs run for a moment, and leave what a run leaves."""
    while not ended.wait(1.0):
        runs = [run for backend in emrserverless_backends[DEFAULT_ACCOUNT_ID].values() for run in backend.job_runs.values()]
        clusters = [found for backend in emr_backends[DEFAULT_ACCOUNT_ID].values() for found in backend.clusters.values()]
        jobs = [(job, "SUCCESS") for run in runs for job in run]
        for job, success in [*jobs, *((step, "COMPLETED") for cluster in clusters for step in cluster.steps)]:
            if job.state != success:
                job.state = "RUNNING"
                ended.wait(8.0)
                amazon.put_report(photos=success)
                page = {"Bucket": BUCKET, "Key": "fruits/output/08_reporting/report.html", "Body": b"<h1>Report</h1>"}
                amazon.client("s3").put_object(**page)
                job.state = success


def assert_output_is_that_of_the_page(said: str) -> None:
    """Line by line, without what differs from run to run."""
    (shown,) = (block for block in blocks("text") if "photos exported" in block)
    real = iter(masked(line) for line in said.splitlines())
    for line in shown.strip().splitlines():
        assert masked(line) in real, f"{line!r} is not, or not in this order, in what was printed:\n{said}"


def masked(line: str) -> str:
    line = line.replace("my-bucket", BUCKET)
    return re.sub(
        r"^\d\d:\d\d:\d\d|\d+\.\d MB|/[0-9a-f]{16}/|\b(?=\w*\d)[0-9a-z]{16}\b|\d:\d\d|[\d,]+(?= )", "~", line.rstrip()
    )
