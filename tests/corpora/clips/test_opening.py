"""Labelled clips opened by configuration: classes, splits by group, subsets."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.corpora.clips.base import Clip
from mixlab.corpora.clips.mtg_jamendo import open_jamendo
from mixlab.corpora.clips.opening import _divided
from mixlab.errors import ConfigError, CorpusError
from tests.errors import raises
from tests.tagged_trees import make_irmas, make_openmic


def make_folder(root: Path, sizes: dict[str, list[int]]) -> Path:
    """A folder per class with groups of so many (empty) files each."""
    for name, groups in sizes.items():
        for group, count in enumerate(groups):
            folder = root / name / f"{name} artist {group}"
            folder.mkdir(parents=True)
            for k in range(count):
                (folder / f"{k}.wav").touch()
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "music", {"jazz": [4] * 10, "rock": [2] * 20, "pop": [1] * 10})


def sides(clips: ClipSet) -> dict[str, set[str]]:
    found = defaultdict(set)
    for clip in clips.clips:
        found[clip.group].add(clip.split)
    return found


def shares(clips: ClipSet, split: str) -> list[float]:
    return list(clips.only(split).targets.sum(axis=0) / clips.targets.sum(axis=0))


def test_every_clip_has_a_split_and_no_group_has_two(root: Path) -> None:
    clips = open_clips(ClipsConfig(root=str(root)))
    assert clips.classes == ("jazz", "pop", "rock")
    assert clips.single_label
    assert len(clips) == 90
    assert clips.splits == ("train", "validation", "test")
    assert {len(held) for held in sides(clips).values()} == {1}


def test_each_class_is_divided_alike(root: Path) -> None:
    clips = open_clips(ClipsConfig(root=str(root), validation_fraction=0.2, test_fraction=0.3))
    np.testing.assert_allclose(shares(clips, "test"), 0.3, atol=0.05)
    np.testing.assert_allclose(shares(clips, "validation"), 0.2, atol=0.05)


def test_another_seed_cuts_other_groups(root: Path) -> None:
    first, again, other = (open_clips(ClipsConfig(root=str(root), split_seed=seed)) for seed in (0, 0, 1))
    assert first.content_hash == again.content_hash
    assert first.content_hash != other.content_hash
    assert len(first.only("test")) == len(other.only("test"))


def test_smaller_shares_are_subsets_of_larger_ones(root: Path) -> None:
    sets = [open_clips(ClipsConfig(root=str(root), train_fraction=f)) for f in (0.1, 0.3, 0.5, 1.0)]
    keys = [{clip.key for clip in clips.only("train").clips} for clips in sets]
    assert keys[0] < keys[1] < keys[2] < keys[3]
    np.testing.assert_allclose([len(k) / len(keys[3]) for k in keys], [0.1, 0.3, 0.5, 1.0], atol=0.06)
    for clips in sets:
        assert clips.only("train").targets.any(axis=0).all()
        assert clips.only("test").content_hash == sets[-1].only("test").content_hash


def test_classes_are_capped_in_every_part(root: Path) -> None:
    whole = open_clips(ClipsConfig(root=str(root)))
    capped = open_clips(ClipsConfig(root=str(root), max_per_class=5))
    assert capped.only("train").targets.sum(axis=0).tolist() == [5, 5, 5]
    assert (capped.only("test").targets.sum(axis=0) <= 5).all()
    assert {clip.key for clip in capped.clips} < {clip.key for clip in whole.clips}


def test_a_cap_counts_the_classes_of_clips_not_of_their_groups(tmp_path: Path) -> None:
    """As sentences that all speakers read, or an orchestra that plays many dances."""
    for name in ("p1", "p2", "p3"):
        for group in (*(f"text {k}" for k in range(8)), *(f"{name} {k}" for k in range(8))):
            (tmp_path / name / group).mkdir(parents=True)
            (tmp_path / name / group / "1.wav").touch()
    capped = open_clips(ClipsConfig(root=str(tmp_path), max_per_class=4))
    assert capped.only("train").targets.sum(axis=0).tolist() == [4, 4, 4]
    assert (capped.only("test").targets.sum(axis=0) <= 4).all()


def test_the_largest_classes(root: Path) -> None:
    clips = open_clips(ClipsConfig(root=str(root), largest=2))
    assert clips.classes == ("jazz", "rock")
    assert "10 clips of other classes are left out" in clips.notes
    named = open_clips(ClipsConfig(root=str(root), classes=["rock", "jazz"]))
    assert named.content_hash == clips.content_hash


def test_unknown_classes_and_tasks_are_named(root: Path) -> None:
    with raises(ConfigError, code="unknown-class", mentions=("polka", "jazz")):
        open_clips(ClipsConfig(root=str(root), classes=["polka"]))
    with raises(ConfigError, code="invalid-setting", mentions=("largest", 3)):
        open_clips(ClipsConfig(root=str(root), largest=4))
    with raises(ConfigError, code="invalid-setting", mentions=("genre", "class")):
        open_clips(ClipsConfig(root=str(root), task="genre"))
    with raises(ConfigError, code="missing-setting", mentions="clips.root"):
        open_clips(ClipsConfig())
    with raises(CorpusError, code="root-not-found", mentions="nowhere"):
        open_clips(ClipsConfig(root=str(root / "nowhere")))
    with raises(ConfigError, code="plugin-not-found", mentions=("polkas", "irmas")):
        open_clips(ClipsConfig(corpus="polkas", root=str(root)))


@pytest.mark.parametrize("url", ["https://host/music", "s3:/bucket/music"])
def test_urls_are_refused(url: str) -> None:
    with raises(ConfigError, code="remote-not-supported", mentions=("clips.root", "/music")):
        ClipsConfig(root=url)
    with raises(ConfigError, code="remote-not-supported", mentions="/music"):
        open_jamendo(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("train_fraction", 0.0), ("train_fraction", 1.5), ("test_fraction", 1.0), ("largest", -1),
     ("validation_fraction", 0.9), ("splits", "random"), ("max_per_class", -2), ("corpus", ""),
     ("classes", "rock")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(name: str, value: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=f"clips.{name}"):
        ClipsConfig(**{name: value})  # type: ignore[arg-type]


def test_a_class_with_one_group_is_named(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "music", {"jazz": [4, 4], "polka": [9]})
    with raises(CorpusError, code="too-few-groups", mentions=("polka", "clips.classes")):
        open_clips(ClipsConfig(root=str(root)))


def test_a_class_with_two_groups_is_learned_and_tested(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "music", {"jazz": [4, 4], "polka": [3] * 6})
    clips = open_clips(ClipsConfig(root=str(root)))
    assert clips.only("train").targets.any(axis=0).all()
    assert clips.only("test").targets.any(axis=0).all()
    assert "validation holds no clip of jazz" in clips.notes


def test_irmas_keeps_its_test_part_and_divides_the_rest_by_recording(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    for folder in (tmp_path / "IRMAS-TrainingData").iterdir():
        for k in range(4):
            (folder / f"[{folder.name}][cla]{5000 + k}{folder.name}__1.wav").touch()
            (folder / f"[{folder.name}][cla]{ord(folder.name[0])}{ord(folder.name[2])}{k}__1.wav").touch()
    clips = open_clips(ClipsConfig(corpus="irmas", root=str(tmp_path)))
    assert len(clips.only("test")) == 3
    assert not clips.single_label
    assert clips.only("train").single_label
    assert {len(held) for held in sides(clips).values()} == {1}
    assert clips.label_set is not None
    assert clips.label_set.names == clips.classes
    part = open_clips(ClipsConfig(corpus="irmas", root=str(tmp_path), classes=["gel", "voi"]))
    assert part.classes == ("gel", "voi")
    assert part.label_set is not None
    assert part.label_set.names == part.classes
    assert part.only("test").targets.tolist() == [[1, 1], [0, 1]]
    assert part.only("train").single_label


def test_negatives_stay_where_clips_have_several_labels(tmp_path: Path) -> None:
    make_openmic(tmp_path, 12)
    clips = open_clips(ClipsConfig(corpus="openmic", root=str(tmp_path), classes=["piano"]))
    assert len(clips) == 12
    assert clips.mask.all()
    assert set(clips.targets.ravel().tolist()) == {0.0, 1.0}


def test_a_group_with_and_without_a_split_is_said(tmp_path: Path) -> None:
    """What has no split is trained on: beside a test clip of its group that is a leak."""
    clips = tuple(
        Clip(str(k), tmp_path / str(k), group, split)
        for k, (group, split) in enumerate([("A", ""), ("A", "test"), ("B", ""), ("C", ""), ("D", "test")])
    )
    targets = np.ones((5, 1), np.float32)
    found = ClipSet("own", "", ("rock",), clips, targets, np.ones((5, 1), np.bool_))
    divided = _divided(found, ClipsConfig())
    assert any("1 groups in both train and test, such as 'A'" in note for note in divided.notes)


def test_a_part_that_was_not_fetched_is_said(tmp_path: Path) -> None:
    make_openmic(tmp_path, 12)
    test = (tmp_path / "partitions/split01_test.csv").read_text().split()
    for key in test:
        (tmp_path / f"audio/{key[:3]}/{key}.ogg").unlink()
    clips = open_clips(ClipsConfig(corpus="openmic", root=str(tmp_path), classes=["piano"]))
    assert len(clips) == 10
    assert clips.splits == ("train", "validation", "test")
    assert any(note.startswith(f"None of the {len(test)} test clips") for note in clips.notes)
