"""A part of a study: every K-th of its trainings, for job arrays whose jobs know nothing of each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mixlab.errors import ConfigError
from mixlab.studies.plan import Trial

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """One of several parts that together are a study.

    Attributes:
        number: From 1 to ``of``.
        of: How many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Read a part as it is typed, ``3/8``.

        Raises:
            ConfigError: it is none.
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        part = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= part.number <= part.of:
            raise ConfigError(
                f"--array takes a part as N/K with N from 1 to K, such as 3/8; found {text!r}. In a script "
                "of SLURM with #SBATCH --array=1-8 it is --array $SLURM_ARRAY_TASK_ID/8.",
                code="malformed-option",
            )
        return part

    @property
    def name(self) -> str:
        """Its name in files."""
        return f"{self.number}-of-{self.of}"

    @property
    def all(self) -> "tuple[Part, ...]":
        """Every part of the study, this one included."""
        return tuple(Part(number, self.of) for number in range(1, self.of + 1))

    def own(self, trials: Sequence[Trial]) -> tuple[Trial, ...]:
        """Return the trials of this part; one that starts from another is in the part of that one.

        The parts of a study hold each of its trials once, in its order.
        """
        by_name = {trial.name: trial for trial in trials}
        first = [_first(trial, by_name).name for trial in trials]
        places = {name: place for place, name in enumerate(dict.fromkeys(first))}
        mine = self.number - 1
        return tuple(t for t, name in zip(trials, first, strict=True) if places[name] % self.of == mine)


def _first(trial: Trial, by_name: dict[str, Trial]) -> Trial:
    while trial.starts_from in by_name:
        trial = by_name[trial.starts_from]
    return trial
