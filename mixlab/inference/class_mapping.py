"""Which of a model's outputs scores which class of another label set: decided by the instrument tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.corpora.clips.mtg_jamendo import jamendo_labels
from mixlab.errors import RunError
from mixlab.taxonomy import (
    LabelSet,
    Output,
    Taxonomy,
    is_shipped,
    label_set_names,
    load_label_set,
    load_taxonomy,
)
from mixlab.training.run import Run
from mixlab.utils.decode import later

__all__ = ["Kind", "Match", "RolledUp", "match_classes", "roll_up", "run_outputs"]

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


def run_outputs(run: Run, label_set: str | Path | None = None) -> tuple[Output, ...]:
    """Return a run's outputs with their nodes.

    Args:
        run: A run with a model.
        label_set: YAML file of a label set that is not shipped; by default what the run keeps of it.

    Raises:
        RunError: the label set is not known here, or has other outputs than the run.
    """
    info = run.info["labels"]
    name, names = str(info["name"]), tuple(str(output) for output in info["outputs"])
    kept = str(run.config.get("mix", {}).get("label_set", ""))
    labels: LabelSet | None = None
    if label_set is not None:
        labels = load_label_set(str(label_set))
        if labels.names == names and labels.content_hash != info.get("content_hash", labels.content_hash):
            raise RunError(
                f"{label_set} binds the outputs of {run.path} to other nodes than it was trained with. Give "
                "the file as it was then, or none: a run keeps its label set.",
                code="label-set-mismatch",
            )
    elif "nodes" in info:
        return tuple(Output(name, tuple(nodes)) for name, nodes in zip(names, info["nodes"], strict=True))
    elif kept and not is_shipped(kept):
        labels = load_label_set(kept)
    elif name in label_set_names():
        labels = load_label_set(name)
    elif name.startswith("jamendo-"):
        labels = jamendo_labels(name.removeprefix("jamendo-"), names)
    if labels is None or labels.names != names:
        raise RunError(
            f"{run.path} has the outputs of label set {name!r}, which is not known here as such. Give its "
            "YAML file (--label_set FILE).",
            code="unknown-label-set",
        )
    return labels.outputs


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


def any_of(
    targets: NDArray[np.float32], mask: NDArray[np.bool_], columns: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return whether any of the columns is present ``(N,)``, and where that is known.

    Known is a presence of one, or the absence of all; anything else is unknown.
    """
    chosen = list(columns)
    present = (targets[:, chosen] > 0.5) & mask[:, chosen]
    some = np.asarray(present.any(axis=1), np.bool_)
    known = np.asarray(some | mask[:, chosen].all(axis=1), np.bool_)
    return np.asarray(some, np.float32), known
