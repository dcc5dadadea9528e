"""How far long work is, said by whoever does it to whoever wants to know.

What measures files or trains epochs calls ``tell_progress``; nothing happens unless a block of
``reported_to`` is open around it in the same process.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Listener", "reported_to", "tell_progress"]

Listener = Callable[[str, int, int], None]
"""Of what is being done, how much of it is done, and how much there is; 0 where that is not known."""

_listeners: list[Listener] = []


def tell_progress(what: str, done: int, total: int) -> None:
    """Say how far something is.

    Args:
        what: What is being done, for people: ``measuring files``.
        done: How much of it is done.
        total: How much there is; 0 where that is not known.
    """
    for listener in _listeners:
        listener(what, done, total)


@contextmanager
def reported_to(listener: Listener) -> Iterator[None]:
    """Call a function with everything that is reported while the ``with`` block lasts."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
