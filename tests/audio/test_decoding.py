"""Decoding: a span is the cut of the whole, in every format; lengths are those that decode."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.decoding import AudioFile, describe_kind, open_source
from tests.encoded import (
    KINDS,
    RATE,
    encode,
    flac_with_total,
    id3,
    mp3,
    mp3_frames,
    sound,
    wav_with_size,
    without_tag,
)


def read(file: AudioFile, first: int, frames: int) -> np.ndarray:
    out = np.full((frames, file.channels), np.nan, dtype=np.float32)
    found = file.read_at(first, out)
    assert np.isnan(out[found:]).all()
    return out[:found]


def blocks(file: AudioFile, frames: int) -> Iterator[np.ndarray]:
    at = 0
    while len(block := read(file, at, frames)):
        yield block
        at += len(block)


def whole(data: bytes, frames: int = 5000) -> np.ndarray:
    with open_source(data, "file") as file:
        return np.concatenate(list(blocks(file, frames)))


class Straight(soundfile.SoundFile):
    def seekable(self) -> bool:
        return False  # else soundfile seeks before it reads


def reference(data: bytes) -> np.ndarray:
    """What libsndfile decodes in one go."""
    with Straight(io.BytesIO(data)) as file:
        return file.read(1 << 20, dtype="float32", always_2d=True)


@pytest.fixture(scope="module", params=list(KINDS))
def file(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, KINDS[request.param]()


def test_any_span_is_the_cut_of_the_whole(file: tuple[str, bytes], tmp_path: Path) -> None:
    name, data = file
    path = tmp_path / name
    path.write_bytes(data)
    expected = whole(data)
    rng = np.random.default_rng(1)
    total = len(expected)
    assert total > RATE
    spans = [(0, 10), (0, total), (total - 7, 7), (total - 7, 30), (total, 5), (total + 900, 3), (1, 2000)]
    spans += [(int(first), int(rng.integers(1, 9000))) for first in rng.integers(0, total, 25)]
    spans += [(int(first), int(rng.integers(1, 9000))) for first in total - rng.integers(1, 9000, 10)]
    with open_source(path, name) as kept:
        for first, frames in spans:
            cut = expected[first : first + frames]
            np.testing.assert_array_equal(read(kept, first, frames), cut)
            with open_source(path, name, thorough=False) as anew:
                if anew.knows_frames and anew.frames < total:
                    continue  # see ``test_a_flac_file_is_read_beyond_what_its_header_promises``
                np.testing.assert_array_equal(read(anew, first, frames), cut)
        assert kept.frames == total


def test_the_size_of_blocks_does_not_matter(file: tuple[str, bytes]) -> None:
    expected = whole(file[1])
    for frames in (777, 1 << 17, len(expected) + 10):
        np.testing.assert_array_equal(whole(file[1], frames), expected)


ORDINARY = [
    name
    for name in KINDS
    if not any(word in name for word in ("joined", "pipe", "less", "tag", "cut", "without"))
]


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_files_decode_as_libsndfile_does_in_one_go(name: str) -> None:
    data = KINDS[name]()
    np.testing.assert_array_equal(whole(data), reference(data))


@pytest.mark.parametrize(
    "name", ["flac-to-a-pipe", "flac-promises-less", "flac-tag-in-front", "flac-tag-behind"]
)
def test_a_flac_file_is_read_beyond_what_its_header_promises(name: str) -> None:
    np.testing.assert_array_equal(whole(KINDS[name]()), reference(encode(sound(), "FLAC", "PCM_16")))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x7FFFFFFF, 0x80000024, 0xFFFFFF00, 0xFFFFFFFF])
def test_a_wav_file_written_to_a_pipe_is_read_to_its_end(size: int) -> None:
    data = encode(sound(), "WAV", "PCM_16")
    with open_source(wav_with_size(data, size), "file") as file:
        assert (file.promised, file.remarks) == (None, ())
        np.testing.assert_array_equal(np.concatenate(list(blocks(file, 4000))), reference(data))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [44100, 32000, 22050, 8000])
@pytest.mark.parametrize("level", [0.2, 0.99])
def test_an_mp3_without_its_tag_holds_all_frames(rate: int, channels: int, level: float) -> None:
    """The tag also says how much of the start to leave out: 1105 samples, which are then heard."""
    data = mp3(sound(channels=channels, rate=rate), rate, "VARIABLE", level)
    bare, tagged = whole(without_tag(data)), whole(data)
    assert len(bare) == (len(mp3_frames(data)) - 1) * (1152 if rate >= 32000 else 576)
    np.testing.assert_array_equal(bare[1105 : 1105 + len(tagged)], tagged)


@pytest.mark.parametrize("level", [0.2, 0.99])
def test_joined_mp3_files_hold_the_sound_of_all(level: float) -> None:
    parts = [
        mp3(sound(seconds, seed=seed), RATE, "VARIABLE", level) for seed, seconds in enumerate((2, 3, 1.5))
    ]
    found = whole(b"".join(parts))
    lengths = [576 * (len(mp3_frames(part)) - 1) for part in parts]
    # The tags of the second and third are frames of silence here; only the first delay is left out.
    assert len(found) == sum(lengths) + 2 * 576 - 1105
    at = -1105
    for part, length in zip(parts, lengths, strict=True):
        own = whole(without_tag(part))[3000:]  # where it does not hear the part before it any more
        np.testing.assert_allclose(found[at + 3000 : at + length], own, atol=2e-7)
        at += length + 576


@pytest.mark.parametrize(
    "between", [b"", id3(), id3(9000), b"TAG" + bytes(125), bytes(5000), bytes(200_000), b"\xff\xfb" * 40]
)
def test_what_lies_between_the_frames_of_an_mp3_is_passed_over(between: bytes) -> None:
    frames = mp3_frames(without_tag(mp3(sound())))
    data = b"".join([between, *frames[:90], between, *frames[90:], between])
    if not between.startswith(b"ID3"):  # else libsndfile does not know the file
        data = data[len(between) :]
    np.testing.assert_array_equal(whole(data), whole(b"".join(frames)))


def test_an_mp3_that_changes_its_rate_is_read_up_to_there_and_says_so() -> None:
    first = mp3(sound())
    with open_source(first + mp3(sound(rate=44100), 44100), "file") as file:
        assert file.frames == len(whole(first))
        ((kind, text),) = file.remarks
    assert kind == "joined"
    assert f"From byte {len(first)} on its rate or number of channels is another" in text


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_joined_ogg_files_are_one_sound_after_another(subtype: str) -> None:
    parts = [
        encode(sound(seconds, 1, 48000, seed), "OGG", subtype, 48000)
        for seed, seconds in enumerate((2, 1, 3))
    ]
    with open_source(b"".join(parts), "file") as file:
        assert file.remarks == ()
        found = np.concatenate(list(blocks(file, 10_000)))
    np.testing.assert_array_equal(found, np.concatenate([reference(part) for part in parts]))


def test_joined_ogg_files_of_two_rates_say_so() -> None:
    first = encode(sound(), "OGG", "VORBIS")
    with open_source(first + encode(sound(rate=16000), "OGG", "VORBIS", 16000), "file") as file:
        assert file.frames == len(sound())
        assert [kind for kind, _ in file.remarks] == ["joined"]


def test_a_hole_in_a_vorbis_file_is_damage_and_no_shift() -> None:
    data = encode(sound(20, 1), "OGG", "VORBIS")
    at = data.index(b"OggS", len(data) // 2)
    end = data.index(b"OggS", at + 4)
    expected = reference(data)
    with open_source(data[:at] + data[end:], "file") as file:
        for first in range(0, len(expected) - 4000, 4000):
            try:
                found = read(file, first, 4000)
            except RuntimeError:
                continue
            np.testing.assert_array_equal(found, expected[first : first + 4000])
        assert file.frames == len(expected)


TAGGED = mp3(sound())


@pytest.mark.parametrize(
    ("data", "promised", "kinds"),
    [
        (encode(sound(), "WAV", "PCM_16"), None, []),
        (encode(sound(), "WAV", "PCM_16")[:100_000], len(sound()), []),
        (encode(sound(), "WAV", "PCM_24")[:100_001], len(sound()), []),
        (encode(sound(), "RF64", "PCM_16")[:100_000], len(sound()), []),
        (encode(sound(), "W64", "PCM_16")[:100_000], len(sound()), []),
        (encode(sound(), "AIFF", "PCM_16")[:100_000], len(sound()), []),
        (encode(sound(), "AU", "PCM_16")[:100_000], len(sound()), []),
        (wav_with_size(encode(sound(), "WAV", "PCM_16"), 100_000), None, ["header"]),
        (encode(sound(), "WAV", "PCM_16") + b"LIST\x04\0\0\0INFO", None, []),
        (encode(sound(), "WAV", "PCM_16") + bytes(300), None, []),
        (encode(sound(), "WAV", "PCM_16") + b"TAG" + bytes(range(125)), None, []),
        (encode(sound(22049 / RATE, 1), "WAV", "PCM_24")[: 44 + 3 * 22049] + b"LIST\x04\0\0\0INFO", None, []),
        (encode(sound(), "OGG", "VORBIS"), None, []),
        (encode(sound(), "OGG", "VORBIS")[:20_000], None, ["truncated"]),
        (encode(sound(3, 2, 48000), "OGG", "OPUS", 48000)[:-2000], None, ["truncated"]),
        (without_tag(mp3(sound())), None, []),
        (without_tag(mp3(sound()))[:-100], None, ["truncated"]),
        (mp3(sound(), mode="CONSTANT", level=0.99), None, []),
        (b"".join(mp3_frames(TAGGED)[:100]), (len(mp3_frames(TAGGED)) - 1) * 576 - 1105, []),
        (id3() + mp3(sound()) + b"TAG" + bytes(125), None, []),
    ],
)
def test_what_the_container_promises_is_compared(data: bytes, promised: int | None, kinds: list[str]) -> None:
    with open_source(data, "file") as file:
        assert (file.promised, [kind for kind, _ in file.remarks]) == (promised, kinds)


@pytest.mark.parametrize("frames", [20_000, 200_000])
def test_an_aiff_file_that_contradicts_itself_says_so(frames: int) -> None:
    data = bytearray(encode(sound(), "AIFF", "PCM_16"))
    at = data.index(b"COMM") + 10
    data[at : at + 4] = frames.to_bytes(4, "big")
    with open_source(bytes(data), "file") as file:
        ((kind, text),) = file.remarks
        assert file.frames == len(sound())
    assert kind == "header"
    assert text == f"Its header promises {frames} samples, and its audio is said to hold {len(sound())}."


@pytest.mark.parametrize("size", [3, 700, 3000])
def test_damage_in_an_mp3_is_noted_and_moves_nothing_before_it(size: int) -> None:
    data = mp3(sound(), level=0.2)
    frames = mp3_frames(data)
    at = len(b"".join(frames[:80]))
    broken = data[:at] + bytes([170]) * size + data[at + size :]
    with open_source(broken, "file") as file:
        ((kind, text),) = file.remarks
        assert kind == "damaged"
        assert "bytes within its audio are neither frames nor tags" in text
        np.testing.assert_array_equal(read(file, 0, 70 * 576), whole(data)[: 70 * 576])


def test_what_follows_a_long_hole_in_an_mp3_is_read() -> None:
    frames = mp3_frames(without_tag(mp3(sound())))
    hole = np.random.default_rng(0).bytes(200_000)
    with open_source(b"".join(frames[:90]) + hole + b"".join(frames[90:]), "file") as file:
        ((kind, _),) = file.remarks
        assert kind == "damaged"
        assert file.frames == len(frames) * 576


def test_a_lost_page_of_vorbis_costs_nothing_before_it() -> None:
    data = encode(sound(8, 1), "OGG", "VORBIS")
    at = data.index(b"OggS", len(data) // 2)
    lost = data[:at] + data[data.index(b"OggS", at + 4) :]
    out = np.zeros((8 * RATE, 1), np.float32)
    with open_source(lost, "file") as file:
        found = file.salvage(0, out)
    assert found > 2 * RATE
    np.testing.assert_array_equal(out[:found], reference(data)[:found])


def test_a_page_of_ogg_that_is_there_twice_counts_once() -> None:
    data = encode(sound(8, 1), "OGG", "VORBIS")
    at = data.index(b"OggS", len(data) // 2)
    twice = data[: data.index(b"OggS", at + 4)] + data[at:]
    np.testing.assert_array_equal(whole(twice), whole(data))
    with open_source(twice, "file") as file:
        np.testing.assert_array_equal(read(file, 60_000, 50_000), whole(data)[60_000:110_000])


def test_an_mp3_of_a_free_bitrate_is_as_long_as_it_decodes() -> None:
    frames = mp3_frames(without_tag(mp3(sound(), mode="CONSTANT")))
    data = b"".join(frame[:2] + bytes([frame[2] & 0x0F]) + frame[3:] for frame in frames)
    with open_source(data, "file") as file:
        assert (file.frames, file.promised) == (len(frames) * 576, None)
        assert len(whole(data)) == file.frames


def test_the_end_of_a_joined_ogg_file_that_is_cut_is_told_without_names_of_objects() -> None:
    first = encode(sound(2), "OGG", "VORBIS")
    with open_source(first + first[:2500], "file") as file:
        texts = dict(file.remarks)
    assert f"What follows from byte {len(first)} on cannot be read" in texts["joined"]
    assert "object at" not in texts["joined"]


def test_damage_in_a_flac_file_costs_no_other_span() -> None:
    data = encode(sound(10), "FLAC", "PCM_16")
    expected = reference(data)
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 9000] = bytes(9000)
    for total in (len(expected), 0):
        with open_source(flac_with_total(bytes(broken), total), "file") as file:
            np.testing.assert_array_equal(read(file, 2000, 9000), expected[2000:11000])
            with pytest.raises(RuntimeError, match=r"lost sync|psf_fseek|decoder"):
                read(file, 0, len(expected))
            np.testing.assert_array_equal(read(file, 4000, 900), expected[4000:4900])


def test_a_file_that_is_cut_while_it_is_open_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file.mp3"
    path.write_bytes(mp3(sound()))
    with open_source(path, "file") as file:
        read(file, 100, 100)
        os.truncate(path, 3000)
        with pytest.raises(RuntimeError, match="the file has become shorter"):
            read(file, 60_000, 100)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a.m4a", "ffmpeg -i a.m4a a.flac"),
        ("my song.m4a", "ffmpeg -i 'my song.m4a' 'my song.flac'"),
        ("a.flac", "ffmpeg -i a.flac a.wav"),
        ("a", "ffmpeg -i a a.flac"),
    ],
)
def test_what_no_audio_is_has_a_name_and_a_way_out(name: str, command: str) -> None:
    found = describe_kind(b"\0\0\0\x20ftypM4A \0\0\0\0", name)
    assert found == ("an MP4, M4A or MOV file", f"Convert it first, as with: {command}")


@pytest.mark.parametrize("name", list(KINDS))
def test_audio_is_no_other_kind(name: str) -> None:
    assert describe_kind(KINDS[name]()[:64], name) is None
