"""A full disk ends what writes a catalog with a clear error; what was finished is kept, and it goes on."""

import os
from pathlib import Path

import pytest

import mixlab.catalog.build
from mixlab.audio.loudness import Measurement, measure
from mixlab.catalog.analysis import AnalysisReport, analyse_songs
from mixlab.catalog.build import BuildReport, build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.song_table import SONG_FILE
from mixlab.catalog.subset import subset_catalog
from mixlab.cli.main import main
from mixlab.errors import CatalogError, OutputError
from tests.errors import raises
from tests.small_disk import small_disk, until_it_fits
from tests.toy import make_corpus


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio") / "one"
    make_corpus(folder, 3, seed=3)
    return folder


@pytest.fixture(scope="module")
def whole(audio: Path) -> Path:
    """The catalog that an undisturbed run makes."""
    return build(audio.parent / "catalog", audio).path


def build(out: Path, root: Path) -> BuildReport:
    return build_catalog(out, {"folder": root}, workers=1, progress=False)


def contents(folder: Path) -> dict[str, bytes]:
    """All files; a catalog knows where it lies itself."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "catalog.json"}


def test_indexing_goes_on_where_the_disk_was_full(
    audio: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def note(path: Path) -> Measurement:
        measured.append(path.as_posix())
        return measure(path)

    monkeypatch.setattr(mixlab.catalog.build, "measure_place", note)
    with small_disk(tmp_path / "disk", 4) as disk:
        out = disk.path / "catalog"

        def look() -> None:
            with raises(CatalogError, code="catalog-not-found"):
                Catalog.open(out)

        _, failed = until_it_fits(disk, 4, lambda: build(out, audio), out, look)
        assert failed >= 4
        # At most the one whose line did not fit is measured again, each time.
        assert len(measured) <= 15 + failed
        assert contents(out) == contents(whole)
        assert Catalog.open(out).content_hash == Catalog.open(whole).content_hash


def test_a_catalog_is_as_it_was_where_the_next_one_has_no_space(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "two"
    make_corpus(own, 2, seed=4)
    with small_disk(tmp_path / "disk", 4000) as disk:
        out = disk.path / "catalog"
        before = build(out, own).content_hash
        there = contents(out)
        disk.fill()
        for path in own.rglob("*.wav"):
            os.utime(path, ns=(1, 1))  # so that all are measured anew
        assert main(["index", str(out), "--root", f"folder={own}", "--workers", "1"]) == 2
        told = capsys.readouterr().err
        assert told.startswith("mixlab: error [output-not-writable]: Could not write ")
        assert f"{out}" in told
        assert "No space left on device. Make space" in told
        assert contents(out).items() >= there.items()
        assert Catalog.open(out).content_hash == before


def test_a_subset_on_a_full_disk_is_none_and_is_made_again(whole: Path, tmp_path: Path) -> None:
    catalog = Catalog.open(whole)
    with small_disk(tmp_path / "disk", 4) as disk:
        out = disk.path / "subset"
        report, failed = until_it_fits(
            disk, 8, lambda: subset_catalog(catalog, out, min_duration_s=1.0), disk.path
        )
        assert failed >= 2
        assert len(Catalog.open(out)) == report.stems[0] == len(catalog)


def given(catalog: Catalog, table: Path) -> AnalysisReport:
    return analyse_songs(catalog, songs=table, workers=1, progress=False)


def test_an_analysis_that_cannot_be_saved_is_an_error_and_goes_on(audio: Path, tmp_path: Path) -> None:
    rows = "".join(f"folder/song{n:02d},100,0.1,C major\n" for n in range(3))
    table = tmp_path / "songs.csv"
    table.write_text(f"song,tempo,first_beat,key\n{rows}")
    with small_disk(tmp_path / "disk", 4000) as disk:
        build(disk.path / "catalog", audio)
        catalog = Catalog.open(disk.path / "catalog")
        filler = disk.fill()
        with raises(
            OutputError, code="output-not-writable", mentions=(catalog.path / SONG_FILE, "Make space")
        ):
            given(catalog, table)
        assert not (catalog.path / SONG_FILE).exists()
        filler.unlink()
        assert given(catalog, table).analysed == 3
