"""The conditions of the study of genre and speaker: two networks, two tasks, three ways to a last layer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixlab.errors import ConfigError
from mixlab.models import ModelConfig
from mixlab.studies.plan import Condition
from mixlab.utils.plain import plain

__all__ = [
    "METRIC",
    "NETWORKS",
    "TASKS",
    "TITLES",
    "GenreSpeakerSettings",
    "genre_speaker_conditions",
    "other_task",
    "random_of",
    "scratch_of",
    "transfer_of",
]

METRIC = "accuracy"
TASKS = ("genre", "speaker")
NETWORKS = ("convnet", "rawnet2")
TITLES = {"convnet": "ConvNet", "rawnet2": "RawNet2", "adadelta": "AdaDelta", "adam": "Adam"}
_WORDS = {"genre": "genres", "speaker": "speakers"}

RATE = 22_050
"""Sample rate of both networks in the paper (librosa's), in Hz."""

_MODELS = {
    "convnet": ModelConfig("stft_convnet", sample_rate=RATE),
    "rawnet2": ModelConfig("rawnet2", sample_rate=RATE),
}
_WINDOW_S = {"convnet": 3.0, "rawnet2": 59_049 / RATE}


@dataclass(frozen=True)
class GenreSpeakerSettings:
    """What the study of genre and speaker trains.

    Attributes:
        optimizers: Optimizers of each network (convnet, rawnet2): some of adadelta, adam, adamw, sgd. A
            network that is not named is left out.
        rates: Learning rate of each optimizer. That of AdaDelta is a factor on the steps that it measures
            for itself: 1 in the entry that the paper's ConvNet is taken from; the paper's code has 0.001.
        random: Whether to have the control: a random backbone, and the head of each network trained by the
            last of its optimizers.
        speech_windows: Windows by which a sentence is scored, evenly spaced; 0 lays them by
            ``windows.overlap``. The paper pads sentences to 30 s and takes 19, most of them silence.
        overrides: Settings of single networks by their dotted names, such as
            ``{rawnet2: {train.epochs: 20}}``.
    """

    optimizers: dict[str, list[str]] = field(
        default_factory=lambda: {"convnet": ["adadelta", "adam"], "rawnet2": ["adam"]}
    )
    rates: dict[str, float] = field(default_factory=lambda: {"adadelta": 1.0, "adam": 0.001})
    random: bool = True
    speech_windows: int = 0
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse networks that are none, and optimizers without a rate.

        Raises:
            ConfigError: the message names the setting.
        """
        for name in (*self.optimizers, *self.overrides):
            if name not in NETWORKS:
                raise ConfigError(
                    "settings.optimizers and settings.overrides of the study genre_speaker name some of "
                    f"{', '.join(NETWORKS)}; found {name!r}.",
                    code="invalid-setting",
                )
        for network, optimizers in self.optimizers.items():
            lacking = [name for name in optimizers if name not in self.rates]
            if lacking or not optimizers:
                raise ConfigError(
                    f"settings.optimizers.{network} of the study genre_speaker must name at least one "
                    "optimizer, each with its rate in settings.rates; found "
                    f"{', '.join(optimizers) or 'none'}"
                    f"{', without a rate: ' + ', '.join(lacking) if lacking else ''}.",
                    code="invalid-setting",
                )


def other_task(task: str) -> str:
    """Return the task that a network is transferred from."""
    return next(other for other in TASKS if other != task)


def scratch_of(network: str, optimizer: str, task: str) -> str:
    """Return the name of the condition that trains all weights on a task."""
    return f"{network}_{optimizer}_{task}"


def transfer_of(network: str, optimizer: str, task: str) -> str:
    """Return the name of the condition that retrains only the last layer, of the other task's network."""
    return f"{network}_{optimizer}_{other_task(task)}_to_{task}"


def random_of(network: str, task: str) -> str:
    """Return the name of the control with a random backbone."""
    return f"{network}_random_{task}"


def genre_speaker_conditions(settings: GenreSpeakerSettings) -> list[Condition]:
    """Return the conditions, task by task: trained on it, transferred to it, the random control."""
    return [condition for task in TASKS for condition in _of_task(task, settings)]


def _of_task(task: str, settings: GenreSpeakerSettings) -> Sequence[Condition]:
    found = []
    for network, optimizers in settings.optimizers.items():
        for optimizer in optimizers:
            base = _overrides(network, optimizer, task, settings)
            found += _trained_and_transferred(network, optimizer, task, base)
        if settings.random:
            label = f"{TITLES[network]}: {_WORDS[task]}, random backbone"
            overrides = {
                **_overrides(network, optimizers[-1], task, settings),
                "train.transfer": "random_frozen",
            }
            found.append(Condition(random_of(network, task), label, overrides, task=task))
    return found


def _trained_and_transferred(
    network: str, optimizer: str, task: str, base: Mapping[str, Any]
) -> list[Condition]:
    title = f"{TITLES[network]}, {TITLES.get(optimizer, optimizer)}: {_WORDS[task]}"
    source = other_task(task)
    return [
        Condition(scratch_of(network, optimizer, task), title, dict(base), task=task),
        Condition(
            transfer_of(network, optimizer, task),
            f"{title}, last layer on {_WORDS[source]}' network",
            {**base, "train.transfer": "last"},
            task=task,
            starts_from=scratch_of(network, optimizer, source),
        ),
    ]


def _overrides(network: str, optimizer: str, task: str, settings: GenreSpeakerSettings) -> dict[str, Any]:
    overrides: dict[str, Any] = {
        "train.model": plain(_MODELS[network]),
        "train.loss": "softmax",
        "train.optimizer": optimizer,
        "train.lr_head": settings.rates[optimizer],
        "windows.duration_s": _WINDOW_S[network],
    }
    if task == "speaker":
        overrides["windows.count"] = settings.speech_windows
    return overrides | settings.overrides.get(network, {})
