"""Tests on corpora that nothing here was trained on: IRMAS, OpenMIC-2018, MTG-Jamendo.

A run's outputs are bound to the corpus's classes by the instrument tree; what its outputs cannot say is
listed, never counted. ``docs/outside.md`` says what the numbers mean and what they do not.
"""

from mixlab.outside.clips import Clip, ClipSet
from mixlab.outside.irmas import load_irmas
from mixlab.outside.mapping import Match, match_classes, roll_up, run_outputs
from mixlab.outside.openmic import load_openmic
from mixlab.outside.scoring import OutsideReport, evaluate_on, score_clips
from mixlab.outside.sets import BENCHMARKS, load_benchmark

__all__ = [
    "BENCHMARKS",
    "Clip",
    "ClipSet",
    "Match",
    "OutsideReport",
    "evaluate_on",
    "load_benchmark",
    "load_irmas",
    "load_openmic",
    "match_classes",
    "roll_up",
    "run_outputs",
    "score_clips",
]
