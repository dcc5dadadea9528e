"""What a study looks like in a terminal: a table of conditions and runs, and how long it will take."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO

from mixlab.evaluation.report import Table
from mixlab.studies.plan import Plan
from mixlab.studies.state import STATUSES, TrialState

__all__ = ["Display", "plain_seconds", "status_table"]

_MOST_ROWS = 30
_SIGNS = {"done": "#", "running": ">", "interrupted": "~", "failed": "x", "missing": "."}


def plain_seconds(seconds: float) -> str:
    """Return a duration as people say it: ``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def status_table(labels: dict[str, str], states: Sequence[TrialState]) -> Table:
    """Return a row per condition: a sign per seed, and what is going on.

    Args:
        labels: Label of each condition by its name.
        states: What became of every trial.
    """
    rows = []
    for name, label in labels.items():
        own = sorted((s for s in states if s.condition == name), key=lambda s: s.seed)
        if not own:
            continue
        at_work = [f"seed {s.seed}: {s.progress or 'starting'}" for s in own if s.status == "running"]
        failed = [f"seed {s.seed} failed" for s in own if s.status == "failed"]
        rows.append((label, "".join(_SIGNS[s.status] for s in own), "; ".join([*at_work, *failed]) or "-"))
    if len(rows) > _MOST_ROWS:
        busy = [row for row in rows if row[2] != "-"][:_MOST_ROWS]
        rows = [*busy, (f"... {len(rows) - len(busy)} more conditions", "", "-")]
    signs = ", ".join(f"{_SIGNS[status]} {status}" for status in STATUSES)
    return Table(f"runs by seed ({signs})", ("condition", "seeds", "now"), tuple(rows), 0)


class Display:
    """The live table; on anything but a terminal only lines, so that logs stay readable.

    Args:
        plan: What is being run.
        enabled: Whether to show anything.
        out: Where to; None for the standard output.
    """

    def __init__(self, plan: Plan, *, enabled: bool, out: TextIO | None = None) -> None:
        self.labels = {condition.name: condition.label for condition in plan.conditions}
        self.enabled, self.out = enabled, out or sys.stdout
        self.drawn = 0

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.out.flush()

    def show(self, states: Sequence[TrialState], left: float | None) -> None:
        """Draw the table anew in the place of the old one."""
        if not self.enabled or not self.out.isatty():
            return
        lines = status_table(self.labels, states).text().splitlines()
        if left is not None:
            lines.append(f"about {plain_seconds(left)} left")
        self._erase()
        self.out.write("\n".join(line[:118] for line in lines) + "\n")
        self.out.flush()
        self.drawn = len(lines)

    def line(self, text: str) -> None:
        """Say something that stays, above the table."""
        if self.enabled:
            self._erase()
            self.out.write(text + "\n")
            self.out.flush()

    def _erase(self) -> None:
        if self.drawn:
            self.out.write(f"\x1b[{self.drawn}F\x1b[J")
            self.drawn = 0
