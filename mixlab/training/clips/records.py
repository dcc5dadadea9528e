"""What runs on clips say of themselves and of their clips: networks and classical baselines alike."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.evaluation.units import Quantity
from mixlab.taxonomy import LabelSet, Output
from mixlab.training.clips.config import Aggregation, WindowConfig
from mixlab.training.clips.reading import LEVELS_DB
from mixlab.training.provenance import demo_note, label_info
from mixlab.training.run import Run
from mixlab.utils.hashing import digest, ordered_digest

__all__ = [
    "aggregate",
    "check_clips",
    "clip_facts",
    "clip_headings",
    "clip_info",
    "clip_labels",
    "clip_predictions",
    "describe_clips",
    "describe_windows",
    "note_unreadable",
]

SHOWN = 5
"""So many unreadable clips are named in a report; ``run.json`` names all."""


def aggregate(
    scores: NDArray[np.float32], rows: NDArray[np.int64], how: Aggregation
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of the clips that were scored, in order, and their scores ``(N, C)``.

    Args:
        scores: ``(W, C)`` probabilities of windows.
        rows: ``(W,)`` the clip that each is of.
        how: ``s1``, the mean over a clip's windows; ``s2``, their sum divided by its largest value.
    """
    found, place, counts = np.unique(rows, return_inverse=True, return_counts=True)
    sums = np.zeros((len(found), scores.shape[1]))
    np.add.at(sums, place, scores.astype(np.float64))
    most = sums.max(axis=1, keepdims=True)
    # A clip whose every score is 0 stays at 0: no class is higher than another.
    out = sums / np.where(most > 0, most, 1.0) if how == "s2" else sums / counts[:, None]
    return found, out.astype(np.float32)


def clip_labels(clips: ClipSet) -> LabelSet:
    """Return the classes as a label set: bound to instruments where the corpus knows them to be some.

    Where a number is to be predicted, its name is the only one.
    """
    if clips.value:
        name = f"{clips.corpus}-{clips.value}"
        return LabelSet(name, f"{name}: a number", (Output(clips.value, ()),), ordered_digest([clips.value]))
    if clips.label_set is not None:
        return clips.label_set
    outputs = tuple(Output(name, ()) for name in clips.classes)
    name = f"{clips.corpus}-{clips.task}" if clips.task else clips.corpus
    return LabelSet(name, f"{name}: {len(outputs)} classes", outputs, ordered_digest(list(clips.classes)))


def label_entry(clips: ClipSet) -> dict[str, Any]:
    """Return what run and card say of their outputs; ``nodes`` binds them to the instrument tree.

    No class has a parent: a corpus labels as it does, and its classes imply only what its labels say.
    """
    labels = clip_labels(clips)
    nodes = [list(output.nodes) for output in labels.outputs]
    return {**label_info(labels, [None] * len(labels)), "nodes": nodes}


def clip_info(
    command: str, config: ClipsConfig, clips: ClipSet, *, single_label: bool, seed: int, eval_seed: int
) -> dict[str, Any]:
    """Return what ``run.json`` of a run on clips holds beside what every run has.

    Args:
        command: What made it.
        config: Which clips.
        clips: These clips.
        single_label: Whether exactly one class is right for each, so that the highest score decides.
        seed: Of the run.
        eval_seed: Of the resamples behind the intervals.
    """
    return {
        "command": command,
        "seed": seed,
        "eval_seed": eval_seed,
        "catalog": {"path": config.root, "content_hash": clips.content_hash},
        "note": demo_note(config.root),
        "labels": label_entry(clips),
        "single_label": single_label,
        "clips": {
            "corpus": clips.corpus,
            "task": clips.task,
            **({"value": clips.value_title} if clips.value else {}),
            "source": clips.source,
            "notes": list(clips.notes),
            "missing": len(clips.missing),
            "splits": {split: _sizes(clips.only(split)) for split in ("train", "validation", "test")},
        },
        "unreadable_clips": {},
    }


def _sizes(clips: ClipSet) -> dict[str, int]:
    return {"clips": len(clips), "groups": len({clip.group for clip in clips.clips})}


def describe_clips(info: Mapping[str, Any]) -> str:
    """Say in a line which clips a run is of, from its ``run.json``."""
    of_clips = info["clips"]
    parts = ", ".join(
        f"{size['clips']} {split} ({size['groups']} groups)" for split, size in of_clips["splits"].items()
    )
    task = f", {of_clips['task']}" if of_clips["task"] else ""
    what = of_clips.get("value") or f"{len(info['labels']['outputs'])} classes"
    return f"{of_clips['corpus']}{task}, {what}: {parts}"


def describe_windows(windows: WindowConfig, samples: int, sample_rate: int) -> str:
    """Say in a line how clips were cut, and how the scores of windows became those of clips."""
    if windows.whole:
        cut = f"whole clips, as one window of {samples / sample_rate:.2f} s"
    else:
        laid = f"{windows.count} evenly spaced" if windows.count else f"{windows.overlap:.0%} overlap"
        cut = f"windows of {samples / sample_rate:.2f} s, {laid}"
    how = {
        "s1": "a clip scores the mean of its windows (s1)",
        "s2": "a clip scores the sum over its windows, divided by its highest class (s2): scores compare the "
        "classes of a clip and are no probabilities, so that loss, Brier score and calibration say little",
    }[windows.aggregation]
    shorter = {"silence": "filled with silence behind", "repeat": "repeated until they fill it"}
    level = "; every clip scaled to 0 dBFS" if windows.level == "peak" else ""
    if windows.repeat_levels:
        levels = f"{LEVELS_DB[0]} to {LEVELS_DB[-1]} dBFS"
        level = f"; every clip is {len(LEVELS_DB)} copies at peaks of {levels}, joined"
    padded = f"clips shorter than a window are {shorter[windows.padding]}"
    return f"{cut}; {padded}{level}; {'' if windows.whole else how}".rstrip("; ")


def clip_facts(run: Run) -> list[str]:
    """Return what a reader of a report on clips must know of them: notes, missing and unreadable files."""
    info = run.info
    of_clips = info["clips"]
    facts = [f"clips: {describe_clips(info)}; {of_clips['source']}".rstrip("; ")]
    facts += [f"clips: {note}" for note in of_clips["notes"]]
    if of_clips["missing"]:
        facts.append(f"{of_clips['missing']} clips of the corpus have no file and are left out")
    facts += list(note_unreadable(info))
    return facts


def note_unreadable(info: Mapping[str, Any]) -> list[str]:
    """Say which clips could not be read, a line for each split that has some."""
    lines = []
    for split, problems in info.get("unreadable_clips", {}).items():
        if problems:
            what = "others stood in for them" if split == "train" else "they are not scored"
            named = "; ".join(problems[key] for key in list(problems)[:SHOWN])
            more = f"; and {len(problems) - SHOWN} more (run.json)" if len(problems) > SHOWN else ""
            lines.append(f"{len(problems)} {split} clips could not be read, {what}: {named}{more}")
    return lines


def clip_headings(run: Run, scores: Report) -> dict[str, str]:
    """Return what stands above the scores of each split of clips."""
    unread = run.info.get("unreadable_clips", {})
    found = {}
    for split, of_split in scores.splits.items():
        count = len(unread.get(split, {}))
        more = f" ({count} could not be read)" if count else ""
        units = of_split.units
        found[split] = f"{of_split.n_items} {units.items} of {of_split.n_groups} {units.groups}{more}"
    return found


def _recipe(clips: ClipSet, clip: Clip) -> dict[str, Any]:
    """Return what a row of predictions is of; no recipe of a mix."""
    return {"corpus": clips.corpus, "clip": clip.key, "start_s": clip.start_s, "end_s": clip.end_s}


def clip_predictions(
    clips: ClipSet,
    split: str,
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
    *,
    single_label: bool = False,
    quantity: Quantity | None = None,
) -> Predictions:
    """Return what a model said about clips of a split.

    Args:
        clips: The clips of the split.
        split: Its name.
        rows: ``(N,)`` those of them that were scored.
        scores: ``(N, C)`` probabilities; predicted numbers ``(N, 1)`` where the clips have one to predict.
        single_label: Whether exactly one class is right for each.
        quantity: What number was predicted, with what training knows of it.

    The name of a row (``mix_id``) follows from corpus, key, start and end alone, so that all runs on the same
    clips can be compared.
    """
    chosen = [clips.clips[row] for row in rows.tolist()]
    recipes = [_recipe(clips, clip) for clip in chosen]
    targets, mask, labels = clips.targets[rows], clips.mask[rows], clips.classes
    if clips.value:
        targets = np.asarray(clips.numbers[rows, None], np.float32)
        mask, labels = np.ones(targets.shape, np.bool_), (clips.value,)
    return Predictions(
        labels=labels,
        split=np.array([split] * len(chosen), dtype=object),
        index=rows,
        group=np.array([clip.group for clip in chosen], dtype=object),
        scores=scores,
        targets=targets,
        mask=mask,
        mix_id=np.array([digest(recipe) for recipe in recipes], dtype=object),
        attempt=np.zeros(len(chosen), np.int64),
        recipes=np.array([json.dumps(recipe) for recipe in recipes], dtype=object),
        single_label=single_label,
        quantity=quantity,
    )


def check_clips(run: Run, clips: ClipSet) -> ClipSet:
    """Return a run's clips, and refuse others.

    Raises:
        CatalogMismatchError: other clips are there, or other labels, groups or splits.
    """
    expected = run.info["catalog"]["content_hash"]
    if clips.content_hash != expected:
        raise CatalogMismatchError(
            f"{run.path} was made with other clips, labels or splits than those that are there now (hash "
            f"{expected}, found {clips.content_hash}): its scores would be of other clips. Say where its "
            f"clips lie (--root {clips.corpus}=FOLDER).",
            code="catalog-mismatch",
        )
    return clips


def check_single_label(clips: ClipSet) -> None:
    """Refuse clips of which some have no class, several, or unknown ones, where one must be right.

    Raises:
        ConfigError: there are some; the message names one.
    """
    if clips.single_label:
        return
    known: Sequence[bool] = clips.mask.all(axis=1) & (clips.targets.sum(axis=1) == 1)
    row = int(np.argmin(known))
    names = [name for name, on in zip(clips.classes, clips.targets[row], strict=True) if on]
    raise ConfigError(
        f"A softmax needs clips of exactly one class each, all known; of {clips.corpus} clip "
        f"{clips.clips[row].key!r} ({clips.clips[row].split}) has {', '.join(names) or 'none'}, and "
        f"{int((~clips.mask[row]).sum())} unknown. Set train.loss=bce, or choose other classes.",
        code="conflicting-settings",
    )
