"""What every corpus adapter guarantees, checked by looping over the dict of adapters."""

import builtins
import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from mixlab.corpora import CORPORA, get_adapter
from mixlab.entries import Adapter, ScanOptions, StemEntry
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_map
from tests.corpora.trees import TREES, scan, touch

ALL = pytest.mark.parametrize("name", sorted(CORPORA))


@pytest.fixture
def tree(name: str, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return TREES[name](root)


def test_every_corpus_has_a_fixture_tree() -> None:
    assert set(TREES) == set(CORPORA)


@ALL
def test_card(name: str) -> None:
    adapter: Adapter = CORPORA[name]
    module = __import__(type(adapter).__module__, fromlist=["NAME"])
    assert adapter.name == name == module.NAME
    assert adapter.licence == module.LICENCE
    assert adapter.citation == module.CITATION
    assert all((adapter.licence, adapter.citation, adapter.description))
    assert "\n" not in adapter.description
    assert "Licence:" in module.__doc__
    assert "Layout:" in module.__doc__
    assert get_adapter(name) is adapter
    assert len(load_label_map(adapter.label_map)) > 0


@ALL
def test_stems_are_complete_and_exist(name: str, tree: Path) -> None:
    result = scan(CORPORA[name], tree)
    assert len({entry.song for entry in result.stems}) >= 2
    for entry in result.stems:
        assert entry.song
        assert entry.stem
        assert entry.artist == entry.artist.strip()  # empty where nobody knows
        assert entry.licence
        assert "/" not in entry.song
        assert "/" not in entry.stem
        assert isinstance(entry.labels, tuple)
        assert all(isinstance(label, str) and label for label in entry.labels)
        assert entry.corpus_split in {"", "train", "validation", "test"}
        assert all(":" in group for group in entry.groups)
        assert entry.bleed or not entry.bleed_labels
        assert entry.gain >= 0
        assert not Path(entry.path).is_absolute()
        assert (tree / entry.path).is_file()
        assert (tree / entry.path).resolve().is_relative_to(tree.resolve())
    keys = [(entry.song, entry.stem) for entry in result.stems]
    assert keys == sorted(set(keys))
    paths = [entry.path for entry in result.stems]
    assert len(set(paths)) == len(paths)


@ALL
def test_problems_say_what_and_where(name: str, tree: Path) -> None:
    result = scan(CORPORA[name], tree)
    found = {problem.kind for problem in result.problems}
    assert "missing-file" in found
    known = {"missing-file", "bad-metadata", "path-outside-root", "bad-stem", "duplicate-song"}
    assert found <= known
    for problem in result.problems:
        assert problem.corpus == name
        assert problem.message.endswith((".", ". "))
        assert str(tree) not in problem.path
        "".join(dataclasses.astuple(problem)).encode()


@ALL
def test_scan_is_deterministic_and_moves_with_the_tree(name: str, tree: Path, tmp_path: Path) -> None:
    first = scan(CORPORA[name], tree)
    assert scan(CORPORA[name], tree) == first
    if name != "folder":  # a root without song folders is a song named after itself
        shutil.copytree(tree, tmp_path / "moved", symlinks=True)
        assert scan(CORPORA[name], tmp_path / "moved").stems == first.stems


@ALL
def test_order_of_the_file_system_does_not_matter(
    name: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scan(CORPORA[name], tree)
    real = os.scandir

    class Backwards:
        def __init__(self, path: Path) -> None:
            with real(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert scan(CORPORA[name], tree) == expected


@ALL
def test_neither_audio_nor_files_outside_the_root_are_opened(
    name: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    real_open, real_read = builtins.open, Path.read_text

    def spy_open(path: object, *args: object, **kwargs: object) -> object:
        opened.append(Path(str(path)))
        return real_open(path, *args, **kwargs)  # type: ignore[call-overload]

    def spy_read(self: Path, *args: object, **kwargs: object) -> str:
        opened.append(self)
        return real_read(self, *args, **kwargs)  # type: ignore[arg-type]

    load_label_map(CORPORA[name].label_map)
    scan(CORPORA[name], tree)  # warms the caches of shipped files
    monkeypatch.setattr(builtins, "open", spy_open)
    monkeypatch.setattr(Path, "read_text", spy_read)
    scan(CORPORA[name], tree)
    assert all(path.suffix in {".yaml", ".json", ".csv"} for path in opened)
    assert all(path.resolve().is_relative_to(tree.resolve()) for path in opened)


@ALL
def test_missing_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"found nothing there. Expected layout: <root>/"):
        scan(CORPORA[name], tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="found a file there"):
        scan(CORPORA[name], touch(tmp_path / "file"))


@ALL
def test_root_of_something_else(name: str, tmp_path: Path) -> None:
    touch(tmp_path / "Documents" / "letter.txt")
    with pytest.raises(CorpusError, match=r"found no song below .*Expected layout"):
        scan(CORPORA[name], tmp_path)


@ALL
def test_links_out_of_the_root_are_reported_and_not_followed(name: str, tree: Path, tmp_path: Path) -> None:
    """Every audio file becomes a link to a file outside; none may survive."""
    before = scan(CORPORA[name], tree)
    secret = touch(tmp_path / "secret.wav")
    for entry in before.stems:
        (tree / entry.path).unlink()
        (tree / entry.path).symlink_to(secret)
    try:
        after = scan(CORPORA[name], tree)
    except CorpusError as error:
        pytest.fail(f"a tree of links is a tree with problems, not a missing one: {error}")
    assert after.stems == []
    outside = [problem for problem in after.problems if problem.kind == "path-outside-root"]
    assert len(outside) >= len(before.stems)


@ALL
def test_links_inside_the_root_are_followed(name: str, tree: Path) -> None:
    before = scan(CORPORA[name], tree)
    (tree / ".store").mkdir()
    for number, entry in enumerate(before.stems):
        (tree / entry.path).rename(tree / ".store" / str(number))
        (tree / entry.path).symlink_to(tree / ".store" / str(number))
    assert scan(CORPORA[name], tree).stems == before.stems


@ALL
def test_metadata_links_out_of_the_root_are_not_read(name: str, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    files = [p for p in tree.rglob("*") if p.suffix in {".yaml", ".json", ".csv"}]
    for number, path in enumerate(files):
        target = outside / f"{number}{path.suffix}"
        path.rename(target)
        path.symlink_to(target)
    result = scan(CORPORA[name], tree)
    refused = {problem.path for problem in result.problems if problem.kind == "path-outside-root"}
    if files:
        assert refused
    if name in {"medleydb", "mixing_secrets", "slakh", "moisesdb"}:
        assert result.stems == []


@ALL
def test_unreadable_folders_and_odd_names_survive(name: str, tree: Path) -> None:
    expected = scan(CORPORA[name], tree).stems
    os.mkdir(os.fsencode(tree) + b"/odd\xff")  # noqa: PTH102 - pathlib takes no bytes
    (tree / "loop").symlink_to(tree / "loop")
    result = scan(CORPORA[name], tree)
    assert result.stems == expected
    json.dumps([dataclasses.astuple(problem) for problem in result.problems]).encode()


def test_unknown_name_lists_the_names() -> None:
    with pytest.raises(CorpusError, match=r"Unknown corpus 'medely'.*medleydb.*mirdata:NAME"):
        get_adapter("medely")
    with pytest.raises(CorpusError, match="Unknown corpus 'mirdata:'"):
        get_adapter("mirdata:")


def test_entries_are_values() -> None:
    entry = StemEntry("song", "stem", "a.wav", ("piano",), "artist")
    with pytest.raises(dataclasses.FrozenInstanceError, match="assign"):
        entry.song = "other"  # type: ignore[misc]
    assert ScanOptions() == ScanOptions()
