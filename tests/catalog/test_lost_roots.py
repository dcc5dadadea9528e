"""A root that goes away while its files are read is named, once: no silence, no other items, no lost work."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mixlab.catalog.build
from mixlab.audio.loudness import Measurement, measure
from mixlab.catalog.analysis import analyse_songs
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import Pack
from mixlab.catalog.packing import pack_catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.catalog.roots import refuse_lost_root
from mixlab.catalog.song_table import SongTable
from mixlab.errors import AudioError, CatalogError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import make_corpus


class Place:
    """A corpus and its catalog; the root can go away, and come back."""

    def __init__(self, folder: Path) -> None:
        self.root, self.out, self._kept = folder / "one", folder / "catalog", folder / "kept"
        make_corpus(self.root, 4, seed=3)
        self.build()

    def build(self) -> Catalog:
        build_catalog(self.out, {"folder": self.root}, workers=1, progress=False)
        self.catalog = Catalog.open(self.out)
        return self.catalog

    def remove(self) -> None:
        """As a folder that was moved."""
        self.root.rename(self._kept)

    def unmount(self) -> None:
        """As a disk: the empty folder that it was mounted on stays."""
        self.remove()
        self.root.mkdir()

    def restore(self) -> None:
        if self.root.exists():
            self.root.rmdir()
        self._kept.rename(self.root)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


WAYS: list[Callable[[Place], None]] = [Place.remove, Place.unmount]


@pytest.mark.parametrize("lose", WAYS)
def test_a_mix_names_the_root_that_is_gone(place: Place, lose: Callable[[Place], None]) -> None:
    reader, recipe = CatalogReader(place.catalog), sample_recipe(place.catalog, MixConfig(), 0, 0, 0)
    before = render_mix(recipe, place.catalog, reader).mixture
    lose(place)
    # Files that are open already would still give their samples, and the next ones none.
    for used in (reader, CatalogReader(place.catalog)):
        with raises(CatalogError, code="root-not-found", mentions=(place.root, "--root folder=")):
            render_mix(recipe, place.catalog, used)
    place.restore()
    np.testing.assert_array_equal(render_mix(recipe, place.catalog, reader).mixture, before)


def test_a_file_that_is_gone_alone_is_named_itself(place: Place) -> None:
    stem = place.catalog.find("folder/song01/01_piano")
    path = place.catalog.audio_path(stem)
    path.unlink()
    with raises(AudioError, code="audio-not-found", mentions=path):
        CatalogReader(place.catalog).read(stem, 0.0, 100, 16000, 1)


def test_a_root_that_may_not_be_listed_is_not_taken_for_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    refuse_lost_root("folder", tmp_path)


@pytest.mark.parametrize("lose", WAYS)
@pytest.mark.parametrize("after", [0, 7])
def test_indexing_writes_no_catalog_of_files_that_went_away(
    place: Place, lose: Callable[[Place], None], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = place.catalog.content_hash
    for path in place.root.rglob("*.wav"):
        os.utime(path, ns=(1, 1))  # so that all are measured anew
    measured: list[Path] = []

    def measure_and_lose(path: Path) -> Measurement:
        if len(measured) == after:
            lose(place)
        measured.append(path)
        return measure(path)

    def measure_again(path: Path) -> Measurement:
        measured.append(path)
        return measure(path)

    with monkeypatch.context() as patch:
        patch.setattr(mixlab.catalog.build, "measure_place", measure_and_lose)
        with raises(CatalogError, code="root-not-found", mentions=place.root):
            place.build()
    assert Catalog.open(place.out).content_hash == before
    place.restore()
    measured.clear()
    monkeypatch.setattr(mixlab.catalog.build, "measure_place", measure_again)
    assert len(place.build()) == 20
    assert len(measured) == 20 - after  # what was measured before is kept


@pytest.mark.parametrize("lose", WAYS)
def test_packing_stops_and_goes_on_where_it_was(
    place: Place, tmp_path: Path, lose: Callable[[Place], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import mixlab.catalog.packing as packing

    def pack(folder: str) -> packing.PackReport:
        return pack_catalog(place.catalog, tmp_path / folder, workers=1, progress=False, shard_bytes=700_000)

    pack("whole")
    read, made = packing._read, []

    def read_some(source: packing._Source, task: packing._Task) -> np.ndarray:
        if len(made) == 5:
            lose(place)
        made.append(source)
        return read(source, task)

    with monkeypatch.context() as patch:
        patch.setattr(packing, "_read", read_some)
        with raises(CatalogError, code="root-not-found", mentions=place.root):
            pack("stopped")
    with raises(CatalogError, code="pack-not-found"):
        Pack(tmp_path / "stopped")
    place.restore()
    assert pack("stopped").kept == 1
    contents = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("whole", "stopped")
    ]
    assert contents[0] == contents[1]


def test_an_analysis_stops_and_takes_no_silence_for_songs(place: Place) -> None:
    place.unmount()
    with raises(CatalogError, code="root-not-found", mentions=place.root):
        analyse_songs(place.catalog, workers=1, progress=False)
    assert SongTable.read(place.out).songs == {}
