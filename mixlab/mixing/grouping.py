"""Sources summed by class, as separation wants them: one sound for each class of a label set.

A source is put where it certainly belongs, and nowhere by guess. What may be of several classes, or of none,
stays ungrouped, and the classes that it may belong to are masked: their sound in the mix is not known.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError
from mixlab.mixing.rendering import Mix, Source
from mixlab.taxonomy import LabelSet, load_taxonomy

__all__ = ["Groups", "check_disjoint", "group_sources"]


@dataclass(frozen=True)
class Groups:
    """The sources of a mix, summed by class.

    Attributes:
        audio: float32 ``(classes, channels, samples)``; zeros where no source is of a class.
        mask: bool ``(classes,)``, False where it is not known which sound the class has in the mix: a source
            that may belong to it lies elsewhere, or one that lies there may hold something else as well.
        ungrouped: float32 ``(channels, samples)``, the sources that are of no class for certain, and the
            noise of an item without instruments. With ``audio`` it adds up to the sum of all.
        reasons: For each source of the mix, where it was put and why.
    """

    audio: FloatArray
    mask: NDArray[np.bool_]
    ungrouped: FloatArray
    reasons: tuple[str, ...]


def check_disjoint(labels: LabelSet) -> None:
    """Refuse a label set in which an instrument can be of two classes.

    Raises:
        ConfigError: it is one; the message names the two.
    """
    taxonomy = load_taxonomy()
    for one, other in combinations(labels.outputs, 2):
        for nodes, others in ((one.nodes, other.nodes), (other.nodes, one.nodes)):
            shared = set(nodes) & taxonomy.closure(others)
            if shared:
                raise ConfigError(
                    "groups=True needs classes that exclude each other, as those of the label set musdb4 do; "
                    f"in {labels.name} both {one.name!r} and {other.name!r} hold {min(shared)}. Take another "
                    "mix.label_set.",
                    code="conflicting-settings",
                )


def group_sources(mix: Mix) -> Groups:
    """Sum the sources of a mix by the classes of its label set.

    A source goes to the class that its labels prove, whether it sounds or rests. Where they leave another
    class open (bleed, a tape of voices in a mellotron), both are masked. Where they prove no class, it stays
    ungrouped, and each class that it may belong to is masked, unless it is certainly silent. A label set
    with a ``rest`` gets no source into it whose instrument is not known well enough.

    Args:
        mix: A rendered mix.
    """
    classes = len(mix.labels)
    audio = np.zeros((classes, *mix.mixture.shape), dtype=np.float32)
    remainder = mix.mixture.copy() if mix.recipe.noise else np.zeros_like(mix.mixture)
    mask = np.ones(classes, dtype=np.bool_)
    reasons = []
    for source in mix.sources:
        place, open_classes = _find_place(mix.labels, source)
        target = remainder if place is None else audio[place]
        target += source.audio
        doubted = [] if source.state == "silent" else open_classes
        mask[doubted] = False
        if place is not None and doubted:
            mask[place] = False
        reasons.append(_reason(mix.labels, place, open_classes, bool(doubted)))
    return Groups(audio, mask, remainder, tuple(reasons))


def _find_place(labels: LabelSet, source: Source) -> tuple[int | None, list[int]]:
    """Return the class that a source is of, if it is certain, and those that it may be of besides."""
    target, known = labels.encode(source.evidence)
    proved = np.flatnonzero(target > 0).tolist()
    return (proved[0] if proved else None), np.flatnonzero(~known).tolist()


def _reason(labels: LabelSet, place: int | None, open_classes: list[int], masks: bool) -> str:
    names = ", ".join(labels.names[i] for i in open_classes)
    said = "" if masks or not open_classes else ", but it is silent"
    if place is None:
        return f"ungrouped: may be of {names}{said}" if open_classes else "ungrouped: is of no class"
    name = labels.names[place]
    return f"{name}: may hold {names} as well{said}" if open_classes else f"{name}: its labels prove it"
