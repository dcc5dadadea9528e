"""Which instruments sound in a whole audio file, and where: a run's model on overlapping windows.

A model scores windows as long as its training excerpts. They are laid over the file every hop, the last one
flush with its end; each moment of the file takes the score of the window whose middle is nearest. So one
window decides on each moment, at the thresholds that were fitted on just such windows, and moments are
about a hop long. Scores are made hierarchy-consistent (a family scores at least what its instruments do).
Moments below a level gate count as silent: there nothing sounds, whatever the model says of silence.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from mixlab.audio.downmix import Downmix
from mixlab.audio.io import FLOOR_DB, FloatArray, iter_blocks, length_notes, probe
from mixlab.audio.levels import FRAME_S, FRAMES_PER_HOP, frame_energies
from mixlab.errors import AudioError, ConfigError, RunError
from mixlab.evaluation import close_upwards, decide
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.training.run import Run
from mixlab.utils.spans import spans

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GATE_DB", "FileTags", "Tagger", "class_notes", "tag_file"]

GATE_DB = -60.0
"""Moments whose RMS level in dBFS is below this are silent; 16-bit dither lies near -96."""

BLOCK_FRAMES = 1 << 19
"""Frames decoded at a time: memory does not grow with the length of the file."""

Progress = Callable[[float], None]


@dataclass(frozen=True)
class FileTags:
    """What a model says about one file.

    K moments follow each other without gaps from 0 to the end of the file.

    Attributes:
        path: The file.
        duration_s: Its length in seconds, as decoded.
        labels: The C class names.
        parents: For each class the index of its nearest ancestor, or None.
        thresholds: ``(C,)`` fitted on the run's validation mixes.
        window_s: Length of the windows that the model scores.
        hop_s: Distance of their starts.
        gate_db: Level below which a moment is silent, in dBFS.
        padded: Whether the file is shorter than a window, and silence was added at its end.
        start_s: ``(K,)`` where moments start.
        end_s: ``(K,)`` where they end.
        level_db: ``(K,)`` their RMS level in dBFS.
        scores: ``(K, C)`` hierarchy-consistent probabilities, float32, also where the moment is silent.
        notes: What of the file the model was not given, a sentence each.
    """

    path: Path
    duration_s: float
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    thresholds: NDArray[np.float64]
    window_s: float
    hop_s: float
    gate_db: float
    padded: bool
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    level_db: NDArray[np.float64]
    scores: NDArray[np.float32]
    notes: tuple[str, ...] = ()

    @property
    def sounding(self) -> NDArray[np.bool_]:
        """``(K,)`` whether anything sounds, by the level alone."""
        return np.asarray(self.level_db >= self.gate_db)

    @property
    def detected(self) -> NDArray[np.bool_]:
        """``(K, C)`` whether a class is detected: its score or a descendant's reaches its threshold."""
        return close_upwards(decide(self.scores, self.thresholds), self.parents) & self.sounding[:, None]

    @property
    def mean(self) -> NDArray[np.float64]:
        """``(C,)`` mean score over the moments that sound, weighted by their length; NaN without any."""
        if not self.sounding.any():
            return np.full(len(self.labels), math.nan)
        weights = (self.end_s - self.start_s)[self.sounding]
        scores = self.scores[self.sounding].astype(np.float64)
        return np.asarray(np.average(scores, axis=0, weights=weights), np.float64)

    @property
    def max(self) -> NDArray[np.float64]:
        """``(C,)`` highest score over the moments that sound; NaN without any."""
        if not self.sounding.any():
            return np.full(len(self.labels), math.nan)
        return np.asarray(self.scores[self.sounding].max(axis=0), np.float64)

    @property
    def tags(self) -> tuple[str, ...]:
        """The classes that sound somewhere, the highest mean score first."""
        detected = np.flatnonzero(self.detected.any(axis=0))
        return tuple(self.labels[c] for c in detected[np.argsort(-self.mean[detected], kind="stable")])

    def with_thresholds(self, thresholds: float | ArrayLike) -> "FileTags":
        """Return the same scores, decided at other thresholds: one for all classes, or ``(C,)``.

        Raises:
            ConfigError: there are as many thresholds as neither one nor the classes.
        """
        values = np.asarray(thresholds, np.float64)
        if values.shape not in ((), (len(self.labels),)):
            raise ConfigError(
                f"Expected one threshold or {len(self.labels)}, got shape {values.shape}.", code="wrong-shape"
            )
        return replace(self, thresholds=np.broadcast_to(values, (len(self.labels),)).copy())

    def spans(self) -> dict[str, tuple[tuple[float, float], ...]]:
        """Return for every class where it sounds: (start, end) in seconds, neighbours merged."""
        detected = self.detected
        return {name: self._merged(detected[:, c]) for c, name in enumerate(self.labels)}

    def silent_spans(self) -> tuple[tuple[float, float], ...]:
        """Return where the level is below the gate."""
        return self._merged(~self.sounding)

    def _merged(self, on: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
        return tuple((float(self.start_s[a]), float(self.end_s[b - 1])) for a, b in spans(on))


@dataclass(frozen=True)
class Tagger:
    """A run's model with all it takes to tag files; ``Tagger.load`` once, then ``tag`` any number of them.

    Attributes:
        model: Audio ``(B, 1, T)`` to logits ``(B, C)``, in evaluation mode.
        labels: The C class names.
        parents: Nearest ancestor of each.
        thresholds: ``(C,)`` for hierarchy-consistent scores.
        sample_rate: Of the model's input, in Hz.
        window_s: Length of its input.
        device: Where it computes.
        source: The run's folder.
        fitted: Whether the thresholds come from validation; else all are 0.5.
        note: What must be said beside its numbers, or ''.
        loss: What the model was trained with: it says how logits become scores (``scores_of``).
    """

    model: "nn.Module"
    labels: tuple[str, ...]
    parents: tuple[int | None, ...]
    thresholds: NDArray[np.float64]
    sample_rate: int
    window_s: float
    device: str
    source: Path
    fitted: bool
    note: str
    loss: str = "bce"

    @classmethod
    def load(cls, run: Run | str | Path, *, device: str = "auto") -> "Tagger":
        """Load a run's best model.

        Args:
            run: The run or its folder.
            device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

        Raises:
            RunError: the run has no model yet, or is damaged.
            ConfigError: its network takes stereo.
        """
        import torch

        from mixlab.models import in_channels
        from mixlab.training import load_model

        run = run if isinstance(run, Run) else Run.open(run)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model, card = load_model(run).to(device), run.card
        if in_channels(model) != 1:
            raise ConfigError(
                f"{run.path} holds a network that takes stereo, and files are tagged in mono. Tag with a "
                "network for mono: model.parameters.channel_conversion other than stereo.",
                code="mono-required",
            )
        try:
            labels = tuple(str(name) for name in card["labels"]["outputs"])
            thresholds = card.get("consistent_thresholds") or card.get("thresholds")
            return cls(
                model=model,
                labels=labels,
                parents=tuple(card["labels"]["parents"]),
                thresholds=_by_label(thresholds, labels),
                sample_rate=int(card["input"]["sample_rate"]),
                window_s=float(card["input"]["duration_s"]),
                device=device,
                source=run.path,
                fitted=bool(thresholds),
                note=str(card.get("note", "")),
                loss=str(card.get("loss", "bce")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{run.path}/model.json lacks {error}, which tagging needs. Train the model again with this "
                "mixlab.",
                code="run-incomplete",
            ) from error

    def tag(
        self,
        path: str | Path,
        *,
        hop_s: float = 1.0,
        batch_size: int = 16,
        gate_db: float = GATE_DB,
        progress: Progress | None = None,
    ) -> FileTags:
        """Tag one file of any length, rate and channels that libsndfile reads.

        Args:
            path: The file. Several channels are averaged.
            hop_s: Distance of the windows, up to ``window_s``; also how finely spans are known.
            batch_size: Windows that the model takes at a time.
            gate_db: Level in dBFS below which a moment is silent.
            progress: Called with the seconds that were done since the last call.

        Raises:
            AudioError: the file is missing, damaged or empty, or its samples are beyond what sound has.
            ConfigError: ``hop_s`` or ``batch_size`` is out of its range.
        """
        path, meter = Path(path), _Meter(self.sample_rate)
        self._check(hop_s, batch_size)
        info = probe(path)
        rate, downmix = info.sample_rate, Downmix(str(path), info.sample_rate, gate_db)
        mono = (downmix.take(block) for block in iter_blocks(path, BLOCK_FRAMES))
        blocks = _metered(_at_rate(mono, rate, self.sample_rate), meter, progress)
        tags = self._score_blocks(path, blocks, meter, hop_s, batch_size, gate_db)
        return replace(tags, notes=(*length_notes(info, downmix.frames), *downmix.notes()))

    def tag_audio(
        self,
        audio: FloatArray,
        *,
        name: str = "audio",
        hop_s: float = 1.0,
        batch_size: int = 16,
        gate_db: float = GATE_DB,
        progress: Callable[[int, int], None] | None = None,
    ) -> FileTags:
        """Tag audio that is in memory already.

        Args:
            audio: float32 ``(channels, samples)`` at the model's ``sample_rate``.
            name: What stands for its path.
            hop_s: As for ``tag``.
            batch_size: As for ``tag``.
            gate_db: As for ``tag``.
            progress: Called with (windows done, windows in all) after every batch.

        Raises:
            AudioError: it has no samples, or some beyond what sound has.
            ConfigError: ``hop_s`` or ``batch_size`` is out of its range.
        """
        self._check(hop_s, batch_size)
        downmix = Downmix(name, self.sample_rate, gate_db)
        mono = downmix.take(audio)
        meter = _Meter(self.sample_rate)
        blocks: Iterator[FloatArray] = (
            mono[at : at + BLOCK_FRAMES] for at in range(0, len(mono), BLOCK_FRAMES)
        )
        windows = self.count_windows(len(mono), hop_s)
        said = None if progress is None else lambda done: progress(done, windows)
        blocks = _metered(blocks, meter, None)
        tags = self._score_blocks(Path(name), blocks, meter, hop_s, batch_size, gate_db, said)
        return replace(tags, notes=downmix.notes())

    def count_windows(self, samples: int, hop_s: float) -> int:
        """Return how many windows the model scores of ``samples`` samples at its rate."""
        window, hop = self._sizes(hop_s)
        return 1 + max(-(-(samples - window) // hop), 0)

    def _sizes(self, hop_s: float) -> tuple[int, int]:
        return round(self.window_s * self.sample_rate), max(round(hop_s * self.sample_rate), 1)

    def _check(self, hop_s: float, batch_size: int) -> None:
        if not 0 < hop_s <= self.window_s or batch_size < 1:
            raise ConfigError(
                f"hop_s must be above 0 and at most the model's window of {self.window_s:g} s, batch_size at "
                f"least 1; got {hop_s:g} and {batch_size}.",
                code="invalid-setting",
            )

    def _score_blocks(
        self,
        path: Path,
        blocks: Iterator[FloatArray],
        meter: "_Meter",
        hop_s: float,
        batch_size: int,
        gate_db: float,
        on_windows: Callable[[int], None] | None = None,
    ) -> FileTags:
        """Score all windows of a signal; ``on_windows`` is called with how many are done."""
        window, hop = self._sizes(hop_s)
        starts: list[int] = []
        scores: list[NDArray[np.float32]] = []
        waiting: list[FloatArray] = []

        def score() -> None:
            scores.append(self._score(waiting))
            if not np.isfinite(scores[-1]).all():
                raise AudioError(
                    f"The model of {self.source} gives no number for {path} around "
                    f"{starts[-1] / self.sample_rate:.1f} s: its weights are damaged, or it cannot take such "
                    "sound. Try another file; where that fails too, train the model again.",
                    code="scores-not-finite",
                )
            waiting.clear()
            if on_windows is not None:
                on_windows(len(starts))

        for start, samples in _windows(blocks, window, hop):
            starts.append(start)
            waiting.append(samples)
            if len(waiting) == batch_size:
                score()
        if not starts:
            raise AudioError(f"{path} holds no samples: there is nothing to tag.", code="empty-audio")
        if waiting:
            score()
        duration_s = meter.samples / self.sample_rate
        edges = _edges(np.array(starts) / self.sample_rate, self.window_s, duration_s)
        return FileTags(
            path=path,
            duration_s=duration_s,
            labels=self.labels,
            parents=self.parents,
            thresholds=self.thresholds,
            window_s=self.window_s,
            hop_s=hop_s,
            gate_db=gate_db,
            padded=meter.samples < window,
            start_s=edges[:-1],
            end_s=edges[1:],
            level_db=meter.levels_db(edges),
            scores=consistent_max(np.concatenate(scores), ancestry_from_parents(self.parents)),
        )

    def _score(self, windows: Sequence[FloatArray]) -> NDArray[np.float32]:
        import torch

        from mixlab.training.embedding_cache import full_float32
        from mixlab.training.losses import scores_of

        with torch.inference_mode(), full_float32():
            audio = torch.from_numpy(np.stack(windows)[:, None]).to(self.device)
            scores: NDArray[np.float32] = scores_of(self.model(audio), self.loss).cpu().numpy()
        return scores


def tag_file(path: str | Path, run: Run | Tagger | str | Path, **settings: Any) -> FileTags:  # noqa: ANN401
    """Tag one file; for several, load a ``Tagger`` once and hand that in.

    Args:
        path: The file.
        run: The run, its folder, or a loaded ``Tagger``.
        **settings: As ``Tagger.tag`` takes them.

    Raises:
        AudioError: the file is missing, damaged or empty.
        RunError: the run has no model yet, or is damaged.
    """
    return (run if isinstance(run, Tagger) else Tagger.load(run)).tag(path, **settings)


def class_notes(run: Run | str | Path) -> dict[str, str]:
    """Say of which classes a run's tags mean little, and why.

    A class that no mix of validation held has no fitted threshold, and one that no mix of the test held has
    no score: how well the model finds it, if it was trained on it at all, nobody knows.

    Returns:
        Class name to a sentence; classes that were fitted and scored are left out. Empty where the run was
        not evaluated yet.

    Raises:
        RunError: the run cannot be opened, or its report is damaged.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    if not (run.path / "report.json").is_file():
        return {}
    notes: dict[str, str] = {}
    held = {
        split: {k.name: k.support for k in scores.classes} for split, scores in run.report().splits.items()
    }
    for name in next(iter(held.values()), {}):
        without = [split for split, supports in held.items() if supports.get(name) == 0]
        if without == ["validation", "test"]:
            notes[name] = (
                "no validation or test mix held it: perhaps it was not trained, and its threshold is a guess"
            )
        elif without == ["validation"]:
            notes[name] = "no validation mix held it: its threshold is a guess"
        elif without:
            notes[name] = "no test mix held it: how well it is found was never measured"
    return notes


def _by_label(values: Mapping[str, float] | None, labels: Sequence[str]) -> NDArray[np.float64]:
    return np.array([0.5 if values is None else float(values[name]) for name in labels])


def _at_rate(blocks: Iterator[FloatArray], rate: int, sample_rate: int) -> Iterator[FloatArray]:
    """Bring mono blocks ``(samples,)`` from one rate to another."""
    if rate == sample_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield np.asarray(stream.resample_chunk(block), np.float32)
    yield np.asarray(stream.resample_chunk(np.zeros(0, np.float32), last=True), np.float32)


def _windows(blocks: Iterator[FloatArray], window: int, hop: int) -> Iterator[tuple[int, FloatArray]]:
    """Yield ``(start, samples)`` every hop, and one flush with the end; a short signal once, padded."""
    held, first, following = np.zeros(0, np.float32), 0, 0
    for block in blocks:
        held = np.concatenate([held, block])
        while following + window <= first + len(held):
            yield following, held[following - first : following - first + window].copy()
            following += hop
        # The last window's worth stays, for the one that is flush with the end.
        drop = max(min(following, first + len(held) - window) - first, 0)
        held, first = held[drop:], first + drop
    end = first + len(held)
    if 0 < end < window:
        yield 0, np.pad(held, (0, window - end))
    elif end and following - hop + window < end:
        yield end - window, held[-window:].copy()


class _Meter:
    """Measures levels of a signal that comes in blocks."""

    def __init__(self, sample_rate: int) -> None:
        self.samples = 0
        self._frame = max(round(FRAME_S * sample_rate), 1)
        self.sample_rate = sample_rate
        self._rest = np.zeros(0, np.float32)
        self._energies: list[NDArray[np.float64]] = []

    def add(self, block: FloatArray) -> None:
        self.samples += len(block)
        signal = np.concatenate([self._rest, block])
        hop = self._frame * FRAMES_PER_HOP
        whole = len(signal) // hop * hop
        self._energies.append(frame_energies(signal[:whole], self._frame))
        self._rest = signal[whole:]

    def levels_db(self, edges_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the RMS level in dBFS between neighbouring edges, to within a frame of ``FRAME_S``."""
        rest = frame_energies(self._rest, self._frame)
        total = np.concatenate([[0.0], np.cumsum(np.concatenate([*self._energies, rest]))])
        places = np.minimum(np.rint(edges_s * self.sample_rate / self._frame).astype(int), len(total) - 1)
        places[-1] = len(total) - 1
        samples = np.maximum(np.diff(np.minimum(places * self._frame, self.samples)), 1)
        power = np.maximum(np.diff(total[places]) / samples, 10 ** (FLOOR_DB / 10))
        return np.asarray(10 * np.log10(power))


def _metered(blocks: Iterator[FloatArray], meter: _Meter, progress: Progress | None) -> Iterator[FloatArray]:
    for block in blocks:
        meter.add(block)
        yield block
        if progress is not None:
            progress(len(block) / meter.sample_rate)


def _edges(starts_s: NDArray[np.float64], window_s: float, duration_s: float) -> NDArray[np.float64]:
    """Return the ``(K + 1,)`` bounds of the moments: half-way between the middles of the windows."""
    middles = starts_s + window_s / 2
    return np.concatenate([[0.0], (middles[1:] + middles[:-1]) / 2, [duration_s]])
