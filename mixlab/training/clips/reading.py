"""From a clip to the audio that a network is given: its channels, its level, its windows.

Every clip is read in the same way for training, for scoring and for features. Channels come first: one
channel is the mean of all, two are the clip's own two, or its single one twice; nothing else is made two of.
Then it is resampled, then brought to its level.
"""

import math
from dataclasses import dataclass

import numpy as np

from mixlab.audio.faults import OFFSET_DB, cancels
from mixlab.audio.io import (
    AudioFile,
    FloatArray,
    amplitude,
    check_peak,
    fit_length,
    open_audio,
    read_frames,
    resample,
    to_channels,
)
from mixlab.audio.levels import decibels
from mixlab.corpora.clips.base import Clip
from mixlab.errors import AudioError
from mixlab.training.clips.config import Padding, WindowConfig

__all__ = [
    "LEVELS_DB",
    "LONGEST_S",
    "clip_samples",
    "fill",
    "load_windows",
    "no_samples",
    "read_clip",
    "read_window",
    "window_starts",
]

LEVELS_DB = tuple(range(-35, 5, 5))
"""Peaks of the copies of ``windows.repeat_levels`` in dBFS, in their order (black-box paper, section 6)."""

LONGEST_S = 3600
"""Longest clip that is read as a whole, in seconds."""

LEAST_PEAK = 1e-3
"""Peak below which no clip is lifted further: what lies 60 dB down is no music."""

MARGIN_S = 0.02
"""What is read on either side of a window, so that the resampler's own edges fall outside it."""


@dataclass(frozen=True)
class _Span:
    """Where a clip lies in its file, in the file's own samples."""

    rate: int
    first: int
    frames: int

    def samples(self, sample_rate: int) -> int:
        """Return its length at another rate."""
        return max(round(self.frames * sample_rate / self.rate), 1)


def no_samples(clip: Clip, file_s: float) -> AudioError:
    """Return the error that says why nothing can be read of a clip: the file is empty, or the row is wrong.

    Args:
        clip: The clip.
        file_s: How long its file is, in seconds.
    """
    if file_s <= 0:
        return AudioError(
            f"{clip.path} holds no samples; restore the file from its source.", code="empty-audio"
        )
    where = clip.row or f"clip {clip.key}"
    if clip.start_s >= file_s:
        return AudioError(
            f"{where}: expected a start within the file, found {clip.start_s:g} s, and {clip.path} is "
            f"{file_s:.2f} s long. Correct the start, in seconds from the beginning of the file, or leave "
            "the clip out.",
            code="clip-outside-file",
        )
    end_s = file_s if clip.end_s is None else min(clip.end_s, file_s)
    return AudioError(
        f"{where}: expected a clip of at least one sample, found {clip.start_s:g} to {end_s:g} s of "
        f"{clip.path}. Correct start and end, or leave the clip out.",
        code="clip-outside-file",
    )


def _span(clip: Clip, file: AudioFile) -> _Span:
    rate = file.samplerate
    first = round(clip.start_s * rate)
    end = file.frames if clip.end_s is None else min(round(clip.end_s * rate), file.frames)
    if end <= first:
        raise no_samples(clip, file.frames / rate)
    return _Span(rate, first, end - first)


def clip_samples(clip: Clip, sample_rate: int, windows: WindowConfig) -> int:
    """Return how long a clip is as ``read_clip`` gives it, by its file's header.

    Raises:
        AudioError: the file is missing, no audio, or empty.
    """
    with open_audio(clip.path) as file:
        samples = _span(clip, file).samples(sample_rate)
    return samples * (len(LEVELS_DB) if windows.repeat_levels else 1)


def read_clip(
    clip: Clip, sample_rate: int, channels: int = 1, windows: WindowConfig | None = None
) -> FloatArray:
    """Read a whole clip, at the level that the settings say.

    Args:
        clip: The clip.
        sample_rate: What it is brought to, in Hz.
        channels: 1 takes the mean of its channels; 2 its two channels, or its single one twice.
        windows: Settings; of them only ``level`` and ``repeat_levels`` count here.

    Returns:
        float32 ``(channels, samples)``, at full scale +-1.

    Raises:
        AudioError: the file is missing, damaged, empty or longer than ``LONGEST_S``; or it has more than two
            channels, and two are asked for.
    """
    windows = windows or WindowConfig()
    with open_audio(clip.path) as file:
        span = _span(clip, file)
        if span.frames > LONGEST_S * span.rate:
            raise AudioError(
                f"Expected a clip of up to {LONGEST_S} s at {clip.path}, found a header of "
                f"{span.frames / span.rate:.0f} s: it is damaged, or the file is no clip. Restore it, or cut "
                "clips out of it by their start and end.",
                code="audio-too-long",
            )
        audio = _decode(clip, file, span.first, span.frames, channels)
    audio = fit_length(resample(audio, span.rate, sample_rate), span.samples(sample_rate))
    return at_level(audio, windows)


def _decode(clip: Clip, file: AudioFile, first: int, frames: int, channels: int) -> FloatArray:
    """Return ``(channels, frames)`` at the file's rate; outside the file there is silence."""
    audio = np.ascontiguousarray(read_frames(file, first, frames).T)
    check_peak(str(clip.path), float(np.abs(audio).max(initial=0.0)))
    if channels == 1 and audio.shape[0] > 1:
        return _to_mono(clip, audio)
    if channels > 1 and audio.shape[0] not in (1, channels):
        raise AudioError(
            f"Expected 1 or {channels} channels at {clip.path}, found {audio.shape[0]}: the network takes "
            f"{channels}, and which of these belong together nobody says. Convert the file.",
            code="channels-mismatch",
        )
    return to_channels(audio, channels)


def _to_mono(clip: Clip, audio: FloatArray) -> FloatArray:
    """Return the mean of the channels; a label must not stand beside a silence that the mean made."""
    mono = to_channels(audio, 1)
    levels = [decibels(np.array([np.mean(np.square(x, dtype=np.float64))])) for x in (audio, mono)]
    sides_db, mono_db = levels
    if sides_db >= OFFSET_DB and cancels(mono_db, sides_db):
        raise AudioError(
            f"The channels of {clip.path} cancel each other in mono: {sides_db.item():.0f} dBFS become "
            f"{mono_db.item():.0f}. Turn the polarity of one over, or keep one of them.",
            code="channels-cancel",
        )
    return mono


def at_level(audio: FloatArray, windows: WindowConfig) -> FloatArray:
    """Bring a clip ``(channels, samples)`` to the level of the settings; its channels keep their balance."""
    if windows.level == "as_recorded" and not windows.repeat_levels:
        return audio
    full = audio / np.float32(max(float(np.abs(audio).max(initial=0.0)), LEAST_PEAK))
    if not windows.repeat_levels:
        return full
    return np.concatenate([full * np.float32(amplitude(level)) for level in LEVELS_DB], axis=1)


def fill(audio: FloatArray, samples: int, padding: Padding) -> FloatArray:
    """Cut ``(channels, n)`` to ``samples``, or fill it up as ``WindowConfig.padding`` says."""
    missing = samples - audio.shape[1]
    if missing > 0 and padding == "repeat":
        return np.ascontiguousarray(np.tile(audio, (1, math.ceil(samples / audio.shape[1])))[:, :samples])
    return fit_length(audio, samples)


def read_window(
    clip: Clip, start_s: float, samples: int, sample_rate: int, channels: int, windows: WindowConfig
) -> FloatArray:
    """Read one window of a clip; where no level is asked for, without decoding the rest of it.

    Args:
        clip: The clip.
        start_s: Where the window starts in the clip as ``read_clip`` gives it, in seconds.
        samples: Length of the window.
        sample_rate: In Hz.
        channels: As for ``read_clip``.
        windows: Settings.

    Returns:
        float32 ``(channels, samples)``.

    Raises:
        AudioError: as ``read_clip``.
    """
    if windows.level != "as_recorded" or windows.repeat_levels:
        whole = read_clip(clip, sample_rate, channels, windows)
        first = round(start_s * sample_rate)
        return fill(whole[:, first : first + samples], samples, windows.padding)
    with open_audio(clip.path) as file:
        span = _span(clip, file)
        rate = span.rate
        margin = 0 if rate == sample_rate else round(MARGIN_S * rate)
        wanted = min(samples, span.samples(sample_rate))
        frames = math.ceil(wanted * rate / sample_rate) + 2 * margin
        audio = _decode(clip, file, span.first + round(start_s * rate) - margin, frames, channels)
    audio = resample(audio, rate, sample_rate)[:, round(margin * sample_rate / rate) :]
    return fill(fit_length(audio, wanted), samples, windows.padding)


def window_starts(samples: int, window: int, windows: WindowConfig) -> list[int]:
    """Return where the windows start by which a clip is scored.

    Args:
        samples: Length of the clip.
        window: Length of a window.
        windows: ``count`` windows from its beginning to its end, one alone in its middle, each once where a
            clip is too short for so many; or else every ``1 - overlap`` of a window, the last one flush with
            the end.
    """
    last = max(samples - window, 0)
    if windows.count:
        steps = windows.count - 1
        starts = [round(k * last / steps) if steps else last // 2 for k in range(windows.count)]
        return list(dict.fromkeys(starts))
    return side_by_side(samples, window, max(int(window * (1 - windows.overlap)), 1))


def side_by_side(samples: int, window: int, hop: int) -> list[int]:
    """Return where windows start that are laid every ``hop``, the last one flush with the end."""
    last = max(samples - window, 0)
    starts = list(range(0, last + 1, hop))
    return starts if starts[-1] == last else [*starts, last]


def load_windows(
    clip: Clip, sample_rate: int, channels: int, windows: WindowConfig, samples: int | None = None
) -> FloatArray:
    """Read the windows by which a clip is scored.

    Args:
        clip: The clip.
        sample_rate: In Hz.
        channels: As for ``read_clip``.
        windows: Settings.
        samples: Length of a window; None takes ``windows.duration_s``, or the clip's own length where
            windows are whole clips. A longer clip than that has several windows all the same.

    Returns:
        float32 ``(K, channels, samples)``; K is at least 1.

    Raises:
        AudioError: as ``read_clip``.
    """
    audio = read_clip(clip, sample_rate, channels, windows)
    window = samples or round(windows.duration_s * sample_rate) or audio.shape[1]
    starts = window_starts(audio.shape[1], window, windows)
    return np.stack([fill(audio[:, start : start + window], window, windows.padding) for start in starts])
