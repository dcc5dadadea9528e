"""What trained runs and published weights say of recordings: tag files, and score external test sets."""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.inference.benchmark import ExternalReport, evaluate_on
    from mixlab.inference.ensemble import EnsembleConfig, build_ensemble
    from mixlab.inference.joint import join_beside, join_scorers
    from mixlab.inference.opening import open_run
    from mixlab.inference.published import published_scorer, shipped_scorer
    from mixlab.inference.realism import measure_realism, realism_of_sounds
    from mixlab.inference.realism_result import Realism
    from mixlab.inference.scorer import Scorer, raised_to
    from mixlab.inference.tagger import Tagger

__all__ = [
    "EnsembleConfig",
    "ExternalReport",
    "Realism",
    "Scorer",
    "Tagger",
    "build_ensemble",
    "evaluate_on",
    "join_beside",
    "join_scorers",
    "measure_realism",
    "open_run",
    "published_scorer",
    "raised_to",
    "realism_of_sounds",
    "shipped_scorer",
]

_HOMES = {
    "benchmark": (
        "ExternalReport",
        "evaluate_on",
    ),
    "ensemble": ("EnsembleConfig", "build_ensemble"),
    "joint": ("join_beside", "join_scorers"),
    "opening": ("open_run",),
    "published": ("published_scorer", "shipped_scorer"),
    "realism": ("measure_realism", "realism_of_sounds"),
    "realism_result": ("Realism",),
    "scorer": ("Scorer", "raised_to"),
    "tagger": ("Tagger",),
}

__getattr__ = lazy_names(__name__, _HOMES)
