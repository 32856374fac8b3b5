"""What the benchmarks share: photos to run on, cold processes and their memory, outputs and tables.

Clusters, stores and the servers of both are those of the tests.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))  # where the package `tests` is
