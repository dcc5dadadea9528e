"""Damaged audio and metadata: each file is a stem or a listed problem, whatever its bytes and its name."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.decoding.opening import longest_frames
from mixlab.audio.loudness import measure
from mixlab.audio.uploads import MAX_S, decode_upload
from mixlab.catalog.build import BuildReport, build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.corpora import CORPORA, get_adapter
from mixlab.corpora.base import ScanOptions
from tests.corpora.trees import TREES
from tests.encoded import encode, sound
from tests.fuzz.laws import Law, damaged, watched

KINDS = (
    *(("wav", "WAV", subtype) for subtype in ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE", "MS_ADPCM")),
    *(("wav", "RF64", "PCM_16"), ("aiff", "AIFF", "PCM_16"), ("w64", "W64", "PCM_32")),
    *(("flac", "FLAC", "PCM_16"), ("flac", "FLAC", "PCM_24"), ("ogg", "OGG", "VORBIS")),
    *(("opus", "OGG", "OPUS"), ("mp3", "MP3", "MPEG_LAYER_III"), ("caf", "CAF", "ALAC_16")),
)
RATES = (8000, 11025, 16000, 44100, 48000, 96000, 192000)


def whole_files(rng: random.Random) -> dict[tuple[str, str, str], bytes]:
    """Encode a little sound in every kind, at some rate and number of channels that it knows."""
    found = {}
    for suffix, format, subtype in KINDS:
        channels = 1 if subtype == "MPEG_LAYER_III" else rng.choice((1, 2)) if suffix == "mp3" else 2
        channels = rng.choice((1, 2, 6, 8)) if format == "WAV" and subtype.startswith("PCM") else channels
        rate = {"OPUS": 48000, "MPEG_LAYER_III": 22050, "MS_ADPCM": 22050}.get(subtype) or rng.choice(RATES)
        audio = sound(min(0.4, 20_000 / rate), channels, rate=rate)
        if subtype in ("FLOAT", "DOUBLE"):
            audio[::97] = rng.choice((np.nan, np.inf, -np.inf, 1e30))
        found[suffix, format, subtype] = encode(audio, format, subtype, rate)
    return found


# soundfile says so where libsndfile seeks beyond the bytes of an upload; it is an error all the same.
@pytest.mark.filterwarnings("ignore:Exception ignored from cffi:pytest.PytestUnraisableExceptionWarning")
def test_uploads_are_tagged_or_refused(law: Law, scale: int, tmp_path: Path) -> None:
    rng = random.Random(18)
    files = list(whole_files(rng).values())
    with watched(tmp_path):
        for number in range(40 * scale):
            data, said = damaged(rng.choice(files), rng)
            name = rng.choice(("a.wav", "../../etc/passwd", "=cmd|x", "a\nb.mp3", "x" * 255, "\0.wav"))
            upload = law.holds(
                lambda data=data, name=name: decode_upload(data, name, sample_rate=16000, max_s=10.0),
                f"upload {number}: {said}",
                names=name,
            )
            if upload is not None:
                assert np.isfinite(upload.audio).all()
                assert 0.1 <= upload.duration_s <= MAX_S
    assert law.refused < law.cases


def crc(data: bytes, polynomial: int, bits: int) -> int:
    """The checksums of FLAC: CRC-8 with 0x07, CRC-16 with 0x8005."""
    value, top = 0, 1 << (bits - 1)
    for byte in data:
        value ^= byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & top else value << 1) & ((1 << bits) - 1)
    return value


def flac_of_silence(blocks: int, rate: int) -> bytes:
    """A FLAC file of mono blocks of 65,535 samples, each of them a constant: 13 to 15 bytes."""
    info = (65535).to_bytes(2, "big") * 2 + bytes(6)
    info += ((rate << 44) | (15 << 36)).to_bytes(8, "big") + bytes(16)
    out = [b"fLaC\x80\0\0\x22" + info]
    for number in range(blocks):
        coded = chr(number).encode() if number < 0xD800 else chr(number + 0x800).encode()
        head = b"\xff\xf8\x70\x08" + coded + (65534).to_bytes(2, "big")
        head += bytes([crc(head, 0x07, 8)])
        frame = head + b"\0" + (3).to_bytes(2, "big")
        out.append(frame + crc(frame, 0x8005, 16).to_bytes(2, "big"))
    return b"".join(out)


def test_a_file_that_decodes_without_an_end_is_left(tmp_path: Path) -> None:
    """4 kB that decode to more than an hour are read for 17 minutes, then listed; a minute of it is read."""
    bomb, short = tmp_path / "bomb.flac", tmp_path / "short.flac"
    bomb.write_bytes(flac_of_silence(1100 // 4, 4000))
    assert bomb.stat().st_size < 5000
    assert soundfile.info(bomb).samplerate == 4000
    found = measure(bomb)
    assert [kind for kind, _ in found.problems] == ["unsupported"]
    assert str(bomb) in found.problems[0][1]
    assert len(found.envelope) == 0
    short.write_bytes(flac_of_silence(3, 4000))
    assert measure(short).frames == 3 * 65535


def test_how_much_of_a_file_is_read() -> None:
    hour, day = 3600 * 44100, 86_400 * 44100
    assert longest_frames(10, 44100) == hour // 6
    assert longest_frames(4 * 7200, 44100) == 2 * hour
    assert longest_frames(10**12, 44100) == day
    # An hour of digital silence in FLAC's usual blocks, the smallest honest file there is.
    silence = io.BytesIO()
    soundfile.write(silence, np.zeros(60 * 44100, np.int16), 44100, format="FLAC")
    assert len(silence.getvalue()) / 60 > 4


def test_an_index_of_damaged_files_is_small_and_soon_done(law: Law, scale: int, tmp_path: Path) -> None:
    """What is kept of a file is bounded by what decodes, and that by the file's size."""
    rng, root = random.Random(26), tmp_path / "root"
    files = [(suffix, data) for (suffix, _, _), data in whole_files(rng).items()]
    for number in range(20 * scale):
        suffix, data = rng.choice(files)
        place = root / f"song{number % 7}" / f"{number} piano.{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(flac_of_silence(275, 4000) if number % 10 == 9 else damaged(data, rng, head=60)[0])
    (root / "song0" / "good bass.wav").write_bytes(encode(sound(0.5, 1, rate=8000), "WAV", "PCM_16", 8000))

    def index() -> BuildReport:
        return build_catalog(tmp_path / "catalog", {"folder": root}, workers=1, progress=False)

    with watched(root, tmp_path):
        report = law.holds(index, "an index", seconds=10.0 + scale)
    assert report is not None
    catalog = Catalog.open(tmp_path / "catalog")
    longest = sum(max(path.stat().st_size / 4, 600.0) for path in root.rglob("*.*"))
    kept = sum((tmp_path / "catalog" / name).stat().st_size for name in ("active.npy", "activity.npy"))
    assert kept < 6 * 10 * longest + 10_000
    assert kept < 250_000 * scale, "a few seconds of each file are kept, and nothing of what has no end"
    assert len(catalog) + len(catalog.problems()) > 20 * scale


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_damaged_metadata_is_listed(name: str, tmp_path: Path, law: Law, scale: int) -> None:
    rng, root = random.Random(19), tmp_path / "root"
    root.mkdir()
    TREES[name](root)
    texts = [p for p in sorted(root.rglob("*")) if p.suffix in (".yaml", ".yml", ".json", ".csv", ".txt")]
    adapter = get_adapter(name)
    if not texts:
        law.holds(lambda: adapter.scan(root, ScanOptions()), "whole")
    for number in range(8 * scale if texts else 0):
        path = rng.choice(texts)
        before = path.read_bytes()
        data, said = damaged(before, rng) if rng.random() < 0.6 else (rng.choice(HOSTILE_TEXTS), "hostile")
        path.write_bytes(data)
        with watched(root):
            law.holds(lambda: adapter.scan(root, ScanOptions()), f"{number}: {path.name} {said}")
        path.write_bytes(before)


LAUGHS = b"a0: &a0 [x,x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (k + 1, k + 1, b",".join([b"*a%d" % k] * 10)) for k in range(30)
)
HOSTILE_TEXTS = (
    *(LAUGHS, b"[" * 100_000, b"{" * 100_000, b"- " * 50_000 + b"x", b"a: &a [*a]\n", b"\xff\xfe\0", b""),
    *(b"stems: {S01: {filename: ../../../etc/passwd}}\n", b"!!python/object/apply:os.system [ls]\n"),
    *(b'{"a": ' * 20_000, b"file,label,song\n/etc/passwd,piano,x\n", b"\0" * 1000, b"a: 1:" + b"1:" * 50_000),
)
