"""How instruments are played, by their place in the instrument tree."""

from collections.abc import Iterable

from mixlab.synthesis.notes.sampler import Manner
from mixlab.taxonomy.tree import load_taxonomy

__all__ = ["manner_of"]

_KIT = Manner(rings=True, kit=True, tuning_cents=0.0, range_db=30.0)
_WIND = Manner(held=True, release_s=0.09, mono=True, vibrato_cents=5.0, tuning_cents=5.0)

# The nearest node of these counts.
_MANNERS = {
    "bowed-string": Manner(held=True, release_s=0.16, mono=True, vibrato_cents=13.0, tuning_cents=5.0),
    "double-bass": Manner(held=True, release_s=0.16, mono=True, vibrato_cents=6.0, tuning_cents=5.0),
    "woodwind": _WIND,
    "flute-family": Manner(held=True, release_s=0.09, mono=True, vibrato_cents=9.0, tuning_cents=5.0),
    "clarinet": Manner(held=True, release_s=0.09, mono=True, tuning_cents=4.0),
    "brass": Manner(held=True, release_s=0.1, mono=True, vibrato_cents=4.0, tuning_cents=5.0),
    "voice": Manner(held=True, release_s=0.14, mono=True, vibrato_cents=20.0, tuning_cents=8.0),
    "key": Manner(release_s=0.22, tuning_cents=0.6, range_db=30.0),
    "organ": Manner(held=True, release_s=0.1, tuning_cents=0.6, range_db=6.0),
    "squeezebox": Manner(held=True, release_s=0.1, tuning_cents=1.5, range_db=14.0),
    "plucked-string": Manner(release_s=0.16, tuning_cents=3.0),
    "bass-guitar": Manner(release_s=0.08, mono=True, tuning_cents=2.0, range_db=16.0),
    "harp": Manner(rings=True, most_s=3.0, tuning_cents=1.0),
    "zither": Manner(rings=True, most_s=3.0, tuning_cents=1.0),
    "percussion": _KIT,
    "mallet-percussion": Manner(rings=True, tuning_cents=0.6),
    "lamellophone": Manner(rings=True, tuning_cents=1.0),
    "timpani": Manner(rings=True, tuning_cents=1.0),
    "synth": Manner(held=True, release_s=0.15, tuning_cents=0.0),
}


def manner_of(nodes: Iterable[str], kit: bool) -> Manner:
    """Return how an instrument of these nodes is played; by the first of them."""
    if kit:
        return _KIT
    node = next(iter(nodes))
    above = (node, *load_taxonomy().ancestors(node))
    return next((_MANNERS[each] for each in above if each in _MANNERS), Manner())
