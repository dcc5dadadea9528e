"""Pitch and time engines: one pass changes both, and only here is it known how.

A pitch shift by the ratio ``r`` and a time stretch by the rate ``q`` (2 = twice as fast) are one
stretch by ``r / q`` in length followed by playing the result ``r`` times faster, which is plain
resampling. That is exact in pitch, since resampling moves a partial by just the ratio asked for, and
several times quicker than Rubber Band's own pitch path.
"""

import math
import shutil
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from mixlab.audio.io import FloatArray
from mixlab.audio.phase_vocoder import Vocoder
from mixlab.errors import ConfigError, MissingDependencyError

__all__ = ["DEFAULT_ENGINE", "ENGINES", "StretchEngine", "get_engine"]

DEFAULT_ENGINE = "vocoder"
LONGEST_SEMITONES = 24.0
SLOWEST_RATE, FASTEST_RATE = 0.25, 4.0


class StretchEngine(Protocol):
    """Changes pitch and duration of audio, independently, in one pass."""

    def process(self, audio: FloatArray, sample_rate: int, semitones: float, rate: float) -> FloatArray:
        """Return ``audio`` shifted by ``semitones`` and played ``rate`` times as fast.

        Args:
            audio: float32 ``(channels, samples)``.
            sample_rate: In Hz.
            semitones: Pitch change, -24 to 24; 0 leaves the pitch.
            rate: Tempo change, 0.25 to 4; 1 leaves the duration, 2 halves it.

        Returns:
            float32 ``(channels, about samples / rate)``; callers cut or pad the last few samples.
        """
        ...


class RubberBand:
    """Rubber Band in this process, through pedalboard: stretch, then soxr for the pitch.

    Args:
        fine: Use Rubber Band's R3 ("finer") engine instead of R2 ("faster"): about four times the
            work, and attacks stay sharp. R2 runs with smooth transients: its default ("crisp") resets
            phases so often at low sample rates that steady tones came out up to 74 cents off at
            16 kHz (82 Hz, rate 0.8), which smooth transients bring below 0.5 cents.
    """

    def __init__(self, *, fine: bool) -> None:
        """Choose the engine within Rubber Band."""
        self._fine = fine

    def process(self, audio: FloatArray, sample_rate: int, semitones: float, rate: float) -> FloatArray:
        """See ``StretchEngine.process``.

        Raises:
            MissingDependencyError: pedalboard is not installed.
        """
        pedalboard = _load("pedalboard", "rubberband_fine" if self._fine else "rubberband")
        import soxr

        ratio = 2.0 ** (semitones / 12.0)
        stretched: FloatArray = audio
        if not math.isclose(rate, ratio, rel_tol=1e-12):
            stretched = pedalboard.time_stretch(
                np.ascontiguousarray(audio),
                float(sample_rate),
                stretch_factor=rate / ratio,
                high_quality=self._fine,
                transient_mode="crisp" if self._fine else "smooth",
            )
        if semitones == 0.0:
            return stretched
        resampled: FloatArray = soxr.resample(stretched.T, ratio, 1.0, quality="HQ").T
        return np.ascontiguousarray(resampled, dtype=np.float32)


class PyRubberBand:
    """The reference: the ``rubberband`` program, called by pyrubberband through temporary files.

    Slow (two processes and four files for one source), kept because it is what most published
    augmentation pipelines call.
    """

    def process(self, audio: FloatArray, sample_rate: int, semitones: float, rate: float) -> FloatArray:
        """See ``StretchEngine.process``.

        Raises:
            MissingDependencyError: pyrubberband or the ``rubberband`` program is not installed.
        """
        pyrubberband = _load("pyrubberband", "pyrubberband")
        if shutil.which("rubberband") is None:
            raise MissingDependencyError(
                "The engine 'pyrubberband' needs the program 'rubberband' on the PATH (Debian and Ubuntu: "
                "apt install rubberband-cli; macOS: brew install rubberband). "
                f"The engine {DEFAULT_ENGINE!r} needs nothing more."
            )
        out = audio.T
        if rate != 1.0:
            out = pyrubberband.time_stretch(out, sample_rate, rate)
        if semitones != 0.0:
            out = pyrubberband.pitch_shift(out, sample_rate, semitones)
        if out.ndim == 1:
            out = out[:, None]
        return np.ascontiguousarray(out.T, dtype=np.float32)


def _load(package: str, engine: str) -> Any:  # noqa: ANN401 - both packages are without types
    """Import a package of the extra ``effects``, which the rest of mixlab does without."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingDependencyError(
            f"The engine {engine!r} needs the package {package}: pip install 'mixlab[effects]'. "
            f"The engine {DEFAULT_ENGINE!r} needs nothing more."
        ) from error


ENGINES: dict[str, StretchEngine] = {
    "rubberband": RubberBand(fine=False),
    "rubberband_fine": RubberBand(fine=True),
    "pyrubberband": PyRubberBand(),
    "vocoder": Vocoder(),
}


def get_engine(name: str) -> StretchEngine:
    """Return an engine by its stable name.

    Raises:
        ConfigError: there is no such engine.
    """
    if name not in ENGINES:
        raise ConfigError(
            f"Engine {name!r} does not exist; choose one of {', '.join(ENGINES)}.", code="unknown-engine"
        )
    return ENGINES[name]
