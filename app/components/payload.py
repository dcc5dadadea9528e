"""Pack a mix into the one blob that the player takes: header and samples.

Streamlit hands bytes to a component only as its whole payload, hence one blob.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.texts import in_lanes
from mixlab import Mix
from mixlab.audio.io import FloatArray
from mixlab.mixing.preview import (
    LOWEST_HZ,
    MEL_BANDS,
    MEL_FRAMES,
    MEL_HOP,
    MEL_WINDOW,
    active_spans,
    loudness_lufs,
)

__all__ = ["KEYS", "Take", "eye_front", "model_front", "pack_mix", "read_header", "with_scores"]

KEYS = (
    "Keys: space plays, ← → move (with Shift further), 1–9 solo a source (with Shift that one only), 0 hears "
    "all, B compares, L loops, Esc ends the loop. Click a lane to go there, drag to loop. Output is limited "
    "to −1 dBFS."
)
STEP_KEYS = " N goes to the next mix, P to the previous one."
_MOST_MATCH_DB = 24.0
_ALL_FRAMES = 1 << 20


@dataclass(frozen=True)
class Take:
    """One thing to listen to at the same position: the mix itself, its counterpart, its dry form.

    Attributes:
        key: Stable name.
        name: Name on the button.
        about: What it is, in a line.
        mixture: float32 ``(channels, samples)``, or None when there is none.
        missing: Why there is none.
        mix: The mix whose sources are its lanes and whose labels it has; without one it has no lanes, and
            sounds as a whole.
        names: Name and second line of each source of ``mix``.
        mixer: Key of the take whose solo, mute and gain it shares, as its lanes are the same; '' for its own.
    """

    key: str
    name: str
    about: str
    mixture: FloatArray | None = None
    missing: str = ""
    mix: Mix | None = None
    names: Sequence[tuple[str, str]] = ()
    mixer: str = ""


def pack_mix(
    mix: Mix,
    item: str,
    names: Sequence[tuple[str, str]],
    takes: Sequence[Take],
    steps: Mapping[str, bool] | None = None,
    *,
    fronts: Sequence[Mapping[str, Any]] = (),
    file: str = "",
    short: bool = False,
) -> bytes:
    """Return the player's blob.

    Args:
        mix: The mix that is looked at; the first take is its own.
        item: Names what is looked at. While it stays, the player keeps mixer and position, so that an
            effect can be switched while listening.
        names: Name and second line of each source.
        takes: The mix itself first. The audio of a take with lanes is theirs, since it is their sum.
        steps: Of ``previous``, ``next`` and ``random`` those that have a button, and whether it can be
            pressed; what they do is up to the page, see ``app.components.mount.play``. Empty where the page
            has these buttons itself; None where nothing follows.
        fronts: Spectrograms to choose from beside the usual one, see ``model_front``.
        file: Beginning of the names of files that are saved from the player.
        short: Send 16 bits per sample where nothing lies beyond full scale, in half the size.
    """
    rate, (channels, samples) = mix.recipe.render.sample_rate, mix.mixture.shape
    own = [replace(take, mix=mix, names=names) if place == 0 else take for place, take in enumerate(takes)]
    audio = [signal for take in own for signal in _signals(take)]
    short = short and all(np.abs(signal).max(initial=0.0) <= 1.0 for signal in audio)
    header = {
        "id": mix.recipe.content_hash,
        "item": item,
        "sample_rate": rate,
        "channels": channels,
        "samples": samples,
        "lanes": _lanes(own[0]),
        "takes": _take_headers(own, rate),
        "fronts": [eye_front(rate), *fronts],
        "keys": KEYS + (STEP_KEYS if steps is not None else ""),
        **({"steps": dict(steps)} if steps is not None else {}),
        **({"encoding": "int16"} if short else {}),
        **({"file": file} if file else {}),
    }
    sent = [_as_int16(signal) if short else np.ascontiguousarray(signal, "<f4").tobytes() for signal in audio]
    return b"".join([_header_bytes(header), *sent])


def _header_bytes(header: Mapping[str, Any]) -> bytes:
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    return len(text).to_bytes(4, "little") + text


def with_scores(
    blob: bytes,
    label: str,
    threshold: float | None,
    mix: float,
    alone: Sequence[float],
    without: Sequence[float],
) -> bytes:
    """Return a player's blob whose lanes say what they score.

    Args:
        blob: As ``pack_mix`` returned it.
        label: The class.
        threshold: The score from which on it is detected; None where it is not by a threshold.
        mix: Score of the mix.
        alone: Score of each source alone.
        without: Score of the mix without each source.
    """
    scores = {
        "label": label, "threshold": threshold, "mix": mix, "alone": list(alone), "without": list(without),
    }  # fmt: skip
    sound = blob[4 + int.from_bytes(blob[:4], "little") :]
    return _header_bytes({**read_header(blob), "scores": scores}) + sound


def _as_int16(signal: FloatArray) -> bytes:
    return bytes(np.rint(signal * 32767.0).astype("<i2").tobytes())


def _signals(take: Take) -> list[FloatArray]:
    """Return what is sent of a take: its sources, or the whole where it has none."""
    if take.mixture is None:
        return []
    return [source.audio for source in take.mix.sources] if _has_lanes(take) and take.mix else [take.mixture]


def _has_lanes(take: Take) -> bool:
    return take.mixture is not None and take.mix is not None and bool(take.mix.sources)


def _lanes(take: Take) -> list[dict[str, Any]]:
    if take.mix is None or not _has_lanes(take):
        return []
    duration_s = take.mix.recipe.render.duration_s
    return [
        {
            "name": name,
            "detail": detail,
            "spans": active_spans(source, duration_s),
            "spoken": f"Sounds for {source.active_s:.1f} of {duration_s:.1f} seconds.",
        }
        for (name, detail), source in zip(take.names, take.mix.sources, strict=True)
    ]


def _labels(take: Take) -> list[dict[str, Any]] | None:
    """Return the classes of a take's mix, and of which lanes each label is."""
    if take.mix is None or take.mixture is None:
        return None
    mix, keys = take.mix, [source.stem for source in take.mix.sources]
    return [
        {
            "name": said.name,
            "state": said.state,
            "why": in_lanes(said.reason, keys, [name for name, _ in take.names]),
            "lanes": [
                n
                for n, source in enumerate(mix.sources)
                if said.state != "absent" and output.state(source.verdict) == said.state
            ],
        }
        for output, said in zip(mix.labels.outputs, mix.explain(), strict=True)
        if output.is_instrument
    ]


def _take_headers(takes: Sequence[Take], rate: int) -> list[dict[str, Any]]:
    reference = math.nan
    headers = []
    for place, take in enumerate(takes):
        lufs, peak = math.nan, 0.0
        if take.mixture is not None:
            lufs, peak = loudness_lufs(take.mixture, rate), float(np.abs(take.mixture).max(initial=0.0))
        if place == 0:
            reference = lufs
        match_db = reference - lufs if math.isfinite(reference - lufs) else 0.0
        # Never so loud that it would clip: the take then stays softer, and its figure says so.
        match_db = min(match_db, -20.0 * math.log10(max(peak, 1e-6)), _MOST_MATCH_DB)
        headers.append(
            {
                "key": take.key,
                "name": take.name,
                "about": take.about,
                "missing": take.missing,
                "audio": take.mixture is not None and not _has_lanes(take),
                "lanes": _lanes(take),
                "labels": _labels(take),
                **({"mixer": take.mixer} if take.mixer else {}),
                "lufs": round(lufs, 2) if math.isfinite(lufs) else None,
                "match_db": round(match_db, 2) if place > 0 else 0.0,
                "peak": peak,
            }
        )
    return headers


# ---- spectrograms, which the player makes ----


def eye_front(rate: int) -> dict[str, Any]:
    """Return the settings of ``mixlab.mixing.preview.mel_image``."""
    return {
        "name": "fine, for the eye",
        "about": f"{MEL_BANDS} mel bands, {LOWEST_HZ:g} Hz to {rate / 2000:g} kHz, 80 dB deep",
        "window": MEL_WINDOW,
        "hop": MEL_HOP,
        "frames": MEL_FRAMES,
        "bands": MEL_BANDS,
        "low_hz": LOWEST_HZ,
        "high_hz": rate / 2,
        "area": True,
    }


def model_front(rate: int, n_fft: int, hop: int, n_mels: int, f_max: float) -> dict[str, Any] | None:
    """Return the settings of a network's own mel bands; None where its window is no power of two."""
    if n_fft & (n_fft - 1):
        return None
    return {
        "name": "what the model gets",
        "about": f"{n_mels} mel bands to {f_max / 1000:g} kHz, windows of {n_fft} every {hop} samples",
        "window": n_fft,
        "hop": hop,
        "frames": _ALL_FRAMES,
        "bands": n_mels,
        "low_hz": 0.0,
        "high_hz": f_max,
        "area": False,
    }


def read_header(blob: bytes) -> dict[str, Any]:
    """Return the header of a player's blob."""
    length = int.from_bytes(blob[:4], "little")
    header: dict[str, Any] = json.loads(blob[4 : 4 + length])
    return header
