"""Scores, decisions and targets of one split, cell by cell: what every metric is computed from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Bools, Floats, Integers, check_arrays

__all__ = ["Cells", "Over", "Part", "highest", "song_numbers"]

Over = Literal["class", "item", "all"]
"""What a metric is computed over: each class's known mixes, each mix's known classes, or all known cells."""


class Part(NamedTuple):
    """The known cells that a metric is computed over at once: ``n`` of them.

    Attributes:
        scores: ``(n,)`` scores in [0, 1].
        decisions: ``(n,)`` True where the class is predicted.
        present: ``(n,)`` True where it is present.
        song: ``(n,)`` number of the song.
    """

    scores: Floats
    decisions: Bools
    present: Bools
    song: Integers

    def take(self, rows: Integers) -> "Part":
        """Return some of the cells, each as often as it is named."""
        return Part(self.scores[rows], self.decisions[rows], self.present[rows], self.song[rows])


@dataclass(frozen=True, eq=False)
class Cells:
    """Arrays ``(N, C)`` of N mixes and C classes.

    Attributes:
        scores: Scores in [0, 1].
        decisions: True where a class is predicted.
        present: True where a class is known to be present.
        known: True where the target is known.
        song: ``(N,)`` number of each mix's song, from 0.
        n_songs: Songs.
    """

    scores: Floats
    decisions: Bools
    present: Bools
    known: Bools
    song: Integers
    n_songs: int

    @classmethod
    def checked(
        cls,
        scores: ArrayLike,
        targets: ArrayLike,
        mask: ArrayLike,
        groups: Sequence[str] | None = None,
        thresholds: ArrayLike = 0.5,
        single_label: bool = False,
    ) -> "Cells":
        """Return the cells of a split.

        Args:
            scores: ``(N, C)`` probabilities.
            targets: ``(N, C)`` targets.
            mask: ``(N, C)`` True where known.
            groups: N song ids; None takes every mix for a song of its own.
            thresholds: ``(C,)``, or one for all classes: predicted from this score on.
            single_label: Exactly one class is right for each item, and the one that scores highest is
                predicted; ``thresholds`` have no part in it.

        Raises:
            ConfigError: shapes differ, scores are not finite, or an item of single-label data has not
                exactly one class, all known.
        """
        s, t, m = check_arrays(scores, targets, mask)
        song, n_songs = (np.arange(len(s)), len(s)) if groups is None else song_numbers(groups)
        if single_label:
            _check_single(t & m, m)
        decisions = highest(s) if single_label else s >= np.asarray(thresholds, np.float64)
        return cls(s, decisions, t & m, m, song, n_songs)

    def __len__(self) -> int:
        return len(self.scores)

    def parts(self, over: Over) -> Iterator[Part]:
        """Yield the known cells by class, by mix, or all at once."""
        song = np.broadcast_to(self.song[:, None], self.known.shape)
        for where in self._places(over):
            yield Part(self.scores[where], self.decisions[where], self.present[where], song[where])

    def _places(self, over: Over) -> list[Any]:
        """Return what to index arrays ``(N, C)`` with."""
        if over == "all":
            return [self.known]
        if over == "class":
            return [(self.known[:, c], c) for c in range(self.known.shape[1])]
        return [(n, self.known[n]) for n in range(len(self))]

    def confusion_matrix(self) -> Integers:
        """Return ``(C, C)`` in how many items each class (row) was decided to be each (column).

        Of single-label data: elsewhere a row of it would not add up.
        """
        return np.asarray(self.present.astype(np.int64).T @ self.decisions.astype(np.int64))

    def songs_with(self, cells: Bools) -> Integers:
        """Return ``(K,)`` in how many songs each column of ``cells`` ``(N, K)`` is True."""
        return np.asarray((self.per_song(cells) > 0).sum(axis=0), np.int64)

    def per_song(self, cells: Bools) -> Integers:
        """Return ``(S, K)`` how many cells of each column ``(N, K)`` are True in each song."""
        counts = np.zeros((self.n_songs, cells.shape[1]), np.int64)
        np.add.at(counts, self.song, cells)
        return counts


def highest(scores: ArrayLike) -> Bools:
    """Decide ``(N, C)`` for the class with the highest score of each item, the first among equals."""
    s = np.asarray(scores, np.float64)
    decided = np.zeros(s.shape, np.bool_)
    decided[np.arange(len(s)), s.argmax(axis=1)] = True
    return decided


def _check_single(present: Bools, known: Bools) -> None:
    """Refuse targets that are not single-label."""
    wrong = (present.sum(axis=1) != 1) | ~known.all(axis=1)
    if wrong.any():
        first = int(np.argmax(wrong))
        found = f"{present[first].sum()} present and {(~known[first]).sum()} unknown"
        raise ConfigError(
            "Expected exactly one class present, and all known, for each item of a single-label run; found "
            f"{found} at item {first}, and {wrong.sum()} such items of {len(wrong)}. Score it as one of "
            "several labels (train.loss=bce).",
            code="invalid-setting",
        )


def song_numbers(groups: Sequence[str]) -> tuple[Integers, int]:
    """Return ``(N,)`` the number of each mix's song, in the order of their names, and how many there are."""
    unique, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return np.asarray(member, np.int64), len(unique)
