"""Measure one audio file in a single streaming pass: envelope, loudness, peak, and what is wrong.

Levels are those of the mono sum, the mean of the channels, because that is what a mono mix hears of a file;
a stereo mix hears as much at least. Offsets and drifts do not count (``mixlab.audio.levels``).

Loudness is integrated loudness after ITU-R BS.1770-4: K-weighting, blocks of 400 ms that overlap by
75 %, an absolute gate at -70 LUFS and a relative one 10 LU below the mean. It is computed from
K-weighted powers per 100 ms hop, so memory does not grow with the file beyond two numbers per hop.
Sums are float64: the float16 envelope that enters the catalog's hash is then the same everywhere.
"""

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio._kernels import level as level_kernels
from mixlab.audio.faults import Samples, find_faults
from mixlab.audio.io import (
    FLOOR_DB,
    HOP_S,
    PEAK_LIMIT_DB,
    AudioInfo,
    amplitude,
    hop_edges,
    iter_blocks,
    probe,
    read_span,
)
from mixlab.audio.levels import DOWNMIX, KINDS, WEIGHTED, decibels, plan_hops
from mixlab.audio.time_stamps import NO_STAMP, read_time_reference
from mixlab.errors import AudioError, AudioRangeError
from mixlab.utils.hashing import text_digest

__all__ = ["MEASURE_VERSION", "Measurement", "loudness_lufs", "measure", "unmeasured"]

MEASURE_VERSION = 2
"""Raised when the same file would measure differently; older measurements are then not reused."""

# Whole even seconds keep the hop grid of a block equal to the grid of the file, also at 11 025 Hz,
# where a hop of 1102.5 samples is rounded to even.
_BLOCK_S = 2
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_SURROUND_GAIN = 1.41  # BS.1770 weight of the 4th and 5th channel


@dataclass(frozen=True)
class Measurement:
    """What one pass over a file found.

    Attributes:
        sample_rate: In Hz; 0 when the file is unreadable.
        frames: Samples per channel that decode.
        channels: Number of channels; 0 when the file is unreadable.
        loudness_lufs: Integrated loudness of the mono sum; NaN when silent or shorter than 0.4 s.
        peak_db: Highest sample of any channel in dBFS, at least -120.
        envelope: float16 ``(hops,)``, RMS of the mono sum in dBFS per 100 ms, without offset and drift.
        problems: Pairs of a kind (``unreadable``, ``unsupported``, ``truncated``, ``damaged``, ``joined``,
            ``header``, ``empty``, and those of ``mixlab.audio.faults``) and a message.
        audio_hash: 16 hex digits that name the decoded samples: equal for equal audio in other lossless
            containers, other after any edit; '' where nothing decodes.
        time_reference: The file's own time stamp in samples since midnight, -1 where it has none.
    """

    sample_rate: int
    frames: int
    channels: int
    loudness_lufs: float
    peak_db: float
    envelope: NDArray[np.float16]
    problems: tuple[tuple[str, str], ...] = ()
    audio_hash: str = ""
    time_reference: int = NO_STAMP


@lru_cache(maxsize=16)
def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """Return the two K-weighting biquads as rows ``b0 b1 b2 a1 a2``: a shelf, then a high-pass.

    The same cookbook filters as pyloudnorm's, written out because importing that loads all of
    scipy.signal into every worker. They lie within 0.08 dB of the tables of ITU-R BS.1770.
    """
    gain = 10.0 ** (4.0 / 40.0)
    w = 2.0 * math.pi * 1500.0 / sample_rate
    cos, slope = math.cos(w), 2.0 * math.sqrt(gain) * math.sin(w) / math.sqrt(2.0)
    plus, minus = gain + 1.0, gain - 1.0
    shelf = np.array(
        [
            gain * (plus + minus * cos + slope),
            -2.0 * gain * (minus + plus * cos),
            gain * (plus + minus * cos - slope),
            2.0 * (minus - plus * cos),
            plus - minus * cos - slope,
        ]
    ) / (plus - minus * cos + slope)
    w = 2.0 * math.pi * 38.0 / sample_rate
    cos, alpha = math.cos(w), math.sin(w)  # Q is 0.5
    high_pass = np.array([(1.0 + cos) / 2.0, -(1.0 + cos), (1.0 + cos) / 2.0, -2.0 * cos, 1.0 - alpha])
    return np.stack([shelf, high_pass / (1.0 + alpha)])


def integrated_loudness(powers: NDArray[np.float64], hop_samples: float, samples: int) -> float:
    """Gate K-weighted powers into integrated loudness (ITU-R BS.1770-4, section 2.4 of annex 1).

    Args:
        powers: Sum of weighted squares over channels per hop of 100 ms.
        hop_samples: Length of a hop in samples.
        samples: Length of the whole file in samples per channel.

    Returns:
        LUFS; NaN below 0.4 s, or when no block passes the gate.
    """
    blocks = int(np.rint(samples / hop_samples - 4.0)) + 1
    if samples < 4 * hop_samples or blocks < 1:
        return float("nan")
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    first = np.arange(blocks)
    mean = (sums[np.minimum(first + 4, len(powers))] - sums[first]) / (4.0 * hop_samples)
    loud = mean[mean > 10.0 ** ((_ABSOLUTE_GATE_LUFS + 0.691) / 10.0)]
    if len(loud) == 0:
        return float("nan")
    gate = loud.mean() * 10.0 ** (_RELATIVE_GATE_LU / 10.0)
    return float(-0.691 + 10.0 * np.log10(loud[loud > gate].mean()))


class _Pass:
    """The running state of one pass over a file."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.frames = 0
        self.counts = np.zeros(4, dtype=np.int64)  # not finite, flat tops, beyond the limit, lone
        self.peak = 0.0
        self._sections = _k_weighting(sample_rate)
        self._carry = np.array([0.0, 0.0, 0.0, 0.0, math.nan])
        self._runs = np.zeros((channels, 2))
        self._offsets: list[NDArray[np.float64]] = []
        self._powers: list[NDArray[np.float64]] = []
        self._lengths: list[NDArray[np.int64]] = []
        self._checksums: list[int] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Take the next block ``(channels, samples)``; all but the last hold whole hops."""
        samples = block.shape[1]
        edges = hop_edges(samples, self.sample_rate)
        lengths = np.diff(np.append(edges, samples))
        power, offsets = np.zeros((len(KINDS), len(edges))), np.zeros(len(edges))
        audio = np.ascontiguousarray(block.T)
        # A sum per block: 32 bits each, but a whole file has many, and this is five times as fast as a hash.
        self._checksums.append(zlib.crc32(audio.data))
        if len(edges):
            peak, *counts = level_kernels.scan_block(
                audio,
                edges,
                np.float32(amplitude(PEAK_LIMIT_DB)),
                *plan_hops(self.sample_rate * HOP_S, int(lengths[-1])),
                self._sections,
                self._carry,
                self._runs,
                power,
                offsets,
            )
            self.peak = max(self.peak, float(peak))
            self.counts += np.array(counts)
        self.frames += samples
        self._powers.append(power)
        self._offsets.append(offsets)
        self._lengths.append(lengths)

    def audio_hash(self) -> str:
        """Return what names the samples; '' for none."""
        if not self.frames:
            return ""
        text = repr((self.channels, self.frames, self._checksums))
        return text_digest(text)

    def levels_db(self) -> NDArray[np.float64]:
        """Return RMS in dBFS ``(kinds, hops)``; see ``mixlab.audio.levels.KINDS``."""
        powers = np.concatenate([np.zeros((len(KINDS), 0)), *self._powers], axis=1)
        return decibels(powers / np.concatenate([np.ones(0, np.int64), *self._lengths]))

    def weighted(self) -> NDArray[np.float64]:
        """Return the K-weighted sum of squares of each hop."""
        return np.concatenate([np.zeros(0), *(power[WEIGHTED] for power in self._powers)])

    def faults(self, path: Path) -> list[tuple[str, str]]:
        """Return what is wrong with the samples, as pairs of kind and message."""
        bad, clips, beyond, lone = (int(count) for count in self.counts)
        offsets = np.concatenate([np.zeros(0), *self._offsets])
        return find_faults(path, Samples(self.peak, bad, clips, beyond, lone, offsets, self.levels_db()))


def loudness_lufs(audio: NDArray[np.float32], sample_rate: int) -> float:
    """Measure the integrated loudness of ``(channels, samples)`` in LUFS, all channels heard.

    Of files, ``measure`` gives that of the mono sum, which is what mono mixes hear. NaN when silent or
    shorter than 0.4 s.
    """
    weights = np.where(np.arange(len(audio)) < 3, 1.0, _SURROUND_GAIN)
    powers, samples = np.zeros(0), audio.shape[1]
    for weight, channel in zip(weights, audio, strict=True):
        run = _Pass(sample_rate, 1)
        run.add(np.array(channel)[None])  # a copy: what is not finite becomes zero in place
        powers = weight * run.weighted() + (powers if len(powers) else 0.0)
    return integrated_loudness(powers, sample_rate * HOP_S, samples)


def unmeasured(message: str, kind: str = "unreadable") -> Measurement:
    """Return what stands for the measurement of a file that could not be measured, with the reason."""
    silence = np.zeros(0, dtype=np.float16)
    return Measurement(0, 0, 0, float("nan"), FLOOR_DB, silence, ((kind, message),))


def _length_problems(path: Path, info: AudioInfo, frames: int, damage: str) -> list[tuple[str, str]]:
    """Compare what decoded with what the container says; ``unreadable`` alone if that cannot be read."""
    problems = [(kind, f"{path}: {text}") for kind, text in info.remarks]
    expected = max(info.frames, info.promised or 0)
    if not damage and frames >= expected:
        return problems
    promise = f"Expected {expected} samples in {path}, {frames} decode."
    message = (
        promise if frames < expected else f"{frames} samples of {path} decode before its data is damaged."
    )
    try:
        read_span(path, max(0, frames - 4096), min(frames, 4096), end=frames)
    except AudioError as error:
        return [("unreadable", f"{message} {error}")]
    message += " Only those are used; restore the file from its source to have all."
    return [("truncated", message), *(problem for problem in problems if problem[0] != "truncated")]


def _endless(path: Path, info: AudioInfo) -> str:
    return (
        f"Expected at most {info.longest / info.sample_rate / 3600:.1f} h of audio in {path}, by its size of "
        f"{path.stat().st_size} bytes, found that it decodes to more: its data is damaged, or it is no stem. "
        "Restore it from its source, or cut it."
    )


def measure(path: Path) -> Measurement:
    """Decode a file once, in blocks of two seconds, and measure it.

    Samples that are not finite count as zero and are reported. A file that stops decoding half-way
    is measured up to there.

    Args:
        path: Any file; whatever is wrong with it ends up in ``problems``.
    """
    try:
        info = probe(path)
    except AudioRangeError as error:
        return unmeasured(str(error), "unsupported")
    except (AudioError, OSError) as error:
        return unmeasured(str(error))
    run = _Pass(info.sample_rate, info.channels)
    damage = ""
    try:
        for block in iter_blocks(path, _BLOCK_S * info.sample_rate):
            run.add(block)
            if run.frames > info.longest:
                return unmeasured(_endless(path, info), "unsupported")
    except AudioError as error:
        damage = str(error)
        if run.frames == 0:
            return unmeasured(damage)
    problems = _length_problems(path, info, run.frames, damage)
    if problems and problems[0][0] == "unreadable":
        return unmeasured(problems[0][1])
    if run.frames == 0:
        problems.append(("empty", f"{path} holds no samples. Restore it from its source or remove it."))
    problems += run.faults(path)
    return Measurement(
        info.sample_rate,
        run.frames,
        info.channels,
        integrated_loudness(run.weighted(), info.sample_rate * HOP_S, run.frames),
        float(max(20.0 * np.log10(max(run.peak, 1e-30)), FLOOR_DB)),
        run.levels_db()[DOWNMIX].astype(np.float16),
        tuple(problems),
        run.audio_hash(),
        read_time_reference(path),
    )
