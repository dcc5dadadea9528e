"""What every corpus adapter guarantees, checked by looping over the dict of adapters."""

import dataclasses
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

import mixlab.corpora
from mixlab.catalog.browse import PROBLEM_MEANINGS
from mixlab.corpora import CORPORA, check_scan, get_adapter
from mixlab.corpora.base import Adapter, Scan, ScanOptions, StemEntry
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_map
from tests.corpora.trees import TREES, one_song, scan, touch
from tests.errors import raises
from tests.pages import write_page_files

OWN = "tapes:Tapes"
"""The adapter that docs/corpora.md writes, outside mixlab."""

ALL = pytest.mark.parametrize("name", [*sorted(CORPORA), OWN])


@pytest.fixture(autouse=True, scope="module")
def own_adapter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = write_page_files("corpora.md", tmp_path_factory.mktemp("own"))
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))
    sys.modules.pop("tapes", None)


@pytest.fixture
def tree(name: str, tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return TREES[name](root)


OPENED: list[list[Path]] = []


def _note_opened(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and OPENED and isinstance(arguments[0], str | bytes | os.PathLike):
        OPENED[-1].append(Path(os.fsdecode(arguments[0])))


sys.addaudithook(_note_opened)  # for good: Python takes no hook away


@contextmanager
def opened_files() -> Iterator[list[Path]]:
    """Yield the files that Python opens inside, by whatever function."""
    OPENED.append([])
    try:
        yield OPENED[-1]
    finally:
        OPENED.pop()


def test_every_corpus_has_a_fixture_tree() -> None:
    assert set(TREES) == {*CORPORA, OWN}


@ALL
def test_card(name: str) -> None:
    adapter: Adapter = get_adapter(name)
    assert all((adapter.name, adapter.licence, adapter.citation, adapter.description))
    assert "\n" not in adapter.description
    assert len(load_label_map(adapter.label_map)) > 0


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_card_of_the_module(name: str) -> None:
    adapter: Adapter = get_adapter(name)
    module = __import__(type(adapter).__module__, fromlist=["NAME"])
    assert adapter.name == name == module.NAME
    assert adapter.licence == module.LICENCE
    assert adapter.citation == module.CITATION
    assert "Licence:" in module.__doc__
    assert "Layout:" in module.__doc__
    assert get_adapter(name) is adapter


@ALL
def test_stems_are_complete_and_exist(name: str, tree: Path) -> None:
    result = scan(get_adapter(name), tree)
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
    assert check_scan(name, get_adapter(name), tree, result, False).stems == result.stems


@ALL
def test_problems_say_what_and_where(name: str, tree: Path) -> None:
    result = scan(get_adapter(name), tree)
    found = {problem.kind for problem in result.problems}
    assert "missing-file" in found or name == "folder"  # where a missing file stops the index
    known = {"missing-file", "bad-metadata", "path-outside-root", "bad-stem", "duplicate-song"}
    known |= {"duplicate-row", "skipped"}
    assert found <= known
    for problem in result.problems:
        assert problem.corpus == get_adapter(name).name
        assert problem.message.endswith((".", ". "))
        assert str(tree) not in problem.path
        "".join(dataclasses.astuple(problem)).encode()


@ALL
def test_scan_is_deterministic_and_moves_with_the_tree(name: str, tree: Path, tmp_path: Path) -> None:
    first = scan(get_adapter(name), tree)
    assert scan(get_adapter(name), tree) == first
    if name != "folder":  # a root without song folders is a song named after itself
        shutil.copytree(tree, tmp_path / "moved", symlinks=True)
        assert scan(get_adapter(name), tmp_path / "moved").stems == first.stems


@ALL
def test_order_of_the_file_system_does_not_matter(
    name: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scan(get_adapter(name), tree)
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
    assert scan(get_adapter(name), tree) == expected


@ALL
def test_neither_audio_nor_files_outside_the_root_are_opened(
    name: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_label_map(get_adapter(name).label_map)
    expected = scan(get_adapter(name), tree)  # warms the caches of shipped files
    monkeypatch.setattr(soundfile, "SoundFile", None)  # it opens files itself, where no hook sees it
    with opened_files() as opened:
        assert scan(get_adapter(name), tree) == expected
    assert opened or name == "musdb18hq"  # which comes without metadata
    assert all(path.suffix in {".yaml", ".json", ".csv"} for path in opened)
    assert all(path.resolve().is_relative_to(tree.resolve()) for path in opened)


@ALL
def test_missing_root(name: str, tmp_path: Path) -> None:
    with raises(CorpusError, code="root-not-found", mentions="<root>/"):
        scan(get_adapter(name), tmp_path / "nowhere")
    with raises(CorpusError, code="root-not-found"):
        scan(get_adapter(name), touch(tmp_path / "file"))


@ALL
def test_root_of_something_else(name: str, tmp_path: Path) -> None:
    touch(tmp_path / "Documents" / "letter.txt")
    with raises(CorpusError, code="layout-not-found"):
        scan(get_adapter(name), tmp_path)


@ALL
def test_links_out_of_the_root_are_reported_and_not_followed(name: str, tree: Path, tmp_path: Path) -> None:
    """Every audio file becomes a link to a file outside; none may survive."""
    before = scan(get_adapter(name), tree)
    secret = touch(tmp_path / "secret.wav")
    for entry in before.stems:
        (tree / entry.path).unlink()
        (tree / entry.path).symlink_to(secret)
    try:
        after = scan(get_adapter(name), tree)
    except CorpusError as error:
        pytest.fail(f"a tree of links is a tree with problems, not a missing one: {error}")
    assert after.stems == []
    outside = [problem for problem in after.problems if problem.kind == "path-outside-root"]
    assert len(outside) >= len(before.stems)


@ALL
def test_links_inside_the_root_are_followed(name: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    (tree / ".store").mkdir()
    for number, entry in enumerate(before.stems):
        (tree / entry.path).rename(tree / ".store" / str(number))
        (tree / entry.path).symlink_to(tree / ".store" / str(number))
    assert scan(get_adapter(name), tree).stems == before.stems


@ALL
def test_metadata_links_out_of_the_root_are_not_read(name: str, tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    files = [p for p in tree.rglob("*") if p.suffix in {".yaml", ".json", ".csv"}]
    for number, path in enumerate(files):
        target = outside / f"{number}{path.suffix}"
        path.rename(target)
        path.symlink_to(target)
    if name == "folder":  # what a user wrote is not passed over
        with raises(CorpusError, code="invalid-table", mentions="two/stems.csv"):
            scan(get_adapter(name), tree)
        return
    result = scan(get_adapter(name), tree)
    refused = {problem.path for problem in result.problems if problem.kind == "path-outside-root"}
    if files:
        assert refused
    if name in {"medleydb", "mixing_secrets", "slakh", "moisesdb"}:
        assert result.stems == []


@ALL
def test_unreadable_folders_and_odd_names_survive(name: str, tree: Path) -> None:
    expected = scan(get_adapter(name), tree).stems
    os.mkdir(os.fsencode(tree) + b"/odd\xff")  # noqa: PTH102 - pathlib takes no bytes
    (tree / "loop").symlink_to(tree / "loop")
    result = scan(get_adapter(name), tree)
    assert result.stems == expected
    json.dumps([dataclasses.astuple(problem) for problem in result.problems]).encode()


# What is not looked at is said ------------------------------------------------------------------


def convert(tree: Path, entries: Iterable[StemEntry], ending: str) -> None:
    """Rename every stem's file as a conversion to another format would."""
    for entry in entries:
        (tree / entry.path).rename((tree / entry.path).with_suffix(ending))


def said(result: Scan) -> str:
    return "\n".join(f"{problem.kind} {problem.path} {problem.message}" for problem in result.problems)


def scan_or_nothing(name: str, tree: Path) -> Scan:
    try:
        return scan(get_adapter(name), tree)
    except CorpusError:
        return Scan()


PUBLISHED = pytest.mark.parametrize("name", [*sorted(set(CORPORA) - {"folder"}), OWN])


@PUBLISHED
@pytest.mark.parametrize(
    "ending", [".flac", ".wav", ".FLAC", ".WAV", ".Wav", ".aiff", ".aif", ".w64", ".caf"]
)
def test_lossless_copies_stand_for_the_published_files(name: str, ending: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    convert(tree, before.stems, ending)
    after = scan(get_adapter(name), tree)
    expected = [dataclasses.replace(e, path=str(Path(e.path).with_suffix(ending))) for e in before.stems]
    assert after.stems == expected
    assert {p.kind for p in after.problems} == {p.kind for p in before.problems}


@PUBLISHED
def test_names_in_another_case_or_unicode_form_are_the_same(name: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    for entry in before.stems:
        path = tree / entry.path
        path.rename(path.with_name(path.name.swapcase()))
    after = scan(get_adapter(name), tree)
    assert [(e.song, e.stem, e.labels) for e in after.stems] == [
        (e.song, e.stem, e.labels) for e in before.stems
    ]


@PUBLISHED
def test_of_two_copies_the_published_one_is_used_and_the_other_listed(name: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    for entry in before.stems:
        for ending in (".wav", ".flac", ".aiff"):
            touch((tree / entry.path).with_suffix(ending))
    after = scan(get_adapter(name), tree)
    assert after.stems == before.stems
    listed = [p for p in after.problems if p.kind == "skipped" and "the same stem is there" in p.message]
    for entry in before.stems:
        parents = {str(parent) for parent in Path(entry.path).parents}
        assert any(p.path in parents or Path(p.path).stem == Path(entry.path).stem for p in listed)


@PUBLISHED
@pytest.mark.parametrize("ending", [".m4a", ".mp3", ".wma"])
def test_copies_with_loss_are_named_and_not_used(name: str, ending: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    convert(tree, before.stems, ending)
    after = scan(get_adapter(name), tree)
    assert after.stems == []
    assert ending in said(after)
    if ending == ".mp3":
        assert any("a copy with loss of a file that is missing" in p.message for p in after.problems)
        assert "only copies without loss stand for a corpus's own files" in said(after)


@ALL
@pytest.mark.parametrize("file", ["a.m4a", "b.wma", "live.zip", "c.wav.part", ".d.wav.icloud", "e.pcm"])
def test_what_cannot_be_read_is_listed(name: str, file: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    home = Path(before.stems[0].path).parent
    touch(tree / home / file)
    touch(tree / "more" / "and" / "more" / "deep" / "down" / file)
    after = scan(get_adapter(name), tree)
    assert after.stems == before.stems
    found = {p.path for p in after.problems if p.kind == "skipped"}
    assert {(home / file).as_posix(), f"more/and/more/deep/down/{file}"} <= found


@PUBLISHED
def test_audio_that_nothing_names_is_listed(name: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    for folder in (tree, (tree / before.stems[0].path).parent, tree / "a" / "b" / "c" / "d"):
        touch(folder / "who_am_i.wav")
    for number in range(40):
        touch(tree / "many" / f"{number % 4}" / f"{number}.wav")
    after = scan(get_adapter(name), tree)
    assert after.stems == before.stems
    new = set(after.problems) - set(before.problems)
    assert sum("who_am_i.wav" in p.path for p in new) == 3
    assert [p.message for p in new if p.path == "many"] == [
        "40 .wav files below 'many', such as 'many/0/0.wav', are not used: "
        "neither the layout nor the metadata of this corpus says what it is."
    ]
    assert len(new) == 4


@ALL
def test_litter_of_systems_is_no_file(name: str, tree: Path) -> None:
    before = scan(get_adapter(name), tree)
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        touch(path.with_name(f"._{path.name}"), "Mac OS X")
        touch(path.parent / ".DS_Store")
        touch(path.parent / "Thumbs.db")
        touch(path.parent / "desktop.ini", "[.ShellClassInfo]")
        touch(path.parent / "@eaDir" / path.name / "SYNOAUDIO.wav")
    shutil.copytree(tree, tree / "__MACOSX" / "root", symlinks=True)
    assert scan(get_adapter(name), tree) == before


@ALL
def test_links_that_lead_nowhere_are_listed(name: str, tree: Path) -> None:
    """A clone of a DataLad or git-annex data set before its files were fetched."""
    before = scan(get_adapter(name), tree)
    for number, entry in enumerate(before.stems):
        (tree / entry.path).unlink()
        (tree / entry.path).symlink_to(f"../.git/annex/objects/{number}")
    (tree / "lost.wav").symlink_to("nowhere.wav")
    (tree / "lost_folder").symlink_to("nowhere")
    result = scan(get_adapter(name), tree)
    assert result.stems == []
    broken = [p for p in result.problems if p.kind == "broken-link"]
    assert {"lost.wav", "lost_folder"} <= {p.path for p in broken}
    for entry in before.stems:
        parents = {str(parent) for parent in Path(entry.path).parents}
        assert any(p.path == entry.path or p.path in parents for p in broken), entry.path
    assert all("fetch" in p.message.casefold() for p in broken)


@ALL
def test_corpora_kept_as_links_are_read_on_request(name: str, tree: Path, tmp_path: Path) -> None:
    """Every file, metadata too, is a link to a store outside, as in the cache of Hugging Face."""
    before = scan(get_adapter(name), tree)
    store = tmp_path / "blobs"
    store.mkdir()
    files = [path for path in sorted(tree.rglob("*")) if path.is_file()]
    for number, path in enumerate(files):
        path.rename(store / str(number))
        path.symlink_to(store / str(number))
    refused = [p for p in scan_or_nothing(name, tree).problems if p.kind == "path-outside-root"]
    assert refused or name == "folder"  # where a link to a table that a user wrote stops the index
    assert all("--follow_links" in p.message for p in refused if "Metadata names" not in p.message)
    followed = scan(get_adapter(name), tree, follow_links=True)
    assert followed == before


@ALL
def test_folders_kept_as_links_are_read_on_request(name: str, tree: Path, tmp_path: Path) -> None:
    before = scan(get_adapter(name), tree)
    for folder in [path for path in sorted(tree.iterdir()) if path.is_dir()]:
        folder.rename(tmp_path / folder.name)
        folder.symlink_to(tmp_path / folder.name)
    with raises(CorpusError, code="layout-not-found", mentions="--follow_links"):
        scan(get_adapter(name), tree)
    assert scan(get_adapter(name), tree, follow_links=True) == before


@ALL
@pytest.mark.parametrize("follow_links", [False, True])
def test_links_in_circles_are_safe(name: str, follow_links: bool, tree: Path) -> None:
    expected = scan(get_adapter(name), tree).stems
    places = {tree, *((tree / entry.path).parent for entry in expected)}
    for number, place in enumerate(sorted(places)):
        (place / f"self{number}").symlink_to(f"self{number}")
        (place / f"up{number}").symlink_to(place)
        (place / f"top{number}").symlink_to(tree)
        (place / f"over{number}").symlink_to(tree.parent)
    result = scan(get_adapter(name), tree, follow_links=follow_links)
    assert result.stems == expected
    looped = {p.path for p in result.problems if p.kind == "link-loop"}
    assert {"up0", "top0", "over0"} <= looped
    assert {p.path for p in result.problems if p.kind == "broken-link"} >= {"self0"}


@pytest.mark.skipif(os.name == "nt", reason="modes keep nobody out")
@ALL
def test_closed_folders_are_listed(name: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place)
        TREES[name](tree)
        expected = scan(get_adapter(name), tree).stems
        song = next(folder for folder in (tree / expected[-1].path).parents if folder.parent == tree)
        (song / "closed").mkdir(0)
        tree.chmod(0o755)
        # No folder is closed to root.
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            result = scan(get_adapter(name), tree)
        finally:
            os.seteuid(user)
    closed = [problem for problem in result.problems if problem.kind == "unreadable"]
    assert [problem.path for problem in closed] == [f"{song.name}/closed"]
    assert "Permission denied" in closed[0].message
    assert result.stems == expected


@ALL
def test_root_of_another_format_says_what_lies_there(name: str, tmp_path: Path) -> None:
    for number in range(12):
        touch(tmp_path / "Song" / f"{number}.m4a")
    with raises(CorpusError, code="layout-not-found", mentions=("12", ".m4a")):
        scan(get_adapter(name), tmp_path)


# Splits, artists and contradictions -----------------------------------------------------------


@PUBLISHED
@pytest.mark.parametrize(
    "folders",
    [("train", "valid", "test"), ("Train", "VAL", "Test"), ("training", "validation", "testing")],
)
@pytest.mark.parametrize("above", ["", "corpus_v1"])
def test_folders_that_name_a_split_are_read_with_it(
    name: str, folders: tuple[str, ...], above: str, tmp_path: Path
) -> None:
    songs = [one_song(name, tmp_path / above / folder, n) for n, folder in enumerate(folders)]
    result = scan(get_adapter(name), tmp_path)
    splits = {entry.song: entry.corpus_split for entry in result.stems}
    assert splits == dict(zip(songs, ("train", "validation", "test"), strict=True))
    assert result.problems == []
    assert result.notes == []


@PUBLISHED
def test_songs_in_folders_of_other_names_do_not_vanish(name: str, tmp_path: Path) -> None:
    songs = {}
    for number, folder in enumerate(("train", "extra", "unlabelled data", "test", ".")):
        songs[one_song(name, tmp_path / folder, number)] = folder if folder in ("train", "test") else ""
    result = scan(get_adapter(name), tmp_path)
    assert {entry.song: entry.corpus_split for entry in result.stems} == songs
    assert result.problems == []
    if name in ("musdb18hq", "slakh"):
        assert [note.split(", a folder")[0] for note in result.notes] == [
            "1 song in '.'",
            "1 song in 'extra'",
            "1 song in 'unlabelled data'",
        ]


@PUBLISHED
def test_songs_too_deep_are_listed(name: str, tmp_path: Path) -> None:
    near = one_song(name, tmp_path / "train", 1)
    deep = one_song(name, tmp_path.joinpath("snapshots", "0a1b", "data", "test", "part 1", "songs"), 2)
    too_deep = one_song(name, tmp_path.joinpath(*"abcdefghij"), 3)
    result = scan(get_adapter(name), tmp_path)
    assert {entry.song: entry.corpus_split for entry in result.stems} == {near: "train", deep: "test"}
    assert {p.kind for p in result.problems} == {"skipped"}
    assert any(too_deep in p.message for p in result.problems)


@pytest.mark.parametrize("wrapper", ["stems", "wav", "Audio Files"])
def test_a_folder_between_song_and_stems_is_no_song(wrapper: str, tmp_path: Path) -> None:
    songs = {one_song("musdb18hq", tmp_path / "train", number) for number in (1, 2)}
    for song in songs:
        inner = tmp_path / "train" / song / wrapper
        inner.mkdir()
        for path in (tmp_path / "train" / song).glob("*.wav"):
            path.rename(inner / path.name)
    result = scan(CORPORA["musdb18hq"], tmp_path)
    assert {entry.song for entry in result.stems} == songs
    assert {(entry.artist, entry.corpus_split) for entry in result.stems} == {
        ("Artist 1", "train"),
        ("Artist 2", "train"),
    }
    assert result.problems == []


@pytest.mark.parametrize("nobody", ["", "Unknown", "various artists", "N/A", "Unknown Artist", None])
@pytest.mark.parametrize("name", ["medleydb", "moisesdb"])
def test_an_artist_that_the_metadata_does_not_know_is_empty(
    name: str, nobody: str | None, tmp_path: Path
) -> None:
    one_song(name, tmp_path, 1, artist=nobody)
    known = one_song(name, tmp_path, 2, artist="Some Band")
    result = scan(get_adapter(name), tmp_path)
    artists = {entry.song: entry.artist for entry in result.stems}
    assert artists.pop(known) == "Some Band"
    # MedleyDB's ids begin with the artist.
    assert set(artists.values()) == {"Artist 1" if name == "medleydb" else ""}
    assert not any("unknown" in group or "various" in group for e in result.stems for group in e.groups)


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("slakh", "Track00001", ("", "Track00001")),
        ("musdb18hq", "Title", ("", "Title")),
        ("musdb18hq", "Some Band - Title - Live", ("Some Band", "Title - Live")),
        ("musdb18hq", "Some Band \u2013 Title", ("Some Band", "Title")),
        ("musdb18hq", "Some Band \u2014 Title", ("Some Band", "Title")),
        ("musdb18hq", "Some-Band \u2212 Title", ("Some-Band", "Title")),
        ("medleydb", "SomeBand_TheTitle", ("Some Band", "The Title")),
        ("medleydb", "TheTitle", ("", "The Title")),
        ("mixing_secrets", "SomeBand_TheTitle", ("Some Band", "The Title")),
        ("mixing_secrets", "TheTitle", ("", "The Title")),
    ],
)
def test_artist_and_title_by_the_name_of_the_song(
    name: str, folder: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    fields = {"artist": "", "title": ""} if name in ("medleydb", "mixing_secrets") else {}
    song = one_song(name, tmp_path, 1, **fields)
    text = tmp_path / song
    for path in sorted(text.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.replace(song, folder)))
    for path in (path for path in text.rglob("*.yaml")):
        path.write_text(path.read_text().replace(song, folder))
    text.rename(tmp_path / folder)
    found = {(entry.artist, entry.title) for entry in scan(get_adapter(name), tmp_path).stems}
    assert found == {expected}


@pytest.mark.parametrize("name", ["medleydb", "mixing_secrets", "slakh", "moisesdb"])
def test_metadata_with_a_key_twice_is_listed_with_its_line(name: str, tmp_path: Path) -> None:
    good, bad = one_song(name, tmp_path, 1), one_song(name, tmp_path, 2)
    (sheet,) = (path for path in (tmp_path / bad).iterdir() if path.suffix in (".yaml", ".json"))
    text = sheet.read_text()
    if name == "moisesdb":
        sheet.write_text('{"artist": "Other",\n' + text[1:])
    else:
        sheet.write_text(f"{text}stems: {{}}\n")
    result = scan(get_adapter(name), tmp_path)
    assert {entry.song for entry in result.stems} == {good}
    (problem,) = result.problems
    assert (problem.kind, problem.song, problem.path) == ("bad-metadata", bad, f"{bad}/{sheet.name}")
    assert ("'artist'" if name == "moisesdb" else "'stems'") in problem.message
    assert "line" in problem.message


def test_every_kind_of_problem_has_a_meaning() -> None:
    corpora = Path(mixlab.corpora.__file__).parent
    others = ["audio/loudness", "audio/faults", "audio/decoding/opening"]
    others += [f"catalog/{name}" for name in ("build", "copies", "relations", "scan")]
    sources = [*sorted(corpora.glob("*.py")), *(corpora.parent / f"{name}.py" for name in others)]
    before = r'\.problem\(\s*|_Rest\(shown, |return |Problem\([^"]*|(?:append\(|\[|found, )\('
    before += r'|unmeasured\([^"\n]*|unmeasured\(.*, (?=")'
    called = re.compile(rf'(?:{before})"([a-z]+(?:-[a-z]+)*)"[,)]')
    kinds = {kind for path in sources for kind in called.findall(path.read_text(encoding="utf-8"))}
    assert {"skipped", "broken-link", "missing-file", "duplicate-stem", "path-outside-root"} <= kinds
    measured = {"clipped", "dc-offset", "joined", "damaged", "beyond-full-scale", "unsupported", "crashed"}
    assert measured <= kinds
    assert kinds <= set(PROBLEM_MEANINGS)


def test_unknown_name_lists_the_names() -> None:
    with raises(CorpusError, code="plugin-not-found", mentions=("medely", "medleydb", "mirdata:NAME")):
        get_adapter("medely")
    with raises(CorpusError, code="invalid-plugin-name", mentions="mirdata:"):
        get_adapter("mirdata:")


def test_entries_are_values() -> None:
    entry = StemEntry("song", "stem", "a.wav", ("piano",), "artist")
    with pytest.raises(dataclasses.FrozenInstanceError, match="assign"):
        entry.song = "other"  # type: ignore[misc]
    again = StemEntry("song", "stem", "a.wav", ("piano",), "artist")
    assert {entry, again, dataclasses.replace(entry, artist="")} == {
        again,
        dataclasses.replace(again, artist=""),
    }
    assert len({ScanOptions(), ScanOptions(raws=False), ScanOptions(raws=True)}) == 2
