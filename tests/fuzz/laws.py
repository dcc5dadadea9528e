"""The law of fuzzed cases: a result, a listed problem or an error of mixlab, in time, within the roots."""

import os
import random
import signal
import site
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TypeVar

import pytest
import soundfile

from mixlab.audio.decoding import streams
from mixlab.errors import MixlabError
from tests.conftest import REPO
from tests.test_errors import documented

T = TypeVar("T")

CASE_S = 10.0
"""Longest that a case may compute, in seconds of processor time; most take milliseconds."""

_LIBRARIES = tuple(
    Path(os.path.realpath(place))
    for place in (
        *(REPO / name for name in ("mixlab", "app", "tests", "taxonomy", "configs")),
        *sysconfig.get_paths().values(),
        *site.getsitepackages(),
        sys.prefix,
        sys.base_prefix,
        "/proc",
        "/sys",
        "/dev",
        "/usr/share/zoneinfo",
        Path(tempfile.gettempdir())
        / f"mixlab-numba-{os.getuid()}",  # where numba's imports wait for each other
    )
)


@dataclass
class Seen:
    """What the audit hook saw: files opened, and what no fuzzed input may ever cause."""

    opened: list[Path] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)


_CODES = documented()
_WATCHING: list[Seen] = []
_FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if not _WATCHING:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _WATCHING[-1].opened.append(Path(os.fsdecode(arguments[0])))
    elif event in _FORBIDDEN and not _of_numba():
        _WATCHING[-1].forbidden.append(f"{event}{arguments!r}"[:300])


def _of_numba() -> bool:
    """Tell whether numba reads its own cache of compiled kernels, which are pickles."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if f"{os.sep}numba{os.sep}" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


sys.addaudithook(_note)  # for good: Python takes no hook away

_open_in_c = streams.QuietFile.__init__


def _noted_open(self: soundfile.SoundFile, file: object, *arguments: object, **options: object) -> None:
    """Note what libsndfile opens by its path, of which Python hears nothing."""
    if isinstance(file, str | os.PathLike) and _WATCHING:
        _WATCHING[-1].opened.append(Path(file))
    _open_in_c(self, file, *arguments, **options)


@contextmanager
def watched(*roots: Path) -> Iterator[None]:
    """See to it that a block opens no file outside these roots and the libraries, and starts nothing."""
    seen, patch = Seen(), pytest.MonkeyPatch()
    patch.setattr(streams.QuietFile, "__init__", _noted_open)
    _WATCHING.append(seen)
    try:
        yield
    finally:
        _WATCHING.remove(seen)
        patch.undo()
    allowed = (*(Path(os.path.realpath(root)) for root in roots), *_LIBRARIES)
    places = [(path, Path(os.path.realpath(path))) for path in seen.opened if "\0" not in str(path)]
    outside = [str(path) for path, real in places if not any(real.is_relative_to(a) for a in allowed)]
    assert not outside, f"read outside the roots: {outside[:5]}"
    assert not seen.forbidden, seen.forbidden[:5]


@contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"a case computes for more than {seconds} s")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)


class Law:
    """Counts cases and what became of them."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self.cases = self.refused = 0
        self.slowest_s = 0.0
        self._record = record

    def holds(
        self, case: Callable[[], T], said: str, *, names: str | Path = "", seconds: float = CASE_S
    ) -> T | None:
        """Run a case: its result, or None where an error of mixlab refuses it.

        Args:
            case: What to try.
            said: What was done to the input, for whoever has to repeat it.
            names: What an error must name: the file.
            seconds: Longest that it may compute.
        """
        self.cases += 1
        begin = time.process_time()
        try:
            with _in_time(seconds):
                return case()
        except MixlabError as error:
            self._check(error, said, str(names))
            return None
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            raise AssertionError(f"{said}: {type(error).__name__}: {error}\n{where}") from error
        finally:
            self.slowest_s = max(self.slowest_s, time.process_time() - begin)

    def _check(self, error: MixlabError, said: str, names: str) -> None:
        self.refused += 1
        assert error.code in _CODES, f"{said}: the code {error.code!r} is not documented"
        assert names in str(error), f"{said}: {names} is not named by: {error}"

    def count(self, kind: str) -> None:
        """Hand the counts to the summary at the end of the tests."""
        self._record("fuzz", (kind, self.cases, self.refused, round(self.slowest_s, 3)))


def damaged(data: bytes, rng: random.Random, *, head: int = 160) -> tuple[bytes, str]:
    """Return damaged bytes, and what was done to them."""
    kind = rng.choice(("truncated", "flipped", "header", "cut", "repeated", "filled"))
    out, place = bytearray(data), rng.randrange(max(len(data), 1))
    if not out:
        return b"\0", "filled"
    if kind == "truncated":
        del out[place:]
    elif kind == "flipped":
        for _ in range(rng.randint(1, 12)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == "header":
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(out), head))
            out[at : at + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff" * 4, rng.randbytes(4)))
    elif kind == "cut":
        del out[place : place + rng.randint(1, 4000)]
    elif kind == "repeated":
        out[place:place] = out[place : place + 3000]
    else:
        out[place : place + 500] = bytes([rng.choice((0, 255))]) * 500
    return bytes(out), f"{kind} at {place}"


def changed(data: object, rng: random.Random, values: Sequence[object]) -> tuple[object, str]:
    """Return plain data with one value at a random place in it replaced, or left out; data stays as it is."""
    places = list(_places(data))
    place = rng.choice(places)
    if not place:
        value = rng.choice(values)
        return value, f"all is {value!r:.60}"
    if rng.random() < 0.15:
        return _replaced(data, place, _GONE), f"{place} is gone"
    value = rng.choice(values)
    return _replaced(data, place, value), f"{place} is {value!r:.60}"


_GONE = object()


def _places(data: object) -> Iterator[tuple[object, ...]]:
    yield ()
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield from ((key, *rest) for rest in _places(value))


def _replaced(data: object, place: tuple[object, ...], value: object) -> object:
    if not place:
        return value
    if isinstance(data, dict):
        new = {key: _replaced(x, place[1:], value) if key == place[0] else x for key, x in data.items()}
        return {key: x for key, x in new.items() if x is not _GONE}
    assert isinstance(data, list)
    found = [_replaced(x, place[1:], value) if n == place[0] else x for n, x in enumerate(data)]
    return [x for x in found if x is not _GONE]


VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, -0.0, 10**24, -(10**24), 10**400, 2**63, 1e300, -1e300, 5e-324),
    *(
        float("nan"),
        float("inf"),
        -float("inf"),
        "",
        " ",
        "x",
        "\0",
        "a\nb",
        "\ud800",
        "../../x",
        "/etc/passwd",
    ),
    *("=1+1", "os:system", "__main__:X", "a" * 5000, "\u202e", [], {}, [[]], [None], {"path": "\0"}),
    *({"a": {"b": [1, "2", None]}}, [1] * 50, {"": ""}, "1e999", "0x10", "9" * 400),
)
"""What stands where something else should."""
