"""Parameters are checked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from fruit_features.parameters import nearest

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext

    from fruit_features.networks.configuration import NetworkConfiguration

ROOTS = frozenset({"images_root", "output_root", "models_root"})
"""Run-time parameters that `conf/base/catalog.yml` reads; all others but `FORCE` belong to a pipeline."""


FORCE = "force"
"""Run-time parameter that `hooks.up_to_date` reads: run even if nothing has changed."""


def top_level_parameter(name: str) -> str:
    """Name of the group of parameters that an input such as `params:reduction.n_components` belongs to."""
    return name.removeprefix("params:").partition(".")[0]


class ParameterHooks:
    """Refuses parameters that nothing reads; what stands inside a pipeline's parameters is checked by their types."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Check the top-level names, and let Kedro build the typed parameters.

        Raises:
            ValueError: A parameter has a name that no node and no catalog entry reads, or a value that cannot be right.

        """
        free_inputs = {name for pipeline in pipelines.values() for name in pipeline.inputs()}
        known = ROOTS | {FORCE} | {top_level_parameter(name) for name in free_inputs if name.startswith("params:")}
        for name in context.config_loader["parameters"]:
            if name not in known:
                raise ValueError(f"unknown parameter {name!r}: {nearest(name, known)}")
        force = context.config_loader["parameters"].get(FORCE, False)
        if not isinstance(force, bool):
            raise ValueError(f"force={force!r}: allowed are true and false, as in kedro run --params force=true")  # noqa: TRY004
        # Reading them checks every typed parameter: a bad one stops the run before Spark starts.
        _check_n_components(context.params["reduction"].n_components, context.params["featurization"].network)


def _check_n_components(n_components: int | None, network: NetworkConfiguration) -> None:
    """Refuse more components than the network gives features: no single stage's parameters can know that.

    A network in a file is looked at for that, so that one that cannot be used is refused here.

    Raises:
        ValueError: There are fewer features than components asked for, or a network in a file cannot be used.

    """
    n_features = network.n_features()
    if n_components is not None and n_components > n_features:
        raise ValueError(
            f"reduction.n_components={n_components}: {network.backbone} gives {n_features} features a photo, and there are no "
            f"more components than that. Give a number from 1 to {n_features}"
        )
