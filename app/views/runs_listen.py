"""Runs, one class: its precision-recall curve with the chosen point, and its mistakes to listen to."""

import math
from typing import TYPE_CHECKING
from zlib import crc32

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.theme import palette
from app.data import mixes as data
from app.data import runs as runs_data
from app.data.mixes import Location
from app.views import chooser, runs_case, runs_clips
from app.views.runs_choice import RunSelection
from app.views.runs_classes import behind
from mixlab import MixlabError, MixRecipe
from mixlab.errors import RecipeError
from mixlab.evaluation import CLIPS
from mixlab.evaluation.charts import recall_curve
from mixlab.evaluation.error_analysis import KINDS, Kind
from mixlab.training import open_catalog
from mixlab.training.run import Run

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

__all__ = ["ANY_OTHER", "IN_ADDRESS", "listen"]

PER_PAGE = 8
LIST = "list"
"""What stands for the page of the list in addresses."""
IN_ADDRESS = (runs_case.ITEM, LIST)
"""What addresses hold beside the controls; a copied link has it while the mistakes are open."""
ANY_OTHER = "any or none"
CLEAREST, NEAREST = "clearest first", "nearest to the threshold first"
ABOUT = {
    "false positives": "predicted and absent: the highest score fooled the model most",
    "false negatives": "present and not predicted: the lowest score is the deafest",
    "hits": "predicted and present",
}


def listen(location: Location | None, selection: "RunSelection") -> None:
    """Show one class: its mixes by score, each to be heard source by source and marked, and its curve."""
    labels = list(selection.table.labels)
    row = st.container(horizontal=True, vertical_alignment="bottom")
    name = row.selectbox("Class", labels, key="class", bind="query-params", width=190)
    column = labels.index(str(name)) if name in labels else 0
    kind, order, added = _which(row, selection, labels, column)
    rows = runs_data.get_ranked(
        selection.run, selection.split, selection.at, column, kind,
        labels.index(added) if added in labels else None,
    )  # fmt: skip
    rows = rows if order == CLEAREST else rows[::-1]
    chosen = runs_case.chosen_row(selection)
    try:
        here = location if selection.units == CLIPS else _usable(location, selection)
        if rows or chosen is not None:
            runs_case.show_case(here, selection, column, chosen, rows)
        runs_case.export_marks(selection)
    except RecipeError:  # the list below says why
        here = None
    left, right = st.columns([5, 6], gap="large")
    with left:
        _curve(selection, column)
    with right:
        and_added = f", {added} falsely added" if added in labels else ""
        st.caption(
            f"{len(rows):,} {kind} of **{words.escape(labels[column])}**{words.escape(and_added)} "
            f"({ABOUT[kind]})."
        )
        if rows:
            what = f"{selection.run.name} {selection.split} {selection.at} {column} {kind} {order} {added}"
            _list(here, selection, column, rows, chosen, f"{kind} of {labels[column]}", what)


def _which(
    row: "DeltaGenerator", selection: "RunSelection", labels: list[str], column: int
) -> tuple[Kind, str, str]:
    """Show what is listed: which kind, in which order, and with which class falsely detected."""
    kind: Kind = row.segmented_control(
        f"{selection.units.items.capitalize()} to hear",
        KINDS,
        default=KINDS[0],
        key="kind",
        bind="query-params",
        required=True,
    )
    order = row.segmented_control(
        "Sorted", (CLEAREST, NEAREST), default=CLEAREST, key="sorted", bind="query-params", required=True,
        format_func=lambda way: "least clear first" if way == NEAREST and selection.single_label else way,
    )  # fmt: skip
    added = row.selectbox(
        "Detected in error", [ANY_OTHER, *labels], key="added", bind="query-params", width=190,
        help="Only those in which this class is detected, too, and does not sound: what a pair of Confusions "
             "counts.",
    )  # fmt: skip
    return kind, str(order or CLEAREST), ANY_OTHER if added == labels[column] else str(added or ANY_OTHER)


def _curve(selection: "RunSelection", column: int) -> None:
    points = run_tables.point_table(selection.all_decided, column)
    curves = {
        name: runs_data.get_curve(run, selection.split, column) for name, run in selection.names.items()
    }
    label = selection.table.labels[column]
    if not selection.decided.support[column]:
        st.info(
            f"No {selection.split} {selection.units.item} is known to hold {label}, so precision, recall and "
            "F1 are undefined."
        )
        return
    table = run_tables.curve_table(curves)
    st.altair_chart(
        recall_curve(table, points, list(selection.names), colours=palette()),
        alt=f"Precision against recall of {label}, with the point of the chosen threshold marked.",
    )
    for row in points.to_dict("records"):
        who = f"**{words.escape(str(row['run']))}**: " if selection.other else ""
        st.markdown(
            f"{_decided_at(who, row['threshold'])}: precision {run_tables.figure(row['precision'])}, "
            f"recall {run_tables.figure(row['recall'])}, F1 **{run_tables.figure(row['F1'])}**; "
            f"{row['TP']:,} hits, {row['FP']:,} false positives, {row['FN']:,} false negatives."
        )
    behind(table, f"precision and recall of {label}")


def _decided_at(who: str, threshold: float) -> str:
    """Say how a run decided, behind its name."""
    how = "the highest score decides" if math.isnan(threshold) else f"at threshold **{threshold:.3f}**"
    return who + (how if who else how[0].upper() + how[1:])


def _list(
    here: Location | None,
    selection: "RunSelection",
    column: int,
    rows: list[int],
    chosen: int | None,
    name: str,
    what: str,
) -> None:
    """Show a page of a list, each line with a button that plays it.

    Args:
        here: The catalog, where it is the run's; else None.
        selection: What is looked at.
        column: The class.
        rows: The list: rows of the split's table.
        chosen: The row that is heard, or None.
        name: What it is a list of.
        what: What it follows from: another list starts at its first page.
    """
    page = _page(len(rows), what)
    shown = rows[page * PER_PAGE : (page + 1) * PER_PAGE]
    if selection.units == CLIPS:
        runs_clips.list_clips(selection, column, shown, chosen, runs_case.hear)
    else:
        try:
            recipes = [runs_data.get_recipe(selection.run, selection.split, row) for row in shown]
        except RecipeError as error:
            st.info(f"These cannot be heard here. {words.escape(str(error))}", icon=":material/volume_off:")
            st.dataframe(_plain_rows(selection, column, shown), hide_index=True)
            return
        for row, recipe in zip(shown, recipes, strict=True):
            _mix_row(here, selection, column, row, recipe, chosen=row == chosen)
    _pager(page, len(rows), what)
    behind(_plain_rows(selection, column, rows[:1000]), name + (" (first 1000)" if len(rows) > 1000 else ""))


# ---- pages of the list ----


def _mark_of(what: str, page: int) -> str:
    """Return what stands for a page in addresses: it counts for the very list that it is of."""
    return f"{page + 1}-{crc32(what.encode()):08x}"


def _page(n_rows: int, what: str) -> int:
    """Return the page of the list that the address names; another list starts at its first."""
    text = st.query_params.get(LIST, "")
    st.session_state[LIST] = text  # for the copied link
    number, _, of = text.partition("-")
    page = int(number[:9]) - 1 if number.isdecimal() and _mark_of(what, 0).endswith(of) and of else 0
    return min(max(page, 0), (n_rows - 1) // PER_PAGE)


def _turn(what: str, page: int) -> None:
    st.query_params[LIST] = _mark_of(what, page)


def _pager(page: int, n_rows: int, what: str) -> None:
    last = (n_rows - 1) // PER_PAGE
    if not last:
        return
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        "Previous page", icon=":material/chevron_left:", on_click=_turn, args=(what, page - 1),
        disabled=page == 0, key="earlier",
    )  # fmt: skip
    row.button(
        "Next page", icon=":material/chevron_right:", on_click=_turn, args=(what, page + 1),
        disabled=page == last, key="later",
    )  # fmt: skip
    row.caption(f"{page * PER_PAGE + 1} to {min((page + 1) * PER_PAGE, n_rows)} of {n_rows:,}")


# ---- one mix ----


def _usable(location: Location | None, selection: "RunSelection") -> Location | None:
    """Return the open catalog if it is the run's; else offer to open that one."""
    wanted = runs_data.get_info(selection.run).get("catalog", {}).get("content_hash")
    if location is not None and data.get_catalog(location).content_hash == wanted:
        return location
    st.info(
        f"The open catalog is not the one this run was scored on (hash {wanted}). Mixes are heard when "
        "that one is open.",
        icon=":material/folder_off:",
    )
    try:
        path = str(open_catalog(Run.open(selection.run.path)).path)
    except MixlabError as error:
        st.caption(f"It cannot be opened by itself: {words.escape(str(error))}")
        return None
    st.button("Open the run's catalog", icon=":material/folder_open:", on_click=chooser.choose, args=(path,))
    st.caption(words.escape(path))
    return None


def _mix_row(
    location: Location | None,
    selection: "RunSelection",
    column: int,
    row: int,
    recipe: MixRecipe,
    *,
    chosen: bool,
) -> None:
    score = float(selection.table.scores[row, column])
    # What it is of stands below: beside the buttons it would wrap in some rows and not in others.
    box = st.container(gap="xsmall", key=f"mix_{row}")
    line = box.container(horizontal=True, vertical_alignment="center")
    line.button(
        "Hear",
        icon=":material/volume_up:" if chosen else ":material/play_arrow:",
        type="primary" if chosen else "secondary",
        key=f"hear_{row}", on_click=runs_case.hear, args=(selection, row), disabled=location is None,
        help=f"Mix {recipe.index} of {selection.split}",
    )  # fmt: skip
    line.markdown(f"**{score:.3f}**", width=56)
    if location is not None:
        line.page_link(
            st.Page(lambda: None, title="Audition", url_path="audition", default=True),
            label="Audition", icon=":material/headphones:",
            query_params=runs_case.page_query(selection, recipe),
        )  # fmt: skip
    box.markdown(_sources(location, recipe))


def _sources(location: Location | None, recipe: MixRecipe) -> str:
    song = words.escape(recipe.sources[0].stem.rpartition("/")[0])
    if location is None:
        return f"{len(recipe.sources)} sources of {song}"
    names = [name for name, _ in data.source_names(recipe, data.get_catalog(location))]
    return f"{words.escape(', '.join(names))} :small[:gray[{song}]]"


def _plain_rows(selection: "RunSelection", column: int, rows: list[int]) -> pd.DataFrame:
    table = selection.table
    songs = [table.songs[song] for song in table.cells.song[rows]]
    indices = runs_data.get_indices(selection.run, selection.split)[table.rows[rows]]
    return pd.DataFrame(
        {"index": indices, table.units.group: songs, "score": table.scores[rows, column].astype(float)}
    )
