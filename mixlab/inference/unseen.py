"""Which clips a run has seen in training, itself or by what it started from."""

from collections.abc import Iterator, Mapping
from typing import Any

from mixlab.corpora.clips.base import JAMENDO_SPLIT, ClipSet
from mixlab.errors import ConfigError
from mixlab.training.run import Run

__all__ = ["check_unseen", "check_unseen_weights", "part_of"]


def part_of(clips: ClipSet) -> str:
    """Return the name of a part in reports; of clips without splits that of their task."""
    return "+".join(filter(None, clips.splits)) or clips.task


def check_unseen(run: Run, clips: ClipSet) -> None:
    """Refuse to score a run on clips that it, or what it started from, was trained on.

    Each official split of MTG-Jamendo has test tracks of its own. Of a corpus whose clips a run was trained
    on, the official test part is unseen where the run kept to it.
    """
    for trained in _trained_clips(run):
        if trained["corpus"] == clips.corpus and (trained["splits"] != "own" or "train" in clips.splits):
            raise ConfigError(
                f"{run.path} was trained on clips of {clips.corpus} (clips.splits={trained['splits']}), and "
                f"some of them are among those of part {part_of(clips)!r}: the scores would flatter it. Its "
                "own test part is scored by 'mixlab evaluate RUN'.",
                code="training-overlap",
            )
    for split in _jamendo_splits(run):
        if _seen_in_jamendo(split, clips):
            raise ConfigError(
                f"{run.path} was pretrained on split {split} of MTG-Jamendo, and tracks of its training are "
                f"among those of part {part_of(clips)!r} of split {JAMENDO_SPLIT}: the scores would flatter "
                "it. A pretrained run's own test split is scored by 'mixlab evaluate RUN'.",
                code="training-overlap",
            )


def check_unseen_weights(name: str, jamendo_split: int | None, clips: ClipSet) -> None:
    """Refuse to score published weights on clips that they were trained on.

    Args:
        name: Of the weights.
        jamendo_split: The split of MTG-Jamendo whose training part they have seen; None where it is none.
        clips: What is to be scored.

    Raises:
        ConfigError: some of the clips are of that part.
    """
    if jamendo_split is not None and _seen_in_jamendo(jamendo_split, clips):
        raise ConfigError(
            f"{name} was trained on split {jamendo_split} of MTG-Jamendo, and tracks of its training are "
            f"among those of part {part_of(clips)!r}: the scores would flatter it. Score it on --part test.",
            code="training-overlap",
        )


def _seen_in_jamendo(split: int, clips: ClipSet) -> bool:
    """Tell whether clips hold tracks of the training part of a split of MTG-Jamendo."""
    return clips.corpus == "mtg_jamendo" and (split != JAMENDO_SPLIT or "train" in clips.splits)


def _trained_clips(run: Run) -> Iterator[Mapping[str, str]]:
    """Yield the corpora of clips, and how they were divided, that are in a run's weights."""
    if run.card.get("clips"):
        yield run.card["clips"]
    yield from (start["clips"] for start in _starts(run) if start.get("clips"))


def _jamendo_splits(run: Run) -> Iterator[int]:
    """Yield the splits of MTG-Jamendo whose training part is in a run's weights."""
    if run.info.get("command") == "pretrain":
        yield run.config["jamendo"]["split"]
    for start in _starts(run):
        if start.get("jamendo_split") is not None:
            yield start["jamendo_split"]


def _starts(run: Run) -> Iterator[Mapping[str, Any]]:
    """Yield what a run started from, what that started from, and so on."""
    start = run.card.get("pretrained_file")
    while start:
        yield start
        start = start.get("started_from")
