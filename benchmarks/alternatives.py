"""What one would write or take instead of mixlab, each as short as it gets.

All of them make the same recipes from the same audio: the span that a source needs is read (a faster
source needs more of it), changed by the recipe's own effects in their order, cut to 4 s, levelled and added.
Objects that a library wants built are built before the clock starts. Each is measured twice: from the files,
and from a copy at the model's rate (``prepared.py``).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import soundfile
import soxr

from benchmarks.prepared import FILES, Audio, Copy, Files, Spans
from mixlab.mixing.effect_plan import total_rate
from mixlab.mixing.effects import Effect, Gain, HighShelf, LowShelf, PitchShift, TimeStretch
from mixlab.mixing.recipe import MixRecipe

Task = Callable[[MixRecipe], object]
Change = Callable[[Audio, int, tuple[Effect, ...]], Audio]
"""Applies effects to mono audio ``(samples,)`` at a sample rate."""


@dataclass(frozen=True)
class Alternative:
    """One method to make a mix.

    Attributes:
        name: As it stands in the tables.
        source: ``files``, ``copy`` (at the model's rate) or ``pack`` (mixlab's own).
        task: Makes one mix; None where it cannot be measured here.
        note: What it leaves out or does besides, or why it is missing.
        packages: Distributions whose versions matter.
        group: ``mixlab``, ``alternative`` or ``bound`` (does less than a mix needs).
        batch: Makes several mixes at once instead.
    """

    name: str
    source: str
    task: Task | None
    note: str = ""
    packages: tuple[str, ...] = ()
    group: str = "alternative"
    batch: Callable[[list[MixRecipe]], object] | None = None


PYRUBBERBAND = "the paper's steps, pyrubberband at 44.1 kHz"
PYRUBBERBAND_16K = "the paper's steps, pyrubberband at 16 kHz"
PEDALBOARD = "pedalboard's Rubber Band"
PEDALBOARD_FAST = "pedalboard's Rubber Band, high_quality=False"
AUDIOMENTATIONS = "audiomentations"
TORCH_AUDIOMENTATIONS = "torch-audiomentations"
PYTHON_STRETCH = "python-stretch and pedalboard"
SCAPER = "scaper"
PLAIN = "read and sum, no effect"
DECODE = "only decode"


# Reading and summing, the same for all.


def mix(spans: Spans, recipe: MixRecipe, change: Change, *, resample_first: bool = True) -> Audio:
    """Make a mix with ``change`` for its effects."""
    settings = recipe.render
    mixture = np.zeros(settings.samples, dtype=np.float32)
    for source in recipe.sources:
        audio, rate = spans.read(source, settings.duration_s * total_rate(source.effects))
        if resample_first:
            audio = resample(audio, rate, settings.sample_rate)
            audio = change(audio, settings.sample_rate, source.effects)
        else:
            audio = resample(change(audio, rate, source.effects), rate, settings.sample_rate)
        audio = audio[: len(mixture)]
        mixture[: len(audio)] += audio * np.float32(10 ** (source.level_db / 20))
    return mixture


def resample(audio: Audio, rate: int, wanted: int) -> Audio:
    return audio if rate == wanted else soxr.resample(audio, rate, wanted, quality="HQ")


def plain(spans: Spans, recipe: MixRecipe) -> Audio:
    """Read and sum the same spans; effects are left out."""
    return mix(spans, recipe, lambda audio, rate, effects: audio)


def decode(files: Files, recipe: MixRecipe) -> None:
    """Decode the same spans, and nothing else."""
    for source in recipe.sources:
        seconds = recipe.render.duration_s * total_rate(source.effects)
        path, start, frames, _ = files.find(source, seconds)
        soundfile.read(path, frames, start, dtype="float32")


# Effects, library by library.


@cache
def board(effect: Effect) -> Any:  # noqa: ANN401 - of a library without types
    """Return pedalboard's plugin for a gain or filter."""
    import pedalboard

    if isinstance(effect, Gain):
        return pedalboard.Gain(effect.gain_db)
    kinds = {LowShelf: pedalboard.LowShelfFilter, HighShelf: pedalboard.HighShelfFilter}
    return kinds.get(type(effect), pedalboard.PeakFilter)(effect.frequency_hz, effect.gain_db, effect.q)


def with_pyrubberband(audio: Audio, rate: int, effects: tuple[Effect, ...]) -> Audio:
    import pyrubberband

    for effect in effects:
        if isinstance(effect, PitchShift):
            audio = pyrubberband.pitch_shift(audio, rate, effect.semitones)
        elif isinstance(effect, TimeStretch):
            audio = pyrubberband.time_stretch(audio, rate, effect.rate)
        else:
            audio = board(effect)(audio.astype(np.float32), rate)
    return audio


def _one_pass(
    audio: Audio, rate: int, effects: tuple[Effect, ...], stretch: Callable[[Audio, int, float, float], Audio]
) -> Audio:
    """Apply gains and filters with pedalboard, pitch and time together in one call of ``stretch``."""
    semitones = sum(effect.semitones for effect in effects if isinstance(effect, PitchShift))
    speed = total_rate(effects)
    for effect in effects:
        if not isinstance(effect, PitchShift | TimeStretch):
            audio = board(effect)(audio, rate)
    return audio if semitones == 0 and speed == 1 else stretch(audio, rate, semitones, speed)


def with_pedalboard(audio: Audio, rate: int, effects: tuple[Effect, ...], *, fine: bool = True) -> Audio:
    import pedalboard

    def stretch(audio: Audio, rate: int, semitones: float, speed: float) -> Audio:
        return pedalboard.time_stretch(audio, rate, speed, semitones, high_quality=fine)[0]

    return _one_pass(audio, rate, effects, stretch)


def with_python_stretch(audio: Audio, rate: int, effects: tuple[Effect, ...]) -> Audio:
    import python_stretch

    def stretch(audio: Audio, rate: int, semitones: float, speed: float) -> Audio:
        signalsmith = python_stretch.Signalsmith.Stretch()
        signalsmith.preset(1, rate)
        signalsmith.setTransposeSemitones(semitones)
        signalsmith.setTimeFactor(speed)
        return signalsmith.process(audio[None])[0]

    return _one_pass(audio, rate, effects, stretch)


@cache
def audiomentation(effect: Effect) -> Any:  # noqa: ANN401 - of a library without types
    """Return audiomentations' transform with the effect's own value instead of a range."""
    import audiomentations as library

    if isinstance(effect, Gain):
        return library.Gain(effect.gain_db, effect.gain_db, p=1.0)
    if isinstance(effect, PitchShift):
        return library.PitchShift(effect.semitones, effect.semitones, p=1.0)
    if isinstance(effect, TimeStretch):
        return library.TimeStretch(effect.rate, effect.rate, leave_length_unchanged=False, p=1.0)
    shelves = {LowShelf: library.LowShelfFilter, HighShelf: library.HighShelfFilter}
    kind = shelves.get(type(effect), library.PeakingFilter)
    q = effect.q if kind is library.PeakingFilter else min(effect.q, 1.0)  # its shelves take no higher q
    hz, db = effect.frequency_hz, effect.gain_db
    return kind(hz, hz, db, db, q, q, p=1.0)


def with_audiomentations(audio: Audio, rate: int, effects: tuple[Effect, ...]) -> Audio:
    for effect in effects:
        audio = audiomentation(effect)(audio, rate)
    return audio


@cache
def torch_audiomentation(effect: Effect, rate: int) -> Any:  # noqa: ANN401 - of a library without types
    """Return torch-audiomentations' transform; it has no shelves, no peak and no time stretch."""
    import torch_audiomentations as library

    common = {"p": 1.0, "sample_rate": rate, "output_type": "tensor"}
    if isinstance(effect, Gain):
        return library.Gain(effect.gain_db, effect.gain_db + 1e-6, **common)
    if isinstance(effect, PitchShift):
        # It takes only ratios that it can compute quickly: here ±0.41 semitones are all there is.
        return library.PitchShift(-2.0, 2.0, **common)
    kind = library.HighPassFilter if isinstance(effect, LowShelf) else library.LowPassFilter
    return kind(effect.frequency_hz, effect.frequency_hz * 1.001, **common)


def with_torch_audiomentations(audio: Audio, rate: int, effects: tuple[Effect, ...]) -> Audio:
    import torch

    tensor = torch.from_numpy(audio)[None, None]
    for effect in effects:
        if not isinstance(effect, TimeStretch):
            tensor = torch_audiomentation(effect, rate)(tensor)
    return tensor[0, 0].numpy()


# All of them.

PROGRAMS = {"rubberband": "apt-get install rubberband-cli, or brew install rubberband"}
"""How to get a program that a package starts."""


def why_missing(packages: tuple[str, ...], program: str = "") -> str:
    """Return which package or program is not there and what to do, ``""`` if all are."""
    absent = [name for name in packages if find_spec(name.replace("-", "_")) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (make bench)"
    if program and shutil.which(program) is None:
        return f"no program {program} on the PATH ({PROGRAMS[program]})"
    return ""


@dataclass(frozen=True)
class Peer:
    """An alternative before it is told where to read from.

    Attributes:
        name: As it stands in the tables.
        change: Its effects.
        packages: Distributions that it needs.
        program: On the PATH, that it needs besides.
        note: What it does not do as the others.
        whole_rate: Applies effects at the rate of the files, and resamples afterwards.
    """

    name: str
    change: Change
    packages: tuple[str, ...]
    program: str = ""
    note: str = ""
    whole_rate: bool = False

    def method(self, spans: Spans) -> Alternative:
        """Return it as what is measured, or as a row that says why it is not."""
        reason = why_missing(self.packages, self.program)
        task = partial(self.make, spans)
        return Alternative(
            self.name, spans.kind, None if reason else task, reason or self.note, self.packages
        )

    def make(self, spans: Spans, recipe: MixRecipe) -> Audio:
        return mix(spans, recipe, self.change, resample_first=not self.whole_rate)


ONE_CALL = "pitch and time in one call"
PEERS = (
    Peer(PYRUBBERBAND, with_pyrubberband, ("pyrubberband", "pedalboard"), "rubberband", whole_rate=True),
    Peer(PYRUBBERBAND_16K, with_pyrubberband, ("pyrubberband", "pedalboard"), "rubberband"),
    Peer(PEDALBOARD, with_pedalboard, ("pedalboard",), note=ONE_CALL),
    Peer(PEDALBOARD_FAST, partial(with_pedalboard, fine=False), ("pedalboard",), note=ONE_CALL),
    Peer(PYTHON_STRETCH, with_python_stretch, ("python-stretch", "pedalboard"), note=ONE_CALL),
    Peer(AUDIOMENTATIONS, with_audiomentations, ("audiomentations", "python-stretch")),
    Peer(
        TORCH_AUDIOMENTATIONS,
        with_torch_audiomentations,
        ("torch-audiomentations",),
        note="does less: no time stretch, pitch by ±0.41 only, low- and high-pass for shelves and peak",
    ),
)


def alternatives(files: Files, copy: Copy, *, effects: bool) -> list[Alternative]:
    """Return what can be measured instead of mixlab, slowest first; without effects only the bounds."""
    bounds = [*(_plain(spans) for spans in (files, copy)), _decode(files)]
    if not effects:
        return bounds
    # A copy at the model's rate leaves nothing to be done at the rate of the files.
    from_copy = [peer.method(copy) for peer in PEERS if not peer.whole_rate]
    return [*(peer.method(files) for peer in PEERS), *from_copy, _scaper(), *bounds]


def missing() -> list[str]:
    """Return the alternatives that cannot be measured here, each with the reason and what to do."""
    found = {peer.name: why_missing(peer.packages, peer.program) for peer in PEERS}
    return [f"{name}: {reason}" for name, reason in found.items() if reason]


def _plain(spans: Spans) -> Alternative:
    note = "decodes, averages to mono and resamples" if spans.kind == FILES else ""
    packages = ("soundfile", "soxr") if spans.kind == FILES else ("numpy",)
    return Alternative(PLAIN, spans.kind, partial(plain, spans), note, packages, "bound")


def _decode(files: Files) -> Alternative:
    return Alternative(DECODE, FILES, partial(decode, files), packages=("soundfile",), group="bound")


def _scaper() -> Alternative:
    """Return scaper as a row that says why it has no figure."""
    if not hasattr(np, "Inf"):
        reason = f"scaper 1.6.5 needs numpy.Inf, which NumPy 2 removed (here {np.__version__})"
    else:
        reason = "not among what this benchmark installs; its last release needs NumPy 1"
    return Alternative(SCAPER, FILES, None, reason, ("scaper",))
