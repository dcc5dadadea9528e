"""All chains of a call, within its limits, and the table of what they found."""

import argparse
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from mixlab.cli.main import COMMANDS
from tests.harm.chains import Harm, HarmError, Reference, Tally, keep, measure
from tests.harm.processes import fork, kill_all
from tests.harm.works import WORKS, Place, Work, prepare

__all__ = ["carry_out", "table"]


def carry_out(options: argparse.Namespace, results: Path, refuse: Callable[[str], NoReturn]) -> int:
    """Kill what is asked for, print the table, write it, and return the exit code."""
    names = options.only or list(WORKS)
    if unknown := [name for name in names if name not in WORKS]:
        refuse(f"no job {', '.join(unknown)}; there are {', '.join(WORKS)}")
    if options.list:
        print("\n".join(f"{work.name:<20} {work.title}" for work in WORKS.values()))
        return 0
    begin, works = time.monotonic(), [WORKS[name] for name in names]
    kept = options.keep or Path(tempfile.mkdtemp(prefix="mixlab-harm-failed-"))
    with tempfile.TemporaryDirectory(prefix="mixlab-harm-") as folder:
        place = Place(Path(folder) / "inputs", Path(folder) / "work" / "out", Path(folder) / "work" / "notes")
        place.out.parent.mkdir()
        place.inputs.mkdir()
        _warm_up(works, place)
        made = fork(lambda: prepare(place.inputs) or 0, Path(folder) / "prepare.log")
        if made.wait(time.monotonic() + 600.0) != 0:
            raise HarmError(f"the inputs cannot be made: {made.said()}")
        try:
            tallies = list(_tallies(works, place, options, begin, kept))
        finally:
            kill_all()
    whole = not options.only and options.cases >= 40
    text = table(tallies, options.seed, time.monotonic() - begin)
    print(f"\n{text}")
    out = options.out or (results if whole else None)
    if out is not None:
        out.write_text(text, encoding="utf-8")
        print(f"Written to {out}")
    failed = any(tally.failed for tally in tallies)
    if failed:
        print(f"What failed chains have left is in {kept}")
    elif options.keep is None:
        shutil.rmtree(kept)
    return int(failed)


def _warm_up(works: list[Work], place: Place) -> None:
    """Import what the jobs import, so that forks of this process need not."""
    commands = {work.arguments(place)[0]: None for work in works}
    needed = [module for work in works for module in ("mixlab.catalog.packing", "tests.toy", *work.needs)]
    for module in dict.fromkeys([*(COMMANDS[name].module for name in ("index", *commands)), *needed]):
        import_module(module)


def _harms(work: Work, place: Place, options: argparse.Namespace) -> Iterator[tuple[Harm, int]]:
    """Yield how a job is harmed, and how many kills of it are wanted."""
    pairs = options.cases // 4 if options.pairs is None else options.pairs
    fresh = options.cases // 10 if options.fresh is None else options.fresh
    yield Harm(work, place, options.seed), options.cases // (4 if work.dear else 1)
    if work.in_pairs and pairs:
        yield Harm(work, place, options.seed, pairs=True), pairs
    if fresh:
        yield Harm(work, place, options.seed, fresh=True), fresh


def _tallies(
    works: list[Work], place: Place, options: argparse.Namespace, begin: float, kept: Path
) -> Iterator[Tally]:
    """Carry out the chains of every job; each has its share of the time that is left."""
    todo = [one for work in works for one in _harms(work, place, options)]
    references: dict[tuple[str, bool], Reference] = {}
    for position, (harm, wanted) in enumerate(todo):
        now = time.monotonic()
        share = (begin + options.seconds - now) / (len(todo) - position)
        if share <= 0:
            print(f"{harm.work.name}: left out, as the time is over", flush=True)
            continue
        if (harm.work.name, harm.fresh) not in references:
            references[harm.work.name, harm.fresh] = measure(harm)
        reference = references[harm.work.name, harm.fresh]
        tally = Tally(harm.work, harm.words, reference.seconds)
        print(f"{harm.work.name}, {harm.words}: {reference.seconds:.2f} s undisturbed", flush=True)
        # On a busy machine to measure may take the whole share.
        until = max(now + share, time.monotonic() + 0.5 * share)
        while not tally.chains or (tally.kills < wanted and time.monotonic() < until):
            number = len(tally.chains)
            chain = harm.chain(number, reference)
            tally.chains.append(chain)
            state = "; ".join(chain.faults) or "identical"
            print(f"  chain {number}: {chain.kills} kills, {chain.seconds:.1f} s: {state}", flush=True)
            if chain.faults:
                keep(place, kept / f"{harm.work.name}-{'pair' if harm.pairs else 'one'}-{number}")
        yield tally


def table(tallies: list[Tally], seed: int, seconds: float) -> str:
    """Return what was found as Markdown."""
    kills, chains = sum(t.kills for t in tallies), sum(len(t.chains) for t in tallies)
    failed = sum(len(tally.failed) for tally in tallies)
    lines = [
        "# Killed at random moments",
        "",
        f"{kills} kills (`kill -9`) in {chains} chains; {chains - failed} of {chains} chains ended as the "
        f"undisturbed job, byte for byte. {datetime.now(timezone.utc):%Y-%m-%d}, seed {seed}, "
        f"{seconds / 60:.0f} minutes, Python {platform.python_version()}, {platform.machine()}.",
        "",
        "| job | harm | kills | chains | identical | work done again per kill: median, most | again by |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for tally in tallies:
        usual, most = tally.redone_s
        cost = (
            f"{usual:.1f} s, {most:.1f} s (of {tally.seconds:.1f} s)"
            if "two at once" not in tally.harm
            else "-"
        )
        cells = (
            tally.work.title,
            tally.harm,
            str(tally.kills),
            str(len(tally.chains)),
            str(len(tally.chains) - len(tally.failed)),
            cost,
            f'`make harm ARGS="--only {tally.work.name} --seed {seed}"`',
        )
        lines.append(f"| {' | '.join(cells)} |")
    excluded = {t.work.excluded: None for t in tallies if t.work.excluded}
    lines += ["", *(f"Not compared: {text}." for text in excluded)]
    left = sum(chain.left for tally in tallies for chain in tally.chains)
    lines += ["", f"Temporary files that kills left behind, none of them read by anything: {left}."]
    return "\n".join(lines) + "\n"
