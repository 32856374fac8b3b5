"""Jobs on EMR: what is uploaded, what the services are asked, and what is said of how it ends."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from click.testing import CliRunner, Result
from rich.console import Console

from fruit_features.emr import submit
from fruit_features.emr.aws import Aws, Location, SubmitError
from fruit_features.emr.command import commands
from fruit_features.emr.services import Cluster, Serverless
from tests.support.amazon import BUCKET, REGION, ROLE, Amazon, wait_for
from tests.support.dist import keep_network, write_dist
from tests.support.runs import PROJECT

if TYPE_CHECKING:
    from moto.emr.models import Step
    from moto.emrserverless.models import JobRun

ROOT = f"s3://{BUCKET}/fruits"

FRUIT_FEATURES = Path(sys.executable).with_name("fruit-features")


@pytest.fixture
def amazon(amazon: Amazon) -> Amazon:
    """Amazon's services where an earlier run has kept its network in two precisions."""
    for precision in ("f32", "int8"):
        keep_network(f"s3a://{BUCKET}/fruits/output/06_models/networks", precision)
    return amazon


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return write_dist(tmp_path / "dist")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "SECONDS_BETWEEN_CHECKS", 0.1)


def options(place: str, dist: Path, *more: str) -> list[str]:
    where = ["--cluster-id", place] if place.startswith("j-") else ["--application-id", place, "--execution-role-arn", ROLE]
    return ["--s3-root", ROOT, "--dist", str(dist), *where, *more]


def invoke(arguments: list[str]) -> Result:
    with contextlib.chdir(PROJECT):
        return CliRunner().invoke(commands, ["emr", "submit", *arguments])


def as_command(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [FRUIT_FEATURES, "emr", "submit", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def uploaded(amazon: Amazon, uri: str) -> bytes:
    location = Location.parse(uri.partition("#")[0])
    content: bytes = amazon.client("s3").get_object(Bucket=location.bucket, Key=location.key)["Body"].read()
    return content


def settings_of(words: list[str]) -> dict[str, str]:
    """The settings among the options of spark-submit."""
    given = [setting for option, setting in itertools.pairwise(words) if option == "--conf"]
    return dict(setting.split("=", 1) for setting in given)


# --- a job that ends well ----------------------------------------------------------------------------------------------------


def test_emr_serverless_gets_a_job_that_finds_its_files(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    with amazon.play(application, "RUNNING", "SUCCESS"):
        result = invoke(options(application, dist, "--params", "featurization.precision=int8", "--conf", "spark.a=b c"))
    assert result.exit_code == 0, result.output
    job: JobRun
    (job,) = amazon.jobs(application)
    assert job.execution_role_arn == ROLE
    spark_submit: dict[str, Any] = job.job_driver["sparkSubmit"]  # type: ignore[index]
    assert spark_submit["entryPointArguments"] == [
        "--env",
        "emr",
        "--params",
        f"images_root=s3a://{BUCKET}/fruits/images,output_root=s3a://{BUCKET}/fruits/output,featurization.precision=int8",
    ]
    assert uploaded(amazon, spark_submit["entryPoint"]) == (dist / "run.py").read_bytes()
    settings = settings_of(spark_submit["sparkSubmitParameters"].split(" "))
    environment, conf = settings.pop("spark.archives").split(",")
    assert settings == {
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": "./environment/bin/python",
        "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
    }
    assert environment.endswith("/environment-x86_64.tar.gz#environment")
    assert uploaded(amazon, environment) == (dist / "environment-x86_64.tar.gz").read_bytes()
    assert conf.endswith("/conf-fruit_features.tar.gz#conf")
    assert uploaded(amazon, conf) == (dist / "conf-fruit_features.tar.gz").read_bytes()
    overrides: dict[str, Any] = job.configuration_overrides  # type: ignore[assignment]
    assert overrides["applicationConfiguration"] == [{"classification": "spark-defaults", "properties": {"spark.a": "b c"}}]
    assert overrides["monitoringConfiguration"] == {"s3MonitoringConfiguration": {"logUri": f"{ROOT}/logs/"}}
    assert_report_is_shown(result.output)


def test_a_cluster_gets_a_step_that_finds_its_files(amazon: Amazon, dist: Path, hurried: None) -> None:
    cluster = amazon.make_cluster()
    with amazon.play(cluster, "PENDING", "RUNNING", "COMPLETED"):
        result = invoke(options(cluster, dist, "--pipelines", "project", "--conf", "spark.executor.memory=8g"))
    assert result.exit_code == 0, result.output
    step: Step
    (step,) = amazon.jobs(cluster)
    assert step.action_on_failure == "CONTINUE"
    assert step.jar == "command-runner.jar"
    assert step.args[:4] == ["spark-submit", "--deploy-mode", "cluster", "--archives"]
    environment, conf = step.args[4].split(",")
    assert uploaded(amazon, environment) == (dist / "environment-x86_64.tar.gz").read_bytes()
    assert uploaded(amazon, conf) == (dist / "conf-fruit_features.tar.gz").read_bytes()
    assert (environment.partition("#")[2], conf.partition("#")[2]) == ("environment", "conf")
    assert settings_of(step.args) == {
        "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": "./environment/bin/python",
        "spark.executorEnv.PYSPARK_PYTHON": "./environment/bin/python",
        "spark.executor.memory": "8g",
    }
    entry_point, *arguments = step.args[-7:]
    assert uploaded(amazon, entry_point) == (dist / "run.py").read_bytes()
    roots = f"images_root=s3a://{BUCKET}/fruits/images,output_root=s3a://{BUCKET}/fruits/output"
    assert arguments == ["--env", "emr", "--pipelines", "project", "--params", roots]
    assert_report_is_shown(result.output)


def assert_report_is_shown(output: str) -> None:
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert f"photos exported 12,300 s3a://{BUCKET}/fruits/output/07_model_output/pca_features_csv" in lines
    assert f"components kept 54 s3a://{BUCKET}/fruits/output/08_reporting/explained_variance.csv" in lines
    assert f"A page that shows it: aws s3 cp {ROOT}/output/08_reporting/report.html ." in lines


def test_roots_that_are_given_win(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    params = f"output_root=s3://{BUCKET}/other,images_root=s3a://elsewhere/photos"
    keep_network(f"s3a://{BUCKET}/other/06_models/networks", "f32")
    with amazon.play(application, "SUCCESS", report=False):
        result = invoke(options(application, dist, "--params", params))
    assert result.exit_code == 0, result.output
    (job,) = amazon.jobs(application)
    assert job.job_driver["sparkSubmit"]["entryPointArguments"] == ["--env", "emr", "--params", params]


def test_the_report_is_read_where_the_results_are(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    keep_network(f"s3a://{BUCKET}/other/06_models/networks", "f32")
    with amazon.play(application, "RUNNING", "SUCCESS", report_root="other"):
        result = invoke(options(application, dist, "--params", f"output_root=s3a://{BUCKET}/other"))
    assert f"s3a://{BUCKET}/other/07_model_output/pca_features_csv" in result.output


def test_what_is_there_is_not_uploaded_again(amazon: Amazon, dist: Path, hurried: None) -> None:
    s3 = amazon.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    application = amazon.make_application()

    def versions_after_a_submit() -> list[str]:
        with amazon.play(application, "SUCCESS", report=False):
            result = invoke(options(application, dist))
        assert result.exit_code == 0, result.output
        return [
            version["Key"].rpartition("/")[2]
            for version in s3.list_object_versions(Bucket=BUCKET, Prefix="fruits/dist/")["Versions"]
        ]

    names = ["conf-fruit_features.tar.gz", "environment-x86_64.tar.gz", "run.py"]
    assert sorted(versions_after_a_submit()) == names
    assert sorted(versions_after_a_submit()) == names
    (dist / "run.py").write_text("raise SystemExit\n")
    assert sorted(versions_after_a_submit()) == [*names, "run.py"]
    before, after = (job.job_driver["sparkSubmit"]["entryPoint"] for job in amazon.jobs(application)[1:])
    assert uploaded(amazon, before) != uploaded(amazon, after) == b"raise SystemExit\n"


def test_the_report_of_an_earlier_run_is_not_shown_as_this_one_s(
    amazon: Amazon, dist: Path, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    application = amazon.make_application()
    amazon.put_report()
    with amazon.play(application, "SUCCESS", report=False), caplog.at_level("INFO", "fruit_features"):
        result = invoke(options(application, dist, "--pipelines", "featurization"))
    assert result.exit_code == 0, result.output
    assert "photos exported" not in result.output
    assert "It left no report" in caplog.text


def test_without_a_terminal_every_state_is_a_line_of_the_log(
    amazon: Amazon, dist: Path, hurried: None, caplog: pytest.LogCaptureFixture
) -> None:
    application = amazon.make_application()
    with amazon.play(application, "SCHEDULED", "RUNNING", "SUCCESS"), caplog.at_level("INFO", "fruit_features"):
        invoke(options(application, dist))
    states = [record.message.split(": ")[1].split()[0] for record in caplog.records if ": " in record.message]
    assert states[-3:] == ["SCHEDULED", "RUNNING", "SUCCESS"]


def test_in_a_terminal_the_state_is_a_live_line(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with contextlib.chdir(PROJECT):
        submission = submit.prepare(
            s3_root=ROOT,
            application_id=application,
            execution_role_arn=ROLE,
            cluster_id=None,
            dist=dist,
            machine="x86_64",
            params="",
            given={},
            pipelines=None,
            settings={},
        )
    with amazon.play(application, "SCHEDULED", "RUNNING", "SUCCESS"):
        submit.submit(submission, Aws(REGION), console)
    (job,) = amazon.jobs(application)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"job {job.id}: RUNNING, 0:0" in shown
    assert "environment-x86_64.tar.gz" in shown
    assert "12,300" in shown


# --- a job that does not -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_job_of_emr_serverless_that_fails_is_explained(state: str, amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    with amazon.play(application, "RUNNING", state, reason="Job failed, please check complete logs.", report=False):
        result = invoke(options(application, dist))
    assert result.exit_code == 1
    (job,) = amazon.jobs(application)
    said = result.output[result.output.index("Error:") :]
    assert f"ended as {state}: Job failed, please check complete logs." in said
    assert f"{ROOT}/logs/applications/{application}/jobs/{job.id}/SPARK_DRIVER/" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 4


@pytest.mark.parametrize(
    ("log_uri", "logs"), [("s3n://photos/logs/", "s3://photos/logs/{cluster}/steps/{step}/"), ("", "on the cluster only")]
)
def test_a_step_that_fails_is_explained(log_uri: str, logs: str, amazon: Amazon, dist: Path, hurried: None) -> None:
    cluster = amazon.make_cluster(LogUri=log_uri)
    with amazon.play(cluster, "RUNNING", "FAILED", reason="Unknown Error.", report=False):
        result = invoke(options(cluster, dist))
    assert result.exit_code == 1
    (step,) = amazon.jobs(cluster)
    assert "ended as FAILED: Unknown Error." in result.output
    assert f"Its logs: {logs.format(cluster=cluster, step=step.id)}" in result.output


def test_what_emr_knows_of_a_failure_is_said() -> None:
    """Moto has no FailureDetails; botocore's stub checks that an answer of this form may come."""
    details = {"Reason": "Unknown Error.", "Message": "exit code 1", "LogFile": "s3://photos/logs/stderr.gz"}
    answer = {"Step": {"Status": {"State": "FAILED", "StateChangeReason": {}, "FailureDetails": details}}}
    client = botocore.session.get_session().create_client(
        "emr", REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stub:
        stub.add_response("describe_step", answer, {"ClusterId": "j-1", "StepId": "s-1"})
        state = Cluster("j-1").state(client.describe_step(ClusterId="j-1", StepId="s-1"))
    assert (state.name, state.reason, state.has_ended, state.is_success) == (
        "FAILED",
        "Unknown Error. exit code 1 (s3://photos/logs/stderr.gz)",
        True,
        False,
    )


def test_losing_touch_says_that_the_job_goes_on(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    with amazon.play(application, "RUNNING", "RUNNING", report=False):
        jobs = amazon.jobs(application)
        forgetting = threading.Thread(target=lambda: (wait_for(lambda: jobs), time.sleep(0.5), jobs.clear()))
        forgetting.start()
        result = invoke(options(application, dist))
        forgetting.join()
    assert result.exit_code == 1
    assert "does not exist" in result.output
    assert "goes on. To look at it:" in result.output


def test_ctrl_c_says_that_the_job_goes_on(amazon: Amazon, dist: Path) -> None:
    application = amazon.make_application()
    process = as_command(options(application, dist))
    wait_for(lambda: amazon.jobs(application), 120)
    (job,) = amazon.jobs(application)
    job.state = "RUNNING"
    assert process.stdout is not None
    said = ""
    while "started on" not in said:
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    which = f"--application-id {application} --job-run-id {job.id} --region {REGION}"
    assert f"aws emr-serverless get-job-run {which}" in rest
    assert f"aws emr-serverless cancel-job-run {which}" in rest
    assert "Traceback" not in rest
    assert job.state == "RUNNING"


def test_ctrl_c_in_the_middle_of_an_upload_leaves_no_half_of_it(amazon: Amazon, dist: Path) -> None:
    application = amazon.make_application()
    with (dist / "environment-x86_64.tar.gz").open("wb") as file:
        file.truncate(300 * 2**20)
    process = as_command(options(application, dist))
    assert process.stdout is not None
    said = ""
    while "environment-x86_64.tar.gz (" not in said:
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, rest
    assert "Stopped before the job was started" in rest
    assert "Traceback" not in rest
    assert amazon.jobs(application) == []
    assert not [key for key in amazon.shipped() if "environment" in key]
    assert "Uploads" not in amazon.client("s3").list_multipart_uploads(Bucket=BUCKET)


# --- a dry run ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["00f1example", "j-1EXAMPLE"])
def test_a_dry_run_prints_valid_calls_and_makes_none(place: str, dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)  # neither credentials nor region are needed
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody answers
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", pytest.fail)
    result = invoke(options(place, dist, "--dry-run"))
    assert result.exit_code == 0, result.output
    calls = json.loads(result.stdout)
    operations = [call["operation"] for call in calls]
    assert operations.count("upload_file") == 3
    starts = "add_job_flow_steps" if place.startswith("j-") else "start_job_run"
    assert operations.index(starts) > max(index for index, name in enumerate(operations) if name == "upload_file")
    for call in calls:
        if call["operation"] == "upload_file":  # boto3's own, on top of the service's
            assert set(call["parameters"]) == {"Filename", "Bucket", "Key"}
            continue
        assert_is_valid(**call)


def assert_is_valid(service: str, operation: str, parameters: dict[str, Any]) -> None:
    """The service's own model must know the operation and take these parameters."""
    model = botocore.session.get_session().get_service_model(service)
    name = "".join(part.capitalize() for part in operation.split("_"))
    shape = model.operation_model(name).input_shape
    parameters = {"clientToken": "botocore adds one", **parameters} if name == "StartJobRun" else parameters
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), report.generate_report()


# --- what is refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "either --application-id and --execution-role-arn"),
        ("--application-id 00f1 --cluster-id j-1", "either --application-id and --execution-role-arn"),
        ("--application-id 00f1", "needs --execution-role-arn"),
        (f"--cluster-id j-1 --execution-role-arn {ROLE}", "is for EMR Serverless"),
        ("--cluster-id j-1 --s3-root /data/fruits", "looks like s3://my-bucket/fruits"),
        ("--cluster-id j-1 --s3-root 's3://bucket/my fruits'", "without blanks"),
        ("--cluster-id j-1 --s3-root s3://", "looks like s3://my-bucket/fruits"),
        ("--cluster-id j-1 --dist /nowhere", "/nowhere/ lacks run.py, conf-fruit_features.tar.gz, environment-x86_64.tar.gz"),
        ("--cluster-id j-1 --machine aarch64", "There is environment-x86_64.tar.gz: which --machine is meant?"),
        ("--cluster-id j-1 --params featurization.bach_size=1", "did you mean 'batch_size'?"),
        ("--cluster-id j-1 --pipelines reductio", "unknown pipeline 'reductio': did you mean 'reduction'?"),
        ("--cluster-id j-1 --params output_root=/data", "no place on S3"),
        ("--cluster-id j-1 --params images_root=photos", "no place on S3"),
        ("--cluster-id j-1 --params featurization.weights={weights}", "which a job does not see"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_call(
    arguments: str, said: str, dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", pytest.fail)
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"\x89HDF\r\n\x1a\n")
    given = shlex.split(arguments.format(weights=weights))
    result = invoke(["--s3-root", ROOT, "--dist", str(dist), *given])
    assert result.exit_code == 1, result.output
    assert_is_one_screen(result.output, said)


@pytest.mark.parametrize("arguments", ["--conf spark.executor.memory", "--params precision", "--machine arm64"])
def test_options_that_cannot_be_read_are_refused_as_by_kedro(arguments: str, dist: Path) -> None:
    result = invoke(options("j-1", dist, *arguments.split()))
    assert result.exit_code == 2
    assert_is_one_screen(result.output, arguments.rpartition(" ")[2].partition("=")[0])


def test_an_engine_that_the_nodes_cannot_run_is_refused(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", pytest.fail)
    shutil.copy(dist / "environment-x86_64.tar.gz", dist / "environment-aarch64.tar.gz")
    result = invoke(options("j-1", dist, "--machine", "aarch64", "--params", "featurization.engine=openvino"))
    assert result.exit_code == 1, result.output
    assert_is_one_screen(result.output, "featurization.engine=openvino does not run on EMR's nodes of aarch64")
    result = invoke(options("j-1", dist, "--machine", "aarch64", "--pipelines", "reduction", "--dry-run"))
    assert result.exit_code == 0, result.output


def assert_is_one_screen(output: str, said: str) -> None:
    error = output[output.index("Error:") :]
    assert said in error
    assert len(error.splitlines()) <= 4
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("place", "environment", "said"),
    [
        ("00f1absent", {}, "`aws emr-serverless list-applications` lists those"),
        ("j-ABSENT", {}, "`aws emr list-clusters --active` lists those"),
        ("application", {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "no AWS credentials"),
        ("application", {"AWS_SECRET_ACCESS_KEY": None}, "no AWS credentials"),
        ("application", {"AWS_DEFAULT_REGION": None}, "no AWS region: say --region"),
        ("application", {"AWS_PROFILE": "nobody"}, "(nobody) could not be found. Sign in"),
        ("application", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "Could not connect to"),
    ],
)
def test_what_the_services_refuse_is_said_with_the_fix(  # noqa: PLR0917
    place: str, environment: dict[str, str | None], said: str, amazon: Amazon, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "application":
        place = amazon.make_application()
    with monkeypatch.context() as changed:
        for name, value in environment.items():
            changed.delenv(name) if value is None else changed.setenv(name, value)
        result = invoke(options(place, dist))
    assert result.exit_code == 1
    assert_is_one_screen(result.output, said)
    assert amazon.shipped() == []


def test_a_bucket_that_is_not_there_is_said(amazon: Amazon, dist: Path) -> None:
    result = invoke([*options(amazon.make_application(), dist), "--s3-root", "s3://absent/fruits"])
    assert result.exit_code == 1
    assert_is_one_screen(result.output, f"`aws s3 mb s3://absent --region {REGION}` makes one")


def test_a_network_that_no_run_has_kept_is_asked_for(amazon: Amazon, dist: Path) -> None:
    result = invoke([*options(amazon.make_application(), dist), "--params", "featurization.precision=bf16"])
    assert result.exit_code == 1
    assert_is_one_screen(result.output, f"aws s3 sync data/emr/06_models/networks {ROOT}/output/06_models/networks")
    assert amazon.shipped() == []


def test_a_pipeline_that_needs_no_network_is_not_asked_for_one(amazon: Amazon, dist: Path, hurried: None) -> None:
    application = amazon.make_application()
    with amazon.play(application, "SUCCESS", report=False):
        arguments = ["--pipelines", "reduction", "--params", f"output_root=s3a://{BUCKET}/without"]
        assert invoke(options(application, dist, *arguments)).exit_code == 0


def test_an_application_that_is_gone_is_refused(amazon: Amazon, dist: Path) -> None:
    application = amazon.make_application()
    amazon.application(application).state = "TERMINATED"
    assert_is_one_screen(invoke(options(application, dist)).output, "is terminated: make another")


def test_a_cluster_that_is_gone_is_refused(amazon: Amazon, dist: Path) -> None:
    cluster = amazon.make_cluster()
    amazon.client("emr").terminate_job_flows(JobFlowIds=[cluster])
    assert_is_one_screen(invoke(options(cluster, dist)).output, "is TERMINATED: make another")


def test_an_environment_for_other_processors_is_refused(amazon: Amazon, dist: Path) -> None:
    application = amazon.make_application()
    amazon.application(application).architecture = "ARM64"
    result = invoke(options(application, dist))
    assert result.exit_code == 1
    assert_is_one_screen(result.output, "runs on aarch64, the environment is for x86_64: say --machine aarch64")
    assert amazon.shipped() == []
    shutil.copy(dist / "environment-x86_64.tar.gz", dist / "environment-aarch64.tar.gz")
    found = Aws(REGION).make(Serverless(application, ROLE).find())
    Serverless(application, ROLE).check(found, "aarch64")
    with pytest.raises(SubmitError, match="for x86_64"):
        Serverless(application, ROLE).check(found, "x86_64")


# --- as a command of its own -------------------------------------------------------------------------------------------------


def test_the_command_submits(amazon: Amazon, dist: Path) -> None:
    application = amazon.make_application()
    with amazon.play(application, "RUNNING", "SUCCESS"):
        process = as_command(options(application, dist, "--region", REGION), AWS_DEFAULT_REGION="us-east-1")
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    (job,) = amazon.jobs(application)
    assert f"Job {job.id} started on application {application} of EMR Serverless" in output
    assert f"job {job.id}: SUCCESS after 0:0" in output
    assert_report_is_shown(output)


def test_the_command_submits_a_step_that_fails(amazon: Amazon, dist: Path) -> None:
    cluster = amazon.make_cluster(LogUri="s3://photos/logs/")
    with amazon.play(cluster, "FAILED", reason="Unknown Error.", report=False):
        process = as_command(options(cluster, dist))
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert_is_one_screen(output, f"on cluster {cluster} ended as FAILED: Unknown Error.")


def test_the_command_prints_nothing_but_json_in_a_dry_run(dist: Path) -> None:
    command = [FRUIT_FEATURES, "emr", "submit", *options("j-1", dist, "--dry-run")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)[-2]["operation"] == "describe_step"


def test_the_command_refuses(dist: Path) -> None:
    process = as_command(["--s3-root", ROOT, "--dist", str(dist)])
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert_is_one_screen(output, "say where the job is to run")
