"""What do the effects bring?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mixlab.errors import ConfigError
from mixlab.evaluation.report import Table
from mixlab.mixing.effect_presets import PRESETS
from mixlab.mixing.effects_config import PITCH_AND_TIME
from mixlab.studies.base import Report, Study, StudyRequest, draw, figure_note
from mixlab.studies.findings import MULTIPLE_COMPARISONS, ap_line
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition
from mixlab.studies.results import ConditionResult, StudyResults, condition_difference
from mixlab.studies.tables import class_table, differences_table, summary_table
from mixlab.utils.values import settle

__all__ = ["STUDY", "Effects", "Settings"]


@dataclass(frozen=True)
class Settings:
    """What the study of effects compares besides.

    Attributes:
        presets: Sets of effects that are compared, too, as ``mix.effects.preset`` names them: ``studio``,
            ``wild``. They stand in the place of the configured preset, beside all other effects.
    """

    presets: tuple[Literal["studio", "wild"], ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigError: there is no such preset.
        """
        settle(self, "settings")


class Effects(Study):
    """Training without effects, with parts of them, with all, and with those that recordings have."""

    name = "effects"
    title = "What do the effects bring?"
    about = "what gain and filters, pitch shift and time stretch, all of them, and presets bring"
    Settings = Settings

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return the conditions."""
        used = [name for name, range_ in request.mix.effects.ranges if range_.p > 0]
        used += ["preset"] if PRESETS[request.mix.effects.preset] else []
        used += ["custom"] if request.mix.effects.custom else []
        presets = self.settings_of(request).presets
        applied = [name for name in used if request.mix.p_musical < 1 or name not in PITCH_AND_TIME]
        if not applied and not presets:
            raise ConfigError(
                "The study of effects takes them away, so some must be on: found a probability of 0 for all "
                "of mix.effects that training would have (pitch shift and time stretch are of non-musical "
                f"mixes only, and mix.p_musical is {request.mix.p_musical:g}).",
                code="conflicting-settings",
            )

        def only(names: Sequence[str]) -> dict[str, Any]:
            others = [name for name in used if name not in names]
            return dict(_WITHOUT.get(n, (f"mix.effects.{n}.p", 0.0)) for n in others)

        conditions = [
            Condition(name="none", label="without effects", overrides=only(())),
            *([Condition(name="all", label=f"as configured: {_listed(applied)}")] if applied else []),
        ]
        parts = {
            "gain_filter": [name for name in applied if name not in (*PITCH_AND_TIME, *_WITHOUT)],
            "pitch_time": [name for name in applied if name in PITCH_AND_TIME],
            "preset": [name for name in applied if name == "preset"],
            "custom": [name for name in applied if name == "custom"],
        }
        parts = {name: kept for name, kept in parts.items() if kept}
        if len(parts) > 1:
            conditions += [
                Condition(name=name, label=f"only {_listed(kept)}", overrides=only(kept))
                for name, kept in parts.items()
            ]
        named = (name for name in presets if name != request.mix.effects.preset)
        return conditions + [
            Condition(name=name, label=f"preset {name}", overrides={"mix.effects.preset": name})
            for name in named
        ]

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return tables, figures and findings."""
        base, note = results.condition("none"), figure_note(results)
        findings, tables = (
            ["the runs without effects are not done, so nothing can be compared yet"],
            list[Table](),
        )
        if base is not None:
            findings = effect_lines(results, base)
            tables.append(differences_table(results, base))
        return Report(
            lead=summary_table(results),
            findings=tuple(findings),
            tables=(*tables, class_table(results, results.done, "average_precision")),
            references=() if base is None else (base,),
            figures=draw(
                figure=lambda f: f.score_dots(results, note=note),
                classes=lambda f: f.class_bars(results, results.done, "average_precision", note=note),
            ),
        )


STUDY = Effects()

_WITHOUT: dict[str, tuple[str, Any]] = {
    "custom": ("mix.effects.custom", []),
    "preset": ("mix.effects.preset", "paper"),
}
"""What takes away effects that have no probability of their own."""


def _listed(effects: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in effects)


def effect_lines(results: StudyResults, without: ConditionResult) -> list[str]:
    """Say what effects bring, over all classes and for those where it is significant."""
    lines, compared = [], False
    for c in results.done:
        if c is without:
            continue
        if not results.paired(without, c):
            lines.append(f"'{c.condition.label}' is scored on other mixes, so it is not compared")
            continue
        lines.append(ap_line(c, without))
        found = {
            name: condition_difference(without, c, "average_precision", k)
            for k, name in enumerate(results.labels)
        }
        judged = {name: e for name, e in found.items() if e.songs is not None and math.isfinite(e.value)}
        significant = [f"{name} {e.value:+.3f}" for name, e in judged.items() if e.significant]
        if not judged:
            continue
        compared = True
        seeds = any(e.seeds is not None for e in judged.values())
        over = "over songs and over seeds" if seeds else "over songs alone"
        lines.append(
            f"'{c.condition.label}' by class, AP significant at 95 % {over}: "
            f"{', '.join(significant) or 'none'}, of {len(judged)} classes with an interval"
        )
    if compared:
        lines.append(MULTIPLE_COMPARISONS)
    return [*lines, "the test mixes have no effects, whatever training has"]
