"""`deploy/iam`: policies that IAM accepts, of actions that exist, and that allow a submit and little else."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from click.testing import CliRunner
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMPolicy, PermissionResult

from fruit_features.emr.command import commands
from tests.support.amazon import BUCKET, REGION, ROLE, Amazon
from tests.support.dist import write_dist
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

IAM = PROJECT / "deploy" / "iam"

MODELS = {"elasticmapreduce": "emr"}
"""Where IAM and botocore name a service differently."""

NO_OPERATIONS = {"s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts", "iam:PassRole"}
"""Actions of IAM that are not named like an operation of the service."""

ACTIONS_ON_S3 = {
    "head_bucket": "s3:ListBucket",
    "list_objects_v2": "s3:ListBucket",
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "upload_file": "s3:PutObject",
}
"""What Amazon S3's documentation says that each operation needs."""


def policy(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((IAM / name).read_text().replace("my-bucket", BUCKET))
    return read


def actions(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def resources(statement: dict[str, Any]) -> list[str]:
    return [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]


def permits(name: str, action: str, resource: str, **conditions: str) -> bool:
    """Ask moto's IAM, which knows statements, wildcards and conditions."""
    decided = IAMPolicy(json.dumps(policy(name))).is_action_permitted(action, resource, None, conditions)
    return decided is PermissionResult.PERMITTED


# --- the files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["job.json", "submit.json"])
def test_iam_accepts_the_policy(name: str, amazon: Amazon) -> None:
    iam = amazon.client("iam")
    iam.create_policy(PolicyName="test", PolicyDocument=json.dumps(policy(name)))
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):  # so it does look
        iam.create_policy(PolicyName="broken", PolicyDocument=json.dumps(policy(name)).replace("Resource", "Resources"))


@pytest.mark.parametrize(
    ("name", "service"), [("serverless-trust.json", "emr-serverless.amazonaws.com"), ("ec2-trust.json", "ec2.amazonaws.com")]
)
def test_only_the_service_may_take_the_role(name: str, service: str, amazon: Amazon) -> None:
    amazon.client("iam").create_role(RoleName="test", AssumeRolePolicyDocument=json.dumps(policy(name)))
    (statement,) = policy(name)["Statement"]
    assert statement["Principal"] == {"Service": service}


@pytest.mark.parametrize("name", ["job.json", "submit.json"])
def test_actions_exist_and_their_resources_are_named(name: str) -> None:
    session = botocore.session.get_session()
    for statement in policy(name)["Statement"]:
        for action in actions(statement):
            service, _, operation = action.partition(":")
            known = session.get_service_model(MODELS.get(service, service)).operation_names
            assert action in NO_OPERATIONS or operation in known, action
        for resource in resources(statement):
            assert DEFAULT_ACCOUNT_ID in resource or f":{BUCKET}" in resource, f"{resource} is anybody's"


# --- what they allow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where", [["--application-id", "00f1example", "--execution-role-arn", ROLE], ["--cluster-id", "j-1EXAMPLE"]], ids=" ".join
)
def test_a_submit_needs_no_more_than_the_policy_allows(where: list[str], tmp_path: Path) -> None:
    dist = write_dist(tmp_path / "dist")
    arguments = ["emr", "submit", "--s3-root", f"s3://{BUCKET}/fruits", "--dist", str(dist), *where, "--dry-run"]
    with contextlib.chdir(PROJECT):
        calls = json.loads(CliRunner().invoke(commands, arguments).stdout)
    assert len(calls) > 8
    for call in calls:
        action, resource = needed(**call)
        assert permits("submit.json", action, resource), f"{action} on {resource}"
    if "--execution-role-arn" in where:
        assert permits("submit.json", "iam:PassRole", ROLE, **{"iam:PassedToService": "emr-serverless.amazonaws.com"})


def needed(service: str, operation: str, parameters: dict[str, Any]) -> tuple[str, str]:
    """The action that a call needs to be allowed, and on what."""
    if service == "s3":
        key = parameters.get("Key")
        return ACTIONS_ON_S3[operation], f"arn:aws:s3:::{parameters['Bucket']}" + (f"/{key}" if key else "")
    operation = "".join(part.capitalize() for part in operation.split("_"))
    if service == "emr-serverless":
        where = f"arn:aws:emr-serverless:{REGION}:{DEFAULT_ACCOUNT_ID}:/applications/{parameters['applicationId']}"
        return f"emr-serverless:{operation}", where + (f"/jobruns/{run}" if (run := parameters.get("jobRunId")) else "")
    cluster = parameters.get("ClusterId") or parameters["JobFlowId"]
    return f"elasticmapreduce:{operation}", f"arn:aws:elasticmapreduce:{REGION}:{DEFAULT_ACCOUNT_ID}:cluster/{cluster}"


@pytest.mark.parametrize(
    ("name", "action", "resource"),
    [
        ("submit.json", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/fruits/output/07_model_output/pca_features/part-0.parquet"),
        ("submit.json", "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/fruits/images/Apple/00.jpg"),
        ("submit.json", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/salaries.csv"),
        ("submit.json", "iam:PassRole", f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/Administrator"),
        ("submit.json", "elasticmapreduce:RunJobFlow", f"arn:aws:elasticmapreduce:{REGION}:{DEFAULT_ACCOUNT_ID}:cluster/j-1"),
        ("job.json", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/fruits/dist/0123456789abcdef/run.py"),
        ("job.json", "s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/fruits/images/Apple/00.jpg"),
        ("job.json", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/salaries.csv"),
        ("job.json", "s3:GetObject", "arn:aws:s3:::elsewhere/fruits/images/Apple/00.jpg"),
    ],
)
def test_what_nobody_needs_is_not_allowed(name: str, action: str, resource: str) -> None:
    assert not permits(name, action, resource, **{"iam:PassedToService": "emr-serverless.amazonaws.com"})


@pytest.mark.parametrize(
    ("action", "key"),
    [
        ("s3:GetObject", "images/Apple/00.jpg"),
        ("s3:GetObject", "dist/0123456789abcdef/environment-x86_64.tar.gz"),
        ("s3:GetObject", "output/06_models/networks/0123456789abcdef/network.json"),
        ("s3:PutObject", "output/04_feature/feature_store/__magic_job-1/part-0.parquet"),
        ("s3:AbortMultipartUpload", "output/04_feature/feature_store/part-0.parquet"),
        ("s3:DeleteObject", "output/02_intermediate/photos/part-0.parquet"),
        ("s3:GetObject", "output/04_feature/.lock"),
        ("s3:PutObject", "output/04_feature/.lock"),
        ("s3:DeleteObject", "output/04_feature/.lock"),
        ("s3:PutObject", "logs/applications/00f1/jobs/00f2/SPARK_DRIVER/stdout.gz"),
    ],
)
def test_the_job_may_do_what_a_run_does(action: str, key: str) -> None:
    assert permits("job.json", action, f"arn:aws:s3:::{BUCKET}/fruits/{key}")


def test_who_lacks_a_right_is_told_where_to_look(amazon: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iam, cluster = amazon.client("iam"), amazon.make_cluster()
    iam.create_user(UserName="somebody")
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    dist = write_dist(tmp_path / "dist")
    with contextlib.chdir(PROJECT), enable_iam_authentication():
        arguments = ["emr", "submit", "--s3-root", f"s3://{BUCKET}/fruits", "--dist", str(dist), "--cluster-id", cluster]
        result = CliRunner().invoke(commands, arguments)
    assert result.exit_code == 1
    assert "is not authorized to perform: elasticmapreduce:DescribeCluster" in result.output
    assert "docs/emr.md, under Permissions" in result.output
