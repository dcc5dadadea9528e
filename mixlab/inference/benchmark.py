"""Score a run or published weights on an external test set, class by class, as far as they can say."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mixlab.corpora.clips.base import MIX, SOLO, ClipSet
from mixlab.corpora.clips.recordings import RECORDINGS
from mixlab.corpora.clips.registry import BENCHMARKS
from mixlab.errors import ConfigError
from mixlab.evaluation import (
    CLIPS,
    TRACKS,
    Metric,
    SplitScores,
    Thresholds,
    Units,
    class_prevalence,
    find_metrics,
    score_split,
)
from mixlab.inference.class_mapping import Match, any_of, match_classes, roll_up
from mixlab.inference.clip_scores import score_clips
from mixlab.inference.opening import open_run
from mixlab.inference.scorer import ScoredBy, Scorer, ThresholdsFrom, known_outputs
from mixlab.inference.unseen import part_of
from mixlab.taxonomy import LabelSet, Node, load_taxonomy
from mixlab.training.clips import WindowConfig
from mixlab.training.clips.records import describe_windows
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from mixlab.utils.decode import Source, later, read_json

__all__ = ["FOLDER", "ExternalReport", "PartScores", "align", "evaluate_on", "report_name"]

FOLDER = "folder"
"""Name of recordings of one's own as a benchmark."""

Floats = NDArray[np.float64]

TABLES = {
    "families": "families that an output stands for, or outputs below them",
    "instruments": "instruments and groups of them that an output stands for, or outputs below them",
    "exact": "classes that an output stands for, or outputs below it",
    "family": "weak: classes that only an output above them can score; it says yes to their siblings too",
    "rolled_up": "outputs above classes, against any of these classes together",
}
"""The tables of a report, by the name in its JSON."""

REPORT_SCHEMA = 2

KINDS = {"solos": SOLO, "mixes": MIX}
"""Parts of recordings that are scored by themselves, too, by the name in the report's JSON."""


@dataclass(frozen=True)
class PartScores:
    """What is scored on some of the clips by themselves.

    Attributes:
        name: ``solos`` or ``mixes``.
        n_clips: Clips of them that were scored.
        n_groups: Recordings that they are from.
        tables: As those of the report.
    """

    name: str
    n_clips: int
    n_groups: int
    tables: dict[str, SplitScores]


@dataclass(frozen=True)
class ExternalReport:
    """What a run or published weights score on a part of an external test set.

    Attributes:
        benchmark: ``irmas``, ``openmic`` or ``jamendo``; ``folder`` for recordings of one's own.
        part: ``train`` or ``test`` of it; of recordings the name of their folder.
        note: What must stand beside the numbers, or ''.
        source: Who read the corpus.
        notes: What must be known to read the numbers.
        window_s: Length of the windows that the model scores; shorter clips are scored as they are.
        n_clips: Clips that were scored.
        n_groups: Recordings, artists or tracks they are from.
        matches: How each class can be scored.
        rolled_up: Classes below each output of the table ``rolled_up``.
        tables: Scores by the names of ``TABLES``; a table without classes is missing. Recordings have
            ``families`` and ``instruments`` instead of ``exact`` and ``rolled_up``.
        not_evaluable: Classes that no output can score; they count in no mean.
        thresholds_fitted: Whether all thresholds were fitted: on the run's own validation, or when the model
            that comes with mixlab was made. Those of models that score together are not.
        missing: Clips whose files are not there.
        problems: Clips that could not be read, and why.
        windows: How a run on clips cuts them and puts scores of windows together, in words. '' for other
            runs: clips score the mean of windows that overlap by half, or of as many as the corpus asks for.
        apart: Of recordings, the solos and the mixes by themselves, as far as there are any.
        thresholds_from: Where the thresholds come from: ``run``, its own validation; ``shipped``, validation
            mixes of composed songs when the model that comes with mixlab was made; ``partly``, so for some
            classes, 0.5 for others; ``curves``, 0.5 of probabilities calibrated on composed mixes; ``odds``,
            log odds of joined models, counted from their own thresholds; ``none``, one for all that nobody
            fitted: 0.5, of published weights 0.2. '' in reports of earlier versions, where it is not known.
        model: What scored: the run's folder, or the names of weights; '' in reports of earlier versions.
        scored_by: Every file that the scores come from.
    """

    benchmark: str
    part: str
    note: str
    source: str
    notes: tuple[str, ...]
    window_s: float
    n_clips: int
    n_groups: int
    matches: tuple[Match, ...]
    rolled_up: dict[str, tuple[str, ...]]
    tables: dict[str, SplitScores]
    not_evaluable: tuple[str, ...]
    thresholds_fitted: bool
    missing: tuple[str, ...]
    problems: tuple[str, ...]
    windows: str = later("")
    apart: tuple[PartScores, ...] = later(())
    thresholds_from: ThresholdsFrom = later("")  # noqa: RUF009 - a field, whose type ruff does not know
    model: str = later("")
    scored_by: tuple[ScoredBy, ...] = later(())

    @property
    def name(self) -> str:
        """Name of the report's files in the run folder."""
        return f"{self.benchmark}-{self.part}"

    @classmethod
    def load(cls, file: str | Path) -> "ExternalReport":
        """Read a report that ``mixlab evaluate-on`` wrote below a run, ``external/irmas-test.json`` say.

        Raises:
            RunError: there is none, it is damaged, or another release of mixlab wrote it.
        """
        written_by = "mixlab evaluate-on"
        data = read_json(Path(file), written_by)
        return Source(str(file), written_by).decode_file(cls, data, REPORT_SCHEMA)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts and lists; NaN is NaN still."""
        return {"schema": REPORT_SCHEMA, **asdict(self)}


def align(scores: Floats, thresholds: Floats) -> Floats:
    """Move scores along the logistic curve so that each column's threshold comes to lie at 0.5.

    The order within a column stays. The highest of several aligned columns reaches 0.5 exactly where one
    of them reaches its own threshold.

    Args:
        scores: ``(N, C)`` in [0, 1].
        thresholds: ``(C,)`` in [0, 1].
    """
    tiny = 1e-7

    def logit(values: Floats) -> Floats:
        inside = np.clip(values, tiny, 1 - tiny)
        return np.asarray(np.log(inside) - np.log1p(-inside))

    return np.asarray(1 / (1 + np.exp(logit(thresholds) - logit(scores))))


class _Columns(NamedTuple):
    """One table's columns before they are scored."""

    names: list[str]
    scores: list[Floats]
    thresholds: list[float]
    targets: list[NDArray[np.float32]]
    mask: list[NDArray[np.bool_]]

    def add(
        self, name: str, scores: Floats, threshold: float, truth: tuple[NDArray[Any], NDArray[Any]]
    ) -> None:
        self.names.append(name)
        self.scores.append(scores)
        self.thresholds.append(threshold)
        self.targets.append(truth[0])
        self.mask.append(truth[1])


def _empty() -> _Columns:
    return _Columns([], [], [], [], [])


def evaluate_on(
    model: Run | Scorer,
    clips: ClipSet,
    *,
    label_set: str | Path | None = None,
    device: str = "auto",
    num_workers: int = 0,
    n_resamples: int = 1000,
    metrics: Sequence[str] | None = None,
    progress: Callable[[int], object] | None = None,
) -> ExternalReport:
    """Score a run, published weights, or what else is a ``Scorer``, on an external test set.

    Decisions take the thresholds of the scorer, those of a run as they were fitted on its own validation; a
    single-label run has none, and what several classes can be right of here is decided at 0.5. The prevalence
    beside the scores is each class's frequency in this very part: to predict always, or to say it for every
    clip.

    Args:
        model: A run with a model, or a scorer whose classes are known.
        clips: A part of an external test set.
        label_set: YAML file of the run's label set, if that is not shipped.
        device: Where the model computes; ``auto`` takes a GPU where there is one.
        num_workers: Processes that decode.
        n_resamples: Bootstrap resamples of recordings; 0 leaves intervals out.
        metrics: Metrics of one's own, as ``train.metrics``; None takes the run's setting.
        progress: Called with the number of clips that are done.

    Raises:
        RunError: the run has no model, or outputs that are not known here.
        ConfigError: a metric cannot be used, no clip can be read, or the run was pretrained on clips of this
            part.
    """
    run = model if isinstance(model, Run) else None
    scorer = _scorer_of_clips(model, label_set, device) if isinstance(model, Run) else model
    scorer.refuse_seen(clips)
    labels, outputs = _labels(clips), scorer.outputs
    windows = None if run is None else _own_windows(run)
    computed = find_metrics((run.own_metrics if run else ()) if metrics is None else metrics)
    scores, problems = score_clips(clips, scorer, windows=windows, num_workers=num_workers, progress=progress)
    kept = np.array([row for row in range(len(clips)) if row not in problems], np.int64)
    if not len(kept):
        raise ConfigError(
            f"None of the {len(clips)} clips of {clips.corpus} could be read; the first says: "
            f"{next(iter(problems.values()), 'no clips')}",
            code="unreadable-audio",
        )
    matches = _worth_showing(match_classes(labels, outputs), clips)
    columns, rolled = _columns(clips, labels, scores, scorer, matches)
    part, units = part_of(clips), TRACKS if clips.corpus == "mtg_jamendo" else CLIPS

    def score(rows: NDArray[np.int64]) -> dict[str, SplitScores]:
        groups = [clips.clips[row].group for row in rows]
        return {
            name: _score(part, table, rows, groups, scorer, computed, n_resamples, units)
            for name, table in columns.items()
            if table.names
        }

    return ExternalReport(
        benchmark=_benchmark(clips),
        part=part,
        note=scorer.note,
        source=clips.source,
        notes=clips.notes,
        window_s=scorer.window_s,
        n_clips=len(kept),
        n_groups=_groups(clips, kept),
        matches=matches,
        rolled_up=rolled,
        tables=score(kept),
        not_evaluable=tuple(match.name for match in matches if match.kind == "none"),
        thresholds_fitted=scorer.fitted,
        missing=clips.missing,
        problems=tuple(f"{clips.clips[row].key}: {text}" for row, text in problems.items()),
        windows=_say_windows(windows, scorer),
        apart=tuple(
            PartScores(name, len(rows), _groups(clips, rows), score(rows))
            for name, rows in _rows_apart(clips, kept).items()
        ),
        thresholds_from=scorer.thresholds_from,
        model=scorer.source,
        scored_by=scorer.scored_by,
    )


def _groups(clips: ClipSet, rows: NDArray[np.int64]) -> int:
    return len({clips.clips[row].group for row in rows})


def _rows_apart(clips: ClipSet, kept: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of solos and of mixes, where there are any."""
    if not clips.kinds:
        return {}
    found = {name: [row for row in kept if clips.kinds[row] == kind] for name, kind in KINDS.items()}
    return {name: np.array(rows, np.int64) for name, rows in found.items() if rows}


def _worth_showing(matches: Sequence[Match], clips: ClipSet) -> tuple[Match, ...]:
    """Leave out ancestors of labels (reed instruments, above clarinet) that no output stands for."""
    if not clips.named:
        return tuple(matches)
    shown = {*clips.named, *(node.name for node in _families())}
    return tuple(match for match in matches if match.kind in ("exact", "parts") or match.name in shown)


def _families() -> tuple[Node, ...]:
    taxonomy = load_taxonomy()
    return tuple(taxonomy.nodes[family] for family in taxonomy.families)


def _table_of(match: Match, clips: ClipSet) -> str:
    """Return the name of the table that a class stands in."""
    if match.kind == "family" or not clips.kinds:
        return "family" if match.kind == "family" else "exact"
    return "families" if match.name in {node.name for node in _families()} else "instruments"


def _own_windows(run: Run) -> WindowConfig | None:
    """Return how a run on clips cuts them; None for other runs."""
    stored = run.card.get("windows") if run.has_model else None
    return None if stored is None else from_plain(WindowConfig, stored)


def _say_windows(windows: WindowConfig | None, scorer: Scorer) -> str:
    return "" if windows is None else describe_windows(windows, scorer.window, scorer.sample_rate)


def _scorer_of_clips(run: Run, label_set: str | Path | None, device: str) -> Scorer:
    """Return a run's scorer with thresholds of whole clips, and without what is said of single windows."""
    scorer = known_outputs(open_run(run, device=device), run, label_set)
    card = run.card if run.has_model else {}
    if not card:
        return scorer
    fitted = card.get("consistent_thresholds") or card.get("thresholds")
    values = [fitted[name] if fitted else 0.5 for name in scorer.labels]
    note = str(card.get("note", ""))
    return replace(
        scorer,
        thresholds=np.array(values, np.float64),
        fitted=bool(fitted),
        thresholds_from="run" if fitted else "none",
        note=note,
    )


def _labels(clips: ClipSet) -> LabelSet:
    if clips.label_set is None:
        raise ConfigError(
            f"Expected clips whose classes are instruments of the tree, found those of {clips.corpus} "
            f"({clips.task}): no output of a run on mixes speaks of them.",
            code="unknown-benchmark",
        )
    return clips.label_set


def report_name(clips: ClipSet) -> str:
    """Return the name of the files of a report on clips."""
    return f"{_benchmark(clips)}-{part_of(clips)}"


def _benchmark(clips: ClipSet) -> str:
    """Return the name of a corpus in reports."""
    names = {**BENCHMARKS, FOLDER: RECORDINGS}
    return next((name for name, corpus in names.items() if corpus == clips.corpus), clips.corpus)


def _columns(
    clips: ClipSet,
    labels: LabelSet,
    scores: Floats,
    scorer: Scorer,
    matches: Sequence[Match],
) -> tuple[dict[str, _Columns], dict[str, tuple[str, ...]]]:
    tables = {name: _empty() for name in TABLES}
    aligned = align(scores, scorer.thresholds)
    for match in matches:
        c = labels.names.index(match.name)
        truth = clips.targets[:, c], clips.mask[:, c]
        if match.kind == "parts":
            best = aligned[:, list(match.outputs)].max(axis=1)
            tables[_table_of(match, clips)].add(match.name, best, 0.5, truth)
        elif match.kind != "none":
            (k,) = match.outputs
            best = scores[:, list(match.columns)].max(axis=1)
            tables[_table_of(match, clips)].add(match.name, best, float(scorer.thresholds[k]), truth)
    rolled: dict[str, tuple[str, ...]] = {}
    outputs = scorer.outputs
    # The groups of recordings are classes themselves, and known wherever one of theirs is.
    for group in () if clips.kinds else roll_up(labels, outputs):
        name = outputs[group.output].name
        truth = any_of(clips.targets, clips.mask, group.classes)
        threshold = float(scorer.thresholds[group.output])
        tables["rolled_up"].add(name, scores[:, group.output], threshold, truth)
        rolled[name] = tuple(labels.names[c] for c in group.classes)
    return tables, rolled


def _score(
    part: str,
    table: _Columns,
    kept: NDArray[np.int64],
    groups: Sequence[str],
    scorer: Scorer,
    metrics: Sequence[Metric],
    n_resamples: int,
    units: Units,
) -> SplitScores:
    scores, targets, mask = (
        np.stack(values, axis=1)[kept] for values in (table.scores, table.targets, table.mask)
    )
    fitted = np.full(len(table.names), scorer.fitted)
    scored = score_split(
        part,
        table.names,
        scores,
        targets,
        mask,
        thresholds=Thresholds(np.array(table.thresholds), fitted),
        prevalence=class_prevalence(targets, mask),
        groups=groups,
        units=units,
        metrics=metrics,
        n_resamples=n_resamples,
    )
    # Columns of several outputs are aligned to 0.5, so that other rules for thresholds would say nothing.
    return replace(scored, rules=())
