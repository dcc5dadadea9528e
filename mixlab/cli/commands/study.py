"""``mixlab study``: the experiments of the papers, and more, as commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mixlab.cli.commands.options import parse_pairs
from mixlab.cli.commands.sweep import carry_out
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig
from mixlab.utils.parallel import Engine

if TYPE_CHECKING:
    from mixlab.studies.base import Study, StudyRequest

__all__ = ["study"]

_MIX, _TRAIN, _WINDOWS = MixConfig(), TrainConfig(), WindowConfig()


def study(
    name: str = "",
    catalog: Path = Path("catalog"),
    out: Path | None = None,
    seeds: str | int | list[int] = "0,1,2",
    root: list[str] | None = None,
    mix: MixConfig = _MIX,
    train: TrainConfig = _TRAIN,
    data: Literal["", "mixes", "clips"] = "",
    tasks: dict[str, ClipsConfig] | None = None,
    windows: WindowConfig = _WINDOWS,
    settings: dict[str, Any] | None = None,
    grid: str | float | list[float] = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1",
    pretrained: str = "",
    pretrained_stream: int | None = None,
    transfer_modes: str = "",
    cached_items: int = 0,
    baselines: bool = True,
    baseline_items: int = 4000,
    balance: float = 1.0,
    also: list[str] | None = None,
    parallel: int = 1,
    threads: int = 0,
    engine: Engine = "local",
    gpus: float = 0.0,
    array: str = "",
    resamples: int = 1000,
    dry_run: bool = False,
    list: bool = False,
) -> int:
    """Run an experiment of a paper: train what is missing, then write tables, figures and verdicts.

    'mixlab study --list' shows them all, with the paper of each, what it trains on, and its own settings.
    configs/studies/ holds a configuration of each: NAME.yaml for demo corpora, NAME_paper.yaml with the
    values of the paper.

    Args:
        name: Which study: one that --list shows, a YAML file with conditions, or package.module:Class of
            your own.
        catalog: Folder of the catalog, or its URL (docs/remote.md), for studies on mixes.
        out: Folder of the study; by default studies/ and its name. The same command goes on later.
        seeds: Seeds of every condition; the paper's Fig. 2 has four.
        root: Where a corpus lies, as NAME=FOLDER: the clips of a task, by its name or its corpus, or a corpus
            of the catalog that has moved since indexing.
        mix: Settings of the mixing that all conditions share.
        train: Settings of the training that all conditions share.
        data: What to train on, where a study can do both: mixes of the catalog, or labelled clips.
        tasks: The clips of a study by the names that it calls them: corpus, root, task and so on of each.
        windows: How clips are cut into windows; all conditions share it.
        settings: The study's own settings, as --settings.NAME VALUE.
        grid: p_musical only: its values.
        pretrained: transfer only: weights to start from, as train.pretrained.
        pretrained_stream: transfer only: which stream of a multi-stream checkpoint.
        transfer_modes: transfer only: some of scratch, frozen, finetune, last, random_frozen, with commas
            (all).
        cached_items: transfer only: with a frozen backbone, mix and embed so many mixes once; 0 mixes anew.
        baselines: transfer only: whether to have the classical baselines.
        baseline_items: transfer only: training mixes of a baseline.
        balance: rare_classes only: share of class-balanced samples where they are switched on.
        also: Runs made elsewhere, as LABEL=RUN,RUN with a run per seed (or a folder of runs); each label
            becomes a row. For per_class these are all that is shown.
        parallel: Trainings at a time, each in a process of its own; 0 for one after another in this process,
            which saves their start and lets Ctrl-C wait for the one under way.
        threads: Threads of each training; 0 shares the processors among them.
        engine: 'local', or 'ray' for a running ray cluster whose machines share OUT (docs/cluster.md).
        gpus: GPUs of each training on a ray cluster; 0.5 lets two share one.
        array: Train only part N of K, as N/K, for job arrays such as SLURM's (docs/cluster.md); when all
            parts are done, the command without it writes the tables.
        resamples: Bootstrap resamples of songs behind the intervals.
        dry_run: Only say what would be trained.
        list: Only show the studies that there are.

    Returns:
        Exit code: 0 when all is done, 1 when runs failed, 130 when it was interrupted.
    """
    from mixlab.studies.base import StudyRequest
    from mixlab.studies.conditions import LISTED
    from mixlab.studies.data import move_roots
    from mixlab.studies.grids import parse_seeds
    from mixlab.studies.registry import build_study, find_study, parse_also

    if list:
        return _print_studies()
    if not name:
        raise ConfigError(
            "Which study? 'mixlab study NAME ...'; 'mixlab study --list' shows them.", code="missing-setting"
        )
    clips, rest = move_roots(tasks or {}, parse_pairs(root, "--root"))
    request = StudyRequest(
        mix=mix,
        train=train,
        seeds=parse_seeds(seeds),
        grid=_parse_grid(grid),
        pretrained=pretrained,
        pretrained_stream=pretrained_stream,
        transfer_modes=tuple(mode for mode in transfer_modes.split(",") if mode),
        cached_items=cached_items,
        baselines=baselines,
        baseline_items=baseline_items,
        balance=balance,
        also=parse_also(also or []),
        data=data,
        tasks=clips,
        windows=windows,
        settings=settings or {},
    )
    plan, chosen = build_study(name, request), find_study(name)
    _say_what_has_no_effect(chosen, request)
    if not dry_run:
        chosen.check(plan)
    return carry_out(
        plan,
        catalog,
        out or Path("studies") / (Path(name).stem if chosen.name == LISTED else chosen.name),
        root=[f"{name}={folder}" for name, folder in rest.items()],
        parallel=parallel,
        threads=threads,
        engine=engine,
        gpus=gpus,
        array=array,
        resamples=resamples,
        dry_run=dry_run,
    )


def _print_studies() -> int:
    """Print every study: its question, its paper, what it trains on, and its own settings."""
    from mixlab.studies.listing import study_lines
    from mixlab.studies.registry import studies

    print("\n\n".join("\n".join(study_lines(one)) for one in studies().values()))
    return 0


def _parse_grid(grid: str | float | list[float]) -> tuple[float, ...]:
    parts = grid.split(",") if isinstance(grid, str) else [grid] if isinstance(grid, float) else grid
    try:
        return tuple(float(part) for part in parts)
    except ValueError as error:
        raise ConfigError(
            f"--grid takes numbers from 0 to 1 such as 0,0.4,1; found {grid!r}.", code="malformed-option"
        ) from error


def _say_what_has_no_effect(study: "Study", request: "StudyRequest") -> None:
    """Name the options that were set and that this study does not look at: a typo else goes unseen."""
    from mixlab.studies.base import StudyRequest
    from mixlab.studies.registry import studies

    plain = StudyRequest(mix=request.mix, train=request.train, seeds=request.seeds)
    owners = {option: other.name for other in studies().values() for option in other.options}
    ignored = [
        f"--{option} (of {owner})"
        for option, owner in owners.items()
        if option not in study.options and getattr(request, option) != getattr(plain, option)
    ]
    if ignored:
        print(f"no effect on the study {study.name}: {', '.join(ignored)}")
