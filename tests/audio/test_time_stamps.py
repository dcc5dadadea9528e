"""Time stamps in files are read wherever they stand, and stems start by them relative to their song."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.loudness import measure
from mixlab.audio.time_stamps import NO_STAMP, Stamp, offsets_by_stamp, read_time_reference
from tests.stamped_files import bext, write_stamped, write_stamped_flac
from tests.stem_files import tone

RATE = 8000
HOUR = 3600 * 48000
STAMPS = [0, 1, 8 * 44100, HOUR, 1 << 32, (1 << 40) + 7]


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("magic", [b"RIFF", b"RIFX", b"RF64", b"BW64"])
@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("extensible", [False, True])
def test_the_stamp_is_found(tmp_path: Path, stamp: int, magic: bytes, behind: bool, extensible: bool) -> None:
    path = write_stamped(
        tmp_path / "a.wav",
        tone(0.1),
        RATE,
        stamp,
        magic=magic,
        behind=behind,
        extensible=extensible,
        odd_chunk=magic != b"RF64",  # libsndfile would not read on
    )
    assert read_time_reference(path) == stamp
    if magic in (b"RIFF", b"RF64"):
        assert soundfile.info(path).frames == 800  # the writer writes what others read


@pytest.mark.parametrize("stamp", STAMPS)
def test_flac_keeps_the_stamp_as_foreign_metadata(tmp_path: Path, stamp: int) -> None:
    path = write_stamped_flac(tmp_path / "a.flac", tone(0.1), RATE, stamp)
    assert soundfile.info(path).frames == 800
    assert read_time_reference(path) == stamp
    assert measure(path).time_reference == stamp


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_files_without_a_stamp_have_none(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, tone(0.5).T, RATE)
    assert read_time_reference(tmp_path / name) == NO_STAMP
    assert measure(tmp_path / name).time_reference == NO_STAMP


def test_damaged_files_have_none_and_end(tmp_path: Path) -> None:
    whole = write_stamped(tmp_path / "a.wav", tone(0.1), RATE, HOUR, behind=True).read_bytes()
    for end in range(0, len(whole), 7):
        (tmp_path / "cut.wav").write_bytes(whole[:end])
        # 346 bytes of the chunk are enough for the stamp; before that there is none
        complete = end >= len(whole) - len(bext(0)) + 346
        assert read_time_reference(tmp_path / "cut.wav") == (HOUR if complete else NO_STAMP)
    assert read_time_reference(tmp_path / "none.wav") == NO_STAMP
    (tmp_path / "zeros.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + b"\0" * 200_000)
    assert read_time_reference(tmp_path / "zeros.wav") == NO_STAMP


@given(data=st.binary(max_size=400), magic=st.sampled_from([b"RIFF", b"RIFX", b"RF64", b"fLaC", b""]))
def test_whatever_a_file_holds_reading_its_stamp_ends(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, magic: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.wav"
    path.write_bytes(magic + data)
    assert read_time_reference(path) >= NO_STAMP


def test_an_absurd_stamp_fits_into_the_catalog(tmp_path: Path) -> None:
    path = write_stamped(tmp_path / "a.wav", tone(0.1), RATE, (1 << 64) - 1)
    assert read_time_reference(path) == np.iinfo(np.int64).max


def stamps(*starts: int | None, rate: int = RATE, seconds: float = 20.0) -> list[Stamp]:
    return [
        Stamp(f"s{i}", NO_STAMP if start is None else start, rate, round(seconds * rate))
        for i, start in enumerate(starts)
    ]


@given(
    first=st.integers(0, 1 << 41),
    late=st.lists(st.integers(0, 20 * RATE), min_size=1, max_size=6),
)
def test_stems_start_as_late_as_their_stamps_say(first: int, late: list[int]) -> None:
    found, doubt = offsets_by_stamp(stamps(first, *(first + samples for samples in late)))
    assert found == [0.0, *(samples / RATE for samples in late)]
    assert doubt == ""


@pytest.mark.parametrize("start", [None, 0, HOUR])
def test_equal_stamps_and_none_at_all_move_nothing(start: int | None) -> None:
    assert offsets_by_stamp(stamps(start, start, start)) == ([0.0, 0.0, 0.0], "")
    assert offsets_by_stamp([]) == ([], "")


def test_a_stem_without_a_stamp_among_equal_ones_is_no_doubt() -> None:
    assert offsets_by_stamp(stamps(HOUR, None, HOUR)) == ([0.0, 0.0, 0.0], "")


def test_a_stem_without_a_stamp_among_others_that_differ_is_named() -> None:
    found, doubt = offsets_by_stamp(stamps(HOUR, None, HOUR + 8 * RATE))
    assert found == [0.0, 0.0, 8.0]
    assert "but s1 has none and is taken to start with the earliest" in doubt


def test_stamps_further_apart_than_the_longest_file_move_nothing() -> None:
    found, doubt = offsets_by_stamp(stamps(0, HOUR, HOUR + RATE))
    assert found == [0.0, 0.0, 0.0]
    assert "more than the longest file lasts (20.0 s), so they are not used" in doubt


def test_each_stamp_counts_at_the_rate_of_its_file() -> None:
    one, other = stamps(3600 * 44100, rate=44100), stamps(3608 * 48000, rate=48000)
    found, doubt = offsets_by_stamp([*one, *other])
    assert found == [0.0, 8.0]
    assert "44100 and 48000 Hz" in doubt
    # Equal times at two rates are equal times.
    assert offsets_by_stamp([*one, *stamps(3600 * 48000, rate=48000)]) == ([0.0, 0.0], "")
