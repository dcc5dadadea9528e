"""Catalogs, corpora and packs at URLs: mixes as from folders, little fetched, no change unseen."""

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from mixlab.catalog.analysis import analyse_songs
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import Pack, PackReader, open_reader
from mixlab.catalog.packing import pack_catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.catalog.subset import subset_catalog
from mixlab.cli.main import main
from mixlab.errors import AudioError, CatalogError, ConfigError, CorpusError, RemoteError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.utils import remote
from mixlab.utils.remote import RemotePath
from tests.errors import raises
from tests.file_server import FileServer, serving
from tests.toy import analysed_copy

RATE = 44100
SECONDS = 60
MIX = MixConfig(duration_s=1.0)
KINDS = {"flac": "PCM_16", "wav": "PCM_24", "mp3": None, "ogg": None}

forking = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.01, 0.01))
    monkeypatch.setenv("MIXLAB_CACHE", str(tmp_path / "cache"))
    remote._known.clear()


@pytest.fixture
def server(toy: Catalog) -> Iterator[FileServer]:
    """Serves the toy catalog and its two corpora."""
    with serving(toy.path.parent) as server:
        yield server


@pytest.fixture
def moved(toy: Catalog, server: FileServer) -> Catalog:
    """The toy catalog from its folder, its audio from the server."""
    return Catalog.open(toy.path, {"folder": f"{server.url}/one", "folder@two": f"{server.url}/two"})


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A song of a minute with a stem in each format."""
    folder = tmp_path_factory.mktemp("long")
    noise = np.random.default_rng(5).standard_normal((SECONDS * RATE, 2)) * 0.1
    song = folder / "corpus" / "a song"
    song.mkdir(parents=True)
    for kind, subtype in KINDS.items():
        with soundfile.SoundFile(song / f"violin {kind}.{kind}", "w", RATE, 2, subtype) as file:
            for start in range(0, len(noise), RATE):  # libsndfile's Vorbis fails at long writes
                file.write(noise[start : start + RATE])
    rows = "".join(f"a song/violin {kind}.{kind},violin\n" for kind in KINDS)
    (folder / "corpus" / "stems.csv").write_text("file,label\n" + rows)
    build_catalog(folder / "catalog", {"folder": folder / "corpus"}, workers=1, progress=False)
    return Catalog.open(folder / "catalog")


def batches(
    dataset: MixDataset, workers: int = 0, start: str | None = None, count: int = 3
) -> list[torch.Tensor]:
    if not workers:
        return [dataset.batch(number)["audio"] for number in range(count)]
    dataset.set_epoch(0)
    found = iter(DataLoader(dataset, batch_size=4, num_workers=workers, multiprocessing_context=start))
    return [next(found)["audio"].clone() for _ in range(count)]


def stream(catalog: Catalog | str, pack: str | Path | None = None) -> MixDataset:
    return MixDataset(catalog, MIX, seed=3, epoch_size=32, batch_size=4, pack=pack)


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# ---- corpora ----


def test_mixes_from_a_server_are_those_from_the_folder(toy: Catalog, moved: Catalog) -> None:
    assert moved.content_hash == toy.content_hash
    assert isinstance(moved.audio_path(0), RemotePath)
    assert same(batches(stream(moved)), batches(stream(toy)))


@forking
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_mixes_of_forked_workers_are_the_same(toy: Catalog, moved: Catalog) -> None:
    dataset = stream(moved)
    expected = batches(stream(toy))
    assert same(batches(dataset, count=1), expected[:1])  # the parent has connections open when it forks
    assert same(batches(dataset, 2, "fork"), expected)


@pytest.mark.slow
def test_mixes_of_spawned_workers_are_the_same(toy: Catalog, moved: Catalog, server: FileServer) -> None:
    assert same(batches(stream(moved), 2, "spawn"), batches(stream(toy)))
    by_url = Catalog.open(f"{server.url}/catalog")
    assert same(batches(stream(by_url), 2, "spawn"), batches(stream(toy)))


def test_mixes_from_memory_are_the_same(toy: Catalog) -> None:
    system = fsspec.filesystem("memory")
    for path in toy.path.parent.rglob("*"):
        if path.is_file():
            system.pipe_file(f"/box/{path.relative_to(toy.path.parent).as_posix()}", path.read_bytes())
    catalog = Catalog.open("memory://box/catalog")
    assert str(catalog.roots["folder"]) == str(toy.roots["folder"])  # these are at hand here
    catalog = Catalog.open(
        "memory://box/catalog", {n: f"memory://box/{p.name}" for n, p in toy.roots.items()}
    )
    assert same(batches(stream(catalog)), batches(stream(toy)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_a_file_is_read_without_the_rest(long: Catalog, kind: str) -> None:
    stem = next(i for i in range(len(long)) if long.stem(i).path.endswith(kind))
    local = CatalogReader(long)
    with serving(long.path.parent) as server:
        away = CatalogReader(Catalog.open(long.path, {"folder": f"{server.url}/corpus"}))
        size, name = long.stem(stem).size, f"/corpus/{long.stem(stem).path}"
        for start_s in (31.7, 2.2, 58.9, 2.3):
            one, other = (reader.read(stem, start_s, 32000, 16000, 1) for reader in (away, local))
            assert np.array_equal(one, other)
            if start_s == 31.7 and kind in ("flac", "wav"):
                assert 0 < server.sent[name] < size / 6
        if kind in ("flac", "wav"):
            assert server.sent[name] < size / 2
        else:  # their frames are counted once, then parts are read
            assert size <= server.sent[name] < 1.5 * size
        assert server.asked["HEAD", name] == 1


@pytest.mark.parametrize("change", ["louder", "longer", "gone", "text"])
def test_a_file_that_is_not_the_one_that_was_indexed(toy: Catalog, tmp_path: Path, change: str) -> None:
    shutil.copytree(toy.roots["folder"], tmp_path / "one")
    stem = 0
    path = tmp_path / "one" / toy.stem(stem).path
    data = path.read_bytes()
    audio, rate = soundfile.read(path, dtype="int16")
    if change == "louder":
        soundfile.write(path, audio * 2, rate, "PCM_16")
        assert path.stat().st_size == len(data)
    elif change == "gone":
        path.unlink()
    else:
        path.write_bytes(data + b"more" if change == "longer" else b"text" * (len(data) // 4 + 1))
    code = "audio-not-found" if change == "gone" else "audio-changed"
    with serving(tmp_path) as server:
        reader = CatalogReader(Catalog.open(toy.path, {"folder": f"{server.url}/one"}))
        with raises(AudioError, code=code, mentions=(f"{server.url}/one/",)):
            reader.read(stem, 0.0, 32000, 16000, 1)
        if change == "gone":
            with raises(AudioError, code=code, mentions=("--root",)):
                reader.read(stem, 0.0, 32000, 16000, 1)


def test_no_audio_at_a_url(tmp_path: Path) -> None:
    from mixlab.audio.io import probe

    (tmp_path / "song.flac").write_bytes(b"%PDF-1.7" + bytes(100))
    with serving(tmp_path) as server, raises(AudioError, code="unreadable-audio", mentions=("PDF", 108)):
        probe(RemotePath(f"{server.url}/song.flac"))


def test_a_server_that_stops_answering_ends_the_stream(moved: Catalog, server: FileServer) -> None:
    """Else other items would take the place of those that cannot be read, in one run and not in another."""
    dataset = stream(moved)
    assert len(batches(dataset, count=1)) == 1
    server.statuses = [503] * 1000
    remote._known.clear()
    with raises(RemoteError, code="remote-unreachable", mentions=(server.url,)):
        dataset.batch(5)


def test_a_fault_within_decoding_is_told_as_what_it_is(
    long: Catalog, capfd: pytest.CaptureFixture[str]
) -> None:
    stem = next(i for i in range(len(long)) if long.stem(i).path.endswith("flac"))
    with serving(long.path.parent) as server:
        reader = CatalogReader(Catalog.open(long.path, {"folder": f"{server.url}/corpus"}))
        reader.read(stem, 0.0, 32000, 16000, 1)
        server.statuses = [503] * 8
        with raises(RemoteError, code="remote-unreachable", mentions=("violin%20flac.flac",)):
            reader.read(stem, 40.0, 32000, 16000, 1)
        server.statuses = []
        assert np.array_equal(
            reader.read(stem, 40.0, 32000, 16000, 1), CatalogReader(long).read(stem, 40.0, 32000, 16000, 1)
        )
    assert capfd.readouterr().err == ""


# ---- catalogs ----


def test_a_catalog_at_a_url_is_fetched_once(toy: Catalog, server: FileServer) -> None:
    catalog = Catalog.open(f"{server.url}/catalog")
    assert catalog.content_hash == toy.content_hash
    assert catalog.place == f"{server.url}/catalog"
    assert catalog.place in repr(catalog)
    assert catalog.path != toy.path
    assert catalog.problems() == toy.problems()
    assert np.array_equal(catalog.envelope(3), toy.envelope(3))
    before = server.sent["/catalog/stems.parquet"]
    assert before == (toy.path / "stems.parquet").stat().st_size
    again = Catalog.open(Path(f"{server.url}/catalog"))
    assert again.path == catalog.path
    assert server.sent["/catalog/stems.parquet"] == before
    server.forget()
    assert pickle.loads(pickle.dumps(again)).place == catalog.place
    assert not server.asked


def test_roots_beside_a_catalog_at_a_url_are_there_too(toy: Catalog, tmp_path: Path) -> None:
    shutil.copytree(toy.path.parent, tmp_path / "all")
    file = tmp_path / "all" / "catalog" / "catalog.json"
    meta = json.loads(file.read_text())
    for root in meta["roots"].values():
        root["path"] = "/not/on/this/machine"
    file.write_text(json.dumps(meta))
    with serving(tmp_path) as server:
        catalog = Catalog.open(f"{server.url}/all/catalog")
        assert str(catalog.roots["folder@two"]) == f"{server.url}/all/two"
        assert same(batches(stream(catalog), count=1), batches(stream(toy), count=1))
        # The copy is opened by its path, too, as by processes that are given it.
        assert Catalog.open(catalog.path).roots == catalog.roots


def test_a_catalog_that_changes_at_its_url_is_fetched_anew(toy: Catalog, tmp_path: Path) -> None:
    copy = tmp_path / "catalog"
    shutil.copytree(toy.path, copy)
    roots = {name: str(root) for name, root in toy.roots.items()}
    with serving(tmp_path) as server:
        catalog = Catalog.open(f"{server.url}/catalog", roots)
        shutil.rmtree(copy)
        changed = subset_catalog(toy, copy, corpora=["folder"])
        again = Catalog.open(f"{server.url}/catalog")
        assert again.path != catalog.path
        assert again.content_hash == Catalog.open(copy).content_hash != catalog.content_hash, changed
        analysed = analysed_copy(toy, tmp_path / "analysed")
        assert not (again.path / "songs.parquet").exists()
        shutil.copy(analysed.path / "songs.parquet", copy)
        assert (Catalog.open(f"{server.url}/catalog").path / "songs.parquet").is_file()


def test_a_catalog_in_the_midst_of_a_commit_is_whole(toy: Catalog, tmp_path: Path) -> None:
    copy = tmp_path / "catalog"
    shutil.copytree(toy.path, copy)
    generation = json.loads((copy / "catalog.json").read_text())["generation"]
    (copy / "stems.parquet").rename(copy / f"stems.parquet.{generation}")
    with serving(tmp_path) as server:
        assert Catalog.open(f"{server.url}/catalog").content_hash == toy.content_hash
        (copy / "activity.npy").write_bytes(b"\0" * (copy / "activity.npy").stat().st_size)
        shutil.rmtree(os.environ["MIXLAB_CACHE"])
        with raises(CatalogError, code="catalog-incomplete", mentions=(f"{server.url}/catalog",)):
            Catalog.open(f"{server.url}/catalog")
        (copy / "activity.npy").unlink()
        with raises(CatalogError, code="catalog-incomplete", mentions=(f"{server.url}/catalog",)):
            Catalog.open(f"{server.url}/catalog")
        (copy / "catalog.json").write_text("{}")
        with raises(CatalogError, code="catalog-version", mentions=(f"{server.url}/catalog",)):
            Catalog.open(f"{server.url}/catalog")
        with raises(CatalogError, code="catalog-not-found", mentions=(f"{server.url}/none",)):
            Catalog.open(f"{server.url}/none")
    assert not list(Path(os.environ["MIXLAB_CACHE"]).glob("catalogs/*/catalog.json"))


def test_a_copy_that_lost_its_origin_is_refused(server: FileServer) -> None:
    catalog = Catalog.open(f"{server.url}/catalog")
    (catalog.path / "fetched.json").write_text("[]")
    with raises(CatalogError, code="catalog-damaged", mentions=("fetched.json",)):
        Catalog.open(catalog.path)


def test_a_subset_keeps_the_urls(toy: Catalog, server: FileServer, tmp_path: Path) -> None:
    catalog = Catalog.open(f"{server.url}/catalog", {"folder": f"{server.url}/one"})
    subset_catalog(catalog, tmp_path / "subset", corpora=["folder"])
    subset = Catalog.open(tmp_path / "subset")
    assert str(subset.roots["folder"]) == f"{server.url}/one"
    assert subset.subset_of[0]["path"] == f"{server.url}/catalog"
    assert len(batches(stream(subset), count=1)) == 1


# ---- packs ----


@pytest.fixture
def packed(toy: Catalog, tmp_path: Path) -> Path:
    """The toy catalog with its pack, alone in a folder."""
    shutil.copytree(toy.path, tmp_path / "with" / "catalog")
    folder = tmp_path / "with" / "catalog" / "packs" / "16000-1ch"
    pack_catalog(toy, folder, workers=1, progress=False, shard_bytes=2_000_000)
    return folder


def test_mixes_from_a_pack_at_a_url_are_those_from_its_folder(toy: Catalog, packed: Path) -> None:
    expected = batches(stream(toy, packed))
    with serving(packed.parents[2]) as server:
        roots = {name: str(root) for name, root in toy.roots.items()}
        dataset = stream(Catalog.open(f"{server.url}/catalog", roots), "auto")
        assert isinstance(dataset._find_reader(), PackReader)
        server.forget()
        assert same(batches(dataset), expected)
        shards = sum(path.stat().st_size for path in packed.glob("*.i16"))
        sources = sum(len(dataset.recipe(index).sources) for index in range(12))
        assert sum(server.sent.values()) <= sources * 2 * 16000 * MIX.duration_s * 1.5 < shards
        # At once for a batch: one item alone reads as much, span by span.
        assert torch.equal(torch.as_tensor(dataset.item(0)["audio"]), expected[0][0])
        assert dataset._find_reader()._pack.verify() == []
        reader = open_reader(toy, 16000, 1, f"{server.url}/catalog/packs/16000-1ch")
        local = open_reader(toy, 16000, 1, packed)
        for start_s in (-0.5, 1.0, 6.9, 60.0):
            assert np.array_equal(
                reader.read(0, start_s, 8000, 16000, 1), local.read(0, start_s, 8000, 16000, 1)
            )
        pack, key = Pack(RemotePath(f"{server.url}/catalog/packs/16000-1ch")), toy.stem(0).key
        assert np.array_equal(pack.integers(key)[0], Pack(packed).integers(key)[0])


def test_a_batch_from_a_pack_at_a_url_is_asked_for_at_once(
    toy: Catalog, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def count(parts: list[tuple[RemotePath, int, int]]) -> list[bytes]:
        asked.append(len(parts))
        return remote.read_ranges(parts)

    with serving(packed.parents[2]) as server:
        dataset = stream(toy, f"{server.url}/catalog/packs/16000-1ch")
        monkeypatch.setattr("mixlab.catalog.pack.read_ranges", count)
        dataset.batch(1)
        spans = sum(len(dataset.recipe(index).sources) for index in dataset.batch_indices(1))
        assert len(asked) == 1
        assert 1 < asked[0] <= spans


@forking
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_forked_workers_read_a_pack_at_a_url(toy: Catalog, packed: Path) -> None:
    with serving(packed.parents[2]) as server:
        dataset = stream(toy, f"{server.url}/catalog/packs/16000-1ch")
        first = batches(dataset, count=1)
        found = batches(dataset, 2, "fork")
        assert same(found, batches(stream(toy, packed)))
        assert same(first, found[:1])


@pytest.mark.parametrize("change", ["replaced", "cut", "gone", "version"])
def test_a_pack_that_changes_at_its_url(toy: Catalog, packed: Path, change: str) -> None:
    with serving(packed.parents[2]) as server:
        pack = Pack(RemotePath(f"{server.url}/catalog/packs/16000-1ch"))
        key = toy.stem(0).key
        if change == "replaced":
            pack.span(key, 0, 100)
        shard = packed / pack.entries[key].shard
        data = shard.read_bytes()
        shard.unlink()
        if change == "replaced":
            shard.write_bytes(data[::-1])
        elif change == "cut":
            shard.write_bytes(data[:-2])
        remote._known.clear()
        if change == "version":
            (packed / "pack.json").write_text('{"version": 0}')
            with raises(CatalogError, code="pack-version"):
                Pack(pack.folder)
            (packed / "pack.json").unlink()
            with raises(CatalogError, code="pack-not-found", mentions=(str(pack.folder),)):
                Pack(pack.folder)
            return
        kind, code = (RemoteError, "remote-changed") if change == "replaced" else (AudioError, "pack-damaged")
        with raises(kind, code=code, mentions=(shard.name,)):
            pack.span(key, 0, 100)
        assert pack.verify()


# ---- the command line, and what is refused ----


def test_the_command_line_takes_urls(
    toy: Catalog, server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--index", "0:2", "--mix.duration_s", "1"]
    roots = ["--root", f"folder={server.url}/one", "--root", f"folder@two={server.url}/two"]
    assert main(["mix", str(toy.path), "--out", str(tmp_path / "local"), *common]) == 0
    assert main(["mix", f"{server.url}/catalog", "--out", str(tmp_path / "away"), *common, *roots]) == 0
    for file in sorted((tmp_path / "local").rglob("*.wav")):
        away = tmp_path / "away" / file.relative_to(tmp_path / "local")
        assert away.read_bytes() == file.read_bytes()
    capsys.readouterr()
    assert main(["catalog", f"{server.url}/catalog", *roots]) == 0
    assert f"{server.url}/one" in capsys.readouterr().out


def test_a_pack_is_made_from_a_server_as_from_the_folder(
    toy: Catalog, moved: Catalog, server: FileServer, tmp_path: Path
) -> None:
    for name, catalog in (("local", toy), ("away", moved)):
        report = pack_catalog(catalog, tmp_path / name, workers=1, progress=False, shard_bytes=2_000_000)
        assert not report.problems
    for shard in sorted((tmp_path / "local").glob("*.i16")):
        assert (tmp_path / "away" / shard.name).read_bytes() == shard.read_bytes()
    assert (
        pack_catalog(moved, tmp_path / "away", workers=1, progress=False, shard_bytes=2_000_000).written == 0
    )


def test_what_needs_files_on_disk_says_so(
    toy: Catalog, moved: Catalog, server: FileServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{server.url}/one"
    with raises(CorpusError, code="remote-not-supported", mentions=(url,)):
        build_catalog(tmp_path / "catalog", {"folder": toy.roots["folder"]}, metadata={"folder": url})
    with raises(ConfigError, code="remote-not-supported", mentions=(url,)):
        analyse_songs(moved)
    with raises(ConfigError, code="missing-setting", mentions=("--out",)):
        pack_catalog(Catalog.open(f"{server.url}/catalog"))
    assert main(["pack", str(toy.path), "--out", "s3://bucket/pack"]) != 0
    assert "[remote-not-supported]" in capsys.readouterr().err


def test_a_bucket_that_may_not_be_listed_holds_a_catalog_without_songs_and_packs(
    toy: Catalog, server: FileServer
) -> None:
    server.missing = 403
    roots = {"folder": f"{server.url}/one", "folder@two": f"{server.url}/two"}
    catalog = Catalog.open(f"{server.url}/catalog", roots)
    assert isinstance(open_reader(catalog, 16000, 1), CatalogReader)
    for path in ("songs.parquet", "packs/16000-1ch/pack.json"):
        assert any(name == f"/catalog/{path}" for _, name in server.asked)
    with raises(RemoteError, code="remote-denied"):
        Catalog.open(f"{server.url}/nowhere")


def test_fsspec_is_not_imported_for_folders(toy: Catalog) -> None:
    program = (
        "import sys\n"
        "from mixlab.catalog.catalog import Catalog\n"
        "from mixlab.catalog.readers import CatalogReader\n"
        f"catalog = Catalog.open({str(toy.path)!r})\n"
        "assert CatalogReader(catalog).read(0, 0.0, 800, 16000, 1).shape == (1, 800)\n"
        "assert not {'fsspec', 'aiohttp', 'asyncio'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
