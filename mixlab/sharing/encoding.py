"""A mix as the files and the plain data that an export holds of it; the same mix gives the same bytes.

Audio is 16-bit: each sample is multiplied by 32768, rounded to the nearest integer (halves to even) and kept
within -32768 to 32767. A mix of which a sample lies beyond full scale is scaled down first, sources and
mixture by one factor, so that they still add up; ``file_scale_db`` says by how much.
"""

import io
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.mixing.export import to_labels
from mixlab.mixing.rendering import Mix
from mixlab.utils.plain import plain

__all__ = ["AudioFormat", "ExportedItem", "encode_item", "quantise"]

AudioFormat = Literal["flac", "wav"]
"""Both hold the same 16-bit integers; FLAC takes about half the space."""

_FULL_SCALE = 32768.0


@dataclass(frozen=True)
class ExportedItem:
    """What an export holds of one mix.

    Attributes:
        key: Name of its files: its number with nine digits.
        audio: The mixture as a file.
        sources: The sources as files, where they were asked for.
        target: float32 ``(classes,)``, 1 present, 0 absent or unknown.
        mask: bool ``(classes,)``, False where unknown.
        about: All else, as plain data: names of the classes that are present and unknown, kind, sources with
            their levels, recipe.
    """

    key: str
    audio: bytes
    sources: tuple[bytes, ...]
    target: FloatArray
    mask: NDArray[np.bool_]
    about: dict[str, Any]


def encode_item(position: int, mix: Mix, audio: AudioFormat, *, sources: bool) -> ExportedItem:
    """Return what an export holds of a mix.

    Args:
        position: Number of the item in the export.
        mix: The mix.
        audio: Format of the files.
        sources: Whether to have the sources, too.
    """
    audios = [mix.mixture, *(source.audio for source in mix.sources if sources)]
    peak = max(float(np.abs(each).max(initial=0.0)) for each in audios)
    scale = 1.0 if peak <= 1.0 else (1.0 - 1e-6) / peak
    rate = mix.recipe.render.sample_rate
    files = [_encode(quantise(each * np.float32(scale)), rate, audio) for each in audios]
    labels = to_labels(mix)
    states = {state: [c["name"] for c in labels["classes"] if c["state"] == state] for state in _STATES}
    recipe = mix.recipe
    about = {
        "item": position,
        "seed": recipe.seed,
        "epoch": recipe.epoch,
        "index": recipe.index,
        "split": recipe.split,
        "corpus": recipe.corpus,
        "kind": recipe.kind if recipe.noise is None else "noise",
        "mix_id": recipe.mix_id,
        "duration_s": recipe.render.duration_s,
        "sample_rate": rate,
        **states,
        "file_scale_db": round(20.0 * math.log10(scale), 3),
        "sources": labels["sources"],
        "recipe": recipe.encode(),
    }
    return ExportedItem(f"{position:09d}", files[0], tuple(files[1:]), mix.target, mix.mask, plain(about))


_STATES = ("present", "unknown")


def quantise(audio: FloatArray) -> NDArray[np.int16]:
    """Return samples within full scale as 16-bit integers, the nearest ones; +1.0 becomes 32767."""
    steps = np.rint(audio.astype(np.float64) * _FULL_SCALE)
    return np.clip(steps, -_FULL_SCALE, _FULL_SCALE - 1.0).astype(np.int16)


def _encode(samples: NDArray[np.int16], rate: int, audio: AudioFormat) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate, format=audio.upper(), subtype="PCM_16")
    return buffer.getvalue()
