"""Indexing what is hard to find: links, other formats, splits of one's own; and refusing an empty catalog."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.catalog.browse import read_excerpt
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import CatalogError, CorpusError
from tests.corpora.trees import dump, medley_sheet, medley_stems
from tests.errors import raises
from tests.stem_files import tone, write

STEMS = ("vocals", "drums", "bass", "other")


def musdb(root: Path, splits: tuple[str, ...] = ("train", "valid", "test"), ending: str = ".wav") -> Path:
    """Write three songs of one second for every split."""
    for number in range(3 * len(splits)):
        split, name = splits[number % len(splits)], f"Artist {number} - Song {number}"
        for place, stem in enumerate(STEMS):
            sound = tone(frequency_hz=200.0 + 31 * number + 100 * place)
            write(root / split / name / f"{stem}{ending}", sound)
    return root


def index(capsys: pytest.CaptureFixture[str], out: Path, *options: str) -> tuple[int, str]:
    code = main(["index", str(out), "--workers", "1", *options])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("third", ["valid", "Validation", "val", "VALID"])
def test_songs_in_a_split_folder_keep_their_split(third: str, tmp_path: Path) -> None:
    root = musdb(tmp_path / "musdb", ("Train", third, "test"))
    report = build_catalog(tmp_path / "catalog", {"musdb18hq": root}, split="corpus", progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    splits = dict(zip(catalog.column("song").tolist(), catalog.column("split").tolist(), strict=True))
    assert (report.songs, report.stems) == (9, 36)
    expected = ("train", "validation", "test")
    assert splits == {f"Artist {n} - Song {n}": expected[n % 3] for n in range(9)}


def test_songs_of_other_folders_are_read_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = musdb(tmp_path / "musdb", ("train", "test", "extra"))
    code, text = index(capsys, tmp_path / "catalog", "--root", f"musdb18hq={root}")
    assert code == 0
    assert "9 songs" in text
    assert "3 songs in 'extra', a folder that names no split" in " ".join(text.split())


@pytest.mark.parametrize("ending", [".flac", ".WAV", ".aiff", ".w64", ".caf"])
def test_a_converted_corpus_is_the_same_corpus(ending: str, tmp_path: Path) -> None:
    root = musdb(tmp_path / "musdb", ending=ending)
    report = build_catalog(tmp_path / "catalog", {"musdb18hq": root}, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    assert (report.songs, report.stems, report.drawable) == (9, 36, 27)
    assert dict(report.problems) == {}
    assert {Path(path).suffix for path in catalog.column("path").tolist()} == {ending}


def test_formats_that_libsndfile_reads_are_indexed(tmp_path: Path) -> None:
    formats = {".w64": "W64", ".rf64": "RF64", ".caf": "CAF", ".aifc": "AIFF", ".au": "AU", ".snd": "AU"}
    lossy = {".oga": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}
    for number, ending in enumerate([*formats, *lossy]):
        path = tmp_path / "own" / f"Band {number} - Song" / f"piano{ending}"
        path.parent.mkdir(parents=True)
        container, subtype = lossy.get(ending, (formats.get(ending), "PCM_16"))
        soundfile.write(path, tone(rate=48000)[0], 48000, format=container, subtype=subtype)
    report = build_catalog(tmp_path / "catalog", {"folder": tmp_path / "own"}, progress=False)
    assert (report.stems, report.drawable) == (8, 8)


# Nothing to mix --------------------------------------------------------------------------------


def test_a_catalog_without_stems_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    song = tmp_path / "medleydb" / "V1" / "A_B"
    sheet = medley_sheet("A_B", medley_stems("A_B", "piano", "violin"))
    dump(song / "A_B_METADATA.yaml", sheet)
    for stem in sheet["stems"].values():
        place = song / "A_B_STEMS" / Path(stem["filename"]).with_suffix(".m4a")
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"\0\0\0\x20ftypM4A ")
    code, text = index(capsys, tmp_path / "catalog", "--root", f"medleydb={tmp_path / 'medleydb'}")
    assert code == 2
    assert "no stem can be used" in text
    assert "missing-file (2)" in text
    assert "There is 'A_B_STEM_01.m4a', but mixlab cannot read .m4a: convert" in text
    assert "skipped (2)" in text
    assert "No leakage" not in text
    with raises(CatalogError, code="catalog-not-found"):
        Catalog.open(tmp_path / "catalog")


def test_a_catalog_of_which_nothing_can_be_mixed_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        write(tmp_path / "own" / f"Song {number}" / "piano.wav", np.zeros((1, 8000), np.float32))
    code, text = index(capsys, tmp_path / "catalog", "--root", f"folder={tmp_path / 'own'}")
    assert code == 2
    assert "[no-usable-stem]: None of the 3 stems can be mixed: silent (3)" in " ".join(text.split())
    kinds = [problem.kind for problem in Catalog.open(tmp_path / "catalog").problems()]
    assert kinds.count("silent") == 3


def test_an_empty_root_beside_a_good_one_is_an_error(tmp_path: Path) -> None:
    good = musdb(tmp_path / "musdb")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.m4a").touch()
    with raises(CorpusError, code="layout-not-found", mentions=("a.m4a", "1", ".m4a", "ffmpeg")):
        build_catalog(tmp_path / "catalog", {"musdb18hq": good, "folder": tmp_path / "own"}, progress=False)


# Links -----------------------------------------------------------------------------------------


def as_hugging_face_cache(root: Path, cache: Path) -> Path:
    """Move every file to ``blobs`` and leave a relative link, as the download of a data set does."""
    snapshot = cache / "snapshots" / "0a1b"
    (cache / "blobs").mkdir(parents=True)
    for number, path in enumerate(sorted(p for p in root.rglob("*") if p.is_file())):
        blob = cache / "blobs" / f"{number:064x}"
        path.rename(blob)
        link = snapshot / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        depth = len(link.relative_to(cache).parts) - 1
        link.symlink_to(Path(*[".."] * depth, "blobs", blob.name))
    return snapshot


def test_a_hugging_face_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = musdb(tmp_path / "plain")
    expected = build_catalog(tmp_path / "expected", {"musdb18hq": plain}, progress=False)
    snapshot = as_hugging_face_cache(plain, tmp_path / "cache")
    code, text = index(capsys, tmp_path / "catalog", "--root", f"musdb18hq={snapshot}")
    assert code == 2
    assert "path-outside-root (36)" in text
    assert "--follow_links" in text
    code, text = index(
        capsys, tmp_path / "catalog", "--root", f"musdb18hq={snapshot}", "--follow_links", "true"
    )
    assert code == 0
    assert "36 in 9 songs" in text
    assert "problems  none" in text
    catalog = Catalog.open(tmp_path / "catalog")
    assert catalog.content_hash == expected.content_hash
    assert catalog.follow_links
    audio, rate = read_excerpt(catalog, 0, 0.0)
    assert (audio.shape, rate) == ((1, 8000), 8000)


def test_a_git_annex_clone_without_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = musdb(tmp_path / "musdb")
    lost = sorted((root / "test").rglob("*.wav"))
    for path in lost:
        path.unlink()
        path.symlink_to(f"../../.git/annex/objects/{path.stem}/MD5E-s1--0.wav")
    code, text = index(capsys, tmp_path / "catalog", "--root", f"musdb18hq={root}")
    assert code == 0
    assert "24 in 6 songs" in text
    assert "broken-link 12" in text
    problems = Catalog.open(tmp_path / "catalog").problems()
    assert {p.path for p in problems if p.kind == "broken-link"} == {
        path.relative_to(root).as_posix() for path in lost
    }
    assert all("git annex get" in p.message for p in problems if p.kind == "broken-link")


def test_metadata_names_nothing_outside_even_where_links_are_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.wav", tone())
    root = tmp_path / "root"
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (root / "A_B").mkdir(parents=True)
    (root / "A_B" / "A_B_STEMS").symlink_to(tmp_path / "elsewhere" / "deep")
    write(tmp_path / "elsewhere" / "deep" / "good.wav", tone())
    write(tmp_path / "elsewhere" / "beside.wav", tone())
    names = ["good.wav", "../beside.wav", "../../../secret.wav", str(secret), "../../secret.wav"]
    stems = {f"S{n:02d}": {"filename": name, "instrument": "piano"} for n, name in enumerate(names)}
    dump(root / "A_B" / "A_B_METADATA.yaml", {"stems": stems})
    build_catalog(tmp_path / "catalog", {"medleydb": root}, follow_links=True, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    assert catalog.column("path").tolist() == ["A_B/A_B_STEMS/good.wav"]
    kinds = {problem.stem: problem.kind for problem in catalog.problems() if problem.stem}
    # Steps upwards are taken from the name, not from where a link leads.
    assert kinds == {
        "S01": "missing-file",
        "S02": "path-outside-root",
        "S03": "path-outside-root",
        "S04": "missing-file",
    }
