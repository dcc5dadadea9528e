"""MTG-Jamendo: real tables, files by any name, the stream's order and its resume, evenly spaced excerpts."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.corpora.clips.mtg_jamendo import (
    JamendoConfig,
    JamendoCorpus,
    even_starts,
    find_audio,
    jamendo_labels,
    open_jamendo,
    read_track_excerpt,
    read_tracks,
)
from mixlab.errors import AudioError, ConfigError, CorpusError
from mixlab.training.tracks import TrackExcerpts, TrackLoader, TrackStream
from tests.errors import raises
from tests.tagged_trees import RATE, make_jamendo

SECONDS = 0.5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> JamendoCorpus:
    root = tmp_path_factory.mktemp("jamendo")
    make_jamendo(root)
    return open_jamendo(root)


def stream(corpus: JamendoCorpus, **settings: int) -> TrackStream:
    sizes = {"epoch_size": 10, "batch_size": 4, **settings}
    names = corpus.labels.names
    return TrackStream(corpus.tracks["train"], names, duration_s=SECONDS, sample_rate=RATE, **sizes)


def test_the_real_tables(shared: Path) -> None:
    """Rows have one to many tag columns; tags, paths and artists are as the dataset says of itself."""
    folder = shared / "datasets" / "mtg_jamendo" / "splits_head"
    tags = set(jamendo_labels("top50tags").names)
    widths = set()
    for split in range(5):
        artists: dict[str, set[str]] = {}
        for part in ("train", "validation", "test"):
            tracks = read_tracks(folder / f"split-{split}" / f"autotagging_top50tags-{part}.tsv")
            assert len(tracks) == 100
            assert all(set(track.tags) <= tags and track.tags for track in tracks)
            numbers = [int(track.track.removeprefix("track_")) for track in tracks]
            assert [t.path for t in tracks] == [f"{n % 100:02d}/{n}.mp3" for n in numbers]
            artists[part] = {track.artist for track in tracks}
            widths |= {len(track.tags) for track in tracks}
        assert not artists["train"] & artists["test"]
        assert not artists["train"] & artists["validation"]
    assert len(widths) > 3
    listed = (shared / "datasets" / "mtg_jamendo" / "top50.txt").read_text().split()
    assert list(jamendo_labels("top50tags").names) == sorted(listed) == listed


def test_real_instrument_tags_are_bound_to_nodes(shared: Path) -> None:
    tracks = read_tracks(shared / "datasets/mtg_jamendo/splits_head/split-0/autotagging_instrument-train.tsv")
    labels = jamendo_labels("instrument", (tag for track in tracks for tag in track.tags))
    nodes = {output.name: output.nodes for output in labels.outputs}
    assert nodes["instrument---cello"] == ("cello",)
    assert nodes["instrument---computer"] == ()
    assert list(nodes) == sorted(nodes)


@pytest.mark.parametrize(
    "place",
    [
        "raw_30s/audio/41/241.mp3",
        "raw_30s/audio-low/41/241.low.mp3",
        "audio/41/241.mp3",
        "audio-low/41/241.low.mp3",
        "41/241.low.mp3",
        "41/241.mp3",
    ],
)
def test_audio_is_found_whatever_was_downloaded(tmp_path: Path, place: str) -> None:
    assert find_audio(tmp_path, "41/241.mp3") is None
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert find_audio(tmp_path, "41/241.mp3") == tmp_path / place


def test_tables_may_lie_elsewhere_than_audio(tmp_path: Path) -> None:
    make_jamendo(tmp_path / "all")
    (tmp_path / "all/data").rename(tmp_path / "tables")
    audio = tmp_path / "all" / "raw_30s"
    found = open_jamendo(audio, metadata=tmp_path / "tables")
    assert len(found.tracks["train"]) == 6
    with raises(CorpusError, code="metadata-not-found", mentions="--metadata"):
        open_jamendo(audio)


def test_tracks_without_audio_are_left_out_and_named(tmp_path: Path) -> None:
    make_jamendo(tmp_path)
    whole = open_jamendo(tmp_path)
    victim = whole.tracks["test"][0]
    assert victim.audio is not None
    victim.audio.unlink()
    found = open_jamendo(tmp_path)
    assert found.missing["test"] == (victim.track,)
    assert len(found.tracks["test"]) == len(whole.tracks["test"]) - 1
    assert found.content_hash != whole.content_hash


def test_other_tags_are_another_corpus(tmp_path: Path) -> None:
    make_jamendo(tmp_path)
    whole = open_jamendo(tmp_path)
    first, *others = whole.tracks["train"]
    tracks = {**whole.tracks, "train": (replace(first, tags=first.tags[:-1]), *others)}
    assert len(first.tags) >= 1
    assert replace(whole, tracks=tracks).content_hash != whole.content_hash
    assert replace(whole, tracks=dict(whole.tracks)).content_hash == whole.content_hash


@pytest.mark.parametrize(
    ("rows", "mentions"),
    [
        ([["TRACK_ID", "TAGS"]], ("1", "TRACK_ID", "ARTIST_ID")),
        ([[*"ABCDE"], ["t"]], "1"),
        ([], ()),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, rows: list[list[str]], mentions: object) -> None:
    file = tmp_path / "t.tsv"
    with file.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter="\t").writerows(rows)
    with raises(CorpusError, code="invalid-table", mentions=mentions):
        read_tracks(file)


def test_a_short_row_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.tsv"
    file.write_text("TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\ntrack_1\tartist_1\n")
    with raises(CorpusError, code="invalid-table", mentions="2"):
        read_tracks(file)


def test_every_track_comes_once_before_any_comes_again(corpus: JamendoCorpus) -> None:
    s = stream(corpus)
    n = len(corpus.tracks["train"])
    walk = [s.place(index, epoch) for epoch in range(6) for index in range(10)]
    for turn in range(10):
        assert sorted(track for t, track in walk if t == turn) == list(range(n))
    orders = {tuple(track for t, track in walk if t == turn) for turn in range(10)}
    assert len(orders) > 1


def test_an_item_depends_on_seed_epoch_and_index_alone(corpus: JamendoCorpus) -> None:
    one, other = stream(corpus), stream(corpus)
    later = one.item(7, 3)
    for index in (0, 7, 2):
        again = other.item(index, 3)
        assert index == again["index"]
    np.testing.assert_array_equal(later["audio"], other.item(7, 3)["audio"])
    assert later["audio"].shape == (1, round(SECONDS * RATE))
    track = corpus.tracks["train"][one.place(7, 3)[1]]
    named = [corpus.labels.names[c] for c in np.flatnonzero(later["target"])]
    assert set(named) == set(track.tags)
    assert bool(later["mask"].all())
    assert not np.array_equal(later["audio"], stream(corpus, seed=1).item(7, 3)["audio"])


def test_resume_in_mid_epoch_with_workers(corpus: JamendoCorpus) -> None:
    straight = TrackLoader(stream(corpus))
    batches = [*straight, *straight]
    assert [len(b["index"]) for b in batches] == [4] * 4
    first = TrackLoader(stream(corpus))
    next(iter(first))
    resumed = TrackLoader(stream(corpus), num_workers=1)
    resumed.load_state_dict(first.state_dict())
    for expected, found in zip(batches[1:], [*resumed, *resumed], strict=True):
        np.testing.assert_array_equal(expected["audio"], found["audio"])
    with raises(ConfigError, code="state-mismatch", mentions=("seed=0", "1")):
        TrackLoader(stream(corpus, seed=1)).load_state_dict(first.state_dict())


def test_ranks_share_the_batches_of_one(corpus: JamendoCorpus) -> None:
    alone = list(TrackLoader(stream(corpus)))
    ranks = [TrackLoader(stream(corpus, batch_size=2, rank=rank, world_size=2)) for rank in (0, 1)]
    for whole, first, second in zip(alone, *ranks, strict=True):
        assert whole["index"].tolist() == [*first["index"].tolist(), *second["index"].tolist()]


def test_an_unreadable_track_is_replaced_in_training_and_left_out_of_scores(tmp_path: Path) -> None:
    make_jamendo(tmp_path)
    corpus = open_jamendo(tmp_path)
    broken = corpus.tracks["train"][2]
    assert broken.audio is not None
    broken.audio.write_bytes(b"no audio")
    s = stream(corpus)
    index = next(i for i in range(6) if s.place(i, 0)[1] == 2)
    with pytest.warns(RuntimeWarning, match="is another track"):
        assert s.item(index)["attempt"] == 1
    excerpts = TrackExcerpts(
        corpus.tracks["train"], corpus.labels.names, duration_s=SECONDS, sample_rate=RATE, count=3
    )
    with pytest.warns(RuntimeWarning, match=f"{broken.track} is left out"):
        batches = list(excerpts.batches(6))
    assert np.concatenate([b["index"] for b in batches]).tolist() == [
        k for k in (0, 1, 3, 4, 5) for _ in range(3)
    ]


def test_excerpts_are_evenly_spaced_within_the_track() -> None:
    for duration_s, count in ((30.0, 4), (4.0, 3), (2.0, 2), (100.0, 1)):
        starts = np.array(even_starts(duration_s, 4.0, count))
        assert (starts >= 0).all()
        assert (starts + 4.0 <= max(duration_s, 4.0) + 1e-9).all()
        if duration_s > 4.0 * count:
            np.testing.assert_allclose(np.diff(starts), duration_s / count)
            assert starts[0] == pytest.approx(duration_s - 4.0 - starts[-1])


def test_an_excerpt_is_what_the_file_holds_there(tmp_path: Path) -> None:
    """Decoded from MP3 in mid-file: a tone keeps its frequency, silence stays silent."""
    make_jamendo(tmp_path)
    corpus = open_jamendo(tmp_path)
    track = corpus.tracks["test"][0]
    assert track.audio is not None
    assert track.audio.name.endswith(".low.mp3")
    audio, rate = soundfile.read(track.audio, dtype="float32")
    excerpts = TrackExcerpts([track], corpus.labels.names, duration_s=SECONDS, sample_rate=rate, count=1)
    (batch,) = excerpts.batches(1)
    start = round((len(audio) / rate - SECONDS) / 2 * rate)
    expected = audio[start : start + round(SECONDS * rate)]
    np.testing.assert_allclose(batch["audio"][0, 0], expected, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "mentions"),
    [
        ({"subset": "top100"}, ("jamendo.subset", "top50tags")),
        ({"split": 5}, ("jamendo.split", "0", "4")),
        ({"eval_excerpts": 0}, "jamendo.eval_excerpts"),
        ({"duration_s": 0.0}, "jamendo.duration_s"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], mentions: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        JamendoConfig(**settings)  # type: ignore[arg-type]


def test_a_track_that_stands_twice_is_refused(tmp_path: Path) -> None:
    make_jamendo(tmp_path)
    places = tmp_path / "data" / "splits" / "split-0"
    train, test = (places / f"autotagging_top50tags-{split}.tsv" for split in ("train", "test"))
    row = train.read_text().splitlines()[1]
    test.write_text(f"{test.read_text()}{row}\n")
    with raises(CorpusError, code="split-overlap", mentions=("track_0000241", "-train.tsv", "-test.tsv")):
        open_jamendo(tmp_path)
    train.write_text(f"{train.read_text()}{row}\n")
    with raises(CorpusError, code="repeated-entry", mentions=("-train.tsv", "8", "track_0000241", "2")):
        open_jamendo(tmp_path)


@pytest.mark.parametrize("value", [100.0, 1e20])
def test_an_excerpt_with_corrupt_samples_is_refused(tmp_path: Path, value: float) -> None:
    audio = np.full(16000, 0.1)
    audio[8000] = value
    soundfile.write(tmp_path / "x.wav", audio, 16000, subtype="FLOAT")
    assert read_track_excerpt(tmp_path / "x.wav", 0.6, 4000, 16000).shape == (1, 4000)
    with raises(AudioError, code="implausible-peak", mentions=("30", "x.wav")):
        read_track_excerpt(tmp_path / "x.wav", 0.4, 4000, 16000)
