"""A progress bar for songs, tracks and clips that are made."""

import sys

__all__ = ["ItemBar"]


class ItemBar:
    """A progress bar on stderr that opens with the first item; silent where stderr is no terminal."""

    def __init__(self, name: str, unit: str = "item") -> None:
        self._name, self._unit = name, unit

    def __enter__(self) -> "ItemBar":
        from tqdm import tqdm

        self._bar = tqdm(unit=self._unit, desc=self._name, disable=not sys.stderr.isatty(), leave=False)
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def __call__(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` items are there."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
