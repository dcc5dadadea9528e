"""What became of one item of a parallel map, and how an item is worked on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from mixlab.errors import MixlabError

__all__ = ["DIED", "Outcome", "call_item"]

T = TypeVar("T")
R = TypeVar("R")

DIED = "the worker process died on it (killed, or out of memory)"
"""What is said of an item that ends the process that works on it."""


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of one item.

    Attributes:
        index: Position of the item in the sequence that was given.
        value: Result of the function; None when it failed.
        error: '' when all is well, else what went wrong in words.
    """

    index: int
    value: R | None
    error: str = ""

    def get(self) -> R:
        """Return the result.

        Raises:
            MixlabError: the function raised, or its process died.
        """
        if self.error:
            raise MixlabError(f"Item {self.index} failed: {self.error}", code="items-failed")
        return cast("R", self.value)


def call_item(function: Callable[[T], R], index: int, item: T) -> Outcome[R]:
    """Return what becomes of an item; whatever its function raises is told, not raised."""
    try:
        return Outcome(index, function(item))
    except Exception as error:  # any failure is reported, none ends the run
        name = "" if isinstance(error, MixlabError) else f"{type(error).__name__}: "
        return Outcome(index, None, f"{name}{error}" or type(error).__name__)
