"""What one looks at when a run or a sweep is inspected: scores at any threshold, curves, mistakes, points.

Pure functions over predictions and studies, for the explorer and for notebooks alike. Everything follows a
moved threshold at once: what the bootstrap needs is counted per song, so that a resample of songs is a
row of a matrix product (``table``).
"""

from mixlab.inspection.looking import (
    KINDS,
    Confusion,
    Kind,
    TreeBox,
    confusions,
    precision_recall,
    ranked,
    tree_boxes,
)
from mixlab.inspection.places import RUN, STUDY, Found, find_folders
from mixlab.inspection.ranking import Ranking, ranking_of
from mixlab.inspection.sweeps import (
    Axis,
    ClassEffect,
    Point,
    StudyStatus,
    axes_of,
    class_effects,
    points_of,
    study_status,
    unfilled,
)
from mixlab.inspection.table import Decided, SplitTable, Summary, decide_at, paired_f1, split_table

__all__ = [
    "KINDS",
    "RUN",
    "STUDY",
    "Axis",
    "ClassEffect",
    "Confusion",
    "Decided",
    "Found",
    "Kind",
    "Point",
    "Ranking",
    "SplitTable",
    "StudyStatus",
    "Summary",
    "TreeBox",
    "axes_of",
    "class_effects",
    "confusions",
    "decide_at",
    "find_folders",
    "paired_f1",
    "points_of",
    "precision_recall",
    "ranked",
    "ranking_of",
    "split_table",
    "study_status",
    "tree_boxes",
    "unfilled",
]
