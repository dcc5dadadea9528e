"""Pitch and tempo of a batch in one pass: the phase vocoder for many sources at a time."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mixlab.audio.phase_vocoder import FRAME_S
from mixlab.mixing.gpu.resampling import play
from mixlab.mixing.gpu.stretching import Spans, stretch

__all__ = ["shift"]


def shift(
    audio: Tensor, lengths: Tensor, semitones: Tensor, rates: Tensor, sample_rate: int, most: int
) -> Tensor:
    """Change pitch and tempo of each source.

    Args:
        audio: float32 ``(sources, channels, samples)``, zero after the end of a source.
        lengths: int64 ``(sources,)``: samples that there are. This and what follows lies on the host.
        semitones: float64 ``(sources,)``: pitch changes, -24 to 24.
        rates: float64 ``(sources,)``: tempo changes, 0.25 to 4.
        sample_rate: In Hz.
        most: How many samples to make of each, at most.

    Returns:
        float32 ``(sources, channels, most)``; a source ends after ``round(length / rate)`` samples, what
        follows is arbitrary.
    """
    device = audio.device
    plan = _plan(lengths, semitones, rates, sample_rate)
    rows = torch.nonzero(plan.stretched).flatten()
    if len(rows):
        columns = (plan.lengths, plan.needed, plan.factors, plan.bins)
        spans = Spans(*(column[rows].to(device, non_blocking=True) for column in columns))
        longest = int(plan.needed[rows].max())
        place = rows.to(device)
        made = stretch(audio[place], spans, longest, frame_size(sample_rate))
        wide = audio.new_zeros((*audio.shape[:-1], max(longest, audio.shape[-1])))
        wide[..., : audio.shape[-1]] = audio
        wide[place] = torch.nn.functional.pad(made, (0, wide.shape[-1] - longest))
        audio = wide
    rows = torch.nonzero(plan.ratios != 1.0).flatten()
    out = torch.nn.functional.pad(audio[..., :most], (0, max(most - audio.shape[-1], 0)))
    if len(rows):
        place = rows.to(device)
        out = out.index_copy(0, place, play(audio[place], plan.ratios[rows].to(device), most))
    return out


def frame_size(sample_rate: int) -> int:
    """Return the length of the vocoder's frames in samples."""
    return max(64, int(2 ** round(math.log2(FRAME_S * sample_rate))))


@dataclass(frozen=True)
class _Plan:
    """What ``Vocoder.process`` decides about each source: ``(sources,)`` each, on the host."""

    lengths: Tensor
    ratios: Tensor
    stretched: Tensor
    needed: Tensor
    factors: Tensor
    bins: Tensor


def _plan(lengths: Tensor, semitones: Tensor, rates: Tensor, sample_rate: int) -> _Plan:
    half = frame_size(sample_rate) / 2
    rows = []
    for length, steps, rate in zip(lengths.tolist(), semitones.tolist(), rates.tolist(), strict=True):
        ratio = 2.0 ** (steps / 12.0)
        # A higher pitch is stretched in any case: that takes away what it moves past half the sample rate.
        stretched = ratio > 1.0 or not math.isclose(rate, ratio, rel_tol=1e-9)
        needed = math.ceil(round(length / rate) * ratio) + 1
        rows.append((ratio, stretched, needed, rate / ratio, int(min(1.0, 1.0 / ratio) * half) + 1))
    # Python's numbers are float32 to torch unless told otherwise.
    ratios, stretched_, needed_, factors, bins = torch.tensor(rows, dtype=torch.float64).unbind(1)
    return _Plan(lengths, ratios, stretched_ > 0, needed_.to(torch.int64), factors, bins.to(torch.int64))
