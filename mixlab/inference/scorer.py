"""What says of sound which classes are in it: one value that trained runs, published weights and others give.

Whoever scores audio - ``Tagger`` for files, ``evaluate_on`` for external test sets - takes a ``Scorer`` and
does not ask what is behind it. ``open_run`` makes one of a run folder, ``published_scorer``
(``mixlab.inference.published``) one of published weights; another kind of run gets a line in ``_OPENERS``.
``raised_to`` turns a scorer of some classes into one of the classes of a label set, by the instrument tree.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import ClipSet
from mixlab.corpora.clips.mtg_jamendo import even_starts
from mixlab.errors import ConfigError, RunError
from mixlab.inference.blocks import peak_gain
from mixlab.inference.class_mapping import match_classes, run_outputs
from mixlab.inference.unseen import check_unseen
from mixlab.taxonomy import LabelSet, Output, load_taxonomy
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.training.clips.reading import side_by_side
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.utils.hashing import file_digest

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "Compute",
    "ScoredBy",
    "Scorer",
    "ThresholdsFrom",
    "known_outputs",
    "network_scores",
    "open_member",
    "raised_to",
    "said_of_thresholds",
    "scored_by_run",
    "usable_device",
    "whole_scores",
    "window_starts",
]

Compute = Callable[[FloatArray], NDArray[np.float32]]
"""Audio ``(B, channels, T)``, float32, to scores ``(B, C)`` in [0, 1]."""


ThresholdsFrom = Literal["", "run", "shipped", "partly", "curves", "odds", "chosen", "highest", "none"]
"""Where thresholds come from; ``said_of_thresholds`` has the words. '' is not known."""

_THRESHOLDS: dict[ThresholdsFrom, str] = {
    "": "that came with the model",
    "run": "fitted on the run's own validation",
    "shipped": "fitted when the model was made, on validation mixes of composed songs",
    "partly": "of which those of the model's own classes were fitted when it was made; all others are 0.5",
    "curves": "of 0.5, from which on a class is more probable than not by curves fitted on composed mixes",
    "odds": "of 0.5, where the log odds of the models that were joined are on average those of their own "
    "thresholds",
    "chosen": "that you chose",
    "highest": "of no kind: the highest score decides",
    "none": "that nobody fitted (0.5, of published weights 0.2)",
}


def said_of_thresholds(thresholds_from: ThresholdsFrom) -> str:
    """Return what follows *thresholds* in a sentence on where they come from."""
    return _THRESHOLDS[thresholds_from]


def _nothing_seen(clips: ClipSet) -> None:
    """Refuse nothing: what was trained on no clips has seen none of them."""


@dataclass(frozen=True)
class ScoredBy:
    """One of the files that scores come from, so that they can be made again.

    Attributes:
        kind: What it is.
        name: The folder of a run, the name of weights, or that of a file that comes with mixlab.
        sha256: Of the file: the weights of a run, published ones, a classifier, curves.
        card_sha256: Of the card beside it, with thresholds and settings that count; '' where none does.
    """

    kind: Literal["run", "weights", "classifier", "curves"]
    name: str
    sha256: str
    card_sha256: str = ""


@dataclass(frozen=True)
class Scorer:
    """What gives windows of sound a score for each of its classes.

    Attributes:
        compute: Audio ``(B, channels, T)``, float32 at ``sample_rate``, to scores ``(B, C)`` in [0, 1]. T is
            ``window_s`` long for whole windows, and at least ``min_samples``.
        labels: The C classes that it can say something of.
        parents: For each the index of its nearest ancestor among them, or None.
        thresholds: ``(C,)`` for hierarchy-consistent scores; NaN where one class alone is right.
        sample_rate: Of the audio it takes, in Hz.
        window_s: How much of it at once.
        source: The run's folder, or the name of published weights.
        fitted: Whether all thresholds were fitted on validation, or none are needed.
        note: What must be said beside its numbers, or ''.
        channels: Of the audio it takes: 1, or 2 for stereo.
        level: ``peak`` where audio is to be brought to full scale first, else ``as_recorded``.
        single_label: Whether exactly one class is right at a time: scores sum to 1, the highest decides.
        min_samples: The shortest audio it takes, in samples.
        device: Where it computes.
        label_set: Name of the label set that its classes are of, or ''.
        nodes: ``C`` tuples of nodes of the instrument tree that the classes stand for; None where nobody
            looked them up (``known_outputs`` does, for a run).
        unsaid: Classes of its label set that it says nothing of. They are listed and get no number.
        refuse_seen: Raises ConfigError for clips that it was trained on.
        of_clip: From all windows of a clip ``(K, channels, T)`` to its scores ``(1, C)``, where these are not
            the mean of the windows' scores: of a baseline, whose features are put together. None elsewhere.
        kind: What ``source`` is: a ``run``, or ``weights``.
        curves: ``(C, 2)`` slope and offset of the logistic curves that make probabilities of its scores of
            whole excerpts (``calibrated``), where they are known; else None.
        weights_file: Where published weights lie; None for all else.
        scored_by: All files that its scores come from, but for ``curves_by``, as they were opened.
        curves_by: The file of its curves, which count together with others alone; None where ``scored_by``
            has them, or there are none.
        thresholds_from: Where the thresholds come from.
    """

    compute: Compute
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    thresholds: NDArray[np.float64]
    sample_rate: int
    window_s: float
    source: str
    fitted: bool
    note: str = ""
    channels: int = 1
    level: str = "as_recorded"
    single_label: bool = False
    min_samples: int = 1
    device: str = "cpu"
    label_set: str = ""
    nodes: tuple[tuple[str, ...], ...] | None = None
    unsaid: tuple[str, ...] = ()
    refuse_seen: Callable[[ClipSet], None] = _nothing_seen
    of_clip: Compute | None = None
    kind: Literal["run", "weights"] = "run"
    curves: NDArray[np.float64] | None = None
    weights_file: Path | None = None
    scored_by: tuple[ScoredBy, ...] = ()
    curves_by: ScoredBy | None = None
    thresholds_from: ThresholdsFrom = ""

    def score(self, audio: FloatArray) -> NDArray[np.float32]:
        """Score windows.

        Args:
            audio: ``(B, channels, T)`` float32 at ``sample_rate``.

        Returns:
            ``(B, C)`` scores in [0, 1], NaN where there is no number; not yet hierarchy-consistent.
        """
        return self.compute(audio)

    def consistent(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores ``(..., C)`` in which no class is below one that implies it."""
        return consistent_max(scores, ancestry_from_parents(self.parents))

    @property
    def window(self) -> int:
        """Length of a window in samples."""
        return round(self.window_s * self.sample_rate)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The classes with their nodes, which say what they are in other label sets.

        Raises:
            RunError: the nodes are not known.
        """
        if self.nodes is None:
            raise RunError(
                f"Of {self.source} it is not known what its classes are in the instrument tree; give its "
                "label set (--label_set FILE).",
                code="unknown-label-set",
            )
        return tuple(Output(name, nodes) for name, nodes in zip(self.labels, self.nodes, strict=True))


def whole_scores(scorer: Scorer, audio: FloatArray, sample_rate: int) -> NDArray[np.float32]:
    """Return what a scorer says of whole excerpts, whatever their rate and length.

    Each is brought to the scorer's level, and cut into windows that overlap by half, the last one flush with
    the end; shorter ones are scored as they are, filled with silence up to ``min_samples``. The mean over the
    windows counts.

    Args:
        scorer: What scores.
        audio: ``(B, channels, T)`` float32, with as many channels as the scorer takes, or more, of which it
            is given the mean; or one, which it is given twice.
        sample_rate: Of the audio, in Hz.

    Returns:
        ``(B, C)`` hierarchy-consistent scores; of a single-label scorer as they are.
    """
    given = with_channels(at_rate(audio, sample_rate, scorer.sample_rate), scorer.channels)
    if scorer.level == "peak":
        given = given * np.array([[[peak_gain([item])]] for item in given], np.float32)
    given = np.pad(given, ((0, 0), (0, 0), (0, max(scorer.min_samples - given.shape[2], 0))))
    length = min(scorer.window, given.shape[2])
    starts = window_starts(given.shape[2], length, 0)
    scores = [scorer.score(np.ascontiguousarray(given[:, :, a : a + length])) for a in starts]
    mean = np.mean([one if scorer.single_label else scorer.consistent(one) for one in scores], axis=0)
    return np.asarray(mean, np.float32)


def window_starts(samples: int, window: int, count: int) -> list[int]:
    """Return where windows start in a clip.

    Args:
        samples: Length of the clip.
        window: Length of a window.
        count: So many, evenly spaced; 0 lays them every half window, the last one flush with the end.
    """
    if count:
        return [round(start) for start in even_starts(samples, window, count)]
    return side_by_side(samples, window, max(window // 2, 1))


def at_rate(audio: FloatArray, rate: int, wanted: int) -> FloatArray:
    if rate == wanted:
        return audio
    import soxr

    flat = [soxr.resample(row, rate, wanted, quality="HQ") for row in audio.reshape(-1, audio.shape[2])]
    return np.asarray(flat, np.float32).reshape(*audio.shape[:2], -1)


def with_channels(audio: FloatArray, channels: int) -> FloatArray:
    if audio.shape[1] == channels:
        return audio
    return np.repeat(audio.mean(axis=1, keepdims=True, dtype=np.float32), channels, axis=1)


def usable_device(device: str) -> str:
    """Return ``device``, or for ``auto`` a GPU where there is one."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def network_scores(model: "nn.Module", *, loss: str = "bce", device: str = "cpu") -> Compute:
    """Return what computes the scores of a network.

    Args:
        model: Audio ``(B, channels, T)`` to logits ``(B, C)``, in evaluation mode, on ``device``.
        loss: What it was trained with: it says how logits become scores (``scores_of``).
        device: Where it computes.
    """

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        import torch

        from mixlab.training.embedding_cache import full_float32
        from mixlab.training.losses import scores_of

        with torch.inference_mode(), full_float32():
            given = torch.from_numpy(audio).to(device)
            scores: NDArray[np.float32] = scores_of(model(given), loss).cpu().numpy()
        return scores

    return compute


def open_member(run: Run | str | Path, *, device: str = "auto") -> Scorer:
    """Return what a run says of audio by itself; ``open_run`` takes ensembles too.

    Args:
        run: The run or its folder.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

    Raises:
        RunError: it holds nothing that scores audio, or is damaged.
        ConfigError: it cannot score files as they are.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    check_command(run, *_OPENERS)
    return _OPENERS[str(run.info.get("command", "train"))](run, usable_device(device))


def scored_by_run(run: Run, card: Mapping[str, Any]) -> ScoredBy:
    """Return what names a run and the content of its model, as it is opened."""
    return ScoredBy("run", str(run.path), str(card["sha256"]), file_digest(run.path / "model.json"))


def known_outputs(scorer: Scorer, run: Run, label_set: str | Path | None = None) -> Scorer:
    """Return a run's scorer with the nodes of its classes, as ``run_outputs`` finds them.

    Raises:
        RunError: they are not known here, or ``label_set`` has other classes.
    """
    if scorer.nodes is not None:
        return scorer
    return replace(scorer, nodes=tuple(output.nodes for output in run_outputs(run, label_set)))


def raised_to(scorer: Scorer, labels: LabelSet) -> Scorer:
    """Return the same scorer for the classes of a label set, as far as it says anything of them.

    The score of a class is the highest among the scorer's own classes that are at or below it in the tree:
    each of them implies it, so it is at least as sure as the surest, and the maximum keeps a single class as
    it is and asks for no independence. A class that is only below some of them (cello, where there is bowed
    string) is not said: their score would say yes to its siblings too.

    Args:
        scorer: Whose classes are known (``nodes``).
        labels: The label set.

    Returns:
        A scorer whose ``labels`` are the classes that it can say, in the order of the label set; the others
        are its ``unsaid``. A class that is one of the scorer's own keeps its threshold, others have 0.5.

    Raises:
        RunError: it can say none of them, or the nodes of its own classes are not known.
    """
    matches = match_classes(labels, scorer.outputs)
    said = [match for match in matches if match.kind in ("exact", "parts")]
    if not said or scorer.single_label:
        raise RunError(
            f"{scorer.source} says nothing of the classes of label set {labels.name}"
            + (", as it decides for one class at a time." if scorer.single_label else ".")
            + " Choose another label set (--label_set), or another model.",
            code="label-set-mismatch",
        )
    columns = [list(match.columns) for match in said]
    chosen = [output for output, match in zip(labels.outputs, matches, strict=True) if match in said]
    fitted = [match.kind == "exact" and scorer.fitted for match in said]
    thresholds = [
        float(scorer.thresholds[match.outputs[0]]) if fit else 0.5
        for match, fit in zip(said, fitted, strict=True)
    ]

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        scores = scorer.score(audio)
        return np.stack([scores[:, of].max(axis=1) for of in columns], axis=1)

    part = LabelSet(labels.name, labels.title, tuple(chosen), labels.content_hash)
    return replace(
        scorer,
        compute=compute,
        of_clip=None,
        labels=part.names,
        parents=part.parents(load_taxonomy()),
        thresholds=np.array(thresholds, np.float64),
        fitted=all(fitted),
        thresholds_from=scorer.thresholds_from if all(fitted) else "partly" if any(fitted) else "none",
        label_set=labels.name,
        nodes=tuple(output.nodes for output in chosen),
        unsaid=tuple(name for name in labels.names if name not in part.names),
        curves=None,
        curves_by=None,
    )


def _open_network(run: Run, device: str) -> Scorer:
    """Return what the network of a run says, its best epoch's, or its fitted baseline."""
    from mixlab.models import in_channels
    from mixlab.training.baselines.fitted import FittedBaseline, load_scoring_model

    model, card = load_scoring_model(run).to(device), run.card
    windows = card.get("windows", {})
    if windows.get("repeat_levels"):
        raise ConfigError(
            f"{run.path} was trained on clips repeated at several levels (windows.repeat_levels), and a "
            "file to be tagged has its own alone. Tag with a run that was trained without it.",
            code="conflicting-settings",
        )
    try:
        labels = tuple(str(name) for name in card["labels"]["outputs"])
        thresholds = _usable_thresholds(card)
        loss = str(card.get("loss", "bce"))
        single = loss == "softmax"
        return Scorer(
            compute=network_scores(model, loss=loss, device=device),
            labels=labels,
            parents=tuple(card["labels"]["parents"]),
            thresholds=np.full(len(labels), math.nan) if single else _by_label(thresholds, labels),
            sample_rate=int(card["input"]["sample_rate"]),
            window_s=float(card["input"]["duration_s"]),
            source=str(run.path),
            fitted=bool(thresholds) or single,
            note="; ".join(filter(None, [str(card.get("note", "")), _clip_note(card)])),
            channels=in_channels(model),
            level=str(windows.get("level", "as_recorded")),
            single_label=single,
            min_samples=int(getattr(model, "min_samples", 1)),
            device=device,
            label_set=str(card["labels"].get("name", "")),
            refuse_seen=partial(check_unseen, run),
            of_clip=model.of_clip if isinstance(model, FittedBaseline) and model.of_clips else None,
            scored_by=(scored_by_run(run, card),),
            thresholds_from="highest" if single else "run" if thresholds else "none",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{run.path}/model.json lacks {error}, which tagging needs. Train the model again with this "
            "mixlab.",
            code="run-incomplete",
        ) from error


_OPENERS: dict[str, Callable[[Run, str], Scorer]] = {
    "train": _open_network,
    "pretrain": _open_network,
    "train-clips": _open_network,
    "baseline": _open_network,
    "baseline-clips": _open_network,
}
"""How a run of each command is opened: the run and the device, to a scorer."""


def _by_label(values: Mapping[str, float] | None, labels: Sequence[str]) -> NDArray[np.float64]:
    return np.array([0.5 if values is None else float(values[name]) for name in labels])


def _usable_thresholds(card: Mapping[str, Any]) -> Mapping[str, float] | None:
    """Return the thresholds of a run, unless they belong to scores of another kind than those of windows."""
    if card.get("windows", {}).get("aggregation") == "s2":
        return None
    found: Mapping[str, float] | None = card.get("consistent_thresholds") or card.get("thresholds")
    return found


def _clip_note(card: Mapping[str, Any]) -> str:
    """Say what must be known of a run that was trained on clips before its tags are read."""
    aggregation = card.get("windows", {}).get("aggregation")
    if aggregation is None or card.get("loss") == "softmax":
        return ""
    if "classifier" in card:
        return "the classifier was fitted on mean features of whole clips, and decides on single windows here"
    if aggregation == "s2":
        return (
            "the run's thresholds are for scores of whole clips divided by their maximum (s2), not for "
            "windows: all are 0.5 here"
        )
    return "the thresholds were fitted on mean scores of whole clips, and decide on single windows here"
