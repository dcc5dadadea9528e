"""The commands that carry out a trial, and the sections of settings that each takes."""

from dataclasses import dataclass
from typing import Any

__all__ = ["COMMANDS", "STARTS_AT", "TrialCommand", "section_kinds"]


@dataclass(frozen=True)
class TrialCommand:
    """A command of ``mixlab`` that makes a run.

    Attributes:
        name: Of the command, and in ``TrialState.kind``.
        data: Sections that say what is read.
        own: Section of its own settings, which also hold the seed.
        in_epochs: Whether it trains epoch by epoch, and goes on where it was stopped.
        on_clips: Whether it reads labelled clips, else mixes of a catalog.
    """

    name: str
    data: tuple[str, ...]
    own: str
    in_epochs: bool
    on_clips: bool

    @property
    def sections(self) -> tuple[str, ...]:
        """All sections."""
        return (*self.data, self.own)


COMMANDS = {
    command.name: command
    for command in (
        TrialCommand("train", ("mix",), "train", in_epochs=True, on_clips=False),
        TrialCommand("baseline", ("mix",), "baseline", in_epochs=False, on_clips=False),
        TrialCommand("train-clips", ("clips", "windows"), "train", in_epochs=True, on_clips=True),
        TrialCommand("baseline-clips", ("clips", "windows"), "baseline", in_epochs=False, on_clips=True),
    )
}
"""Every command by its name."""

STARTS_AT = {"train": "pretrained", "baseline": "weights"}
"""Which setting of a command's own section names the run to start from."""


def section_kinds(command: str) -> dict[str, type[Any]]:
    """Return the dataclass of each section of a command's settings."""
    return {section: _kind(section, COMMANDS[command]) for section in COMMANDS[command].sections}


def _kind(section: str, command: TrialCommand) -> type[Any]:
    # Each where it is needed: studies without baselines do not wait for what these import.
    if section == "mix":
        from mixlab.mixing.config import MixConfig

        return MixConfig
    if section == "train":
        from mixlab.training.config import TrainConfig

        return TrainConfig
    if section == "clips":
        from mixlab.corpora.clips.config import ClipsConfig

        return ClipsConfig
    if section == "windows":
        from mixlab.training.clips.config import WindowConfig

        return WindowConfig
    if command.on_clips:
        from mixlab.training.baselines.clip_config import ClipBaselineConfig

        return ClipBaselineConfig
    from mixlab.training.baselines import BaselineConfig

    return BaselineConfig
