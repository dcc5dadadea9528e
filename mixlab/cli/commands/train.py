"""``mixlab train``: train a tagger, score it, and say where everything lies."""

from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse.typing import path_type, register_type

from mixlab.mixing.config import MixConfig
from mixlab.training.config import TrainConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from mixlab.evaluation.results import Report
    from mixlab.training.provenance import Progress
    from mixlab.training.run import Run

__all__ = ["RunFolder", "conduct", "train"]

_MIX, _TRAIN = MixConfig(), TrainConfig()
_FOLDER = path_type("d")


class RunFolder:
    """Folder of a run, and where the value was read: a run's own ``config.yaml`` may have moved with it.

    Attributes:
        path: The folder.
        read_in: Folder of the configuration file that names it; the working folder for a command line.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Take a folder as it was typed."""
        self.path = Path(path)
        # A relative path type starts from the file that is being read, and so tells where that lies.
        self.read_in = Path(str(_FOLDER(".").absolute))

    def __str__(self) -> str:
        return str(self.path)

    def moved_to(self) -> Path | None:
        """Return where the run lies now, if its own configuration names a folder that it is not in."""
        from mixlab.training.run import Run

        here = self.read_in
        if not (here / "run.json").is_file() or here.resolve() == self.path.resolve():
            return None
        return here if Run.open(here).config.get("out") == str(self.path) else None


register_type(RunFolder, str, RunFolder)


def train(
    catalog: Path = Path("catalog"),
    out: RunFolder | None = None,
    root: list[str] | None = None,
    mix: MixConfig = _MIX,
    train: TrainConfig = _TRAIN,
    resume: bool = False,
) -> int:
    """Train a tagger on the stream of mixes, then score it on fixed musical mixes, per class.

    Ctrl-C saves and ends; --resume=true goes on as if nothing had happened. Under torchrun several processes
    train together, also on several machines: docs/distributed.md.

    Args:
        catalog: Catalog folder, made by 'mixlab index', or its URL (docs/remote.md).
        out: Folder for the run; by default runs/ and the time.
        root: Where a corpus lies now, as NAME=FOLDER or NAME=URL, if it has moved since indexing.
        mix: How training mixes are made; validation and test use its musical mixes without effects.
        train: The model and its training.
        resume: Go on with the run in 'out' from its last checkpoint.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab import training
    from mixlab.cli.commands.options import parse_pairs

    roots = parse_pairs(root, "--root")
    return conduct(
        lambda folder, report: training.train(
            catalog, folder, mix, train, resume=resume, roots=roots, report=report
        ),
        out,
        resume=resume,
    )


def conduct(
    begin: "Callable[[Path, Progress | None], tuple[Run, Report | None]]",
    out: RunFolder | None,
    *,
    resume: bool,
    prefix: str = "",
) -> int:
    """Run a training, print its scores, and say how to go on where it was interrupted.

    Args:
        begin: Trains and scores in a folder; called with what prints lines of progress.
        out: The folder; None makes one below ``runs``.
        resume: Whether the run in it goes on.
        prefix: What the names of folders that are made begin with.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab.cli.commands.evaluate import print_evaluation
    from mixlab.training import World
    from mixlab.training.run import Run

    world = World.from_environment()
    folder = _folder(out, resume, world.size, prefix)
    was_there = (folder / "run.json").is_file()
    try:
        run, evaluation = begin(folder, (lambda line: print(line, flush=True)) if world.is_first else None)
    except KeyboardInterrupt:
        if not (folder / "run.json").is_file() or (was_there and not resume):
            raise
        run, evaluation = Run(folder), None
    if not world.is_first:
        return 0
    if evaluation is None:
        _say_how_to_go_on(run)
        return 130
    print_evaluation(run, evaluation, "test")
    return 0


def _folder(out: RunFolder | None, resume: bool, n_processes: int, prefix: str) -> Path:
    """Return the run's folder."""
    from mixlab.errors import ConfigError

    if out is None:
        if resume:
            raise ConfigError(
                "--resume=true needs to know the run: give --config RUN/config.yaml, which holds all of its "
                "settings, or --out and these settings again.",
                code="missing-setting",
            )
        if n_processes > 1:
            raise ConfigError(
                f"{n_processes} processes must share one run folder, and would each choose their own by the "
                "time: give --out.",
                code="missing-setting",
            )
        return Path("runs") / f"{prefix}{datetime.now():%Y%m%d-%H%M%S}"
    moved = out.moved_to() if resume else None
    if moved is not None:
        print(f"The run was moved: going on in {moved}, not in {out}.")
    return moved or out.path


def _say_how_to_go_on(run: "Run") -> None:
    print(f"\nInterrupted; everything so far is in {run.path}.")
    if run.info["status"] in ("trained", "evaluated"):
        print(f"It is trained; score it:   mixlab evaluate {run.path}")
    else:
        print(f"Go on:   {run.resume_command}")
