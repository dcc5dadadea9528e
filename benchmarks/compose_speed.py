"""Measure how fast ``mixlab compose`` is, and what takes the time, in one table.

    python -m benchmarks.compose_speed NOTES [--songs 6] [--seconds 30] [--soundfont FILE]

``NOTES`` is a folder of libraries of recorded notes, as ``make notes`` fetches. Songs are made twice in one
process; the second time counts: recordings are read and kernels compiled then. Times are processor seconds,
which a busy machine lengthens as well, though less than the clock. Speed is given in seconds of finished song
and in seconds of stems. By Amdahl's law a step that takes the part p of the time cannot make the whole faster
than 1 / (1 - p) times, which is the last column.
"""

import argparse
import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import one_core  # noqa: F401 - before what it keeps to one core
from mixlab.synthesis.modelled import ModelledPlayers
from mixlab.synthesis.notes import song
from mixlab.synthesis.notes.amplifier import AmplifiedPlayer
from mixlab.synthesis.notes.casting import SoundFontPlayer
from mixlab.synthesis.notes.making import make_orchestra, plan_composed
from mixlab.synthesis.notes.reading import find_libraries
from mixlab.synthesis.notes.sampler import RecordedPlayer
from mixlab.synthesis.plucked import PluckedPlayer
from mixlab.synthesis.singing import Choir, Singer
from mixlab.synthesis.synthesizers import PatchPlayer

STEPS = (
    ("scores", song, "compose"),
    ("recorded notes", RecordedPlayer, "play"),
    ("voices", Singer, "play"),
    ("voices", Choir, "play"),
    ("synthesizers", PatchPlayer, "play"),
    ("plucked bass, pizzicato", PluckedPlayer, "play"),
    ("SoundFont", SoundFontPlayer, "play"),
    ("amplifiers", AmplifiedPlayer, "play"),
    ("equaliser, compressor, level", song, "shape_stem"),
    ("balance of the mix", song, "balance_sections"),
    ("balance of the mix", song, "filter_part"),
    ("room and place", song, "place_stem"),
    ("glue and limiter", song, "master_gains"),
    ("16 bits", song, "master_stem"),
    ("FLAC", song, "encode_flac"),
)
"""What is timed, and where it is found."""


class Clock:
    """Processor seconds by step; what is called within a step is taken from it."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed as a part of a step."""

        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the function takes
            self._inner.append(0.0)
            started = time.process_time()
            try:
                return function(*args, **options)
            finally:
                spent = time.process_time() - started
                self.spent[step] += spent - self._inner.pop()
                self._inner[-1] += spent

        return call


@contextlib.contextmanager
def timing(clock: Clock) -> Iterator[None]:
    """Time the steps for as long as the ``with`` block lasts."""
    with contextlib.ExitStack() as stack:
        for step, owner, name in STEPS:
            stack.enter_context(mock.patch.object(owner, name, clock.timed(step, getattr(owner, name))))
        yield


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notes", type=Path)
    parser.add_argument("--songs", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--soundfont", type=Path, action="append", default=[])
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    orchestra = make_orchestra(find_libraries([options.notes]), [ModelledPlayers()], options.soundfont)
    plans = plan_composed(orchestra.seats, options.songs, options.seed, 0.0)
    stems = sum(len(plan.ensemble.parts) for plan in plans)
    clock, whole = Clock(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        first = time.process_time()
        for plan in plans:
            song.write_composed(plan, options.seconds, orchestra, Path(folder) / "first" / plan.id)
        first = time.process_time() - first
        with timing(clock):
            whole = time.process_time()
            for plan in plans:
                song.write_composed(plan, options.seconds, orchestra, Path(folder) / "second" / plan.id)
            whole = time.process_time() - whole
    clock.spent["the rest: sums, files, tables"] = whole - sum(clock.spent.values())
    length = options.songs * options.seconds
    print(f"{options.songs} songs of {options.seconds:g} s, {stems} stems, seed {options.seed}")
    print(f"first time {first:.2f} s (reads recordings, compiles what is not compiled), then {whole:.2f} s:")
    print(f"{length / whole:.1f} s of song and {stems * options.seconds / whole:.1f} s of stems a second\n")
    print("| step | ms a song | part | without it |\n|---|---:|---:|---:|")
    for step, spent in sorted(clock.spent.items(), key=lambda item: -item[1]):
        part = spent / whole
        print(f"| {step} | {1e3 * spent / options.songs:.1f} | {part:.0%} | {1.0 / (1.0 - part):.2f} x |")


if __name__ == "__main__":
    main()
