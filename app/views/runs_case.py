"""Runs, one mix or clip: heard in lanes, scored source by source, marked, and on to the next one."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pandas as pd
import streamlit as st

from app import texts as words
from app.components.mount import play
from app.components.payload import with_scores
from app.data import mixes as data
from app.data import runs as runs_data
from app.data.mixes import Location
from app.links import BY_P, Item, make_query
from app.views import runs_clips
from app.views.runs_choice import RunSelection
from mixlab import Mix, MixConfig, MixlabError, MixRecipe
from mixlab.evaluation import CLIPS
from mixlab.evaluation.marks import VERDICTS, Mark, marks_csv, remove_mark, write_mark

if TYPE_CHECKING:
    from mixlab.inference.source_scores import SourceScores

__all__ = ["ITEM", "chosen_row", "export_marks", "hear", "page_query", "show_case"]

ITEM = "item"
"""What stands for the mix that is heard in addresses: its index within the split."""

_SCORED = "case_scored"
"""Run and mix whose sources have been scored: from then on the lanes say so."""

KEYS = {"label wrong": "W", "model wrong": "M", "unclear": "U"}
ICONS = {
    "label wrong": ":material/label_off:",
    "model wrong": ":material/psychology_alt:",
    "unclear": ":material/help:",
}
SAME_SCORE = 0.01
"""By how much a score may differ from the stored one: other machines and libraries round otherwise."""
_SCORE = st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0)


def chosen_row(selection: RunSelection) -> int | None:
    """Return the row of the split's table that the address names; None where it names none."""
    text = st.query_params.get(ITEM, "")
    st.session_state[ITEM] = text  # for the copied link
    if not text.isdecimal():
        return None
    return runs_data.row_of_index(selection.run, selection.split, int(text[:12]))


def hear(selection: RunSelection, row: int) -> None:
    """Go to a row of the split's table; Back returns from it."""
    st.query_params[ITEM] = str(runs_data.get_item(selection.run, selection.split, row)[1])


def show_case(
    location: Location | None,
    selection: RunSelection,
    column: int,
    row: int | None,
    rows: Sequence[int],
) -> None:
    """Show one mix or clip; steps go through the list.

    Args:
        location: The catalog, where it is the run's; else None.
        selection: What is looked at.
        column: The class.
        row: Row of the split's table; None where none is chosen yet.
        rows: The list that is stepped through.
    """
    with st.container(border=True, key="case"):
        _steps(selection, row, rows, audition=location is not None and selection.units != CLIPS)
        if row is None:
            what = selection.units.item
            st.caption(f"Choose a {what} below to hear it here, or go through the list with N and P.")
            return
        if selection.units == CLIPS:
            runs_clips.play_clip(selection, row)
            _marking(selection, column, row)
            runs_clips.say_scores(selection, row, selection.table.labels[column])
        else:
            _mix(location, selection, column, row)


def _steps(selection: RunSelection, row: int | None, rows: Sequence[int], *, audition: bool) -> None:
    line = st.container(horizontal=True, vertical_alignment="center")
    place = rows.index(row) if row in rows else -1
    last = len(rows) - 1
    for name, to, key, icon in (
        ("Previous", place - 1, "P", ":material/skip_previous:"),
        ("Next", place + 1, "N", ":material/skip_next:"),
    ):
        line.button(
            name, icon=icon, shortcut=key, key=f"case_{name}", on_click=_go, args=(selection, rows, to),
            disabled=not 0 <= to <= last,
        )  # fmt: skip
    if row is None:
        return
    index = runs_data.get_item(selection.run, selection.split, row)[1]
    where = f"{place + 1} of {len(rows):,} in the list" if place >= 0 else "not in the list below"
    line.markdown(f"{selection.units.item.capitalize()} **{index}** of {selection.split}, {where}")
    if audition:
        recipe = runs_data.get_recipe(selection.run, selection.split, row)
        line.page_link(
            st.Page(lambda: None, title="Audition", url_path="audition", default=True),
            label="Audition", icon=":material/headphones:", query_params=page_query(selection, recipe),
        )  # fmt: skip


def _go(selection: RunSelection, rows: Sequence[int], to: int) -> None:
    hear(selection, rows[to])


# ---- a mix ----


def _mix(location: Location | None, selection: RunSelection, column: int, row: int) -> None:
    recipe = runs_data.get_recipe(selection.run, selection.split, row)
    if location is None:
        st.caption("It is heard when the run's catalog is open.")
        _marking(selection, column, row)
        runs_clips.say_scores(selection, row, selection.table.labels[column])
        return
    mix = data.get_rendered(location, recipe)
    payload = data.get_recipe_payload(location, recipe)
    scored = [selection.run.path, recipe.content_hash]
    if st.session_state.get(_SCORED) == scored:
        payload = _payload_with_scores(payload, selection, column, mix)
    play(payload, key="case_player")
    _marking(selection, column, row)
    left, right = st.columns(2, gap="large")
    with left:
        runs_clips.say_scores(selection, row, selection.table.labels[column])
    names = [name for name, _ in data.source_names(recipe, data.get_catalog(location))]
    with right:
        scores = _sources(selection, column, row, mix, names)
    if scores is not None and st.session_state.get(_SCORED) != scored:
        st.session_state[_SCORED] = scored
        st.rerun()  # it plays already; now its lanes say what they score
    if scores is not None:
        with st.expander("All classes, source by source", icon=":material/table_chart:"):
            st.dataframe(
                _all_classes(selection, row, scores, _numbered(names)), hide_index=True, height="content",
                placeholder="–", column_config={"class": st.column_config.TextColumn(pinned=True)},
                alt="Scores of every class: of the mix, of each source alone, and of the mix without each.",
            )  # fmt: skip


def _payload_with_scores(payload: bytes, selection: RunSelection, column: int, mix: Mix) -> bytes:
    """Return the player's blob whose lanes say what they score of a class; the scores are there already."""
    scores = runs_data.get_source_scores(selection.run, mix.recipe.content_hash, mix)
    threshold = float(selection.decided.thresholds[column])
    return with_scores(
        payload, selection.table.labels[column], None if math.isnan(threshold) else threshold,
        float(scores.mix[column]), scores.alone[:, column].tolist(), scores.without[:, column].tolist(),
    )  # fmt: skip


def _numbered(names: Sequence[str]) -> list[str]:
    """Return the names of sources with the numbers that their lanes have."""
    return [f"{place + 1} {name}" for place, name in enumerate(names)]


def page_query(selection: RunSelection, recipe: MixRecipe) -> dict[str, str]:
    """Return the query with which Audition opens this very mix."""
    item = Item(MixConfig.p_musical, recipe.seed, recipe.index, recipe.split, BY_P)
    query = make_query(item, (), (), recipe.catalog_hash, recipe.content_hash, run=selection.run.name)
    return dict(parse_qsl(query))


def _sources(
    selection: RunSelection, column: int, row: int, mix: Mix, names: Sequence[str]
) -> "SourceScores | None":
    """Show which source the decision hangs on: each scored alone, and the mix without it."""
    if not runs_data.has_model(selection.run):
        st.caption("This run keeps no model, so its sources cannot be scored one by one.")
        return None
    try:
        with st.spinner("Scoring each source …", show_time=False):
            scores = runs_data.get_source_scores(selection.run, mix.recipe.content_hash, mix)
    except MixlabError as error:
        st.caption(f"Its sources cannot be scored one by one. {words.escape(str(error))}")
        return None
    from mixlab.inference.source_scores import blame

    label, threshold = selection.table.labels[column], float(selection.decided.thresholds[column])
    stored, now = float(selection.table.scores[row, column]), float(scores.mix[column])
    if abs(stored - now) > SAME_SCORE:
        st.caption(
            f"The run stored {stored:.3f} for this mix, its model now gives {now:.3f}: the weights are "
            "others than those it was scored with, or the files have changed."
        )
    elif not math.isnan(threshold):
        st.markdown(words.say_blame(blame(scores, column, threshold), label, _numbered(names)))
    if scores.before_effects:
        st.caption("The mix has effects on the mixture; sources are scored before them.")
    alone, without = f"{label}: score alone", "of the mix without it"
    st.dataframe(
        pd.DataFrame(
            {
                "source": ["the mix", *_numbered(names)],
                alone: [now, *scores.alone[:, column].astype(float)],
                without: [None, *scores.without[:, column].astype(float)],
                "it adds": [None, *(scores.mix[column] - scores.without[:, column]).astype(float)],
            }
        ),
        hide_index=True, height="content", placeholder="–",
        column_config={
            alone: _SCORE, without: _SCORE, "it adds": st.column_config.NumberColumn(format="%+.3f"),
        },
        alt=f"Scores of {label} of the mix, of each source alone, and of the mix without each.",
    )  # fmt: skip
    return scores


def _all_classes(
    selection: RunSelection, row: int, scores: "SourceScores", names: Sequence[str]
) -> pd.DataFrame:
    known, present = selection.table.known[row], selection.table.present[row]
    columns: dict[str, object] = {
        "class": list(selection.table.labels),
        "in truth": [
            runs_clips.TRUTH[bool(yes)] if certain else "unknown"
            for yes, certain in zip(present, known, strict=True)
        ],
        "threshold": selection.decided.thresholds.round(3),
        "mix": scores.mix.astype(float).round(3),
    }
    for place, name in enumerate(names):
        columns[f"{name} alone"] = scores.alone[place].astype(float).round(3)
    for place, name in enumerate(names):
        columns[f"without {name}"] = scores.without[place].astype(float).round(3)
    return pd.DataFrame(columns)


# ---- marks ----


def _marking(selection: RunSelection, column: int, row: int) -> None:
    """Show what was marked of this decision, and let it be marked."""
    label = selection.table.labels[column]
    item = runs_data.get_item(selection.run, selection.split, row)[0]
    mark = runs_data.get_marks(selection.run).get((selection.split, item, label))
    line = st.container(horizontal=True, vertical_alignment="bottom")
    note_key = f"note {selection.run.path} {selection.split} {item} {label}"
    for verdict in VERDICTS:
        line.button(
            verdict.capitalize(), icon=ICONS[verdict], shortcut=KEYS[verdict], key=f"mark_{verdict}",
            type="primary" if mark is not None and mark.verdict == verdict else "secondary",
            on_click=_mark, args=(selection, column, row, verdict, note_key),
        )  # fmt: skip
    if mark is not None:
        line.button(
            "Take back", icon=":material/undo:", key="mark_none", on_click=_unmark,
            args=(selection, mark.key), type="tertiary",
        )  # fmt: skip
    line.text_input(
        "Note", value="" if mark is None else mark.note, key=note_key, width=330,
        placeholder="what is wrong; kept with the mark", on_change=_note,
        args=(selection, column, row, note_key),
    )  # fmt: skip
    if mark is not None:
        st.caption(
            f"Marked of {words.escape(label)}: **{mark.verdict}**, {mark.made[:16].replace('T', ' ')} UTC."
        )


def _mark(selection: RunSelection, column: int, row: int, verdict: str, note_key: str) -> None:
    """Keep a verdict; a note that another tab wrote meanwhile stays where none was typed here."""
    note = str(st.session_state.get(note_key) or "")
    item = runs_data.get_item(selection.run, selection.split, row)[0]
    try:
        mark = runs_data.get_marks(selection.run).get((selection.split, item, selection.table.labels[column]))
    except MixlabError:  # which writing says, too
        mark = None
    _write(selection, column, row, verdict, note or (mark.note if mark is not None else ""))


def _note(selection: RunSelection, column: int, row: int, note_key: str) -> None:
    """Keep a note that was changed, where there is a mark already; else with the mark that follows."""
    item = runs_data.get_item(selection.run, selection.split, row)[0]
    try:
        mark = runs_data.get_marks(selection.run).get((selection.split, item, selection.table.labels[column]))
    except MixlabError:  # the page says why
        return
    if mark is not None:
        _write(selection, column, row, mark.verdict, str(st.session_state[note_key]))


def _write(selection: RunSelection, column: int, row: int, verdict: str, note: str) -> None:
    table = selection.table
    item, index, group = runs_data.get_item(selection.run, selection.split, row)
    score, threshold = float(table.scores[row, column]), float(selection.decided.thresholds[column])
    known, present = bool(table.known[row, column]), bool(table.present[row, column])
    detected = bool(table.cells.decisions[row, column]) if table.single_label else score >= threshold
    mark = Mark(
        split=selection.split, item=item, index=index, group=group, label=table.labels[column],
        verdict=next(one for one in VERDICTS if one == verdict), note=note.strip(),
        truth=("present" if present else "absent") if known else "unknown",
        score=score, threshold=threshold, detected=detected,
    )  # fmt: skip
    try:
        write_mark(selection.run.path, mark)
    except MixlabError as error:
        st.toast(str(error), icon=":material/error:")


def _unmark(selection: RunSelection, key: tuple[str, str, str]) -> None:
    try:
        remove_mark(selection.run.path, key)
    except MixlabError as error:
        st.toast(str(error), icon=":material/error:")


def export_marks(selection: RunSelection) -> None:
    """Show how many marks the run has, and offer them as CSV."""
    marks = list(runs_data.get_marks(selection.run).values())
    if not marks:
        return
    counts = [f"{sum(mark.verdict == verdict for mark in marks)} {verdict}" for verdict in VERDICTS]
    row = st.container(horizontal=True, vertical_alignment="center")
    row.download_button(
        "Marks (CSV)", marks_csv(marks), f"marks_{selection.run.name.replace('/', '_')}.csv", "text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    row.caption(f"{len(marks)} marked by ear: {', '.join(counts)}. They lie in `marks.json` in the run.")
