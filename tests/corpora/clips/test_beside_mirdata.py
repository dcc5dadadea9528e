"""Readers beside mirdata's own loaders on the same trees, with an index written for these trees.

mirdata fetches its indexes and ships none: these tests write what they need.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips import ClipsConfig, ClipSet, read_clips
from mixlab.synthesis.clip_trees.base import TreeOptions
from mixlab.synthesis.clip_trees.making import make_clip_trees

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trees")
    names = ["gtzan", "medley_solos_db", "tinysol"]
    make_clip_trees(out, names, TreeOptions(recordings=4, track_s=2.0), workers=1)
    return out


def tracks(
    dataset: str, home: Path, audio: Mapping[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Return mirdata's tracks of a tree, by id; ``audio`` are the paths below the tree."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mirdata = pytest.importorskip("mirdata")
        core = pytest.importorskip("mirdata.core")
        monkeypatch.setattr(core.Index, "get_path", lambda self: str(folder / self.filename))
        files = ("audio", "beats", "tempo") if dataset == "gtzan_genre" else ("audio",)
        held = {key: {name: [path, None] for name in files} for key, path in audio.items()}
        module = __import__(f"mirdata.datasets.{dataset}", fromlist=["INDEXES"])
        version = module.INDEXES["default"]
        index = {"version": version, "tracks": held}
        (folder / module.INDEXES[version].filename).write_text(json.dumps(index))
        loaded: dict[str, Any] = mirdata.initialize(dataset, data_home=str(home)).load_tracks()
    return loaded


def labels(clips: ClipSet) -> dict[str, str]:
    return {
        clip.key: clips.classes[int(np.argmax(row))]
        for clip, row in zip(clips.clips, clips.targets, strict=True)
    }


def audio_of(clips: ClipSet, home: Path) -> dict[str, str]:
    return {clip.key: clip.path.relative_to(home).as_posix() for clip in clips.clips}


def test_medley_solos_db(trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = trees / "medley_solos_db"
    clips = read_clips(ClipsConfig(corpus="medley_solos_db", root=str(home)))
    theirs = tracks("medley_solos_db", home, audio_of(clips, home), tmp_path, monkeypatch)
    assert len(theirs) == len(clips) > 50
    assert {key: track.instrument for key, track in theirs.items()} == labels(clips)
    for clip in clips.clips:
        track = theirs[clip.key]
        assert (split_of(track.subset), f"song {track.song_id}") == (clip.split, clip.group)
        assert Path(track.audio_path) == clip.path


def test_tinysol(trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = trees / "tinysol"
    clips = read_clips(ClipsConfig(corpus="tinysol", root=str(home)))
    theirs = tracks("tinysol", home, audio_of(clips, home), tmp_path, monkeypatch)
    assert len(theirs) == len(clips) > 100
    assert {key: track.instrument_full for key, track in theirs.items()} == labels(clips)
    parts = {0: "test", 1: "validation"}
    for clip in clips.clips:
        track = theirs[clip.key]
        assert parts.get(track.split, "train") == clip.split
        assert clip.group == f"{track.instrument_full} {track.pitch}"


def test_gtzan(trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = trees / "gtzan"
    clips = read_clips(ClipsConfig(corpus="gtzan", root=str(home)))
    theirs = tracks("gtzan_genre", home, audio_of(clips, home), tmp_path, monkeypatch)
    assert len(theirs) == len(clips) > 30
    assert {key: track.genre.replace("-", "") for key, track in theirs.items()} == labels(clips)
