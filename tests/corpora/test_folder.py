"""Folders of stems: labels out of file names, the sidecar, what counts as a song."""

from pathlib import Path

from mixlab.corpora import CORPORA
from mixlab.taxonomy import load_label_map, resolve_stem
from tests.corpora import trees
from tests.corpora.trees import by_key, scan, touch

ADAPTER = CORPORA["folder"]


def test_title_in_front_of_every_file(tmp_path: Path) -> None:
    for name in ("PianoMan - Bass.wav", "PianoMan - Drums.wav", "PianoMan - Mix.wav"):
        touch(tmp_path / "song" / name)
    found = {entry.stem: entry.labels for entry in scan(ADAPTER, tmp_path).stems}
    assert found == {"PianoMan - Bass": ("bass",), "PianoMan - Drums": ("drums",), "PianoMan - Mix": ("mix",)}


def test_fixture_tree(tmp_path: Path) -> None:
    result = scan(ADAPTER, trees.folder(tmp_path))
    stems = by_key(result)
    assert sorted(stems) == [
        "ArtistName_SongTitle_Full/01_Kick",
        "ArtistName_SongTitle_Full/08_ElecGtr3Mic",
        "ArtistName_SongTitle_Full/09_ElecGtr3DI",
        "ArtistName_SongTitle_Full/10_LeadVoxDT",
        "ArtistName_SongTitle_Full/ArtistName_SongTitle_Full_Preview",
        "one/BassDrums30",
        "one/PianoSynth30",
        "one/Vocals30",
        "one/mix",
        "test~four/Drums~01",
        "test~four/Drums~Kick",
        "three/Drums",
        "two/a",
        "two/b",
    ]
    kick = stems["ArtistName_SongTitle_Full/01_Kick"]
    assert (kick.artist, kick.title) == ("Artist Name", "Song Title")
    assert "song:artistname/songtitle" in kick.groups
    assert (stems["one/Vocals30"].artist, stems["one/Vocals30"].groups) == ("", ())
    a, b = stems["two/a"], stems["two/b"]
    assert (a.labels, a.artist, a.corpus_split) == (("violin", "cello"), "Some Band", "train")
    assert (a.bleed, a.bleed_labels, a.gain) == (True, ("piano",), 0.5)
    # A song has one split: that of the file for which it is given.
    assert (b.bleed, b.gain, b.corpus_split) == (False, 1.0, "train")
    assert stems["three/Drums"].path == "three/wav/Drums.wav"
    four = [stems["test~four/Drums~01"], stems["test~four/Drums~Kick"]]
    assert [(e.labels, e.corpus_split, e.artist) for e in four] == [
        (("drums",), "test", ""),
        (("kick",), "test", ""),
    ]
    assert [(p.path, p.kind) for p in result.problems] == [
        ("two/b.flac", "duplicate-row"),
    ]


def test_single_folder_is_one_song(tmp_path: Path) -> None:
    for name in ("drums.wav", "bass.aiff", "violins.MP3", "Mix.wav"):
        touch(tmp_path / "My Song" / name)
    result = scan(ADAPTER, tmp_path / "My Song")
    assert {entry.song for entry in result.stems} == {"My Song"}
    assert [entry.stem for entry in result.stems] == ["Mix", "bass", "drums", "violins"]


def test_one_name_in_two_formats(tmp_path: Path) -> None:
    for name in ("bass.wav", "bass.mp3", "drums.wav"):
        touch(tmp_path / "song" / name)
    assert [entry.stem for entry in scan(ADAPTER, tmp_path).stems] == ["bass.mp3", "bass.wav", "drums"]


def test_sidecar_in_the_root_may_regroup_files(tmp_path: Path) -> None:
    for name in ("x1.wav", "x2.wav", "more/x3.wav"):
        touch(tmp_path / name)
    touch(
        tmp_path / "stems.csv",
        "\ufefffile,Label,song,artist,split,licence,offset_s\n"
        "x1.wav,violin,First,A,test,CC0,1.5\n"
        "./x2.wav,cello,Second,A,val,,\n"
        "more/x3.wav,mix of everything,Second,B,,,\n",
    )
    result = scan(ADAPTER, tmp_path)
    assert result.problems == []
    found = by_key(result)
    assert sorted(found) == ["First/x1", "Second/x2", "Second/x3"]
    first = found["First/x1"]
    assert (first.labels, first.corpus_split, first.licence, first.offset_s) == (
        ("violin",),
        "test",
        "CC0",
        1.5,
    )
    assert found["Second/x2"].corpus_split == "validation"
    assert found["Second/x3"].labels == ("mix of everything",)


def test_song_folder_sidecar_beats_the_one_above(tmp_path: Path) -> None:
    touch(tmp_path / "song" / "a.wav")
    touch(tmp_path / "stems.csv", "file,label\nsong/a.wav,violin\n")
    touch(tmp_path / "song" / "stems.csv", "file,label\na.wav,cello\n")
    assert scan(ADAPTER, tmp_path).stems[0].labels == ("cello",)


# Real names and audio --------------------------------------------------------------------------


def test_real_audio(shared: Path) -> None:
    result = scan(ADAPTER, shared / "real_audio")
    assert result.problems == []
    label_map = load_label_map(ADAPTER.label_map)
    found = {key: set(resolve_stem(label_map, e.labels).nodes) for key, e in by_key(result).items()}
    assert found["trackswitch/violins"] == {"violin"}
    assert found["waveform-playlist/PianoSynth30"] == {"piano", "synthesizer"}
    assert {"drums", "electric-bass"} <= found["waveform-playlist/BassDrums30"]
    assert found["waveform-playlist/Guitar30"] == {"guitar"}
    assert len(found) == 8
    assert all(found.values())


def test_an_adjective_behind_the_title_is_no_guitar(tmp_path: Path) -> None:
    for name in ("flute_acoustic_000-060-100", "flute_acoustic_001-060-100", "flute_electronic_002-060-100"):
        touch(tmp_path / "flute" / f"{name}.wav")
    for name in ("Piano - Bass", "Piano - Drums"):
        touch(tmp_path / "Piano" / f"{name}.wav")
    found = {entry.stem: entry.labels for entry in scan(CORPORA["folder"], tmp_path).stems}
    assert {labels for stem, labels in found.items() if stem.startswith("flute")} == {("flute",)}
    assert (found["Piano - Bass"], found["Piano - Drums"]) == (("bass",), ("drums",))
