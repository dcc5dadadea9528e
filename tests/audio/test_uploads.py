"""Uploads: what libsndfile reads is decoded in memory, everything else is refused in words that help."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.uploads import MAX_S, decode_upload
from mixlab.errors import AudioError
from tests.encoded import KINDS
from tests.errors import raises

RATE = 16000


def encode(audio: np.ndarray, rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def tone(seconds: float, rate: int = RATE, channels: int = 1, level: float = 0.5) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[None], channels, axis=0).astype(np.float32)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("song.wav", b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "rate", "channels"),
    [
        ("WAV", 16000, 1),
        ("WAV", 44100, 2),
        ("FLAC", 48000, 6),
        ("OGG", 44100, 1),
        ("MP3", 32000, 2),
        ("AIFF", 11025, 1),
    ],
)
def test_every_format_becomes_mono_at_the_rate_of_the_model(kind: str, rate: int, channels: int) -> None:
    found = decode_upload(encode(tone(3.0, rate, channels), rate, kind), "x", sample_rate=RATE)
    assert found.duration_s == pytest.approx(3.0, abs=0.1)
    assert found.audio.shape == (1, pytest.approx(3 * RATE, abs=0.1 * RATE))
    assert (found.sample_rate, found.source_rate, found.channels) == (RATE, rate, channels)
    assert found.format.startswith(kind)
    # The tone is still there, at its level and its frequency.
    middle = found.audio[0, RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(middle)) / (RATE / 2)
    assert int(spectrum.argmax()) == 440
    assert spectrum[440] == pytest.approx(0.5, rel=0.05)
    assert found.loudest_db == pytest.approx(-9.0, abs=0.6)


def test_channels_are_averaged() -> None:
    audio = np.concatenate([tone(1.0, level=0.4), tone(1.0, level=0.2)])
    np.testing.assert_allclose(
        decode_upload(encode(audio, subtype="FLOAT"), "x", sample_rate=RATE).audio,
        tone(1.0, level=0.3),
        atol=1e-6,
    )


def test_the_same_bytes_have_the_same_key() -> None:
    first, second = encode(tone(1.0)), encode(tone(1.0, level=0.4))
    keys = [decode_upload(data, "x", sample_rate=RATE).key for data in (first, first, second)]
    assert keys[0] == keys[1] != keys[2]


def test_broken_samples_read_as_silence() -> None:
    audio = tone(1.0)
    audio[0, 100:103] = [np.nan, np.inf, -np.inf]
    found = decode_upload(encode(audio, subtype="FLOAT"), "x", sample_rate=RATE)
    assert not found.audio[0, 100:103].any()


@pytest.mark.parametrize(
    ("data", "code", "mentions"),
    [
        (b"", "empty-audio", "0"),
        (b"Dear Sir or Madam, " * 30, "unreadable-audio", ()),
        ("Grüße ".encode() * 900, "unreadable-audio", ()),
        (b"\0\1\2\3\xfe" * 99, "unreadable-audio", "495"),
        (b"%PDF-1.7\n...", "unreadable-audio", ("PDF", "WAV")),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "unreadable-audio", "PNG"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "unreadable-audio", "JPEG"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), "unreadable-audio", ("MP4", "M4A", "MOV", "ffmpeg")),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "unreadable-audio", ("WebM", "Matroska", "ffmpeg")),
        (b"MThd\0\0\0\6\0\0\0\1\0\x60", "unreadable-audio", "MIDI"),
        (zipped(), "unreadable-audio", "ZIP"),
        (encode(tone(1.0))[:30], "unreadable-audio", "30"),
        (encode(tone(1.0), kind="FLAC")[:20], "unreadable-audio", ()),
        (encode(tone(0.0)), "audio-too-short", "0.000"),
        (encode(tone(0.05)), "audio-too-short", "0.050"),
        (encode(np.zeros((2, RATE))), "silent-audio", ()),
        (encode(tone(1.0, level=1e-4), subtype="FLOAT"), "silent-audio", "-83"),
    ],
)
def test_what_cannot_be_tagged_is_refused_in_words(data: bytes, code: str, mentions: object) -> None:
    with raises(AudioError, code=code, mentions=mentions):
        decode_upload(data, "x", sample_rate=RATE)


def test_large_and_long_files_are_refused_before_they_are_decoded() -> None:
    with raises(AudioError, code="file-too-large", mentions=("2", "1", "mixlab tag FILE --run RUN")):
        decode_upload(bytes(2 * 2**20), "x", sample_rate=RATE, max_bytes=2**20)
    long = encode(np.zeros((1, round((MAX_S + 30) * 4000))), rate=4000, subtype="PCM_U8")
    with raises(AudioError, code="audio-too-long", mentions=("10.5", "10")):
        decode_upload(long, "x", sample_rate=RATE)


def test_a_file_that_is_cut_off_is_damaged_not_short(rng: np.random.Generator) -> None:
    noise = rng.uniform(-0.5, 0.5, (1, 10 * RATE))
    cut = encode(noise, kind="FLAC")
    with raises(AudioError, code="damaged-audio", mentions="10.0"):
        decode_upload(cut[: len(cut) // 3], "x", sample_rate=RATE)


def test_a_file_with_a_damaged_middle_is_said_to_be_damaged(rng: np.random.Generator) -> None:
    whole = bytearray(encode(rng.uniform(-0.5, 0.5, (1, 30 * RATE)), kind="FLAC"))
    whole[len(whole) // 2 : len(whole) // 2 + 60_000] = bytes(60_000)
    with raises(AudioError, code="damaged-audio", mentions="30.0"):
        decode_upload(bytes(whole), "x", sample_rate=RATE)


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    decode_upload(encode(tone(1.0), kind="MP3"), "x.mp3", sample_rate=RATE)
    assert list(tmp_path.iterdir()) == []


def test_channels_that_cancel_each_other_are_called_so() -> None:
    with raises(AudioError, code="channels-cancel"):
        decode_upload(encode(np.concatenate([tone(1.0), -tone(1.0)])), "a.wav", sample_rate=RATE)


@pytest.mark.parametrize("kind", ["flac-to-a-pipe", "flac-promises-less", "wav-to-a-pipe-0", "mp3-untagged"])
def test_files_whose_header_does_not_know_their_length_are_decoded_to_their_end(kind: str) -> None:
    upload = decode_upload(KINDS[kind](), "a", sample_rate=RATE)
    assert upload.duration_s == pytest.approx(4.0, abs=0.06)  # an untagged MP3 has its encoder's delay
    assert upload.notes == ()


def test_joined_files_are_decoded_to_their_end() -> None:
    for kind, duration_s in (("mp3-joined", 6.0), ("vorbis-joined", 6.0), ("opus-joined", 4.0)):
        found = decode_upload(KINDS[kind](), "a", sample_rate=RATE).duration_s
        assert found == pytest.approx(duration_s, abs=0.2)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (KINDS["vorbis-cut"](), "it has no last page: it was cut off, or is a recorded broadcast"),
        (KINDS["mp3-cut"](), "its last frame is cut off"),
    ],
)
def test_what_is_missing_at_the_end_is_noted(data: bytes, note: str) -> None:
    (found,) = decode_upload(data, "a", sample_rate=RATE).notes
    assert found.startswith(note)


def _garbled() -> bytes:
    """An MP3 whose middle was written over, as a bad copy leaves it."""
    data = bytearray(KINDS["mp3-untagged"]())
    data[len(data) // 8 : -len(data) // 8] = np.random.default_rng(0).bytes(len(data))[
        len(data) // 8 : -len(data) // 8
    ]
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (encode(tone(5.0))[: 44 + 2 * RATE], "its header announces 5.0 s, and only 1.0 s are there"),
        (_garbled(), "damaged"),
    ],
)
def test_what_has_lost_a_part_is_refused(data: bytes, why: str) -> None:
    with raises(AudioError, code="damaged-audio", mentions=why):
        decode_upload(data, "a", sample_rate=RATE)


def test_channels_that_cancel_for_a_while_are_noted() -> None:
    left = tone(3.0)[0]
    right = np.where(np.arange(len(left)) < RATE, -left, left)
    (note,) = decode_upload(encode(np.stack([left, right])), "a.wav", sample_rate=RATE).notes
    assert "cancel each other in mono for 1.0 s, in which they reach -9 dBFS" in note
    assert decode_upload(encode(np.stack([left, left])), "a.wav", sample_rate=RATE).notes == ()


@pytest.mark.parametrize("offset", [0.02, -0.5])
def test_an_offset_is_no_sound(offset: float) -> None:
    lifted = np.full((2, RATE), offset)
    with raises(AudioError, code="silent-audio"):
        decode_upload(encode(lifted, subtype="FLOAT"), "x", sample_rate=RATE)
    hum = lifted + 1e-4 * np.random.default_rng(0).standard_normal(lifted.shape)
    with raises(AudioError, code="silent-audio"):
        decode_upload(encode(hum, subtype="FLOAT"), "x", sample_rate=RATE)
    found = decode_upload(
        encode(0.1 * tone(1.0) + np.float32(offset), subtype="FLOAT"), "x", sample_rate=RATE
    )
    assert found.loudest_db == pytest.approx(-29.0, abs=0.6)


@pytest.mark.parametrize("value", [50.0, 1e6, 1e20, 3e38])
def test_samples_of_no_sound_are_refused(value: float) -> None:
    audio = tone(1.0, channels=2)
    audio[1, 500] = value
    with raises(AudioError, code="implausible-peak", mentions="30"):
        decode_upload(encode(audio, subtype="FLOAT"), "x", sample_rate=RATE)


@pytest.mark.parametrize(
    ("rate", "channels", "mentions"),
    [
        (1, 1, ("4000", "768000", "1")),
        (200_000_000, 2, "200000000"),
        (16000, 100, ("1", "64", "100")),
    ],
)
def test_headers_of_no_sound_are_refused(rate: int, channels: int, mentions: object) -> None:
    with raises(AudioError, code="implausible-header", mentions=mentions):
        decode_upload(encode(np.zeros((channels, 2000)), rate, subtype="FLOAT"), "x", sample_rate=RATE)
