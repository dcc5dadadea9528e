"""Clips with numbers to predict: which there are, which are left out, and what they change."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips, read_clips
from mixlab.corpora.clips.base import join
from mixlab.corpora.clips.describing import describe_clips
from mixlab.errors import ConfigError, CorpusError
from tests.corpora.clips.test_own_clips import read_table
from tests.corpora.clips.test_published import BALLROOM, make_nsynth, read, touch, write
from tests.errors import raises


def by_key(clips: ClipSet, name: str) -> dict[str, float]:
    return {clip.key: number for clip, number in zip(clips.clips, clips.values[name].tolist(), strict=True)}


def numbered(root: Path, *numbers: str, header: str = "file,labels,group,value") -> ClipsConfig:
    read_table(root, *(f"{k}.wav,{'ab'[k % 2]},{k},{text}" for k, text in enumerate(numbers)), header=header)
    return ClipsConfig(corpus="csv", root=str(root), value="value")


def test_a_clip_without_the_number_is_left_out_and_counted(tmp_path: Path) -> None:
    config = numbered(tmp_path, "1", "", "2.5", "-3e2", "", "7", "8", "9")
    clips = open_clips(config)
    assert sorted(clips.numbers.tolist()) == [-300, 1, 2.5, 7, 8, 9]
    assert any(note.startswith("2 clips whose value is not known") for note in clips.notes)
    whole = open_clips(replace(config, value=""))
    assert len(whole) == 8
    assert np.isnan(whole.values["value"]).sum() == 2


def test_numbers_stay_with_their_clips(tmp_path: Path) -> None:
    clips = open_clips(numbered(tmp_path, *map(str, range(12))))
    for part in (clips, clips.only("train"), join([clips.only("test"), clips.only("train")])):
        assert part.numbers.tolist() == [float(clip.group) for clip in part.clips]


def test_the_hash_counts_numbers_where_one_is_to_be_predicted(tmp_path: Path) -> None:
    texts = [str(k) for k in range(8)]
    config = numbered(tmp_path, *texts)
    classes, numbers = open_clips(replace(config, value="")), open_clips(config)
    assert classes.content_hash != numbers.content_hash
    assert replace(classes, values={}).content_hash == classes.content_hash
    numbered(tmp_path, *texts[:-1], "7.5")
    assert open_clips(replace(config, value="")).content_hash == classes.content_hash
    assert open_clips(config).content_hash != numbers.content_hash


def test_a_table_may_hold_numbers_alone_and_several(tmp_path: Path) -> None:
    header = "file,group,value_arousal,value_valence"
    read_table(tmp_path, *(f"{k}.wav,{k},{k},{-k}" for k in range(10)), header=header)
    clips = open_clips(ClipsConfig(corpus="csv", root=str(tmp_path), value="valence"))
    assert set(clips.values) == {"arousal", "valence"}
    assert (clips.classes, clips.splits) == ((), ("train", "validation", "test"))
    assert not clips.single_label
    assert "valence" in describe_clips(clips)


@pytest.mark.parametrize("text", ["fast", "nan", "inf"])
def test_what_is_no_finite_number_is_named_by_its_row(tmp_path: Path, text: str) -> None:
    with raises(CorpusError, code="invalid-table", mentions=("row 3", "value", text)):
        numbered(tmp_path, "1", text)


def test_a_number_that_the_corpus_does_not_know_is_refused(tmp_path: Path) -> None:
    config = numbered(tmp_path, "", "", "", "")
    with raises(ConfigError, code="invalid-setting", mentions=("clips.value", "values")):
        open_clips(replace(config, value="values"))
    with raises(CorpusError, code="missing-labels", mentions=("value", 4)):
        open_clips(config)
    touch(tmp_path, "folders/a/1.wav")
    with raises(ConfigError, code="invalid-setting", mentions=("tempo", "none")):
        open_clips(ClipsConfig(root=str(tmp_path / "folders"), value="tempo"))


def test_ballroom_has_its_tempos(tmp_path: Path) -> None:
    text = BALLROOM.replace('bpm="121" hash="0"/>\n  </Chacha>', 'bpm="" hash="0"/>\n  </Chacha>')
    (tmp_path / "extendedballroom_v1.1.xml").write_text(text)
    touch(tmp_path, "Chacha/100701.mp3", "Chacha/100703.mp3", "Wcswing/200003.mp3")
    found = by_key(read("extended_ballroom", tmp_path), "tempo")
    assert found == pytest.approx(
        {"Chacha/100701": 120, "Chacha/100703": np.nan, "Wcswing/200003": 104}, nan_ok=True
    )
    (tmp_path / "extendedballroom_v1.1.xml").write_text(text.replace('bpm="120"', 'bpm="fast"'))
    with raises(CorpusError, code="invalid-table", mentions=("100701", "bpm", "fast")):
        read("extended_ballroom", tmp_path)


def test_nsynth_has_its_pitches_and_their_unit(tmp_path: Path) -> None:
    make_nsynth(tmp_path)
    clips = open_clips(ClipsConfig(corpus="nsynth", root=str(tmp_path), value="pitch"))
    assert by_key(clips, "pitch") == {clip.key: float(clip.key.split("-")[1]) for clip in clips.clips}
    assert clips.value_title == "pitch (semitones)"


def make_emomusic(root: Path, folder: str = "annotations") -> None:
    songs, rated = [], []
    for k in range(8):
        part = "evaluation" if k > 5 else "development"
        songs.append((k, f"{k}.mp3", f"\tArtist {k // 2}", "Title", "0.1", "0.46", "\tRock", part))
        if k != 3:
            rated.append((k, 1 + k, 0.5, 9 - k, 0.5))
        touch(root, f"clips_45seconds/{k}.mp3")
    (root / "clips_45seconds/5.mp3").unlink()
    header = ("song_id", "file name", "Artist", "Song title", "start of the segment (min.sec)",
              "end of the segment (min.sec)", "Genre", "Mediaeval 2013 set")  # fmt: skip
    write(root / folder / "songs_info.csv", [header, *songs])
    columns = ("song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence")
    write(root / folder / "static_annotations.csv", [columns, *rated])


@pytest.mark.parametrize("folder", ["annotations", "."])
def test_emomusic_joins_its_tables(folder: str, tmp_path: Path) -> None:
    make_emomusic(tmp_path, folder)
    clips = read("emomusic", tmp_path)
    assert by_key(clips, "arousal") == pytest.approx(
        {"0": 1, "1": 2, "2": 3, "3": np.nan, "4": 5, "6": 7, "7": 8}, nan_ok=True
    )
    assert by_key(clips, "valence")["7"] == 2
    assert clips.missing == ("5",)
    assert {clip.key: clip.split for clip in clips.clips if clip.split == "test"} == {
        "6": "test",
        "7": "test",
    }
    assert clips.clips[0].group == clips.clips[1].group != clips.clips[2].group
    found = open_clips(ClipsConfig(corpus="emomusic", root=str(tmp_path), value="valence"))
    assert "3" not in {clip.key for clip in found.clips}
    assert found.unit.startswith("points")


def test_emomusic_that_is_damaged_is_named(tmp_path: Path) -> None:
    make_emomusic(tmp_path)
    table = tmp_path / "annotations/static_annotations.csv"
    text = table.read_text()
    table.write_text(text + text.splitlines()[-1] + "\n")
    with raises(CorpusError, code="repeated-entry", mentions="7"):
        read("emomusic", tmp_path)
    table.unlink()
    with raises(CorpusError, code="metadata-not-found", mentions="static_annotations.csv"):
        read("emomusic", tmp_path)


def test_the_command_says_what_numbers_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = numbered(tmp_path, *map(str, range(8)))
    assert main(["clips", "csv", config.root]) == 0
    assert "clips.value" in capsys.readouterr().out
    assert main(["clips", "csv", config.root, "--clips.value", "value"]) == 0
    assert "highest" in capsys.readouterr().out
    assert main(["clips"]) == 0
    assert "arousal, valence" in capsys.readouterr().out
    assert "value" in read_clips(replace(config, value="")).values
