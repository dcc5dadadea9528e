"""Write songs as Slakh2100 (FLAC, redux) lays them out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.synthesis.compose import Composition
from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.midi import encode_midi, midi_part
from mixlab.synthesis.plan import SongPlan
from mixlab.synthesis.stems import break_file, render_song, to_pcm, write_audio
from mixlab.synthesis.synth import SAMPLE_RATE

__all__ = ["broken_slakh_file", "write_slakh_song"]

# Slakh's files end some seconds after the last event.
_TAIL_S = 2.0
_BROKEN_STEM = "S01"
_TICKS = 480


def broken_slakh_file(plan: SongPlan) -> str:
    """Return the path of the song's damaged file, relative to the corpus root; '' if it has none."""
    return f"{plan.split}/{plan.id}/stems/{_BROKEN_STEM}.flac" if plan.broken else ""


def write_slakh_song(plan: SongPlan, folder: Path, seconds: float, soundfont: Path) -> None:
    """Write one track's folder: MIDI, metadata, mix, and the stems, which sum to the mix."""
    slots = _slots(plan)
    mute = [slot for slot, (_, rendered) in enumerate(slots) if not rendered]
    silent = [slots[slot][0] for slot in mute if slots[slot][0] is not None]
    channels = [1] * len(plan.ensemble.parts)
    song = render_song(plan, seconds, soundfont, channels, _TAIL_S, skip=[k for k in silent if k is not None])
    peak = max(float(np.abs(np.sum(song.stems, axis=0)).max()) / 0.891, 1e-9)
    gain = min(1.0, 1 / peak, *(0.97 / max(float(np.abs(stem).max()), 1e-9) for stem in song.stems))
    pcm = [to_pcm(stem * np.float32(gain)) for stem in song.stems]
    write_audio(folder / "mix.flac", np.sum(pcm, axis=0).astype(np.int32))
    entries: dict[str, Any] = {}
    for slot, (k, rendered) in enumerate(slots):
        name = f"S{slot:02d}"
        if k is None:
            entries[name] = _unrendered()
            continue
        _write_midi(folder / "MIDI" / f"{name}.mid", plan, song.composition, [k])
        if rendered:
            write_audio(folder / "stems" / f"{name}.flac", pcm[k])
        entries[name] = _entry(plan, k, pcm[k] if rendered else None)
    _write_midi(folder / "all_src.mid", plan, song.composition, range(len(pcm)))
    uuid = hashlib.md5((folder / "all_src.mid").read_bytes(), usedforsecurity=False).hexdigest()
    _write_metadata(folder, plan, entries, uuid, gain)
    if plan.broken:
        break_file(folder / "stems" / f"{_BROKEN_STEM}.flac", plan.broken)


def _slots(plan: SongPlan) -> list[tuple[int | None, bool]]:
    """Return the stems in order as (part, rendered).

    Some tracks hold a program that has no patch (no MIDI, no audio), some a part whose rendering was
    silent (MIDI, no audio): these make the gaps in the numbers of the real stems.
    """
    count = len(plan.ensemble.parts)
    slots: list[tuple[int | None, bool]] = [(k, True) for k in range(count)]
    if plan.number % 7 == 5:
        slots[count - 1] = (count - 1, False)
    if plan.number % 3 == 1:
        slots.insert(3, (None, False))
    return slots


def _unrendered() -> dict[str, Any]:
    return {
        "audio_rendered": False,
        "inst_class": "Sound Effects",
        "is_drum": False,
        "midi_program_name": "FX 8 (sci-fi)",
        "midi_saved": False,
        "plugin_name": "None",
        "program_num": 103,
    }


def _entry(plan: SongPlan, k: int, pcm: NDArray[np.int32] | None) -> dict[str, Any]:
    patch = INSTRUMENTS[plan.ensemble.parts[k].instrument].slakh
    if patch is None:
        raise ValueError(f"{plan.ensemble.parts[k].instrument!r} has no Slakh patch but plays in {plan.id}.")
    # One program has one patch throughout a song.
    chosen = patch.plugins[(plan.number + patch.program) % len(patch.plugins)]
    entry: dict[str, Any] = {
        "audio_rendered": pcm is not None,
        "inst_class": patch.inst_class,
        "is_drum": patch.program == 128,
        "midi_program_name": patch.program_name,
        "midi_saved": True,
        "plugin_name": chosen if pcm is not None else "None",
        "program_num": patch.program,
    }
    if pcm is not None:
        entry["integrated_loudness"] = _loudness(pcm)
    return entry


def _loudness(pcm: NDArray[np.int32]) -> float:
    import pyloudnorm

    audio = pcm[0] / 32768.0
    if not audio.any() or len(audio) < 0.4 * SAMPLE_RATE:
        return -70.0
    return float(max(-70.0, pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(audio)))


def _write_metadata(folder: Path, plan: SongPlan, entries: dict[str, Any], uuid: str, gain: float) -> None:
    letters = np.random.default_rng([*plan.seed, 7])
    word = "".join(chr(65 + int(x)) for x in letters.integers(0, 26, 5))
    code = "".join(f"{int(x):X}" for x in letters.integers(0, 16, 7))
    track = f"TR{word}128F{code}"
    metadata = {
        "UUID": uuid,
        "audio_dir": f"{plan.id}/stems",
        "lmd_midi_dir": f"lmd_matched/{track[2]}/{track[3]}/{track[4]}/{track}/{uuid}.mid",
        "midi_dir": f"{plan.id}/MIDI",
        "normalization_factor": -13.0,
        "normalized": True,
        "overall_gain": float(gain),
        "stems": entries,
        "target_peak": -1.0,
    }
    (folder / "metadata.yaml").write_text(
        yaml.safe_dump(metadata, default_flow_style=False), encoding="utf-8"
    )


def _write_midi(path: Path, plan: SongPlan, composition: Composition, parts: Sequence[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tracks = []
    for k in parts:
        spec = plan.ensemble.parts[k]
        patch = INSTRUMENTS[spec.instrument].slakh
        program = patch.program if patch else 0
        tracks.append(midi_part(composition.parts[k], program % 128, program == 128, spec.instrument))
    path.write_bytes(encode_midi(tracks, composition.frame.tempo_bpm, _TICKS))
