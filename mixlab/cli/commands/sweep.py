"""``mixlab sweep``: a grid over any settings, several seeds, one table and one figure."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixlab.mixing.config import MixConfig
from mixlab.training.config import TrainConfig
from mixlab.utils.parallel import Engine

if TYPE_CHECKING:
    from mixlab.studies.engine import Launcher
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.parts import Part
    from mixlab.studies.plan import Plan
    from mixlab.studies.state import TrialState

__all__ = ["carry_out", "report_again", "sweep", "watch_study"]

_MIX, _TRAIN, _SEEDS = MixConfig(), TrainConfig(), "0,1,2"

_MOST_LINES = 12


def sweep(
    catalog: Path = Path("catalog"),
    out: Path | None = None,
    vary: list[str] | None = None,
    seeds: str | int | list[int] = _SEEDS,
    root: list[str] | None = None,
    mix: MixConfig = _MIX,
    train: TrainConfig = _TRAIN,
    parallel: int = 1,
    threads: int = 0,
    engine: Engine = "local",
    gpus: float = 0.0,
    array: str = "",
    resamples: int = 1000,
    dry_run: bool = False,
    watch: Path | None = None,
    report: Path | None = None,
    go_on: Path | None = None,
    more_seeds: str | int | list[int] = "",
) -> int:
    """Train a run for every combination of settings and every seed, then write one table and one figure.

    Every condition of the grid has the same seeds, the same fixed test mixes, and all else alike. Each
    training is a run folder as 'mixlab train' makes it. The same command goes on where it was stopped; what
    fails is reported at the end and tried again the next time.

    Args:
        catalog: Folder of the catalog, or its URL (docs/remote.md).
        out: Folder of the sweep: runs/, report.md, table.csv, figure.png and .svg, study.json.
        vary: A setting and its values, as NAME=VALUE,VALUE such as mix.p_musical=0,0.4,1; may be given
            several times, for a grid.
        seeds: Seeds of every condition.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: Settings of the mixing that all conditions share.
        train: Settings of the training that all conditions share.
        parallel: Trainings at a time, each in a process of its own; 0 for one after another in this process,
            which saves their start and lets Ctrl-C wait for the one under way.
        threads: Threads of each training; 0 shares the processors among them.
        engine: 'local', or 'ray' for a running ray cluster whose machines share OUT (docs/cluster.md).
        gpus: GPUs of each training on a ray cluster; 0.5 lets two share one.
        array: Train only part N of K, as N/K, for job arrays such as SLURM's (docs/cluster.md); when all
            parts are done, the command without it writes the tables.
        resamples: Bootstrap resamples of songs behind the intervals.
        dry_run: Only say what would be trained.
        watch: Show how a sweep or a study in this folder stands, also from a second terminal.
        report: Write the tables and figures of a sweep or a study in this folder again, and train nothing.
        go_on: Train what a sweep or a study in this folder lacks, with its own settings, catalog and seeds;
            --vary gives a grid more values, --more_seeds gives all conditions more seeds.
        more_seeds: Further seeds, with --go_on.

    Returns:
        Exit code: 0 when all is done, 1 when runs failed, 130 when it was interrupted.
    """
    if watch is not None:
        return watch_study(watch)
    if report is not None:
        return report_again(report, resamples)
    from mixlab.studies.grids import grid_conditions, parse_seeds, parse_vary
    from mixlab.studies.plan import Plan

    given = {"--out": out, "--seeds": seeds != _SEEDS, "--mix": mix != _MIX, "--train": train != _TRAIN}
    _check_going_on(go_on, more_seeds, [name for name, there in given.items() if there])
    varied = parse_vary(vary or [])
    if go_on is not None:
        plan, there = _plan_again(go_on, varied, more_seeds)
        catalog, out = there if catalog == Path("catalog") else catalog, go_on
    else:
        plan = Plan(
            kind="sweep",
            title=f"Sweep over {', '.join(varied)}",
            conditions=grid_conditions(varied),
            seeds=parse_seeds(seeds),
            mix=mix,
            train=train,
            vary=varied,
        )
    return carry_out(
        plan,
        catalog,
        out,
        root=root,
        parallel=parallel,
        threads=threads,
        engine=engine,
        gpus=gpus,
        array=array,
        resamples=resamples,
        dry_run=dry_run,
    )


def _check_going_on(go_on: Path | None, more_seeds: str | int | list[int], others: Sequence[str]) -> None:
    """Refuse options that would have no effect.

    Raises:
        ConfigError: further seeds of no study that is there, or settings beside those of one that is.
    """
    from mixlab.errors import ConfigError

    if go_on is None and more_seeds != "":
        raise ConfigError(
            "--more_seeds goes with --go_on FOLDER, a sweep or study that is there; a new one takes --seeds.",
            code="conflicting-settings",
        )
    if go_on is not None and others:
        raise ConfigError(
            f"--go_on trains {go_on} with its own settings and seeds, without {', '.join(others)}: "
            "leave that out, give --more_seeds, or start another sweep (--out).",
            code="conflicting-settings",
        )


def _plan_again(
    out: Path, vary: "dict[str, tuple[Any, ...]]", seeds: str | int | list[int]
) -> "tuple[Plan, Path]":
    """Return the plan of a study that is there, with more values and seeds, and its catalog."""
    from mixlab.studies.extending import extend_plan, plan_of
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.grids import parse_seeds

    state = StudyFolder(out).read_state()
    more = () if seeds == "" else parse_seeds(seeds)
    return extend_plan(plan_of(state), vary, more), Path(state.catalog.path)


def carry_out(
    plan: "Plan",
    catalog: Path,
    out: Path | None,
    *,
    root: list[str] | None,
    parallel: int,
    threads: int,
    engine: Engine = "local",
    gpus: float = 0.0,
    array: str = "",
    resamples: int,
    dry_run: bool,
) -> int:
    """Train what a plan lacks, write its report, and say where it lies."""
    from mixlab.catalog.catalog import Catalog
    from mixlab.cli.commands.options import parse_pairs
    from mixlab.errors import ConfigError
    from mixlab.studies.data import StudyData
    from mixlab.studies.engine import run_study, with_precision
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.parts import Part

    if out is None:
        raise ConfigError(
            "Where to? Give --out FOLDER; the same folder goes on later.", code="missing-setting"
        )
    # In this process the commands of trials read their configurations, for which jsonargparse changes the
    # working directory under the thread that writes the study's files.
    folder = StudyFolder(out if parallel else out.absolute())
    folder.check_usable()
    part = Part.parse(array) if array else None
    print(plan.title, flush=True)
    if dry_run:
        return _say_what_would_be_trained(folder, plan, part, catalog, root)
    data = StudyData(Catalog.open(catalog, parse_pairs(root, "--root")) if plan.on_mixes else None)
    plan = with_precision(folder, plan, data, parts=part is not None)
    launcher, threads = _launcher(engine, parallel, threads, gpus, plan.train.num_workers)
    result = run_study(
        folder,
        plan,
        data,
        launcher=launcher,
        parallel=parallel or 1,
        threads=threads,
        roots=root or [],
        part=part,
        say=lambda line: print(line, flush=True),
    )
    if result.interrupted:
        done = len(result.states) - len(result.unfinished)
        print(f"\nInterrupted; {done} of {len(result.states)} runs are done, everything so far is in {out}.")
        print("Go on:   the same command again")
        print(f"Tables of what is done:   mixlab sweep --report {out}")
        return 130
    if part is not None:
        return _finish_part(folder, part, result.states, result.unfinished)
    return _finish(folder, result.unfinished, resamples)


def _say_what_would_be_trained(
    folder: "StudyFolder", plan: "Plan", part: "Part | None", catalog: Path, root: list[str] | None
) -> int:
    """Print every run with its status; those that are there are compared with what is asked."""
    from mixlab.catalog.catalog import Catalog
    from mixlab.cli.commands.options import parse_pairs
    from mixlab.studies.data import StudyData
    from mixlab.studies.engine import with_precision

    trials, faults = plan.trials(), dict[str, str]()
    if any(map(folder.has_run, trials)):
        data = StudyData(Catalog.open(catalog, parse_pairs(root, "--root")) if plan.on_mixes else None)
        faults = folder.made_otherwise(with_precision(folder, plan, data).trials(), data)
    own = trials if part is None else part.own(trials)
    print(f"{len(own)} runs in {folder.path}/runs would be trained, or are there:")
    for state in map(folder.state, own):
        status = "made otherwise" if state.name in faults else state.status
        print(f"  {state.name:<40}  {status}")
    folder.check_made(faults)
    return 0


def _launcher(
    engine: Engine, parallel: int, threads: int, gpus: float, workers: int
) -> "tuple[Launcher | None, int]":
    """Return how trainings are carried out, None for processes of this machine, and the threads of each."""
    from mixlab.errors import ConfigError

    if engine == "ray":
        from mixlab.studies.ray_launcher import RayLauncher, share_threads

        if parallel < 1:
            raise ConfigError(
                "--parallel 0 trains in this process, --engine ray on a cluster. Give --parallel 1 or more.",
                code="conflicting-settings",
            )
        threads = threads or share_threads(parallel, workers)
        return RayLauncher(threads, gpus), threads
    if gpus:
        raise ConfigError(
            "--gpus shares out the GPUs of a ray cluster; with --engine local there is none. Leave it out.",
            code="conflicting-settings",
        )
    if parallel:
        return None, threads
    from mixlab.cli.commands.here import HereLauncher

    return HereLauncher(), threads


def _finish_part(
    folder: "StudyFolder",
    part: "Part",
    states: "Sequence[TrialState]",
    unfinished: "Sequence[TrialState]",
) -> int:
    """Say how a part of a study stands; the tables are of all parts together."""
    print(f"\nPart {part.number}/{part.of}: {len(states) - len(unfinished)} of {len(states)} runs are done.")
    _print_missing(folder, unfinished)
    print(f"When all parts are: the same command without --array, or mixlab sweep --report {folder.path}")
    return 1 if unfinished else 0


def _finish(folder: "StudyFolder", unfinished: "Sequence[TrialState]", resamples: int) -> int:
    """Write and print the report, then what is missing."""
    code = 1 if unfinished else 0
    states = folder.states()
    if not states or any(state.status == "done" for state in states):
        _write_and_print(folder, resamples)
    _print_missing(folder, unfinished)
    return code


def _print_missing(folder: "StudyFolder", unfinished: "Sequence[TrialState]") -> None:
    if unfinished:
        print(f"\n{len(unfinished)} runs are missing; what fills them (or the same command again):")
        for state in unfinished[:_MOST_LINES]:
            print(f"  {state.command}")
            if state.error:
                print(f"      {state.status}: {state.error}")
        if len(unfinished) > _MOST_LINES:
            print(f"  ... and {len(unfinished) - _MOST_LINES} more, in {folder.path}/study.json")


def _write_and_print(folder: "StudyFolder", resamples: int) -> None:
    from mixlab.studies.reports import write_study_report

    report, results = write_study_report(folder, n_resamples=resamples)
    print()
    if results.note:
        print(f"({results.note})\n")
    print(report.lead.text())
    for line in report.findings:
        print(f"- {line}")
    for problem in results.problems:
        print(f"- problem: {problem}")
    print(f"\nReport:   {folder.path}/report.md   (all numbers: table.csv, differences.csv, runs.csv)")
    if report.figures:
        print(f"Figures:  {', '.join(f'{folder.path}/{name}.png' for name in report.figures)}   (and .svg)")
    else:
        print("Figures need Altair and vl-convert: pip install 'mixlab[plot]', mixlab sweep --report ...")
    print(f"Runs:     {folder.path}/runs")


def report_again(out: Path, resamples: int) -> int:
    """Write the report of a study as it stands."""
    from mixlab.studies.folder import StudyFolder

    folder = StudyFolder(out)
    return _finish(folder, [state for state in folder.states() if state.status != "done"], resamples)


def watch_study(out: Path) -> int:
    """Show how a study stands; on a terminal until it ends or Ctrl-C."""
    from mixlab.studies.display import plain_seconds, status_table
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.forecast import seconds_left
    from mixlab.studies.state import STATUSES

    folder = StudyFolder(out)
    labels = {condition.name: condition.label for condition in folder.read_state().conditions}
    drawn = 0
    while True:
        states, at_work = folder.states(), folder.is_locked()
        counts = {status: sum(s.status == status for s in states) for status in STATUSES}
        lines = status_table(labels, states).text().splitlines()
        lines.append(", ".join(f"{n} {status}" for status, n in counts.items() if n) or "nothing to train")
        left = seconds_left(states, {}, parallel=folder.read_state().parallel) if at_work else None
        rest = f", about {plain_seconds(left)} left" if left is not None else ""
        lines.append(f"at work{rest}" if at_work else "nobody is at work on it")
        if drawn:
            sys.stdout.write(f"\x1b[{drawn}F\x1b[J")
        print("\n".join(line[:118] for line in lines), flush=True)
        drawn = len(lines)
        if not at_work or not sys.stdout.isatty():
            break
        time.sleep(2)
    open_ = [state for state in states if state.status in ("missing", "interrupted", "failed")]
    for state in open_[:_MOST_LINES]:
        print(f"  {state.command}    # {state.status}{': ' + state.error if state.error else ''}")
    return 0
