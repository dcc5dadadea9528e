"""Runs, one class: its precision-recall curve with the chosen point, and its mistakes to listen to."""

import math
from urllib.parse import parse_qsl

import pandas as pd
import streamlit as st

from app import texts as words
from app.components import run_tables
from app.components.theme import palette
from app.data import mixes as data
from app.data import runs as runs_data
from app.data.mixes import Location
from app.links import BY_P, Item, make_query
from app.views import chooser, runs_clips
from app.views.runs_choice import RunSelection
from app.views.runs_classes import behind
from mixlab import MixConfig, MixlabError, MixRecipe
from mixlab.audio.io import encode_wav
from mixlab.errors import RecipeError
from mixlab.evaluation import CLIPS
from mixlab.evaluation.charts import recall_curve
from mixlab.evaluation.error_analysis import KINDS, Kind
from mixlab.training import open_catalog
from mixlab.training.run import Run

__all__ = ["listen"]

PER_PAGE = 8
CLEAREST, NEAREST = "clearest first", "nearest to the threshold first"
ABOUT = {
    "false positives": "predicted and absent: the highest score fooled the model most",
    "false negatives": "present and not predicted: the lowest score is the deafest",
    "hits": "predicted and present",
}


def listen(location: Location | None, selection: "RunSelection") -> None:
    """Show one class: its curve, and its mixes by score, each to be heard and opened in Audition."""
    labels = list(selection.table.labels)
    name = st.selectbox("Class", labels, key="class", bind="query-params", width=330)
    column = labels.index(str(name)) if name in labels else 0
    left, right = st.columns([5, 6], gap="large")
    with left:
        _curve(selection, column)
    with right:
        _list(location, selection, column)


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


def _list(location: Location | None, selection: "RunSelection", column: int) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
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
    rows = runs_data.get_ranked(selection.run, selection.split, selection.at, column, kind)
    rows = rows if order == CLEAREST else rows[::-1]
    label = selection.table.labels[column]
    st.caption(f"{len(rows):,} {kind} of **{words.escape(label)}** ({ABOUT[kind]}).")
    if not rows:
        return
    page = _page(len(rows), f"{selection.run.name} {selection.split} {selection.at} {column} {kind} {order}")
    shown = rows[page * PER_PAGE : (page + 1) * PER_PAGE]
    behind_list = f"{kind} of {label}" + (" (first 1000)" if len(rows) > 1000 else "")
    if selection.units == CLIPS:
        runs_clips.hear_clips(selection, column, shown)
        _pager(page, len(rows))
        behind(_plain_rows(selection, column, rows[:1000]), behind_list)
        return
    try:
        recipes = [runs_data.get_recipe(selection.run, selection.split, row) for row in shown]
    except RecipeError as error:
        st.info(f"These cannot be heard here. {words.escape(str(error))}", icon=":material/volume_off:")
        st.dataframe(_plain_rows(selection, column, shown), hide_index=True)
        return
    here = _usable(location, selection)
    # A row means something in this run and split only.
    of, played = st.session_state.get("played", ("", -1))
    played = played if of == _of(selection) else -1
    with st.container(border=True):
        if here and played in shown:
            _player(here, selection, column, played, recipes[shown.index(played)])
        else:
            st.caption("Choose a mix below to hear it here, or open it in Audition to solo its sources.")
    for number, recipe in zip(shown, recipes, strict=True):
        _mix_row(here, selection, column, number, recipe, chosen=number == played)
    _pager(page, len(rows))
    behind(_plain_rows(selection, column, rows[:1000]), behind_list)


# ---- pages of the list ----


def _page(n_rows: int, what: str) -> int:
    """Return the page of the list; another list starts at its first."""
    if st.session_state.get("listed") != what:
        st.session_state["listed"], st.session_state["page"] = what, 0
    return min(int(st.session_state["page"]), (n_rows - 1) // PER_PAGE)


def _turn(step: int) -> None:
    st.session_state["page"] += step


def _pager(page: int, n_rows: int) -> None:
    last = (n_rows - 1) // PER_PAGE
    if not last:
        return
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        "Previous",
        icon=":material/chevron_left:",
        on_click=_turn,
        args=(-1,),
        disabled=page == 0,
        key="earlier",
    )
    row.button(
        "Next", icon=":material/chevron_right:", on_click=_turn, args=(1,), disabled=page == last, key="later"
    )
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
        key=f"hear_{row}", on_click=_hear, args=(_of(selection), row), disabled=location is None,
        help=f"Mix {recipe.index} of {selection.split}",
    )  # fmt: skip
    line.markdown(f"**{score:.3f}**", width=56)
    if location is not None:
        line.page_link(
            st.Page(lambda: None, title="Audition", url_path="audition", default=True),
            label="Audition", icon=":material/headphones:", query_params=_query(selection, recipe),
        )  # fmt: skip
    box.markdown(_sources(location, recipe))


def _sources(location: Location | None, recipe: MixRecipe) -> str:
    song = words.escape(recipe.sources[0].stem.rpartition("/")[0])
    if location is None:
        return f"{len(recipe.sources)} sources of {song}"
    names = [name for name, _ in data.source_names(recipe, data.get_catalog(location))]
    return f"{words.escape(', '.join(names))} :small[:gray[{song}]]"


def _of(selection: "RunSelection") -> str:
    return f"{selection.run.path} {selection.split}"


def _hear(of: str, row: int) -> None:
    st.session_state["played"] = (of, row)


def _query(selection: "RunSelection", recipe: MixRecipe) -> dict[str, str]:
    """Return the query with which Audition opens this very mix."""
    item = Item(MixConfig.p_musical, recipe.seed, recipe.index, recipe.split, BY_P)
    query = make_query(item, (), (), recipe.catalog_hash, recipe.content_hash, run=selection.run.name)
    return dict(parse_qsl(query))


def _player(location: Location, selection: "RunSelection", column: int, row: int, recipe: MixRecipe) -> None:
    label = selection.table.labels[column]
    mix = data.get_rendered(location, recipe)
    st.markdown(f"Mix **{recipe.index}** of {selection.split}: {_sources(location, recipe)}")
    # Encoded here: given an array, Streamlit would scale every mix to full peak.
    st.audio(
        encode_wav(mix.mixture, recipe.render.sample_rate), format="audio/wav",
        alt=f"Mix {recipe.index} of {selection.split}, {recipe.render.duration_s:g} s",
    )  # fmt: skip
    runs_clips.say_scores(selection, row, label)


def _plain_rows(selection: "RunSelection", column: int, rows: list[int]) -> pd.DataFrame:
    table = selection.table
    songs = [table.songs[song] for song in table.cells.song[rows]]
    indices = runs_data.get_indices(selection.run, selection.split)[table.rows[rows]]
    return pd.DataFrame(
        {"index": indices, table.units.group: songs, "score": table.scores[rows, column].astype(float)}
    )
