"""What SoundFonts have in common: the same recordings are often handed on under several names.

A test on a SoundFont that was not trained on says little where its recordings were trained on under another
name. So samples are compared byte by byte, each as a whole. A copy that was resampled, cut, scaled or
compressed in between is not recognised: what is not found is not excluded.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from mixlab.errors import ConfigError

__all__ = [
    "COMPRESSED",
    "ROM",
    "SharedSamples",
    "compare_soundfonts",
    "overlap_lines",
    "read_parts",
    "sample_digests",
]

# sfSample of the SoundFont 2.04 specification, section 7.10.
_HEADER = struct.Struct("<20s5IBbHH")
ROM = 0x8000
"""Flag of a sample that lies in a synthesizer's ROM, not in the file."""

COMPRESSED = 0x10
"""Flag of .sf3: start and end count the bytes of an Ogg Vorbis stream."""

_LOUD = 200  # Of 32768: what stays below is silence, which all SoundFonts share.
_SHORTEST = 64  # Frames: less may agree by chance.


@dataclass(frozen=True)
class SharedSamples:
    """How much of a held-out SoundFont is in another one, too.

    Attributes:
        held: File name of the SoundFont kept for validation or test.
        other: File name of the other.
        shared: Samples of ``held`` that ``other`` has, too, byte for byte.
        samples: Samples of ``held`` that sound; equal ones count once.
    """

    held: str
    other: str
    shared: int
    samples: int


def compare_soundfonts(held: Sequence[Path], train: Sequence[Path]) -> list[SharedSamples]:
    """Count what each of ``held`` shares with those after it and with all of ``train``.

    Args:
        held: SoundFonts kept for validation or test.
        train: SoundFonts trained on.

    Raises:
        ConfigError: a file is no SoundFont.
    """
    digests = {path: sample_digests(path) for path in {*held, *train}}
    pairs = [(one, other) for k, one in enumerate(held) for other in (*held[k + 1 :], *train)]
    return [
        SharedSamples(one.name, other.name, len(digests[one] & digests[other]), len(digests[one]))
        for one, other in pairs
    ]


def overlap_lines(found: Sequence[SharedSamples]) -> list[str]:
    """Say in a sentence for every held-out SoundFont what is shared, nothing included."""
    lines = []
    for held in dict.fromkeys(each.held for each in found):
        mine = [each for each in found if each.held == held]
        counts = ", ".join(f"{each.shared or 'none'} in {each.other}" for each in mine)
        lines.append(f"Of the {mine[0].samples} samples of {held} there are {counts}, byte for byte.")
    if lines:
        lines.append("(Copies that were resampled, cut or compressed would not be recognised.)")
    return lines


def sample_digests(path: Path) -> frozenset[bytes]:
    """Return a digest of each sample that sounds; equal samples count once.

    Raises:
        ConfigError: the file is no SoundFont.
    """
    try:
        chunks = read_parts(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Expected a SoundFont (.sf2, .sf3) at {path}, but {error}.", code="invalid-soundfont"
        ) from error
    if missing := [name for name in ("smpl", "shdr") if name not in chunks]:
        raise ConfigError(
            f"Expected a SoundFont (.sf2, .sf3) at {path}, but it has no {missing[0]} chunk.",
            code="invalid-soundfont",
        )
    data, headers = chunks["smpl"], chunks["shdr"].tobytes()
    digests = set()
    # The last header is a mark of the end.
    for at in range(0, len(headers) - 2 * _HEADER.size + 1, _HEADER.size):
        _, start, end, *_, kind = _HEADER.unpack_from(headers, at)
        compressed = bool(kind & COMPRESSED)
        sample = data[start:end] if compressed else data[: len(data) // 2 * 2].view("<i2")[start:end]
        if kind & ROM or len(sample) < _SHORTEST or not (compressed or _sounds(sample)):
            continue
        digests.add(blake2b(sample.tobytes(), digest_size=16).digest())
    return frozenset(digests)


def read_parts(path: Path) -> dict[str, np.ndarray]:
    """Return the content of each chunk inside the LIST chunks of a SoundFont, as bytes mapped from the file.

    Raises:
        ValueError: the file is no SoundFont.
        OSError: it cannot be read.
    """
    return dict(_chunks(np.memmap(path, np.uint8, "r")))


def _sounds(frames: np.ndarray) -> bool:
    return bool(int(frames.max()) > _LOUD or int(frames.min()) < -_LOUD)


def _chunks(content: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and content of the chunks inside the LIST chunks of a SoundFont."""
    if content[:4].tobytes() != b"RIFF" or content[8:12].tobytes() != b"sfbk":
        raise ValueError("it does not begin with RIFF and sfbk")
    for name, outer in _walk(content[12:]):
        if name == "LIST":
            yield from _walk(outer[4:])


def _walk(content: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8].tobytes(), "little")
        yield content[at : at + 4].tobytes().decode("latin-1"), content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
