"""Kedro project settings."""

from fruit_features.hooks import ParameterHooks, RunReportHooks, SparkHooks

HOOKS = (ParameterHooks(), SparkHooks(), RunReportHooks())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "spark": "soft"},  # an environment states only what differs
    "config_patterns": {"spark": ["spark*", "spark*/**"]},
}
