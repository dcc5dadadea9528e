"""Published trees of labelled clips: true layouts, splits, groups, and the traps of each."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mixlab.corpora.clips import ClipsConfig, ClipSet, clip_corpora, open_clips, read_clips
from mixlab.corpora.clips.fma import EMPTY, SHORT
from mixlab.corpora.clips.gtzan import filtered_splits
from mixlab.corpora.clips.medley_solos_db import INSTRUMENTS
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_taxonomy
from tests.errors import raises


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def read(corpus: str, root: Path, task: str = "") -> ClipSet:
    return read_clips(ClipsConfig(corpus=corpus, root=str(root), task=task))


def labels(clips: ClipSet) -> dict[str, str]:
    """Return the class of every clip by its key."""
    assert clips.single_label
    return {
        clip.key: clips.classes[int(np.argmax(row))]
        for clip, row in zip(clips.clips, clips.targets, strict=True)
    }


def groups(clips: ClipSet) -> dict[str, str]:
    return {clip.key: clip.group for clip in clips.clips}


def splits(clips: ClipSet) -> dict[str, str]:
    return {clip.key: clip.split for clip in clips.clips}


PUBLISHED = sorted(set(clip_corpora()) - {"folder", "csv"})


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_wrong_folder_says_what_belongs_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(CorpusError) as caught:
        read(name, tmp_path)
    assert caught.value.code in ("layout-not-found", "metadata-not-found", "unreadable-file")
    assert str(tmp_path) in str(caught.value)


# GTZAN


def test_gtzan_has_the_fault_filtered_split() -> None:
    assert Counter(filtered_splits().values()) == {"train": 443, "validation": 197, "test": 290}
    published = pytest.importorskip("torchaudio.datasets.gtzan")
    for part, names in (
        ("train", published.filtered_train),
        ("validation", published.filtered_valid),
        ("test", published.filtered_test),
    ):
        assert {name for name, of in filtered_splits().items() if of == part} == set(names)


@pytest.mark.parametrize("place", ["genres", "genres_original", "gtzan_genre/genres", "."])
def test_gtzan_leaves_out_what_is_faulty(place: str, tmp_path: Path) -> None:
    names = ["blues.00000.wav", "blues.00012.au", "blues.00030.wav", "blues.00049.wav", "blues.00051.wav"]
    touch(tmp_path, *(f"{place}/blues/{name}" for name in [*names, "blues.00048.wav", "._blues.00000.wav"]))
    touch(tmp_path, f"{place}/classical/classical.00030.wav", f"{place}/rock/rock.00100.wav")
    touch(tmp_path, f"{place}/jazz/jazz.00054.wav", f"{place}/jazz/jazz.00055.wav")
    clips = read("gtzan", tmp_path)
    assert splits(clips) == {
        "blues.00000": "validation", "blues.00012": "test", "blues.00030": "train", "blues.00048": "train",
        "blues.00049": "train", "blues.00051": "validation", "classical.00030": "train",
        "jazz.00055": "train",
    }  # fmt: skip
    assert clips.classes == ("blues", "classical", "jazz")
    assert "1 files that it leaves out" in clips.notes[0]
    assert "jazz.00054" in clips.notes[0]
    assert len(clips.missing) == 930 - 1 - len(clips)


# FMA

HEADS = ("set", "set", "track", "artist", "track")
NAMES = ("split", "subset", "genre_top", "id", "title")


def make_fma(root: Path, folder: str, tracks: Iterable[Sequence[object]]) -> None:
    tracks = list(tracks)
    blank = ("track_id", *[""] * len(HEADS))
    write(root / "fma_metadata/tracks.csv", [("", *HEADS), ("", *NAMES), blank, *tracks])
    keys = [f"{int(str(track[0])):06d}" for track in tracks]
    touch(root, *(f"{folder}/{key[:3]}/{key}.mp3" for key in keys))


def test_fma_reads_the_official_split_of_a_subset(tmp_path: Path) -> None:
    make_fma(
        tmp_path,
        "fma_medium",
        [
            (2, "training", "medium", "Hip-Hop", 1, "Food"),
            (3, "validation", "small", "Hip-Hop", 2, "A, B"),
            (155320, "test", "small", "Rock", 3, ""),
            (min(EMPTY), "training", "medium", "Rock", 3, ""),
            (min(SHORT), "training", "medium", "Rock", 3, ""),
            (20, "training", "large", "Rock", 3, ""),
            (26, "training", "medium", "", 3, ""),
        ],
    )
    (tmp_path / "fma_medium/000/000003.mp3").unlink()
    clips = read("fma", tmp_path)
    assert labels(clips) == {"000002": "Hip-Hop", "155320": "Rock"}
    assert splits(clips) == {"000002": "train", "155320": "test"}
    assert groups(clips) == {"000002": "artist 1", "155320": "artist 3"}
    assert clips.missing == ("000003",)
    assert clips.notes[1:] == (
        "2 tracks whose files hold nothing, or less than 30 s, are left out",
        "1 tracks without a top genre are left out",
    )
    assert labels(read("fma", tmp_path / "fma_medium")) == labels(clips)


def test_fma_folders_that_could_mean_two_things_are_refused(tmp_path: Path) -> None:
    make_fma(tmp_path, "fma_small", [(2, "training", "small", "Rock", 1, "")])
    (tmp_path / "fma_large").mkdir()
    with raises(CorpusError, code="layout-not-found", mentions=("fma_small", "fma_large")):
        read("fma", tmp_path)
    assert len(read("fma", tmp_path / "fma_small")) == 1
    write(tmp_path / "fma_metadata/tracks.csv", [("", "set"), ("", "split")])
    with raises(CorpusError, code="invalid-table", mentions="genre_top"):
        read("fma", tmp_path / "fma_small")
    (tmp_path / "fma_metadata/tracks.csv").unlink()
    with raises(CorpusError, code="metadata-not-found", mentions="fma_metadata"):
        read("fma", tmp_path / "fma_small")


# NSynth


def make_nsynth(root: Path) -> None:
    parts = {
        "nsynth-train": ["keyboard_acoustic_001", "bass_synthetic_001", "organ_electronic_003"],
        "nsynth-valid": ["keyboard_electronic_002", "organ_electronic_001"],
        "nsynth-test": ["keyboard_electronic_002", "organ_electronic_001"],
    }
    for part, instruments in parts.items():
        notes = {}
        for instrument in instruments:
            family, source, _ = instrument.rsplit("_", 2)
            for pitch in (60, 62) if part != "nsynth-test" else (64, 65):
                for velocity in (25, 127):
                    key = f"{instrument}-{pitch:03d}-{velocity:03d}"
                    notes[key] = {
                        "pitch": pitch, "velocity": velocity, "instrument_str": instrument,
                        "instrument_family_str": family, "instrument_source_str": source, "note_str": key,
                    }  # fmt: skip
                    touch(root, f"{part}/audio/{key}.wav")
        (root / part / "examples.json").write_text(json.dumps(notes))


def test_nsynth_keeps_its_parts_and_says_which_share_instruments(tmp_path: Path) -> None:
    make_nsynth(tmp_path)
    clips = open_clips(ClipsConfig(corpus="nsynth", root=str(tmp_path)))
    assert clips.classes == ("bass", "keyboard", "organ")
    assert Counter(clip.split for clip in clips.clips) == {"train": 12, "validation": 8, "test": 8}
    assert any("2 groups in both validation and test" in note for note in clips.notes)
    assert not any("train and" in note for note in clips.notes)
    assert clips.label_set is not None
    assert [output.nodes for output in clips.label_set.outputs] == [(), ("key",), ("organ",)]


def test_nsynth_tasks(tmp_path: Path) -> None:
    make_nsynth(tmp_path)
    assert read("nsynth", tmp_path, "source").classes == ("acoustic", "electronic", "synthetic")
    keyboards = read("nsynth", tmp_path, "keyboard_source")
    assert keyboards.classes == ("acoustic", "electronic")
    assert len(keyboards) == 12
    assert read("nsynth", tmp_path, "acoustic_family").classes == ("keyboard",)


def test_nsynth_instruments_are_divided_by_pitch(tmp_path: Path) -> None:
    make_nsynth(tmp_path)
    clips = open_clips(ClipsConfig(corpus="nsynth", root=str(tmp_path), task="electronic_organ"))
    assert clips.classes == ("organ_electronic_001", "organ_electronic_003")
    for split in ("train", "test"):
        assert clips.only(split).targets.any(axis=0).all()
    held = {clip.group: clip.split for clip in clips.clips}
    assert all(held[clip.group] == clip.split for clip in clips.clips)
    assert set(Counter(clip.group for clip in clips.clips).values()) == {2}


def test_nsynth_that_is_damaged_is_named(tmp_path: Path) -> None:
    make_nsynth(tmp_path)
    (tmp_path / "nsynth-test/examples.json").write_text('{"note": {"pitch": 3}}')
    with raises(CorpusError, code="unreadable-file", mentions=("nsynth-test", "instrument_str")):
        read("nsynth", tmp_path)


# Extended Ballroom

BALLROOM = """<?xml version="1.0" encoding="utf-8"?>
<extendedballroom>
  <Chacha>
    <song id="100701" artist="The Band" title="One" album="A" bpm="120" hash="0"/>
    <song id="100702" artist="the band" title="Two" album="A" bpm="121" hash="0"/>
    <song id="100703" artist="Various Artists" title="Three" album="B" bpm="121" hash="0"/>
  </Chacha>
  <Wcswing>
    <song id="200001" artist="Another" title="One" album="C" bpm="100" hash="0" exact="200002"/>
    <song id="200002" artist="" title="One" album="D" bpm="100" hash="0"><time id="200003"/></song>
    <song id="200003" artist="" title="One" album="D" bpm="104" hash="0"/>
    <song id="200004" artist="" title="Two" album="D" bpm="104" hash="0" version="100701"/>
    <song id="200005" artist="" title="Gone" album="D" bpm="104" hash="0"/>
  </Wcswing>
</extendedballroom>
"""


@pytest.mark.parametrize("pattern", ["{dance}/{id}.mp3", "{dance}/{dance}.{id}.mp3"])
def test_ballroom_repetitions_and_artists_are_groups(pattern: str, tmp_path: Path) -> None:
    (tmp_path / "extendedballroom_v1.1.xml").write_text(BALLROOM)
    for id_ in ("100701", "100702", "100703", "200001", "200002", "200003", "200004"):
        touch(tmp_path, pattern.format(dance="Chacha" if id_ < "2" else "Wcswing", id=id_))
    clips = read("extended_ballroom", tmp_path)
    assert groups(clips) == {
        "Chacha/100701": "artist The Band",
        "Chacha/100702": "artist The Band",
        "Chacha/100703": "song 100703",
        "Wcswing/200001": "artist Another",
        "Wcswing/200002": "artist Another",
        "Wcswing/200003": "artist Another",
        "Wcswing/200004": "song 200004",
    }
    assert clips.missing == ("Wcswing/200005",)
    assert clips.notes[1].startswith("2 tracks repeat another one")


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("<a><Chacha>", "unreadable-file", "XML"),
        ("<a/>", "empty-table", "dance"),
        ('<a><Polka><song id="1"/></Polka></a>', "unknown-label", "Polka"),
        ("<a><Chacha><song/></Chacha></a>", "invalid-table", "Chacha"),
        ('<a><Chacha><song id="1"/><song id="1"/></Chacha></a>', "repeated-entry", "1"),
        ('<a><Chacha><song id="1"/></Chacha></a>', "audio-not-found", "Chacha/1.mp3"),
    ],
)
def test_ballroom_tables_that_cannot_be_used(text: str, code: str, mentions: str, tmp_path: Path) -> None:
    (tmp_path / "extendedballroom_v1.1.xml").write_text(text)
    with raises(CorpusError, code=code, mentions=mentions):
        read("extended_ballroom", tmp_path)


# VCTK


def test_vctk_takes_a_sentence_once(tmp_path: Path) -> None:
    base = "VCTK-Corpus-0.92/wav48_silence_trimmed"
    touch(tmp_path, f"{base}/p225/p225_001_mic1.flac", f"{base}/p225/p225_001_mic2.flac")
    touch(tmp_path, f"{base}/p225/p225_030_mic2.flac", f"{base}/s5/s5_001_mic1.flac", f"{base}/log.txt")
    touch(tmp_path, f"{base}/s5/s5_030_mic1.flac", "VCTK-Corpus-0.92/txt/p225/p225_001.txt")
    clips = read("vctk", tmp_path)
    assert labels(clips) == {"p225_001": "p225", "p225_030": "p225", "s5_001": "s5", "s5_030": "s5"}
    assert groups(clips)["p225_001"] == groups(clips)["s5_001"] == "text 001"
    assert groups(clips)["p225_030"] == "p225_030"
    assert clips.clips[0].path.name == "p225_001_mic1.flac"
    assert "version 0.92" in clips.notes[0]
    assert clips.notes[1].startswith("1 sentences")


def test_vctk_beside_torchaudio(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchaudio.datasets")
    base = tmp_path / "VCTK-Corpus-0.92"
    for speaker in ("p225", "p226"):
        for number in (1, 30, 31):
            touch(base, f"wav48_silence_trimmed/{speaker}/{speaker}_{number:03d}_mic1.flac")
            touch(base, f"txt/{speaker}/{speaker}_{number:03d}.txt")
    theirs = datasets.VCTK_092(str(tmp_path), mic_id="mic1")._sample_ids
    assert {f"{speaker}_{number}": speaker for speaker, number in theirs} == labels(read("vctk", tmp_path))


def test_vctk_of_the_first_version(tmp_path: Path) -> None:
    touch(tmp_path, "wav48/p225/p225_001.wav", "wav48/p226/p226_001.wav")
    clips = read("vctk", tmp_path)
    assert clips.classes == ("p225", "p226")
    assert "version 0.80" in clips.notes[0]


# Medley-solos-DB


def make_medley(root: Path, folder: str = "audio", table: str = "annotation") -> None:
    rows = [("subset", "instrument", "instrument_id", "song_id", "uuid4")]
    for k, name in enumerate(INSTRUMENTS):
        for s, subset in enumerate(("training", "validation", "test")):
            uuid = f"0e4371ac-{k}-{s}"
            rows.append((subset, name, str(k), str(10 * k + s), uuid))
            touch(root, f"{folder}/Medley-solos-DB_{subset}-{k}_{uuid}.wav")
    write(root / table / "Medley-solos-DB_metadata.csv", rows)


@pytest.mark.parametrize(("folder", "table"), [("audio", "annotation"), (".", ".")])
def test_medley_solos_db(folder: str, table: str, tmp_path: Path) -> None:
    make_medley(tmp_path, folder, table)
    (tmp_path / folder / "Medley-solos-DB_test-0_0e4371ac-0-2.wav").unlink()
    clips = read("medley_solos_db", tmp_path)
    assert clips.classes == tuple(INSTRUMENTS)
    assert Counter(clip.split for clip in clips.clips) == {"train": 8, "validation": 8, "test": 7}
    assert groups(clips)["0e4371ac-3-1"] == "song 31"
    assert clips.missing == ("0e4371ac-0-2",)
    assert "MedleyDB" in clips.notes[0]
    assert clips.label_set is not None
    for output in clips.label_set.outputs:
        assert set(output.nodes) <= set(load_taxonomy().nodes)


def test_medley_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    make_medley(tmp_path)
    table = tmp_path / "annotation/Medley-solos-DB_metadata.csv"
    table.write_text(table.read_text().replace("violin", "fiddle", 1))
    with raises(CorpusError, code="unknown-label", mentions=("fiddle", "line 23")):
        read("medley_solos_db", tmp_path)


# TinySOL

TINYSOL = (
    "Path", "Fold", "Family", "Instrument (abbr.)", "Instrument (in full)", "Technique (abbr.)",
    "Technique (in full)", "Pitch", "Pitch ID", "Dynamics", "Dynamics ID", "Instance ID",
    "String ID (if applicable)", "Needed digital retuning",
)  # fmt: skip


def make_tinysol(root: Path, folder: str = "audio", table: str = "annotation") -> None:
    rows: list[Sequence[object]] = [TINYSOL]
    for k in range(10):
        for short, name, family in (("Vn", "Violin", "Strings"), ("BTb", "Bass Tuba", "Brass")):
            note = f"{short}-ord-C{k // 2}-{'pp' if k % 2 else 'ff'}-N-N"
            path = f"{family}/{name.replace(' ', '_')}/ordinario/{note}.wav"
            rows.append((path, k % 5, family, short, name, "ord", "ordinario", f"C{k // 2}", 12 + k, "pp", 0,
                         0, "", "FALSE"))  # fmt: skip
            touch(root, f"{folder}/{path}")
    write(root / table / "TinySOL_metadata.csv", rows)


@pytest.mark.parametrize(("folder", "table"), [("audio", "annotation"), ("TinySOL", "."), (".", ".")])
def test_tinysol_folds_become_parts(folder: str, table: str, tmp_path: Path) -> None:
    make_tinysol(tmp_path, folder, table)
    clips = open_clips(ClipsConfig(corpus="tinysol", root=str(tmp_path)))
    assert clips.classes == ("Bass Tuba", "Violin")
    assert Counter(clip.split for clip in clips.clips) == {"train": 12, "validation": 4, "test": 4}
    assert any("groups in both train and test" in note for note in clips.notes)
    assert clips.label_set is not None
    assert [output.nodes for output in clips.label_set.outputs] == [("tuba",), ("violin",)]
    assert read("tinysol", tmp_path, "family").classes == ("Brass", "Strings")
    whole = open_clips(ClipsConfig(corpus="tinysol", root=str(tmp_path), splits="grouped"))
    held = {clip.group: clip.split for clip in whole.clips}
    assert all(held[clip.group] == clip.split for clip in whole.clips)


def test_tinysol_nodes_are_of_the_tree() -> None:
    from mixlab.corpora.clips.nsynth import _NODES
    from mixlab.corpora.clips.tinysol import INSTRUMENTS as TINYSOL_NODES

    for nodes in (*TINYSOL_NODES.values(), *_NODES.values()):
        assert set(nodes) <= set(load_taxonomy().nodes)
