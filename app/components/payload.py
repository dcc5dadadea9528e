"""Pack a mix into the one blob that the player takes: header, samples, spectrograms.

Streamlit hands bytes to a component only as its whole payload, hence one blob.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixlab import Mix
from mixlab.audio.io import FloatArray
from mixlab.mixing.preview import LOWEST_HZ, MEL_BANDS, active_spans, loudness_lufs, mel_image

__all__ = ["KEYS", "Take", "pack_mix", "read_header"]

KEYS = (
    "Keys: space plays, ← → move (with Shift further), 1–9 solo a source (with Shift that one only), 0 hears "
    "all, B compares, L loops, Esc ends the loop. Click a lane to go there, drag to loop. Output is limited "
    "to −1 dBFS."
)
_MOST_MATCH_DB = 24.0


@dataclass(frozen=True)
class Take:
    """One thing to listen to at the same position: the mix itself, its counterpart, its dry form.

    Attributes:
        key: Stable name.
        name: Name on the button.
        about: What it is, in a line.
        mixture: float32 ``(channels, samples)``, or None when there is none.
        missing: Why there is none.
    """

    key: str
    name: str
    about: str
    mixture: FloatArray | None = None
    missing: str = ""


def pack_mix(mix: Mix, item: str, names: Sequence[tuple[str, str]], takes: Sequence[Take]) -> bytes:
    """Return the player's blob.

    Args:
        mix: The mix whose sources become lanes.
        item: Names what is looked at. While it stays, the player keeps mixer and position, so that an
            effect can be switched while listening.
        names: Name and second line of each source.
        takes: The mix itself first; its audio is not sent, since it is the sum of the lanes.
    """
    rate, (channels, samples) = mix.recipe.render.sample_rate, mix.mixture.shape
    duration_s = samples / rate
    lanes = [
        {
            "name": name,
            "detail": detail,
            "spans": active_spans(source, duration_s),
            "spoken": f"Sounds for {source.active_s:.1f} of {duration_s:.1f} seconds.",
        }
        for (name, detail), source in zip(names, mix.sources, strict=True)
    ]
    pictures = [mel_image(take.mixture, rate) for take in takes if take.mixture is not None]
    header = {
        "id": mix.recipe.content_hash,
        "item": item,
        "sample_rate": rate,
        "channels": channels,
        "samples": samples,
        "lanes": lanes,
        "takes": _take_headers(takes, rate),
        "mel": {
            "bands": MEL_BANDS,
            "frames": pictures[0].shape[1],
            "low_hz": round(LOWEST_HZ),
            "high_hz": rate / 2,
        },
        "keys": KEYS,
    }
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    sent = [take.mixture for take in takes[1:] if take.mixture is not None]
    audio = [np.ascontiguousarray(a, dtype="<f4").tobytes() for a in (*(s.audio for s in mix.sources), *sent)]
    return b"".join([len(text).to_bytes(4, "little"), text, *audio, *(p.tobytes() for p in pictures)])


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
                "audio": place > 0 and take.mixture is not None,
                "lufs": round(lufs, 2) if math.isfinite(lufs) else None,
                "match_db": round(match_db, 2) if place > 0 else 0.0,
                "peak": peak,
            }
        )
    return headers


def read_header(blob: bytes) -> dict[str, Any]:
    """Return the header of a player's blob."""
    length = int.from_bytes(blob[:4], "little")
    header: dict[str, Any] = json.loads(blob[4 : 4 + length])
    return header
