"""Parameters that these tests start from."""

from tests.support.featurization import parameters

__all__ = ["parameters"]
