"""Tag a file: which instruments a run's model detects in it, and when."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import streamlit as st

from app import texts as words
from app.components.heat import CHANNELS
from app.components.mount import play
from app.data import tags as tag_data
from app.data.mixes import Location
from app.data.tags import RunModel
from app.views import header, runs_locations, welcome
from mixlab.audio.uploads import MAX_BYTES, MAX_S, Upload
from mixlab.errors import MixlabError
from mixlab.inference.output import (
    ClassRow,
    about_scorer,
    audacity_labels,
    class_rows,
    tags_as_csv,
    tags_as_json,
)
from mixlab.inference.scorer import said_of_thresholds

if TYPE_CHECKING:
    from mixlab.inference.file_tags import FileTags
    from mixlab.inference.tagger import Tagger

__all__ = ["show"]

UPLOAD, RECORD, EXAMPLE = SOURCES = ("Upload a file", "Record", "Try an example")
FITTED, SAME = DECISIONS = ("the model's own", "one for all")
DEMO = "demo numbers"
"""How the note of a run on demo corpora begins."""
MIN_SHARE = 0.05
"""A class is a tag of the file where it is detected in so much of what sounds."""
HOPS_S = (0.5, 1.0, 2.0, 4.0)
DOWNLOAD = ":material/download:"
CONTROLS = (
    "run", "tag_hop", "tag_source", "tag_example", "tag_decide", "tag_threshold", "tag_detected",
)  # fmt: skip
PRIVACY = (
    "The file stays in the memory of this machine, is not stored on disk or sent anywhere, and is forgotten "
    "with this tab."
)
RUNS_HELP = (
    "Runs with a model, in the folders that are listed under Folders; and the model that comes with mixlab. "
    "Together with published weights it is better, where these were fetched ('mixlab weights get "
    "mtat_musicnn')."
)


class Sound(NamedTuple):
    """What is to be tagged: its name, what stands for its content, how to get the bytes, and what plays.

    Of ``truth``, the names of what plays in it, None says that it is not known.
    """

    name: str
    key: str
    read: Callable[[], bytes]
    truth: frozenset[str] | None = None


def show(location: Location | None) -> None:
    """Show the page.

    Args:
        location: The open catalog, near which runs are looked for; or None.
    """
    try:
        found = tag_data.with_model(runs_locations.found_runs(location))
        runs = [*found, *tag_data.without_run()]
        row = st.container(horizontal=True, vertical_alignment="bottom")
        run = _choose_run(runs, row)
        with st.spinner("Loading the model …", show_time=False):
            tagger = tag_data.get_tagger(run)
        hop_s = _choose_hop(tagger, row)
        sound = _choose_sound(row)
        _warn(run, tagger)
        if sound is not None:
            _tag(run, tagger, sound, hop_s)
        st.caption(_describe_run(run, tagger))
        if not found:
            with st.expander("Train a run of your own", expanded=welcome.is_at_work()):
                welcome.offer_run(location)
        header.offer_view(CONTROLS)
    except MixlabError as error:
        st.error(words.escape(str(error)), icon=":material/error:")


# ---- what is chosen ----


def _choose_run(runs: list[RunModel], row: "st.delta_generator.DeltaGenerator") -> RunModel:
    names = [run.name for run in runs]
    name = row.selectbox("Run", names, key="run", bind="query-params", width=280, help=RUNS_HELP)
    return runs[names.index(str(name))] if name in names else runs[0]


def _choose_hop(tagger: "Tagger", row: "st.delta_generator.DeltaGenerator") -> float:
    hops = [hop for hop in HOPS_S if hop <= tagger.window_s] or [tagger.window_s]
    return float(
        row.selectbox(
            "Hop", hops, index=hops.index(1.0) if 1.0 in hops else 0, key="tag_hop",
            bind="query-params", format_func=lambda hop: f"{hop:g} s", width=150,
            help="Seconds from window to window: how finely spans are known. Half as far takes twice as "
            "long.",
        )
    )  # fmt: skip


def _describe_run(run: RunModel, tagger: "Tagger") -> str:
    classes = f"{len(tagger.labels)} classes, windows of {tagger.window_s:g} s, on {tagger.device}"
    who = run.name if run.weights else f"Run {run.path}"
    return words.escape(f"{who}: {classes}" + (f" · {tagger.note}" if tagger.note else ""))


def _warn(run: RunModel, tagger: "Tagger") -> None:
    if tagger.scorer.thresholds_from == "none":
        st.warning(
            "No thresholds are fitted, so every one is 0.5. If the run was not scored yet, type "
            f"`mixlab evaluate {run.path.replace('`', '')}`",
            icon=":material/rule:",
        )


def _choose_sound(row: "st.delta_generator.DeltaGenerator") -> Sound | None:
    source = row.segmented_control(
        "What to tag", SOURCES, default=UPLOAD, key="tag_source", bind="query-params", required=True,
        width="content",
    )  # fmt: skip
    if source == EXAMPLE:
        return _choose_example(row)
    limits = f"up to {MAX_S / 60:g} minutes"
    if source == RECORD:
        found = st.audio_input(
            f"Record with this machine's microphone, {limits}", sample_rate=44_100, key="tag_recording"
        )
    else:
        found = st.file_uploader(
            f"WAV, FLAC, OGG, Opus, MP3 or AIFF, {limits}", key="tag_file", max_upload_size=MAX_BYTES // 2**20
        )
    st.caption(PRIVACY)
    if found is None:
        return None
    return Sound("recording.wav" if source == RECORD else found.name, found.file_id, found.getvalue)


def _choose_example(row: "st.delta_generator.DeltaGenerator") -> Sound:
    examples = tag_data.example_names()
    name = str(
        row.segmented_control(
            "Example", list(examples), default=next(iter(examples)), key="tag_example", bind="query-params",
            required=True, width="content",
        )
    )  # fmt: skip
    st.caption(
        f"What truly plays: **{examples[name]}**. Composed and synthesized on this machine, with seeds "
        "that no demo corpus has."
    )
    return Sound(
        f"{name.lower()}.wav", f"example {name}", lambda: tag_data.get_example(name),
        tag_data.example_truth(name),
    )  # fmt: skip


# ---- what is found ----


def _tag(run: RunModel, tagger: "Tagger", sound: Sound, hop_s: float) -> None:
    with st.spinner("Reading …", show_time=False):
        upload = tag_data.get_upload(sound.key, sound.name, tagger.sample_rate, sound.read, tagger.channels)
    bar = st.empty()

    def progress(done: int, total: int) -> None:
        bar.progress(done / total, f"Scoring: {done} of {total} windows")

    found = tag_data.get_tags(run, upload, hop_s, progress)
    bar.empty()
    notes = tag_data.get_notes(run)
    st.markdown(_describe(upload, found, tagger.window_s, tagger.note))
    tags, only_detected = _decide(found, said_of_thresholds(tagger.scorer.thresholds_from))
    if tagger.note.startswith(DEMO) and sound.truth is None:
        st.warning(
            "This model was trained on demo corpora: what it says of recordings of real music means nothing.",
            icon=":material/science:",
        )
    _say_tags(tags, notes, sound.truth)
    play(tag_data.get_payload(upload, tags, notes, only_detected=only_detected), key="tag_player")
    rows = class_rows(tags)
    first, second = st.tabs(["Classes", "Every moment"])
    with first:
        _classes(rows, tags, notes, sound.truth)
    with second:
        _moments(tags)
    _downloads(tags, tagger)


def _describe(upload: Upload, tags: "FileTags", window_s: float, note: str) -> str:
    channels = {1: "mono", 2: "stereo"}.get(upload.channels, f"{upload.channels} channels")
    detected = "what is played below is what the model is given"
    text = (
        f"{upload.duration_s:.1f} s · {channels} at {upload.source_rate / 1000:g} kHz ({upload.format}) · "
        f"{_count(len(tags.scores), 'window')}; {detected}: {CHANNELS[len(upload.audio)]} at "
        f"{upload.sample_rate / 1000:g} kHz."
    )
    for beware in (note, *upload.notes):
        if beware:
            text += f" Beware: {beware}."
    if tags.padded:
        text += f" Shorter than the model's window of {window_s:g} s: silence was added at its end."
    return f"**{words.escape(upload.name)}** · {words.escape(text)}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n:,} {noun}s"


def _decide(found: "FileTags", own: str) -> tuple["FileTags", bool]:
    """Show the thresholds; return the tags decided at them, and whether only detected classes are shown.

    Args:
        found: The tags, decided at the model's own thresholds.
        own: What is said of these.
    """
    row = st.container(horizontal=True, vertical_alignment="bottom")
    if found.single_label:
        return found, _only_detected(row)
    decide = row.segmented_control(
        "Thresholds", DECISIONS, default=FITTED, key="tag_decide", bind="query-params", required=True,
        width="content",
        help=f"The model's own are thresholds {own}. Or one of yours for all classes.",
    )  # fmt: skip
    if decide == SAME:
        value = row.slider(
            "Threshold", 0.0, 1.0, 0.5, 0.01, key="tag_threshold", bind="query-params", width=360,
            help="A class is detected where its score reaches it.",
        )  # fmt: skip
        found = found.with_thresholds(float(value))
    return found, _only_detected(row)


def _only_detected(row: "st.delta_generator.DeltaGenerator") -> bool:
    return bool(row.toggle("Only classes that are detected", key="tag_detected", bind="query-params"))


def _say_tags(tags: "FileTags", notes: dict[str, str], truth: frozenset[str] | None) -> None:
    if tags.decision is not None:
        st.markdown(
            f"**Decision: {words.escape(tags.decision)}**, the class with the highest mean score. Each "
            "moment has exactly one class, that with the highest score; no threshold has a part in it."
        )
    share = dict(zip(tags.labels, tags.share, strict=True))
    lasting = [name for name in tags.tags if share[name] >= MIN_SHARE]
    short = [f"{words.escape(name)} ({share[name]:.0%})" for name in tags.tags if share[name] < MIN_SHARE]
    if lasting:
        badges = " ".join(_badge(name, notes, truth) for name in lasting)
        st.markdown(
            f"**Detected** ({len(lasting)} of {len(tags.labels)} classes, the strongest first): {badges}"
            f"{_say_truth(tags, lasting, truth)}"
        )
    elif not short:
        highest = tags.max
        near = int((highest - tags.thresholds).argmax())
        st.info(
            f"No class reaches its threshold. Nearest is {words.escape(tags.labels[near])}: "
            f"{highest[near]:.2f} of {tags.thresholds[near]:.2f}.",
            icon=":material/hearing_disabled:",
        )
    if short:
        st.caption(f"In less than {MIN_SHARE:.0%} of what sounds, so no tag of the file: {', '.join(short)}.")
    if not lasting and truth is not None:
        st.caption(_say_truth(tags, lasting, truth))
    told = [f"{words.escape(name)}: {note}" for name, note in notes.items()]
    if told:
        st.caption("\\* Little is known of some classes. " + ". ".join(told) + ".")


def _say_truth(tags: "FileTags", detected: list[str], truth: frozenset[str] | None) -> str:
    if truth is None:
        return ""
    missed = [name for name in tags.labels if name in truth and name not in detected]
    legend = " · ✓ is true, ✗ false. " if detected else ""
    return legend + (f"Missed: {words.escape(', '.join(missed))}." if missed else "Nothing is missed.")


def _badge(name: str, notes: dict[str, str], truth: frozenset[str] | None) -> str:
    """Return a tag as a badge; where the truth is known its mark says whether it is true."""
    text = words.escape(name)
    if truth is not None and name in tag_data.instrument_words():
        return f":green-badge[✓ {text}]" if name in truth else f":red-badge[✗ {text}]"
    return f":orange-badge[? {text}]" if name in notes else f":green-badge[✓ {text}]"


def _in_truth(name: str, truth: frozenset[str] | None) -> str:
    if truth is None or name not in tag_data.instrument_words():
        return ""
    return "plays" if name in truth else "does not play"


def _classes(
    rows: tuple[ClassRow, ...], tags: "FileTags", notes: dict[str, str], truth: frozenset[str] | None
) -> None:
    share = dict(zip(tags.labels, tags.share, strict=True))
    ranked = sorted(rows, key=lambda row: (not row.detected, -(row.mean or 0.0)))
    table = pd.DataFrame(
        {
            "class": [row.name for row in ranked],
            "detected": ["✓ detected" if row.detected else "–" for row in ranked],
            "in truth": [_in_truth(row.name, truth) for row in ranked],
            "of what sounds": [float(share[row.name]) for row in ranked],
            "mean score": [row.mean for row in ranked],
            "highest score": [row.max for row in ranked],
            "threshold": [row.threshold for row in ranked],
            "sounds (s)": [round(row.seconds, 1) for row in ranked],
            "where": [row.where for row in ranked],
            "known problems": [notes.get(row.name, "") for row in ranked],
        }
    )
    left_out = [] if notes else ["known problems"]
    left_out += [] if truth else ["in truth"]
    left_out += ["threshold"] if table["threshold"].isna().all() else []
    table = table.drop(columns=left_out)
    columns = {
        "mean score": st.column_config.ProgressColumn(
            min_value=0.0, max_value=1.0, format="%.2f", help="Over what is not silent."
        ),
        "highest score": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.2f"),
        "threshold": st.column_config.NumberColumn(format="%.2f"),
        "of what sounds": st.column_config.NumberColumn(format="percent", help="For how much of it."),
    }
    st.dataframe(table, hide_index=True, column_config=columns, height="content")


def _moments(tags: "FileTags") -> None:
    st.caption("The numbers behind the map: a row per moment, a column per class; silence has no scores.")
    scores = pd.DataFrame(tags.scores, columns=list(tags.labels)).astype("float64").round(3)
    scores[~tags.sounding] = None
    times = {
        "from (s)": tags.start_s.round(2),
        "to (s)": tags.end_s.round(2),
        "level (dBFS)": tags.level_db.round(1),
    }
    st.dataframe(pd.concat([pd.DataFrame(times), scores], axis=1), hide_index=True)


def _as_json(tags: "FileTags", tagger: "Tagger") -> str:
    return tags_as_json(tags, **about_scorer(tagger.scorer))


def _downloads(tags: "FileTags", tagger: "Tagger") -> None:
    stem = Path(tags.path.name).stem
    row = st.container(horizontal=True)
    row.download_button(
        "Scores (CSV)", lambda: tags_as_csv(tags), f"{stem}.csv", "text/csv", icon=DOWNLOAD,
        on_click="ignore", help="A row per moment, a column per class.",
    )  # fmt: skip
    row.download_button(
        "Tags (JSON)", lambda: _as_json(tags, tagger), f"{stem}.json",
        "application/json", icon=DOWNLOAD, on_click="ignore",
        help="Every class with its spans, and all that scored, with its SHA-256.",
    )  # fmt: skip
    row.download_button(
        "Audacity labels", lambda: audacity_labels(tags), f"{stem}.labels.txt", "text/plain", icon=DOWNLOAD,
        on_click="ignore", help="File, Import, Labels in Audacity.",
    )  # fmt: skip
