"""What was made last and may be asked for again, as much of it as some memory holds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["MB", "BoundedCache"]

MB = 1 << 20

T = TypeVar("T")


class BoundedCache(Generic[T]):
    """Keeps what was asked for last, up to a number of bytes; the last is kept however large it is.

    Streamlit's caches count entries: 64 mixes of 4 s take 100 MB, and of 30 s in stereo several GB. As in
    those, what several sessions ask for at once is made once.

    Args:
        max_bytes: What all that is kept may take.
        size: How many bytes a value takes.
    """

    def __init__(self, max_bytes: int, size: Callable[[T], int]) -> None:
        self._max_bytes = max_bytes
        self._size = size
        self._lock = Lock()
        self._found: OrderedDict[Hashable, Future[T]] = OrderedDict()
        self._bytes: dict[Hashable, int] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it; an error of ``make`` is raised and not kept."""
        while True:
            with self._lock:
                found = self._found.get(key)
                mine = found is None
                if found is None:
                    found = self._found[key] = Future()
                self._found.move_to_end(key)
            if mine:
                self._make(key, found, make)
            try:
                return found.result()
            except CancelledError:  # the session that was making it was ended
                continue

    def _make(self, key: Hashable, found: "Future[T]", make: Callable[[], T]) -> None:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._found[key]
            if isinstance(error, Exception):
                found.set_exception(error)
            else:
                found.cancel()
            raise
        found.set_result(value)
        with self._lock:
            self._bytes[key] = self._size(value)
            for old in list(self._found):
                if sum(self._bytes.values()) <= self._max_bytes:
                    return
                if old in self._bytes and old != key:  # others are being made
                    del self._found[old], self._bytes[old]
