"""What a trained model says of recordings: tag files, and score external test sets."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport, evaluate_on
    from mixlab.inference.tagger import Tagger

__all__ = [
    "ExternalReport",
    "Tagger",
    "evaluate_on",
]

_HOMES = {
    "benchmark": (
        "ExternalReport",
        "evaluate_on",
    ),
    "tagger": ("Tagger",),
}

__getattr__ = lazy_names(__name__, _HOMES)
