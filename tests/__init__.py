"""Tests, shelved by what they need; CONTRIBUTING.md says what stands where."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")

# Processes that run side by side share the cores. The threads of several OpenBLAS pools then wait for each other in busy
# loops: the eigenvectors of a 1280 x 1280 matrix took 34 seconds so, and take half a second with one thread each. numpy reads
# the variable when it is first imported, which is after this module.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
