"""Many trainings as one experiment: a grid or a list of conditions, several seeds, one table and one figure.

A study is conditions (each some settings that differ from a common base) and what it says of their scores:
one class, or a file. Every condition is trained with the same seeds and scored on the same fixed mixes; each
training is a normal run folder, so that all else of mixlab works on it. ``mixlab sweep`` and ``mixlab study``
are its command lines.
"""

from typing import TYPE_CHECKING

from mixlab.utils.lazy import lazy_names

if TYPE_CHECKING:
    from mixlab.studies.base import Report, Study, StudyRequest
    from mixlab.studies.engine import run_study
    from mixlab.studies.folder import StudyFolder
    from mixlab.studies.grids import grid_conditions
    from mixlab.studies.plan import Condition, Plan, Trial
    from mixlab.studies.registry import build_study, find_study, studies
    from mixlab.studies.reports import write_study_report

__all__ = [
    "Condition",
    "Plan",
    "Report",
    "Study",
    "StudyFolder",
    "StudyRequest",
    "Trial",
    "build_study",
    "find_study",
    "grid_conditions",
    "run_study",
    "studies",
    "write_study_report",
]

_HOMES = {
    "base": ("Report", "Study", "StudyRequest"),
    "registry": ("build_study", "find_study", "studies"),
    "engine": ("run_study",),
    "folder": ("StudyFolder",),
    "grids": ("grid_conditions",),
    "plan": ("Condition", "Trial", "Plan"),
    "reports": ("write_study_report",),
}

__getattr__ = lazy_names(__name__, _HOMES)
