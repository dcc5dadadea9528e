"""What the folders of unknown trees mean: splits, songs, buses, instruments, artists."""

import itertools
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.corpora import CORPORA
from mixlab.corpora._folder_artists import artists_of_folders
from mixlab.corpora._folder_words import is_wrapper, split_artist, split_of
from mixlab.corpora.base import Scan, StemEntry
from tests.corpora.trees import scan, touch

DASHES = {
    "hyphen": "-",
    "hyphen of Unicode": "\u2010",
    "no-break hyphen": "\u2011",
    "figure dash": "\u2012",
    "en": "\u2013",
    "em": "\u2014",
    "bar": "\u2015",
    "minus": "\u2212",
    "two hyphens": "--",
    "fullwidth": "\uff0d",
}


def read(root: Path, *paths: str) -> Scan:
    for path in paths:
        touch(root / path)
    return scan(CORPORA["folder"], root)


def songs(result: Scan) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return song -> stem -> labels."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for entry in result.stems:
        found.setdefault(entry.song, {})[entry.stem] = entry.labels
    return found


def one_each(result: Scan) -> dict[str, StemEntry]:
    """Return song -> its first stem."""
    return {entry.song: entry for entry in reversed(result.stems)}


def product(*levels: Iterable[str]) -> list[str]:
    return ["/".join(parts) for parts in itertools.product(*levels)]


# Buses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drums", "voice"),
    [
        ("Drums", "Vox"),
        ("01_Drums", "02_Lead Vocals"),
        ("DRUMS", "BGVs"),
        ("Drum Kit", "Vocals L"),
        ("Stems/Drums", "Stems/Vocals"),
        ("Audio Files/Drums", "Audio Files/Vox"),
        ("Drums/Audio Files", "Vox/Audio Files"),
        ("Multitracks/wav/Drums", "Multitracks/wav/Singer"),
        ("Drums Bus", "Vox Bus"),
    ],
)
def test_a_song_kept_as_bus_folders_is_one_song(tmp_path: Path, drums: str, voice: str) -> None:
    result = read(
        tmp_path,
        *(f"{song}/{drums}/{name}.wav" for song in ("Alpha", "Beta") for name in ("Kick", "Snare", "01")),
        *(f"{song}/{voice}/{name}.wav" for song in ("Alpha", "Beta") for name in ("01", "02")),
        *(f"{song}/FX/Riser.wav" for song in ("Alpha", "Beta")),
    )
    found = songs(result)
    assert sorted(found) == ["Alpha", "Beta"]
    for stems in found.values():
        labels = {stem.split("~")[-1] + " " + stem.split("~")[0][:2]: label for stem, label in stems.items()}
        assert sorted(label for label in labels.values() if label in {("kick",), ("snare",)}) == [
            ("kick",),
            ("snare",),
        ]
        assert len(stems) == 6
    assert any("buses" in note and "2 songs" in note for note in result.notes)


def test_a_file_in_a_bus_keeps_its_own_label_where_it_has_one(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        "Song/Drums/kick.wav",
        "Song/Drums/01.wav",
        "Song/Drums/Anna.wav",
        "Song/Drums/Room.wav",
        "Song/Drums/Kick/in.wav",
        "Song/Guitars/Banjo.wav",
        "Song/Guitars/Piano Man.wav",
        "Song/Guitars/Lead.wav",
        "Song/Bass/DI.wav",
        "Song/Pizza.wav",
        "Song/piano.wav",
    )
    assert songs(result) == {
        "Song": {
            "Bass~DI": ("bass",),
            "Drums~01": ("drums",),
            "Drums~Anna": ("drums",),
            "Drums~Kick~in": ("kick",),
            "Drums~Room": ("room",),
            "Drums~kick": ("kick",),
            "Guitars~Banjo": ("banjo",),
            "Guitars~Lead": ("guitars",),
            "Guitars~Piano Man": ("guitars",),
            "Pizza": ("pizza",),
            "piano": ("piano",),
        }
    }


def test_names_of_players_do_not_part_a_song(tmp_path: Path) -> None:
    paths = ["Guitars/Tom.wav", "Guitars/Ben.wav", "Vox/Ben.wav", "Vox/Anna.wav"]
    result = read(tmp_path, *product(["One Day", "Two Days"], paths))
    assert set(songs(result)) == {"One Day", "Two Days"}
    assert {labels for stems in songs(result).values() for labels in stems.values()} == {
        ("guitars",),
        ("vox",),
    }


def test_the_root_may_be_the_song_of_bus_folders(tmp_path: Path) -> None:
    result = read(tmp_path / "My Song", "Drums/Kick.wav", "Drums/Snare.wav", "Vox/Lead.wav", "Keys/01.wav")
    assert set(songs(result)) == {"My Song"}
    assert one_each(result)["My Song"].title == "My Song"


def test_a_mix_beside_buses_is_left_out_or_ignored(tmp_path: Path) -> None:
    result = read(tmp_path, "Song/Mix.wav", "Song/Drums/Kick.wav", "Song/Vox/01.wav", "Song/Mixes/Song.wav")
    assert set(songs(result)) == {"Song"}
    stems = songs(result)["Song"]
    assert {"Drums~Kick", "Vox~01"} <= set(stems)
    parts = {labels for stem, labels in stems.items() if "Mix" not in stem}
    assert parts == {("kick",), ("vox",)}


def test_songs_with_titles_of_instruments_are_no_buses(tmp_path: Path) -> None:
    names = ("drums", "bass", "vocals")
    result = read(tmp_path, *product(["Bells", "Whistle"], [f"{name}.wav" for name in names]))
    assert {song: set(stems) for song, stems in songs(result).items()} == {
        "Bells": set(names),
        "Whistle": set(names),
    }


def test_two_kits_of_one_song(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Song"], ["Drums 1", "Drums 2"], ["Kick.wav", "Snare.wav"]))
    assert set(songs(result)) == {"Song"}
    assert len(result.stems) == 4


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("Vox/Alto.wav", "vox"),
        ("Sax/Alto 2.wav", "sax"),
        ("Vox/Bass.wav", "vox"),
        ("Drums/Bass.wav", "drums"),
        ("Guitars/Tom.wav", "guitars"),
        ("Guitars/Bass.wav", "bass"),
        ("Drums/Tom.wav", "tom"),
        ("Brass/Sax.wav", "sax"),
    ],
)
def test_words_that_mean_something_else_in_other_buses(tmp_path: Path, path: str, label: str) -> None:
    result = read(tmp_path, f"Song/{path}", "Song/Keys/Piano.wav", "Song/Drums/Kick.wav")
    assert {entry.path: entry.labels for entry in result.stems}[f"Song/{path}"] == (label,)


def test_unknown_folders_beside_buses_are_part_of_the_song(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Song"], ["Drums/01.wav", "Vox/01.wav", "Zorbs/01.wav", "Ann/gtr.wav"]))
    assert set(songs(result)) == {"Song"}


def test_a_version_within_a_song_is_a_song_tied_to_it(tmp_path: Path) -> None:
    result = read(
        tmp_path, *product(["Song", "Song/Live in Rome"], ["drums.wav", "bass.wav"]), "Song/Extras/piano.wav"
    )
    assert {song: sorted(stems) for song, stems in songs(result).items()} == {
        "Song": ["Extras~piano", "bass", "drums"],
        "Song~Live in Rome": ["bass", "drums"],
    }
    first, second = one_each(result).values()
    assert set(first.groups) & set(second.groups)


def test_a_version_has_the_artist_of_its_song(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Ann \u2013 One"], ["", "Live/"], ["drums.wav", "bass.wav"]))
    assert {(entry.artist, entry.title) for entry in result.stems} == {("Ann", "One"), ("Ann", "One (Live)")}


@pytest.mark.parametrize(
    "names", [("Take 1", "Take 2"), ("Live", "Studio"), ("v1", "v2"), ("Rough Edit", "Final")]
)
def test_takes_of_a_song_are_tied(tmp_path: Path, names: tuple[str, str]) -> None:
    result = read(tmp_path, *product(["Ann \u2013 One", "Bob \u2013 Two"], names, ["drums.wav", "bass.wav"]))
    found = one_each(result)
    assert len(found) == 4
    first, second, third, _ = (found[song] for song in sorted(found))
    assert {first.artist, second.artist, third.artist} == {"Ann", "Bob"}
    assert "folder:Ann \u2013 One" in set(first.groups) & set(second.groups)
    assert not set(second.groups) & set(third.groups)


@pytest.mark.parametrize(
    "name",
    ["Piano Man (Live)", "Piano Man [1]", "03 Piano Man", "piano_man", "Piano Man - Take 2", "Piano Man v2"],
)
def test_titles_that_differ_by_a_version_are_tied(tmp_path: Path, name: str) -> None:
    result = read(tmp_path, *product(["Piano Man", name, "Piano Woman"], ["drums.wav"]))
    tied = [entry.song for entry in result.stems if "title:pianoman" in entry.groups]
    assert sorted(tied) == sorted(["Piano Man", name])


def test_a_title_that_every_folder_has_ties_nothing(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["One Day", "Two Days", "Sea"], ["HiRes"], ["drums.wav"]))
    assert all(not entry.groups for entry in result.stems)


# Wrappers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parent", "loose", "expected"),
    [
        ("stems", "", False, True),
        ("Audio Files", "", False, True),
        ("wav_24bit", "", False, True),
        ("WAV 48k", "", False, True),
        ("mp3", "", False, True),
        ("Song_STEMS", "Song", False, True),
        ("Song_RAW", "Song", False, True),
        ("Song", "Song", False, False),
        ("Song", "Song", True, True),
        ("Stereo", "", False, False),
        ("Stereo", "", True, True),
        ("44100", "", True, True),
        ("Raw Power", "", True, False),
        ("Song 24", "Song", False, False),
        ("Soundgarden", "", False, False),
        ("12", "", False, False),
    ],
)
def test_wrappers(name: str, parent: str, loose: bool, expected: bool) -> None:
    assert is_wrapper(name, parent, loose=loose) is expected


@pytest.mark.parametrize(
    "layout", ["{}", "{}/stems", "stems/{}", "audio/{}/wav", "data/{0}/{0}_STEMS", "{0}/{0}"]
)
def test_wrappers_count_for_nothing(tmp_path: Path, layout: str) -> None:
    names = ("Alpha", "Beta", "Gamma")
    result = read(tmp_path, *product([layout.format(name) for name in names], ["drums.wav", "bass.wav"]))
    assert songs(result) == {name: {"drums": ("drums",), "bass": ("bass",)} for name in names}
    assert {entry.artist for entry in result.stems} == {""}


@pytest.mark.parametrize(
    "paths",
    [
        ("Samples/Recorded/Kick.wav", "Samples/Imported/Bass.wav"),
        ("Media/Kick.wav", "Media/Bass.wav"),
        ("Audio Files/Kick.wav", "Audio Files/Bass.wav"),
        ("Multitracks/24bit WAV/Kick.wav", "Multitracks/24bit WAV/Bass.wav"),
    ],
)
def test_projects_of_audio_workstations(tmp_path: Path, paths: tuple[str, str]) -> None:
    result = read(tmp_path, *product(["Ann - Day", "Bob - Night"], paths))
    assert songs(result) == {
        song: {"Kick": ("kick",), "Bass": ("bass",)} for song in ("Ann - Day", "Bob - Night")
    }


def test_one_of_two_formats_is_read_and_the_other_listed(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Song"], ["wav/a drum.wav", "mp3/a drum.mp3", "mp3/bass.mp3"]))
    assert {entry.path for entry in result.stems} == {"Song/wav/a drum.wav", "Song/mp3/bass.mp3"}
    assert [(p.path, p.kind) for p in result.problems] == [("Song/mp3/a drum.mp3", "skipped")]


def test_raw_files_beside_stems_would_sound_twice(tmp_path: Path) -> None:
    result = read(tmp_path, "S/S_STEMS/drums.wav", "S/S_RAW/kick.wav", "S/S_RAW/snare.wav", "T/Raw/kick.wav")
    assert songs(result) == {"S": {"drums": ("drums",)}, "T": {"kick": ("kick",)}}
    assert [(p.path, p.kind) for p in result.problems] == [
        ("S/S_RAW/kick.wav", "skipped"),
        ("S/S_RAW/snare.wav", "skipped"),
    ]


# Splits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training Set", "train"),
        ("01_train", "train"),
        ("valid", "validation"),
        ("val", "validation"),
        ("Dev", "validation"),
        ("validation_data", "validation"),
        ("test", "test"),
        ("TEST", "test"),
        ("Test Drive", ""),
        ("Trains", ""),
        ("", ""),
    ],
)
def test_names_of_splits(name: str, split: str) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("Training", "Dev", "Testing"), ("TRAIN", "val", "eval")]
)
@pytest.mark.parametrize("layout", ["{}", "stems/{}", "{}/audio"])
def test_split_folders(tmp_path: Path, names: tuple[str, str, str], layout: str) -> None:
    paths = [f"{layout.format(split)}/Song {split} {n}/drums.wav" for split in names for n in "ab"]
    result = read(tmp_path, *paths)
    found = {entry.song.split("~")[1]: entry.corpus_split for entry in result.stems}
    expected = zip(names, ("train", "validation", "test"), strict=True)
    assert found == {f"Song {name} {n}": split for name, split in expected for n in "ab"}
    assert {entry.artist for entry in result.stems} == {""}
    assert any("as splits" in note for note in result.notes)


def test_split_folders_with_artists_and_buses(tmp_path: Path) -> None:
    result = read(
        tmp_path, "train/Ann/One/Drums/kick.wav", "train/Ann/One/Vox/01.wav", "test/Bob/Two/bass.wav"
    )
    assert {entry.song: entry.corpus_split for entry in result.stems} == {
        "train~Ann~One": "train",
        "test~Bob~Two": "test",
    }


def test_a_song_that_is_called_test(tmp_path: Path) -> None:
    result = read(tmp_path, "Test/drums.wav", "Test/Vox/01.wav", "Test/Vox/02.wav", "Other/drums.wav")
    assert {entry.song: entry.corpus_split for entry in result.stems} == {"Test": "", "Other": ""}


def test_one_song_in_two_split_folders_is_tied(tmp_path: Path) -> None:
    result = read(tmp_path, "train/Piano Man/drums.wav", "test/Piano Man/bass.wav", "test/Other/bass.wav")
    first, second = (entry for entry in result.stems if "Piano" in entry.song)
    assert set(first.groups) & set(second.groups) == {"title:pianoman"}


@pytest.mark.parametrize("song", ["Piano Man/", ""])
def test_parts_of_one_song_in_split_folders_are_tied(tmp_path: Path, song: str) -> None:
    other = ["Other/drums.wav"] if song else []
    result = read(tmp_path, *product([f"{song}train", f"{song}test"], ["drums.wav", "bass.wav"]), *other)
    parts = {entry.corpus_split: set(entry.groups) for entry in result.stems if entry.corpus_split}
    assert set(parts) == {"train", "test"}
    assert parts["train"] & parts["test"]


# One folder per instrument ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["{}", "{}_{folder}", "{folder} - {}", "{} ({folder})", "03 {}"])
@pytest.mark.parametrize("top", ["", "stems/", "train/"])
def test_folders_of_an_instrument(tmp_path: Path, name: str, top: str) -> None:
    titles = ["Piano Man", "Drum Boogie", "So What"]
    paths = [f"{top}{f}/{name.format(t, folder=f)}.wav" for f in ("drums", "bass", "piano") for t in titles]
    result = read(tmp_path, *paths)
    found = songs(result)
    assert len(found) == 3
    for stems in found.values():
        assert sorted(stems.values()) == [("bass",), ("drums",), ("piano",)]
    assert sorted(title.split("~")[-1].removeprefix("03 ") for title in found) == sorted(titles)
    assert any("folder per instrument" in note and "3 songs" in note for note in result.notes)


def test_one_song_whatever_the_spelling(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        "drums/Caf\u00e9 Del Mar.wav",
        "bass/Cafe\u0301 del mar.wav",
        "Lead Vocals/Caf\u00e9_Del_Mar.wav",
        "drums/Other One.wav",
        "bass/Other One.wav",
    )
    assert len(songs(result)) == 2
    assert {len(stems) for stems in songs(result).values()} == {2, 3}


def test_solos_in_folders_of_their_instrument(tmp_path: Path) -> None:
    result = read(tmp_path, "piano/Nocturne.wav", "piano/Etude.wav", "guitar/Bell Song.wav")
    assert songs(result) == {
        "Nocturne": {"piano": ("piano",)},
        "Etude": {"piano": ("piano",)},
        "Bell Song": {"guitar": ("guitar",)},
    }


@pytest.mark.parametrize("beside", [[], ["Alpha/drums.wav", "Alpha/bass.wav", "Beta/drums.wav"]])
def test_a_single_file_in_the_folder_of_its_instrument(tmp_path: Path, beside: list[str]) -> None:
    result = read(tmp_path, "piano/Guitar Hero.wav", *beside)
    assert songs(result)["Guitar Hero"] == {"piano": ("piano",)}


def test_numbered_songs_in_folders_of_an_instrument(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["drums", "bass"], [f"{n:03d}.wav" for n in range(6)]))
    assert len(songs(result)) == 6
    few = read(tmp_path / "Song", *product(["drums", "bass"], ["1.wav", "2.wav"]))
    assert set(songs(few)) == {"Song"}


def test_folders_of_an_instrument_among_songs(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        *product(["Alpha", "Beta", "Gamma", "Bells"], ["drums.wav", "bass.wav"]),
        *product(["piano", "drums"], ["Piano Man.wav", "Guitar Hero.wav"]),
        "violin/Partita.wav",
        "violin/Chaconne.wav",
    )
    found = songs(result)
    assert sorted(found) == sorted(
        ["Alpha", "Beta", "Gamma", "Bells", "Piano Man", "Guitar Hero", "Partita", "Chaconne"]
    )
    assert found["Piano Man"] == {"piano": ("piano",), "drums": ("drums",)}
    assert found["Chaconne"] == {"violin": ("violin",)}
    assert found["Bells"] == {"drums": ("drums",), "bass": ("bass",)}


@pytest.mark.parametrize("table", [False, True])
def test_a_song_that_is_called_as_an_instrument_among_folders_of_instruments(
    tmp_path: Path, table: bool
) -> None:
    if table:
        touch(tmp_path / "Side" / "stems.csv", "file,label\nAnna.wav,violin\nBen.wav,cello\n")
    names = ["Anna.wav", "Ben.wav"] if table else ["a.wav", "b.wav"]
    result = read(
        tmp_path,
        *product(["piano", "drums"], ["Piano Man.wav", "Guitar Hero.wav"]),
        *product(["Side"], names),
        *product(["Alpha"], ["drums.wav", "bass.wav"]),
    )
    assert set(songs(result)) == {"Piano Man", "Guitar Hero", "Side", "Alpha"}


def test_folders_of_an_instrument_below_a_genre(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Rock", "Jazz"], ["drums", "bass"], ["Piano Man.wav", "Take Five.wav"]))
    assert len(songs(result)) == 4
    assert {labels for stems in songs(result).values() for labels in stems.values()} == {
        ("bass",),
        ("drums",),
    }


def test_artist_and_title_in_folders_of_an_instrument(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["drums", "bass"], ["Ann Lee \u2013 One.wav", "Bob Ray \u2013 Two.wav"]))
    assert {(entry.artist, entry.title) for entry in result.stems} == {("Ann Lee", "One"), ("Bob Ray", "Two")}


# Depth and ids ----------------------------------------------------------------------------------------


@given(depth=st.integers(0, 12))
def test_songs_at_any_depth_are_read(depth: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("deep")
    above = "".join(f"Level{chr(97 + i)}x/" for i in range(depth))
    result = read(root, f"{above}Song/drums.wav", f"{above}Song/bass.wav", "Flat/drums.wav")
    assert len(result.stems) == 3
    assert not result.problems


def test_what_lies_too_deep_is_listed(tmp_path: Path) -> None:
    result = read(tmp_path, "Song/drums.wav", "a/" * 40 + "drums.wav")
    assert [entry.song for entry in result.stems] == ["Song"]
    assert {problem.kind for problem in result.problems} == {"skipped"}


def test_a_folder_that_a_link_leads_to_is_read_once(tmp_path: Path) -> None:
    touch(tmp_path / "Song" / "drums.wav")
    (tmp_path / "Again").symlink_to(tmp_path / "Song")
    (tmp_path / "Song" / "up").symlink_to(tmp_path)
    result = scan(CORPORA["folder"], tmp_path)
    assert [entry.path for entry in result.stems] == ["Song/drums.wav"]
    assert {problem.path for problem in result.problems} == {"Again", "Song/up"}


COLLIDING = [
    ("A/B_C", "A_B/C"),
    ("A/B", "A~B"),
    ("A/B/C", "A~B/C"),
    ("Caf\u00e9", "Cafe\u0301"),
    ("Song", "song"),
    ("A/Drums_1", "A_Drums/1"),
]


@pytest.mark.parametrize(("first", "second"), COLLIDING)
def test_different_songs_have_different_ids(tmp_path: Path, first: str, second: str) -> None:
    result = read(tmp_path, *product([first, second, "Other"], ["piano.wav", "violin.wav"]))
    assert len({entry.song for entry in result.stems}) == 3
    assert len(result.stems) == 6
    assert not result.problems
    assert all(entry.song == unicodedata.normalize("NFC", entry.song) for entry in result.stems)


names = st.text("AB_~ -/", min_size=1, max_size=7)


@given(others=st.lists(names, min_size=1, max_size=6))
def test_a_song_keeps_its_id_whatever_else_there_is(
    others: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("ids")
    parts = [name.replace(" ", "").split("/") for name in others]
    folders = ["/".join(f"{part}x{'uvwyz'[i % 5]}" for i, part in enumerate(name)) for name in parts]
    alone = {entry.path: entry.song for entry in read(root, "Own_Song/piano.wav").stems}
    result = read(root, *(f"{folder}/piano.wav" for folder in folders))
    assert alone.items() <= {entry.path: entry.song for entry in result.stems}.items()
    keys = [(entry.song, entry.stem) for entry in result.stems]
    assert len(set(keys)) == len(keys) == len(set(folders)) + 1


def test_stems_of_one_name_in_several_buses(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Song"], ["Drums", "Vox"], ["L.wav", "R.wav"]), "Song/Vox/L.mp3")
    assert [entry.stem for entry in result.stems] == ["Drums~L", "Drums~R", "Vox~L.mp3", "Vox~L.wav", "Vox~R"]


# Artists ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dash", DASHES.values(), ids=DASHES)
def test_every_dash_parts_artist_and_title(tmp_path: Path, dash: str) -> None:
    result = read(tmp_path, *product([f"Ann Lee {dash} One", f"Ann Lee {dash} Two"], ["drums.wav"]))
    assert {(entry.artist, entry.title) for entry in result.stems} == {("Ann Lee", "One"), ("Ann Lee", "Two")}
    assert all("artist:annlee" in entry.groups for entry in result.stems)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Artist - Title", ("Artist", "Title")),
        ("Artist\u2014Title", ("Artist", "Title")),
        ("Artist\u00a0\u2013\u00a0Title", ("Artist", "Title")),
        ("Artist_-_Long_Title", ("Artist", "Long Title")),
        ("03 - Artist - Title", ("Artist", "Title")),
        ("03 Artist - Title", ("Artist", "Title")),
        ("50 Cent - In Da Club", ("50 Cent", "In Da Club")),
        ("Jay-Z - Song", ("Jay-Z", "Song")),
        ("Artist - Title - Live", ("Artist", "Title - Live")),
        ("01 - Piano Man", ("", "Piano Man")),
        ("Song 01 - Take 2", ("", "Song 01 - Take 2")),
        ("2019-05-03 - Jam", ("", "Jam")),
        ("Up-Tempo", ("", "Up-Tempo")),
        ("Song", ("", "Song")),
        ("-", ("", "-")),
    ],
)
def test_artist_and_title(name: str, expected: tuple[str, str]) -> None:
    assert split_artist(name) == expected


ARTISTS = ["Ann Lee", "Bob Ray", "Cat Doe", "Dan Fox", "Eve Kay", "Flo May"]


def test_folders_of_songs_are_their_artists(tmp_path: Path) -> None:
    paths = [f"{a}/{a[:3]} Tune{n}/{s}.wav" for a in ARTISTS for n in "xyz" for s in ("drums", "bass")]
    result = read(tmp_path, *paths)
    assert {entry.song: entry.artist for entry in result.stems} == {
        f"{artist}~{artist[:3]} Tune{n}": artist for artist in ARTISTS for n in "xyz"
    }
    assert any("6 folders of songs as their artists, for 18 songs" in note for note in result.notes)


@pytest.mark.parametrize(
    "layout",
    ["{artist}/{song}/{stem}", "{artist}/Album {artist}/{song}/{stem}", "stems/{artist}/{song}/wav/{stem}",
     "Rock/{artist}/{song}/{stem}", "train/{artist}/{song}/{stem}", "{artist}/{song}/Drums/{stem}"],
)  # fmt: skip
def test_artists_at_any_level(tmp_path: Path, layout: str) -> None:
    paths = [
        layout.format(artist=artist, song=f"{artist[:3]} Tune{n}", stem=stem)
        for artist in ARTISTS
        for n in "xyz"
        for stem in ("kick.wav", "snare.wav")
    ]
    result = read(tmp_path, *paths)
    assert {entry.artist for entry in result.stems} == set(ARTISTS)
    assert len(songs(result)) == 18


@pytest.mark.parametrize(
    "folders",
    [
        {"stems": 20},
        {"Collection of mine": 20},
        {"Rock": 8, "Jazz": 8, "Pop": 8},
        {"Rock": 5, "Jazz": 5, "Pop": 5, "Folk": 5, "Metal": 5, "Hip Hop": 5},
        {"Mine": 40, "Yours": 1, "Theirs": 1, "Hers": 1, "His": 1},
        {"2015": 3, "2016": 3, "2017": 3, "2018": 3, "2019": 3, "2020": 3},
        {"CD 1": 3, "CD 2": 3, "CD 3": 3, "CD 4": 3, "CD 5": 3, "CD 6": 3},
        {"A": 3, "B": 3, "C": 3, "D": 3, "E": 3, "F": 3},
        {"Ann Lee": 1, "Bob Ray": 1, "Cat Doe": 1, "Dan Fox": 1, "Eve Kay": 1, "Flo May": 1},
    ],
    ids=lambda folders: next(iter(folders)),
)
def test_folders_that_are_not_taken_for_artists(tmp_path: Path, folders: dict[str, int]) -> None:
    paths = [f"{name}/Tune{name[:2]}{n}/drums.wav" for name, count in folders.items() for n in range(count)]
    result = read(tmp_path, *paths)
    assert {entry.artist for entry in result.stems} == {""}
    assert not any("artists" in note for note in result.notes)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(0, 30))
def test_artists_are_taken_only_where_three_splits_are_left(sizes: list[int], alone: int) -> None:
    above = {f"{i}/{n}": ((f"Artist{chr(97 + i)}",),) for i, size in enumerate(sizes) for n in range(size)}
    above |= {f"alone {n}": () for n in range(alone)}  # type: ignore[dict-item]
    found = artists_of_folders(above, ())
    if found.names:
        total = sum(sizes) + alone
        assert max(sizes) <= 0.8 * total
        assert len(sizes) >= 5
        assert total - max(sizes) >= 0.2 * total
        assert f"{len(sizes)} folders" in found.note
    else:
        assert found.note == ""


def test_the_way_to_a_single_song_is_no_artist(tmp_path: Path) -> None:
    paths = [f"{artist}/{artist[:3]} Tune{n}/drums.wav" for artist in ARTISTS for n in "xy"]
    result = read(tmp_path, *paths, "Very/Deep/Down/Here/drums.wav", "Gus Lee/One Day/drums.wav")
    found = {entry.song: entry.artist for entry in result.stems}
    assert (found["Very~Deep~Down~Here"], found["Gus Lee~One Day"]) == ("", "Gus Lee")


def test_the_name_beats_the_folder_above(tmp_path: Path) -> None:
    paths = [f"{artist}/Guest Star - Tune{artist[:3]}{n}/drums.wav" for artist in ARTISTS for n in "xy"]
    assert {entry.artist for entry in read(tmp_path, *paths).stems} == {"Guest Star"}


def test_the_artist_in_the_name_of_a_folder_above(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        *product(["Ann Lee \u2013 The Album"], ["One", "Two"], ["drums.wav"]),
        "Rock - Pop/Sea/a.wav",
    )
    assert {entry.song.split("~")[1]: entry.artist for entry in result.stems} == {
        "One": "Ann Lee",
        "Two": "Ann Lee",
        "Sea": "",
    }


def test_unknown_artists_are_empty(tmp_path: Path) -> None:
    result = read(tmp_path, "One/drums.wav", "Two/drums.wav", "Various Artists/Three/drums.wav")
    assert {entry.artist for entry in result.stems} == {""}
    assert not any(group.startswith("artist:") for entry in result.stems for group in entry.groups)


def test_files_in_the_root_beside_songs_are_said_to_be_one_song(tmp_path: Path) -> None:
    result = read(tmp_path / "Mine", "drums.wav", "bass.wav", "Song/drums.wav")
    assert set(songs(result)) == {"Mine", "Song"}
    assert any("2 files that lie directly in the root" in note for note in result.notes)


@pytest.mark.parametrize(
    ("names", "several"),
    [
        (["One Day_drums", "One Day_bass", "Two Days_drums", "Two Days_bass"], True),
        (["Song1 - Vox", "Song1 - Gtr", "Song2 - Vox", "Song2 - Gtr", "Song3 - Vox", "Song3 - Gtr"], True),
        (["drums_Alpha", "bass_Alpha", "drums_Beta", "bass_Beta"], True),
        (["Alpha_drums", "Alpha_bass", "Alpha_vox"], False),
        (["Verse_drums", "Verse_bass", "Chorus_drums", "Chorus_bass"], False),
        (["Dry_gtr", "Dry_bass", "Wet_gtr", "Wet_bass"], False),
        (["01_Kick", "02_Snare", "03_Bass DI", "04_Bass Amp", "05_Lead Vox", "06_Anna Vox"], False),
        (["drums", "bass"], False),
    ],
)
def test_several_songs_in_one_folder_are_listed(tmp_path: Path, names: list[str], several: bool) -> None:
    result = read(tmp_path, *(f"Folder/{name}.wav" for name in names))
    listed = [p.path for p in result.problems if p.kind == "several-songs"]
    assert listed == (["Folder"] if several else [])
    assert set(songs(result)) == {"Folder"}


# Names that are instruments' and artists' -------------------------------------------------------------

STEMS = ("drums.wav", "bass.wav", "vocals.wav")


@pytest.mark.parametrize("artist", ["Voices", "Kora Band", "The Organ", "Brass", "Pianos"])
@pytest.mark.parametrize("song", ["Ice", "Debut/01 Ice", "Debut/CD 1/Ice", "Vol 2/Bells"])
def test_an_artist_who_is_called_like_an_instrument(tmp_path: Path, artist: str, song: str) -> None:
    names = (artist, "Ann", "Bob", "Cy", "Dee", "Strings")
    result = read(tmp_path, *product(names, [f"{song} A", f"{song} B"], STEMS))
    assert {song.split("~")[0] for song in songs(result)} == set(names)
    assert {frozenset(stems.items()) for stems in songs(result).values()} == {
        frozenset({("drums", ("drums",)), ("bass", ("bass",)), ("vocals", ("vocals",))})
    }
    assert {entry.artist for entry in result.stems} == set(names)


def test_an_artist_called_like_an_instrument_who_plays_it(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Organ/Moon", "Organ/Sun", "Ann/Rain"], ["organ.wav", "bass.wav"]))
    assert set(songs(result)) == {"Organ~Moon", "Organ~Sun", "Ann~Rain"}
    assert songs(result)["Organ~Sun"] == {"organ": ("organ",), "bass": ("bass",)}


def test_a_bus_with_other_instruments_in_it_stays_a_bus(tmp_path: Path) -> None:
    result = read(
        tmp_path,
        *product(
            ["Song A", "Song B"],
            ["Drums/Kick.wav", "Synth/Bass.wav", "Synth/Session 2/Brass.wav", "Synth/Session 2/Bells.wav"],
        ),
    )
    assert set(songs(result)) == {"Song A", "Song B"}


def test_several_files_of_a_song_in_the_folder_of_its_instrument(tmp_path: Path) -> None:
    titles = ["Piano Man", "Fog", "Day"]
    result = read(
        tmp_path,
        *product(["drums"], titles, ["kick.wav", "snare.wav"]),
        *product(["synth"], titles, ["bass.wav", "lead.wav"]),
    )
    assert set(songs(result)) == set(titles)


# Small things -----------------------------------------------------------------------------------------


def test_a_workstations_folder_of_processed_clips_is_no_song(tmp_path: Path) -> None:
    places = ["Samples/Processed/Consolidate/Bass.wav", "Samples/Recorded/Drums.aif"]
    result = read(tmp_path, *product(["One Project", "Two Project"], places))
    assert {song: set(stems) for song, stems in songs(result).items()} == {
        "One Project": {"Bass", "Drums"},
        "Two Project": {"Bass", "Drums"},
    }


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("Vocal Loops/VL_01.wav", ("vocal",)),
        ("Vox/Lead/Main.wav", ("vox",)),
        ("Vox/Main L.wav", ("vox",)),
        ("Guitars/Main.wav", ("guitars",)),
        ("Strings/Vl.wav", ("vl",)),
        ("Drums/OH.wav", ("oh",)),
    ],
)
def test_what_is_vague_in_a_bus_has_the_label_of_the_bus(
    tmp_path: Path, path: str, labels: tuple[str, ...]
) -> None:
    result = read(tmp_path, f"Song/{path}", "Song/Keys/Piano.wav", "Song/Drums/Kick.wav")
    assert {entry.path: entry.labels for entry in result.stems}[f"Song/{path}"] == labels


def test_folders_beside_splits_are_named(tmp_path: Path) -> None:
    result = read(tmp_path, "train/Aa/drums.wav", "test/Bb/drums.wav", "holdout/Cc/drums.wav")
    assert {entry.song: entry.corpus_split for entry in result.stems} == {
        "train~Aa": "train",
        "test~Bb": "test",
        "holdout~Cc": "",
    }
    assert any("the songs in holdout beside them have no split" in note for note in result.notes)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("1-04 Ann - Ice", "1-05 Ann - Fog"),
        ("(03) Ann - Ice", "(04) Ann - Fog"),
        ("12 Ann - Ice", "Ann - Fog"),
    ],
)
def test_a_number_in_front_does_not_part_an_artist(tmp_path: Path, one: str, two: str) -> None:
    first, second = one_each(read(tmp_path, f"{one}/bass.wav", f"{two}/bass.wav")).values()
    assert "artist:ann" in set(first.groups) & set(second.groups)


@pytest.mark.parametrize("behind", [" copy", " - Kopie", " - Copie", " (1)", " - copia"])
def test_copies_by_name_are_tied(tmp_path: Path, behind: str) -> None:
    first, second = one_each(read(tmp_path, "Sunrise/bass.wav", f"Sunrise{behind}/bass.wav")).values()
    assert set(first.groups) & set(second.groups)
    assert (first.artist, second.artist) == ("", "")


# Parts of a song under other names --------------------------------------------------------------------

PLAYERS = ["Anna/vox.wav", "Anna/gtr.wav", "Ben/drums L.wav", "Ben/drums R.wav", "Cy/bass.wav"]
ROOMS = ["Live Room/drums.wav", "Live Room/bass.wav", "Booth/vox.wav", "Overdubs/gtr.wav"]
SECTIONS = ["Rhythm/drums.wav", "Rhythm/bass.wav", "Melody/vox.wav", "Harmony/gtr.wav", "Harmony/keys.wav"]


@pytest.mark.parametrize("parts", [PLAYERS, ROOMS, SECTIONS])
@pytest.mark.parametrize("above", ["", "Zed/"])
def test_folders_that_part_the_instruments_of_a_song_are_one_song(
    tmp_path: Path, parts: list[str], above: str
) -> None:
    result = read(tmp_path, *product([f"{above}Sun", f"{above}Rain"], parts))
    assert {entry.title for entry in result.stems} == {"Sun", "Rain"}
    assert {len(stems) for stems in songs(result).values()} == {len(parts)}


@pytest.mark.parametrize(
    "paths",
    [
        product(["Ann", "Bob"], ["Intro", "Hello"], ["drums.wav", "bass.wav"]),
        product(["Ann", "Bob"], ["Debut", "Second"], ["Sun", "Rain"], ["drums.wav", "bass.wav"]),
        product(["Ann", "Bob"], ["01", "02"], ["drums.wav"]),
        ["Ann/Sun/gtr.wav", "Ann/Rain/piano.wav", "Bob/Fog/sax.wav", "Bob/Ice/flute.wav"],
        product(["Ann", "Bob"], ["Debut/gtr.wav", "Second/piano.wav", "Third/sax.wav"]),
    ],
)
def test_songs_of_several_artists_stay_songs(tmp_path: Path, paths: list[str]) -> None:
    assert set(songs(read(tmp_path, *paths))) == {"~".join(path.split("/")[:-1]) for path in paths}


def test_a_dash_in_brackets_parts_no_artist(tmp_path: Path) -> None:
    result = read(
        tmp_path, *product(["Fog", "Fog/Mix 1 - Bob", "Sun (Live - 2019)"], ["drums.wav", "bass.wav"])
    )
    assert {entry.artist for entry in result.stems} == {""}
    assert {entry.title for entry in result.stems} >= {"Fog", "Fog (Mix 1 - Bob)"}


@pytest.mark.parametrize(
    "name", ["Unbekannter Künstler", "Artiste inconnu", "A major", "July", "CC-BY-SA", "K-Pop", "Diverse"]
)
def test_what_is_never_an_artist(name: str) -> None:
    assert split_artist(f"{name} - Zork") == ("", f"{name} - Zork")


def test_original_and_remix_of_a_song_are_tied(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["Sun"], ["Original", "Remix"], ["drums.wav", "bass.wav"]))
    first, second = one_each(result).values()
    assert set(first.groups) & set(second.groups)


@pytest.mark.parametrize("artist", ["N/A", "-", "unknown", "Various Artists", "nan"])
def test_a_word_for_nobody_in_the_table_is_no_artist(tmp_path: Path, artist: str) -> None:
    touch(
        tmp_path / "stems.csv", f"file,label,artist\nSun/a.wav,violin,{artist}\nRain/b.wav,piano,{artist}\n"
    )
    result = read(tmp_path, "Sun/a.wav", "Rain/b.wav")
    assert {entry.artist for entry in result.stems} == {""}
    assert not any(group.startswith("artist:") for entry in result.stems for group in entry.groups)


def test_an_unknown_folder_with_the_songs_of_the_instruments_beside_it(tmp_path: Path) -> None:
    titles = ["Piano Man.wav", "Guitar Town.wav", "Bells.wav"]
    result = read(tmp_path, *product(["drums", "bass", "zorkophone"], titles))
    assert set(songs(result)) == {"Piano Man", "Guitar Town", "Bells"}
    assert {stems["zorkophone"] for stems in songs(result).values()} == {()}


def test_the_nearest_of_two_folders_of_instruments_says_it(tmp_path: Path) -> None:
    titles = ["Etude.wav", "Nocturne.wav", "Carmen.wav"]
    result = read(
        tmp_path,
        *product(["Strings"], ["violin", "cello"], titles),
        *product(["Brass"], ["trumpet"], titles),
    )
    labels = {entry.path.split("/")[1]: entry.labels for entry in result.stems}
    assert labels == {"violin": ("violin",), "cello": ("cello",), "trumpet": ("trumpet",)}


def test_a_development_set_without_a_training_set_is_one(tmp_path: Path) -> None:
    places = product(["Dev/051 - Ann - Sun", "Test/001 - Bob - Rain"], ["bass.wav", "drums.wav"])
    mixtures = ["Mixtures/Dev/051 - Ann - Sun/mixture.wav", "Mixtures/Test/001 - Bob - Rain/mixture.wav"]
    result = read(tmp_path, *(f"Sources/{path}" for path in places), *mixtures)
    assert {entry.artist: entry.corpus_split for entry in result.stems} == {"Ann": "train", "Bob": "test"}
    assert not any("no split" in note for note in result.notes)


def test_a_development_set_beside_other_songs_is_for_validation(tmp_path: Path) -> None:
    result = read(tmp_path, *product(["dev/Aa", "test/Bb", "Cc", "Dd"], ["bass.wav", "drums.wav"]))
    found = {entry.song: entry.corpus_split for entry in result.stems}
    assert found == {"dev~Aa": "validation", "test~Bb": "test", "Cc": "", "Dd": ""}


def test_titles_that_are_sound_effects_in_folders_of_artists(tmp_path: Path) -> None:
    result = read(
        tmp_path, *product(["drums", "bass", "vocals"], ["Ann", "Bob"], ["Rain.wav", "Wind.wav", "Sun.wav"])
    )
    assert set(songs(result)) == {f"{a}~{title}" for a in ("Ann", "Bob") for title in ("Rain", "Wind", "Sun")}
    assert {frozenset(stems) for stems in songs(result).values()} == {frozenset({"drums", "bass", "vocals"})}


def test_numbers_in_the_names_of_artists() -> None:
    names = ["10cc", "50 Cent", "blink-182", "2 Unlimited"]
    assert [split_artist(f"{name} - Zork") for name in names] == [(name, "Zork") for name in names]
