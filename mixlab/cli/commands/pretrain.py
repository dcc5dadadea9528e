"""``mixlab pretrain``: train a tagger on MTG-Jamendo, to be fine-tuned on mixes."""

from datetime import datetime
from pathlib import Path

from mixlab.cli.commands.train import RunFolder
from mixlab.corpora.clips.mtg_jamendo import JamendoConfig
from mixlab.training.config import TrainConfig

__all__ = ["pretrain"]

_JAMENDO = JamendoConfig()
# All test tracks; the rate of the published training (Won et al. 2020).
_TRAIN = TrainConfig(val_size=1000, test_size=20_000, batch_size=16, lr_head=0.0001, patience=20)


def pretrain(
    root: Path | None = None,
    out: RunFolder | None = None,
    metadata: Path | None = None,
    jamendo: JamendoConfig = _JAMENDO,
    train: TrainConfig = _TRAIN,
    resume: bool = False,
) -> int:
    """Train a tagger on MTG-Jamendo, then score it per tag on the official test split.

    Start from it with 'mixlab train --train.transfer finetune --train.pretrained RUN'.

    Args:
        root: MTG-Jamendo's folder (with data/ and raw_30s/), or the folder of its audio.
        out: Folder of the run; by default runs/ and the time. With 'resume' the run that is to go on.
        metadata: The dataset's repository with its tables, if these do not lie below 'root'.
        jamendo: Which tags and split, and how tracks are cut.
        train: Settings of the training; val_size and test_size are the most tracks that are scored.
        resume: Go on with the run in 'out' from its last checkpoint.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab.cli.commands.evaluate import print_evaluation
    from mixlab.errors import ConfigError
    from mixlab.training import World
    from mixlab.training.pretraining import pretrain as run_pretraining

    if root is None:
        raise ConfigError("Where does MTG-Jamendo lie? Give --root FOLDER.", code="missing-setting")
    if out is None and (resume or World.from_environment().size > 1):
        raise ConfigError(
            "Which run folder? Give --out; --resume also finds it in --config RUN/config.yaml.",
            code="missing-setting",
        )
    folder = Path("runs") / datetime.now().strftime("pretrain-%Y%m%d-%H%M%S") if out is None else out.path
    if out is not None and resume:
        folder = out.moved_to() or folder
    report = (lambda line: print(line, flush=True)) if World.from_environment().is_first else None
    run, evaluation = run_pretraining(
        root, folder, jamendo, train, metadata=metadata, resume=resume, report=report
    )
    if report is None:
        return 0
    if evaluation is None:
        print(f"\nInterrupted; everything so far is in {run.path}.")
        print(f"Go on:   mixlab pretrain --config {run.path}/config.yaml --resume")
        return 130
    print_evaluation(run, evaluation, "test")
    return 0
