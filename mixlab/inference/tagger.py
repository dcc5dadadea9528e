"""Which instruments sound in a whole audio file, and where: a scorer on overlapping windows.

A model scores windows as long as its training excerpts. They are laid over the file every hop, the last one
flush with its end; each moment of the file takes the score of the window whose middle is nearest. So one
window decides on each moment, at the thresholds that were fitted on just such windows, and moments are
about a hop long. Scores are made hierarchy-consistent (a family scores at least what its instruments do).
Moments below a level gate count as silent: there nothing sounds, whatever the model says of silence.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.downmix import Downmix
from mixlab.audio.io import FloatArray, iter_blocks, length_notes, probe
from mixlab.errors import AudioError, ConfigError
from mixlab.inference.blocks import Meter, Progress, at_rate, cut_windows, metered, moment_edges, peak_gain
from mixlab.inference.file_tags import FileTags
from mixlab.inference.opening import open_run
from mixlab.inference.scorer import Scorer
from mixlab.training.run import Run

__all__ = ["GATE_DB", "Tagger", "class_notes", "tag_file"]

GATE_DB = -60.0
"""Moments whose RMS level in dBFS is below this are silent; 16-bit dither lies near -96."""

BLOCK_FRAMES = 1 << 19
"""Frames decoded at a time: memory does not grow with the length of the file."""


@dataclass(frozen=True)
class Tagger:
    """Tags files by a scorer; ``Tagger.load`` once, then ``tag`` any number of them.

    Attributes:
        scorer: What scores windows: a run, published weights (``mixlab.inference.scorer``).

    Example:
        >>> from mixlab import Tagger
        >>> from mixlab.inference import shipped_scorer
        >>> tagger = Tagger(shipped_scorer())           # or Tagger.load("runs/mine")
        >>> tags = tagger.tag("songs/song00/00_drumset.wav", hop_s=2.0)
        >>> len(tags.labels), tags.scores.shape == (len(tags.start_s), 15)
        (15, True)
    """

    scorer: Scorer

    @property
    def labels(self) -> tuple[str, ...]:
        """The C class names."""
        return self.scorer.labels

    @property
    def parents(self) -> tuple[int | None, ...]:
        """Nearest ancestor of each class."""
        return self.scorer.parents

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """``(C,)`` for hierarchy-consistent scores; NaN for single-label runs."""
        return self.scorer.thresholds

    @property
    def sample_rate(self) -> int:
        """Of the audio that the scorer takes, in Hz."""
        return self.scorer.sample_rate

    @property
    def window_s(self) -> float:
        """Length of its windows."""
        return self.scorer.window_s

    @property
    def channels(self) -> int:
        """Of its audio: 1, or 2 for stereo."""
        return self.scorer.channels

    @property
    def level(self) -> str:
        """``peak`` where files are brought to full scale first."""
        return self.scorer.level

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.scorer.device

    @property
    def source(self) -> str:
        """The run's folder, or the name of published weights."""
        return self.scorer.source

    @property
    def fitted(self) -> bool:
        """Whether the thresholds come from validation, or none are needed; else all are 0.5."""
        return self.scorer.fitted

    @property
    def note(self) -> str:
        """What must be said beside its numbers, or ''."""
        return self.scorer.note

    @property
    def single_label(self) -> bool:
        """Whether exactly one class is right at a time: scores sum to 1, and the highest decides."""
        return self.scorer.single_label

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
        return cls(open_run(run, device=device))

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
        return self.scorer.window, max(round(hop_s * self.sample_rate), 1)

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
        # Where one class alone is right, a maximum over several would not sum to 1.
        return scores if self.single_label else self.scorer.consistent(scores)

    def _score(self, windows: Sequence[FloatArray], gain: float) -> NDArray[np.float32]:
        return self.scorer.score(np.stack(windows) * np.float32(gain))


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
