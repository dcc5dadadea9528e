"""Reading from files: open files are used again, shared spans decoded once, and no sample ever differs."""

import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.io import read_span, write_wav
from mixlab.audio.resampling import resample_file
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.readers import CatalogReader, OpenFiles
from mixlab.errors import AudioError
from tests.encoded import KINDS
from tests.errors import raises
from tests.stem_files import write_sidecar
from tests.toy import make_own_catalog, steady

RATE = 44100
FORMATS = [("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_16"), ("flac", "PCM_24"), ("ogg", "VORBIS")]
FORMATS += [("mp3", "MPEG_LAYER_III")] if "MP3" in soundfile.available_formats() else []


def make_file(folder: Path, suffix: str, subtype: str, rng: np.random.Generator) -> Path:
    path = folder / f"{subtype}.{suffix}"
    noise = np.cumsum(rng.standard_normal((4 * RATE, 2)), axis=0)
    soundfile.write(path, 0.5 * noise / np.abs(noise).max(), RATE, subtype=subtype)
    return path


def read(files: OpenFiles, path: Path, start: int, frames: int) -> np.ndarray:
    with files.borrow(path) as file:
        return resample_file(file, RATE, 4 * RATE, start / RATE, frames, RATE, 2)


@pytest.mark.parametrize(("suffix", "subtype"), FORMATS)
def test_a_file_that_stayed_open_reads_as_one_opened_anew(
    tmp_path: Path, rng: np.random.Generator, suffix: str, subtype: str
) -> None:
    path, files = make_file(tmp_path, suffix, subtype, rng), OpenFiles()
    whole = np.pad(soundfile.read(path, dtype="float32")[0].T, ((0, 0), (20, 50)))
    spans = [(int(start), int(frames)) for start, frames in rng.integers(1, RATE, (8, 2)) * [3, 1]]
    for start, frames in [*spans, (0, 100), (4 * RATE - 50, 100), (-20, 100), *spans]:
        found = read(files, path, start, frames)
        np.testing.assert_array_equal(found, read_span(path, start, frames, end=4 * RATE))
        np.testing.assert_array_equal(found, whole[:, 20 + start : 20 + start + frames])
    assert len(files) == 1


def test_few_files_stay_open_those_read_last(tmp_path: Path) -> None:
    files, paths = OpenFiles(most=2), [tmp_path / f"{n}.wav" for n in range(3)]
    for path in paths:
        write_wav(path, np.zeros((1, 100), np.float32), RATE)
    with files.borrow(paths[0]) as first, files.borrow(paths[1]) as second:
        assert len(files) == 0  # in use, so nobody else's
    with files.borrow(paths[0]) as again, files.borrow(paths[0]) as other:
        assert again is first
        assert other is not first
    with files.borrow(paths[2]):
        pass
    assert len(files) == 2
    assert second.closed
    assert not first.closed or not other.closed


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path, files = tmp_path / "a.wav", OpenFiles()
    for value in (0.25, 0.5):
        write_wav(path, np.full((2, 4 * RATE), value, np.float32), RATE)
        assert read(files, path, 10, 5)[0, 0] == pytest.approx(value, abs=1e-4)
    path.unlink()
    with raises(AudioError, code="audio-not-found"):
        read(files, path, 10, 5)
    assert len(files) == 0


def test_an_error_while_reading_closes_the_file(tmp_path: Path) -> None:
    path, files = tmp_path / "a.wav", OpenFiles()
    write_wav(path, np.zeros((1, 100), np.float32), RATE)
    with pytest.raises(KeyError, match="damage"), files.borrow(path) as file:
        raise KeyError("damage")
    assert file.closed
    assert len(files) == 0


def test_a_forked_process_opens_files_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, files = tmp_path / "a.wav", OpenFiles()
    write_wav(path, np.zeros((1, 100), np.float32), RATE)
    with files.borrow(path) as inherited:
        pass
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with files.borrow(path) as own:
        assert own is not inherited


def test_threads_share_a_reader(toy: Catalog) -> None:
    reader, expected = CatalogReader(toy), CatalogReader(toy)
    wrong: list[tuple[int, float]] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            stem, start_s = int(rng.integers(4)), float(rng.integers(250)) / 50
            if not np.array_equal(reader.read(stem, start_s, 4000, 16000, 1), want[stem, start_s]):
                wrong.append((stem, start_s))

    want = {(s, k / 50): expected.read(s, k / 50, 4000, 16000, 1) for s in range(4) for k in range(250)}
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_reader_pickles_without_its_files(toy: Catalog) -> None:
    reader = CatalogReader(toy)
    before = reader.read(3, 1.0, 1000, 16000, 1)
    data = pickle.dumps(reader)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert len(again.files) == 0
    np.testing.assert_array_equal(again.read(3, 1.0, 1000, 16000, 1), before)


SPANS = [
    (3, 1.0, 1.0),
    (3, 1.5, 1.0),
    (5, 0.0, 2.0),
    (3, 2.0, 0.5),
    (5, 6.5, 1.0),
    (3, 2.6, 0.5),
    (3, -0.5, 0.7),
]


@pytest.mark.parametrize("sample_rate", [22050, 16000, 15999])
def test_shared_spans_are_decoded_once_and_sound_the_same(
    toy: Catalog, monkeypatch: pytest.MonkeyPatch, sample_rate: int
) -> None:
    reader, alone = CatalogReader(toy), CatalogReader(toy)
    shared = reader.sharing(SPANS)
    opened: list[Path] = []
    borrow = reader.files.borrow
    monkeypatch.setattr(
        reader.files, "borrow", lambda path, *more: opened.append(path) or borrow(path, *more)
    )
    for stem, start_s, length_s in SPANS:
        samples = round(length_s * sample_rate)
        found = shared.read(stem, start_s, samples, sample_rate, 1)
        np.testing.assert_array_equal(found, alone.read(stem, start_s, samples, sample_rate, 1))
    # Stem 3 from 1.0 to 3.1 s and before, in one go where the gap is small; stem 5 at two far places.
    assert opened.count(toy.audio_path(3)) == 2
    assert opened.count(toy.audio_path(5)) == 2
    out = np.empty((1, 500), np.float32)
    shared.read_into(out, 3, 4.0, sample_rate, 2.0)  # never announced
    np.testing.assert_array_equal(out, 2.0 * alone.read(3, 4.0, 500, sample_rate, 1))


def test_nothing_is_shared_where_nothing_overlaps(toy: Catalog) -> None:
    reader = CatalogReader(toy)
    assert reader.sharing([(3, 0.0, 1.0), (3, 4.0, 1.0), (4, 0.0, 1.0)]) is reader
    assert reader.sharing([]) is reader


def test_shared_spans_take_bounded_memory(toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = CatalogReader(toy)
    monkeypatch.setattr("mixlab.catalog.readers._SHARED_BYTES", 1000)
    assert reader.sharing([(3, 0.0, 1.0), (3, 0.5, 1.0)]) is reader


def make_flac_catalog(folder: Path, seconds: float = 6.0) -> tuple[Catalog, Path]:
    """A catalog of one FLAC file: noise that grows louder."""
    rng = np.random.default_rng(0)
    audio = rng.standard_normal(round(seconds * 22050)) * np.linspace(0.02, 0.2, round(seconds * 22050))
    (folder / "corpus" / "song").mkdir(parents=True)
    path = folder / "corpus" / "song" / "piano.flac"
    soundfile.write(path, audio, 22050)
    write_sidecar(folder / "corpus", [{"file": "song/piano.flac", "song": "song", "label": "piano"}])
    build_catalog(folder / "catalog", {"folder": folder / "corpus"}, workers=1, progress=False)
    return Catalog.open(folder / "catalog"), path


def test_damage_in_one_span_costs_no_other(tmp_path: Path) -> None:
    catalog, path = make_flac_catalog(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 :] = bytes(len(data) - len(data) * 3 // 4)
    path.write_bytes(bytes(data))
    reader = CatalogReader(catalog)
    spans = [(0, 1.0, 1.5), (0, 2.0, 3.5)]
    shared = reader.sharing(spans)
    assert shared is not reader
    found = shared.read(0, 1.0, 24000, 16000, 1)
    np.testing.assert_array_equal(found, reader.read(0, 1.0, 24000, 16000, 1))
    for either in (shared, reader):
        with raises(AudioError, code="damaged-audio"):
            either.read(0, 2.0, 56000, 16000, 1)


@pytest.mark.parametrize("kept", [0, 0.3, 0.7, 0.999])
def test_a_file_that_was_cut_after_indexing_is_an_error_and_no_silence(tmp_path: Path, kept: float) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "piano", "audio": steady(440.0, 6.0)}])
    path = catalog.audio_path(0)
    data = path.read_bytes()
    path.write_bytes(data[: round(kept * len(data))])
    mentions = (path, f"{len(data)} bytes", round(kept * len(data)))
    with raises(AudioError, code="audio-changed", mentions=mentions):
        CatalogReader(catalog).read(0, 0.0, 1600, 16000, 1)


def test_a_file_that_is_cut_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "piano", "audio": steady(440.0, 6.0)}])
    reader = CatalogReader(catalog)
    reader.read(0, 0.0, 1600, 16000, 1)
    path = catalog.audio_path(0)
    path.write_bytes(path.read_bytes()[:50_000])
    with raises(AudioError, code="audio-changed"):
        reader.read(0, 4.0, 1600, 16000, 1)


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_was_edited_at_equal_length_is_an_error_where_it_differs(
    tmp_path: Path, shared: bool
) -> None:
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal(6 * 22050)
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "piano", "audio": audio}])
    path, size = catalog.audio_path(0), catalog.audio_path(0).stat().st_size
    audio[3 * 22050 : 4 * 22050] *= 0.5
    write_wav(path, audio[None].astype(np.float32), 22050, subtype="PCM_24")
    assert path.stat().st_size == size
    reader = CatalogReader(catalog)
    either = reader.sharing([(0, 0.5, 1.0), (0, 1.0, 1.0)]) if shared else reader
    for start_s in (0.5, 1.0):  # as measured
        either.read(0, start_s, 16000, 16000, 1)
    with raises(AudioError, code="audio-changed", mentions="3"):
        either.read(0, 3.25, 16000, 16000, 1)


@pytest.mark.parametrize("rate", [22050, 11025, 8000, 44100])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_copy_with_another_time_of_change_reads_as_the_file_did(
    tmp_path: Path, suffix: str, rate: int
) -> None:
    root = tmp_path / "corpus"
    (root / "song").mkdir(parents=True)
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((3 * rate, 2)) * np.geomspace(1e-4, 0.3, 3 * rate)[:, None]
    soundfile.write(root / "song" / f"piano.{suffix}", audio, rate)
    write_sidecar(root, [{"file": f"song/piano.{suffix}", "song": "song", "label": "piano"}])
    build_catalog(tmp_path / "catalog", {"folder": root}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    spans = [
        (float(start_s), int(samples)) for start_s, samples in rng.integers(0, 2000, (20, 2)) / (800, 0.1)
    ]
    before = [CatalogReader(catalog).read(0, start_s, samples, 16000, 1) for start_s, samples in spans]
    os.utime(catalog.audio_path(0), (1, 1))
    reader = CatalogReader(catalog)
    for (start_s, samples), expected in zip(spans, before, strict=True):
        np.testing.assert_array_equal(reader.read(0, start_s, samples, 16000, 1), expected)


ODD = """
flac-promises-less flac-to-a-pipe flac-tag-in-front wav-to-a-pipe-0 wav-GSM610 vorbis-joined vorbis-cut
opus-speech mp3-untagged mp3-joined-with-tags mp3-cut mp3-22050-1-CONSTANT-0.99 mp3-44100-2-VARIABLE-0.99
"""


@pytest.mark.parametrize("name", ODD.split())
def test_an_excerpt_is_the_cut_of_the_whole_in_every_kind_of_file(tmp_path: Path, name: str) -> None:
    root = tmp_path / "corpus"
    (root / "song").mkdir(parents=True)
    path = root / "song" / f"piano.{name.partition('-')[0].replace('vorbis', 'ogg')}"
    path.write_bytes(KINDS[name]())
    write_sidecar(root, [{"file": f"song/{path.name}", "song": "song", "label": "piano"}])
    build_catalog(tmp_path / "catalog", {"folder": root}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    samples = round(float(catalog.column("duration_s")[0]) * 16000) + 800
    whole = CatalogReader(catalog).read(0, -0.025, samples, 16000, 1)
    reader, rng = CatalogReader(catalog), np.random.default_rng(0)
    for first in rng.integers(0, samples - 4000, 30):
        found = reader.read(0, int(first) / 16000 - 0.025, 4000, 16000, 1)
        np.testing.assert_array_equal(found, whole[:, first : first + 4000])
    assert len(reader.files) == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "piano", "audio": steady(440.0, 6.0)}])
    catalog.audio_path(0).unlink()
    with raises(AudioError, code="audio-not-found"):
        CatalogReader(catalog).read(0, 0.0, 1600, 16000, 1)


def test_a_file_of_another_number_of_channels_is_an_error(tmp_path: Path) -> None:
    catalog = make_own_catalog(tmp_path, [{"song": "a", "label": "piano", "audio": steady(440.0, 6.0)}])
    path, size = catalog.audio_path(0), catalog.audio_path(0).stat().st_size
    write_wav(
        path, steady(440.0, 3.0).reshape(1, -1).repeat(2, 0).astype(np.float32), 22050, subtype="PCM_24"
    )
    assert path.stat().st_size == size
    reader = CatalogReader(catalog)
    reader.read(0, 0.0, 16000, 16000, 1)
    with raises(AudioError, code="audio-changed", mentions=("132300", "66150")):
        reader.read(0, 2.5, 16000, 16000, 1)


PROGRAMS = {
    "a reader with open files": """
        reader = CatalogReader(catalog)
        for stem in range(4):
            reader.read(stem, 0.5, 4000, 16000, 1)
        assert len(reader.files) == 4
    """,
    "a reader that another module keeps": """
        sys.modules["threading"].kept = reader = CatalogReader(catalog)
        for stem in range(4):
            reader.read(stem, 0.5, 4000, 16000, 1)
    """,
    "part of an epoch": """
        stream = iter(MixDataset(catalog, config, batch_size=2, epoch_size=8))
        for _ in range(3):
            next(stream)
    """,
    "workers": """
        loader = DataLoader(
            MixDataset(catalog, config, batch_size=2, epoch_size=8),
            batch_size=2,
            num_workers=2,
            multiprocessing_context=METHOD,
        )
        stream = iter(loader)
        next(stream)
        del stream  # in order: torch itself is heard of workers that are killed
    """,
    "workers of a loader": """
        multiprocessing.set_start_method(METHOD)
        loader = MixLoader(MixDataset(catalog, config, batch_size=2, epoch_size=8), num_workers=2)
        stream = iter(loader)
        next(stream)
        del stream  # in order: torch itself is heard of workers that are killed
    """,
}


@pytest.mark.parametrize(
    ("name", "method"),
    [*((name, "fork") for name in PROGRAMS), ("workers", "spawn")],
)
def test_a_program_ends_without_a_word_however_many_files_are_open(
    toy: Catalog, tmp_path: Path, name: str, method: str
) -> None:
    program = tmp_path / "program.py"
    body = textwrap.indent(textwrap.dedent(PROGRAMS[name]), "    ")
    program.write_text(
        "import multiprocessing, sys\n"
        "from torch.utils.data import DataLoader\n"
        "from mixlab import Catalog, MixConfig\n"
        "from mixlab.mixing.dataset import MixDataset\n"
        "from mixlab.mixing.loader import MixLoader\n"
        "from mixlab.catalog.readers import CatalogReader\n"
        f"METHOD = {method!r}\n"
        "if __name__ == '__main__':\n"
        f"    catalog = Catalog.open({str(toy.path)!r})\n"
        "    config = MixConfig(duration_s=1.0, sample_rate=16000)\n" + body
    )
    # On a machine that is busy, torch ends a spawned worker in the middle of its own ending, which Python's
    # tracker of semaphores then remarks; that says nothing of files.
    options = ["-W", "default", "-W", "ignore:resource_tracker"]
    run = subprocess.run(
        [sys.executable, *options, str(program)], capture_output=True, text=True, timeout=300
    )
    assert run.stderr == ""
    assert run.returncode == 0
