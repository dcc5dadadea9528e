"""Chains of kills: a job is started, killed at a random moment, started again, ... until it ends itself."""

import shutil
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

from tests.harm.compare import Contents, differences, leftovers, of_batches
from tests.harm.processes import Process, fork, start, wait_gone
from tests.harm.works import Place, Work

__all__ = ["Chain", "Harm", "Reference", "Tally", "measure"]

MOST_KILLS = 6
"""Kills of one chain, after which the job may end."""

_PATIENCE_S = 300.0
_PATIENCE = 30.0  # times the undisturbed run
_IN_USE_S = 0.1
_ORPHANS_S = 60.0


class HarmError(Exception):
    """The harness cannot judge: the undisturbed job fails, or does not repeat."""


@dataclass(frozen=True)
class Reference:
    """What a job makes when nobody disturbs it.

    Attributes:
        made: The result.
        seconds: How long it takes.
    """

    made: Contents
    seconds: float


@dataclass(frozen=True)
class Chain:
    """What became of one chain.

    Attributes:
        kills: Kills that hit.
        alone: How many of them spared the processes that the job had started.
        faults: What is wrong, a line each; none is the aim.
        seconds: Time of all starts together.
        left: Temporary files left behind.
    """

    kills: int
    alone: int
    faults: tuple[str, ...]
    seconds: float
    left: int


@dataclass
class Tally:
    """The chains of one row of the table."""

    work: Work
    harm: str
    seconds: float
    chains: list[Chain] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Kills that hit."""
        return sum(chain.kills for chain in self.chains)

    @property
    def failed(self) -> list[Chain]:
        """Chains that did not end as the undisturbed job."""
        return [chain for chain in self.chains if chain.faults]

    @property
    def redone_s(self) -> tuple[float, float]:
        """Seconds of work that a kill cost, a new start included: the median and the most."""
        costs = [max(0.0, c.seconds - self.seconds) / c.kills for c in self.chains if c.kills]
        return (median(costs), max(costs)) if costs else (0.0, 0.0)


@dataclass(frozen=True)
class Harm:
    """How chains of a job are carried out.

    Attributes:
        work: The job.
        place: Its folders.
        seed: Of the moments.
        fresh: Whether each start is a new interpreter.
        pairs: Whether two processes work at once.
    """

    work: Work
    place: Place
    seed: int
    fresh: bool = False
    pairs: bool = False

    @property
    def words(self) -> str:
        """What is done, in words."""
        how = "killed at random moments" + (", started as new processes" if self.fresh else "")
        return "two at once, one of them killed" if self.pairs else how

    def chain(self, number: int, reference: Reference) -> Chain:
        """Carry out one chain, whose moments depend on the seed and its number alone."""
        rng = np.random.default_rng(
            [self.seed, zlib.crc32(f"{self.work.name} {self.words}".encode()), number]
        )
        self.clear()
        begin = time.monotonic()
        kills, alone, faults, orphans = (self._pair if self.pairs else self._kills)(rng, reference)
        code, last = self._to_the_end(reference)
        seconds = time.monotonic() - begin
        if code != 0:
            faults.append(f"the start after it ended with exit code {code}: {_tail(last)}")
        if wait_gone(orphans, time.monotonic() + _ORPHANS_S):
            faults.append("processes that the killed one had started still run")
        faults += self._compare(reference)
        return Chain(kills, alone, tuple(faults), seconds, len(leftovers(self.place.out)))

    def clear(self) -> None:
        """Begin anew."""
        for folder in (self.place.out, self.place.notes):
            if folder.exists():
                shutil.rmtree(folder)
        for log in self.place.out.parent.glob("*.log"):
            log.unlink()
        self.work.begin(self.place)

    def made(self) -> Contents:
        """Return what has come out by now."""
        return self.work.made(self.place.out) | of_batches(self.place.notes)

    def run(self, log: str) -> Process:
        """Start the job."""
        path = self.place.out.parent / f"{log}.log"
        if self.fresh:
            return start(self.work.arguments(self.place), path)
        return fork(lambda: self.work.do(self.place), path)

    def _kills(self, rng: np.random.Generator, reference: Reference) -> tuple[int, int, list[str], list[int]]:
        """Kill it some times; return kills, those of it alone, faults, and what it had started."""
        kills = spared = 0
        orphans: list[int] = []
        for number in range(int(rng.integers(1, MOST_KILLS + 1))):
            process = self.run(f"start-{number}")
            alone = self.work.several and bool(rng.random() < 0.5)
            code = process.wait(time.monotonic() + float(rng.uniform(0.0, reference.seconds)))
            if code is None:
                orphans += process.kill(alone=alone)
                kills, spared = kills + 1, spared + alone
            elif code != 0 and not (orphans and _in_use(process)):
                return (
                    kills,
                    spared,
                    [f"start {number} ended with exit code {code}: {_tail(process)}"],
                    orphans,
                )
        return kills, spared, [], orphans

    def _pair(self, rng: np.random.Generator, reference: Reference) -> tuple[int, int, list[str], list[int]]:
        """Start two, kill one of them, and let the other end or be killed as well."""
        first = self.run("one")
        first.wait(time.monotonic() + float(rng.uniform(0.0, 0.5 * reference.seconds)))
        second = self.run("other")
        killed, other = (first, second) if rng.random() < 0.5 else (second, first)
        killed.wait(time.monotonic() + float(rng.uniform(0.0, 1.5 * reference.seconds)))
        kills, orphans = int(killed.code is None), killed.kill()
        if rng.random() < 0.3:
            other.wait(time.monotonic() + float(rng.uniform(0.0, reference.seconds)))
            kills, orphans = kills + int(other.code is None), orphans + other.kill()
        elif other.wait(time.monotonic() + _patience(reference)) is None:
            return kills, 0, ["the other process did not end"], orphans + other.kill()
        wrong = [p for p in (first, second) if p.code not in (0, 1, 2, -9) or "Traceback" in p.said()]
        return kills, 0, [f"one of the two ended with exit code {p.code}: {_tail(p)}" for p in wrong], orphans

    def _to_the_end(self, reference: Reference) -> tuple[int | None, Process]:
        """Start it until it ends by itself; while what a kill has spared is at work, wait for that."""
        until = time.monotonic() + _patience(reference)
        while True:
            process = self.run("last")
            code = process.wait(until)
            if code is None:
                process.kill()
            if code == 0 or code is None or not _in_use(process) or time.monotonic() > until:
                return code, process
            process.log.unlink()
            time.sleep(_IN_USE_S)

    def _compare(self, reference: Reference) -> list[str]:
        try:
            faults = differences(self.made(), reference.made)
        except Exception as error:  # a result that cannot even be read
            return [f"the result cannot be read: {type(error).__name__}: {error}"]
        if self.work.checks is not None:
            check = fork(lambda: _typed(self.work.checks(self.place)), self.place.out.parent / "check.log")
            code = check.wait(time.monotonic() + _PATIENCE_S)
            if code != 0:
                faults.append(f"the check afterwards ended with exit code {code}: {_tail(check)}")
                check.kill()
        return faults


def _typed(arguments: Sequence[str]) -> int:
    from mixlab.cli.main import main

    return int(main(list(arguments)) or 0)


def measure(harm: Harm) -> Reference:
    """Do a job twice undisturbed: the first time warms up, the second must give the same.

    Raises:
        HarmError: it fails, or two undisturbed runs differ.
    """
    found: list[Contents] = []
    for _ in range(2):
        harm.clear()
        process = harm.run("undisturbed")
        if process.wait(time.monotonic() + 600.0) != 0:
            raise HarmError(f"{harm.work.name} ends undisturbed with {process.code}: {_tail(process)}")
        seconds = time.monotonic() - process.began
        found.append(harm.made())
    if lines := differences(*found):
        raise HarmError(f"{harm.work.name}: two undisturbed runs differ: {'; '.join(lines[:5])}")
    return Reference(found[0], seconds)


def keep(place: Place, to: Path) -> None:
    """Keep what a chain has left, to be looked at."""
    shutil.copytree(place.out.parent, to, dirs_exist_ok=True)


def _patience(reference: Reference) -> float:
    return _PATIENCE_S + _PATIENCE * reference.seconds


def _in_use(process: Process) -> bool:
    return process.code == 2 and "-in-use]" in process.said()


def _tail(process: Process) -> str:
    lines = [line.strip() for line in process.said().splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-400:]
