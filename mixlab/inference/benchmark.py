"""Score a run's model on an external test set, class by class, as far as its outputs can say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from mixlab.audio.io import probe
from mixlab.corpora.clips.base import JAMENDO_SPLIT, Clip, ClipSet
from mixlab.corpora.clips.mtg_jamendo import even_starts, read_track_excerpt
from mixlab.corpora.clips.registry import BENCHMARKS
from mixlab.errors import AudioError, ConfigError
from mixlab.evaluation import (
    Metric,
    SplitScores,
    Thresholds,
    class_prevalence,
    find_metrics,
    score_split,
)
from mixlab.inference.class_mapping import Match, any_of, match_classes, roll_up, run_outputs
from mixlab.inference.tagger import Tagger
from mixlab.taxonomy import LabelSet, Output
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.training.embedding_cache import full_float32
from mixlab.training.losses import scores_of
from mixlab.training.run import Run
from mixlab.training.run_kinds import WITH_NETWORK, check_command
from mixlab.utils.decode import Source, read_json

__all__ = ["ExternalReport", "align", "evaluate_on", "score_clips", "window_starts"]

Floats = NDArray[np.float64]

TABLES = {
    "exact": "classes that an output stands for, or outputs below it",
    "family": "weak: classes that only an output above them can score; it says yes to their siblings too",
    "rolled_up": "outputs above classes, against any of these classes together",
}
"""The tables of a report, by the name in its JSON."""

REPORT_SCHEMA = 2
_BATCH = 32
LONGEST_S = 3600
"""Longest clip that is read as a whole, in seconds."""


@dataclass(frozen=True)
class ExternalReport:
    """What a run's model scores on a part of an external test set.

    Attributes:
        benchmark: ``irmas``, ``openmic`` or ``jamendo``.
        part: ``train`` or ``test`` of it.
        note: What must stand beside the numbers, or ''.
        source: Who read the corpus.
        notes: What must be known to read the numbers.
        window_s: Length of the windows that the model scores; shorter clips are scored as they are.
        n_clips: Clips that were scored.
        n_groups: Recordings, artists or tracks they are from.
        matches: How each class can be scored.
        rolled_up: Classes below each output of the table ``rolled_up``.
        tables: Scores by the names of ``TABLES``; a table without classes is missing.
        not_evaluable: Classes that no output can score; they count in no mean.
        thresholds_fitted: Whether thresholds are those of the run's validation; else 0.5.
        missing: Clips whose files are not there.
        problems: Clips that could not be read, and why.
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


def window_starts(samples: int, window: int, count: int) -> list[int]:
    """Return where windows start in a clip.

    Args:
        samples: Length of the clip.
        window: Length of a window.
        count: So many, evenly spaced; 0 lays them every half window, the last one flush with the end.
    """
    last = max(samples - window, 0)
    if count:
        return [round(start) for start in even_starts(samples, window, count)]
    starts = list(range(0, last + 1, max(window // 2, 1)))
    return starts if starts[-1] == last else [*starts, last]


class _Windows(Dataset[dict[str, Any]]):
    """Clips cut into windows: ``audio`` ``(K, 1, T)``, ``index``, and ``problem`` ('' where all is well)."""

    def __init__(self, clips: ClipSet, tagger: Tagger, shortest: int) -> None:
        self.clips = clips.clips
        self.count, self.sample_rate = clips.windows, tagger.sample_rate
        self.window, self.shortest = round(tagger.window_s * tagger.sample_rate), shortest

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        try:
            return {"audio": torch.from_numpy(self._cut(self.clips[index])), "index": index, "problem": ""}
        except AudioError as error:
            return {"audio": torch.zeros(0), "index": index, "problem": str(error)}

    def _cut(self, clip: Clip) -> NDArray[np.float32]:
        info = probe(clip.path)
        seconds = clip.seconds(info.frames / info.sample_rate)
        samples = round(seconds * self.sample_rate)
        if samples == 0:
            raise AudioError(
                f"{clip.path} holds no samples; restore the file from its source.", code="empty-audio"
            )
        if not self.count and seconds > LONGEST_S:
            raise AudioError(
                f"Expected a clip of up to {LONGEST_S} s at {clip.path}, found a header of {seconds:.0f} s: "
                "it is damaged, or the file is no clip. Restore it.",
                code="audio-too-long",
            )
        # A clip shorter than a window is scored as it is: silence behind it would be scored as well.
        length = min(max(samples, self.shortest), self.window)
        starts = window_starts(samples, length, self.count)
        if self.count:
            return np.stack([self._read(clip, start / self.sample_rate, length) for start in starts])
        whole = self._read(clip, 0.0, max(samples, length))
        return np.stack([whole[:, start : start + length] for start in starts])

    def _read(self, clip: Clip, start_s: float, samples: int) -> NDArray[np.float32]:
        return read_track_excerpt(clip.path, clip.start_s + start_s, samples, self.sample_rate)


def score_clips(
    clips: ClipSet, tagger: Tagger, *, num_workers: int = 0, progress: Callable[[int], object] | None = None
) -> tuple[Floats, dict[int, str]]:
    """Return each clip's scores ``(N, O)``: the mean over its windows of hierarchy-consistent scores.

    Args:
        clips: What to score.
        tagger: A run's model.
        num_workers: Processes that decode.
        progress: Called with the number of clips that are done.

    Returns:
        The scores, NaN for clips that cannot be read, and what went wrong by the clip's place.
    """
    shortest = int(getattr(tagger.model, "min_samples", 1))
    loader: DataLoader[Any] = DataLoader(
        _Windows(clips, tagger, shortest),
        batch_size=None,
        num_workers=num_workers,
        generator=torch.Generator(),
    )
    sums = np.zeros((len(clips), len(tagger.labels)))
    counts = np.zeros(len(clips))
    problems: dict[int, str] = {}
    for batch, owners in _batches(loader, problems, progress):
        scores = _model_scores(tagger, batch)
        for index in {owners[row] for row in np.flatnonzero(~np.isfinite(scores).all(axis=1))}:
            problems[index] = f"{clips.clips[index].path}: the model gives no number for it"
        np.add.at(sums, owners, scores)
        np.add.at(counts, owners, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / counts[:, None], problems


def _batches(
    loader: DataLoader[Any], problems: dict[int, str], progress: Callable[[int], object] | None
) -> Iterator[tuple[torch.Tensor, list[int]]]:
    """Gather windows of one length across clips; the model takes many short clips at once."""
    waiting: list[torch.Tensor] = []
    owners: list[int] = []
    for clip in loader:
        if progress is not None:
            progress(1)
        if clip["problem"]:
            problems[int(clip["index"])] = clip["problem"]
            continue
        audio = clip["audio"]
        if waiting and (audio.shape[-1] != waiting[0].shape[-1] or len(owners) >= _BATCH):
            yield torch.cat(waiting), owners
            waiting, owners = [], []
        waiting.append(audio)
        owners = [*owners, *([int(clip["index"])] * len(audio))]
    if waiting:
        yield torch.cat(waiting), owners


def _model_scores(tagger: Tagger, audio: torch.Tensor) -> NDArray[np.float32]:
    with torch.inference_mode(), full_float32():
        scores = scores_of(tagger.model(audio.to(tagger.device)), tagger.loss).cpu().numpy()
    return consistent_max(np.asarray(scores, np.float32), ancestry_from_parents(tagger.parents))


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
    run: Run,
    clips: ClipSet,
    *,
    label_set: str | Path | None = None,
    device: str = "auto",
    num_workers: int = 0,
    n_resamples: int = 1000,
    metrics: Sequence[str] | None = None,
    progress: Callable[[int], object] | None = None,
) -> ExternalReport:
    """Score a run on an external test set.

    Decisions take the thresholds that were fitted on the run's own validation mixes. The prevalence beside
    the scores is each class's frequency in this very part: to predict always, or to say it for every clip.

    Args:
        run: A run with a model.
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
    check_command(run, *WITH_NETWORK)
    _check_unseen(run, clips)
    labels = _labels(clips)
    outputs = run_outputs(run, label_set)
    computed = find_metrics(run.own_metrics if metrics is None else metrics)
    tagger = Tagger.load(run, device=device)
    scores, problems = score_clips(clips, tagger, num_workers=num_workers, progress=progress)
    kept = np.array([row for row in range(len(clips)) if row not in problems], np.int64)
    if not len(kept):
        raise ConfigError(
            f"None of the {len(clips)} clips of {clips.corpus} could be read; the first says: "
            f"{next(iter(problems.values()), 'no clips')}",
            code="unreadable-audio",
        )
    matches = match_classes(labels, outputs)
    columns, rolled = _columns(clips, labels, scores, tagger, matches, outputs)
    groups = [clips.clips[row].group for row in kept]
    part = _part(clips)
    tables = {
        name: _score(part, table, kept, groups, tagger, computed, n_resamples)
        for name, table in columns.items()
        if table.names
    }
    return ExternalReport(
        benchmark=_benchmark(clips),
        part=part,
        note=tagger.note,
        source=clips.source,
        notes=clips.notes,
        window_s=tagger.window_s,
        n_clips=len(kept),
        n_groups=len(set(groups)),
        matches=matches,
        rolled_up=rolled,
        tables=tables,
        not_evaluable=tuple(match.name for match in matches if match.kind == "none"),
        thresholds_fitted=tagger.fitted,
        missing=clips.missing,
        problems=tuple(f"{clips.clips[row].key}: {text}" for row, text in problems.items()),
    )


def _labels(clips: ClipSet) -> LabelSet:
    if clips.label_set is None:
        raise ConfigError(
            f"Expected clips whose classes are instruments of the tree, found those of {clips.corpus} "
            f"({clips.task}): no output of a run on mixes speaks of them.",
            code="unknown-benchmark",
        )
    return clips.label_set


def _benchmark(clips: ClipSet) -> str:
    """Return the name of a corpus in reports."""
    return next((name for name, corpus in BENCHMARKS.items() if corpus == clips.corpus), clips.corpus)


def _part(clips: ClipSet) -> str:
    return "+".join(clips.splits)


def _check_unseen(run: Run, clips: ClipSet) -> None:
    """Refuse to score a run on tracks that it, or what it started from, was trained on.

    Each official split of MTG-Jamendo has test tracks of its own.
    """
    if clips.corpus != "mtg_jamendo":
        return
    for split in _jamendo_splits(run):
        if split != JAMENDO_SPLIT or "train" in clips.splits:
            raise ConfigError(
                f"{run.path} was pretrained on split {split} of MTG-Jamendo, and tracks of its training are "
                f"among those of part {_part(clips)!r} of split {JAMENDO_SPLIT}: the scores would flatter "
                "it. A pretrained run's own test split is scored by 'mixlab evaluate RUN'.",
                code="training-overlap",
            )


def _jamendo_splits(run: Run) -> Iterator[int]:
    """Yield the splits of MTG-Jamendo whose training part is in a run's weights."""
    if run.info.get("command") == "pretrain":
        yield run.config["jamendo"]["split"]
    start = run.card.get("pretrained_file") if (run.path / "model.json").is_file() else None
    while start:
        if start.get("jamendo_split") is not None:
            yield start["jamendo_split"]
        start = start.get("started_from")


def _columns(
    clips: ClipSet,
    labels: LabelSet,
    scores: Floats,
    tagger: Tagger,
    matches: Sequence[Match],
    outputs: Sequence[Output],
) -> tuple[dict[str, _Columns], dict[str, tuple[str, ...]]]:
    tables = {name: _empty() for name in TABLES}
    aligned = align(scores, tagger.thresholds)
    for c, match in enumerate(matches):
        truth = clips.targets[:, c], clips.mask[:, c]
        if match.kind == "parts":
            best = aligned[:, list(match.outputs)].max(axis=1)
            tables["exact"].add(match.name, best, 0.5, truth)
        elif match.kind != "none":
            (k,) = match.outputs
            tables[match.kind].add(match.name, scores[:, k], float(tagger.thresholds[k]), truth)
    rolled: dict[str, tuple[str, ...]] = {}
    for group in roll_up(labels, outputs):
        name = outputs[group.output].name
        truth = any_of(clips.targets, clips.mask, group.classes)
        threshold = float(tagger.thresholds[group.output])
        tables["rolled_up"].add(name, scores[:, group.output], threshold, truth)
        rolled[name] = tuple(labels.names[c] for c in group.classes)
    return tables, rolled


def _score(
    part: str,
    table: _Columns,
    kept: NDArray[np.int64],
    groups: Sequence[str],
    tagger: Tagger,
    metrics: Sequence[Metric],
    n_resamples: int,
) -> SplitScores:
    scores, targets, mask = (
        np.stack(values, axis=1)[kept] for values in (table.scores, table.targets, table.mask)
    )
    fitted = np.full(len(table.names), tagger.fitted)
    return score_split(
        part,
        table.names,
        scores,
        targets,
        mask,
        thresholds=Thresholds(np.array(table.thresholds), fitted),
        prevalence=class_prevalence(targets, mask),
        groups=groups,
        metrics=metrics,
        n_resamples=n_resamples,
    )
