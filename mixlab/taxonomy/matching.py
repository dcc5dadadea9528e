"""Which of a model's outputs says which class of another label set: decided by the instrument tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mixlab.taxonomy.label_sets import LabelSet, Output
from mixlab.taxonomy.tree import Taxonomy, load_taxonomy
from mixlab.utils.decode import later

__all__ = ["Kind", "Match", "RolledUp", "match_classes", "roll_up"]

Kind = Literal["exact", "parts", "family", "none"]


@dataclass(frozen=True)
class Match:
    """How a model can score a class.

    Attributes:
        name: The class.
        kind: ``exact``: an output has the class's own nodes. ``parts``: outputs below it, of which the
            highest counts (acoustic and electric guitar for guitar). ``family``: only an output above it,
            which says yes to its siblings as well. ``none``: the model cannot say.
        outputs: Columns of the model's outputs; one for ``exact`` and ``family``.
        below: Of an ``exact`` one, the columns of further outputs at or below the class: a piano is a
            keyboard. Their scores count too, unless the model's are hierarchy-consistent, which makes no
            difference then.
    """

    name: str
    kind: Kind
    outputs: tuple[int, ...]
    below: tuple[int, ...] = later(())

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns of which the highest is the score of the class."""
        return (*self.outputs, *self.below)


@dataclass(frozen=True)
class RolledUp:
    """An output that stands above classes of the other label set: together they are what it can say.

    Attributes:
        output: Column of the output.
        classes: Columns of the classes at or below it.
    """

    output: int
    classes: tuple[int, ...]


def match_classes(classes: LabelSet, outputs: Sequence[Output]) -> tuple[Match, ...]:
    """Say for every class which outputs score it."""
    taxonomy = load_taxonomy()
    return tuple(_match(wanted, outputs, taxonomy) for wanted in classes.outputs)


def _match(wanted: Output, outputs: Sequence[Output], taxonomy: Taxonomy) -> Match:
    below = [k for k, output in enumerate(outputs) if taxonomy.implies(output.nodes, wanted.nodes)]
    above = [k for k, output in enumerate(outputs) if taxonomy.implies(wanted.nodes, output.nodes)]
    same = [k for k in below if k in above]
    # A tag without nodes (a genre) is only ever itself.
    same += [k for k, output in enumerate(outputs) if output == wanted and not wanted.nodes]
    same.sort(key=lambda k: outputs[k] != wanted)  # of synonyms, the one of that name
    if same:
        return Match(wanted.name, "exact", (same[0],), tuple(k for k in below if k != same[0]))
    if below:
        return Match(wanted.name, "parts", tuple(below))
    if above:
        nearest = max(above, key=lambda k: max(len(taxonomy.ancestors(n)) for n in outputs[k].nodes))
        return Match(wanted.name, "family", (nearest,))
    return Match(wanted.name, "none", ())


def roll_up(classes: LabelSet, outputs: Sequence[Output]) -> tuple[RolledUp, ...]:
    """Return the outputs that stand above at least two classes."""
    taxonomy = load_taxonomy()
    found = []
    for k, output in enumerate(outputs):
        below = [
            c for c, wanted in enumerate(classes.outputs) if taxonomy.implies(wanted.nodes, output.nodes)
        ]
        if len(below) > 1:
            found.append(RolledUp(k, tuple(below)))
    return tuple(found)
