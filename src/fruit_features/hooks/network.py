"""A network that has to be built is built while Spark starts and the photos are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from fruit_features.networks import ahead

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

    from fruit_features.networks.configuration import NetworkConfiguration


class NetworkHooks:
    """Begins to build the network of a run that has a node for it, unless an earlier run kept it."""

    def __init__(self) -> None:
        self._configuration: NetworkConfiguration | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Note which network the parameters describe."""
        self._configuration = context.params["featurization"].network

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[str, Any]) -> None:
        """Begin, if the network is not there."""
        if self._configuration is None or not any(node.name == "build_network" for node in pipeline.nodes):
            return
        if self._configuration.fingerprint() not in catalog["networks"].load():
            ahead.begin(self._configuration)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Give up what no node has asked for."""
        ahead.give_up()

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Give up what no node has asked for."""
        ahead.give_up()
