"""What the Runs page looks at: a run, maybe another one, a split and a threshold."""

from dataclasses import dataclass

from app.data import runs as runs_data
from app.links import RunLocation
from mixlab.evaluation import Units
from mixlab.evaluation.thresholding import Decided, Fixed, SplitTable

__all__ = ["RunSelection"]


@dataclass(frozen=True)
class RunSelection:
    """What is looked at: a run, maybe another one, a split and a threshold.

    Attributes:
        run: The run.
        other: The run it is compared with, or None.
        split: ``test`` or ``validation``.
        at: One threshold for all classes, or ``FITTED``.
        names: What the runs are called in charts: A and B.
    """

    run: RunLocation
    other: RunLocation | None
    split: str
    at: float | None

    @property
    def names(self) -> dict[str, RunLocation]:
        """The runs by the names that charts give them."""
        if self.other is None:
            return {self.run.name: self.run}
        return {f"A: {self.run.name}": self.run, f"B: {self.other.name}": self.other}

    @property
    def table(self) -> SplitTable:
        """The split's table; of both runs the same but for the scores."""
        return runs_data.get_table(self.run, self.split)

    @property
    def units(self) -> Units:
        """What items and groups are called: mixes and songs, clips and recordings."""
        return self.table.units

    @property
    def single_label(self) -> bool:
        """Whether all runs decide for their highest score, so that no threshold does anything."""
        return all(runs_data.get_table(run, self.split).single_label for run in self.names.values())

    @property
    def decided(self) -> Decided:
        """What follows from the thresholds, for the run."""
        return runs_data.get_decided(self.run, self.split, self.at)

    @property
    def fixed(self) -> Fixed:
        """What no threshold moves, for the run."""
        return runs_data.get_fixed(self.run, self.split)

    @property
    def all_decided(self) -> dict[str, Decided]:
        """What follows from the thresholds, by run."""
        return {name: runs_data.get_decided(run, self.split, self.at) for name, run in self.names.items()}
