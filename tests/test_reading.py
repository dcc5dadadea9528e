"""Reading from files: open files are used again, shared spans decoded once, and no sample ever differs."""

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio import read_span, write_wav
from mixlab.catalog import Catalog
from mixlab.errors import AudioError
from mixlab.reading import CatalogReader, OpenFiles
from mixlab.resampling import resample_file
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
    lossless = suffix in ("wav", "flac")
    whole = np.pad(soundfile.read(path, dtype="float32")[0].T, ((0, 0), (20, 50)))
    spans = [(int(start), int(frames)) for start, frames in rng.integers(1, RATE, (8, 2)) * [3, 1]]
    for start, frames in [*spans, (0, 100), (4 * RATE - 50, 100), (-20, 100), *spans]:
        found = read(files, path, start, frames)
        np.testing.assert_array_equal(found, read_span(path, start, frames, end=4 * RATE))
        if lossless:  # libvorbis seeks some hundred samples too far within the last second
            np.testing.assert_array_equal(found, whole[:, 20 + start : 20 + start + frames])
    assert len(files) == (1 if lossless else 0)


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
    with pytest.raises(AudioError, match="found no file"):
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
    monkeypatch.setattr(reader.files, "borrow", lambda path: opened.append(path) or borrow(path))
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
    monkeypatch.setattr("mixlab.reading._SHARED_BYTES", 1000)
    assert reader.sharing([(3, 0.0, 1.0), (3, 0.5, 1.0)]) is reader


def test_damage_in_one_span_costs_no_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [
        {"song": "a", "label": "piano", "audio": steady(440.0, 6.0) + 0.1 * rng.standard_normal(6 * 22050)}
    ]
    catalog = make_own_catalog(tmp_path, noise)
    path = catalog.audio_path(0)
    audio = read_span(path, 0, 6 * 22050)
    with path.open("wb") as file:
        soundfile.write(file, audio.T, 22050, format="FLAC", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(bytes(data))
    reader = CatalogReader(catalog)
    spans = [(0, 1.0, 1.5), (0, 2.0, 3.0)]
    shared = reader.sharing(spans)
    assert shared is not reader
    found = shared.read(0, 1.0, 24000, 16000, 1)
    np.testing.assert_array_equal(found, reader.read(0, 1.0, 24000, 16000, 1))
    for either in (shared, reader):
        with pytest.raises(AudioError, match="found damaged data"):
            either.read(0, 2.0, 48000, 16000, 1)
