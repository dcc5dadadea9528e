"""``mixlab train``: train a tagger, score it, and say where everything lies."""

from datetime import datetime
from pathlib import Path

from mixlab.recipes import MixConfig
from mixlab.training.config import TrainConfig

__all__ = ["train"]

_MIX, _TRAIN = MixConfig(), TrainConfig()


def train(
    catalog: Path = Path("catalog"),
    out: Path | None = None,
    mix: MixConfig = _MIX,
    train: TrainConfig = _TRAIN,
    resume: bool = False,
) -> int:
    """Train a tagger on the stream of mixes, then score it on fixed musical mixes, per class.

    Ctrl-C saves and ends; --resume=true goes on as if nothing had happened.

    Args:
        catalog: Catalog folder, made by 'mixlab index'.
        out: Folder for the run; by default runs/ and the time.
        mix: How training mixes are made; validation and test use its musical mixes without effects.
        train: The model and its training.
        resume: Go on with the run in 'out' from its last checkpoint.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab import training
    from mixlab.commands.evaluate import print_evaluation
    from mixlab.errors import ConfigError

    if out is None:
        if resume:
            raise ConfigError("--resume=true needs to know the run: give --out, or --config RUN/config.yaml.")
        out = Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    first = training.World.from_environment().is_first
    run, evaluation = training.train(
        catalog,
        out,
        mix,
        train,
        resume=resume,
        report=(lambda line: print(line, flush=True)) if first else None,
    )
    if not first:
        return 0
    if evaluation is None:
        print(f"Interrupted; everything so far is in {run.path}.")
        print(f"Go on:   mixlab train --config {run.path}/config.yaml --resume=true")
        return 130
    print_evaluation(run, evaluation, "test")
    return 0
