"""The settings of a training, and how they travel to and from YAML."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from mixlab.errors import ConfigError
from mixlab.models import ModelConfig
from mixlab.utils.values import check_names, check_seeds, check_setting, names_class

__all__ = [
    "FROZEN",
    "PRETRAINED",
    "AugmentConfig",
    "TeacherConfig",
    "TrainConfig",
    "Transfer",
    "flatten",
    "from_plain",
    "with_defaults",
]

Transfer = Literal["scratch", "frozen", "finetune", "last", "random_frozen"]
Loss = Literal["bce", "mcm", "softmax"]
Optimizer = Literal["adam", "adamw", "adadelta", "sgd"]
Schedule = Literal["step", "cosine", "constant"]
ClassWeights = Literal["none", "balanced"]
Precision = Literal["auto", "fp32", "bf16"]
Accelerator = Literal["auto", "cpu", "cuda"]

T = TypeVar("T")

_FINETUNE_LR = 0.0001
PRETRAINED = ("frozen", "finetune", "last")
"""Transfer modes that start from given weights."""
FROZEN = ("frozen", "last", "random_frozen")
"""Transfer modes that leave front end and backbone as they start."""


@dataclass(frozen=True)
class TeacherConfig:
    """A published tagger or a run whose scores of the mixes are learnt beside the targets (distillation).

    Attributes:
        weights: A name that 'mixlab weights' lists and that has a head of tags, a file of it, or a run
            folder; '' for no teacher.
        weight: What the cross-entropy to its scores counts beside the loss of the targets; 0 is no teacher.
        temperature: Softens both where it is above 1.
    """

    weights: str = ""
    weight: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range, or has no effect without a teacher.
        """
        check = partial(check_setting, "train.teacher")
        check(0 <= self.weight < math.inf, "weight", "a number from 0", self.weight)
        check(0 < self.temperature < math.inf, "temperature", "a number above 0", self.temperature)
        if not self.weights and (self.weight, self.temperature) != (0.5, 1.0):
            raise ConfigError(
                "train.teacher.weight and train.teacher.temperature are of a teacher: set "
                "train.teacher.weights to a name that 'mixlab weights' lists, a file or a run folder, or "
                "leave them out.",
                code="conflicting-settings",
            )


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to batches in training alone, beside the effects of the mixing; all off by default.

    Attributes:
        frequency_masks: So many stripes of neighbouring bands are blanked in each map (SpecAugment, Park et
            al. 2019).
        frequency_width: Widest of them, as a share of the bands; widths are uniform from 0.
        time_masks: So many stretches of time are blanked in each map.
        time_width: Longest of them, as a share of the frames.
        p_mixup: Probability that another mix of the batch is added to a mix. What sounds in either sounds
            in the sum; absent is what both lack.
        mixup_db: Lowest and highest gain of the added one, uniform in dB.
    """

    frequency_masks: int = 0
    frequency_width: float = 0.15
    time_masks: int = 0
    time_width: float = 0.1
    p_mixup: float = 0.0
    mixup_db: tuple[float, float] = (-6.0, 6.0)

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range.
        """
        check = partial(check_setting, "train.augment")
        for name in ("frequency_masks", "time_masks"):
            check(0 <= getattr(self, name) <= 20, name, "0 to 20", getattr(self, name))
        for name in ("frequency_width", "time_width"):
            check(0 < getattr(self, name) <= 1, name, "a share in (0, 1]", getattr(self, name))
        check(0 <= self.p_mixup <= 1, "p_mixup", "a number from 0 to 1", self.p_mixup)
        low, high = self.mixup_db
        check(-60 <= low <= high <= 24, "mixup_db", "lowest and highest within -60 to 24 dB", self.mixup_db)

    @property
    def masks(self) -> bool:
        """Whether anything of a map is blanked."""
        return self.frequency_masks > 0 or self.time_masks > 0


@dataclass(frozen=True)
class TrainConfig:
    """Every knob of a training; defaults follow the paper (sections 2.4 and 3.1) where it states a value.

    Attributes:
        model: The network.
        transfer: ``scratch`` trains all weights; ``frozen`` trains a new head on a pretrained backbone
            that stays as it is, statistics included; ``finetune`` trains both, the backbone slowly;
            ``last`` takes the pretrained head too and trains only a new last layer; ``random_frozen``
            trains the head on a random backbone, the control of what pretraining is worth.
        pretrained: Weights to start from: a file (``.pth``, ``.safetensors``), a run folder, or a name
            that 'mixlab weights' lists; needed by ``frozen``, ``finetune`` and ``last``.
        pretrained_stream: Which stream of a multi-stream checkpoint to take.
        lr_head: Initial learning rate of the fully connected layers.
        lr_backbone: Initial learning rate of front end and backbone. None takes the paper's: that of the
            head from scratch, 0.0001 when fine-tuning.
        loss: ``bce``, binary cross-entropy over the known targets; or ``mcm``, the max constraint loss
            over the label tree (a family is as present as its most present instrument), whose model
            also predicts so; or ``softmax``, cross-entropy over the classes, for clips that have exactly one
            class each (``mixlab train-clips``): scores are then the softmax, and the highest decides.
        teacher: Whose scores of the mixes are learnt beside the targets; see ``TeacherConfig``.
        augment: What is done to batches in training alone; see ``AugmentConfig``.
        ema: Decay of a running mean of the weights over the steps, such as 0.999, which is scored and kept in
            place of the weights of the last step; 0 for none.
        class_weights: ``none``, or ``balanced``: in every class, positives together weigh as much as
            negatives together, by how often the class is present in the training stream.
        optimizer: ``adam``; ``adamw``, whose weight decay is apart from the gradient; ``adadelta``, whose
            rates are factors on the steps that it measures for itself (usual: 1); ``sgd``, with a Nesterov
            momentum of 0.9.
        weight_decay: Of the optimizer.
        schedule: How learning rates go on after the warm-up: ``step``, see ``lr_step_epochs``; ``cosine``,
            half a cosine from the full rate to 0 at the end of ``epochs``, which is then part of what a
            training is; ``constant``. Rates change between epochs.
        warmup_epochs: Rates rise in equal steps over so many epochs, the last of which has the full rate.
        lr_step_epochs: With ``schedule=step`` rates are multiplied by ``lr_factor`` every so many epochs,
            counted from the first.
        lr_factor: See ``lr_step_epochs``, in (0, 1].
        epochs: At most so many epochs.
        epoch_size: Mixes per epoch; every epoch has other ones. With clips an epoch is one pass over the
            training clips, or all of their windows, whatever this says.
        cached_items: With a frozen backbone (``frozen``, ``last``, ``random_frozen``): mix and embed the
            first so many mixes of the stream once, keep them in the run folder, and train on these in
            every epoch, in changing order, instead of on ever new mixes; an epoch is then one pass over
            them, whatever ``epoch_size`` says. 0 mixes anew.
        distinct_items: Train on the first so many mixes of the stream alone, again and again in changing
            order, as if they were all that is labelled; epochs keep their size. 0 has ever new mixes. Of
            clips it is ``clips.train_fraction`` that limits the training set.
        batch_size: Mixes per step, over all processes together (``torchrun``): each takes an equal part, so
            it must be a multiple of their number, and the same settings train the same way on any of them.
        val_size: Fixed musical mixes scored after every epoch. Of clips all are scored, whatever this says.
        test_size: Fixed musical mixes scored at the end. Of clips all.
        patience: Stop after so many epochs without improvement; 0 never stops early.
        monitor: What the best epoch is chosen by, on validation: ``average_precision``, ``roc_auc``,
            ``loss``, or one of ``metrics`` that needs no threshold.
        metrics: Metrics of one's own, beside mixlab's in everything that is scored: as
            ``package.module:name``, or names of entry points.
        precision: ``fp32``, ``bf16`` (mixed), or ``auto``: measure a few steps, and take bf16
            where it is clearly faster.
        channels_last: Keep feature maps channels-last in memory; faster on most machines.
        accelerator: ``cpu``, ``cuda``, or ``auto``: CUDA where there is a device.
        num_workers: Processes that mix; 0 mixes in the training process. The stream is the same.
        threads: Threads of the training process on a CPU; 0 leaves it to torch, which takes all cores.
            With workers on few cores, fewer threads train faster.
        sync_batch_norm: Under several processes: take the statistics of batch norm over the whole batch, as
            one process does. False takes them over each process's own part, which needs fewer messages and
            trains another way.
        wait_s: Under several processes: seconds that they wait for one that does not answer, before the
            training ends with an error.
        seed: Seeds weights, dropout and the training stream.
        eval_seed: Seeds validation and test mixes; leave it, so that runs are scored on the same mixes.
        save_every: Also save a checkpoint every so many steps, and every half a minute; 0 only after epochs.
        tensorboard: Also write curves for TensorBoard.
        bootstrap: Resamples behind the confidence intervals of the report.

    Example:
        >>> from mixlab import TrainConfig
        >>> from mixlab.models import ModelConfig
        >>> config = TrainConfig(ModelConfig(width=16), epochs=20, monitor="roc_auc")
        >>> config.batch_size, config.lr_head
        (32, 0.01)
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    transfer: Transfer = "scratch"
    pretrained: str = ""
    pretrained_stream: int | None = None
    loss: Loss = "bce"
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    ema: float = 0.0
    class_weights: ClassWeights = "none"
    lr_head: float = 0.01
    lr_backbone: float | None = None
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.0
    schedule: Schedule = "step"
    warmup_epochs: int = 0
    lr_step_epochs: int = 20
    lr_factor: float = 0.1
    epochs: int = 100
    epoch_size: int = 10_000
    cached_items: int = 0
    distinct_items: int = 0
    batch_size: int = 32
    val_size: int = 1000
    test_size: int = 1000
    patience: int = 20
    monitor: str = "average_precision"
    metrics: list[str] = field(default_factory=list)
    precision: Precision = "auto"
    channels_last: bool = True
    accelerator: Accelerator = "auto"
    num_workers: int = 0
    threads: int = 0
    sync_batch_norm: bool = True
    wait_s: float = 600.0
    seed: int = 0
    eval_seed: int = 0
    save_every: int = 500
    tensorboard: bool = True
    bootstrap: int = 1000

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range or contradicts another; the message names it.
        """
        for name in ("lr_step_epochs", "epochs", "epoch_size", "val_size", "test_size"):
            _check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in (
            "patience",
            "cached_items",
            "distinct_items",
            "num_workers",
            "save_every",
            "bootstrap",
            "weight_decay",
            "warmup_epochs",
        ):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        check_seeds("train", seed=self.seed, eval_seed=self.eval_seed)
        _check(self.batch_size >= 2, "batch_size", "2 or more (batch norm needs two items)", self.batch_size)
        _check(1 <= self.wait_s < math.inf, "wait_s", "1 or more seconds", self.wait_s)
        _check(self.lr_head > 0, "lr_head", "a number above 0", self.lr_head)
        backbone = self.lr_backbone
        _check(backbone is None or backbone > 0, "lr_backbone", "a number above 0, or null", backbone)
        _check(0 <= self.ema < 1, "ema", "a number from 0, and below 1", self.ema)
        _check(0 < self.lr_factor <= 1, "lr_factor", "a number in (0, 1]", self.lr_factor)
        for name, choices in _CHOICES.items():
            _check(getattr(self, name) in choices, name, f"one of {', '.join(choices)}", getattr(self, name))
        check_names("train.metrics", self.metrics)
        self._check_together()

    def _check_together(self) -> None:
        if self.transfer in PRETRAINED and not self.pretrained:
            raise ConfigError(
                f"train.transfer={self.transfer} needs weights to start from: set train.pretrained to a "
                "file, a run folder, or a name that 'mixlab weights' lists.",
                code="missing-setting",
            )
        if self.transfer not in PRETRAINED and self.pretrained:
            raise ConfigError(
                f"train.pretrained is set, but train.transfer={self.transfer} would not use it; "
                f"set train.transfer to {', '.join(PRETRAINED[:-1])} or {PRETRAINED[-1]}.",
                code="conflicting-settings",
            )
        if self.transfer in FROZEN and self.lr_backbone is not None:
            raise ConfigError(
                f"train.lr_backbone is set, but train.transfer={self.transfer} does not train the backbone.",
                code="conflicting-settings",
            )
        if self.cached_items and self.transfer not in FROZEN:
            raise ConfigError(
                f"train.cached_items keeps embeddings, which train.transfer={self.transfer} would change "
                f"with every step; set it to 0, or train.transfer to one of {', '.join(FROZEN)}.",
                code="conflicting-settings",
            )
        if self.cached_items and self.cached_items < self.batch_size:
            raise ConfigError(
                f"train.cached_items={self.cached_items} does not fill one batch of {self.batch_size}.",
                code="conflicting-settings",
            )
        if self.distinct_items and (self.cached_items or self.distinct_items > self.epoch_size):
            raise ConfigError(
                f"train.distinct_items={self.distinct_items} mixes make up every epoch: it must be at most "
                f"train.epoch_size={self.epoch_size}, and train.cached_items={self.cached_items} be 0.",
                code="conflicting-settings",
            )
        if self.loss != "bce" and self.class_weights != "none":
            raise ConfigError(
                f"train.class_weights belongs to train.loss=bce: with {self.loss} one class is judged by "
                "another, so the two halves of a class have no weight of their own. Set it to none.",
                code="conflicting-settings",
            )
        if self.teacher.weights and (self.loss != "bce" or self.cached_items):
            raise ConfigError(
                f"train.teacher.weights={self.teacher.weights} scores the audio of each mix, class by class: "
                f"set train.loss to bce and train.cached_items to 0, found {self.loss} and "
                f"{self.cached_items}.",
                code="conflicting-settings",
            )
        if self.augment.masks and self.transfer in FROZEN:
            raise ConfigError(
                f"train.augment blanks parts of the maps, which a frozen backbone (train.transfer="
                f"{self.transfer}) was not trained to take: set frequency_masks and time_masks to 0.",
                code="conflicting-settings",
            )
        if self.augment.p_mixup and (self.loss == "softmax" or self.cached_items):
            raise ConfigError(
                "train.augment.p_mixup adds mixes to each other: set it to 0 with train.loss=softmax, where "
                "one class alone is right, and with train.cached_items, which keeps no audio.",
                code="conflicting-settings",
            )
        if self.schedule == "cosine" and self.warmup_epochs >= self.epochs:
            raise ConfigError(
                f"train.warmup_epochs={self.warmup_epochs} leaves train.schedule=cosine nothing of "
                f"train.epochs={self.epochs}; give more epochs, or a shorter warm-up.",
                code="conflicting-settings",
            )

    @property
    def backbone_rate(self) -> float | None:
        """Initial learning rate of front end and backbone; None when they are frozen."""
        if self.transfer in FROZEN:
            return None
        if self.lr_backbone is not None:
            return self.lr_backbone
        return self.lr_head if self.transfer == "scratch" else _FINETUNE_LR

    def learning_rates(self, epoch: int) -> dict[str, float]:
        """Return the learning rate of ``head`` and ``backbone`` in an epoch, counted from 0."""
        factor = self.rate_factor(epoch)
        rates = {"head": self.lr_head, "backbone": self.backbone_rate}
        return {name: rate * factor for name, rate in rates.items() if rate is not None}

    def rate_factor(self, epoch: int) -> float:
        """Return what learning rates are multiplied by in an epoch, counted from 0: schedule and warm-up."""
        factor = min((epoch + 1) / self.warmup_epochs, 1.0) if self.warmup_epochs else 1.0
        if self.schedule == "step":
            return factor * self.lr_factor ** (epoch // self.lr_step_epochs)
        if self.schedule == "cosine" and epoch >= self.warmup_epochs:
            done = (epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)
            return 0.5 * (1.0 + math.cos(math.pi * done))
        return factor


_CHOICES = {
    "transfer": get_args(Transfer),
    "loss": get_args(Loss),
    "class_weights": get_args(ClassWeights),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "precision": get_args(Precision),
    "accelerator": get_args(Accelerator),
}


_check = partial(check_setting, "train")


def from_plain(kind: type[T], data: dict[str, Any]) -> T:
    """Build a configuration dataclass from plain data, as it stands in a run's ``config.yaml``.

    Somebody else may have written that file. jsonargparse would import a class that is named in place of
    values, and read a file that is named in place of a section: both are refused before it sees them.

    Raises:
        ConfigError: an unknown key, or a value of a wrong type or out of range.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    _check_sections(kind, data, kind.__name__)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--value", type=kind)
    try:
        # Renamed in jsonargparse 4.49.
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
        value: T = instantiate(parser.parse_object({"value": deepcopy(data)})).value
    except ArgumentError as error:
        names = ", ".join(f.name for f in fields(kind))  # type: ignore[arg-type]
        raise ConfigError(
            f"These are no settings of {kind.__name__} ({names}): {error}", code="invalid-setting"
        ) from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ConfigError(
            f"These are no settings of {kind.__name__}: {type(error).__name__}: {error}",
            code="invalid-setting",
        ) from error
    return value


def _check_sections(kind: type[Any], data: object, where: str) -> None:
    """See to it that every section of settings holds values by name, and that nothing names a class."""
    if not isinstance(data, Mapping) or names_class(data):
        raise ConfigError(
            f"{where}: expected the values of settings by name, found "
            f"{'class_path' if isinstance(data, Mapping) else type(data).__name__}.",
            code="invalid-setting",
        )
    for name, inner in get_type_hints(kind).items():
        if is_dataclass(inner) and isinstance(inner, type) and name in data:
            _check_sections(inner, data[name], f"{where}.{name}")


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def with_defaults(kind: type[T], data: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored settings with the default of every setting that did not exist when they were written.

    As they are where they cannot be read: then they differ from any that can.
    """
    # Only here: a command line that only needs the settings for its help does not wait for it.
    from mixlab.utils.plain import plain

    try:
        found: dict[str, Any] = plain(from_plain(kind, dict(data)))
    except ConfigError:
        return dict(data)
    return found
