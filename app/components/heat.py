"""Pack a tagged file for the player: header, samples, scores of classes over time."""

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from app.components.payload import eye_front
from mixlab.audio.uploads import Upload
from mixlab.mixing.preview import loudness_lufs

if TYPE_CHECKING:
    from mixlab.inference.file_tags import FileTags
    from mixlab.inference.output import ClassRow

__all__ = ["CHANNELS", "KEYS", "HeatPicture", "pack_tags", "picture_of"]

KEYS = (
    "Keys: space plays, ← → move (with Shift further), L loops, Esc ends the loop. Click the waveform or the "
    "map to go there, drag to loop. Output is limited to −1 dBFS."
)

CHANNELS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True)
class HeatPicture:
    """What of a file does not change with thresholds.

    Attributes:
        samples: int16 samples, little-endian.
        lufs: Integrated loudness in LUFS, or None.
        peak: Highest absolute sample.
    """

    samples: bytes
    lufs: float | None
    peak: float


def picture_of(upload: Upload) -> HeatPicture:
    """Prepare a file for the player."""
    lufs = loudness_lufs(upload.audio, upload.sample_rate)
    return HeatPicture(
        samples=np.rint(np.clip(upload.audio, -1.0, 1.0) * 32767.0).astype("<i2").tobytes(),
        lufs=round(lufs, 2) if math.isfinite(lufs) else None,
        peak=float(np.abs(upload.audio).max(initial=0.0)),
    )


def pack_tags(
    upload: Upload,
    picture: HeatPicture,
    tags: "FileTags",
    notes: dict[str, str],
    *,
    only_detected: bool = False,
) -> bytes:
    """Return the player's blob.

    Args:
        upload: The file as the model is given it.
        picture: What ``picture_of`` made of it.
        tags: Its scores, and the thresholds at which they are decided.
        notes: What must be said of single classes.
        only_detected: Leave out the classes that are detected nowhere.
    """
    from mixlab.inference.output import class_rows

    rows = [row for row in class_rows(tags) if row.detected or not only_detected]
    scores = np.rint(255.0 * np.clip(tags.scores[:, [row.column for row in rows]].T, 0.0, 1.0)).astype(
        np.uint8
    )
    header: dict[str, Any] = {
        "audio": upload.key,
        "item": upload.key,
        "sample_rate": upload.sample_rate,
        "channels": len(upload.audio),
        "samples": upload.audio.shape[1],
        "encoding": "int16",
        "lanes": [],
        "takes": [_take(upload, picture)],
        "fronts": [eye_front(upload.sample_rate)],
        "heat": {
            "starts": np.round(tags.start_s, 3).tolist(),
            "silent": [int(k) for k in np.flatnonzero(~tags.sounding)],
            "classes": [_class(row, tags, notes.get(row.name, "")) for row in rows],
        },
        "keys": KEYS,
    }
    # Scores are part of it: another run may decide the same from other numbers.
    plain = json.dumps(header, ensure_ascii=False)
    header["id"] = sha256(plain.encode() + scores.tobytes()).hexdigest()[:16]
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    return b"".join(
        [
            len(text).to_bytes(4, "little"),
            text,
            picture.samples,
            np.ascontiguousarray(scores).tobytes(),
        ]
    )


def _take(upload: Upload, picture: HeatPicture) -> dict[str, Any]:
    return {
        "key": "file",
        "name": upload.name,
        "about": "as the model is given it: "
        f"{CHANNELS[len(upload.audio)]} at {upload.sample_rate / 1000:g} kHz",
        "missing": "",
        "audio": True,
        "lufs": picture.lufs,
        "match_db": 0.0,
        "peak": picture.peak,
    }


def _class(row: "ClassRow", tags: "FileTags", note: str) -> dict[str, Any]:
    figures = "nothing sounds" if row.max is None else f"mean {row.mean:.2f}, highest {row.max:.2f}"
    threshold = "" if row.threshold is None else f", threshold {row.threshold:.2f}"
    state = f"detected for {row.seconds:.1f} of {tags.duration_s:.1f} s" if row.detected else "not detected"
    return {
        "name": row.name,
        "depth": row.depth,
        "detected": row.detected,
        "max": None if row.max is None else round(row.max, 4),
        "threshold": None if row.threshold is None else round(row.threshold, 4),
        "spans": [[round(start, 3), round(end, 3)] for start, end in row.spans],
        "note": note,
        "spoken": f"{row.name}: {state}; score {figures}{threshold}."
        + (f" {note[0].upper()}{note[1:]}." if note else ""),
    }
