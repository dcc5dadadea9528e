"""Mixes as files: audio, sources, recipe, labels; and JAMS for those who use it."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mixlab import __version__
from mixlab.audio.io import HOP_S, probe, write_wav
from mixlab.errors import MixlabError, RecipeError
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import Mix
from mixlab.utils.files import make_folder, write_atomic

__all__ = ["WavFormat", "read_recipe", "to_jams", "to_labels", "write_mix"]

WavFormat = Literal["PCM_16", "PCM_24"]
"""Integer formats only: float WAV files carry the time of writing, so their bytes never repeat."""

_JAMS_VERSION = "0.3.4"


@dataclass(frozen=True)
class _Names:
    """File names inside a mix's folder."""

    mixture: str = "mixture.wav"
    recipe: str = "recipe.json"
    labels: str = "labels.json"
    jams: str = "mix.jams"


NAMES = _Names()


def write_mix(mix: Mix, folder: Path, *, wav_format: WavFormat = "PCM_24", jams: bool = False) -> list[Path]:
    """Write a mix into a folder of its own; the same mix gives the same bytes.

    ``mixture.wav``, one ``source_NN_<stem>.wav`` per source as it stands in the mixture, ``recipe.json``
    (what ``mixlab mix --replay`` reads), ``labels.json`` (classes, reasons, levels), and ``mix.jams``
    on request. The recipe is written last: a folder that has one is complete.

    Returns:
        The files, the mixture first.

    Raises:
        MixlabError: the folder holds another mix.
        OutputError: it cannot be written.
    """
    _check_free(folder, mix.recipe)
    make_folder(folder)
    names = [f"source_{n:02d}_{s.stem.replace('/', '_')}.wav" for n, s in enumerate(mix.sources)]
    audios = [mix.mixture, *(source.audio for source in mix.sources)]
    # One factor for all, so that the files still add up where integers would clip.
    peak = max(float(np.abs(audio).max(initial=0.0)) for audio in audios)
    scale = np.float32(1.0 if peak <= 1.0 else (1.0 - 1e-6) / peak)
    for stale in {*folder.glob("source_*.wav"), folder / NAMES.jams}:
        stale.unlink(missing_ok=True)  # of a mix that was never finished here
    files = [folder / name for name in (NAMES.mixture, *names)]
    for path, audio in zip(files, audios, strict=True):
        write_wav(path, audio * scale, mix.recipe.render.sample_rate, subtype=wav_format)
    labels = to_labels(mix) | {"file_scale_db": round(20.0 * math.log10(scale), 3)}
    texts = {NAMES.labels: json.dumps(labels, indent=2)}
    if jams:
        texts[NAMES.jams] = json.dumps(to_jams(mix), indent=2)
    texts[NAMES.recipe] = mix.recipe.to_json(indent=2)
    for name, text in texts.items():
        files.append(folder / name)
        write_atomic(files[-1], text + "\n", sync=False)
    return files


def is_written(folder: Path, recipe: MixRecipe, *, wav_format: WavFormat, jams: bool) -> bool:
    """Tell whether a folder holds all of this very mix already, in this format.

    Raises:
        MixlabError: it holds another mix.
    """
    if not (folder / NAMES.recipe).is_file():
        return False
    _check_free(folder, recipe)
    mixture = folder / NAMES.mixture
    there = mixture.is_file() and probe(mixture).subtype == wav_format
    return there and (not jams or (folder / NAMES.jams).is_file())


def _check_free(folder: Path, recipe: MixRecipe) -> None:
    path = folder / NAMES.recipe
    if path.is_file() and read_recipe(path) != recipe:
        raise MixlabError(
            f"Expected {folder} to be new or to hold this mix, found another mix's recipe in it. "
            "Choose another --out, or remove the folder.",
            code="folder-not-empty",
        )


def read_recipe(path: Path) -> MixRecipe:
    """Read a recipe file.

    Raises:
        RecipeError: the file is missing, no JSON, or no recipe of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"Expected a recipe as 'mixlab mix' writes it at {path}: {error}.", code="unreadable-file"
        ) from error
    try:
        return MixRecipe.from_json(text)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}", code=error.code) from error


def to_labels(mix: Mix) -> dict[str, Any]:
    """Return what is known about a mix as plain data: classes with reasons, sources with levels."""
    return {
        "label_set": mix.labels.name,
        "scale_db": round(mix.scale_db, 3),
        "classes": [
            {"name": label.name, "state": label.state, "reason": label.reason} for label in mix.explain()
        ],
        "sources": [
            {
                "stem": source.stem,
                "nodes": list(source.nodes),
                "state": source.state,
                "reason": source.reason,
                "active_s": round(source.active_s, 1),
                "level_db": round(source.level_db, 2),
                "relative_db": round(source.relative_db, 2),
            }
            for source in mix.sources
        ],
    }


def to_jams(mix: Mix) -> dict[str, Any]:
    """Return a mix's labels as a JAMS document (https://jams.readthedocs.io), recipe included.

    One ``tag_open`` annotation holds the classes that are present; one ``segment_open`` annotation the
    spans in which each source sounds. What is unknown stands in the sandbox, since JAMS has no word
    for it.
    """
    duration = mix.recipe.render.duration_s
    states = {label.name: label.state for label in mix.explain()}
    present = [
        {"time": 0.0, "duration": duration, "value": name, "confidence": 1.0}
        for name, state in states.items()
        if state == "present"
    ]
    unknown = [name for name, state in states.items() if state == "unknown"]
    spans = [
        {"time": start, "duration": length, "value": "|".join(source.nodes), "confidence": 1.0}
        for source in mix.sources
        for start, length in _spans(source.active.tolist(), duration)
    ]
    return {
        "annotations": [
            _annotation("tag_open", present, duration, {"label_set": mix.labels.name, "unknown": unknown}),
            _annotation("segment_open", spans, duration, {"stems": [source.stem for source in mix.sources]}),
        ],
        "file_metadata": {
            "title": f"mix {mix.recipe.index}",
            "artist": "",
            "release": "",
            "duration": duration,
            "identifiers": {},
            "jams_version": _JAMS_VERSION,
        },
        "sandbox": {"mixlab_recipe": mix.recipe.encode()},
    }


def _annotation(
    namespace: str, data: list[dict[str, Any]], duration: float, sandbox: dict[str, Any]
) -> dict[str, Any]:
    return {
        "annotation_metadata": {
            "curator": {"name": "", "email": ""},
            "annotator": {},
            "version": __version__,
            "corpus": "",
            "annotation_tools": "mixlab",
            "annotation_rules": "",
            "validation": "",
            "data_source": "program",
        },
        "namespace": namespace,
        "data": data,
        "sandbox": sandbox,
        "time": 0.0,
        "duration": duration,
    }


def _spans(active: list[bool], duration: float) -> list[tuple[float, float]]:
    """Join sounding hops to (start, length) spans in seconds."""
    spans: list[tuple[float, float]] = []
    start: int | None = None
    for hop, sounds in enumerate([*active, False]):
        if sounds and start is None:
            start = hop
        elif not sounds and start is not None:
            begin, end = start * HOP_S, min(hop * HOP_S, duration)
            spans.append((round(begin, 3), round(end - begin, 3)))
            start = None
    return spans
