"""The conditions of the study: networks by their start, and channel conversions of one of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mixlab.errors import ConfigError
from mixlab.studies.base import StudyRequest
from mixlab.studies.plan import Condition

__all__ = [
    "ORACLE",
    "TASK",
    "PredominantSettings",
    "conversion_start",
    "name_of",
    "predominant_conditions",
    "title_of",
]

TASK = "instruments"
"""The clips of the study."""

ORACLE = "_oracle"
"""Ends the name of a condition whose threshold was chosen on test."""

STARTS = ("random", "pretrained")
CONVERSIONS = ("duplicate", "zero_pad", "stereo")

_TITLES = {
    "resnet18": "ResNet18",
    "resnet50": "ResNet50",
    "inception_v3": "Inception v3",
    "efficientnet_lite0": "EfficientNet-Lite0",
}
_WORDS = {"zero_pad": "zero padding", "stereo": "stereo", "duplicate": "duplication"}


@dataclass(frozen=True)
class PredominantSettings:
    """Settings of the study.

    Attributes:
        networks: Networks for pictures, each from random weights.
        pretrained: Those of them that are also trained from ImageNet's weights; null for all.
        weights: Where these lie, by network: a file in torchvision's own format, or a name of 'mixlab
            weights'. Without an entry, imagenet_ and the network's name.
        conversions: Channel conversions to compare: duplicate, zero_pad, stereo; none for no such table. On
            mixes stereo is left out, as all conditions are scored on the same mono mixes.
        conversions_of: The network that has them, from ImageNet's weights where it is among pretrained. Empty
            takes the paper's, resnet50, or the first where that is not among networks.
    """

    networks: tuple[str, ...] = ("resnet18", "resnet50", "efficientnet_lite0")
    pretrained: tuple[str, ...] | None = None
    weights: dict[str, str] = field(default_factory=dict)
    conversions: tuple[str, ...] = CONVERSIONS
    conversions_of: str = ""

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a conversion that there is not, or a network that is not among ``networks``.
        """
        unknown = [name for name in self.conversions if name not in CONVERSIONS]
        if unknown:
            raise ConfigError(
                f"settings.conversions may hold {', '.join(CONVERSIONS)}; found {', '.join(unknown)}.",
                code="invalid-setting",
            )
        of = [self.conversions_of] if self.conversions_of else []
        absent = [n for n in (*(self.pretrained or ()), *self.weights, *of) if n not in self.networks]
        if absent or not self.networks:
            raise ConfigError(
                f"settings.pretrained, weights and conversions_of name networks of settings.networks "
                f"({', '.join(self.networks)}); found {', '.join(absent) or 'none'}.",
                code="conflicting-settings",
            )

    @property
    def with_weights(self) -> tuple[str, ...]:
        """The networks that are also trained from ImageNet's weights."""
        return self.networks if self.pretrained is None else self.pretrained

    @property
    def converted(self) -> str:
        """The network that has the conversions."""
        return self.conversions_of or ("resnet50" if "resnet50" in self.networks else self.networks[0])


def name_of(network: str, start: str, conversion: str = "duplicate") -> str:
    """Return the name of a condition."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", network).strip("_")
    return f"{plain}_{start}" + ("" if conversion == "duplicate" else f"_{conversion}")


def title_of(network: str) -> str:
    """Return what people call a network."""
    return _TITLES.get(network, network)


def conversion_start(settings: PredominantSettings) -> str:
    """Return how the network of the conversions starts."""
    return "pretrained" if settings.converted in settings.with_weights else "random"


def predominant_conditions(request: StudyRequest, settings: PredominantSettings) -> list[Condition]:
    """Return what is trained, then the same decided by a threshold that was chosen on test."""
    trained = [
        _condition(request, settings, network, start, "duplicate")
        for network in settings.networks
        for start in STARTS
        if start == "random" or network in settings.with_weights
    ]
    for conversion in settings.conversions:
        if conversion == "duplicate" or (conversion == "stereo" and request.data != "clips"):
            continue
        start = conversion_start(settings)
        trained.append(_condition(request, settings, settings.converted, start, conversion))
    return [*trained, *map(_by_oracle, trained)]


def _condition(
    request: StudyRequest, settings: PredominantSettings, network: str, start: str, conversion: str
) -> Condition:
    overrides = {
        "train.model.architecture": network,
        "train.model.parameters.channel_conversion": conversion,
        "train.transfer": "scratch" if start == "random" else "finetune",
        "train.pretrained": "" if start == "random" else _weights(settings.weights, network),
    }
    converted = "" if conversion == "duplicate" else f", {_WORDS[conversion]}"
    return Condition(
        name=name_of(network, start, conversion),
        label=f"{title_of(network)}, {start}{converted}",
        overrides=overrides,
        values={"network": network, "start": start, "conversion": conversion},
        threshold="common",
        task=TASK if request.data == "clips" else "",
    )


def _weights(given: Mapping[str, str], network: str) -> str:
    return given.get(network, f"imagenet_{network}")


def _by_oracle(condition: Condition) -> Condition:
    return Condition(
        name=condition.name + ORACLE,
        label=f"{condition.label}; threshold of test",
        values=condition.values,
        threshold="common_on_test",
        same_runs_as=condition.name,
        task=condition.task,
    )
