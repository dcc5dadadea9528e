"""p_musical: a score along a sweep's axis with what the seeds leave open, also while the sweep runs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import texts as words
from app.components.theme import palette
from app.data import runs as runs_data
from app.data import sweeps as sweep_data
from app.data.mixes import Location
from app.views import header, runs_locations, study_work, work_panel
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
    seed_table,
    unfinished_trials,
)
from mixlab.studies.display import plain_seconds
from mixlab.studies.findings import MULTIPLE_COMPARISONS
from mixlab.studies.folder import StudyFolder
from mixlab.studies.locations import RUN
from mixlab.studies.paper_results import FIG_2
from mixlab.studies.results import ConditionResult, StudyResults
from mixlab.studies.standing import standing_of
from mixlab.studies.state import TrialState
from mixlab.studies.statistics import Estimate
from mixlab.utils.detached import WorkStatus

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.navigation.page import Page
    from streamlit.util import AttributeDictionary

__all__ = ["show"]

SPLITS = ("test", "validation")
EVERY_S = 5.0
MOST_PANELS = 12
MOST_COMMANDS = 40
P_MUSICAL = "mix.p_musical"
MARKS = {"done": "✓ done", "running": "▸ running", "queued": "· queued", "interrupted": "~ stopped",
         "failed": "✗ failed", "missing": "· missing"}  # fmt: skip
CONTROLS = ("study", "task", "metric", "axis", "study_mixes", "panels")
NO_STUDY = """\
There is no sweep or study in {looked}. How many mixes should be musical? A study trains a grid of taggers
over `p_musical`, several seeds each; it can be stopped and gone on with. Start one below, or any other in a
terminal:

```sh
mixlab sweep --catalog {catalog} --vary mix.p_musical=0,0.4,1 --vary mix.max_sources=3,5 --out sweeps/two
```"""


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, near which studies are looked for; or None.
    """
    try:
        found = study_work.all_studies(location)
        if not found:
            looked = (
                ", ".join(f"`{folder}`" for folder, _ in runs_locations.locations(location))
                or "the usual places"
            )
            st.markdown(NO_STUDY.format(looked=looked, catalog=location.path if location else "CATALOG"))
            study_work.new_study(location)
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
        if row.toggle("New study", key=study_work.NEW, bind="query-params"):
            study_work.new_study(location)
        path = str(next((one.path for one in found if one.name == name), found[0].path))
        # Only this part is drawn again by the clock, and only while somebody is at work on it.
        followed = sweep_data.is_at_work(path)
        st.fragment(_study, run_every=EVERY_S if followed else None)(path, location, followed)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _study(path: str, location: Location | None, followed: bool) -> None:
    if followed != sweep_data.is_at_work(path):
        st.rerun()  # the clock is set, or stopped, by the whole page
    try:
        work = sweep_data.get_work(path)
        if not sweep_data.has_begun(path) and work is not None:
            work_panel.show(work)
            return
        status = sweep_data.get_status(path)
        _status(path, status, work)
        if status.done or not status.states:
            _results(sweep_data.get_results(sweep_data.location_of(path, status)), status, location)
        else:
            st.info("No run is done yet, so there is no point to draw.")
        _grid(path, status, location)
    except MixlabError as error:
        st.error(words.escape(str(error)))


# ---- how it stands ----


def _status(path: str, status: StudyStatus, work: WorkStatus | None) -> None:
    counts = status.counts
    said = [f"{counts[name]} {name}" for name in MARKS if counts[name]] or ["nothing to train"]
    busy = status.at_work or (work is not None and work.at_work)  # the report is written after the runs
    at_work = "a process works on it" if busy else "nobody is at work on it"
    when = status.updated[:16].replace("T", " ")
    st.markdown(
        f"**{words.escape(status.title)}** · {len(status.states)} runs: {', '.join(said)}; {at_work}. "
        f"Written {when} UTC."
    )
    if not status.states:
        return
    if busy:  # else it is said above, and the curve is what is looked for
        left = status.seconds_left
        rest = f", about {plain_seconds(left)} left" if left is not None else ""
        st.progress(
            counts["done"] / len(status.states),
            f"{counts['done']} of {len(status.states)} runs are done{rest}",
        )
    for state in status.states:
        if state.status == "running":
            took = "" if state.seconds is None else f", {plain_seconds(state.seconds)} so far"
            said_now = words.escape(state.progress or "starting")
            st.markdown(f"▸ **{words.escape(state.name)}**: {said_now}{took}")
    study_work.work_on(path, status, work)


def _grid(path: str, status: StudyStatus, location: Location | None) -> None:
    """Show every run by condition and seed, what a chosen one is, and what fills those that are missing."""
    rows: dict[str, dict[str, TrialState]] = {label: {} for label in status.labels.values()}
    for state in status.states:
        rows[status.labels.get(state.condition, state.condition)][f"seed {state.seed}"] = state
    rows = {label: seeds for label, seeds in rows.items() if seeds}
    if rows:
        st.subheader("The grid")
        marks = [
            {"condition": label} | {seed: MARKS[status.word(state)] for seed, state in seeds.items()}
            for label, seeds in rows.items()
        ]
        chosen = st.dataframe(
            pd.DataFrame(marks).fillna(""), hide_index=True, key=f"grid {path}", on_select="rerun",
            selection_mode="single-cell", height="content" if len(marks) < 20 else 420,
            alt="Every run by condition and seed, with its status; a cell that is chosen shows its run.",
        )  # fmt: skip
        for line, column in chosen.selection.cells[:1]:
            trial = list(rows.values())[line].get(str(column)) if line < len(rows) else None
            if trial is not None:
                _trial(path, trial, location)
    for state in status.states:
        if status.word(state) == "failed":
            st.error(f"{words.escape(state.name)}: {words.escape(state.error or 'it failed')}")
            with st.expander(f"Log of {words.escape(state.name)}"):
                _show_log(path, state.name)
    _commands(path, status)


def _trial(path: str, state: TrialState, location: Location | None) -> None:
    """Show one run: a link to it where it is done, else what its training says."""
    row = st.container(horizontal=True, vertical_alignment="center", border=True)
    row.markdown(f"**{words.escape(state.name)}**, {words.escape(state.progress or state.status)}")
    if state.status == "done":
        _run_link(row, str(StudyFolder(path).run_path(state.name)), location, "Open the run")
    else:
        _show_log(path, state.name)


def _show_log(path: str, name: str) -> None:
    text = sweep_data.log_of_run(path, name)
    st.code(text or "(it has said nothing yet)", language=None, wrap_lines=True)


def _commands(path: str, status: StudyStatus) -> None:
    missing = unfinished_trials(status)
    if not missing:
        waits = status.counts["queued"] or status.counts["running"]
        if status.states and not waits:
            st.caption("Every point of the grid is filled.")
        return
    st.markdown(f"**{_count(len(missing), 'point')} missing.** *Go on* fills them and keeps what is done.")
    with st.expander("The same in a terminal"):
        st.code(
            "\n".join(
                [
                    f"mixlab sweep --go_on {path}    # all of them",
                    *(f"{state.command}    # {state.status}" for state in missing[:MOST_COMMANDS]),
                    f"mixlab sweep --report {path}    # tables and figures",
                ]
            ),
            language="sh", wrap_lines=True,
        )  # fmt: skip
        if len(missing) > MOST_COMMANDS:
            st.caption(f"and {len(missing) - MOST_COMMANDS} more, in {words.escape(path)}/study.json")


def _count(n: int, what: str) -> str:
    return f"1 {what} is" if n == 1 else f"{n} {what}s are"


# ---- from a point to its run ----


def _runs_page() -> "Page":
    return st.Page(lambda: None, title="Runs", url_path="runs")


def _name_of(run: str, location: Location | None) -> str:
    """Return the name under which the Runs page finds a run; '' where it does not look there."""
    found = runs_data.find_found(runs_locations.locations(location), RUN)
    return next((one.name for one in found if str(one.path) == str(Path(run).resolve())), "")


def _run_link(place: "DeltaGenerator", run: str, location: Location | None, label: str) -> None:
    name = _name_of(run, location)
    if not name:
        place.caption(f"It lies in `{run}`, where Runs does not look; Folders there opens it.")
        return
    place.page_link(_runs_page(), label=label, icon=":material/query_stats:", query_params={"run": name})


def _open_picked(picked: "AttributeDictionary", seeds: pd.DataFrame, location: Location | None) -> None:
    """Open what was clicked: go to the run of a seed's dot, or link to the runs behind a mean."""
    # A click fills both selections, with what the dot that was clicked has of their columns.
    clicked = [one for one in _first(picked.get("seed")) if "run" in one]
    means = [] if clicked else _first(picked.get("mean"))
    chosen = seeds[seeds["run"].isin([one["run"] for one in clicked])]
    for one in clicked:
        if name := _name_of(str(one["run"]), location):
            st.switch_page(_runs_page(), query_params={"run": name})
    for one in means:
        chosen = seeds[(seeds["x"] == one["x"]) & (seeds["line"] == one["line"])]
    if len(chosen):
        row = st.container(horizontal=True, vertical_alignment="center", border=True)
        row.markdown("Behind this point:")
        for found in chosen.itertuples():
            _run_link(row, str(found.run), location, f"{Path(str(found.run)).name}: {found.value:.3f}")


def _first(chosen: object) -> list[Mapping[str, Any]]:
    """Return the first of the points that were chosen; what nothing was chosen in is an empty mapping."""
    return chosen[:1] if isinstance(chosen, list) else []


# ---- what came out ----


def _results(results: StudyResults, status: StudyStatus, location: Location | None) -> None:
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
        default=SPLITS[0], key="study_mixes", bind="query-params", required=True,
        help="Choose an optimum on validation, and report its test score: the highest of several test "
             "scores is higher than its worth.",
    )  # fmt: skip
    axis = axes[titles.index(str(title))] if title in titles else axes[0]
    points = points_of(results, axis, metric.name, split=str(split))
    table = point_table(points, over="seeds")
    seeds = seed_table(results, axis, metric.name, split=str(split))
    curve = lines(
        table, metric.mean_title, axis.title,
        numeric=axis.numeric, marks=seeds, pick=True, colours=palette(),
    )  # fmt: skip
    picked = st.altair_chart(
        curve, key=f"curve {score} {axis.name} {split}", on_select="rerun", selection_mode=["seed", "mean"],
        alt=f"{score} along {axis.title}: seeds as dots, means and 95 % intervals; a click opens runs. "
        "The table holds the numbers.",
    )  # fmt: skip
    _open_picked(picked.selection, seeds, location)
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
        "Small dots: seeds; a click on one opens its run. Large dot: their mean, of up to "
        f"{len(status.seeds)}; line: Student's 95 % interval of that mean within the score's own bounds, "
        "wide with few seeds; none with one. Which songs are tested is not in it: `mixlab sweep --report` "
        "adds that."
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
        _verdict(results, axis, points, metric)
    for problem in results.problems:
        st.warning(words.escape(problem))


def _verdict(results: StudyResults, axis: Axis, points: Sequence[Point], metric: MetricInfo) -> None:
    """Say which values cannot be told from the best one, rather than name one."""
    standing = standing_of(results.conditions, metric.name)
    if standing is None:
        return
    places = {point.condition: words.escape(_where(axis, point)) for point in points}

    def named(found: Sequence[tuple[ConditionResult, Estimate]]) -> str:
        texts = [(places.get(c.condition.name, c.condition.label), e.value) for c, e in found]
        return ", ".join(f"{place} ({value:+.3f})" for place, value in texts)

    if standing.level:
        st.markdown(f"**Not distinguishable from it**: {named(standing.level)}.")
    else:
        st.markdown("**Every other value is distinguishable from it.**")
    if standing.apart:
        st.markdown(f"Distinguishable: {named(standing.apart)}.")
    few = " One seed cannot tell of others." if len(results.seeds) < 2 else ""
    unpaired = ", ".join(words.escape(c.condition.label) for c in standing.unpaired)
    others = f" Not compared, as scored on other mixes: {unpaired}." if unpaired else ""
    groups = results.words.groups
    st.caption(
        f"Differences of {metric.mean_title} on the test {results.words.items}, paired by {groups} and by "
        f"seeds; distinguishable where every 95 % interval that there is, over {groups} and over seeds, "
        f"excludes 0.{few}{others} {MULTIPLE_COMPARISONS.capitalize()}."
    )


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
