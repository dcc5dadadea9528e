"""The settings that choose labelled clips: the section ``clips`` of configurations."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from mixlab.utils.remote import refuse_url
from mixlab.utils.values import check_names, check_setting, later, settle

__all__ = ["ClipsConfig"]


@dataclass(frozen=True)
class ClipsConfig:
    """Which labelled clips are used, and how they are divided.

    Attributes:
        corpus: ``folder`` (a folder per class), ``csv`` (a table ``clips.csv``), irmas, openmic, mtg_jamendo,
            gtzan, fma, nsynth, extended_ballroom, emomusic, vctk, medley_solos_db, tinysol, or
            ``package.module:Class``.
        root: The folder of the corpus.
        task: Which of its labels; '' takes its main ones. ``mixlab clips CORPUS`` lists them.
        classes: Only these classes; empty takes all.
        largest: Only so many classes, those with most clips; 0 takes all.
        splits: ``own``: as the corpus divides itself, what it lacks cut off its training part; ``grouped``:
            all divided anew.
        validation_fraction: Share of a validation part that is cut, of what it is cut off.
        test_fraction: Share of a test part that is cut.
        split_seed: Another seed cuts other groups.
        max_per_class: Most clips of a class in each split; 0 takes all.
        train_fraction: Share of the training clips that are used, whole groups of each class; what a smaller
            share uses, every larger one uses, too.
        value: A number to predict instead of the classes, such as ``tempo``; '' for the classes. Clips of
            which it is not known are left out. ``mixlab clips`` lists those of each corpus.
    """

    corpus: str = "folder"
    root: str = ""
    task: str = ""
    classes: list[str] = field(default_factory=list)
    largest: int = 0
    splits: Literal["own", "grouped"] = "own"
    validation_fraction: float = 0.15
    test_fraction: float = 0.2
    split_seed: int = 0
    max_per_class: int = 0
    train_fraction: float = 1.0
    value: str = later("")

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            ConfigError: a value is of another type, out of its range or contradicts another, or the root is
                a URL.
        """
        settle(self, "clips")
        refuse_url("clips.root", self.root)
        check_names("clips.classes", self.classes)
        _check(bool(self.corpus), "corpus", "the name of a corpus", self.corpus)
        _check(self.largest >= 0, "largest", "0 or more", self.largest)
        _check(not (self.largest and self.classes), "largest", "0 beside clips.classes", self.largest)
        _check(self.max_per_class >= 0, "max_per_class", "0 or more", self.max_per_class)
        _check(self.split_seed >= 0, "split_seed", "0 or more", self.split_seed)
        _check(
            0 < self.train_fraction <= 1, "train_fraction", "a share above 0, up to 1", self.train_fraction
        )
        for name in ("validation_fraction", "test_fraction"):
            _check(0 < getattr(self, name) < 1, name, "a share between 0 and 1", getattr(self, name))
        rest = self.validation_fraction + self.test_fraction
        _check(rest < 1, "validation_fraction", "less than 1 with clips.test_fraction", rest)


_check = partial(check_setting, "clips")
