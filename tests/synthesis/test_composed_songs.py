"""``mixlab compose``: stems sum to the mix, labels are exact, splits keep libraries apart, bytes repeat."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.synthesis.compose import ROLES
from mixlab.synthesis.events import Note
from mixlab.synthesis.harmony import STYLES
from mixlab.synthesis.notes import find_libraries
from mixlab.synthesis.notes.casting import MORE_INSTRUMENTS, Seat, cast, family_of, node_of
from mixlab.synthesis.notes.line_ups import _SLOT, TEMPLATES, choose_ensembles
from mixlab.synthesis.notes.making import make_composed, make_orchestra, plan_composed
from mixlab.synthesis.notes.song import render_composed, sources_of
from mixlab.synthesis.notes.stem_chain import (
    STEP,
    master_gains,
    master_stem,
    process_stem,
    sample_chain,
    sample_space,
)
from mixlab.synthesis.synth import SAMPLE_RATE
from mixlab.taxonomy import load_taxonomy
from tests.errors import raises
from tests.synthesis.recorded import small_orchestra, tone, write


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_orchestra(tmp_path_factory.mktemp("notes"))


@pytest.fixture(scope="module")
def songs(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("composed") / "out"
    make_composed(out, notes=[library], songs=8, seconds=6.0, seed=3, workers=1, bleed=0.5)
    return out


def test_every_instrument_of_the_templates_is_known() -> None:
    families = set(load_taxonomy().families)
    for template in TEMPLATES:
        assert template.style in STYLES
        for slot in template.slots:
            match = _SLOT.fullmatch(slot)
            assert match is not None, slot
            assert match[2] in ROLES
            for name in match[4].split("|"):
                assert name.lstrip("@") in (families if name.startswith("@") else MORE_INSTRUMENTS), slot
    for name, instrument in MORE_INSTRUMENTS.items():
        assert family_of(node_of(name)) == instrument.family, name


def test_what_libraries_play_stays_within_their_ranges(library: Path) -> None:
    seats = cast(find_libraries([library]))
    assert {"piano", "flute", "cello", "drum set", "claps", "cello section"} <= set(seats)
    assert len(seats["piano"].sources) == 2
    assert seats["flute"].instrument.high == 84
    for seat in seats.values():
        if seat.sources and not seat.instrument.drum_kit:
            played = set.intersection(*(set(each.pitches()) for each in seat.sources))
            assert set(range(seat.instrument.low, seat.instrument.high + 1)) <= played


def test_balanced_line_ups_keep_the_families_even(library: Path) -> None:
    seats = cast(find_libraries([library]))
    counts = dict.fromkeys({seat.family for seat in seats.values()}, 0)
    chosen = choose_ensembles(seats, 60, 0, "balanced")
    assert len(chosen) == 60
    for ensemble, _ in chosen:
        for family in {seats[part.instrument].family for part in ensemble.parts}:
            counts[family] += 1
    assert min(counts.values()) > 0.4 * max(counts.values()), counts


def test_line_ups_of_records_have_its_shares_of_genres_and_few_brass_players() -> None:
    seats = {
        name: Seat(each, node_of(name), family_of(node_of(name)))
        for name, each in MORE_INSTRUMENTS.items()
        if node_of(name)
    }
    for seed in range(3):
        chosen = [ensemble for ensemble, _ in choose_ensembles(seats, 122, seed)]
        genres = Counter(each.genre for each in chosen)
        wanted = Counter({"Classical": 22, "Singer/Songwriter": 22, "Jazz": 11, "Pop": 10, "Rap": 2})
        assert all(abs(genres[name] - count) <= 2 for name, count in wanted.items()), genres
        held = [{seats[part.instrument].family for part in each.parts} for each in chosen]
        shares = {family: sum(family in each for each in held) / 122 for family in ("voice", "brass")}
        assert shares["voice"] > 0.4 > 0.2 > shares["brass"] > 0.02, shares
        assert any(len(each.parts) == 1 for each in chosen)


def test_stems_sum_to_the_mix_without_clipping(songs: Path) -> None:
    for folder in sorted((songs / "songs").iterdir()):
        mix, rate = soundfile.read(folder / f"{folder.name}_MIX.flac", dtype="int32")
        stems = [soundfile.read(path, dtype="int32")[0] for path in sorted(folder.glob("[0-9]*.flac"))]
        assert rate == SAMPLE_RATE
        assert len(mix) == 6 * SAMPLE_RATE
        assert np.array_equal(np.sum(stems, axis=0), mix)
        assert np.abs(mix).max() < 0.9 * 2**31
        assert all(np.abs(stem).max() > 2**31 / 1000 for stem in stems)


def test_the_folder_adapter_reads_labels_splits_bleed_and_artists(songs: Path) -> None:
    catalog_folder = songs.parent / "catalog"
    assert (
        main(["index", str(catalog_folder), "--root", f"folder={songs / 'songs'}", "--splits",
              str(songs / "splits.csv"), "--workers", "1"])
        == 0
    )  # fmt: skip
    catalog = Catalog.open(catalog_folder)
    rows = [each for each in map(catalog.stem, range(len(catalog))) if each.nodes]
    record = json.loads((songs / "composed.json").read_text())
    assert record["complete"]
    expected = {
        (song["song"], node_of(part["instrument"])) for song in record["songs"] for part in song["parts"]
    }
    assert {(row.song, row.nodes[0]) for row in rows} == expected
    assert all(len(row.nodes) == 1 for row in rows)
    splits = {song["song"]: song["split"] for song in record["songs"]}
    assert {row.song: row.split for row in rows} == splits
    assert set(splits.values()) == {"train", "validation", "test"}
    artists: dict[str, set[str]] = {}
    for row in rows:
        artists.setdefault(row.artist, set()).add(row.split)
    assert all(len(each) == 1 for each in artists.values())
    assert 0 < sum(row.bleed for row in rows) < len(rows)


def test_of_several_libraries_one_is_for_the_test_alone(library: Path, songs: Path) -> None:
    seat = cast(find_libraries([library]))["piano"]
    train, validation, test = (sources_of(seat, split) for split in ("train", "validation", "test"))
    assert not set(test) & {*train, *validation}
    assert "grand piano" in (songs / "README.txt").read_text()


@pytest.mark.slow
def test_workers_and_interruptions_change_no_byte(library: Path, songs: Path, tmp_path: Path) -> None:
    def digest(out: Path) -> dict[str, bytes]:
        return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}

    settings = {"notes": [library], "songs": 8, "seconds": 6.0, "seed": 3, "bleed": 0.5}
    made = make_composed(tmp_path / "two", workers=2, **settings)  # type: ignore[arg-type]
    assert (made.made, made.kept) == (8, 0)
    assert digest(tmp_path / "two") == digest(songs)
    lost = tmp_path / "two" / "songs" / "Composed00003"
    (lost.with_name(".partial-1-x")).mkdir()
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    made = make_composed(tmp_path / "two", workers=1, **settings)  # type: ignore[arg-type]
    assert (made.made, made.kept) == (1, 7)
    assert digest(tmp_path / "two") == digest(songs)


def test_other_settings_other_files_and_bad_values_are_refused(
    library: Path, songs: Path, tmp_path: Path
) -> None:
    with raises(ConfigError, code="settings-changed", mentions=(str(songs), "seed")):
        make_composed(songs, notes=[library], songs=8, seconds=6.0, seed=4, bleed=0.5)
    (tmp_path / "mine.txt").write_text("x")
    with raises(ConfigError, code="folder-not-empty", mentions=str(tmp_path)):
        make_composed(tmp_path, notes=[library])
    for setting in ({"songs": 0}, {"seconds": 1.0}, {"bleed": 2.0}):
        with raises(ConfigError, code="invalid-setting", mentions=tuple(setting)):
            make_composed(tmp_path / "out", notes=[library], **setting)  # type: ignore[arg-type]
    with raises(ConfigError, code="soundfont-not-found", mentions=str(tmp_path / "no.sf2")):
        make_composed(tmp_path / "out", notes=[library], soundfonts=[tmp_path / "no.sf2"])


def test_what_is_known_of_licences_may_change_before_songs_are_resumed(
    library: Path, songs: Path, tmp_path: Path
) -> None:
    notes, out = tmp_path / "notes", tmp_path / "out"
    shutil.copytree(library, notes)
    shutil.copytree(songs, out)
    (notes / "LICENCE.txt").write_text("CC0, by all of us")
    # A folder that nothing plays of is no change, either.
    write(notes / "tuba" / "C2.wav", tone(36))
    made = make_composed(out, notes=[notes], songs=8, seconds=6.0, seed=3, workers=1, bleed=0.5)
    assert (made.made, made.kept) == (0, 8)
    assert [path for path, _ in made.problems] == [str(notes / "tuba")]
    assert "piano (files named by pitch): CC0, by all of us" in (out / "README.txt").read_text()
    held = json.loads((out / "composed.json").read_text())["settings"]["libraries"]
    assert {each["licence"] for each in held if each["name"] == "cello"} == {"CC0, by all of us"}
    (notes / "cello").rename(notes / "cello solo")
    with raises(ConfigError, code="settings-changed", mentions=(str(out), "(libraries)")):
        make_composed(out, notes=[notes], songs=8, seconds=6.0, seed=3, workers=1, bleed=0.5)


def test_what_songs_are_played_on_is_found_in_the_readme(library: Path, tmp_path: Path) -> None:
    for name in ("guitar_acoustic_004", "bass_electronic_001"):
        for pitch in range(28, 80, 3):
            write(tmp_path / "many" / "audio" / f"{name}-{pitch:03d}-100.wav", tone(pitch, fall=3.0))
    settings = {"notes": [library, tmp_path / "many"], "songs": 6, "seconds": 4.0, "workers": 1}
    out = tmp_path / "out"
    make_composed(out, **settings)  # type: ignore[arg-type]
    readme = (out / "README.txt").read_text()
    sheets = [json.loads(path.read_text()) for path in sorted(out.glob("songs/*/song.json"))]
    names = {name for each in sheets for part in each["parts"] for name in part["played_on"].split(" + ")}
    several = {name for name in names if " / " in name}
    assert several
    assert several <= {"many / bass_electronic_001", "many / guitar_acoustic_004"}
    for name in names:
        assert f"\n  {name.split(' / ')[0]} (" in readme, name
    # Records of before have the first instrument's name in place of the folder's, and no names of the others.
    record = json.loads((out / "composed.json").read_text())
    (many,) = (each for each in record["settings"]["libraries"] if each["name"] == "many")
    many["name"] = many.pop("parts")[0]
    assert many["name"] == "bass_electronic_001"
    (out / "composed.json").write_text(json.dumps(record))
    made = make_composed(out, **settings)  # type: ignore[arg-type]
    assert (made.made, made.kept) == (0, 6)


def test_the_command_says_what_cannot_be_used_with_whole_folders_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = small_orchestra(tmp_path / "notes")
    for number in range(7):
        write(notes / "cello" / f"other{number}.wav", tone(60))
    write(notes / "tuba" / "C2.wav", tone(36))
    assert (
        main(["compose", str(tmp_path / "out"), "--notes", str(notes), "--songs", "1", "--seconds", "4"]) == 0
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert lines[0].startswith(f"  problem: {notes / 'tuba'}: expected at least 3 files named by pitch")
    assert lines[5].startswith("  and 3 more problems")


def test_a_stem_has_its_level_and_place_and_silence_stays() -> None:
    rng = np.random.default_rng(5)
    space = sample_space(True, rng)
    chain = sample_chain("comp", space, rng)
    dry = np.zeros(2 * SAMPLE_RATE, np.float32)
    assert not process_stem(dry, chain).any()
    dry[SAMPLE_RATE // 2 : SAMPLE_RATE] = np.repeat(tone(69, 0.5), 2)[: SAMPLE_RATE // 2]
    stem = process_stem(dry, chain)
    assert stem.shape == (2, 2 * SAMPLE_RATE)
    before = stem[:, : SAMPLE_RATE // 2 - 100]
    assert not before.any()
    # The room goes on after the sound has ended.
    after = stem[:, SAMPLE_RATE + 2000 : SAMPLE_RATE + 8000]
    assert float((after**2).mean()) > 1e-9


def test_mastering_is_one_gain_for_all_stems_and_keeps_their_sum_below_the_ceiling() -> None:
    rng = np.random.default_rng(2)
    stems = [(0.2 * rng.standard_normal((2, SAMPLE_RATE + 5))).astype(np.float32) for _ in range(3)]
    for stem in stems:
        stem[:, 20_000:20_100] *= 8.0  # what the limiter has to see ahead
    for hall in (False, True):
        gains = master_gains(stems, hall, np.random.default_rng(1))
        total = np.zeros(stems[0].shape, np.int32)
        mastered = [master_stem(stem, gains, total) for stem in stems]
        assert np.array_equal(np.sum(mastered, axis=0, dtype=np.int32), total)
        assert np.abs(total).max() <= 32767 * 10 ** (-1 / 20) + len(stems)
        led = np.interp(np.arange(SAMPLE_RATE + 5), STEP * np.arange(len(gains)), gains)
        for stem, pcm in zip(stems, mastered, strict=True):
            assert np.abs(stem * led * 32767 - pcm).max() < 0.6
        assert gains.max() / gains.min() > 2.0
    silent = [np.zeros((2, 100), np.float32)]
    assert np.array_equal(master_gains(silent, False, rng), np.ones(5, np.float32))


@dataclass(frozen=True)
class _Hum:
    """Plays noise for every instrument: of length and kind as asked for in the first part alone."""

    more: int
    kind: str
    parts: list[int]

    def find(self, instrument: str, rng: np.random.Generator) -> "_Hum":
        return self

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> np.ndarray:
        self.parts.append(0)
        first = len(self.parts) == 1
        samples = round(seconds * SAMPLE_RATE) + (0 if first else self.more)
        return rng.uniform(-0.5, 0.5, samples).astype(np.float32 if first else self.kind)


@pytest.mark.parametrize(
    ("more", "kind"), [(0, "float32"), (3000, "float32"), (-3000, "float32"), (0, "float64")]
)
def test_a_part_of_another_length_is_told_before_it_is_written_over_others(more: int, kind: str) -> None:
    orchestra = make_orchestra([], [_Hum(more, kind, [])], [])
    song = plan_composed(orchestra.seats, 1, 0, 0.0, "balanced")[0]
    assert len(song.ensemble.parts) > 1
    if (more, kind) == (0, "float32"):
        assert np.abs(render_composed(song, 4.0, orchestra)[1]).max(axis=(1, 2)).min() > 0.0
        return
    with raises(ConfigError, code="wrong-shape", mentions=(song.id, kind, 4 * SAMPLE_RATE + more)):
        render_composed(song, 4.0, orchestra)
