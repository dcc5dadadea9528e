"""``mixlab train-clips``: train a network on labelled clips."""

from mixlab.cli.commands.train import RunFolder, conduct
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig

__all__ = ["train_clips"]

_CLIPS, _TRAIN = ClipsConfig(), TrainConfig()
# A second, the default of WindowConfig, is too short for the default network.
_WINDOWS = WindowConfig(duration_s=3.0)


def train_clips(
    clips: ClipsConfig = _CLIPS,
    out: RunFolder | None = None,
    windows: WindowConfig = _WINDOWS,
    train: TrainConfig = _TRAIN,
    resume: bool = False,
) -> int:
    """Train a network on labelled clips, then score it on whole clips of its test part, per class.

    A softmax (--train.loss softmax) is for clips of exactly one class each, a sigmoid (bce) for any. Ctrl-C
    saves and ends; --resume=true goes on as if nothing had happened. Clips that cannot be read are named at
    the end.

    Args:
        clips: Which clips, and how they are divided into training, validation and test.
        out: Folder of the run; by default runs/ and the time. With 'resume' the run that is to go on.
        windows: How clips are cut into windows, and how the scores of windows become those of a clip.
        train: The network and its training; an epoch is a pass over the training clips, and all clips are
            scored, whatever epoch_size, val_size and test_size say.
        resume: Go on with the run in 'out' from its last checkpoint.

    Returns:
        Exit code: 0 when the run is scored, 130 when it was interrupted.
    """
    from mixlab.errors import ConfigError
    from mixlab.training.clips import train_on_clips

    if resume and out is not None and not clips.root:
        raise ConfigError(
            f"clips.root: a run goes on with its own settings; give them by --config {out}/config.yaml.",
            code="missing-setting",
        )
    return conduct(
        lambda folder, report: train_on_clips(clips, folder, windows, train, resume=resume, report=report),
        out,
        resume=resume,
        prefix="clips-",
    )
