"""Texts and tables of a mix: plain values in, words and data frames out."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from app import settings
from app.links import BY_P, PAPER, Item
from mixlab import Catalog, Mix, MixRecipe
from mixlab.mixing.effects import Effect, describe_effect
from mixlab.mixing.preview import LabelRow
from mixlab.taxonomy import load_taxonomy

if TYPE_CHECKING:
    from mixlab.inference.source_scores import Blame

__all__ = [
    "LEVELS",
    "STATES",
    "STATE_NAMES",
    "describe",
    "effect_names",
    "effect_table",
    "escape",
    "file_name",
    "in_lanes",
    "label_markdown",
    "say_blame",
    "say_effect",
    "say_scaling",
    "snippet",
    "source_table",
]

STATES = {
    "present": ":green-badge[✓ present]",
    "absent": ":gray-badge[– absent]",
    "unknown": ":orange-badge[? uncertain]",
}
STATE_NAMES = {"present": "present", "absent": "absent", "unknown": "uncertain"}
"""What the states of a label are called for people."""
LEVELS = ("level (dBFS)", "in the mix (dB)", "loudness (LUFS)")
"""Columns of the table of sources that hold decibels."""

_MAY_BREAK = "\u200b"


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, also within a table."""
    return re.sub(r"([\\`*_{}\[\]()#+\-!|<>~$:&])", r"\\\1", text)


def describe(mix: Mix) -> str:
    """Say in one sentence what kind of mix this is."""
    noise = mix.recipe.noise
    if noise is not None:
        what = "silence" if noise.silent else f"noise at {noise.level_db:.0f} dBFS"
        return f"**Without instruments**: {what}."
    count = len(mix.sources)
    sources = "1 source" if count == 1 else f"{count} sources"
    corpus = escape(mix.recipe.corpus)
    if mix.recipe.kind == "musical":
        return f"**Musical**: {sources} of one song of *{corpus}*, at one moment."
    if mix.recipe.kind == "matched":
        return f"**Matched**: {sources} of *{corpus}*, " + (
            "from a song with others that fit it."
            if count == 1
            else "each from another song, brought to the first one's tempo, beat and key."
        )
    return f"**Non-musical**: {sources} of *{corpus}*, " + (
        "from a song sampled at random." if count == 1 else "each from another song."
    )


def say_scaling(mix: Mix) -> str:
    """Say by how much all sources were scaled alike, and why; nothing where they were not."""
    target = mix.recipe.mixture_lufs
    if target is not None:
        return f" Scaled by {mix.scale_db:.1f} dB towards a loudness of {target:.1f} LUFS."
    return f" Scaled by {mix.scale_db:.1f} dB, so that it does not clip." if mix.scale_db < 0 else ""


def _figure(value: object) -> str:
    """Return a number with three figures, never in powers of ten: ``4160``, ``0.712``; several in a row."""
    if isinstance(value, tuple):
        return ", ".join(_figure(one) for one in value)
    if not isinstance(value, float):
        return str(value)
    return f"{float(f'{value:.3g}'):g}"


def say_effect(effect: Effect) -> str:
    """Return an effect as text, such as ``pitch shift -1.4 semitones``, and name values of the same unit."""
    title, values = describe_effect(effect)
    units = [unit for _, unit, _ in values]
    named = (
        f"{name} {_figure(value)} {unit}"
        if unit and units.count(unit) > 1
        else f"{_figure(value)} {unit or name}"
        for name, unit, value in values
    )
    return " ".join([title, *named])


def source_table(mix: Mix, catalog: Catalog, lufs: list[float]) -> pd.DataFrame:
    """Return one row per source: where it comes from, and how it stands in the mix."""
    duration_s = mix.recipe.render.duration_s
    rows = []
    for sampled, source, loudness in zip(mix.recipe.sources, mix.sources, lufs, strict=True):
        stem = catalog.stem(catalog.find(source.stem))
        names = [load_taxonomy().nodes[node].name for node in stem.nodes]
        rows.append(
            {
                "instrument": " or ".join(names) or "unknown",
                "corpus": stem.corpus,
                "song": stem.song,
                "stem": stem.stem,
                "artist": stem.artist or "unknown",
                "label": ", ".join(stem.labels),
                "starts at (s)": round(sampled.start_s, 2),
                "sounds (%)": round(100.0 * min(source.active_s / duration_s, 1.0)),
                "level (dBFS)": round(source.level_db, 1),
                "in the mix (dB)": round(source.relative_db, 1),
                "loudness (LUFS)": None if loudness != loudness else round(loudness, 1),
            }
        )
    return pd.DataFrame(rows)


def _numbered_effects(
    recipe: MixRecipe, names: list[tuple[str, str]]
) -> Iterator[tuple[int, str, int, Effect]]:
    """Yield number and name of the source, number of the effect, and the effect; source 0 is the mixture."""
    for place, (source, (name, _)) in enumerate(zip(recipe.sources, names, strict=True)):
        yield from ((place + 1, name, order + 1, effect) for order, effect in enumerate(source.effects))
    yield from ((0, "mixture", order + 1, effect) for order, effect in enumerate(recipe.effects))


def effect_names(recipe: MixRecipe, names: list[tuple[str, str]]) -> list[str]:
    """Return the effects of a recipe, each once and numbered, such as ``1.2 piano: gain 3 dB``."""
    return [
        f"{place}.{order} {name}: {say_effect(effect)}"
        for place, name, order, effect in _numbered_effects(recipe, names)
    ]


def effect_table(recipe: MixRecipe, names: list[tuple[str, str]]) -> pd.DataFrame:
    """Return one row per parameter of the effects of a recipe, in the order of their application."""
    rows = []
    for place, name, order, effect in _numbered_effects(recipe, names):
        title, values = describe_effect(effect)
        # An effect without values has its row, too.
        for parameter, unit, value in values or [("", "", "")]:
            rows.append((place, name, order, title, parameter, _figure(value), unit))
    return pd.DataFrame(
        rows, columns=["source", "instrument", "order", "effect", "parameter", "value", "unit"]
    )


def in_lanes(reason: str, stems: Sequence[str], names: Sequence[str]) -> str:
    """Return why a label is there with lanes and instruments in the place of keys of stems."""
    lanes = {stem: f"lane {n + 1} ({name})" for n, (stem, name) in enumerate(zip(stems, names, strict=True))}
    if not lanes:
        return reason
    # The longest first: one key may be the beginning of another.
    keys = "|".join(re.escape(stem) for stem in sorted(lanes, key=len, reverse=True))
    return re.sub(keys, lambda found: lanes[found[0]], reason)


def _breakable(escaped: str) -> str:
    """Let the keys of stems break into lines: unbroken they make a table wider than a narrow screen."""
    return escaped.replace("/", f"/{_MAY_BREAK}").replace("\\_", f"\\_{_MAY_BREAK}")


def label_markdown(rows: tuple[LabelRow, ...], stems: Sequence[str] = (), names: Sequence[str] = ()) -> str:
    """Return the label tree as a Markdown table: class, state in words and colour, and why.

    Args:
        rows: The tree.
        stems: Keys of the mix's stems.
        names: Their instruments, which with the number of the lane take the place of the keys.
    """
    lines = ["| class | label | why |", "|:--|:--|:--|"]
    for row in rows:
        # Wide spaces would be places to break a line at, and leave a branch without its indent.
        indent = "&nbsp;" * (2 * row.depth) + ("└&nbsp;" if row.depth else "")
        text = escape(row.name).replace(" ", "&nbsp;")  # a name stays beside its branch on narrow screens
        name = f"**{text}**" if row.scored else f"*{text}*"
        why = _breakable(escape(in_lanes(row.reason, stems, names)))
        lines.append(f"| {indent}{name} | {STATES[row.state]} | {why} |")
    return "\n".join(lines)


def file_name(mix: Mix, item: Item, suffix: str) -> str:
    """Return the name under which a mix is saved, such as ``mix_s7_i42_p0.5_1a2b3c4d.wav``."""
    sampled = f"p{item.p:g}" if item.mix_kind == BY_P and item.split == "train" else mix.recipe.kind
    return f"mix_s{item.seed}_i{item.index}_{sampled}_{mix.recipe.content_hash[:8]}{suffix}"


def snippet(mix: Mix, item: Item, path: Path) -> str:
    """Return the lines of Python that make this very mix."""
    if item.bypass or item.run is not None:
        name = file_name(mix, item, ".json")
        return (
            "from mixlab import Catalog, MixRecipe, render_mix\n"
            f"recipe = MixRecipe.from_json(open({name!r}).read())  # download it below\n"
            f"mix = render_mix(recipe, Catalog.open({str(path)!r}))"
        )
    preset = "" if item.preset == PAPER else f", effects=EffectsConfig(preset={item.preset!r})"
    if item.settings:
        preset = ""
        found = settings.differences(settings.decode(item.settings, item.p, item.preset))
        config = f"MixConfig.from_dict({found!r})" + ("" if item.split == "train" else ".for_evaluation()")
    elif item.split == "train":
        config = f"MixConfig(p_musical={item.p:g}{preset})"
    else:
        config = "MixConfig().for_evaluation()"
    imported = "from mixlab.mixing import EffectsConfig\n" if preset else ""
    forced = "" if item.mix_kind == BY_P else f", kind={mix.recipe.kind!r}"
    where = f"seed={item.seed}, epoch=0, index={item.index}, split={item.split!r}{forced}"
    return (
        "from mixlab import Catalog, MixConfig, sample_recipe, render_mix\n"
        f"{imported}"
        f"catalog = Catalog.open({str(path)!r})\n"
        f"mix = render_mix(sample_recipe(catalog, {config}, {where}), catalog)"
    )


def say_blame(found: "Blame", label: str, names: Sequence[str]) -> str:
    """Say which source a decision on a class hangs on.

    Args:
        found: What ``blame`` found.
        label: The class.
        names: What the sources are called.
    """
    name = "" if found.source is None else f"**{escape(names[found.source])}**"
    label = escape(label)
    if found.how == "decides":
        return f"It hangs on {name}: without it {label} would not be detected."
    if found.how == "alone":
        return f"{name} alone is taken for {label}, but without it others still are."
    if found.how == "hides":
        return f"{name} hides it: without that source {label} would be detected."
    return f"No single source decides on {label}: leaving out any one of them changes nothing."
