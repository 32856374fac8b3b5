"""The tables that a run in the middle begins with: whether they are there, and belong to its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kedro.framework.project import pipelines
from kedro.io import DatasetError

from fruit_features.networks.configuration import describe_differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from fruit_features.networks.network import StoredNetwork
    from fruit_features.pipelines.featurization.parameters import FeaturizationParameters

STAGES: Final = ("ingestion", "featurization", "reduction", "export", "findings", "reporting")
"""Pipelines that write tables for others, in the order in which they run."""

_WRITERS: Final = (*STAGES, "corrections")
"""These, and what is run on request and writes a table for another such pipeline."""

_MAY_BE_ABSENT: Final = frozenset(
    {
        "images",
        "metadata",
        "photo_reader",
        "networks",
        "known_photos",
        "known_features",
        "photo_index",
        "feature_store",
        "run_record",
    }
)
"""Inputs that no stage writes, or that are not there yet in a first run."""

_NEEDS_NETWORK: Final = frozenset({"vacuum_store"})
"""Nodes that look a network up and build none."""


class StageInputs:
    """Refuses a run that begins with tables which are missing, or which belong to other featurization parameters.

    Args:
        places: Where tables lie.
        parameters: The run's.

    """

    def __init__(self, places: dict[str, str], parameters: FeaturizationParameters) -> None:
        self._filepaths = places
        self._parameters = parameters

    def check(self, pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
        """Look at what the run begins with.

        Raises:
            FileNotFoundError: A table that an earlier stage writes is not there.
            ValueError: A table belongs to other featurization parameters than this run's, or is kept by no run.

        """
        begins_with = {
            name for name in pipeline.inputs() if not name.startswith(("params:", "parameters")) and name not in _MAY_BE_ABSENT
        }
        self._check_presence(begins_with)
        builds_network = any(node.name == "build_network" for node in pipeline.nodes)
        needs_network = any(node.name in _NEEDS_NETWORK for node in pipeline.nodes)
        found = dict(self._fingerprints(begins_with, catalog))
        if found or (needs_network and not builds_network):
            self._check_fingerprints(found, catalog.load("networks"), builds_network=builds_network)

    def _check_presence(self, begins_with: set[str]) -> None:
        for name in sorted(name for name in begins_with if not self._is_kept(name)):
            raise ValueError(
                f"this run begins with {name!r}, which no run keeps for the next. Begin where it is made: "
                f"kedro run --from-nodes {','.join(sorted(self._first_nodes({name})))}"
            )
        missing = {name for name in begins_with if not _exists(self._filepaths[name])}
        if missing:
            stages = ",".join(self._stages_that_write(missing))
            places = ", ".join(f"{name} ({self._filepaths[name]})" for name in sorted(missing))
            raise FileNotFoundError(
                f"this run begins with what an earlier one has to leave, and this is not there: {places}. Run the stages that "
                f"write it first, with the same --env and --params: kedro run --pipelines {stages}"
            )

    def _is_kept(self, name: str) -> bool:
        """Whether a run can read what an earlier one saved under this name; `network` gives each run its own only."""
        return name.startswith("params:") or (name in self._filepaths and name != "network") or name in _MAY_BE_ABSENT

    def _first_nodes(self, names: set[str]) -> set[str]:
        """Name the nodes to begin with so that these tables, which no run keeps, are made."""
        makers = [node for known in pipelines.values() for node in known.nodes if names & {*node.outputs}]
        first: set[str] = set()
        for node in makers:
            unkept = {name for name in node.inputs if not self._is_kept(name)}
            first |= self._first_nodes(unkept) if unkept else {node.name}
        return first

    def _stages_that_write(self, missing: set[str]) -> list[str]:
        """Name the stages that write tables, and those that write what these stages need in their turn, in running order."""
        wanted, stages = self._places_of(missing), []
        for stage in reversed(_WRITERS):
            if self._places_of(pipelines[stage].all_outputs()) & wanted:
                stages.append(stage)
                needed = self._places_of(pipelines[stage].inputs() - _MAY_BE_ABSENT)
                wanted |= {place for place in needed if not _exists(place)}
        return stages[::-1]

    def _places_of(self, names: set[str]) -> set[str]:
        """Return where tables lie; two names may stand for one."""
        return {self._filepaths[name] for name in names & self._filepaths.keys()}

    def _fingerprints(self, begins_with: set[str], catalog: CatalogProtocol[str, Any]) -> Iterator[tuple[str, str]]:
        """Read the fingerprints of the tables that have one; a table of no photos has none."""
        if "featurized_photos" in begins_with:
            fingerprint = _first_fingerprint(self._filepaths["featurized_photos"])
            if fingerprint is not None:
                yield "featurized_photos", fingerprint
        if "pca_model" in begins_with:
            yield "pca_model", str(self._load("pca_model", catalog)["fingerprint"].iloc[0])
        if "photo_counts" in begins_with:
            yield "photo_counts", str(self._load("photo_counts", catalog).get("fingerprint"))

    def _load(self, name: str, catalog: CatalogProtocol[str, Any]) -> Any:
        """Load a small table.

        Raises:
            ValueError: It is damaged.

        """
        try:
            return catalog.load(name)
        except DatasetError as error:
            (stage,) = (stage for stage in STAGES if name in pipelines[stage].all_outputs())
            cause: BaseException = error  # Kedro wraps it twice, with all arguments of the dataset
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise ValueError(_unreadable(self._filepaths[name], str(cause), STAGES[1 : STAGES.index(stage) + 1])) from error

    def _check_fingerprints(
        self, found: Mapping[str, str], networks: Mapping[str, StoredNetwork], *, builds_network: bool
    ) -> None:
        configuration = self._parameters.network.fingerprint()
        network = networks.get(configuration)
        if network is not None:
            expected = network.fingerprint
        elif not builds_network:
            raise ValueError(
                "there is no network of these featurization parameters under "
                f"{self._filepaths['networks']}: run the featurization with them first (kedro run --pipelines "
                f"ingestion,featurization), or give the parameters of an earlier run.{self._name_others(networks)}"
            )
        elif self._parameters.precision == "int8":
            raise ValueError(
                f"there is no int8 network of these parameters under {self._filepaths['networks']}. One that is calibrated on "
                "other photos would not belong to the PCA model: copy the networks of the run that fitted the model there (or "
                "name its folder by models_root), or give that run's parameters"
            )
        else:
            expected = configuration
        by_fingerprint = {stored.fingerprint: stored for stored in networks.values()}
        for name, fingerprint in found.items():
            if fingerprint != expected:
                stored = by_fingerprint.get(fingerprint)
                differences = describe_differences(stored.parameters if stored else {}, self._parameters.model_dump())
                (stage,) = (stage for stage in STAGES if name in pipelines[stage].all_outputs())
                stages = ",".join(STAGES[1 : STAGES.index(stage) + 1])
                raise ValueError(
                    f"{name} belongs to network {fingerprint}, and these parameters to network {expected}: {differences}. "
                    f"Give the --env and --params of the run that wrote it, or write it anew: kedro run --pipelines {stages}"
                )

    def _name_others(self, networks: Mapping[str, StoredNetwork]) -> str:
        described = [describe_differences(stored.parameters, self._parameters.model_dump()) for stored in networks.values()]
        return f" The networks that are there differ: {'; or '.join(described)}" if described else ""


def _exists(filepath: str) -> bool:
    """Whether something lies there, by fsspec as Kedro's datasets look at it."""
    import fsspec

    file_system, path = fsspec.core.url_to_fs(filepath)
    return bool(file_system.exists(path))


def _first_fingerprint(filepath: str) -> str | None:
    """Read the fingerprint of a Parquet table's first row; all its rows have the same.

    Raises:
        ValueError: The table cannot be read.

    """
    import fsspec
    import pyarrow as pa
    import pyarrow.dataset as ds

    file_system, path = fsspec.core.url_to_fs(filepath)
    parquet = ds.ParquetFileFormat(
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    )
    try:
        rows = ds.dataset(path, format=parquet, filesystem=file_system).head(1, columns=["fingerprint"])
    except (OSError, pa.ArrowInvalid) as error:
        raise ValueError(_unreadable(filepath, str(error), ("ingestion", "featurization"))) from error
    fingerprint: str | None = rows.column("fingerprint")[0].as_py() if len(rows) else None
    return fingerprint


def _unreadable(filepath: str, cause: str, stages: Iterable[str]) -> str:
    return f"{filepath} cannot be read ({cause}). Delete it, and write it anew: kedro run --pipelines {','.join(stages)}"
