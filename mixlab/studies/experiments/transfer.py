"""What pretraining is worth: the paper's Table 1."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, WeightsError
from mixlab.evaluation.report import Table
from mixlab.models.pretrained import find_weights, identify
from mixlab.studies.base import MAIN_METRICS, Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import ap_line, best_condition
from mixlab.studies.folder import StudyFolder
from mixlab.studies.paper_results import TABLE_1
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import StudyResults
from mixlab.studies.settings import settings_of
from mixlab.studies.tables import class_table, differences_table, summary_table
from mixlab.training.config import FROZEN, PRETRAINED
from mixlab.training.transfer import check_pretrained
from mixlab.utils.plain import plain

__all__ = ["STUDY", "Transfer"]

TRANSFER_LABELS = {
    "scratch": "from scratch",
    "frozen": "frozen backbone",
    "finetune": "fine-tuned",
    "last": "only the last layer",
    "random_frozen": "random frozen backbone",
}


class Transfer(Study):
    """Transfer modes and classical baselines side by side."""

    name = "transfer"
    title = "What is pretraining worth? (the paper's Table 1)"
    about = "from scratch, frozen, fine-tuned, last layer, random backbone, classical baselines (Table 1)"
    options = (
        "pretrained",
        "pretrained_stream",
        "transfer_modes",
        "cached_items",
        "baselines",
        "baseline_items",
    )

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        pretrained = request.pretrained or request.train.pretrained
        if not pretrained:
            raise ConfigError(
                "The study of transfer needs weights to start from: --pretrained FILE, a run folder, or a "
                "name that 'mixlab weights' lists.",
                code="missing-setting",
            )
        stream = request.pretrained_stream
        stream = request.train.pretrained_stream if stream is None else stream
        if unknown := [mode for mode in request.transfer_modes if mode not in TRANSFER_LABELS]:
            raise ConfigError(
                f"--transfer_modes takes some of {', '.join(TRANSFER_LABELS)}; found {', '.join(unknown)}.",
                code="malformed-option",
            )
        conditions = []
        for mode, label in TRANSFER_LABELS.items():
            if request.transfer_modes and mode not in request.transfer_modes:
                continue
            if mode == "last" and not _has_head(pretrained):
                if mode in request.transfer_modes:
                    raise ConfigError(
                        f"--transfer_modes last needs weights with a head; {pretrained} holds parallel "
                        "streams under one head. Leave 'last' out.",
                        code="weights-mismatch",
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
        return conditions

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions, which bring their own transfer mode and weights."""
        train = replace(
            request.train,
            transfer="scratch",
            pretrained="",
            pretrained_stream=None,
            lr_backbone=None,
            cached_items=0,
        )
        pretrained = request.pretrained or request.train.pretrained
        # The name alone: reports and figures are shown to others, folders of this machine are not.
        title = f"{self.title}, from {Path(pretrained).name or pretrained}"
        return replace(super().plan(request), title=title, train=train)

    def check(self, plan: Plan) -> None:
        """Refuse weights that the network cannot take."""
        modes = (c for c in plan.conditions if c.overrides.get("train.transfer") in PRETRAINED)
        condition = next(modes, None)
        if condition is not None:
            check_pretrained(settings_of(plan.mix, plan.train, condition.overrides)[1])

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        scratch = results.condition("scratch")
        beside = Table(
            "the paper's Table 1, beside (its corpora, not ours)",
            ("mode", "ROC-AUC", "PR-AUC", "test loss"),
            tuple(
                (row.label, f"{row.roc_auc:.4f}", f"{row.average_precision:.4f}", f"{row.loss:.4f}")
                for row in TABLE_1.values()
            ),
            0,
        )
        lead, tables = summary_table(results, MAIN_METRICS), [beside]
        if scratch is not None:
            tables.insert(0, differences_table(results, scratch, MAIN_METRICS))
        note = figure_note(results, "Diamonds: the paper's Table 1 (its corpora).")
        return Report(
            lead=lead,
            findings=tuple(transfer_lines(results)),
            paper=("Its order is scratch, frozen, fine-tuned, from worst to best in all three figures.",),
            tables=(*tables, class_table(results, results.done, "f1")),
            references=() if scratch is None else (scratch,),
            figures=draw(figure=lambda f: f.score_dots(results, paper=dict(TABLE_1), note=note)),
        )


STUDY = Transfer()


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


def transfer_lines(results: StudyResults) -> list[str]:
    """Say what pretraining is worth: against scratch, a random backbone, and the best classical baseline."""
    scratch = results.condition("scratch")
    if scratch is None:
        return ["training from scratch is not done, so there is nothing to compare with yet"]
    transfer_modes = [
        c for name in ("finetune", "frozen", "last") if (c := results.condition(name)) is not None
    ]
    lines = [ap_line(c, scratch) for c in transfer_modes]
    frozen, random = results.condition("frozen"), results.condition("random_frozen")
    if frozen is not None and random is not None:
        lines.append(ap_line(frozen, random) + " (the same head: what the pretrained weights are worth)")
    classical = best_condition(
        [c for c in results.done if c.condition.command == "baseline"], "average_precision"
    )
    best = best_condition([*transfer_modes, scratch], "average_precision")
    if classical is not None and best is not None:
        lines.append(ap_line(best, classical) + " (each the best of its kind on validation)")
    # Not said where the user asked for some ways only.
    names = {c.condition.name for c in results.conditions}
    if "last" not in names and {"scratch", "frozen", "finetune", "random_frozen"} <= names:
        lines.append("no row trains the last layer alone: these weights bring no head of their own")
    return [*lines, *_paper_order(results)]


def _paper_order(results: StudyResults) -> list[str]:
    """Say whether the means stand in the order of the paper's Table 1."""
    rows = [results.condition(name) for name in TABLE_1]
    found = [c for c in rows if c is not None]
    if len(found) < len(rows):
        return []
    lines = []
    for metric in ("roc_auc", "average_precision", "loss"):
        known = results.metric(metric)
        sign = 1 if known.higher_is_better else -1
        means = [sign * c.test.of(metric).value for c in found]
        lines.append(f"{known.mean_title} {'yes' if means == sorted(means) else 'no'}")
    return [f"in the paper's order, scratch, frozen, fine-tuned, from worst to best: {', '.join(lines)}"]
