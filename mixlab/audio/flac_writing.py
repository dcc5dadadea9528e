"""Write FLAC of 16 bits several times as fast as its reference library, a little larger.

Frames use fixed polynomials alone, as the library's lowest level does. The checksum of the whole sound, which
costs as much as all else, is left out, as the format allows; each frame has its own.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["encode_flac"]

_RATES = {8000: 4, 16_000: 5, 22_050: 6, 24_000: 7, 32_000: 8, 44_100: 9, 48_000: 10, 96_000: 11}


def encode_flac(pcm: NDArray[np.int16], sample_rate: int) -> memoryview:
    """Return a FLAC file.

    Args:
        pcm: int16 ``(channels, samples)``, one or two channels.
        sample_rate: In Hz; one of the usual ones.
    """
    from mixlab.audio._kernels import flac_writing as kernels

    channels, samples = pcm.shape
    # Smallest and largest block; their bytes are not told; rate, channels, bits and samples share eight.
    facts = sample_rate << 44 | (channels - 1) << 41 | 15 << 36 | samples
    stream = 2 * kernels.BLOCK.to_bytes(2, "big") + bytes(6) + facts.to_bytes(8, "big") + bytes(16)
    head = b"fLaC\x80" + len(stream).to_bytes(3, "big") + stream
    out = np.empty(len(head) + -(-samples // kernels.BLOCK) * kernels.FRAME_BYTES, np.uint8)
    out[: len(head)] = np.frombuffer(head, np.uint8)
    size = kernels.encode(np.ascontiguousarray(pcm), _RATES[sample_rate], out[len(head) :])
    return out[: len(head) + size].data
