"""``mixlab pretrain``: train a tagger on MTG-Jamendo, to be fine-tuned on mixes."""

from pathlib import Path

from mixlab.cli.commands.train import RunFolder, conduct
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
    from mixlab.errors import ConfigError
    from mixlab.training.pretraining import pretrain as run_pretraining

    if root is None:
        raise ConfigError("Where does MTG-Jamendo lie? Give --root FOLDER.", code="missing-setting")
    return conduct(
        lambda folder, report: run_pretraining(
            root, folder, jamendo, train, metadata=metadata, resume=resume, report=report
        ),
        out,
        resume=resume,
        prefix="pretrain-",
    )
