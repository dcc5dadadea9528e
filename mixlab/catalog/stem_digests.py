"""What names a stem's audio and labels, so that it is known again in a catalog that somebody else made."""

import hashlib
from pathlib import PurePosixPath

import numpy as np

from mixlab.catalog.catalog import Catalog
from mixlab.utils.hashing import ordered_digest

__all__ = ["DIGEST_DIGITS", "compare_digests", "stem_digest"]

DIGEST_DIGITS = 32

_KEPT = "stem digests"
_EXACT = frozenset({".wav", ".wave", ".flac", ".aif", ".aiff", ".w64", ".rf64", ".bwf", ".au"})


def stem_digest(catalog: Catalog, stem: int) -> str:
    """Return 32 hexadecimal digits that name what a mix can hear and know of a stem.

    The first half names its audio: rate, channels, length and, of lossless files, every decoded sample; of
    others (whose last bits depend on the decoder) the size of the file and its levels over time. The second
    half names its labels. Where its corpus lies, its split, and what else is in the catalog do not count.

    Args:
        catalog: The catalog.
        stem: Number of the stem.
    """
    kept: dict[int, str] = catalog.derived.setdefault(_KEPT, {})
    found = kept.get(stem)
    if found is None:
        found = kept[stem] = _audio_digest(catalog, stem) + _label_digest(catalog, stem)
    return found


def compare_digests(expected: str, found: str) -> str:
    """Say what two digests differ in: ``audio``, ``labels``, ``audio and labels``, or '' where they agree."""
    half = DIGEST_DIGITS // 2
    pairs = (("audio", expected[:half], found[:half]), ("labels", expected[half:], found[half:]))
    return " and ".join(name for name, one, other in pairs if one != other)


def _audio_digest(catalog: Catalog, stem: int) -> str:
    shape = [int(catalog.column(name)[stem]) for name in ("sample_rate", "channels", "frames")]
    samples = str(catalog.column("audio_hash")[stem])
    suffix = PurePosixPath(catalog.column("path")[stem]).suffix.lower()
    if samples and suffix in _EXACT:
        return ordered_digest([*shape, samples])
    levels = np.ascontiguousarray(catalog.envelope(stem), dtype="<f2").tobytes()
    return ordered_digest([*shape, int(catalog.column("size")[stem]), hashlib.sha256(levels).hexdigest()])


def _label_digest(catalog: Catalog, stem: int) -> str:
    names = ("corpus", "labels", "nodes", "bleed_nodes")
    return ordered_digest([catalog.column(name)[stem] for name in names])
