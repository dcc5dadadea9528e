"""Published taggers as they are: the network with its own head, and what its outputs are called.

Fine-tuning takes a checkpoint's backbone alone; tagging and teaching take its tags too, which its label set
binds to the instrument tree.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.errors import WeightsError
from mixlab.models.checkpoint_list import CHECKPOINTS, Checkpoint
from mixlab.models.pretrained import find_weights, identify
from mixlab.taxonomy import LabelSet, load_label_set

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PublishedTagger", "find_published"]


@dataclass(frozen=True)
class PublishedTagger:
    """A checkpoint with a head of tags.

    Attributes:
        entry: What is known of it.
        file: Where it lies.
        tags: Its outputs, in their order.
    """

    entry: Checkpoint
    file: Path
    tags: LabelSet

    def load(self) -> "nn.Module":
        """Return the network: audio ``(B, 1, T)`` to the logits of the tags; in evaluation mode, on the CPU.

        Raises:
            ConfigError: the file does not fit the network.
            WeightsError: it cannot be read.
        """
        from mixlab.models import build_model, load_weights, read_weights

        model = build_model(self.entry.model, self.entry.n_classes)
        load_weights(model, read_weights(self.file))
        return model.eval()


def find_published(weights: str | Path) -> PublishedTagger:
    """Return a published tagger, with a head whose tags are bound to the instrument tree.

    A file that ``mixlab weights`` does not know by its checksum is taken for the checkpoint that it is named
    after (``jamendo_short.pth``), if there is one.

    Args:
        weights: A name that ``mixlab weights`` lists, or a file.

    Raises:
        WeightsError: there are no such weights, or they have no head of tags.
    """
    file = find_weights(str(weights))
    entry = _entry_of(file, str(weights))
    return PublishedTagger(entry, file, _tags_of(entry, str(weights)))


def _entry_of(file: Path, given: str) -> Checkpoint:
    known = None if file.is_dir() else identify(file)
    known = known or CHECKPOINTS.get(file.stem)
    if known is not None:
        return known
    if (file / "run.json").is_file():
        raise WeightsError(
            f"{file} is a run: give it by --run. --weights takes published ones.", code="unknown-weights"
        )
    raise WeightsError(
        f"{given} is none of the checkpoints that 'mixlab weights' lists, so nobody knows what its outputs "
        f"are. If it is one of them, name the file after it: {', '.join(_with_tags())}.",
        code="unknown-weights",
    )


def _with_tags() -> list[str]:
    return [entry.name for entry in CHECKPOINTS.values() if entry.label_set and not entry.streams]


def _tags_of(entry: Checkpoint, given: str) -> LabelSet:
    """Return the label set of a checkpoint's head."""
    if entry.picture_size:
        why = "was trained on pictures, and says nothing of sound"
    elif entry.streams:
        why = "has one head for several streams, none for one of them"
    else:
        return load_label_set(entry.label_set)
    raise WeightsError(
        f"{given} {why}. As they are, these can be used: {', '.join(_with_tags())}.", code="unknown-weights"
    )
