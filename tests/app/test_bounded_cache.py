"""What the explorer keeps of mixes is bounded by the memory that it takes, not by how many there are."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from app.data import mixes as mix_data
from app.data import stream as stream_data
from app.data.bounded_cache import MB, BoundedCache
from app.data.mixes import Location
from app.links import Item
from mixlab import Catalog


def test_what_was_asked_for_last_is_kept_up_to_so_many_bytes() -> None:
    made: list[str] = []

    def maker(name: str, size: int) -> Callable[[], bytes]:
        return lambda: made.append(name) or bytes(size)  # type: ignore[func-returns-value]

    kept: BoundedCache[bytes] = BoundedCache(10, len)
    for name, size in (("a", 4), ("b", 4), ("a", 4), ("c", 4)):  # c makes 12 bytes, and b is the oldest
        assert len(kept.get(name, maker(name, size))) == size
    assert made == ["a", "b", "c"]
    kept.get("a", maker("a", 4))
    kept.get("b", maker("b", 4))
    assert made == ["a", "b", "c", "b"]
    kept.get("large", maker("large", 99))  # kept alone, so that it can be looked at
    kept.get("large", maker("large", 99))
    assert made[4:] == ["large"]
    kept.get("b", maker("b", 4))
    assert made[5:] == ["b"]


def test_an_error_is_not_kept_and_two_that_ask_at_once_get_one() -> None:
    kept: BoundedCache[int] = BoundedCache(10, lambda _: 1)
    with pytest.raises(ZeroDivisionError, match="division"):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 7) == 7
    begun, go, made = threading.Event(), threading.Event(), []

    def slow() -> int:
        made.append(1)
        begun.set()
        assert go.wait(30)
        return 3

    threads = [threading.Thread(target=kept.get, args=("b", slow)) for _ in range(2)]
    threads[0].start()
    assert begun.wait(30)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert kept.get("b", slow) == 3
    assert made == [1]


class _Ended(BaseException):
    """As Streamlit's, by which it ends the run of a script."""


def test_who_waits_for_a_session_that_is_ended_makes_it_anew() -> None:
    kept: BoundedCache[int] = BoundedCache(10, lambda _: 1)
    begun, go, got = threading.Event(), threading.Event(), []

    def ended() -> int:
        begun.set()
        assert go.wait(30)
        raise _Ended("left")

    def first() -> None:
        with pytest.raises(_Ended, match="left"):
            kept.get("a", ended)

    threads = [
        threading.Thread(target=first),
        threading.Thread(target=lambda: got.append(kept.get("a", int))),
    ]
    threads[0].start()
    assert begun.wait(30)
    (waited_for,) = kept._found.values()
    threads[1].start()
    while not waited_for._condition._waiters:  # type: ignore[attr-defined]
        time.sleep(0.01)
    go.set()
    for thread in threads:
        thread.join(30)
    assert got == [0]


def test_mixes_that_are_played_are_forgotten_by_their_size(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = Path(toy.path) / "catalog.json"
    location = Location(str(toy.path), marker.stat().st_mtime_ns)
    item = Item(p=1.0, seed=77, index=0, split="train")
    size = mix_data._sound_bytes(mix_data.get_mix(location, item))
    mix = mix_data.get_mix(location, item)
    assert size == mix.mixture.nbytes * (1 + len(mix.sources))
    assert mix_data._sound_bytes(mix) < mix_data._MIXES._max_bytes == 512 * MB
    assert mix_data.get_mix(location, item) is mix
    assert len(stream_data.get_sound(location, item)) > 1000
    monkeypatch.setattr(mix_data, "_MIXES", BoundedCache(size, mix_data._sound_bytes))
    first = mix_data.get_mix(location, item)
    np.testing.assert_array_equal(first.mixture, mix.mixture)
    for index in range(1, 4):
        mix_data.get_mix(location, Item(p=1.0, seed=77, index=index, split="train"))
    assert sum(mix_data._MIXES._bytes.values()) <= max(size, *mix_data._MIXES._bytes.values())
    assert mix_data.get_mix(location, item) is not first
