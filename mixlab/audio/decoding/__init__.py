"""Decoding: open files that give the same samples for a span wherever reading began, and say what is wrong.

libsndfile decodes all formats, but believes what headers say of lengths, and after a seek in lossy formats
some of what it gives is wrong. ``headers``, ``mpeg`` and ``ogg`` know the containers, ``streams`` reads them.
``flac`` decodes the usual kind of FLAC itself, in half the time.
"""

from mixlab.audio.decoding.kinds import READS, describe_kind
from mixlab.audio.decoding.opening import AudioFile, open_source
from mixlab.audio.decoding.streams import DECODE_ERRORS

__all__ = ["DECODE_ERRORS", "READS", "AudioFile", "describe_kind", "open_source"]
