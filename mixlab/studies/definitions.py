"""The studies as data: which conditions each trains. What they report stands in ``reports``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mixlab.errors import ConfigError, WeightsError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import PITCH_AND_TIME
from mixlab.models.pretrained import find_weights, identify
from mixlab.studies.plan import Condition, Plan, grid_conditions
from mixlab.training.config import FROZEN, PRETRAINED, TrainConfig
from mixlab.training.run import Run
from mixlab.utils.plain import plain

__all__ = ["P_GRID", "STUDIES", "StudyName", "StudyRequest", "build_study", "parse_also"]

StudyName = Literal["p_musical", "transfer", "per_class", "rare_classes", "effects", "leakage"]

P_GRID = tuple(round(0.1 * k, 1) for k in range(11))
"""The paper's Fig. 2: from only non-musical to only musical mixes."""


@dataclass(frozen=True)
class StudyRequest:
    """What a study is built from.

    Attributes:
        mix: What all conditions have in common.
        train: What all conditions have in common; transfer modes and weights come from the study.
        seeds: Of every condition.
        grid: Values of p_musical.
        pretrained: Weights that the study of transfer starts from, as ``train.pretrained``.
        pretrained_stream: Which stream of a multi-stream checkpoint.
        transfer_modes: Transfer modes that the study of transfer compares; empty for all.
        cached_items: With a frozen backbone, as ``train.cached_items``; 0 mixes anew.
        baselines: Whether the study of transfer has the classical baselines.
        baseline_items: Training mixes of a baseline.
        balance: The share of class-balanced samples where a study switches it on.
        also: Runs made elsewhere by label; each label becomes a condition.
    """

    mix: MixConfig
    train: TrainConfig
    seeds: tuple[int, ...]
    grid: tuple[float, ...] = P_GRID
    pretrained: str = ""
    pretrained_stream: int | None = None
    transfer_modes: tuple[str, ...] = ()
    cached_items: int = 0
    baselines: bool = True
    baseline_items: int = 4000
    balance: float = 1.0
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def build_study(name: str, request: StudyRequest) -> Plan:
    """Return the plan of a study.

    Raises:
        ConfigError: there is no such study, or it lacks something.
    """
    if name not in STUDIES:
        raise ConfigError(f"There is no study {name!r}; there are {', '.join(STUDIES)}.")
    plan = STUDIES[name](request)
    extra = tuple(
        Condition(name=f"also{number}", label=label, runs=runs)
        for number, (label, runs) in enumerate(request.also.items(), start=1)
    )
    # Only runs made elsewhere: nothing is trained.
    conditions = extra if name == "per_class" and extra else (*plan.conditions, *extra)
    return replace(plan, conditions=conditions)


def parse_also(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Turn ``LABEL=RUN[,RUN...]`` options into run folders by label; a folder of runs stands for all in it.

    Raises:
        ConfigError: no label, or no run where one is named.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in texts:
        label, equals, listed = text.partition("=")
        if not equals or not label or label in found:
            raise ConfigError(f"--also takes LABEL=RUN[,RUN...], every label once; found {text!r}.")
        runs: list[str] = []
        for part in listed.split(","):
            below = [str(run.path) for run in Run.find(Path(part).expanduser())]
            if not below:
                raise ConfigError(f"--also {label}: there is no run at or below {part!r}.")
            runs += [str(Path(path).absolute()) for path in below]
        found[label] = tuple(runs)
    return found


def _p_musical(request: StudyRequest) -> Plan:
    vary = {"mix.p_musical": tuple(float(p) for p in request.grid)}
    conditions = tuple(
        replace(condition, name=f"p{condition.values['mix.p_musical']:g}")
        for condition in grid_conditions(vary)
    )
    return Plan(
        "p_musical",
        "How many mixes should be musical? (the paper's Fig. 2)",
        conditions,
        request.seeds,
        request.mix,
        request.train,
        vary,
    )


TRANSFER_LABELS = {
    "scratch": "from scratch",
    "frozen": "frozen backbone",
    "finetune": "fine-tuned",
    "last": "only the last layer",
    "random_frozen": "random frozen backbone",
}


def _transfer(request: StudyRequest) -> Plan:
    pretrained = request.pretrained or request.train.pretrained
    if not pretrained:
        raise ConfigError(
            "The study of transfer needs weights to start from: --pretrained FILE, a run folder, or a name "
            "that 'mixlab weights' lists."
        )
    stream = request.pretrained_stream
    stream = request.train.pretrained_stream if stream is None else stream
    if unknown := [mode for mode in request.transfer_modes if mode not in TRANSFER_LABELS]:
        raise ConfigError(
            f"--transfer_modes takes some of {', '.join(TRANSFER_LABELS)}; found {', '.join(unknown)}."
        )
    base = replace(
        request.train,
        transfer="scratch",
        pretrained="",
        pretrained_stream=None,
        lr_backbone=None,
        cached_items=0,
    )
    conditions = []
    for mode, label in TRANSFER_LABELS.items():
        if request.transfer_modes and mode not in request.transfer_modes:
            continue
        if mode == "last" and not _has_head(pretrained):
            if mode in request.transfer_modes:
                raise ConfigError(
                    f"--transfer_modes last needs weights with a head; {pretrained} holds parallel "
                    "streams under one head. Leave 'last' out."
                )
            continue
        overrides: dict[str, Any] = {"train.transfer": mode}
        if mode in PRETRAINED:
            overrides |= {"train.pretrained": pretrained, "train.pretrained_stream": stream}
        if mode in FROZEN and request.cached_items:
            overrides["train.cached_items"] = request.cached_items
        if mode == "finetune" and request.train.transfer == "finetune":
            overrides["train.lr_backbone"] = request.train.lr_backbone
        conditions.append(Condition(name=mode, label=label, overrides=overrides))
    if request.baselines:
        conditions += _baselines(request, pretrained, stream)
    return Plan(
        "transfer",
        # The name alone: reports and figures are shown to others, folders of this machine are not.
        f"What is pretraining worth? (the paper's Table 1), from {Path(pretrained).name or pretrained}",
        tuple(conditions),
        request.seeds,
        request.mix,
        base,
    )


def _has_head(pretrained: str) -> bool:
    """Whether weights bring a head of their own; those of one of several streams do not."""
    try:
        known = identify(find_weights(pretrained))
    except WeightsError:
        # Said when they are needed, with what to do.
        return True
    return known is None or not known.streams


def _baselines(request: StudyRequest, pretrained: str, stream: int | None) -> list[Condition]:
    shared = {"baseline.items": request.baseline_items, "baseline.model": plain(request.train.model)}
    embedded = {"baseline.features": "embeddings", "baseline.classifier": "logistic"}
    given = {**embedded, "baseline.weights": pretrained, "baseline.pretrained_stream": stream}
    rows: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (
            "forest",
            "audio features + random forest",
            {"baseline.features": "descriptors", "baseline.classifier": "forest"},
        ),
        (
            "embeddings",
            "pretrained embeddings + logistic regression",
            given,
        ),
        (
            "embeddings_svm",
            "pretrained embeddings + linear SVM",
            {**given, "baseline.classifier": "svm"},
        ),
        (
            "random_embeddings",
            "random embeddings + logistic regression",
            {**embedded, "baseline.weights": "random"},
        ),
    )
    return [
        Condition(name=name, label=label, overrides={**shared, **own}, command="baseline")
        for name, label, own in rows
    ]


def _per_class(request: StudyRequest) -> Plan:
    return Plan(
        "per_class",
        "Which classes are detected? (the paper's Fig. 3)",
        (Condition(name="model", label="the configuration"),),
        request.seeds,
        request.mix,
        request.train,
    )


def _rare_classes(request: StudyRequest) -> Plan:
    paper = {"mix.balance": 0.0, "mix.uncertain": "absent"}
    balanced = {"mix.balance": request.balance}
    conditions = (
        Condition(name="base", label="base: as the paper trains", overrides=paper, threshold="half"),
        Condition(name="balance", label="+ balance", overrides={**paper, **balanced}, threshold="half"),
        Condition(
            name="masked",
            label="+ masked labels",
            overrides={**paper, "mix.uncertain": "mask"},
            threshold="half",
        ),
        Condition(name="thresholds", label="+ fitted thresholds", same_runs_as="base"),
        Condition(name="all", label="all three", overrides={**balanced, "mix.uncertain": "mask"}),
        Condition(
            name="random", label="base on random splits", overrides=paper, threshold="half", splits="random"
        ),
    )
    return Plan(
        "rare_classes",
        "What brings the rare classes up? One factor at a time",
        conditions,
        request.seeds,
        # Targets of the test are the same for all: what is uncertain does not count.
        replace(request.mix, uncertain="mask", balance=0.0),
        request.train,
    )


def _effects(request: StudyRequest) -> Plan:
    used = [name for name, range_ in request.mix.effects.ranges if range_.p > 0]
    used += ["custom"] if request.mix.effects.custom else []
    applied = [name for name in used if request.mix.p_musical < 1 or name not in PITCH_AND_TIME]
    if not applied:
        raise ConfigError(
            "The study of effects takes them away, so some must be on: found a probability of 0 for all of "
            "mix.effects that training would have (pitch shift and time stretch are of non-musical mixes "
            f"only, and mix.p_musical is {request.mix.p_musical:g})."
        )

    def only(names: Sequence[str]) -> dict[str, Any]:
        others = [name for name in used if name not in names]
        return dict(
            ("mix.effects.custom", []) if n == "custom" else (f"mix.effects.{n}.p", 0.0) for n in others
        )

    conditions = [
        Condition(name="none", label="without effects", overrides=only(())),
        Condition(name="all", label=f"as configured: {_listed(applied)}"),
    ]
    parts = {
        "gain_filter": [name for name in applied if name not in (*PITCH_AND_TIME, "custom")],
        "pitch_time": [name for name in applied if name in PITCH_AND_TIME],
        "custom": [name for name in applied if name == "custom"],
    }
    parts = {name: kept for name, kept in parts.items() if kept}
    if len(parts) > 1:
        conditions += [
            Condition(name=name, label=f"only {_listed(kept)}", overrides=only(kept))
            for name, kept in parts.items()
        ]
    return Plan(
        "effects",
        "What do the effects bring?",
        tuple(conditions),
        request.seeds,
        request.mix,
        request.train,
    )


def _listed(effects: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in effects)


def _leakage(request: StudyRequest) -> Plan:
    conditions = (
        Condition(name="artist", label="artist-safe splits", splits="artist"),
        Condition(name="random", label="random splits", splits="random"),
    )
    return Plan(
        "leakage",
        "What do random splits flatter?",
        conditions,
        request.seeds,
        request.mix,
        request.train,
    )


STUDIES: dict[str, Callable[[StudyRequest], Plan]] = {
    "p_musical": _p_musical,
    "transfer": _transfer,
    "per_class": _per_class,
    "rare_classes": _rare_classes,
    "effects": _effects,
    "leakage": _leakage,
}
"""How each study is built."""
