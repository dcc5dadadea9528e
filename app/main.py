"""The explorer: hear one mix of the stream beside its recipe and its labels.

The page computes nothing itself. It reads the controls, asks mixlab for the mix, and shows it.
"""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

from mixlab import Catalog, Mix, MixConfig, MixlabError, draw, render
from mixlab.audio import encode_wav
from mixlab.effects import Effect, encode_effect

PLACES = ("demo-output/catalog", "demo-output", "catalog")
WORDS = {"present": "✓ present", "absent": "– absent", "unknown": "? unknown"}
WIDTHS = {"class": 130, "label": 100, "why": 700}  # pixels
UNITS = {"frequency_hz": "Hz", "gain_db": "dB", "q": "Q", "rate": "times as fast", "semitones": "semitones"}
NO_CATALOG = """\
There is no catalog at `{path}`. To make one, type

- `make demo`, or `mixlab demo`: demo corpora, ready in a minute or two, or
- `mixlab index --help`: for corpora of your own,

then write its folder into the field on the left."""


def default_catalog() -> str:
    """Return the catalog folder to start with: the environment's, else the demo's."""
    named = os.environ.get("MIXLAB_CATALOG")
    return named or next((place for place in PLACES if (Path(place) / "catalog.json").is_file()), PLACES[0])


@st.cache_resource(max_entries=4)
def open_catalog(path: str, modified_ns: int) -> Catalog:
    """Open a catalog; ``modified_ns`` makes the cache forget it once it is indexed again."""
    return Catalog.open(path)


@st.cache_data(max_entries=64)
def make_mix(path: str, modified_ns: int, p_musical: float, seed: int, index: int, split: str) -> Mix:
    """Return item ``index`` of epoch 0, as ``MixDataset`` with the same settings yields it."""
    catalog, config = open_catalog(path, modified_ns), MixConfig(p_musical=p_musical)
    if split != "train":
        config = config.for_evaluation()
    return render(draw(catalog, config, seed, 0, index, split=split), catalog)


def read_controls() -> tuple[str, float, int, int, str]:
    """Show the sidebar and return catalog folder, p_musical, seed, index and split."""
    side = st.sidebar
    path = side.text_input("Catalog folder", default_catalog(), key="catalog").strip()
    p_musical = side.slider(
        "p_musical", 0.0, 1.0, MixConfig.p_musical, 0.05, key="p", bind="query-params",
        help="Probability that a mix is musical. Moving it changes the kind of an item at most once.",
    )  # fmt: skip
    seed = side.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params")
    index = side.number_input("Index", 0, 2**31 - 1, 0, key="index", bind="query-params")
    split = side.selectbox("Split", ["train", "validation", "test"], key="split", bind="query-params")
    return path, float(p_musical), int(seed), int(index), str(split)


def describe(mix: Mix) -> str:
    """Say in one sentence what kind of mix this is."""
    count = len(mix.sources)
    sources = "1 source" if count == 1 else f"{count} sources"
    if mix.recipe.kind == "musical":
        return f"**Musical**: {sources} of one song of *{mix.recipe.corpus}*, at one moment."
    return f"**Non-musical**: {sources} of *{mix.recipe.corpus}*, " + (
        "from a song drawn at random." if count == 1 else "each from another song."
    )


def said(value: float) -> str:
    """Return a number with three figures, never in powers of ten: ``4160``, ``12.3``, ``0.712``."""
    return f"{float(f'{value:.3g}'):g}"


def say_effect(effect: Effect) -> str:
    """Return an effect as text, such as ``pitch shift -1.4 semitones``."""
    values = encode_effect(effect)
    name = str(values.pop("effect")).replace("_", " ")
    return " ".join([name, *(f"{said(float(value))} {UNITS[key]}" for key, value in values.items())])


def source_table(mix: Mix, catalog: Catalog) -> pd.DataFrame:
    """Return one row per source: where it comes from, and what was done to it."""
    rows = []
    for drawn, source in zip(mix.recipe.sources, mix.sources, strict=True):
        stem = catalog.stem(catalog.find(source.stem))
        rows.append(
            {
                "corpus": stem.corpus,
                "song": stem.song,
                "stem": stem.stem,
                "label": ", ".join(stem.labels),
                "instrument": " or ".join(stem.nodes),
                "start (s)": round(drawn.start_s, 2),
                "sounds (s)": round(source.active_s, 1),
                "level (dBFS)": round(source.level_db, 1),
                "effects": "; ".join(map(say_effect, drawn.effects)) or "none",
            }
        )
    return pd.DataFrame(rows)


def label_table(mix: Mix) -> pd.DataFrame:
    """Return one row per class: its label in words, and why."""
    rows = [(said.name, WORDS[said.state], said.reason) for said in mix.explain()]
    return pd.DataFrame(rows, columns=["class", "label", "why"])


def show_mix(mix: Mix, catalog: Catalog) -> None:
    """Show one mix: player, sources, labels and recipe."""
    recipe = mix.recipe
    st.markdown(describe(mix))
    # Encoded here: given an array, the player would scale it to full level.
    st.audio(encode_wav(mix.mixture, recipe.render.sample_rate), format="audio/wav")
    if mix.scale_db < 0:
        st.caption(f"Scaled by {mix.scale_db:.1f} dB, so that it does not clip.")
    st.subheader("Sources")
    st.dataframe(source_table(mix, catalog), hide_index=True)
    st.subheader("Labels")
    st.caption(
        f"Label set {mix.labels.name}: what a model is trained on for this mix. Unknown classes are left out."
    )
    widths = {name: st.column_config.Column(width=width) for name, width in WIDTHS.items()}
    st.dataframe(label_table(mix), hide_index=True, height="content", column_config=widths)
    st.subheader("Recipe")
    name = f"mix_s{recipe.seed}_i{recipe.index}_{recipe.content_hash[:8]}.json"
    st.download_button("Download the recipe", recipe.to_json(indent=2), name, "application/json")
    st.code(f"mixlab mix {catalog.path} --replay {name}", language="sh")


def main() -> None:
    """Show the page."""
    st.set_page_config("mixlab", layout="wide")
    st.title("Hear a mix")
    path, p_musical, seed, index, split = read_controls()
    marker = Path(path) / "catalog.json"
    if not marker.is_file():
        st.info(NO_CATALOG.format(path=path))
        return
    try:
        modified_ns = marker.stat().st_mtime_ns
        catalog = open_catalog(path, modified_ns)
        st.caption(f"{catalog.path} · {len(catalog)} stems · hash {catalog.content_hash} · split {split}")
        show_mix(make_mix(path, modified_ns, p_musical, seed, index, split), catalog)
    except MixlabError as error:
        st.error(str(error))


main()
