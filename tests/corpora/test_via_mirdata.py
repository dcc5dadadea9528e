"""``mirdata:NAME`` offline: a fake index and data_home in the library's own shape."""

import importlib
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mixlab.corpora import CORPORA, get_adapter
from mixlab.corpora.base import Adapter
from mixlab.errors import CorpusError, MissingDependencyError
from tests.corpora.trees import by_key, kinds, scan, slakh_track, touch
from tests.errors import raises

with warnings.catch_warnings():
    # What mirdata imports (cloud clients, pretty_midi) warns about its own dependencies.
    warnings.simplefilter("ignore")
    pytest.importorskip("mirdata.core")
    for dataset in ("slakh", "irmas", "phenicx_anechoic"):
        importlib.import_module(f"mirdata.datasets.{dataset}")


@pytest.fixture
def indexes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let mirdata look for its index files in an empty folder."""
    from mirdata import core

    folder = tmp_path / "indexes"
    folder.mkdir()
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(folder / self.filename))
    return folder


def write_index(path: Path, version: str, songs: dict[str, dict[str, str | None]], **extra: Any) -> None:
    """Write an index: song -> track id -> audio path, with metadata beside the song's stems."""
    tracks, multitracks = {}, {}
    for song, files in songs.items():
        folder = next(name for name in files.values() if name).rpartition("/stems/")[0]
        metadata = [f"{folder}/metadata.yaml", None]
        for track, audio in files.items():
            tracks[track] = {"audio": [audio, None], "midi": [None, None], "metadata": metadata}
        multitracks[song] = {
            "tracks": list(files),
            "midi": [None, None],
            "mix": [f"{folder}/mix.wav", None],
            "metadata": metadata,
        }
    path.write_text(json.dumps({"version": version, "tracks": tracks, "multitracks": multitracks} | extra))


def baby(root: Path, indexes: Path) -> Path:
    home = root / "babyslakh_16k"
    slakh_track(
        home / "Track00001",
        ".wav",
        flags=False,
        S00={},
        S01={"plugin_name": "unheard.nkm", "midi_program_name": "Acoustic Bass"},
        S02={"audio": False},
    )
    slakh_track(home / "Track00002", ".wav", flags=False, S00={})
    slakh_track(home / "Track00003", ".wav", flags=False, S00={})
    touch(home / "Track00002" / "metadata.yaml", "{[")
    songs: dict[str, dict[str, str | None]] = {
        song: {f"{song}-S00": f"babyslakh_16k/{song}/stems/S00.wav"}
        for song in ("Track00001", "Track00002", "Track00003")
    }
    songs["Track00001"] |= {
        "Track00001-S01": "babyslakh_16k/Track00001/stems/S01.wav",
        "Track00001-S02": None,
        "Track00001-S03": "babyslakh_16k/Track00001/stems/gone.wav",
        "Track00001-S04": "../../../etc/passwd",
        "Track00001-S05": "/etc/passwd",
    }
    write_index(indexes / "slakh_index_baby.json", "baby", songs)
    return root


def test_slakh_through_mirdata_equals_our_own(indexes: Path, tmp_path: Path) -> None:
    root = baby(tmp_path / "home", indexes)
    adapter: Adapter = get_adapter("mirdata:slakh")
    assert adapter.name == "mirdata:slakh"
    result = scan(adapter, root)
    stems = by_key(result)
    assert sorted(stems) == ["Track00001/S00", "Track00001/S01", "Track00003/S00"]
    ours = by_key(scan(CORPORA["slakh"], root))
    for key, entry in stems.items():
        mine = ours[key]
        fields = ("path", "labels", "artist", "groups", "corpus_split", "bleed", "gain")
        assert all(getattr(entry, field) == getattr(mine, field) for field in fields)
        assert "Attribution" in entry.licence
    assert kinds(result) == {
        ("Track00001", "S03"): "missing-file",
        ("Track00001", "S04"): "path-outside-root",
        ("Track00001", "S05"): "path-outside-root",
        ("Track00002", "S00"): "bad-metadata",
    }
    assert scan(adapter, root) == result


def test_the_version_whose_files_are_there_is_used(indexes: Path, tmp_path: Path) -> None:
    """Both indexes are on the machine; the files say which set this is."""
    root = baby(tmp_path / "home", indexes)
    songs: dict[str, dict[str, str | None]] = {
        "Track00009": {"Track00009-S00": "slakh2100_flac_redux/train/Track00009/stems/S00.flac"}
    }
    write_index(indexes / "slakh_index_2100-redux.json", "2100-redux", songs)
    assert {entry.song for entry in scan(get_adapter("mirdata:slakh"), root).stems} == {
        "Track00001",
        "Track00003",
    }
    slakh_track(root / "slakh2100_flac_redux" / "train" / "Track00009", S00={})
    (entry,) = scan(get_adapter("mirdata:slakh"), root).stems
    assert (entry.song, entry.corpus_split) == ("Track00009", "train")


def test_converted_files_and_what_the_index_does_not_name(indexes: Path, tmp_path: Path) -> None:
    root = baby(tmp_path / "home", indexes)
    before = scan(get_adapter("mirdata:slakh"), root)
    assert {entry.artist for entry in before.stems} == {""}
    for entry in before.stems:
        (root / entry.path).rename((root / entry.path).with_suffix(".FLAC"))
    touch(root / "babyslakh_16k" / "Track00001" / "stems" / "S77.wav")
    touch(root / "babyslakh_16k" / "Track00001" / "all.m4a")
    after = scan(get_adapter("mirdata:slakh"), root)
    assert [e.path for e in after.stems] == [e.path.replace(".wav", ".FLAC") for e in before.stems]
    assert [e.labels for e in after.stems] == [e.labels for e in before.stems]
    # The mixes are in the index and no stems: nothing to speak of.
    assert {p.path for p in after.problems if p.kind == "skipped"} == {
        "babyslakh_16k/Track00001/stems/S77.wav",
        "babyslakh_16k/Track00001/all.m4a",
    }


def test_song_ids_that_become_one_are_not_mixed(indexes: Path, tmp_path: Path) -> None:
    root = baby(tmp_path / "home", indexes)
    song = root / "babyslakh_16k" / "Track00001" / "stems" / "S00.wav"
    songs: dict[str, dict[str, str | None]] = {}
    for number, name in enumerate(("A/B_C", "A_B/C")):
        songs[name] = {f"{name}-S00": f"babyslakh_16k/Track00001/stems/{number}.wav"}
        touch(song.with_name(f"{number}.wav"))
    write_index(indexes / "slakh_index_baby.json", "baby", songs)
    path = indexes / "slakh_index_baby.json"
    index = json.loads(path.read_text())
    for name in songs:
        index["multitracks"][name]["metadata"] = ["babyslakh_16k/Track00001/metadata.yaml", None]
        index["tracks"][f"{name}-S00"]["metadata"] = ["babyslakh_16k/Track00001/metadata.yaml", None]
    path.write_text(json.dumps(index))
    result = scan(get_adapter("mirdata:slakh"), root)
    assert len({entry.song for entry in result.stems}) == len(result.stems)
    assert [p.kind for p in result.problems if p.song == "A_B_C"] == ["duplicate-song"]


def test_labels_from_the_instrument_attribute(indexes: Path, tmp_path: Path) -> None:
    """Phenicx-Anechoic: several files, one per player, of one part."""
    songs = {
        "beethoven": {"beethoven-violin": ["audio/beethoven/violin1.wav", "audio/beethoven/violin2.wav"]}
    }
    tracks = {
        track: {
            **{f"audio_{i}": [path, None] for i, path in enumerate(paths)},
            "notes": [None, None],
            "notes_original": [None, None],
        }
        for files in songs.values()
        for track, paths in files.items()
    }
    from mirdata.datasets import phenicx_anechoic

    index = phenicx_anechoic.INDEXES[phenicx_anechoic.INDEXES["default"]]
    data = {"version": "1", "tracks": tracks, "multitracks": {"beethoven": {"tracks": ["beethoven-violin"]}}}
    (indexes / index.filename).write_text(json.dumps(data))
    for number in (1, 2):
        touch(tmp_path / "home" / "audio" / "beethoven" / f"violin{number}.wav")
    result = scan(get_adapter("mirdata:phenicx_anechoic"), tmp_path / "home")
    found = {key: entry.labels for key, entry in by_key(result).items()}
    assert found == {"beethoven/violin_1": ("violin",), "beethoven/violin_2": ("violin",)}
    assert result.problems == []


def test_without_index(indexes: Path, tmp_path: Path) -> None:
    with raises(CorpusError, code="metadata-not-found", mentions="dataset.download()"):
        scan(get_adapter("mirdata:slakh"), tmp_path)


def test_index_without_files(indexes: Path, tmp_path: Path) -> None:
    baby(tmp_path / "home", indexes)
    (tmp_path / "empty").mkdir()
    with raises(CorpusError, code="layout-not-found", mentions="dataset.download()"):
        scan(get_adapter("mirdata:slakh"), tmp_path / "empty")


@pytest.mark.parametrize("content", ["{", "[]", '{"tracks": {}}'])
def test_garbage_index(indexes: Path, tmp_path: Path, content: str) -> None:
    (indexes / "slakh_index_2100-redux.json").write_text(content)
    with raises(CorpusError, code="unreadable-file"):
        scan(get_adapter("mirdata:slakh"), tmp_path)


def test_dataset_without_multitracks(indexes: Path, tmp_path: Path) -> None:
    with raises(CorpusError, code="no-multitracks", mentions="irmas"):
        scan(get_adapter("mirdata:irmas"), tmp_path)


def test_unknown_dataset(tmp_path: Path) -> None:
    with raises(CorpusError, code="unknown-corpus", mentions=("slack", "mirdata")):
        scan(get_adapter("mirdata:slack"), tmp_path)


def test_missing_root(tmp_path: Path) -> None:
    with raises(CorpusError, code="root-not-found"):
        scan(get_adapter("mirdata:slakh"), tmp_path / "nowhere")


def test_missing_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mirdata", None)
    with raises(MissingDependencyError, code="missing-dependency", mentions="mixlab[corpora]"):
        scan(get_adapter("mirdata:slakh"), tmp_path)


def test_names_tell_where_no_attribute_does() -> None:
    adapter = get_adapter("mirdata:filosax")
    labels = adapter._labels("bass_drums", SimpleNamespace())  # type: ignore[attr-defined]
    assert labels == ("bass", "drums")
