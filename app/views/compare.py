"""Compare runs: all of them in one table with settings and scores, and two of them against each other."""

import pandas as pd
import streamlit as st

from app import texts as words
from app.data import overviews as data
from app.data import runs as runs_data
from app.data.corpus import table_csv
from app.data.mixes import Location
from app.links import RunLocation
from app.views import header, runs_locations
from mixlab import MixlabError
from mixlab.evaluation import METRICS
from mixlab.studies.overview import RunOverview, varying_settings

__all__ = ["show"]

NONE = "none"
SPLITS = ("validation", "test")
MOST_SETTINGS = 8
"""So many of the settings that vary are columns, unless all are asked for."""

CONTROLS = ("folders", "scored_on", "columns", "run_a", "run_b", "score_of")
_SCORE = st.column_config.NumberColumn(format="%.3f", width="small")
_SIGNED = st.column_config.NumberColumn(format="%+.3f", width="small")


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, near which runs are looked for; or None.
    """
    try:
        found = runs_locations.found_runs(location)
        if not found:
            runs_locations.say_none(location)
            return
        runs = {one.name: run for one in found if (run := runs_data.find_run(found, one.name)) is not None}
        _page(runs)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)))


def _page(runs: dict[str, RunLocation]) -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom")
    folders = list(dict.fromkeys(map(data.folder_of, runs)))
    chosen = row.multiselect(
        "Folders of runs", folders, key="folders", bind="query-params", placeholder="all that are found",
        width=330, help="Folders, at the top, says where runs are looked for.",
    )  # fmt: skip
    split = str(
        row.segmented_control(
            "Split", SPLITS, default=SPLITS[0], key="scored_on", bind="query-params", required=True,
            help="Choose between runs on validation, and report the test score of the one that is chosen.",
        )
        or SPLITS[0]
    )  # fmt: skip
    every = row.toggle(
        "All settings that vary", key="columns", bind="query-params",
        help=f"Otherwise the first {MOST_SETTINGS} of them.",
    )  # fmt: skip
    listed = {name: run for name, run in runs.items() if not chosen or data.folder_of(name) in chosen}
    overviews = {run: data.get_overview(run) for run in listed.values()}
    _table(overviews, split, every=every)
    names = list(listed)
    pair = st.container(horizontal=True, vertical_alignment="bottom")
    first = pair.selectbox("A", [NONE, *names], key="run_a", bind="query-params", width=330)
    second = pair.selectbox("B", [NONE, *names], key="run_b", bind="query-params", width=330)
    if first in listed and second in listed and first != second:
        _pair(listed[str(first)], listed[str(second)], split)
    else:
        st.caption("Choose two runs, here or by the boxes before the lines of the table: two of them.")


def _table(runs: dict[RunLocation, RunOverview], split: str, *, every: bool) -> None:
    varying = varying_settings(list(runs.values()))
    shown = varying if every else varying[:MOST_SETTINGS]
    table = data.run_table(runs, split, shown)
    names = list(table["run"])
    # Of other lines, other ones are chosen: the key holds which they are.
    key = f"runs {hash(tuple(names))}"

    def choose() -> None:
        ticked = [names[line] for line in st.session_state[key].selection.rows]
        # Those that were chosen before stay A and B, whatever is ticked beside them.
        kept = [run for run in _chosen_pair() if run in ticked]
        pair = [*kept, *(run for run in ticked if run not in kept), NONE, NONE]
        st.session_state["run_a"], st.session_state["run_b"] = pair[:2]

    numbers = [str(name) for name in table.columns if pd.api.types.is_float_dtype(table[name])]
    selected = st.dataframe(
        table.loc[:, [bool((table[name].notna() & (table[name] != "")).any()) for name in table.columns]],
        key=key, on_select=choose, selection_mode="multi-row", hide_index=True, placeholder="–",
        selection_default={"selection": {"rows": [names.index(r) for r in _chosen_pair() if r in names]}},
        height="content" if len(table) <= 12 else 460,
        column_config={
            **dict.fromkeys(numbers, _SCORE),
            "run": st.column_config.TextColumn(pinned=True),
            "items": st.column_config.NumberColumn(format="localized", width="small"),
        },
        alt=f"{len(table)} runs with their scores on {split} and the settings that vary between them.",
    )  # fmt: skip
    _say_left_out([names[line] for line in selected.selection.rows])
    more = len(varying) - len(shown)
    said = f"{len(table)} runs; {len(varying)} settings vary between them"
    said += f", {more} of which are not shown" if more else ""
    st.caption(f"{said}. Scores of different mixes (items, catalog) are no comparison.")
    st.download_button(
        "All runs (CSV)", lambda: table_csv(data.run_table(runs, split, varying)), "runs.csv", "text/csv",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def _chosen_pair() -> list[str]:
    """Return the runs that are A and B now, whose fields come below the table."""
    chosen = [str(st.session_state.get(key, st.query_params.get(key, NONE))) for key in ("run_a", "run_b")]
    return [run for run in dict.fromkeys(chosen) if run != NONE]


def _say_left_out(ticked: list[str]) -> None:
    """Say which of the runs that are ticked are not compared, as only two are."""
    left_out = [run for run in ticked if run not in _chosen_pair()]
    if left_out:
        st.warning(
            f"Two runs are compared, A and B below. Ticked, but not compared: **"
            f"{words.escape(', '.join(left_out))}**. Untick one of the others first, or choose it as A or B.",
            icon=":material/looks_two:",
        )


def _pair(a: RunLocation, b: RunLocation, split: str) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Scores")
        _scores(a, b, split)
    with right:
        st.subheader("Settings")
        _settings(data.get_overview(a), data.get_overview(b))


def _scores(a: RunLocation, b: RunLocation, split: str) -> None:
    found, why = data.score_differences(a, b, split)
    if why:
        st.warning(
            f"Not paired, so there are no intervals. {words.escape(why)}", icon=":material/difference:"
        )
    if not found:
        return
    metrics = {
        metric.name: metric
        for run in (a, b)
        if (part := data.get_overview(run).splits.get(split))
        for metric in part.metrics
    }
    known = {**METRICS, **metrics}
    titles = {name: known[name].title if name in known else name for name in found}
    table = data.difference_rows(found, titles)
    options = [data.ALL, *(of for of in dict.fromkeys(table["of"]) if of != data.ALL)]
    of = st.selectbox("Scores of", options, key="score_of", bind="query-params", width=330)
    st.dataframe(
        table[table["of"] == (of or data.ALL)].drop(columns="of"), hide_index=True, placeholder="–",
        height="content",
        column_config={**dict.fromkeys(("A", "B", "from", "to"), _SCORE), "B - A": _SIGNED},
        alt=f"Scores of both runs on {split}, their differences, and paired intervals.",
    )  # fmt: skip
    st.caption(
        f"A: {words.escape(a.name)}; B: {words.escape(b.name)}; on {split}. From, to: the paired 95 % "
        "interval of B - A over songs (of clips: recordings). With many scores a few exclude 0 by chance."
    )
    st.page_link(
        st.Page(lambda: None, title="Runs", url_path="runs"), label="Class by class, in Runs",
        icon=":material/query_stats:",
        query_params={"run": a.name, "against": b.name, "mixes": split, "look": "Differences"},
    )  # fmt: skip


def _settings(a: RunOverview, b: RunOverview) -> None:
    for run in (a, b):
        if run.problem:
            st.warning(words.escape(run.problem))
    table = data.setting_table(a, b)
    if table.empty:
        st.success("They have the same settings.", icon=":material/check_circle:")
        return
    st.dataframe(table, hide_index=True, height="content", alt="Settings in which the two runs differ.")
    count = len(a.settings.keys() | b.settings.keys())
    st.caption(f"{len(table)} of {count} settings differ; folders are left out.")
