"""p_musical: a score along a sweep's axis with what the seeds leave open, also while the sweep runs."""

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import texts as words
from app.components.theme import palette
from app.data import sweeps as sweep_data
from app.data.mixes import Location
from app.views import header, runs_locations
from app.views.runs_classes import behind
from mixlab import MixlabError
from mixlab.evaluation.charts import lines
from mixlab.evaluation.metrics import MetricInfo
from mixlab.studies.curves import (
    Axis,
    Point,
    StudyStatus,
    axes_of,
    class_effects,
    point_table,
    points_of,
    unfinished_trials,
)
from mixlab.studies.display import plain_seconds
from mixlab.studies.paper_results import FIG_2
from mixlab.studies.results import StudyResults

__all__ = ["show"]

SPLITS = ("test", "validation")
EVERY_S = 5.0
MOST_PANELS = 12
MOST_COMMANDS = 40
P_MUSICAL = "mix.p_musical"
MARKS = {"done": "✓ done", "running": "▸ running", "interrupted": "~ stopped", "failed": "✗ failed",
         "missing": "· missing"}  # fmt: skip
CONTROLS = ("study", "task", "metric", "axis", "mixes", "panels")
NO_STUDY = """\
There is no sweep or study in {looked}. How many mixes should be musical? This trains a grid of taggers over
`p_musical`, several seeds each, and can be stopped and gone on with:

```sh
mixlab study p_musical --catalog {catalog} --grid 0,0.2,0.4,0.6,0.8,1 --seeds 0,1,2 --out studies/p_musical
```

Any other setting, or two at once:

```sh
mixlab sweep --catalog {catalog} --vary mix.p_musical=0,0.4,1 --vary mix.max_sources=3,5 --out sweeps/two
```

They are started in a terminal, as they take hours, and are watched here while they run."""


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, near which studies are looked for; or None.
    """
    try:
        found = runs_locations.found_studies(location)
        if not found:
            looked = (
                ", ".join(f"`{folder}`" for folder, _ in runs_locations.locations(location))
                or "the usual places"
            )
            st.markdown(NO_STUDY.format(looked=looked, catalog=location.path if location else "CATALOG"))
            return
        names = [one.name for one in found]
        wanted = st.query_params.get("study")
        if wanted and wanted not in names:
            st.warning(
                f"The address names the study **{words.escape(wanted)}**, which is not among those found "
                "here; another one is shown. Folders says where studies are looked for.",
                icon=":material/link_off:",
            )
        row = st.container(horizontal=True, vertical_alignment="bottom")
        name = row.selectbox("Study or sweep", names, key="study", bind="query-params", width=330)
        watching = row.toggle(
            "Watch while it runs", value=False, key="watch", bind="query-params",
            help=f"Looks at the folder every {EVERY_S:g} seconds.",
        )  # fmt: skip
        path = str(next((one.path for one in found if one.name == name), found[0].path))
        # Only this part is drawn again by the clock; without the switch nothing is.
        st.fragment(_study, run_every=EVERY_S if watching else None)(path, watching)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _study(path: str, watching: bool) -> None:
    try:
        status = sweep_data.get_status(path)
        _status(status, watching)
        if status.done or not status.states:
            _results(sweep_data.get_results(sweep_data.location_of(path, status)), status)
        else:
            st.info("No run is done yet, so there is no point to draw.")
        _unfinished_trials(path, status)
    except MixlabError as error:
        st.error(words.escape(str(error)))


# ---- how it stands ----


def _status(status: StudyStatus, watching: bool) -> None:
    counts = status.counts
    said = [f"{counts[name]} {name}" for name in MARKS if counts[name]] or ["nothing to train"]
    st.markdown(f"**{words.escape(status.title)}**")
    work = "a process works on it" if status.at_work else "nobody is at work on it"
    more = "" if watching or not status.at_work else "; switch *Watch* on to follow it"
    when = status.updated[:16].replace("T", " ")
    st.caption(f"{len(status.states)} runs: {', '.join(said)}; {work}{more}. Written {when} UTC.")
    if not status.states:
        return
    st.progress(
        counts["done"] / len(status.states), f"{counts['done']} of {len(status.states)} runs are done"
    )
    at_work = [state for state in status.states if state.status == "running"]
    for state in at_work:
        took = "" if state.seconds is None else f", {plain_seconds(state.seconds)} so far"
        st.markdown(f"▸ **{words.escape(state.name)}**: {words.escape(state.progress or 'starting')}{took}")


def _unfinished_trials(path: str, status: StudyStatus) -> None:
    """Show every run by condition and seed, and what fills those that are missing."""
    conditions = {label: {} for label in status.labels.values()}  # type: dict[str, dict[str, str]]
    for state in status.states:
        conditions[status.labels.get(state.condition, state.condition)][f"seed {state.seed}"] = MARKS[
            state.status
        ]
    rows = [{"condition": label, **seeds} for label, seeds in conditions.items() if seeds]
    if rows:
        st.subheader("The grid")
        st.dataframe(
            pd.DataFrame(rows).fillna(""), hide_index=True, height="content" if len(rows) < 20 else 420
        )
    missing = unfinished_trials(status)
    if not missing:
        st.caption("Every point of the grid is filled." if status.states else "")
        return
    st.markdown(
        f"**{_count(len(missing), 'point')} missing.** The command that started the study, typed again, "
        "fills all of them and keeps what is done. One by one:"
    )
    st.code(
        "\n".join(f"{state.command}    # {state.status}" for state in missing[:MOST_COMMANDS]),
        language="sh", wrap_lines=True,
    )  # fmt: skip
    if len(missing) > MOST_COMMANDS:
        st.caption(f"and {len(missing) - MOST_COMMANDS} more, in {words.escape(path)}/study.json")
    for state in missing:
        if state.error:
            st.error(f"{state.name}: {words.escape(state.error)}")
    st.caption("Then its tables and figures:")
    st.code(f"mixlab sweep --report {path}", language="sh", wrap_lines=True)


def _count(n: int, what: str) -> str:
    return f"1 {what} is" if n == 1 else f"{n} {what}s are"


# ---- what came out ----


def _results(results: StudyResults, status: StudyStatus) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    if len(results.tasks) > 1:  # with classes of their own, so they are shown one by one
        names = {task or "mixes": task for task in results.tasks}
        chosen = row.selectbox("Task", list(names), key="task", bind="query-params", width=200)
        results = results.of_task(names.get(str(chosen), results.tasks[0]))
    axes = axes_of(results)
    metrics = {metric.mean_title: metric for metric in results.metrics}
    score = row.segmented_control(
        "Score", list(metrics), default=next(iter(metrics)), key="metric", bind="query-params", required=True
    )
    metric = metrics[str(score)]
    titles = [axis.title for axis in axes]
    title = row.selectbox("Along", titles, key="axis", bind="query-params", width=200)
    split = row.segmented_control(
        results.words.items.capitalize(), SPLITS,
        default=SPLITS[0], key="mixes", bind="query-params", required=True,
        help="Choose an optimum on validation, and report its test score: the highest of several test "
             "scores is higher than its worth.",
    )  # fmt: skip
    axis = axes[titles.index(str(title))] if title in titles else axes[0]
    points = points_of(results, axis, metric.name, split=str(split))
    table = point_table(points, over="seeds")
    st.altair_chart(
        lines(table, metric.mean_title, axis.title, numeric=axis.numeric, colours=palette()),
        alt=f"{score} along {axis.title}: means over seeds, 95 % intervals; the table holds the numbers.",
    )
    _say(results, status, axis, points, metric, str(split))
    shown = table.rename(columns={"value": "mean"})
    behind(shown, f"{score} along {axis.title}", x=st.column_config.Column(axis.title))
    _panels(results, axis, metric, str(split))


def _say(
    results: StudyResults,
    status: StudyStatus,
    axis: Axis,
    points: Sequence[Point],
    metric: MetricInfo,
    split: str,
) -> None:
    said = (
        f"Dot: mean over up to {len(status.seeds)} seeds; line: Student's 95 % interval of that mean, wide "
        "with few seeds; none with one. Which songs are tested is not in it: `mixlab sweep --report` adds "
        "that."
    )
    empty = sum(not math.isfinite(p.estimate.value) for p in points)
    if empty:
        said += f" {empty} of {len(points)} points have no defined score yet."
    st.caption(said)
    if results.note:
        st.caption(f"**{words.escape(results.note)}**")
    if axis.name == P_MUSICAL:
        st.caption(words.escape(FIG_2))
    best = _best(points_of(results, axis, metric.name, split="validation"), metric)
    shown = next((p for p in points if best and p.condition == best.condition), None)
    if best and shown:
        st.markdown(
            f"Best on validation: **{words.escape(_where(axis, best))}**, where {metric.mean_title} on "
            f"{split} is **{shown.estimate.value:.3f}**." + _own_best(axis, points, best, metric, split)
        )
    for problem in results.problems:
        st.warning(words.escape(problem))


def _best(points: Sequence[Point], metric: MetricInfo) -> Point | None:
    sign = 1 if metric.higher_is_better else -1
    defined = [p for p in points if math.isfinite(p.estimate.value)]
    return max(defined, key=lambda p: sign * p.estimate.value) if len(defined) > 1 else None


def _where(axis: Axis, point: Point) -> str:
    where = f"{axis.title} = {point.x:g}" if isinstance(point.x, float) else str(point.x)
    return f"{where}, {point.line}" if point.line else where


def _own_best(axis: Axis, points: Sequence[Point], chosen: Point, metric: MetricInfo, split: str) -> str:
    own = _best(points, metric)
    if own is None or own.condition == chosen.condition:
        return ""
    return f" On {split} itself the best is {words.escape(_where(axis, own))} with {own.estimate.value:.3f}."


def _panels(results: StudyResults, axis: Axis, metric: MetricInfo, split: str) -> None:
    """Show a small chart per class, those to which the axis matters most first."""
    st.subheader("Class by class")
    if metric.over != "class":
        others = ", ".join(m.mean_title for m in results.metrics if m.over == "class")
        st.caption(f"{metric.mean_title} has no value per class; choose one of {others}.")
        return
    effects = class_effects(results, axis, metric.name)
    many = len(effects) > MOST_PANELS and not st.toggle(
        f"All {len(effects)} classes", key="panels", bind="query-params",
        help=f"Otherwise the {MOST_PANELS} to which {axis.title} matters most.",
    )  # fmt: skip
    st.caption(
        f"{metric.title} of each class on {split}, sorted by how much {axis.title} matters: the "
        "standard deviation of its means along the axis, less what the seeds' own spread explains (on test). "
        "Each has a scale of its own."
    )
    row = st.container(horizontal=True, gap="medium")
    for effect in effects[:MOST_PANELS] if many else effects:
        points = points_of(results, axis, metric.name, effect.column, split=split)
        table = point_table(points, over="seeds")
        panel = row.container(width=250)
        matters = "undefined" if math.isnan(effect.effect) else f"± {effect.effect:.3f}"
        panel.markdown(
            f"**{words.escape(effect.name)}** :small[:gray[{matters}, {effect.support:.0f} positive]]"
        )
        if table["value"].notna().any():
            panel.altair_chart(
                lines(table, "", axis.title, numeric=axis.numeric, small=True, colours=palette()),
                alt=f"{metric.title} of {effect.name} along {axis.title}.",
            )
        else:
            panel.caption("undefined: no test mix is known to hold it")
    behind(
        pd.DataFrame(
            [
                {
                    "class": e.name,
                    "matters": e.effect,
                    "highest - lowest": e.span,
                    "SD over seeds": e.spread,
                    f"best {axis.title}": str(e.best),
                    "positive": e.support,
                }
                for e in effects
            ]
        ),
        f"how much {axis.title} matters to each class",
        positive=st.column_config.NumberColumn(format="%.0f"),
    )
