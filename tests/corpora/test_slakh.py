"""Slakh: labels by patch, audio by file system, duplicates, broken stems, real samples."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from mixlab.corpora import CORPORA, slakh
from mixlab.taxonomy import load_label_map
from tests.corpora import trees
from tests.corpora.trees import by_key, kinds, scan, slakh_track

ADAPTER = CORPORA["slakh"]


def test_fixture_tree(tmp_path: Path) -> None:
    result = scan(ADAPTER, trees.slakh(tmp_path))
    found = {key: entry.labels for key, entry in by_key(result).items()}
    assert found == {
        "Track00001/S00": ("elektrik_guitar.nkm",),
        "Track00001/S01": ("session_kit_full.nkm",),
        "Track00001/S05": ("/Library/Audio/Plug-Ins/Components/AGML2.component",),
        "Track00001/S06": ("program:Acoustic Bass",),
        "Track00001/S07": (),
        "Track00010/S00": ("elektrik_guitar.nkm",),
        "Track00357/S02": ("elektrik_guitar.nkm",),
    }
    # S02 has no patch and S03 rendered silent: neither is a problem. S04 once had a loudness.
    assert kinds(result) == {
        ("Track00001", ""): "duplicate-song",
        ("Track00001", "S04"): "missing-file",
        ("Track00002", ""): "bad-metadata",
        ("Track00003", ""): "bad-metadata",
        ("Track00004", ""): "bad-metadata",
        ("Track00005", "S09"): "bad-metadata",
        ("Track00357", "S03"): "bad-stem",
    }


@pytest.mark.parametrize("folder", ["", "train", "slakh2100_flac_redux/train", "slakh/train"])
@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_layouts_and_formats(tmp_path: Path, folder: str, suffix: str) -> None:
    # BabySlakh's flags say that nothing was rendered, although the files are there.
    slakh_track(tmp_path / folder / "Track00001", suffix, flags=False, S00={}, S01={})
    result = scan(ADAPTER, tmp_path)
    assert result.problems == []
    assert [entry.stem for entry in result.stems] == ["S00", "S01"]
    assert {entry.corpus_split for entry in result.stems} == {"train" if folder.endswith("train") else ""}
    assert all(entry.path.endswith(suffix) for entry in result.stems)


def test_splits_and_duplicate_keys(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "validation", "test", "omitted")):
        slakh_track(tmp_path / split / f"Track0000{number}", S00={})
    result = scan(ADAPTER, tmp_path)
    assert [entry.corpus_split for entry in result.stems] == ["train", "validation", "test", ""]
    expected = ("midi:1a81ae092884234f3264e2f45927f00a", "msd:TROOHTB128F931F9DF")
    assert {entry.groups for entry in result.stems} == {expected}
    assert {entry.gain for entry in result.stems} == {1.0}


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"plugin_name": "choir_o.nkm", "midi_program_name": "Harmonica"}, ("choir_o.nkm",)),
        ({"plugin_name": "C:\\Plugins\\choir_o.nkm"}, ("choir_o.nkm",)),
        ({"plugin_name": "some/where/choir_o.nkm"}, ("choir_o.nkm",)),
        ({"plugin_name": "new.nkm", "midi_program_name": "Oboe"}, ("program:Oboe",)),
        ({"plugin_name": "None", "midi_program_name": "Oboe"}, ("program:Oboe",)),
        ({"plugin_name": "new.nkm"}, ("new.nkm",)),
        ({"plugin_name": ["choir_o.nkm"]}, ("choir_o.nkm",)),
        ({}, ()),
    ],
)
def test_label_rule(fields: dict[str, Any], labels: tuple[str, ...]) -> None:
    assert slakh.stem_labels(fields, load_label_map("slakh")) == labels


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"UUID": "abc"}, ("midi:abc",)),
        ({"lmd_midi_dir": "lmd_full/1/abc.mid"}, ()),
        ({"lmd_midi_dir": ["lmd_matched/A/B/C/TRABCAB128F931F9DF/x.mid"]}, ("msd:TRABCAB128F931F9DF",)),
        ({"UUID": {"a": 1}, "lmd_midi_dir": None}, ()),
    ],
)
def test_duplicate_keys(data: dict[str, Any], keys: tuple[str, ...]) -> None:
    assert slakh.duplicate_keys(data) == keys


def test_full_set_wins_over_babyslakh(tmp_path: Path) -> None:
    slakh_track(tmp_path / "babyslakh_16k" / "Track00001", ".wav", S00={})
    slakh_track(tmp_path / "slakh2100_flac_redux" / "train" / "Track00001", S00={})
    (entry,) = scan(ADAPTER, tmp_path).stems
    assert entry.path.endswith(".flac")


# Real metadata ---------------------------------------------------------------------------------


def test_real_samples(shared: Path) -> None:
    samples = shared / "datasets" / "slakh2100" / "samples"
    redux = scan(ADAPTER, samples / "slakh2100_flac_redux")
    assert redux.problems == []
    assert [entry.stem for entry in redux.stems] == [f"S{i:02d}" for i in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10)]
    assert {entry.corpus_split for entry in redux.stems} == {"train"}
    # Program "Percussive Organ" was rendered by an electric piano: the patch tells.
    assert by_key(redux)["Track00001/S05"].labels == ("fever.nkm",)
    baby = scan(ADAPTER, samples / "babyslakh_16k")
    assert [entry.stem for entry in baby.stems] == ["S00", "S01", "S03"]
    assert {problem.kind for problem in baby.problems} == {"missing-file"}
    assert {entry.groups for entry in baby.stems} == {entry.groups for entry in redux.stems}


def test_bad_stems_are_the_published_ones(shared: Path) -> None:
    path = shared / "datasets" / "slakh2100" / "splits" / "problem_stems.json"
    published = {f"{song}/{stem}" for song, stems in json.loads(path.read_text()).items() for stem in stems}
    assert set(slakh._BAD_STEMS) == published
    assert len(published) == 22


def test_every_real_patch_and_program_is_labelled(shared: Path) -> None:
    label_map = load_label_map("slakh")
    with (shared / "datasets" / "vocabulary.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"].startswith("slakh")]
    plugins = {row["raw_name"] for row in rows if row["level"] == "plugin_name"} - {"None"}
    programs = {row["raw_name"] for row in rows if row["level"] == "midi_program_name"}
    assert plugins
    assert programs
    for plugin in plugins:
        assert slakh.stem_labels({"plugin_name": plugin, "midi_program_name": "x"}, label_map) == (plugin,)
    for program in programs:
        (label,) = slakh.stem_labels({"plugin_name": "None", "midi_program_name": program}, label_map)
        assert label_map.resolve(label) is not None
