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
from numpy.typing import NDArray

from mixlab.audio.downmix import Downmix
from mixlab.audio.io import FloatArray, iter_blocks, length_notes, probe
from mixlab.errors import AudioError, ConfigError, RunError
from mixlab.inference.blocks import Meter, Progress, at_rate, cut_windows, metered, moment_edges, peak_gain
from mixlab.inference.file_tags import FileTags
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.training.run import Run

if TYPE_CHECKING:
    from torch import nn

__all__ = ["GATE_DB", "Tagger", "class_notes", "tag_file"]

GATE_DB = -60.0
"""Moments whose RMS level in dBFS is below this are silent; 16-bit dither lies near -96."""

BLOCK_FRAMES = 1 << 19
"""Frames decoded at a time: memory does not grow with the length of the file."""


@dataclass(frozen=True)
class Tagger:
    """A run's model with all it takes to tag files; ``Tagger.load`` once, then ``tag`` any number of them.

    Attributes:
        model: Audio ``(B, channels, T)`` to logits ``(B, C)``, in evaluation mode.
        labels: The C class names.
        parents: Nearest ancestor of each.
        thresholds: ``(C,)`` for hierarchy-consistent scores; NaN for single-label runs.
        sample_rate: Of the model's input, in Hz.
        window_s: Length of its input.
        device: Where it computes.
        source: The run's folder.
        fitted: Whether the thresholds come from validation, or none are needed; else all are 0.5.
        note: What must be said beside its numbers, or ''.
        loss: What the model was trained with: it says how logits become scores (``scores_of``).
        channels: Of the model's input: 1, or 2 for stereo.
        level: ``peak`` for a model that was given clips whose peak is at full scale: files are brought there.
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
    channels: int = 1
    level: str = "as_recorded"

    @property
    def single_label(self) -> bool:
        """Whether exactly one class is right at a time: scores sum to 1, and the highest decides."""
        return self.loss == "softmax"

    @classmethod
    def load(cls, run: Run | str | Path, *, device: str = "auto") -> "Tagger":
        """Load a run's best model.

        Args:
            run: The run or its folder.
            device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.

        Raises:
            RunError: the run has no model yet, or is damaged.
            ConfigError: it was trained on clips repeated at several levels, which no file to be tagged is.
        """
        import torch

        from mixlab.models import in_channels
        from mixlab.training import load_model

        run = run if isinstance(run, Run) else Run.open(run)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        model, card = load_model(run).to(device), run.card
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
            return cls(
                model=model,
                labels=labels,
                parents=tuple(card["labels"]["parents"]),
                thresholds=np.full(len(labels), math.nan)
                if loss == "softmax"
                else _by_label(thresholds, labels),
                sample_rate=int(card["input"]["sample_rate"]),
                window_s=float(card["input"]["duration_s"]),
                device=device,
                source=run.path,
                fitted=bool(thresholds) or loss == "softmax",
                note="; ".join(filter(None, [str(card.get("note", "")), _clip_note(card)])),
                loss=loss,
                channels=in_channels(model),
                level=str(windows.get("level", "as_recorded")),
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
            path: The file. Several channels are averaged; a model for stereo takes the file's own two, or its
                single one twice.
            hop_s: Distance of the windows, up to ``window_s``; also how finely spans are known.
            batch_size: Windows that the model takes at a time.
            gate_db: Level in dBFS below which a moment is silent.
            progress: Called with the seconds that were done since the last call.

        Raises:
            AudioError: the file is missing, damaged or empty, or its samples are beyond what sound has.
            ConfigError: ``hop_s`` or ``batch_size`` is out of its range.
        """
        path, meter = Path(path), Meter(self.sample_rate)
        self._check(hop_s, batch_size)
        info = probe(path)
        downmix, gain = Downmix(str(path), info.sample_rate, gate_db, self.channels), 1.0
        if self.level == "peak":
            gain = peak_gain(self._blocks(path, Downmix(str(path), info.sample_rate, gate_db, self.channels)))
        blocks = metered(self._blocks(path, downmix), meter, progress)
        tags = self._score_blocks(path, blocks, meter, hop_s, batch_size, gate_db, gain)
        return replace(tags, notes=(*length_notes(info, downmix.frames), *downmix.notes()))

    def _blocks(self, path: Path, downmix: Downmix) -> Iterator[FloatArray]:
        """Decode a file at the model's rate, with its channels: blocks ``(channels, samples)``."""
        taken = (downmix.take(block) for block in iter_blocks(path, BLOCK_FRAMES))
        return at_rate(taken, downmix.sample_rate, self.sample_rate, self.channels)

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
        downmix = Downmix(name, self.sample_rate, gate_db, self.channels)
        taken = downmix.take(audio)
        meter = Meter(self.sample_rate)
        blocks: Iterator[FloatArray] = (
            taken[:, at : at + BLOCK_FRAMES] for at in range(0, taken.shape[1], BLOCK_FRAMES)
        )
        gain = peak_gain([taken]) if self.level == "peak" else 1.0
        windows = self.count_windows(taken.shape[1], hop_s)
        said = None if progress is None else lambda done: progress(done, windows)
        blocks = metered(blocks, meter, None)
        tags = self._score_blocks(Path(name), blocks, meter, hop_s, batch_size, gate_db, gain, said)
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
        meter: "Meter",
        hop_s: float,
        batch_size: int,
        gate_db: float,
        gain: float = 1.0,
        on_windows: Callable[[int], None] | None = None,
    ) -> FileTags:
        """Score all windows of a signal times ``gain``; ``on_windows`` is called with how many are done."""
        window, hop = self._sizes(hop_s)
        starts: list[int] = []
        scores: list[NDArray[np.float32]] = []
        waiting: list[FloatArray] = []

        def score() -> None:
            scores.append(self._score(waiting, gain))
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

        for start, samples in cut_windows(blocks, window, hop):
            starts.append(start)
            waiting.append(samples)
            if len(waiting) == batch_size:
                score()
        if not starts:
            raise AudioError(f"{path} holds no samples: there is nothing to tag.", code="empty-audio")
        if waiting:
            score()
        duration_s = meter.samples / self.sample_rate
        edges = moment_edges(np.array(starts) / self.sample_rate, self.window_s, duration_s)
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
            scores=self._consistent(np.concatenate(scores)),
            single_label=self.single_label,
        )

    def _consistent(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.single_label:  # one class alone is right: a maximum over several would not sum to 1
            return scores
        return consistent_max(scores, ancestry_from_parents(self.parents))

    def _score(self, windows: Sequence[FloatArray], gain: float) -> NDArray[np.float32]:
        import torch

        from mixlab.training.embedding_cache import full_float32
        from mixlab.training.losses import scores_of

        with torch.inference_mode(), full_float32():
            audio = torch.from_numpy(np.stack(windows) * np.float32(gain)).to(self.device)
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
        if without:
            notes[name] = _class_note(without, run.units.item, single_label=run.single_label)
    return notes


def _class_note(without: Sequence[str], item: str, *, single_label: bool) -> str:
    """Say what it means that some splits hold no item of a class."""
    if list(without) == ["test"] or (single_label and list(without) != ["validation", "test"]):
        split = "test" if "test" in without else "validation"
        return f"no {split} {item} held it: how well it is found was never measured" + (
            " there" if split == "validation" else ""
        )
    guess = "" if single_label else ", and its threshold is a guess"
    if list(without) == ["validation", "test"]:
        return f"no validation or test {item} held it: perhaps it was not trained{guess}"
    return f"no validation {item} held it: its threshold is a guess"


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
    if aggregation == "s2":
        return (
            "the run's thresholds are for scores of whole clips divided by their maximum (s2), not for "
            "windows: all are 0.5 here"
        )
    return "the thresholds were fitted on mean scores of whole clips, and decide on single windows here"
