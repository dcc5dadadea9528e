"""Corpora at URLs are indexed as those in folders, and no fault of the network leaves a file out."""

import html
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import fsspec
import pytest

from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.remote_trees import MOST_METADATA_BYTES, local_tree
from mixlab.catalog.scan import open_roots, scan_all
from mixlab.corpora import get_adapter
from mixlab.corpora.base import ScanOptions
from mixlab.errors import CorpusError, RemoteError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.utils import remote
from mixlab.utils.remote import RemotePath
from mixlab.utils.remote_folders import Connect, list_folder
from tests.corpora import trees
from tests.errors import raises
from tests.file_server import FileServer, serving

ROWS = ("key", "path", "labels", "artist", "nodes", "bleed_nodes", "frames", "audio_hash", "size", "problems")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.01, 0.01))
    remote._known.clear()
    yield
    system = fsspec.filesystem("memory")
    for path in list(system.store):
        del system.store[path]
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def server(toy: Catalog) -> Iterator[FileServer]:
    """Serves the toy catalog and its two corpora."""
    with serving(toy.path.parent) as server:
        yield server


def urls(server: FileServer) -> dict[str, str]:
    return {"folder": f"{server.url}/one", "folder@two": f"{server.url}/two"}


def index(out: Path, roots: dict[str, str], **settings: int) -> Catalog:
    build_catalog(out, roots, workers=settings.get("workers", 1), progress=False)
    return Catalog.open(out)


def in_memory(folder: Path, name: str) -> str:
    system = fsspec.filesystem("memory")
    for path in folder.rglob("*"):
        if path.is_file():
            system.pipe_file(f"/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"memory://{name}"


def test_a_catalog_of_a_server_is_that_of_the_folder(
    toy: Catalog, server: FileServer, tmp_path: Path
) -> None:
    catalog = index(tmp_path / "catalog", urls(server))
    assert catalog.content_hash == toy.content_hash
    for name in ROWS:
        assert catalog.column(name).tolist() == toy.column(name).tolist(), name
    assert (catalog.envelope(3) == toy.envelope(3)).all()
    assert catalog.roots == {name: RemotePath(url) for name, url in urls(server).items()}
    told = [(p.path, p.kind, p.message) for p in catalog.problems()]
    for name, url in urls(server).items():
        told = [(path, kind, text.replace(url, str(toy.roots[name]))) for path, kind, text in told]
    assert told == [(p.path, p.kind, p.message) for p in toy.problems()]
    config = MixConfig(duration_s=1.0)
    one, other = (MixDataset(c, config, seed=3, batch_size=4).batch(0) for c in (catalog, toy))
    assert (one["audio"] == other["audio"]).all()


def test_only_what_has_changed_at_a_server_is_measured_again(
    toy: Catalog, tmp_path: Path, writable_toy: Path
) -> None:
    with serving(writable_toy) as server:
        root = {"folder": f"{server.url}/one"}
        first = build_catalog(tmp_path / "catalog", root, workers=1, progress=False)
        again = build_catalog(tmp_path / "catalog", root, workers=1, progress=False)
        assert (again.measured, again.reused) == (0, first.stems)
        path = Catalog.open(tmp_path / "catalog").column("path")[0]
        changed = writable_toy / "one" / path
        changed.write_bytes(changed.read_bytes())  # the same bytes, at another time: another ETag
        third = build_catalog(tmp_path / "catalog", root, workers=1, progress=False)
        assert (third.measured, third.reused) == (1, first.stems - 1)


@pytest.fixture
def writable_toy(toy: Catalog, tmp_path: Path) -> Path:
    shutil.copytree(toy.path.parent / "one", tmp_path / "copy" / "one")
    return tmp_path / "copy"


def test_two_workers_index_the_same(toy: Catalog, server: FileServer, tmp_path: Path) -> None:
    assert index(tmp_path / "catalog", urls(server), workers=2).content_hash == toy.content_hash


def test_a_server_that_sends_whole_files_alone_can_be_indexed(
    toy: Catalog, server: FileServer, tmp_path: Path
) -> None:
    server.ranges = False
    assert index(tmp_path / "catalog", urls(server)).content_hash == toy.content_hash


def by_apache(folder: Path, path: Path) -> str:
    return html.escape(quote(path.name, safe="'()&,")) + "/" * path.is_dir()


def by_caddy(folder: Path, path: Path) -> str:
    return "./" + quote(path.name) + "/" * path.is_dir()


def absolute(folder: Path, path: Path) -> str:
    return "/" + quote(folder.name, safe="'()&") + "/" + quote(path.name, safe="'()") + "/" * path.is_dir()


@pytest.mark.parametrize("spell", [by_apache, by_caddy, absolute])
def test_names_are_read_however_a_server_spells_links(
    spell: Callable[[Path, Path], str], tmp_path: Path
) -> None:
    names = ["Don't Stop", "R & B, again", "A (live)", "50% #1 \u00e9", "plain.wav"]
    for name in names:
        (tmp_path / "tree" / name).write_bytes(b"-") if "." in name else (tmp_path / "tree" / name).mkdir(
            parents=True
        )
    with serving(tmp_path) as server:
        server.spell = spell
        found = list_folder(remote._connect, f"{server.url}/tree")
    assert sorted(found) == sorted((name, name != "plain.wav") for name in names)


def test_a_folder_that_is_linked_without_its_slash_is_one(toy: Catalog, server: FileServer) -> None:
    server.spell = lambda folder, path: quote(path.name)
    assert len(RemotePath(f"{server.url}/one").list_files()) == sum(
        path.is_file() for path in (toy.path.parent / "one").rglob("*")
    )


def test_stems_in_the_root_itself_are_a_song_of_its_name(toy: Catalog, tmp_path: Path) -> None:
    sound = next(path for path in (toy.path.parent / "one").rglob("*.wav"))
    (tmp_path / "My Song").mkdir()
    for name in ("violin.wav", "drums.wav"):
        shutil.copy(sound, tmp_path / "My Song" / name)
    with serving(tmp_path) as server:
        catalog = index(tmp_path / "url", {"folder": f"{server.url}/My%20Song"})
    assert catalog.column("song").tolist() == ["My Song"] * 2
    assert (
        catalog.content_hash == index(tmp_path / "disk", {"folder": str(tmp_path / "My Song")}).content_hash
    )


def test_a_table_that_is_listed_and_not_there_is_a_problem(server: FileServer, writable_toy: Path) -> None:
    (writable_toy / "one" / "readme.txt").symlink_to("nowhere")
    with serving(writable_toy) as own, local_tree(RemotePath(f"{own.url}/one")) as tree:
        assert [problem.path for problem in tree.problems] == ["readme.txt"]
        assert not (tree.folder / "readme.txt").exists()


TREES: dict[str, Callable[[Path], object]] = {
    "medleydb": trees.medleydb,
    "mixing_secrets": trees.mixing_secrets,
    "slakh": trees.slakh,
    "musdb18hq": trees.musdb18hq,
    "moisesdb": trees.moisesdb,
    "folder": trees.folder,
}


@pytest.mark.parametrize("name", TREES)
def test_every_adapter_finds_the_same_at_a_url(name: str, tmp_path: Path) -> None:
    TREES[name](tmp_path / "tree")
    for path in [path for path in (tmp_path / "tree").rglob("*") if path.is_symlink()]:
        path.unlink()  # there are none at URLs
    adapter, options = get_adapter(name), ScanOptions()
    expected = adapter.scan(tmp_path / "tree", options)
    with local_tree(RemotePath(in_memory(tmp_path / "tree", name))) as tree:
        found = adapter.scan(tree.folder, options)
    assert found.stems == expected.stems
    assert found.notes == expected.notes
    assert len(expected.stems) > 2


def test_what_is_said_of_a_tree_names_its_url(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a song").mkdir(parents=True)
    (tmp_path / "tree" / "a song" / "notes.txt").write_text("nothing")
    url = in_memory(tmp_path / "tree", "empty")
    with raises(CorpusError, code="layout-not-found", mentions=(url,)) as caught:
        scan_all(open_roots({"folder": url}, {}, {}), False, "error")
    assert "/tmp" not in str(caught.value)


def test_a_fault_of_the_network_ends_the_listing(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be listed would be missing from the catalog without a word."""
    found: list[str] = []

    def fail_later(connect: Connect, url: str) -> list[tuple[str, bool]]:
        found.append(url)
        if len(found) == 3:
            server.statuses += [500] * 4
        return list_folder(connect, url)

    monkeypatch.setattr(remote, "list_folder", fail_later)
    with raises(RemoteError, code="remote-unreachable"):
        index(tmp_path / "catalog", urls(server))
    assert not (tmp_path / "catalog" / "catalog.json").exists()


def test_a_fault_of_the_network_keeps_what_was_measured(
    toy: Catalog, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    downloaded = RemotePath.downloaded

    def fail_later(path: RemotePath) -> object:
        fetched.append(path.url)
        if len(fetched) == 4:
            server.statuses += [503] * 4
        return downloaded(path)

    monkeypatch.setattr(RemotePath, "downloaded", fail_later)
    with raises(RemoteError, code="remote-unreachable"):
        index(tmp_path / "catalog", urls(server))
    assert len(fetched) == 4
    monkeypatch.setattr(RemotePath, "downloaded", downloaded)
    report = build_catalog(tmp_path / "catalog", urls(server), workers=1, progress=False)
    assert report.reused == 3
    assert report.content_hash == toy.content_hash


def test_a_server_that_lists_nothing_says_what_to_do(server: FileServer, tmp_path: Path) -> None:
    server.lists = False
    with raises(CorpusError, code="root-not-found", mentions=(f"{server.url}/one", "does not list")):
        index(tmp_path / "catalog", urls(server))


def test_names_that_no_folder_can_have_are_problems(toy: Catalog, tmp_path: Path) -> None:
    url = in_memory(toy.path.parent / "one", "odd")
    store = fsspec.filesystem("memory")
    sound = next(path for path in (toy.path.parent / "one").rglob("*.wav")).read_bytes()
    odd = ("back\\slash.wav", f"{'n' * 300}.wav")
    for name in odd:
        store.pipe_file(f"/odd/a song/{name}", sound)
    with local_tree(RemotePath(url)) as tree:
        assert [problem.path for problem in tree.problems] == sorted(f"a song/{name}" for name in odd)
        assert {problem.kind for problem in tree.problems} == {"skipped"}
        assert not list(tree.folder.rglob("*slash*"))


def test_tables_that_are_too_large_are_not_fetched(
    server: FileServer, writable_toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (writable_toy / "one" / "large.csv").open("wb") as file:
        file.truncate(MOST_METADATA_BYTES + 1)
    with serving(writable_toy) as own, local_tree(RemotePath(f"{own.url}/one")) as tree:
        assert (tree.folder / "large.csv").stat().st_size == MOST_METADATA_BYTES + 1
        assert own.sent["/one/large.csv"] == 0


def test_urls_that_overlap_are_refused(server: FileServer, tmp_path: Path) -> None:
    roots = {"folder": server.url, "folder@two": f"{server.url}/two"}
    with raises(CorpusError, code="overlapping-roots", mentions=(server.url, "folder@two")):
        index(tmp_path / "catalog", roots)
