"""What a report holds, as values."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mixlab.errors import RunError
from mixlab.evaluation.measured import Score
from mixlab.evaluation.metrics import MetricInfo
from mixlab.evaluation.tree_scores import Consistency, Hierarchical
from mixlab.evaluation.units import MIXES, Quantity, Units
from mixlab.utils.decode import Source, later, read_json

__all__ = [
    "ClassScores",
    "ConsistentScores",
    "MeanScores",
    "Provenance",
    "Report",
    "RuleScores",
    "SplitScores",
]

REPORT_SCHEMA = 2


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class.

    Attributes:
        name: Output of the label set.
        known: Mixes whose target is known.
        support: Known positives.
        songs: Songs with known positives.
        predicted: Predicted positives among the known.
        threshold: Decision threshold, fitted on validation; NaN for single-label runs.
        threshold_fitted: False where validation had no positive and 0.5 was taken.
        validation_prevalence: The class's frequency on validation, which the baseline predicts for every mix.
        oracle_threshold: The threshold that this split's own targets like best. Never used for decisions.
        oracle_f1: F1 at the oracle threshold: what no honest threshold can exceed.
        scores: By the name of each metric that is computed per class. Intervals need ``MIN_SONGS`` songs with
            positives.
    """

    name: str
    known: int
    support: int
    songs: int
    predicted: int
    threshold: float
    threshold_fitted: bool
    validation_prevalence: float
    oracle_threshold: float
    oracle_f1: float
    scores: dict[str, Score]


@dataclass(frozen=True)
class MeanScores:
    """Means over the classes of one level.

    Attributes:
        name: ``families`` are the outputs that none other contains, ``instruments`` all below them.
        n_classes: Outputs of the level; each score counts those it leaves out.
        oracle_f1: Mean of ``ClassScores.oracle_f1``.
        scores: By the name of each metric that is computed per class.
    """

    name: str
    n_classes: int
    oracle_f1: float
    scores: dict[str, Score]


@dataclass(frozen=True)
class ConsistentScores:
    """Scores after ``consistent_max``, with thresholds fitted on validation for these.

    Decisions are closed upwards: a class that is predicted brings in its ancestors, whatever their own
    thresholds say. So neither scores nor decisions contradict the tree, which ``consistency`` shows.
    """

    scores: dict[str, Score]
    hierarchical: Hierarchical
    consistency: Consistency


@dataclass(frozen=True)
class RuleScores:
    """What the same scores give where thresholds are chosen in another way.

    Attributes:
        rule: One of ``RULES``. ``ORACLES`` look at the targets that are scored: they say what such a choice
            would claim, and are no results.
        threshold: The one for all classes; NaN where each class has its own.
        scores: Macro and micro precision, recall and F1 by the names of ``METRICS``.
    """

    rule: str
    threshold: float
    scores: dict[str, float]


@dataclass(frozen=True)
class SplitScores:
    """Everything computed for one split, beside the chance-level baseline.

    Attributes:
        split: Name of the split.
        n_items: Mixes.
        n_groups: Songs.
        n_resamples: Bootstrap resamples that were sampled: 0 for a single song.
        metrics: What the scores are, in the order of tables.
        classes: Scores per class.
        scores: Scores over all classes by the name of every metric: means over the classes (macro), means
            over the mixes, or of all known cells (micro).
        oracle_f1: Mean F1 at thresholds fitted on this split itself: an upper bound, never a result.
        levels: Families and instruments apart; empty where the label set has one level.
        hierarchical: Hierarchical P, R and F1 of the model as it is; None without parents.
        consistency: Contradictions of the model as it is; None without parents.
        consistent: The same model made hierarchy-consistent; None where the label set has one level.
        single_label: Whether exactly one class is right for each item, and the one with the highest score
            was decided for: there are no thresholds then.
        confusion: ``(C, C)`` items of each class (row) by the class that was decided for (column); empty
            where there are several labels.
        rules: The same scores decided by other rules for thresholds; empty where there are none.
        units: What items and groups are called.
        thresholds_given: Whether thresholds were given by hand, and not fitted on validation.
        quantity: What number was predicted, where this is a regression: there are no classes then, and the
            chance level is what saying the mean of training gives.
    """

    split: str
    n_items: int
    n_groups: int
    n_resamples: int
    metrics: tuple[MetricInfo, ...]
    classes: tuple[ClassScores, ...]
    scores: dict[str, Score]
    oracle_f1: float = math.nan
    levels: tuple[MeanScores, ...] = ()
    hierarchical: Hierarchical | None = None
    consistency: Consistency | None = None
    consistent: ConsistentScores | None = None
    single_label: bool = later(False)
    confusion: tuple[tuple[int, ...], ...] = later(())
    rules: tuple[RuleScores, ...] = later(())
    units: Units = later(MIXES)  # noqa: RUF009 - a field
    thresholds_given: bool = later(False)
    quantity: Quantity | None = later(None)  # noqa: RUF009 - a field


@dataclass(frozen=True)
class Provenance:
    """What a run was made of and with.

    Attributes:
        command: ``train``, ``pretrain`` or ``baseline``.
        seed: Of weights and stream.
        eval_seed: Of the fixed mixes, and of the resamples.
        catalog_hash: Content hash of what it was trained and scored on.
        label_set: Name of its label set.
        label_hash: Content hash of that.
        versions: Of the packages that shape numbers.
    """

    command: str
    seed: int
    eval_seed: int
    catalog_hash: str
    label_set: str
    label_hash: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Report:
    """The scores of one run: the content of its ``report.json``.

    Attributes:
        splits: Scores of ``validation`` and ``test``.
        note: A remark that must stand beside the numbers, or ''.
        replaced: Mixes of each split that are not those meant: files could not be read, and others were
            sampled instead.
        thresholds: By class, fitted on validation.
        consistent_thresholds: The same for scores after ``consistent_max``.
        provenance: What the run was made of.
        unreadable_tracks: Tracks of each split that a pretrained run was not scored on; empty for mixes.
        schema: ``REPORT_SCHEMA``.
    """

    splits: dict[str, SplitScores]
    note: str
    replaced: dict[str, int]
    thresholds: dict[str, float]
    consistent_thresholds: dict[str, float]
    provenance: Provenance
    unreadable_tracks: dict[str, int] = field(default_factory=dict)
    schema: int = REPORT_SCHEMA

    @classmethod
    def load(cls, path: str | Path) -> "Report":
        """Read a report.

        Args:
            path: A run folder, or its ``report.json``.

        Raises:
            RunError: there is none, it is damaged, or another release of mixlab wrote it.
        """
        file = Path(path) / "report.json" if Path(path).is_dir() else Path(path)
        written_by = f"mixlab evaluate {file.parent}"
        return cls.from_dict(read_json(file, written_by), Source(str(file), written_by))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: Source | None = None) -> "Report":
        """Return a report from what ``report.json`` holds.

        Args:
            data: Its content.
            source: Where that is from, for messages.

        Raises:
            RunError: a key is missing or unknown, or a value is of another type; the message names it.
        """
        source = source or Source("the report", "mixlab evaluate")
        report = source.decode_file(cls, data, REPORT_SCHEMA)
        for split, scores in report.splits.items():
            names = {name for k in scores.classes for name in k.scores}
            for k in scores.classes:
                if lacking := sorted(names - set(k.scores)):
                    raise RunError(
                        f"{source.name} is damaged: expected {lacking[0]!r} of every class of {split!r}, and "
                        f"{k.name!r} has none. Make it again with '{source.written_by}'.",
                        code="run-damaged",
                    )
        return report

    @property
    def test(self) -> SplitScores:
        """Scores on the test mixes, or tracks."""
        return self.splits["test"]

    def __str__(self) -> str:
        """Say the scores over all classes on the test split in one line, and what must stand beside them."""
        test, units = self.test, self.test.units
        scores = [f"{m.mean_title} {test.scores[m.name].value:.3f}" for m in test.metrics if not m.detail]
        said = [", ".join(scores), self.note, self.replaced_note("test")]
        counts = f"{test.n_items} {units.items} of {test.n_groups} {units.groups}"
        return f"test, {counts}: {'; '.join(filter(None, said))}"

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts and lists; NaN is NaN still."""
        return asdict(self)

    def replaced_note(self, split: str) -> str:
        """Return what must be said of a split's replaced mixes, or ''."""
        count = self.replaced[split]
        if not count:
            return ""
        items = self.splits[split].units.items
        return (
            f"{count} of {self.splits[split].n_items} {split} {items} were replaced, as files could not be "
            "read: these scores are not those of the intact corpora"
        )
