"""Which network, at what price? All networks beside each other on one task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mixlab.errors import ConfigError
from mixlab.evaluation.report import Table
from mixlab.models import ModelConfig
from mixlab.studies.base import MAIN_METRICS, Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import best_condition, difference_lines
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.tables import (
    class_table,
    differences_table,
    score_text,
    significance_mark,
    summary_table,
)
from mixlab.studies.weights import check_weights
from mixlab.training.run import Run
from mixlab.utils.plain import plain

__all__ = ["STUDY", "Architectures", "Cost", "Settings", "cost_table", "read_cost"]

TASK = "clips"

_PICTURES = ModelConfig(
    "efficientnet_lite0", sample_rate=22050, n_fft=2048, hop=512, n_mels=128, f_max=11025.0
)
"""Front end of the study of ImageNet networks (22,050 Hz, 128 bands, window 2048, hop 512)."""

_FINE = {"train.lr_head": 0.0005, "train.weight_decay": 0.0005}
"""Rate and decay of that study."""


@dataclass(frozen=True)
class _Row:
    """A row of the table.

    Attributes:
        label: What tables call it.
        overrides: What it changes of the base, by dotted name.
        model: Its network, with the published settings; None takes ``train.model`` of the configuration.
        baseline: Whether it is a classical baseline.
    """

    label: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    model: ModelConfig | None = None
    baseline: bool = False


ROWS: Mapping[str, _Row] = {
    "short_chunk_cnn": _Row("short-chunk CNN"),
    "musicnn": _Row("musicnn", model=ModelConfig("musicnn")),
    "pretrained": _Row(
        "EfficientNet-Lite0, pretrained on ImageNet",
        {
            **_FINE,
            "train.transfer": "finetune",
            "train.pretrained": "imagenet_efficientnet_lite0",
            "train.lr_backbone": 0.0005,
        },
        _PICTURES,
    ),
    "random": _Row("EfficientNet-Lite0, random", _FINE, _PICTURES),
    "convnet": _Row(
        "convnet feature + logistic regression",
        {"baseline.features": "convnet", "baseline.classifier": "logistic"},
        _PICTURES,
        baseline=True,
    ),
    "rawnet2": _Row(
        "RawNet2 on the waveform",
        {"train.lr_head": 0.001, "train.weight_decay": 0.0001},
        ModelConfig("rawnet2"),
    ),
    "forest": _Row(
        "audio features + random forest",
        {"baseline.features": "descriptors", "baseline.classifier": "forest"},
        baseline=True,
    ),
}
"""Rows by name; each trained network with the learning rate that its paper or its code states."""


@dataclass(frozen=True)
class Settings:
    """What the study of architectures compares.

    Attributes:
        rows: Which rows, in the order of the table, the first of which the others are compared with: some of
            short_chunk_cnn (``train.model`` as configured), musicnn, pretrained, random (EfficientNet-Lite0
            both), convnet (feature), rawnet2, forest.
        convnet_weights: Whose activations the convnet feature takes: a run, a file, a name that 'mixlab
            weights' lists, or ``random``.
        baseline_items: Training mixes of the classical rows; 0 takes as many as a network sees,
            ``train.epochs`` times ``train.epoch_size``. Of clips they take all.
        overrides: Settings of single rows by their dotted names, such as
            ``{rawnet2: {train.lr_head: 0.0005}}``.
    """

    rows: list[str] = field(default_factory=lambda: list(ROWS))
    convnet_weights: str = "imagenet_efficientnet_lite0"
    baseline_items: int = 0
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)


class Architectures(Study):
    """Networks and classical baselines on the same data, with what each costs."""

    name = "architectures"
    title = "Which network, at what price?"
    about = "networks from spectrograms, pictures and waveforms, and classical baselines, on one task"
    data = ("mixes", "clips")
    task_names = (TASK,)
    Settings = Settings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return a condition per row."""
        settings: Settings = self.settings_of(request)
        for name in (*settings.rows, *settings.overrides):
            if name not in ROWS:
                raise ConfigError(
                    f"settings.rows and settings.overrides of the study {self.name} name some of "
                    f"{', '.join(ROWS)}; found {name!r}.",
                    code="invalid-setting",
                )
        return [_condition(name, request, settings) for name in settings.rows]

    def check(self, plan: Plan) -> None:
        """Refuse weights that are not here, before anything is trained."""
        check_weights(plan)

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        first, note = results.done[0], figure_note(results)
        return Report(
            lead=cost_table(results),
            findings=(*_ground_lines(results), *difference_lines(results, first), *_best_lines(results)),
            tables=(
                summary_table(results, (*MAIN_METRICS, "lrap")),
                differences_table(results, first, MAIN_METRICS),
                class_table(results, results.done, "average_precision"),
            ),
            references=(first,),
            figures=draw(figure=lambda f: f.score_dots(results, note=note)),
        )


STUDY = Architectures()


def _condition(name: str, request: StudyRequest, settings: Settings) -> Condition:
    row, on_clips = ROWS[name], request.data == "clips"
    section = "baseline" if row.baseline else "train"
    model = row.model or request.train.model
    overrides: dict[str, Any] = {**row.overrides}
    if row.model is not None or row.baseline:
        overrides[f"{section}.model"] = plain(model)
    if not on_clips and model.sample_rate != request.mix.sample_rate:
        overrides["mix.sample_rate"] = model.sample_rate
    if name == "convnet":
        overrides["baseline.weights"] = settings.convnet_weights
    if row.baseline and not on_clips:
        seen = request.train.epochs * request.train.epoch_size
        overrides["baseline.items"] = settings.baseline_items or seen
    overrides |= settings.overrides.get(name, {})
    return Condition(name, row.label, overrides, command=section, task=TASK if on_clips else "")


@dataclass(frozen=True)
class Cost:
    """What a run took.

    Attributes:
        parameters: Weights of the network, of the convnet feature those of the frozen one; 0 where there is
            none.
        items: Training mixes or clips that it saw, those seen again counted again.
        seconds: Of training and validation, or of computing features and fitting.
        rate: Items (of clips: windows) per second of training alone; of a baseline, items per second.
    """

    parameters: int
    items: int
    seconds: float
    rate: float


def read_cost(run: Run) -> Cost:
    """Return what a run took, as its folder says."""
    info, config = run.info, run.config
    in_epoch = (
        config["train"]["epoch_size"] if "mix" in config and "train" in config else _training_clips(info)
    )
    if "baseline" in config:
        items = int(config["baseline"].get("items") or in_epoch)
        seconds = float(info.get("seconds", {}).get("all", math.nan))
        return Cost(int(info.get("parameters", 0)), items, seconds, items / seconds if seconds else math.nan)
    epochs = run.metrics()
    rate = sum(row["items_per_s"] for row in epochs) / len(epochs) if epochs else math.nan
    seconds = float(info.get("training", {}).get("seconds", math.nan))
    return Cost(int(info["parameters"]), len(epochs) * in_epoch, seconds, rate)


def _training_clips(info: Mapping[str, Any]) -> int:
    return int(info.get("clips", {}).get("splits", {}).get("train", {}).get("clips", 0))


def cost_table(results: StudyResults) -> Table:
    """Return a row per condition: parameters, training, and macro AP with what songs and seeds leave open."""
    words, first = results.words, results.done[0]
    rows = tuple(_cost_row(c, first) for c in results.conditions)
    header = (
        "network", "parameters", f"training {words.items}", "training, s", "items/s", "seeds", "macro AP",
        f"minus {first.condition.label}",
    )  # fmt: skip
    title = (
        f"what each costs and gives: macro AP as mean over seeds (95 % over {words.groups}) ±SD over seeds, "
        f"* significant at 95 % over {words.groups}, + over seeds; seconds of the slowest seed on this "
        "machine, validation after every epoch included"
    )
    return Table(title, header, rows, 0)


def _cost_row(c: ConditionResult, first: ConditionResult) -> tuple[str, ...]:
    costs = [read_cost(Run.open(path)) for path in c.runs.values()]
    if not costs:
        return (c.condition.label, *["-"] * 7)
    parameters, items = max(one.parameters for one in costs), max(one.items for one in costs)
    seconds, rate = max(one.seconds for one in costs), min(one.rate for one in costs)
    seeds = str(len(costs)) if len(costs) == c.test.wanted else f"{len(costs)} of {c.test.wanted}"
    e = condition_difference(first, c, "average_precision")
    return (
        c.condition.label,
        f"{parameters:,}" if parameters else "-",
        f"{items:,}",
        f"{seconds:.0f}" if math.isfinite(seconds) else "-",
        f"{rate:.0f}" if math.isfinite(rate) else "-",
        seeds,
        score_text(c.test.of("average_precision")),
        "-" if c is first else score_text(e, sign=True) + significance_mark(e),
    )


def _ground_lines(results: StudyResults) -> list[str]:
    """Say on what ground the rows stand: how much each was trained on, at which rate, whether paired."""
    runs = {c.condition.label: Run.open(next(iter(c.runs.values()))) for c in results.done}
    seen = {label: read_cost(run).items for label, run in runs.items()}
    items = results.words.items
    lines = [_count_line(seen, items)]
    rates = {label: _sample_rate(run) for label, run in runs.items()}
    listed = "; ".join(
        f"{rate} Hz: {', '.join(label for label, own in rates.items() if own == rate)}"
        for rate in sorted(set(rates.values()))
    )
    first = results.done[0]
    apart = [c.condition.label for c in results.done if not results.paired(first, c)]
    paired = (
        f"scored on the same test {items}, each at the rate of its network, so differences are paired"
        if not apart
        else f"on other test {items} than the first, so not paired with it: {', '.join(apart)}"
    )
    return [*lines, f"sample rates: {listed}; {paired}", *_decision_lines(runs)]


def _decision_lines(runs: Mapping[str, Run]) -> list[str]:
    """Say which rows decide for one class and which by thresholds, where not all do the same."""
    single = [label for label, run in runs.items() if run.single_label]
    if len(single) in (0, len(runs)):
        return []
    return [
        f"only {', '.join(single)} decide for the class of the highest score, the others by thresholds, so "
        "that F1 of the two kinds is not alike; train.loss=softmax lets networks decide so, too"
    ]


def _count_line(seen: Mapping[str, int], items: str) -> str:
    counts = sorted(set(seen.values()))
    if len(counts) == 1:
        return f"all rows are trained on equally many {items}: {counts[0]:,}"
    listed = "; ".join(
        f"{count:,}: {', '.join(label for label, own in seen.items() if own == count)}" for count in counts
    )
    return f"rows are not trained on equally many {items}, and are compared as they are: {listed}"


def _sample_rate(run: Run) -> int:
    """Return the rate of the audio that a run was given, in Hz."""
    config = run.config
    if "mix" in config:
        return int(config["mix"]["sample_rate"])
    return int((config.get("train") or config["baseline"])["model"]["sample_rate"])


def _best_lines(results: StudyResults) -> list[str]:
    """Say which row is best on validation, and which of those that need no network."""
    best = best_condition(results.done, "average_precision")
    if best is None:
        return []
    score = score_text(best.test.of("average_precision"))
    return [f"best on validation: '{best.condition.label}'; its macro AP on test is {score}"]
