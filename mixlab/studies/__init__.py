"""Many trainings as one experiment: a grid or a list of cells, several seeds, one table and one figure.

A study is data: cells (each some settings that differ from a common base) and a reporter. Every cell is
trained with the same seeds and scored on the same fixed mixes; each training is a normal run folder, so
that all else of mixlab works on it. ``mixlab sweep`` and ``mixlab study`` are its command lines.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.studies.definitions import STUDIES, StudyRequest, build_study
    from mixlab.studies.engine import run_study
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.plan import Cell, Job, Plan, grid_cells
    from mixlab.studies.reports import write_study_report

__all__ = [
    "STUDIES",
    "Cell",
    "Job",
    "Plan",
    "StudyFolder",
    "StudyRequest",
    "build_study",
    "grid_cells",
    "run_study",
    "write_study_report",
]

_HOMES = {
    "definitions": ("STUDIES", "StudyRequest", "build_study"),
    "engine": ("run_study",),
    "folder": ("StudyFolder",),
    "plan": ("Cell", "Job", "Plan", "grid_cells"),
    "reports": ("write_study_report",),
}

__getattr__ = lazy_names(__name__, _HOMES)
