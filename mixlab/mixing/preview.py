"""What is shown of a mix: its counterparts, its dry form, its spectrogram, its labels as a tree.

Pure functions over recipes and mixes, for the explorer and for notebooks alike.
"""

import io
import math
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, FloatArray
from mixlab.audio.loudness import loudness_lufs
from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.mixing.candidates import nodes_of
from mixlab.mixing.config import KINDS, Kind, MixConfig
from mixlab.mixing.effects import Effect
from mixlab.mixing.export import write_mix
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import Mix, Source
from mixlab.mixing.sampler import sample_recipe
from mixlab.taxonomy import load_label_set, load_taxonomy, stem_evidence
from mixlab.utils.spans import spans

__all__ = [
    "LOWEST_HZ",
    "MEL_BANDS",
    "MEL_FRAMES",
    "MEL_HOP",
    "MEL_WINDOW",
    "LabelRow",
    "active_spans",
    "find_classes",
    "holds_classes",
    "label_tree",
    "loudness_lufs",
    "mel_image",
    "other_kinds",
    "without_effects",
    "zip_mix",
]

MEL_BANDS = 96
LOWEST_HZ = 30.0
MEL_FRAMES = 800
MEL_WINDOW = 1024
MEL_HOP = 256
_MEL_FLOOR_DB = -80.0

State = Literal["present", "absent", "unknown"]


def other_kinds(kind: Kind) -> tuple[Kind, ...]:
    """Return the kinds that a mix's counterparts have: musical and non-musical before matched."""
    return tuple(other for other in KINDS if other != kind)


def without_effects(recipe: MixRecipe, which: Iterable[tuple[int, int]] | None = None) -> MixRecipe:
    """Return a recipe with effects left out; the sources and where they start stay.

    Args:
        recipe: Any recipe.
        which: Pairs of source and effect, both counted from 0, source -1 being the mixture; those that do
            not exist are passed over. None leaves out all effects: the dry mix.
    """
    out = None if which is None else set(which)

    def kept(place: int, effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return tuple(e for n, e in enumerate(effects) if out is not None and (place, n) not in out)

    sources = (replace(s, effects=kept(place, s.effects)) for place, s in enumerate(recipe.sources))
    return replace(recipe, sources=tuple(sources), effects=kept(-1, recipe.effects))


def holds_classes(recipe: MixRecipe, catalog: Catalog, names: Sequence[str]) -> bool:
    """Tell whether sources of the recipe certainly are of all of some classes, wherever they sound.

    Args:
        recipe: The recipe.
        catalog: That it samples from.
        names: Classes of the recipe's label set, or nodes of the instrument tree; one source may be several
            of them.

    Raises:
        ConfigError: neither the label set nor the tree has one of the names.
    """
    wanted = [_class_nodes(recipe.render.label_set, name) for name in names]
    labels = load_label_set(recipe.render.label_set)
    # Bleed proves nothing, so it is left aside.
    proved = [
        stem_evidence(load_taxonomy(), nodes_of(catalog, catalog.find(source.stem), labels))
        for source in recipe.sources
    ]
    return all(any(one.state(nodes) == "present" for one in proved) for nodes in wanted)


@lru_cache(maxsize=256)
def _class_nodes(label_set: str, name: str) -> tuple[str, ...]:
    labels = load_label_set(label_set)
    for output in labels.outputs:
        if output.name == name:
            return output.nodes
    if name in load_taxonomy().nodes:
        return (name,)
    raise ConfigError(
        f"Label set {labels.name} has no class {name!r}, nor has the instrument tree; the classes are "
        f"{', '.join(labels.names)}.",
        code="unknown-class",
    )


def find_classes(
    catalog: Catalog,
    config: MixConfig,
    names: Sequence[str],
    *,
    seed: int,
    start: int,
    step: int = 1,
    split: str = "train",
    kind: Kind | None = None,
    tries: int = 1000,
) -> int | None:
    """Return the first index from ``start`` on whose mix samples sources of all of some classes.

    Args:
        catalog: Where stems come from.
        config: How mixes are sampled.
        names: Classes of the configuration's label set, or nodes of the instrument tree.
        seed: Seed of the stream; its epoch is 0.
        start: First index that is looked at.
        step: 1 forwards, -1 backwards.
        split: Split of the stream.
        kind: As for ``sample_recipe``.
        tries: Most indices that are looked at.

    Returns:
        The index, or None when none of those looked at has them all.

    Raises:
        ConfigError: neither the label set nor the tree has one of the names.
    """
    for index in range(start, start + step * tries, step):
        if index < 0:
            break
        recipe = sample_recipe(catalog, config, seed, 0, index, split=split, kind=kind)
        if holds_classes(recipe, catalog, names):
            return index
    return None


def active_spans(source: Source, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Return where a source sounds as (start, end) in seconds, to within a hop of 100 ms."""
    pairs = spans(source.active) * HOP_S
    return tuple((round(float(a), 3), round(min(float(b), duration_s), 3)) for a, b in pairs)


def mel_image(audio: FloatArray, sample_rate: int) -> NDArray[np.uint8]:
    """Return a mel spectrogram as a picture.

    Args:
        audio: float32 ``(channels, samples)``.
        sample_rate: In Hz.

    Returns:
        uint8 ``(MEL_BANDS, frames)``, the lowest band first. 255 is the loudest cell, 0 lies 80 dB or
        more below it; silence is all 0. At most 800 frames or so, evenly spread over the audio.
    """
    mono = audio.mean(axis=0)
    hop = max(MEL_HOP, -(-len(mono) // MEL_FRAMES))
    padded = np.pad(mono, (MEL_WINDOW // 2, MEL_WINDOW // 2 + hop))
    frames = np.lib.stride_tricks.sliding_window_view(padded, MEL_WINDOW)[: len(mono) + hop : hop]
    spectrum = np.fft.rfft(frames * np.hanning(MEL_WINDOW).astype(np.float32), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    level = _mel_bank(sample_rate) @ power.T
    top = float(level.max(initial=0.0))
    if top <= 1e-12:
        return np.zeros(level.shape, dtype=np.uint8)
    level_db = 10.0 * np.log10(np.maximum(level / top, 10.0 ** (_MEL_FLOOR_DB / 10.0)))
    image: NDArray[np.uint8] = np.rint(255.0 * (1.0 - level_db / _MEL_FLOOR_DB)).astype(np.uint8)
    return image


@lru_cache(maxsize=4)
def _mel_bank(sample_rate: int) -> FloatArray:
    """Return triangles that are equally wide in mel (O'Shaughnessy's formula), each of area 1."""
    frequencies = np.fft.rfftfreq(MEL_WINDOW, 1.0 / sample_rate)
    low, high = (2595.0 * math.log10(1.0 + hertz / 700.0) for hertz in (LOWEST_HZ, sample_rate / 2))
    centres = 700.0 * (10.0 ** (np.linspace(low, high, MEL_BANDS + 2) / 2595.0) - 1.0)
    # Low bands are narrower than a bin; made one bin wide at least, none of them stays empty.
    width = np.maximum(np.diff(centres), sample_rate / MEL_WINDOW)
    rise = (frequencies - (centres[1:-1] - width[:-1])[:, None]) / width[:-1, None]
    fall = ((centres[1:-1] + width[1:])[:, None] - frequencies) / width[1:, None]
    bank = np.clip(np.minimum(rise, fall), 0.0, None)
    area: FloatArray = (bank / np.maximum(bank.sum(axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return area


@dataclass(frozen=True)
class LabelRow:
    """One line of a mix's label tree.

    Attributes:
        name: Name of the class or of the node.
        depth: 0 for a family.
        state: What the label rule made of it.
        reason: Why.
        scored: Whether it is a class of the label set; the others are shown for context only.
    """

    name: str
    depth: int
    state: State
    reason: str
    scored: bool


def label_tree(mix: Mix) -> tuple[LabelRow, ...]:
    """Return the labels of a mix as a tree: families, classes of its label set, and what was sampled.

    Classes that stand for several nodes, or for none, follow at the end.
    """
    taxonomy = load_taxonomy()
    single = {
        o.nodes[0]: e for o, e in zip(mix.labels.outputs, mix.explain(), strict=True) if _is_node(o.nodes)
    }
    others = [e for o, e in zip(mix.labels.outputs, mix.explain(), strict=True) if not _is_node(o.nodes)]
    shown = {*taxonomy.families, *taxonomy.closure([*single, *(n for s in mix.sources for n in s.nodes)])}
    rows = []
    for node in taxonomy.nodes:
        if node not in shown:
            continue
        depth = len(taxonomy.ancestors(node))
        if node in single:
            said = single[node]
            rows.append(LabelRow(said.name, depth, said.state, said.reason, True))
        else:
            rows.append(LabelRow(taxonomy.nodes[node].name, depth, *_state(mix, node), False))
    return (*rows, *(LabelRow(e.name, 0, e.state, e.reason, True) for e in others))


def _is_node(nodes: tuple[str, ...]) -> bool:
    return len(nodes) == 1


def _state(mix: Mix, node: str) -> tuple[State, str]:
    """Return state and reason of a node that is no class of the label set."""
    present = [s for s in mix.sources if node in s.verdict.present]
    if present:
        return "present", "; ".join(f"{s.stem} {s.reason}" for s in present)
    unknown = [s for s in mix.sources if node in s.verdict.unknown]
    if unknown:
        return "unknown", "may sound in " + ", ".join(s.stem for s in unknown)
    return "absent", "no source has it"


def zip_mix(mix: Mix) -> bytes:
    """Return what ``write_mix`` writes as one ZIP: mixture, every source, recipe and labels.

    The same mix gives the same bytes.
    """
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        files = write_mix(mix, Path(folder) / "mix")
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                # Without a time of writing, which would make every ZIP another file.
                archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
