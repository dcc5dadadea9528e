"""What one would write or take instead of mixlab, each as short as it gets.

All of them make the same recipes from the same files: the span that a source needs is read (a faster
source needs more of it), averaged to mono, changed by the recipe's own effects in their order, cut to 4 s,
levelled and added. Objects that a library wants built are built before the clock starts.
"""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.mixing.effects import Effect, Gain, HighShelf, LowShelf, PitchShift, TimeStretch, total_rate
from mixlab.mixing.recipe import MixRecipe, SourceRecipe

Audio = NDArray[np.float32]
Task = Callable[[MixRecipe], object]
Change = Callable[[Audio, int, tuple[Effect, ...]], Audio]
"""Applies effects to mono audio ``(samples,)`` at a sample rate."""


@dataclass(frozen=True)
class Alternative:
    """One way to make a mix.

    Attributes:
        name: As it stands in the tables.
        source: ``files`` or ``pack``.
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
PLAIN = "decode, resample and sum, no effect"
DECODE = "only decode"


# Reading and summing, the same for all.


def read_mono(catalog: Catalog, source: SourceRecipe, seconds: float) -> tuple[Audio, int]:
    """Return the span that a source needs, as ``(samples,)``, and its rate."""
    stem = catalog.find(source.stem)
    rate = int(catalog.column("sample_rate")[stem])
    start, frames = round(source.start_s * rate), math.ceil(seconds * rate)
    audio, _ = soundfile.read(catalog.audio_path(stem), frames, start, dtype="float32", always_2d=True)
    if audio.shape[1] == 1:
        return audio[:, 0], rate
    return np.float32(0.5) * (audio[:, 0] + audio[:, 1]), rate  # mean(axis=1) would take twenty times as long


def mix(catalog: Catalog, recipe: MixRecipe, change: Change, *, resample_first: bool = True) -> Audio:
    """Make a mix with ``change`` for its effects."""
    settings = recipe.render
    mixture = np.zeros(settings.samples, dtype=np.float32)
    for source in recipe.sources:
        audio, rate = read_mono(catalog, source, settings.duration_s * total_rate(source.effects))
        if resample_first:
            audio = soxr.resample(audio, rate, settings.sample_rate, quality="HQ")
            audio = change(audio, settings.sample_rate, source.effects)
        else:
            audio = soxr.resample(
                change(audio, rate, source.effects), rate, settings.sample_rate, quality="HQ"
            )
        audio = audio[: len(mixture)]
        mixture[: len(audio)] += audio * np.float32(10 ** (source.level_db / 20))
    return mixture


def plain(catalog: Catalog, recipe: MixRecipe) -> Audio:
    """Decode, resample and sum the same spans; effects are left out."""
    return mix(catalog, recipe, lambda audio, rate, effects: audio)


def decode(catalog: Catalog, recipe: MixRecipe) -> None:
    """Decode the same spans, and nothing else."""
    for source in recipe.sources:
        stem = catalog.find(source.stem)
        rate = int(catalog.column("sample_rate")[stem])
        frames = math.ceil(recipe.render.duration_s * total_rate(source.effects) * rate)
        soundfile.read(catalog.audio_path(stem), frames, round(source.start_s * rate), dtype="float32")


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


def _missing(packages: tuple[str, ...], program: str = "") -> str:
    absent = [name for name in packages if find_spec(name.replace("-", "_")) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    return f"no program {program} on the PATH" if program and shutil.which(program) is None else ""


def alternatives(catalog: Catalog, *, effects: bool) -> list[Alternative]:
    """Return what can be measured instead of mixlab, slowest first; without effects only the bounds."""

    def way(
        name: str, change: Change, *packages: str, program: str = "", note: str = "", first: bool = True
    ) -> Alternative:
        reason = _missing(packages, program)
        task = None if reason else lambda recipe: mix(catalog, recipe, change, resample_first=first)
        return Alternative(name, "files", task, reason or note, packages)

    def fast(audio: Audio, rate: int, effects: tuple[Effect, ...]) -> Audio:
        return with_pedalboard(audio, rate, effects, fine=False)

    found = [
        way(PYRUBBERBAND, with_pyrubberband, "pyrubberband", program="rubberband", first=False),
        way(PYRUBBERBAND_16K, with_pyrubberband, "pyrubberband", program="rubberband"),
        way(PEDALBOARD, with_pedalboard, "pedalboard", note="pitch and time in one call"),
        way(PEDALBOARD_FAST, fast, "pedalboard", note="pitch and time in one call"),
        way(PYTHON_STRETCH, with_python_stretch, "python-stretch", note="pitch and time in one call"),
        way(AUDIOMENTATIONS, with_audiomentations, "audiomentations", "python-stretch"),
        way(
            TORCH_AUDIOMENTATIONS,
            with_torch_audiomentations,
            "torch-audiomentations",
            note="does less: no time stretch, pitch by ±0.41 only, low- and high-pass for shelves and peak",
        ),
        _scaper(),
    ]
    bounds = [
        Alternative(
            PLAIN,
            "files",
            lambda recipe: plain(catalog, recipe),
            packages=("soundfile", "soxr"),
            group="bound",
        ),
        Alternative(
            DECODE, "files", lambda recipe: decode(catalog, recipe), packages=("soundfile",), group="bound"
        ),
    ]
    return [*found, *bounds] if effects else bounds


def _scaper() -> Alternative:
    """Return scaper as a row that says why it has no figure."""
    if not hasattr(np, "Inf"):
        reason = f"scaper 1.6.5 needs numpy.Inf, which NumPy 2 removed (here {np.__version__})"
    else:
        reason = "not among what this benchmark installs; its last release needs NumPy 1"
    return Alternative(SCAPER, "files", None, reason, ("scaper",))
