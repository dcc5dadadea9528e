"""A run's network, read back from its folder."""

import warnings

from torch import nn

from mixlab.errors import ConfigError, RunError
from mixlab.models import ModelConfig, build_model, source_hash
from mixlab.training.run import Run
from mixlab.training.transfer import settings_of_model

__all__ = ["check_source", "load_model"]


def check_source(run: Run, config: ModelConfig, told: str | None) -> None:
    """See to it that a run's network is here, and warn where its file has changed.

    Args:
        run: The run.
        config: Its network.
        told: SHA-256 of the network's file when it was trained; None for mixlab's own.

    Raises:
        RunError: the class of the network is not to be found any more.
    """
    try:
        source = source_hash(config)
    except ConfigError as error:
        raise RunError(
            f"{run.path} holds a network that is not here. {error}", code="plugin-not-found"
        ) from error
    if told not in (None, source):
        warnings.warn(
            f"The file of {config.architecture} has changed since {run.path} was trained: its weights may "
            "mean something else in it. Score the run again ('mixlab evaluate') to see.",
            stacklevel=3,
        )


def load_model(run: Run) -> nn.Module:
    """Return a run's model, the best epoch's, ready for inference on the CPU.

    Raises:
        RunError: no epoch was finished, the files are damaged, it is a baseline's run, or the class of its
            network is not to be found any more.
    """
    config = settings_of_model(run)
    state, card = run.read_model()
    check_source(run, config, card.get("source_sha256"))
    try:
        model = build_model(config, len(card["labels"]["outputs"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError, ConfigError) as error:
        raise RunError(
            f"{run.path}/model.json does not describe model.safetensors: {error}", code="run-damaged"
        ) from error
    return model.eval()
