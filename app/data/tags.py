"""What the page that tags files shows: runs, decoded uploads and their tags, kept as long as the session.

Uploads are held in memory for the session that brought them, and nowhere else.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from app.components.heat import HeatPicture, pack_tags, picture_of
from mixlab.audio.uploads import Upload, decode_upload
from mixlab.errors import RunError
from mixlab.models.pretrained import CHECKPOINTS, copy_of
from mixlab.models.shipped_model import SHIPPED, shipped_files
from mixlab.studies.locations import Found

if TYPE_CHECKING:
    from mixlab.inference.file_tags import FileTags
    from mixlab.inference.tagger import Tagger

__all__ = [
    "RunModel",
    "example_names",
    "example_truth",
    "get_example",
    "get_notes",
    "get_payload",
    "get_tagger",
    "get_tags",
    "get_upload",
    "instrument_words",
    "with_model",
    "without_run",
]

_KEPT = 4
BESIDE = ("mtat_musicnn", "jamendo_musicnn")
"""Published weights that are offered beside mixlab's own model, where they were fetched; the best first."""


class RunModel(NamedTuple):
    """A run with a model; the times of its files' last changes make the caches forget older ones.

    ``weights`` names published weights in its place, several with commas between; '' for a run.
    """

    name: str
    path: str
    modified_ns: tuple[int, ...]
    weights: str = ""


def without_run() -> list[RunModel]:
    """Return the model that comes with mixlab, and it together with published weights that were fetched.

    Of several, each is offered alone, and all of them.
    """
    fetched = [name for name in BESIDE if copy_of(CHECKPOINTS[name]).is_file()]
    beside = [[], *([name] for name in fetched)] + ([fetched] if len(fetched) > 1 else [])
    return [_shipped_with(also) for also in beside]


def _shipped_with(also: Sequence[str]) -> RunModel:
    """Return mixlab's model and published weights as one; another where any of their files has changed."""
    files = [*shipped_files(), *(copy_of(CHECKPOINTS[name]) for name in also)]
    names = (SHIPPED, *also)
    return RunModel(" and ".join(names), "", tuple(_time(file) for file in files), ",".join(names))


def with_model(found: Sequence[Found]) -> list[RunModel]:
    """Return those of the runs found that have a model."""
    runs = []
    for one in found:
        files = [Path(one.path) / name for name in ("model.safetensors", "model.json", "report.json")]
        times = [_time(file) for file in files]
        if all(times[:2]):
            runs.append(RunModel(one.name, str(one.path), tuple(times)))
    return runs


def _time(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=2, show_spinner=False)
def get_tagger(run: RunModel) -> "Tagger":
    """Load a run's model, or published weights."""
    from mixlab.inference.tagger import Tagger

    if not run.weights:
        return Tagger.load(run.path)
    from mixlab.inference.joint import join_beside
    from mixlab.inference.published import published_scorer

    name, *also = run.weights.split(",")
    scorer = published_scorer(name)
    return Tagger(join_beside(scorer, also) if also else scorer)


@st.cache_data(max_entries=16, show_spinner=False)
def get_notes(run: RunModel) -> dict[str, str]:
    """Return of which classes the run's tags mean little, and why."""
    from mixlab.inference.tagger import class_notes

    if run.weights:
        return {}
    try:
        return class_notes(run.path)
    except RunError:  # a damaged report must not keep the model from being used
        return {}


@st.cache_resource(scope="session", max_entries=2, show_spinner=False)
def get_upload(
    key: str, name: str, sample_rate: int, _data: Callable[[], bytes], channels: int = 1
) -> Upload:
    """Decode what was handed in, as a model is given it; ``key`` stands for its content.

    Raises:
        AudioError: it cannot be tagged, and why.
    """
    return decode_upload(_data(), name, sample_rate=sample_rate, channels=channels)


def example_names() -> dict[str, str]:
    """Return the examples: name, and what plays in it."""
    from mixlab.synthesis.example import EXAMPLES

    return {name: ", ".join(example.instruments) for name, example in EXAMPLES.items()}


def example_truth(name: str) -> frozenset[str]:
    """Return the names of all nodes of the instrument tree that sound in an example."""
    from mixlab.synthesis.example import EXAMPLES
    from mixlab.taxonomy import load_label_map, load_taxonomy

    tree, labels = load_taxonomy(), load_label_map("medleydb")  # whose words the composer uses
    found = [labels.resolve(label) for label in EXAMPLES[name].instruments]
    nodes = [node for one in found if one is not None for node in one.nodes]
    return frozenset(tree.nodes[node].name for node in tree.closure(nodes))


def instrument_words() -> frozenset[str]:
    """Return the names of all nodes of the instrument tree: of other classes an example tells nothing."""
    from mixlab.taxonomy import load_taxonomy

    return frozenset(node.name for node in load_taxonomy().nodes.values())


def get_example(name: str) -> bytes:
    """Return an example as a WAV file.

    Raises:
        MissingDependencyError: the synthesizer is not installed.
    """
    import soundfile

    from mixlab.synthesis.example import render_example

    audio, rate = render_example(name)
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@st.cache_resource(scope="session", show_spinner=False)
def _file_tags() -> dict[tuple[object, ...], "FileTags"]:
    return {}


def get_tags(
    run: RunModel, upload: Upload, hop_s: float, progress: Callable[[int, int], None] | None = None
) -> "FileTags":
    """Tag an upload, or return what was found before.

    Args:
        run: Whose model scores the file.
        upload: Decoded at the model's rate.
        hop_s: Seconds from window to window.
        progress: Called with (windows done, windows in all).

    Raises:
        MixlabError: the run or ``hop_s`` does not fit.
    """
    # A dict of our own, since what a cached function writes on the page is written again from the cache.
    kept, key = _file_tags(), (run, upload.key, hop_s)
    if key not in kept:
        tags = get_tagger(run).tag_audio(upload.audio, name=upload.name, hop_s=hop_s, progress=progress)
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = tags
    return kept[key]


@st.cache_resource(scope="session", max_entries=2, show_spinner=False)
def _picture(key: str, sample_rate: int, channels: int, _upload: Upload) -> HeatPicture:
    return picture_of(_upload)


def get_payload(upload: Upload, tags: "FileTags", notes: dict[str, str], *, only_detected: bool) -> bytes:
    """Return the player's blob: the file as the model is given it, its spectrogram, scores over time."""
    picture = _picture(upload.key, upload.sample_rate, len(upload.audio), upload)
    return pack_tags(upload, picture, tags, notes, only_detected=only_detected)
