"""Demo trees of labelled clips: true layouts, repeatable bytes, resuming; every reader reads its own."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig, clip_corpora, open_clips
from mixlab.errors import ConfigError
from mixlab.synthesis.clip_trees.base import TreeOptions
from mixlab.synthesis.clip_trees.making import clip_trees, make_clip_trees
from tests.errors import raises

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")


def digest(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every tree, as small as can be divided."""
    out = tmp_path_factory.mktemp("trees")
    make_clip_trees(out, ["all"], TreeOptions(recordings=4, track_s=2.0), workers=1)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(clip_trees()))
def test_every_tree_is_read_by_its_corpus(trees: Path, name: str) -> None:
    assert name in clip_corpora()
    clips = open_clips(ClipsConfig(corpus=name, root=str(trees / clip_trees()[name].folder)))
    assert clips.splits == ("train", "validation", "test")
    assert clips.only("train").targets.any(axis=0).all()
    # The leads of synthesizers are in NSynth's training part alone.
    lacking = {
        name
        for name, held in zip(clips.classes, clips.only("test").targets.any(axis=0), strict=True)
        if not held
    }
    assert lacking <= {"synth_lead"}
    # A small tree lacks most of the tracks that GTZAN's split names.
    assert clips.missing == () or name == "gtzan"
    for clip in clips.clips:
        audio, _ = soundfile.read(clip.path, dtype="float32")
        assert 0.01 < np.abs(audio).max() <= 1.0


def test_bytes_repeat_and_a_rerun_makes_what_is_missing(tmp_path: Path) -> None:
    options = TreeOptions(recordings=1)
    (first,) = make_clip_trees(tmp_path / "one", ["irmas"], options, workers=1)
    make_clip_trees(tmp_path / "two", ["irmas"], options, workers=2)
    expected = digest(tmp_path / "one")
    assert digest(tmp_path / "two") == expected
    gone = next(first.root.rglob("*.wav"))
    gone.unlink()
    (again,) = make_clip_trees(tmp_path / "one", ["irmas"], options, workers=1)
    assert (again.made, again.kept) == (1, first.made - 1)
    assert digest(tmp_path / "one") == expected


def test_other_options_need_force(tmp_path: Path) -> None:
    make_clip_trees(tmp_path, ["irmas"], TreeOptions(recordings=1), workers=1)
    with raises(ConfigError, code="settings-changed", mentions=("seed", "--force")):
        make_clip_trees(tmp_path, ["irmas"], TreeOptions(recordings=1, seed=1), workers=1)
    (made,) = make_clip_trees(tmp_path, ["irmas"], TreeOptions(recordings=1, seed=1), workers=1, force=True)
    assert made.kept == 0


def test_a_folder_of_other_origin_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "irmas").mkdir()
    with raises(ConfigError, code="folder-not-empty", mentions="irmas"):
        make_clip_trees(tmp_path, ["irmas"], force=True)
    with raises(ConfigError, code="invalid-setting", mentions=("polkas", "irmas")):
        make_clip_trees(tmp_path, ["polkas"])
    with raises(ConfigError, code="invalid-setting", mentions="151"):
        TreeOptions(recordings=151)


def test_the_command_makes_trees_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo-corpora", str(tmp_path), "--clips", "irmas", "--recordings", "1", "--workers", "1"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert f"irmas: {tmp_path / 'irmas'}" in shown
    assert "mixlab clips irmas" in shown
