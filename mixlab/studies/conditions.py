"""A study that is a YAML file: conditions by name, each compared with the first.

::

    title: Does a wider network hear more?
    conditions:
      - {name: narrow, label: width 16, overrides: {train.model.width: 16}}
      - {name: wide, label: width 32, overrides: {train.model.width: 32}}

The keys of a condition are the fields of ``mixlab.studies.plan.Condition``.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError, TaxonomyError
from mixlab.studies.base import Study, StudyRequest
from mixlab.studies.plan import Condition
from mixlab.taxonomy.tree import read_yaml

__all__ = ["LISTED", "ListedStudy", "read_study"]

LISTED = "conditions"
"""Kind of every study that is a file: its folder keeps the conditions, so a report needs the file no more."""

_KEYS = (
    "name",
    "label",
    "overrides",
    "splits",
    "threshold",
    "same_runs_as",
    "command",
    "task",
    "starts_from",
    "mean_of",
)


class ListedStudy(Study):
    """Conditions as a file lists them.

    Args:
        title: One line for people.
        listed: The conditions, the first of which the others are compared with.
    """

    name = LISTED
    title = "Conditions"
    data = ("mixes", "clips")

    def __init__(self, title: str = "Conditions", listed: Sequence[Condition] = ()) -> None:
        self.title = title
        self._listed = tuple(listed)

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        return self._listed


def read_study(path: Path) -> ListedStudy:
    """Read a study from its file.

    Raises:
        ConfigError: it is no study; the message names the condition and the key.
    """
    try:
        data = read_yaml(path)
    except TaxonomyError as error:
        raise ConfigError(str(error), code=error.code) from error
    if not isinstance(data, dict) or set(data) != {"title", "conditions"}:
        found = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise ConfigError(
            f"{path}: expected the keys title and conditions, found {found}.", code="invalid-study"
        )
    listed = data["conditions"]
    if not isinstance(listed, list) or not listed:
        raise ConfigError(
            f"{path}: 'conditions' must be a list of at least one condition.", code="invalid-study"
        )
    conditions = [_condition(entry, f"{path}, condition {k}") for k, entry in enumerate(listed, start=1)]
    return ListedStudy(str(data["title"]), conditions)


def _condition(entry: object, where: str) -> Condition:
    if not isinstance(entry, dict) or not {"name", "label"} <= set(entry):
        raise ConfigError(
            f"{where}: expected a mapping with name and label, found {entry!r}.", code="invalid-study"
        )
    for key in entry:
        if key not in _KEYS:
            close = difflib.get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(_KEYS)}."
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}", code="unknown-field")
    if not isinstance(entry.get("overrides", {}), Mapping):
        raise ConfigError(
            f"{where}: 'overrides' must map settings to values, such as mix.p_musical: 0.4.",
            code="invalid-study",
        )
    values: dict[str, Any] = {key: str(value) for key, value in entry.items()}
    return Condition(**{**values, "overrides": entry.get("overrides", {})})
