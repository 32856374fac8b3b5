"""Ships `dist/` to S3, runs it on Amazon EMR, waits for the end, and shows what came out."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import rich
from kedro.framework.project import pipelines as registry
from kedro.framework.session import KedroSession
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from fruit_features.emr.aws import Aws, Call, Location, SubmitError
from fruit_features.emr.environment import ENGINE_OF_ALL_NODES, too_new
from fruit_features.emr.run import ARCHIVE as CONFIGURATION
from fruit_features.emr.services import Job, choose
from fruit_features.networks.weights import is_on_s3
from fruit_features.parameters import nearest
from fruit_features.terminal import summary
from fruit_features.terminal.wording import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from fruit_features.emr.services import Service, State

logger = logging.getLogger(__name__)

ENTRY_POINT = "run.py"
ENVIRONMENT = "environment-{machine}.tar.gz"
"""What `make package` leaves in `dist/` for a job; the wheel is in the environment already."""

ENV = "emr"
"""The environment of `conf` that a job runs in."""

_PLACES = (
    "images",
    "networks",
    "run_report",
    "pca_features_csv",
    "rejected_images",
    "metadata_mismatches",
    "explained_variance",
    "report",
)

SECONDS_BETWEEN_CHECKS = 5.0
SECONDS_BETWEEN_LINES = 60.0


class StoppedWaitingError(Exception):
    """Ctrl-C ended the waiting, not the job."""


@dataclass(frozen=True)
class Artifact:
    """A file of `dist/` and its place on S3. The place's name holds the file's digest, so a job finds the bytes it was given.

    Attributes:
        file: The file on this machine.
        location: Where it is uploaded to.

    """

    file: Path
    location: Location

    def look_up(self) -> Call:
        """Ask whether the file has been uploaded already."""
        return Call("s3", "head_object", {"Bucket": self.location.bucket, "Key": self.location.key})

    def upload(self) -> Call:
        """Upload the file."""
        parameters = {"Filename": str(self.file), "Bucket": self.location.bucket, "Key": self.location.key}
        return Call("s3", "upload_file", parameters)


@dataclass(frozen=True)
class Submission:
    """A job that has been checked and not submitted yet.

    Attributes:
        service: Who runs the job.
        root: Under which artifacts and logs go.
        artifacts: What has to be there before the job.
        job: What is to run.
        machine: For which processors the environment was made.
        places: URI of what is looked at before and after, by its name in the catalog.
        configuration: Fingerprint of the network that the pipeline needs, or None if it needs none.

    """

    service: Service
    root: Location
    artifacts: tuple[Artifact, ...]
    job: Job
    machine: str
    places: Mapping[str, str]
    configuration: str | None

    @property
    def networks(self) -> Location:
        """Where runs keep their networks."""
        return Location.parse(self.places["networks"])

    def find_bucket(self) -> Call:
        """Ask for the bucket."""
        return Call("s3", "head_bucket", {"Bucket": self.root.bucket})

    def list_networks(self) -> Call:
        """List the files of the networks that earlier runs kept."""
        return Call("s3", "list_objects_v2", {"Bucket": self.networks.bucket, "Prefix": f"{self.networks.key}/"})

    def read_network(self, name: str) -> Call:
        """Read a network's record."""
        location = self.networks / name
        return Call("s3", "get_object", {"Bucket": location.bucket, "Key": location.key})

    def find_report(self) -> Call:
        """Ask for the report of an earlier run."""
        return Call("s3", "head_object", self._report)

    def read_report(self) -> Call:
        """Read the report."""
        return Call("s3", "get_object", self._report)

    @property
    def _report(self) -> dict[str, str]:
        location = Location.parse(self.places["run_report"])
        return {"Bucket": location.bucket, "Key": location.key}

    def calls(self) -> list[Call]:
        """List the calls in their order; what is not known yet stands in angle brackets, and `ask` is made many times."""
        return [
            self.service.find(),
            self.find_bucket(),
            *([self.list_networks(), self.read_network("<id of each>/network.json")] if self.configuration else []),
            *(call for artifact in self.artifacts for call in (artifact.look_up(), artifact.upload())),
            self.find_report(),
            self.service.start(self.job),
            self.service.ask("<id of the job>"),
            self.read_report(),
        ]


def prepare(
    *,
    s3_root: str,
    application_id: str | None,
    execution_role_arn: str | None,
    cluster_id: str | None,
    dist: Path,
    machine: str,
    params: str,
    given: Mapping[str, Any],
    pipelines: str | None,
    settings: Mapping[str, str],
) -> Submission:
    """Check everything that can be checked here, and describe the job; no call is made.

    Args:
        s3_root: `s3://bucket/prefix`, under which everything goes.
        application_id: Of EMR Serverless, or
        execution_role_arn: with this role,
        cluster_id: of EMR on EC2.
        dist: What `make package` made.
        machine: `x86_64` or `aarch64`.
        params: Run-time parameters as `kedro run` takes them.
        given: The same, as Kedro reads them.
        pipelines: Names of pipelines, with commas between them, or None for all stages.
        settings: More settings of Spark.

    Raises:
        SubmitError: Something is missing, or makes no sense.

    """
    service = choose(application_id, execution_role_arn, cluster_id)
    if not s3_root.startswith("s3://") or re.search(r"[\s,#]", s3_root):  # three that part options, parameters and archives
        raise SubmitError(f"--s3-root {s3_root}: it looks like s3://my-bucket/fruits, without blanks, commas and #")
    root = Location.parse(s3_root)
    names = (ENTRY_POINT, CONFIGURATION, environment := ENVIRONMENT.format(machine=machine))
    _check_dist(dist, names)
    roots = {"images_root": (root / "images").spark_uri, "output_root": (root / "output").spark_uri}
    places, configuration = _read_conf({**roots, **given}, pipelines, machine)
    all_params = [f"{name}={uri}" for name, uri in roots.items() if name not in given] + ([params] if params else [])
    only = ["--pipelines", pipelines] if pipelines else []
    artifacts = {name: _address(dist / name, root) for name in names}
    job = Job(
        entry_point=artifacts[ENTRY_POINT].location,
        arguments=("--env", ENV, *only, "--params", ",".join(all_params)),
        archives=(f"{artifacts[environment].location}#environment", f"{artifacts[CONFIGURATION].location}#conf"),
        settings=settings,
        logs=root / "logs",
    )
    return Submission(service, root, tuple(artifacts.values()), job, machine, places, configuration)


def _check_dist(dist: Path, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not (dist / name).is_file()]
    if missing:
        present = sorted(path.name for path in dist.glob(ENVIRONMENT.format(machine="*")))
        hint = f" There is {' and '.join(present)}: which --machine is meant?" if present and names[-1] in missing else ""
        raise SubmitError(
            f"{dist}/ lacks {', '.join(missing)}: `make package` makes it, for the processor of the machine that it runs on."
            f"{hint}"
        )


def _read_conf(runtime_params: Mapping[str, Any], pipelines: str | None, machine: str) -> tuple[dict[str, str], str | None]:
    """Let Kedro check the parameters as it would in the job.

    Returns:
        URIs, by their names in the catalog, and the fingerprint of the network's configuration, if the pipeline needs one.

    """
    names = pipelines.split(",") if pipelines else ["__default__"]
    for name in names:
        if name not in registry:
            raise SubmitError(f"unknown pipeline {name!r}: {nearest(name, registry)}")
    with KedroSession.create(env=ENV, runtime_params=dict(runtime_params)) as session:
        context = session.load_context()  # type: ignore[attr-defined]
    parameters, catalog = context.params["featurization"], context.config_loader["catalog"]
    if parameters.weights != "imagenet" and not is_on_s3(parameters.weights):
        raise SubmitError(
            f"featurization.weights={parameters.weights} is a file of this machine, which a job does not see. Upload it "
            "(`aws s3 cp FILE s3://BUCKET/KEY`), and give featurization.weights=s3://BUCKET/KEY"
        )
    needs_network = any("networks" in registry[name].inputs() for name in names)
    if needs_network and parameters.engine in too_new(machine):
        raise SubmitError(
            f"featurization.engine={parameters.engine} does not run on EMR's nodes of {machine}: give --params "
            f"featurization.engine={ENGINE_OF_ALL_NODES}, and build the network with it too"
        )
    places: dict[str, str] = {name: catalog[name]["filepath"] for name in _PLACES}
    for place in places.values():
        Location.parse(place)
    return places, parameters.network.fingerprint() if needs_network else None


def _address(file: Path, root: Location) -> Artifact:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Artifact(file, root / "dist" / digest[:16] / file.name)


def as_json(calls: list[Call]) -> str:
    """Write calls as a JSON list of service, operation and parameters."""
    return json.dumps([asdict(call) for call in calls], indent=2)


def submit(submission: Submission, aws: Aws, console: Console | None = None) -> None:
    """Upload what is not there yet, run the job to its end, and show its report.

    Args:
        submission: What `prepare` made.
        aws: Makes the calls.
        console: Rich's, by default the one of this process.

    Raises:
        SubmitError: Something is wrong with what was asked for, or the job failed.
        StoppedWaitingError: Ctrl-C, while the job runs.

    """
    console = console or rich.get_console()
    service = submission.service
    found = aws.make(service.find())
    service.check(found, submission.machine)
    if aws.find(submission.find_bucket()) is None:
        bucket = submission.root.bucket
        raise SubmitError(f"there is no bucket {bucket}: `aws s3 mb s3://{bucket} --region {aws.region}` makes one")
    if submission.configuration is not None:
        _check_network(submission, submission.configuration, aws)
    for artifact in submission.artifacts:
        if aws.find(artifact.look_up()) is None:
            _upload(artifact, aws, console)
        else:
            logger.info("%s is there already", artifact.location)
    earlier = aws.find(submission.find_report())
    job_id = service.job_id(aws.make(service.start(submission.job)))
    state = _wait(service, job_id, aws, console)
    if not state.is_success:
        reason = state.reason.strip() or "the service gives no reason"
        raise SubmitError(
            f"job {job_id} on {service.place} ended as {state.name}: {reason}\n"
            f"Its logs: {service.logs(found, submission.job, job_id)}"
        )
    _show_report(submission, earlier, aws, console)


def _check_network(submission: Submission, configuration: str, aws: Aws) -> None:
    """See that a run has kept the network: what runs on a cluster has no Keras to build it with."""
    networks = submission.networks
    for found in aws.make(submission.list_networks()).get("Contents", []):
        name = found["Key"].removeprefix(f"{networks.key}/")
        if name.endswith("/network.json"):
            record = json.load(aws.make(submission.read_network(name))["Body"])
            if record["configuration"] == configuration:
                return
    raise SubmitError(
        f"{networks}/ has no network for these parameters, and a job cannot build it. Build it here, on some photos, with the "
        f"same featurization parameters, and upload it:\n"
        f"  kedro run --params images_root=FOLDER,output_root=data/emr\n"
        f"  aws s3 sync data/emr/06_models/networks {networks}"
    )


def _upload(artifact: Artifact, aws: Aws, console: Console) -> None:
    size = artifact.file.stat().st_size
    logger.info("Uploading %s (%.1f MB) to %s", artifact.file, size / 1e6, artifact.location)
    columns = (TextColumn(artifact.file.name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("upload", total=size)
        aws.make(artifact.upload(), Callback=lambda n_bytes: progress.advance(task, n_bytes))


def _wait(service: Service, job_id: str, aws: Aws, console: Console) -> State:
    look, cancel = (f"{command} --region {aws.region}" for command in service.commands(job_id))
    goes_on = f"Job {job_id} goes on. To look at it:\n  {look}\nTo cancel it:\n  {cancel}"
    try:
        logger.info("Job %s started on %s", job_id, service.place)
        with _telling(console) as tell:
            while True:
                time.sleep(SECONDS_BETWEEN_CHECKS)
                state = service.state(aws.make(service.ask(job_id)))
                tell(f"job {job_id}: {state.name}", state.name)
                if state.has_ended:
                    return state
    except KeyboardInterrupt:
        raise StoppedWaitingError(goes_on) from None
    except SubmitError as error:
        raise SubmitError(f"{error}\n{goes_on}") from error


@contextmanager
def _telling(console: Console) -> Iterator[Callable[[str, str], None]]:
    """Tell how far the job is: a live line in a terminal, else a line in the log at every change and now and then."""
    started = time.monotonic()
    said, said_at = "", 0.0

    def elapsed() -> str:
        return duration(time.monotonic() - started)

    def log(line: str, state: str) -> None:
        nonlocal said, said_at
        now = time.monotonic()
        if state != said or now - said_at >= SECONDS_BETWEEN_LINES:
            said, said_at = state, now
            logger.info("%s after %s", line, elapsed())

    if not console.is_terminal:
        yield log
        return
    with console.status("waiting") as status:
        yield lambda line, _: status.update(f"{line}, {elapsed()}")


def _show_report(submission: Submission, earlier: dict[str, Any] | None, aws: Aws, console: Console) -> None:
    report = aws.find(submission.read_report())
    if report is None or (earlier is not None and report["ETag"] == earlier["ETag"]):
        logger.info("The job ended well. It left no report at %s: the pipeline writes none", submission.places["run_report"])
        return
    tables = {name: place for name, place in submission.places.items() if name != "report"}  # no browser opens s3a://
    summary.show(json.load(report["Body"]), tables, console)
    page = Location.parse(submission.places["report"])
    console.print(f"\nA page that shows it: aws s3 cp {page} .", soft_wrap=True, highlight=False, markup=False)
