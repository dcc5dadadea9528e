"""The tables of the study of preprocessing, in the form of the thesis's Fig. 5.5."""

import math
from collections.abc import Sequence
from itertools import product

from mixlab.evaluation.report import Table
from mixlab.studies.paper_tables import Beside, Entry, paper_table
from mixlab.studies.preprocessing.grid import MAGNITUDES, METRIC, WEIGHTINGS, WORDS, name_of, per_cent
from mixlab.studies.preprocessing.thesis import FIG_5_5, FIG_5_5_SIZES, SOURCE
from mixlab.studies.results import StudyResults

__all__ = ["grid_table", "size_table", "sizes_of"]


def grid_table(results: StudyResults) -> Table:
    """Return the thesis's Fig. 5.5 as a table: magnitude and scale by weighting."""
    rows: list[Sequence[Entry]] = [
        (
            f"{magnitude}, {'scaled' if scaled else 'x1'}",
            *(
                Beside(
                    name_of(magnitude, weighting, scaled=scaled),
                    METRIC,
                    FIG_5_5[magnitude, 10 if scaled else 1][weighting],
                )
                for weighting in WEIGHTINGS
            ),
        )
        for magnitude, scaled in product(MAGNITUDES, (False, True))
    ]
    header = ("magnitude, scale", *(WORDS[weighting] for weighting in WEIGHTINGS))
    return paper_table(results, "ROC-AUC by preprocessing", header, rows, source=SOURCE)


def sizes_of(results: StudyResults) -> list[float]:
    """Return the parts of the training set that the study has, the whole one last."""
    return sorted({float(c.condition.values["size"]) for c in results.conditions if c.condition.trains})


def size_table(results: StudyResults) -> Table:
    """Return a row per size of the training set: decibels and power."""
    rows = list[Sequence[Entry]]()
    for size in sizes_of(results):
        whole = size == 1
        papers = {
            "decibel": FIG_5_5["decibel", 1]["bypass"] if whole else FIG_5_5_SIZES.get(size, math.nan),
            "linear": FIG_5_5["linear", 1]["bypass"] if whole else math.nan,
        }
        row = (Beside(name_of(magnitude, size=size), METRIC, paper) for magnitude, paper in papers.items())
        rows.append((f"{per_cent(size)} %", *row))
    title = "ROC-AUC by size of the training set, bypass, x1"
    return paper_table(results, title, ("training set", *MAGNITUDES), rows, source=SOURCE)
