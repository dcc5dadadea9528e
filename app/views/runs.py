"""Runs: what a trained model gets right and wrong, class by class, at any threshold, and how it sounds."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.parts import choose_part
from app.data import runs as runs_data
from app.data.mixes import Location
from app.data.runs import FITTED
from app.links import Allowed, Between, RunLocation
from app.views import (
    header,
    runs_classes,
    runs_confusions,
    runs_external,
    runs_listen,
    runs_locations,
    runs_more,
    runs_numbers,
    runs_subsets,
)
from app.views.runs_choice import RunSelection
from mixlab import MixlabError
from mixlab.evaluation import CLIPS
from mixlab.evaluation.bootstrap import MAX_UNDEFINED, MIN_SONGS

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from mixlab.studies.locations import Found

__all__ = ["show"]

NONE = "no other run"
SPLITS = ("test", "validation")
PER_CLASS, ONE = "fitted per class", "one for all"
TABS = ("Classes", "Listen", "Subsets", "Tree", "Confusions", "Learning curves", "Differences", "External")
CONTROLS = (
    "run", "against", "mixes", "thresholds", "at", "look", "order", "class", "kind", "sorted", "missed",
    "score", "external", "part", "added", "item", "list", "subset", "scores_of",
)  # fmt: skip


ALLOWED: dict[str, Allowed] = {
    "mixes": SPLITS, "thresholds": (PER_CLASS, ONE), "at": Between(0, 1), "look": TABS,
    "order": run_tables.ORDERS,
}  # fmt: skip
"""What values of an address the controls take."""


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, near which runs are looked for and from which mixes are heard; or None.
    """
    # A mix that is opened from here comes with its own hashes, which Audition is to check.
    for key in ("link", *runs_listen.IN_ADDRESS):
        st.session_state.pop(key, None)
    try:
        found, reports = runs_locations.found_runs(location), runs_locations.found_reports(location)
        if not found and not reports:
            runs_locations.say_none(location)
            return
        header.check_address(ALLOWED)
        row = st.container(horizontal=True, vertical_alignment="bottom")
        name = _choose([one.name for one in found], [one.name for one in reports], row)
        chosen = next((one for one in reports if one.name == name), None)
        if chosen is None:
            _run(location, found, name, row)
        else:
            runs_external.published(chosen)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _choose(runs: list[str], reports: list[str], row: "DeltaGenerator") -> str:
    """Let a run be chosen, or the reports of published weights, whose names are longer."""
    names = [*runs, *reports]
    wanted = st.query_params.get("run")
    if wanted and wanted not in names:
        kinds = "runs and reports" if reports else "runs"
        st.warning(
            f"The address names the run **{words.escape(wanted)}**, which is not among the {len(names)} "
            f"{kinds} found here; another one is shown. Folders says where they are looked for.",
            icon=":material/link_off:",
        )
    return str(
        row.selectbox(
            "Run", names, key="run", bind="query-params", width=400 if reports else 260,
            help="Runs, and after them what has reports of `mixlab evaluate-on` without being a run: "
                 "published weights and the model that comes with mixlab.",
        )
    )  # fmt: skip


def _run(location: Location | None, found: "tuple[Found, ...]", name: str, row: "DeltaGenerator") -> None:
    run = runs_data.find_run(found, name)
    other, split = _choose_beside(found, name, row)
    if run is None:
        st.error("This run is not there any more. Choose another one.")
    elif not run.is_scored:
        _unscored(run)
    elif runs_data.get_numbers(run, split) is not None:
        runs_numbers.show_numbers(run, _comparable(run, other, split), split)
    else:
        _scored(location, RunSelection(run, _comparable(run, other, split), split, FITTED), row)


def _choose_beside(
    found: "tuple[Found, ...]", name: str, row: "DeltaGenerator"
) -> tuple[RunLocation | None, str]:
    others = [NONE, *(one.name for one in found if one.name != name)]
    other = row.selectbox(
        "Compare with", others, key="against", bind="query-params", width=260,
        help="A second run that was scored on the same mixes or clips. Differences are its scores minus the "
             "first's.",
    )  # fmt: skip
    split = row.segmented_control(
        "Split", SPLITS, default=SPLITS[0], key="mixes", bind="query-params", required=True, width="content",
        help="Thresholds and epochs are chosen on validation, so its numbers flatter the model.",
    )  # fmt: skip
    second = None if other in (None, NONE) else runs_data.find_run(found, str(other))
    return second, str(split or SPLITS[0])


def _comparable(run: RunLocation, other: RunLocation | None, split: str) -> RunLocation | None:
    if other is None:
        return None
    if not other.is_scored:
        st.warning(f"{words.escape(other.name)} was not scored yet. Type `mixlab evaluate {other.path}`")
        return None
    why = runs_data.mismatch(run, other, split)
    if why:
        st.warning(f"These two runs cannot be compared. {words.escape(why)}", icon=":material/difference:")
        return None
    return other


def _unscored(run: RunLocation) -> None:
    """Show a run that trains still, or was stopped: its curves so far, and what to type."""
    info = runs_data.get_info(run)
    status = str(info.get("status"))
    command = (
        f"mixlab evaluate {run.path}"
        if status in ("trained", "evaluated")
        else f"mixlab {info.get('command', 'train')} --config {run.path}/config.yaml --resume=true"
    )
    said = "It is being trained, or was stopped." if status == "training" else f"Its status is {status}."
    st.info(f"This run has no predictions yet. {said} Unless it runs right now, go on with:")
    st.code(command, language="sh", wrap_lines=True)
    runs_more.learning({run.name: run})


def _scored(location: Location | None, selection: RunSelection, row: "DeltaGenerator") -> None:
    at = FITTED if selection.single_label else _threshold(row)
    selection = RunSelection(selection.run, selection.other, selection.split, at)
    _about(selection)
    _headline(selection)
    renderers: dict[str, Callable[[], None]] = {
        "Classes": lambda: runs_classes.classes(selection),
        "Listen": lambda: runs_listen.listen(location, selection),
        "Subsets": lambda: runs_subsets.subsets(location, selection),
        "Tree": lambda: runs_classes.tree(selection),
        "Confusions": lambda: runs_confusions.show_confusions(selection),
        "Learning curves": lambda: runs_more.learning(selection.names),
        "Differences": lambda: runs_more.differences(selection),
        "External": lambda: runs_external.external(runs_data.get_external(selection.run)),
    }
    shown = [name for name in TABS if _has_tab(selection, name)]
    # Only what is open is drawn: a run of 60 classes then follows the slider at once.
    renderers[choose_part(shown, key="look")]()
    st.caption(_footnote(selection))


def _has_tab(selection: RunSelection, name: str) -> bool:
    if name == "Tree":  # classes of clips lie side by side
        return selection.units != CLIPS or any(parent is not None for parent in selection.table.parents)
    if name == "External":
        return runs_data.has_external(selection.run)
    return name != "Differences" or selection.other is not None


def _about(selection: RunSelection) -> None:
    table, info, units = selection.table, runs_data.get_info(selection.run), selection.units
    of = "clips" if units == CLIPS else "catalog"
    said = [
        f"{len(table):,} {selection.split} {units.items} of {len(table.songs):,} {units.groups}, "
        f"{len(table.labels)} classes",
        f"{of} {info.get('catalog', {}).get('content_hash', 'unknown')}",
        f"seed {info.get('seed', 'unknown')}",
    ]
    if info.get("note"):
        said.append(f"**{words.escape(str(info['note']))}**")
    st.caption(" · ".join(said))
    if selection.single_label:
        st.caption(
            f"Each {units.item} has exactly one class: the highest score decides, and thresholds have no "
            "part in it."
        )
    elif selection.split == "validation":
        st.caption(f"Thresholds were fitted on these very {units.items}, so P, R and F1 flatter the model.")


def _threshold(row: "DeltaGenerator") -> float | None:
    way = row.segmented_control(
        "Thresholds", (PER_CLASS, ONE), default=PER_CLASS, key="thresholds", bind="query-params",
        required=True, width="content",
        help="Fitted per class: the one with the best F1 on validation. A class is predicted from its "
             "threshold on.",
    )  # fmt: skip
    if way != ONE:
        return FITTED
    at = row.slider(
        "Threshold for all classes", 0.0, 1.0, 0.5, 0.01, key="at", bind="query-params", width=180
    )
    return round(float(at), 4)


def _headline(selection: RunSelection) -> None:
    for name, run in selection.names.items():
        if selection.other is not None:
            st.markdown(f"**{words.escape(name)}**")
        decided = runs_data.get_decided(run, selection.split, selection.at)
        fixed = runs_data.get_fixed(run, selection.split)
        found = [(one.metric, one.score()) for one in decided.measured.values()]
        found += [(metric, fixed.scores[metric.name]) for metric in fixed.metrics]
        # Where one class is right each, micro F1 is accuracy again.
        single = runs_data.get_table(run, selection.split).single_label
        shown = [one for one in found if not (one[0].detail or (one[0].pooled and single))]
        runs_classes.show_scores([(metric.mean_title, score) for metric, score in shown])


def _intervals(resamples: int, groups: str) -> str:
    if resamples:
        return f"Intervals: {resamples} resamples of whole {groups}"
    return f"No intervals: they take {MIN_SONGS} {groups} or more, and resamples (train.bootstrap)"


def _footnote(selection: RunSelection) -> str:
    """Say what the means leave out, and where the intervals come from."""
    table, decided, fixed = selection.table, selection.decided, selection.fixed
    n, macro = len(table.labels), decided.over_all("f1")
    missing = [name for c, name in enumerate(table.labels) if not decided.support[c]]
    said = f"Macro means over {n - macro.undefined} of {n} classes"
    said += f"; undefined here, and left out: {words.escape(', '.join(missing[:8]))}" if missing else ""
    said += f" and {len(missing) - 8} more" if len(missing) > 8 else ""
    resamples = 0 if table.weights is None else len(table.weights)
    said += f". {_intervals(resamples, selection.units.groups)}"
    if macro.dropped:
        said += f", {macro.dropped} left out of the macro mean as they hold no positive of a class"
    if macro.dropped > MAX_UNDEFINED * resamples:
        said += f"; with more than {MAX_UNDEFINED:.0%} left out a mean has no interval"
    if selection.table.single_label:
        said += ". Accuracy and F1 follow from the highest scores; the others rank"
    else:
        said += ". F1 follows the threshold, its interval too; the others need none"
    own = [metric.title for metric in fixed.metrics if metric.needs_threshold]
    said += f", but {', '.join(own)}: as reported, at the fitted thresholds" if own else ""
    return said + ("." if fixed.reported else ", and have no interval, as the run has no report of them.")
