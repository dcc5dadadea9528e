"""Windows as batches: each clip once before any comes again, the same for any number of workers."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.errors import AudioError, ConfigError
from mixlab.training.clips import WindowConfig, read_clip
from mixlab.training.clips.batches import ClipLoader, ClipStream, ClipWindows, Cut, window_samples
from tests.errors import raises
from tests.training.clips.tone_clips import RATE, make_tones


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    root = make_tones(tmp_path_factory.mktemp("tones"), groups=4, per_group=1)
    return open_clips(ClipsConfig("folder", str(root), validation_fraction=0.25, test_fraction=0.25))


def cut(samples: int = 2000, **settings: Any) -> Cut:
    return Cut(WindowConfig(samples / RATE, **settings), RATE, 1, samples)


def stream(clips: ClipSet, of: Cut, **settings: int) -> ClipStream:
    return ClipStream(clips.only("train"), of, **{"seed": 3, "batch_size": 4, **settings})


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("training", ["random", "all"])
def test_a_stop_in_mid_epoch_changes_nothing_for_any_number_of_workers(clips: ClipSet, training: Any) -> None:
    of = cut(training=training)
    straight = ClipLoader(stream(clips, of, batch_size=2))
    expected = [batch for _ in range(3) for batch in straight]
    first = ClipLoader(stream(clips, of, batch_size=2))
    taken = [batch for _, batch in zip(range(2), first, strict=False)]
    state = first.state_dict()
    resumed = ClipLoader(stream(clips, of, batch_size=2), num_workers=1)
    resumed.load_state_dict(state)
    taken += [batch for _ in range(3) for batch in resumed]
    assert len(taken) >= len(expected)
    assert all(same(a, b) for a, b in zip(expected, taken, strict=False))
    with raises(ConfigError, code="state-mismatch", mentions="seed"):
        ClipLoader(stream(clips, of, batch_size=2, seed=4)).load_state_dict(state)
    with raises(ConfigError, code="state-mismatch", mentions="content_hash"):
        ClipLoader(stream(clips, cut(1000, training=training), batch_size=2)).load_state_dict(state)


def test_ranks_share_the_batches_of_one(clips: ClipSet) -> None:
    alone = list(ClipLoader(stream(clips, cut())))
    ranks = [ClipLoader(stream(clips, cut(), batch_size=2, rank=r, world_size=2)) for r in (0, 1)]
    for batch, *parts in zip(alone, *ranks, strict=True):
        joined = {name: torch.cat([part[name] for part in parts]) for name in batch}
        assert same(batch, joined)


def test_every_window_comes_once_before_any_comes_again(clips: ClipSet) -> None:
    """Also where whole batches do not divide the windows: what an epoch leaves out the next begins with."""
    of = stream(clips, cut(3000, training="all"), batch_size=5)
    n = len(of.units)
    assert n == 3 * len(of.clips)
    assert of.epoch_size == n // 5 * 5
    keys = [of.place(index, epoch) for epoch in range(5) for index in range(of.epoch_size)]
    first = [unit for turn, unit in keys if turn == 0]
    assert Counter(first) == Counter(range(n))


def test_a_set_smaller_than_a_batch_is_a_batch(clips: ClipSet) -> None:
    of = stream(clips, cut(), batch_size=16)
    (batch,) = ClipLoader(of)
    assert batch["audio"].shape == (16, 1, 2000)


def test_random_windows_lie_within_their_clip_and_change_with_the_pass(clips: ClipSet) -> None:
    of = stream(clips, cut())
    seen = []
    for epoch in range(2):
        for index in range(of.epoch_size):
            _, unit = of.place(index, epoch)
            whole = read_clip(of.clips.clips[of.units[unit][0]], RATE)[0]
            window = of.item(index, epoch)["audio"][0].numpy()
            hits = [
                k
                for k in np.flatnonzero(whole[:6001] == window[0])
                if np.array_equal(whole[k : k + 2000], window)
            ]
            assert hits, "a window is a part of its clip"
            seen.append((unit, hits[0]))
    assert len(set(seen)) == len(seen), "no pass repeats the places of another"


def test_targets_are_those_of_the_clip(clips: ClipSet) -> None:
    of = stream(clips, cut())
    for index in range(of.epoch_size):
        row, _ = of.units[of.place(index, 0)[1]]
        item = of.item(index)
        np.testing.assert_array_equal(item["target"], of.clips.targets[row])
        assert item["mask"].all()


def test_others_stand_in_for_a_clip_that_cannot_be_read(clips: ClipSet, tmp_path: Path) -> None:
    root = make_tones(tmp_path, groups=4, per_group=1)
    broken = open_clips(ClipsConfig("folder", str(root), validation_fraction=0.25, test_fraction=0.25))
    training = broken.only("train")
    training.clips[0].path.write_bytes(b"no audio")
    of = ClipStream(training, cut(), seed=3, batch_size=len(training))
    loader = ClipLoader(of)
    (batch,) = loader
    assert int((batch["attempt"] > 0).sum()) == 1
    assert list(loader.problems) == [training.clips[0].key]
    assert str(training.clips[0].path) in loader.problems[training.clips[0].key]
    again = ClipLoader(of)
    again.load_state_dict(loader.state_dict())
    assert again.problems == loader.problems, "a run that goes on remembers them"
    for clip in training.clips:
        clip.path.write_bytes(b"no audio")
    with raises(AudioError, code="unreadable-audio", mentions=len(training)):
        next(iter(ClipLoader(of)))


def test_a_fixed_set_holds_all_windows_of_every_clip_again_and_again(clips: ClipSet) -> None:
    test = clips.only("test")
    windows = ClipWindows(test, cut(overlap=0.5), batch_size=5, num_workers=1)
    first, second = list(windows), list(windows)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    sizes = [len(batch["index"]) for batch in first]
    assert sizes[:-1] == [5] * (len(sizes) - 1), "every batch but the last is full"
    rows = torch.cat([batch["index"] for batch in first])
    assert Counter(rows.tolist()) == dict.fromkeys(range(len(test)), 7)
    targets = torch.cat([batch["target"] for batch in first])
    np.testing.assert_array_equal(targets, test.targets[rows])


def test_whole_clips_are_as_long_as_the_longest(clips: ClipSet) -> None:
    whole = WindowConfig(0.0)
    assert window_samples(clips, whole, RATE) == RATE
    assert window_samples(clips, WindowConfig(0.0, repeat_levels=True), RATE) == 8 * RATE
    assert window_samples(clips, WindowConfig(59049 / 22050), 22050) == 59049
    of = ClipStream(clips.only("train"), Cut(whole, RATE, 1, RATE), batch_size=2)
    np.testing.assert_array_equal(of.item(0)["audio"], read_clip(of.clips.clips[of.place(0, 0)[1]], RATE))
