"""A singing stand-in: a source-filter model of voices that sing invented words."""

from mixlab.synthesis.singing.singers import Choir, Singer, sample_voice
from mixlab.synthesis.singing.tracks import Voice

__all__ = ["Choir", "Singer", "Voice", "sample_voice"]
