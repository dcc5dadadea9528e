"""How clips are cut into windows, and how the scores of windows become those of clips."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mixlab.errors import ConfigError
from mixlab.utils.values import check_setting, settle

__all__ = ["Aggregation", "Level", "Padding", "TrainingWindows", "WindowConfig"]

TrainingWindows = Literal["random", "all"]
Aggregation = Literal["s1", "s2"]
Level = Literal["as_recorded", "peak"]
Padding = Literal["silence", "repeat"]

_check = partial(check_setting, "windows")


@dataclass(frozen=True)
class WindowConfig:
    """How clips are cut into the windows that a network is given.

    Attributes:
        duration_s: Length of a window in seconds; 0 takes every clip as one window, as long as the longest
            clip of the set.
        training: What an epoch holds of every training clip: one window at a ``random`` place, another in
            every epoch; or ``all`` windows that lie side by side in it, the last one flush with its end.
        overlap: When clips are scored: share of a window that the next one repeats, in [0, 1). The last one
            is flush with the end.
        count: When clips are scored: so many windows instead, evenly spaced, which overlap where they must.
            0 lays them by ``overlap``.
        aggregation: How the scores of a clip's windows become those of the clip: ``s1``, their mean; ``s2``,
            their sum divided by its largest value, which gives every clip a score of 1 (both: Han, Kim and
            Lee 2016, "Deep convolutional neural networks for predominant instrument recognition in
            polyphonic music", section III-D).
        level: ``as_recorded``, or ``peak``: every clip is scaled so that its highest sample lies at 0 dBFS,
            by 60 dB at most, so that silence stays silence.
        repeat_levels: Every clip becomes eight copies of itself, scaled to peaks of -35 to 0 dBFS in steps
            of 5 dB, joined from quiet to loud (black-box transfer paper, section 6). Windows are laid over
            all of it.
        padding: What fills a window that is longer than its clip: ``silence`` behind it, or the clip once
            more (``repeat``), as often as it takes.
    """

    duration_s: float = 1.0
    training: TrainingWindows = "random"
    overlap: float = 0.5
    count: int = 0
    aggregation: Aggregation = "s1"
    level: Level = "as_recorded"
    repeat_levels: bool = False
    padding: Padding = "silence"

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is out of its range or contradicts another; the message names it.
        """
        settle(self, "windows")
        _check(self.duration_s >= 0, "duration_s", "a number above 0, or 0 for whole clips", self.duration_s)
        _check(0 <= self.overlap < 1, "overlap", "a number in [0, 1)", self.overlap)
        _check(self.count >= 0, "count", "0 or more", self.count)
        if self.whole and self.count > 1:
            raise ConfigError(
                f"windows.count={self.count} cuts clips, windows.duration_s=0 takes them whole: set one of "
                "them.",
                code="conflicting-settings",
            )

    @property
    def whole(self) -> bool:
        """Whether a window is a whole clip."""
        return self.duration_s == 0
