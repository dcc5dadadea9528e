"""What ``mixlab study --list`` says of a study."""

import inspect
import textwrap
from dataclasses import fields

from docstring_parser import parse

from mixlab.studies.base import Study
from mixlab.utils.plain import plain

__all__ = ["study_lines"]

_WIDTH = 100


def study_lines(study: Study) -> list[str]:
    """Return a study's name and title, then its paper, its data and its settings, indented."""
    lines = [f"{study.name}: {study.title}"]
    if study.about:
        lines += _indented(f"{study.about[0].upper()}{study.about[1:]}.")
    if study.paper:
        lines += _indented(f"Paper: {study.paper}")
    lines += _indented(f"On {_data(study)}")
    if study.options:
        lines += _indented(f"Options: {', '.join('--' + name for name in study.options)}")
    return [*lines, *_settings(study)]


def _data(study: Study) -> str:
    tasks = f" (tasks {', '.join(study.task_names)})" if study.task_names else ""
    texts = {"mixes": "mixes of a catalog", "clips": f"labelled clips{tasks}"}
    first, *others = (texts[kind] for kind in study.data)
    return first + "".join(f", or {other} by --data" for other in others)


def _settings(study: Study) -> list[str]:
    """Return a line per setting of the study's own: its name, its default, and what it is."""
    documented = {p.arg_name: p.description or "" for p in parse(inspect.getdoc(study.Settings) or "").params}
    default = plain(study.Settings())
    lines = []
    for one in fields(study.Settings):
        what = " ".join(documented.get(one.name, "").split())
        lines += _indented(f"--settings.{one.name} {default[one.name]!r}: {what}")
    return lines


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="        ")
