"""Tempo, beats and key of songs: found where the truth is known, overruled by who knows, kept beside."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.audio.tempo_key import (
    ANALYSIS_RATE,
    Beats,
    Key,
    find_beats,
    find_key,
    key_of_profile,
    onset_confidence,
    regular_beats,
)
from mixlab.catalog.analysis import analyse_songs
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.given_songs import GivenSong, read_given_songs
from mixlab.catalog.midi import read_midi
from mixlab.catalog.song_table import SONG_FILE, SongFacts, SongTable, load_song_table
from mixlab.cli.main import main
from mixlab.corpora import get_adapter
from mixlab.errors import CatalogError, ConfigError, CorpusError
from mixlab.synthesis.plan import plan_songs
from mixlab.synthesis.stems import compose_plan
from mixlab.taxonomy.pitched import is_unpitched
from tests.errors import raises
from tests.toy import RATE, make_own_catalog

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
SECONDS = 12.0


def note(pitch: float, start_s: float, length_s: float, rate: int, out: np.ndarray) -> None:
    """Add a note of eight harmonics."""
    t = np.arange(round(length_s * rate)) / rate
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    audio = sum(np.sin(2 * np.pi * h * hertz * t) / h for h in range(1, 9) if h * hertz < rate / 2.2)
    first = round(start_s * rate)
    audio = (0.05 * audio * np.exp(-2 * t))[: len(out) - first]
    out[first : first + len(audio)] += audio


def chords(tonic: int, mode: str, rate: int, tuning: float = 0.0) -> np.ndarray:
    """Tonic, subdominant, dominant and tonic in turn, a second each."""
    out = np.zeros(round(SECONDS * rate), dtype=np.float32)
    scale = MAJOR if mode == "major" else MINOR
    for second in range(int(SECONDS)):
        degree = (0, 3, 4, 0)[second % 4]
        for step in (0, 2, 4):
            octave, place = divmod(degree + step, 7)
            note(48 + tonic + 12 * octave + scale[place] + tuning, second, 1.0, rate, out)
    return out


def clicks(tempo_bpm: float, first_s: float, rate: int) -> np.ndarray:
    """A burst of noise on every beat, a softer one between two."""
    rng, out = np.random.default_rng(0), np.zeros(round(SECONDS * rate), dtype=np.float32)
    burst = rng.standard_normal(rate // 20) * np.exp(-np.arange(rate // 20) / (rate / 100))
    for number, second in enumerate(np.arange(first_s, SECONDS - 0.1, 30.0 / tempo_bpm)):
        first = round(float(second) * rate)
        out[first : first + len(burst)] += (0.3 if number % 2 == 0 else 0.06) * burst
    return out


@pytest.mark.parametrize(("tempo", "first_s"), [(96.0, 0.31), (127.0, 0.1)])
def test_beats_are_found_where_they_are(tempo: float, first_s: float) -> None:
    found = find_beats(clicks(tempo, first_s, ANALYSIS_RATE))
    assert abs(found.tempo_bpm / tempo - 1) < 0.04
    assert found.confidence > 0.5
    off = (np.array(found.times_s) - first_s) * tempo / 60
    # Of 20 beats two are laid on into the silence behind the last click.
    assert np.quantile(np.abs(off - np.rint(off)), 0.8) * 60 / tempo < 0.04
    assert find_beats(np.zeros(5 * ANALYSIS_RATE, np.float32)) == Beats()


@pytest.mark.parametrize("tonic", [0, 3, 7, 10])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_the_key_of_chords_is_found_at_any_tuning(tonic: int, mode: str) -> None:
    found = find_key(chords(tonic, mode, ANALYSIS_RATE, tuning=0.2))
    assert (found.tonic, found.mode) == (tonic, mode)
    assert found.confidence > 0.5
    assert abs(found.tuning - 0.2) < 0.05
    assert find_key(np.zeros(ANALYSIS_RATE, np.float32)) == Key()


@pytest.mark.slow
def test_keys_of_composed_songs_are_right_where_they_are_certain() -> None:
    """The composer's own notes, played in tune; a relative key has the same notes."""
    certain = 0
    for plan in plan_songs(12, 3)[::2]:
        song = compose_plan(plan, 24.0)
        audio = np.zeros(25 * ANALYSIS_RATE, dtype=np.float32)
        for part, notes in zip(plan.ensemble.parts, song.parts, strict=True):
            for one in notes if part.role not in ("drums", "percussion", "timpani") else ():
                note(one.pitch, one.start_s, one.duration_s, ANALYSIS_RATE, audio)
        found = find_key(audio)
        if found.confidence >= 0.5 and song.frame.mode in ("major", "minor"):
            certain += 1
            assert found.scale == Key(song.frame.key, song.frame.mode).scale  # type: ignore[arg-type]
    assert certain >= 2


def test_a_profile_says_the_key_and_its_relative_makes_it_no_less_certain() -> None:
    profile = np.bincount(np.array(MAJOR), [3, 1, 2, 1, 2, 1, 1], minlength=12)
    for shift in range(12):
        key = key_of_profile(np.roll(profile, shift))
        assert (key.tonic, key.mode, key.scale) == (shift, "major", shift)
    assert Key(9, "minor").scale == 0
    assert key_of_profile(np.ones(12)) == Key()


def test_notes_on_the_grid_are_certain_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    assert onset_confidence(np.arange(40) / 4) > 0.99
    assert onset_confidence(np.arange(40) / 3) > 0.99
    assert onset_confidence(rng.uniform(0, 50, 400)) < 0.2


def test_percussion_without_a_pitch_is_told_from_tuned_one() -> None:
    assert is_unpitched(("drums",))
    assert is_unpitched(("drums", "shaken-percussion"))
    for nodes in ((), ("piano",), ("timpani",), ("marimba",), ("drums", "vibraphone"), ("kalimba",)):
        assert not is_unpitched(nodes)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two songs of drums and piano, of known tempo and key."""
    stems = [
        {"song": song, "label": label, "audio": audio, "artist": song}
        for song, tempo, first_s, tonic, mode in (
            ("a", 96.0, 0.31, 3, "major"),
            ("b", 127.0, 0.1, 7, "minor"),
        )
        for label, audio in (
            ("drum set", clicks(tempo, first_s, RATE)),
            ("piano", 0.5 * chords(tonic, mode, RATE)),
        )
    ]
    return make_own_catalog(tmp_path_factory.mktemp("songs"), stems)


def test_an_analysis_finds_keeps_and_goes_on(songs: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    before = songs.content_hash
    with raises(CatalogError, code="songs-not-analysed", mentions=f"mixlab analyse {songs.path}"):
        load_song_table(songs)
    assert main(["analyse", str(songs.path), "--workers", "1"]) == 0
    assert "2 analysed" in capsys.readouterr().out
    table = load_song_table(Catalog.open(songs.path))
    assert Catalog.open(songs.path).content_hash == before
    a, b = (table.songs["folder", song] for song in "ab")
    assert abs(a.beats.tempo_bpm / 96.0 - 1) < 0.04
    assert (a.key.tonic, a.key.mode) == (3, "major")
    assert b.key.scale == Key(7, "minor").scale
    # A run that was stopped saved what it had: the rest alone is analysed, with the same outcome.
    SongTable({("folder", "a"): a}).save(songs.path)
    with raises(CatalogError, code="songs-not-analysed", mentions="in part"):
        load_song_table(Catalog.open(songs.path))
    again = analyse_songs(songs, workers=1, progress=False)
    assert (again.analysed, again.reused) == (1, 1)
    assert again.table.content_hash == table.content_hash


def test_what_the_user_says_wins(songs: Catalog, tmp_path: Path) -> None:
    given = tmp_path / "songs.csv"
    given.write_text("song,tempo,first_beat,key\nfolder/a,100,0.25,F# minor\nfolder/b,,,Bb\n")
    report = analyse_songs(songs, songs=given, workers=1, progress=False)
    a, b = (report.table.songs["folder", song] for song in "ab")
    assert a.beats == regular_beats(100.0, 0.25, SECONDS)
    assert (a.key.tonic, a.key.mode, a.key.confidence, a.key_origin) == (6, "minor", 1.0, "given")
    assert (b.key.tonic, b.key.mode, b.beats_origin) == (10, "major", "estimated")
    (songs.path / SONG_FILE).unlink()


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("song\nfolder/a\n", "invalid-table", "tempo"),
        ("song,bpm\nfolder/a,100\n", "invalid-table", "bpm"),
        ("song,tempo\nfolder/z,100\n", "unknown-song", "'folder/z'"),
        ("song,tempo\nfolder/a,5\n", "invalid-table", ("line 2", "'5'")),
        ("song,key\nfolder/a,X minor\n", "invalid-table", "'X minor'"),
        ("song,first_beat,tempo\nfolder/a,1,\n", "invalid-table", "first_beat"),
        ("song,tempo\nfolder/a,100\nfolder/a,100\n", "repeated-entry", "'folder/a'"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    songs: Catalog, tmp_path: Path, text: str, code: str, mentions: object
) -> None:
    (tmp_path / "songs.csv").write_text(text)
    with raises(ConfigError, code=code, mentions=mentions):
        read_given_songs(tmp_path / "songs.csv", songs)
    (tmp_path / "songs.csv").write_text("song,key\nfolder/a,Am\n")
    found = read_given_songs(tmp_path / "songs.csv", songs)
    assert found == {("folder", "a"): GivenSong(key=Key(9, "minor", 1.0))}


def test_a_bad_file_is_listed_and_ends_nothing(songs: Catalog, tmp_path: Path) -> None:
    stems = [{"song": "c", "label": "drum set", "audio": clicks(96.0, 0.3, RATE), "artist": "c"}]
    catalog = make_own_catalog(tmp_path, stems)
    catalog.audio_path(0).unlink()
    report = analyse_songs(catalog, workers=1, progress=False)
    assert "folder/c" in report.problems
    assert report.table.songs["folder", "c"].beats == Beats()


def test_a_score_gives_beats_and_notes(tmp_path: Path) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    midi = pretty_midi.PrettyMIDI(initial_tempo=90.0)
    piano = pretty_midi.Instrument(0)
    piano.notes = [pretty_midi.Note(90, 60 + MAJOR[k % 7], k / 3, k / 3 + 0.3) for k in range(60)]
    midi.instruments.append(piano)
    midi.write(str(tmp_path / "all_src.mid"))
    score = read_midi(tmp_path / "all_src.mid")
    assert np.allclose(np.diff(score.beats_s), 60 / 90, atol=1e-3)
    assert key_of_profile(score.pitch_classes).scale == 0
    (tmp_path / "bad.mid").write_bytes(b"no score")
    with raises(CorpusError, code="unreadable-file", mentions=str(tmp_path / "bad.mid")):
        read_midi(tmp_path / "bad.mid")
    slakh = get_adapter("slakh")
    assert slakh.find_midi(tmp_path / "stems" / "S00.flac") == tmp_path / "all_src.mid"  # type: ignore[attr-defined]


def test_a_table_is_read_as_it_was_written_and_its_hash_follows_what_is_known(tmp_path: Path) -> None:
    facts = SongFacts(regular_beats(100.0, 0.2, 5.0), Key(3, "minor", 0.7, 0.1), "midi", "given", "f", "p")
    table = SongTable({("c", "s"): facts}, "base")
    table.save(tmp_path)
    read = SongTable.read(tmp_path)
    assert read == table
    other = SongTable({("c", "s"): replace(facts, key=Key(4, "minor", 0.7, 0.1))}, "base")
    assert other.content_hash != read.content_hash == table.content_hash
    (tmp_path / SONG_FILE).write_bytes(b"damaged")
    with raises(CatalogError, code="catalog-damaged", mentions=str(tmp_path / SONG_FILE)):
        SongTable.read(tmp_path)
