"""The reader of photos as an entry of the catalog."""

from __future__ import annotations

from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from fruit_features.photos.reading import PhotoReader


class PhotoReaderDataset(AbstractDataset[NoReturn, PhotoReader]):
    """Loads what reads photos by the paths of a listing: on the driver and, as it holds settings alone, on workers.

    Args:
        n_ahead: Photos that are fetched at once: while some are on their way, others are decoded.
        fs_args: Keyword arguments of `pyarrow.fs.S3FileSystem`, such as `endpoint_override`; local folders need none.
        credentials: Some more of them; without any, the standard AWS chain finds them.
        metadata: Ignored here; Kedro-Viz reads it.

    Attributes:
        loaded_identity: The same as `identify` always says.

    """

    loaded_identity: str | None = "reads the photos of the listing"

    def __init__(
        self,
        *,
        n_ahead: int,
        fs_args: dict[str, Any] | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        given = {**(fs_args or {}), **(credentials or {})}
        self._reader = PhotoReader(n_ahead, {name: value for name, value in given.items() if value is not None})
        self.metadata = metadata

    def load(self) -> PhotoReader:
        """Load the reader; it opens nothing yet."""
        return self._reader

    def identify(self) -> str | None:
        """Say that it holds no data of its own: its settings are those of the catalog, and the photos those of the listing."""
        return self.loaded_identity

    def save(self, data: NoReturn) -> NoReturn:  # noqa: ARG002
        """Refuse: photos are read only."""
        raise DatasetError("photos are read only: nothing is saved through photo_reader")

    def _describe(self) -> dict[str, Any]:
        return {"n_ahead": self._reader.n_ahead}
