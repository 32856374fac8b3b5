"""The two services of Amazon EMR that run a job: the calls that each takes, and how its answers are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fruit_features.emr.aws import Call, Location, SubmitError

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = "./environment/bin/python"
"""The shipped Python, from the working folder of driver and executors, where Spark unpacks the archives."""

_ARCHITECTURES = {"X86_64": "x86_64", "ARM64": "aarch64"}
"""How EMR Serverless names what `uname -m` names."""

_NAME = "fruit_features"


@dataclass(frozen=True)
class Job:
    """What is to run.

    Attributes:
        entry_point: The Python file that Spark starts.
        arguments: Its arguments.
        archives: What Spark unpacks into the working folder: `s3://...#name`.
        settings: Spark settings that the user who submits asks for.
        logs: Under which EMR Serverless writes its logs; a cluster has its own place.

    """

    entry_point: Location
    arguments: tuple[str, ...]
    archives: tuple[str, ...]
    settings: Mapping[str, str]
    logs: Location


@dataclass(frozen=True)
class State:
    """How far a job is.

    Attributes:
        name: As the service names it.
        reason: What the service says about it; may be empty.
        has_ended: Whether it will stay so.
        is_success: Whether it ended well.

    """

    name: str
    reason: str
    has_ended: bool
    is_success: bool


class Service(Protocol):
    """One of the two services of Amazon EMR."""

    @property
    def place(self) -> str:
        """Where jobs run, in words."""

    def find(self) -> Call:
        """Ask for the application or cluster."""

    def check(self, found: Mapping[str, Any], machine: str) -> None:
        """Refuse an application or cluster that cannot run the job.

        Raises:
            SubmitError: It cannot.

        """

    def start(self, job: Job) -> Call:
        """Start the job."""

    def job_id(self, started: Mapping[str, Any]) -> str:
        """Find the job's id in the answer to `start`."""

    def ask(self, job_id: str) -> Call:
        """Ask how far the job is."""

    def state(self, asked: Mapping[str, Any]) -> State:
        """Read the answer to `ask`."""

    def logs(self, found: Mapping[str, Any], job: Job, job_id: str) -> str:
        """Say where the job's logs are."""

    def commands(self, job_id: str) -> tuple[str, str]:
        """Commands of the AWS CLI that look at the job, and that cancel it."""


@dataclass(frozen=True)
class Serverless:
    """An application of EMR Serverless.

    Attributes:
        application_id: Which.
        execution_role_arn: What the job may do.

    """

    application_id: str
    execution_role_arn: str

    @property
    def place(self) -> str:
        """Where jobs run, in words."""
        return f"application {self.application_id} of EMR Serverless"

    def find(self) -> Call:
        """Ask for the application."""
        return Call("emr-serverless", "get_application", {"applicationId": self.application_id})

    def check(self, found: Mapping[str, Any], machine: str) -> None:
        """Refuse an application that is gone, or that runs on other processors.

        Raises:
            SubmitError: It is, or does.

        """
        application = found["application"]
        if application["state"] == "TERMINATED":
            raise SubmitError(f"{self.place} is terminated: make another, as docs/emr.md shows")
        # An answer without it comes from a stand-in for the service.
        runs_on = _ARCHITECTURES.get(application.get("architecture"), machine)
        if runs_on != machine:
            raise SubmitError(f"{self.place} runs on {runs_on}, the environment is for {machine}: say --machine {runs_on}")

    def start(self, job: Job) -> Call:
        """Start a job run."""
        settings = {
            "spark.archives": ",".join(job.archives),
            "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": PYTHON,
            "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": PYTHON,
            "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
        }
        spark_submit = {
            "entryPoint": str(job.entry_point),
            "entryPointArguments": list(job.arguments),
            "sparkSubmitParameters": " ".join(_as_options(settings)),  # none of which holds a blank
        }
        # Settings of others may hold some, and how the service takes a line of options apart is not written down.
        defaults = [{"classification": "spark-defaults", "properties": dict(job.settings)}] if job.settings else []
        parameters = {
            "applicationId": self.application_id,
            "executionRoleArn": self.execution_role_arn,
            "name": _NAME,
            "jobDriver": {"sparkSubmit": spark_submit},
            "configurationOverrides": {
                "applicationConfiguration": defaults,
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"{job.logs}/"}},
            },
        }
        return Call("emr-serverless", "start_job_run", parameters)

    def job_id(self, started: Mapping[str, Any]) -> str:
        """Find the job run's id."""
        return str(started["jobRunId"])

    def ask(self, job_id: str) -> Call:
        """Ask how far the job run is."""
        return Call("emr-serverless", "get_job_run", {"applicationId": self.application_id, "jobRunId": job_id})

    def state(self, asked: Mapping[str, Any]) -> State:
        """Read the state of the job run."""
        run = asked["jobRun"]
        name = run["state"]
        return State(name, run.get("stateDetails") or "", name in {"SUCCESS", "FAILED", "CANCELLED"}, name == "SUCCESS")

    def logs(self, found: Mapping[str, Any], job: Job, job_id: str) -> str:  # noqa: ARG002
        """Say where the driver's logs are."""
        driver = job.logs / f"applications/{self.application_id}/jobs/{job_id}/SPARK_DRIVER"
        return f"{driver}/\n  aws s3 cp {driver}/stdout.gz - | gunzip | tail -n 50\n  aws s3 cp {driver}/stderr.gz - | gunzip"

    def commands(self, job_id: str) -> tuple[str, str]:
        """Look at the job run; cancel it."""
        which = f"--application-id {self.application_id} --job-run-id {job_id}"
        return f"aws emr-serverless get-job-run {which}", f"aws emr-serverless cancel-job-run {which}"


@dataclass(frozen=True)
class Cluster:
    """A cluster of EMR on EC2, on which a job is a step.

    Attributes:
        cluster_id: Which.

    """

    cluster_id: str

    @property
    def place(self) -> str:
        """Where jobs run, in words."""
        return f"cluster {self.cluster_id}"

    def find(self) -> Call:
        """Ask for the cluster."""
        return Call("emr", "describe_cluster", {"ClusterId": self.cluster_id})

    def check(self, found: Mapping[str, Any], machine: str) -> None:  # noqa: ARG002
        """Refuse a cluster that is gone; the service does not say in one answer which processors it has.

        Raises:
            SubmitError: It is gone.

        """
        state = found["Cluster"]["Status"]["State"]
        if state.startswith("TERMINAT"):
            raise SubmitError(f"{self.place} is {state}: make another, as docs/emr.md shows")

    def start(self, job: Job) -> Call:
        """Add a step."""
        settings = {
            "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON": PYTHON,
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON": PYTHON,
            "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
            **job.settings,
        }
        archives = ("--archives", ",".join(job.archives))
        command = ["spark-submit", "--deploy-mode", "cluster", *archives, *_as_options(settings), str(job.entry_point)]
        step = {
            "Name": _NAME,
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": [*command, *job.arguments]},
        }
        return Call("emr", "add_job_flow_steps", {"JobFlowId": self.cluster_id, "Steps": [step]})

    def job_id(self, started: Mapping[str, Any]) -> str:
        """Find the step's id."""
        return str(started["StepIds"][0])

    def ask(self, job_id: str) -> Call:
        """Ask how far the step is."""
        return Call("emr", "describe_step", {"ClusterId": self.cluster_id, "StepId": job_id})

    def state(self, asked: Mapping[str, Any]) -> State:
        """Read the state of the step."""
        status = asked["Step"]["Status"]
        name, details = status["State"], status.get("FailureDetails", {})
        log = details.get("LogFile")
        said = (
            details.get("Reason") or status.get("StateChangeReason", {}).get("Message"),
            details.get("Message"),
            f"({log})" if log else None,
        )
        reason = " ".join(part for part in said if part)
        return State(name, reason, name in {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"}, name == "COMPLETED")

    def logs(self, found: Mapping[str, Any], job: Job, job_id: str) -> str:  # noqa: ARG002
        """Say where the step's logs and, beside them, those of driver and executors are."""
        log_uri = found["Cluster"].get("LogUri")
        if not log_uri:
            return "on the cluster only (/mnt/var/log/hadoop/steps): it was made without --log-uri"
        root = f"{log_uri.replace('s3n://', 's3://').rstrip('/')}/{self.cluster_id}"
        return (
            f"{root}/steps/{job_id}/ (spark-submit), {root}/containers/ (driver and executors); a few minutes late\n"
            f"  aws s3 ls --recursive {root}/containers/"
        )

    def commands(self, job_id: str) -> tuple[str, str]:
        """Look at the step; cancel it, also if it runs already."""
        return (
            f"aws emr describe-step --cluster-id {self.cluster_id} --step-id {job_id}",
            f"aws emr cancel-steps --cluster-id {self.cluster_id} --step-ids {job_id} "
            "--step-cancellation-option SEND_INTERRUPT",
        )


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]


def choose(application_id: str | None, execution_role_arn: str | None, cluster_id: str | None) -> Service:
    """Tell from the ids which of the two is meant.

    Raises:
        SubmitError: Both are, or neither, or half of one.

    """
    if bool(application_id) == bool(cluster_id):
        raise SubmitError(
            "say where the job is to run: either --application-id and --execution-role-arn (EMR Serverless), or --cluster-id "
            "(EMR on EC2). docs/emr.md shows how to make each"
        )
    if cluster_id:
        if execution_role_arn:
            raise SubmitError(
                "--execution-role-arn is for EMR Serverless: a cluster runs steps under the role of its machines"
            )
        return Cluster(cluster_id)
    if not application_id or not execution_role_arn:
        raise SubmitError(
            "--application-id needs --execution-role-arn: the role under which EMR Serverless runs the job, such as "
            "arn:aws:iam::123456789012:role/fruit-features-job"
        )
    return Serverless(application_id, execution_role_arn)
