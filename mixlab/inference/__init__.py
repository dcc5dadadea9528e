"""What trained runs and published weights say of recordings: tag files, and score external test sets."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport, evaluate_on
    from mixlab.inference.published import published_scorer
    from mixlab.inference.realism import Realism, measure_realism, realism_of_sounds
    from mixlab.inference.scorer import Scorer, open_run, raised_to
    from mixlab.inference.tagger import Tagger

__all__ = [
    "ExternalReport",
    "Realism",
    "Scorer",
    "Tagger",
    "evaluate_on",
    "measure_realism",
    "open_run",
    "published_scorer",
    "raised_to",
    "realism_of_sounds",
]

_HOMES = {
    "benchmark": (
        "ExternalReport",
        "evaluate_on",
    ),
    "published": ("published_scorer",),
    "realism": ("Realism", "measure_realism", "realism_of_sounds"),
    "scorer": ("Scorer", "open_run", "raised_to"),
    "tagger": ("Tagger",),
}

__getattr__ = lazy_names(__name__, _HOMES)
