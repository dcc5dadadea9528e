"""Which weights a training starts from, which it moves and how fast, and how far they went."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError, RunError
from mixlab.models import (
    ModelConfig,
    backbone_parameters,
    belongs_to,
    build_model,
    check_outputs,
    embed,
    head_names,
    head_parameters,
    in_channels,
    last_parameters,
    load_weights,
    read_weights,
    resolve,
)
from mixlab.models.pretrained import find_weights, identify, mismatches, needed_settings
from mixlab.training.config import FROZEN, PRETRAINED, TrainConfig, from_plain
from mixlab.training.run import Run
from mixlab.training.run_kinds import WITH_NETWORK, check_command
from mixlab.utils.hashing import file_digest

__all__ = [
    "calibrate_batch_norm",
    "check_pretrained",
    "freeze_backbone",
    "movement",
    "new_model",
    "parameter_groups",
    "prepare_model",
    "pretrained_facts",
    "set_training_mode",
    "settings_of_model",
    "weights_facts",
]

_CHANNELS = {1: "mono", 2: "stereo"}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_DROPOUTS = (nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout)


def new_model(config: TrainConfig, n_classes: int, n_samples: int, channels: int | None = 1) -> nn.Module:
    """Build the model of a training: seeded, filled and frozen as the settings say, in training mode.

    Args:
        config: Settings.
        n_classes: Outputs.
        n_samples: Samples of the excerpts it will be given; too short ones are refused here.
        channels: Channels of these excerpts; None gives the network what it takes.

    Raises:
        ConfigError: the network takes another number of channels, the weights are missing or do not fit, the
            excerpts are too short for the network, or it does not do with them what a network is to do
            (``mixlab.models.check_outputs``).
    """
    torch.manual_seed(config.seed)
    model = build_model(config.model, n_classes)
    if channels is not None:
        _check_channels(model, config.model, channels)
    prepare_model(model, config)
    if config.channels_last:
        # torch's own annotation of Module.to lacks memory_format.
        model = cast(nn.Module, model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    check_outputs(model.eval(), config.model, n_classes, n_samples)
    return model.train()


def _check_channels(model: nn.Module, config: ModelConfig, channels: int) -> None:
    wanted = in_channels(model)
    if wanted != channels:
        raise ConfigError(
            f"{config.architecture} takes {_CHANNELS.get(wanted, wanted)} audio: set mix.channels to "
            f"{wanted}, found {channels}, or choose another network; resnet18 and its like take stereo with "
            "model.parameters.channel_conversion=stereo.",
            code="channels-mismatch",
        )


def prepare_model(model: nn.Module, config: TrainConfig) -> None:
    """Load pretrained weights and freeze what ``config.transfer`` says, in place.

    ``frozen`` and ``finetune`` take front end and backbone and leave the head random (paper, section 2.4);
    ``last`` takes everything but the last fully connected layer.

    Raises:
        ConfigError: the weights do not fit.
        WeightsError: there are none where ``config.pretrained`` says.
    """
    if config.transfer in PRETRAINED:
        _load_pretrained(model, config)
    if config.transfer in FROZEN:
        freeze_backbone(model)
    if config.transfer == "last":
        kept = {id(p) for p in last_parameters(model)}
        for parameter in head_parameters(model):
            parameter.requires_grad_(id(parameter) in kept)


def check_pretrained(config: TrainConfig) -> Path:
    """Return where the weights lie that a training starts from, once it is sure that its network takes them.

    Raises:
        ConfigError: another network is needed, or one of several streams must be chosen; the message names
            the settings.
        RunError: the weights are those of a run that holds no network.
        WeightsError: there are none where ``config.pretrained`` says.
    """
    file = find_weights(config.pretrained)
    known = identify(file)
    needed, name, trained = [], "", None
    if known is not None:
        needed, name = needed_settings(known, config.model), known.name
        trained = None if known.picture_size else known.model
        if known.streams and config.pretrained_stream is None:
            needed.append(f"pretrained_stream=0 (to {len(known.streams) - 1}: {', '.join(known.streams)})")
    elif (file / "run.json").is_file():
        trained = settings_of_model(Run.open(file))
        needed, name = mismatches(trained, config.model), str(file)
    if needed:
        raise ConfigError(
            f"train.pretrained is {name}, whose backbone needs "
            f"{', '.join(f'train.{setting}' for setting in needed)}; set these, or "
            f"choose other weights ('mixlab weights' lists them).{_yours_to_choose(trained, config.model)}",
            code="weights-mismatch",
        )
    return file


def _yours_to_choose(trained: ModelConfig | None, config: ModelConfig) -> str:
    """Return a sentence on hop and level, which may be others than weights were trained with, if they are."""
    if trained is None:
        return ""
    wanted, found = resolve(trained), resolve(config)
    own = {"hop": (wanted.hop, found.hop), "level": (wanted.level, found.level)}
    differing = [f"train.model.{name}={value}" for name, (value, given) in own.items() if value != given]
    return f" They were trained with {' and '.join(differing)}, which you may change." if differing else ""


def _load_pretrained(model: nn.Module, config: TrainConfig) -> None:
    state = read_weights(check_pretrained(config), stream=config.pretrained_stream)
    load_weights(model, state, parts="all_but_last" if config.transfer == "last" else "backbone")


def settings_of_model(run: Run) -> ModelConfig:
    """Return the settings of a run's network, without its weights.

    Raises:
        RunError: it holds no network, or its card does not describe it.
    """
    check_command(run, *WITH_NETWORK)
    try:
        return from_plain(ModelConfig, run.card["config"])
    except (KeyError, TypeError, ConfigError) as error:
        raise RunError(
            f"{run.path}/model.json does not describe its network: {error}", code="run-damaged"
        ) from error


def pretrained_facts(config: TrainConfig) -> dict[str, Any] | None:
    """Return what a run's card says of the weights it started from: file, name, licences, data.

    None for a training that starts from random weights.
    """
    if config.transfer not in PRETRAINED:
        return None
    return weights_facts(config.pretrained, config.pretrained_stream)


def weights_facts(weights: str, stream: int | None = None) -> dict[str, Any]:
    """Return what a run's card says of weights that it takes: file, name, licences, data.

    Name and licences are None for a file that 'mixlab weights' does not know; of another run, its own card
    says what it was trained on and started from.

    Args:
        weights: A file, a run folder, or a name that 'mixlab weights' lists.
        stream: Which stream of a multi-stream file.

    Raises:
        WeightsError: there are none.
    """
    path = find_weights(weights)
    file = path / "model.safetensors" if path.is_dir() else path
    known = identify(file)
    card = Run.open(path).card if (path / "run.json").is_file() else {}
    return {
        "path": str(path.absolute()),
        "stream": stream,
        "sha256": file_digest(file),
        "known_as": known.name if known else None,
        "project": known.project if known else None,
        "licence_code": known.licence_code if known else None,
        "licence_weights": known.licence_weights if known else None,
        "licence_data": card.get("licence_data"),
        "trained_on": known.trained_on if known else card.get("trained_on"),
        **({"clips": {**card["clips"], "content_hash": card["catalog_hash"]}} if "clips" in card else {}),
        # Whose training tracks these weights have seen; the published files are of the first split.
        "jamendo_split": card.get("jamendo_split")
        if known is None
        else 0
        if "jamendo" in known.name
        else None,
        "started_from": card.get("pretrained_file"),
    }


def freeze_backbone(model: nn.Module) -> None:
    """Exclude front end and backbone from training, in place; ``set_training_mode`` does the rest."""
    for parameter in backbone_parameters(model):
        parameter.requires_grad_(False)


def set_training_mode(model: nn.Module, *, last_only: bool = False) -> None:
    """Put the model in training mode, and what is frozen of it in evaluation mode.

    A frozen module in training mode would still drift: batch norm moves its running statistics without
    any gradient. With a frozen backbone only modules of the head are in training mode.

    Args:
        model: The model, as ``prepare_model`` leaves it.
        last_only: Of the head only the last layer learns: of its other modules dropout alone is in
            training mode, as it belongs to the layer behind it.
    """
    model.train()
    backbone = backbone_parameters(model)
    if not backbone or any(p.requires_grad for p in backbone):
        for module in model.modules():
            if _is_frozen(module):
                module.eval()
        return
    model.eval()
    for name in head_names(model):
        for module in model.get_submodule(name).modules():
            weights = list(module.parameters())
            learns = any(p.requires_grad for p in weights) if weights else not last_only
            module.training = learns or isinstance(module, _DROPOUTS)


def _is_frozen(module: nn.Module) -> bool:
    weights = list(module.parameters())
    return bool(weights) and not any(p.requires_grad for p in weights)


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Return optimizer groups ``head`` and, unless it is frozen, ``backbone``, each with its rate.

    With ``transfer=last`` the group ``head`` holds the last fully connected layer alone.
    """
    head = last_parameters(model) if config.transfer == "last" else head_parameters(model)
    groups: list[dict[str, Any]] = [{"name": "head", "params": head, "lr": config.lr_head}]
    rate = config.backbone_rate
    if rate is not None:
        groups.append({"name": "backbone", "params": backbone_parameters(model), "lr": rate})
    return groups


def calibrate_batch_norm(model: nn.Module, audio: Iterable[Tensor]) -> None:
    """Measure the statistics of the backbone's batch norms on real mixes, in place; weights stay.

    A random backbone that is to be frozen has never seen a mix: with its statistics at zero mean and unit
    variance, a map of -60 dB saturates the first layers, and the control would be worse than random weights
    are. Each statistic becomes the mean over the batches, all counted alike.

    Args:
        model: Its frozen front end and backbone.
        audio: Batches ``(B, 1, T)``, the same for every process of a training.
    """
    names = head_names(model)
    norms = [
        module
        for name, module in model.named_modules()
        if isinstance(module, _BATCH_NORMS) and not belongs_to(name, names)
    ]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        # None: a cumulative mean instead of one that forgets.
        norm.momentum = None
        norm.train()
    try:
        with torch.no_grad():
            for batch in audio:
                embed(model, batch)
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.eval()


def movement(
    model: nn.Module, start: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> dict[str, dict[str, float | bool | None]]:
    """Return how far each top module went from where it started.

    Args:
        model: For which of its weights a gradient may move.
        start: State dict before training.
        state: State dict after it.

    Returns:
        By top module that has weights, and by weight of the network itself: ``trainable``; ``weights``, the
        relative L2 change of its parameters, ``|after - before| / |before|`` over all of them together; and
        ``statistics``, the same of batch norm's running means and variances, None where there are none.
        0 is exactly 0: not one bit moved.
    """
    parameters = dict(model.named_parameters())
    result: dict[str, dict[str, float | bool | None]] = {}
    for name in dict.fromkeys(key.partition(".")[0] for key in start):
        keys = [key for key in start if belongs_to(key, (name,)) and start[key].is_floating_point()]
        weights = [key for key in keys if key in parameters]
        statistics = [key for key in keys if key.endswith(("running_mean", "running_var"))]
        if weights:
            result[name] = {
                "trainable": any(parameters[key].requires_grad for key in weights),
                "weights": _relative_change(start, state, weights),
                "statistics": _relative_change(start, state, statistics) if statistics else None,
            }
    return result


def _relative_change(start: Mapping[str, Tensor], state: Mapping[str, Tensor], keys: list[str]) -> float:
    before = torch.cat([start[key].detach().cpu().double().flatten() for key in keys])
    after = torch.cat([state[key].detach().cpu().double().flatten() for key in keys])
    change, size = float((after - before).norm()), float(before.norm())
    return change if size == 0 else change / size
