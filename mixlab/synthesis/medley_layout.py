"""Write songs as MedleyDB lays them out; its metadata format serves Mixing Secrets too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.plan import SongPlan
from mixlab.synthesis.stems import add_bleed, break_file, render_pieces, render_song, to_pcm, write_audio

__all__ = [
    "TAIL_S",
    "broken_medleydb_file",
    "mixing_weights",
    "song_sheet",
    "write_coefficients",
    "write_medleydb_song",
    "write_sheet",
]

FloatArray = NDArray[np.float32]
TAIL_S = 0.6
_RAW_PIECES = {
    "kick": "kick drum",
    "snare": "snare drum",
    "hihat": "high hat",
    "tom": "toms",
    "overheads": "cymbal",
}


def broken_medleydb_file(plan: SongPlan) -> str:
    """Return the path of the song's damaged file, relative to the corpus root; '' if it has none."""
    if plan.broken:
        return f"Audio/{plan.id}/{plan.id}_STEMS/{plan.id}_STEM_{len(plan.ensemble.parts):02d}.wav"
    return ""


def mixing_weights(plan: SongPlan) -> dict[str, dict[int, float]]:
    """Return the song's entry of the mixing coefficients: ``manual``, ``audio``, ``stft`` by stem number.

    As in the real file, ``manual`` is absent for some songs; then the mean of the other two holds.
    """
    rng = np.random.default_rng([*plan.seed, 5])
    count = len(plan.ensemble.parts) + plan.ensemble.live
    numbers = range(1, count + 1)
    audio = {k: round(float(rng.uniform(0.5, 1.2)), 4) for k in numbers}
    stft = {k: round(float(rng.uniform(0.5, 1.2)), 4) for k in numbers}
    if plan.number % 2:
        return {"audio": audio, "stft": stft}
    manual = {k: round(float(rng.choice([0.3, 0.5, 0.8, 1.0])), 1) for k in numbers}
    return {"manual": manual, "audio": audio, "stft": stft}


def _gains(plan: SongPlan) -> list[float]:
    weights = mixing_weights(plan)
    if "manual" in weights:
        return [weights["manual"][k] for k in sorted(weights["manual"])]
    return [(weights["audio"][k] + weights["stft"][k]) / 2 for k in sorted(weights["audio"])]


def write_coefficients(path: Path, plans: Sequence[SongPlan]) -> None:
    """Write the mixing coefficients of all songs, in the shape of MedleyDB's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {plan.id: mixing_weights(plan) for plan in plans}
    path.write_text(
        yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100), encoding="utf-8"
    )


def song_sheet(plan: SongPlan, stems: dict[str, Any], **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML values
    """Return the metadata with all the keys that every real file has."""
    sheet: dict[str, Any] = {
        "album": plan.album,
        "artist": plan.artist,
        "composer": [plan.artist, "mixlab demo composer"],
        "excerpt": "no",
        "genre": plan.ensemble.genre,
        "has_bleed": "yes" if plan.ensemble.live else "no",
        "instrumental": "no"
        if any(INSTRUMENTS[p.instrument].family == "voice" for p in plan.ensemble.parts)
        else "yes",
        "mix_filename": f"{plan.id}_MIX.wav",
        "origin": "mixlab demo",
        "producer": ["mixlab demo composer"],
        "raw_dir": f"{plan.id}_RAW",
        "stem_dir": f"{plan.id}_STEMS",
        "stems": stems,
        "title": plan.title,
        "version": 1.2,
        "website": [],
    }
    return {**sheet, **fields}


def write_sheet(folder: Path, plan: SongPlan, sheet: dict[str, Any]) -> None:
    """Write the metadata file into the song's folder."""
    text = yaml.safe_dump(sheet, default_flow_style=False)
    (folder / f"{plan.id}_METADATA.yaml").write_text(text, encoding="utf-8")


def _headroom(stems: Sequence[FloatArray], gains: Sequence[float]) -> list[FloatArray]:
    """Scale all stems alike so that neither a stem nor their weighted sum clips."""
    mix = sum(stem * np.float32(gain) for stem, gain in zip(stems, gains, strict=True))
    peak = max(float(np.abs(mix).max()) / 0.89, *(float(np.abs(stem).max()) / 0.97 for stem in stems), 1e-9)
    return [stem * np.float32(1 / peak) if peak > 1 else stem for stem in stems]


def write_medleydb_song(plan: SongPlan, folder: Path, seconds: float, soundfont: Path) -> None:
    """Write one song's folder: stems, mix, metadata, and raws where the plan asks for them."""
    song = render_song(plan, seconds, soundfont, [2] * len(plan.ensemble.parts), TAIL_S)
    stems = song.stems
    labels = [INSTRUMENTS[part.instrument].medleydb for part in plan.ensemble.parts]
    components = [{"lead": "melody", "bass": "bass"}.get(part.role, "") for part in plan.ensemble.parts]
    if plan.ensemble.live:
        everything = np.sum(stems, axis=0) * np.float32(0.6)
        stems = [*add_bleed(stems, np.random.default_rng([*plan.seed, 6])), everything]
        labels, components = [*labels, "Main System"], [*components, ""]
    gains = _gains(plan)
    pcm = [to_pcm(stem) for stem in _headroom(stems, gains)]
    entries: dict[str, Any] = {}
    for k, (data, label, component) in enumerate(zip(pcm, labels, components, strict=True), start=1):
        name = f"{plan.id}_STEM_{k:02d}.wav"
        write_audio(folder / f"{plan.id}_STEMS" / name, data)
        raw = {"R01": {"filename": f"{plan.id}_RAW_{k:02d}_01.wav", "instrument": label}}
        if plan.raws:
            raw = _write_raws(plan, folder, k, data, song.composition.parts[k - 1], seconds, soundfont)
        entries[f"S{k:02d}"] = {"component": component, "filename": name, "instrument": label, "raw": raw}
    mix = sum(data / 32767 * gain for data, gain in zip(pcm, gains, strict=True))
    write_audio(folder / f"{plan.id}_MIX.wav", to_pcm(np.asarray(mix)))
    if plan.number % 3 == 2:  # the second volume's spelling of the same fields
        write_sheet(folder, plan, song_sheet(plan, entries, composer="", producer="", website=None))
    else:
        write_sheet(folder, plan, song_sheet(plan, entries))
    if plan.broken:
        break_file(folder / Path(broken_medleydb_file(plan)).relative_to(f"Audio/{plan.id}"), plan.broken)


def _write_raws(
    plan: SongPlan,
    folder: Path,
    k: int,
    stem: NDArray[np.int32],
    notes: Sequence[Note],
    seconds: float,
    soundfont: Path,
) -> dict[str, dict[str, str]]:
    """Write a stem's raw recordings, mono: a drum set's microphones, or the stem's own left channel."""
    instrument = INSTRUMENTS[plan.ensemble.parts[k - 1].instrument]
    tracks = {instrument.medleydb: stem[:1]}
    if instrument.id == "drum set":
        pieces = render_pieces(notes, plan.sounds[k - 1], plan.room, seconds, soundfont)
        tracks = {_RAW_PIECES[piece]: to_pcm(audio) for piece, audio in pieces.items()}
    raw = {}
    for r, (label, data) in enumerate(tracks.items(), start=1):
        name = f"{plan.id}_RAW_{k:02d}_{r:02d}.wav"
        write_audio(folder / f"{plan.id}_RAW" / name, data)
        raw[f"R{r:02d}"] = {"filename": name, "instrument": label}
    return raw
