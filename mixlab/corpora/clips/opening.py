"""Open labelled clips as a configuration says: classes chosen, divided by group, as many as wanted."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mixlab.corpora.clips._labels import labels_of_columns
from mixlab.corpora.clips.base import SPLITS, ClipCorpus, ClipSet
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.corpora.clips.registry import find_corpus
from mixlab.corpora.clips.splitting import cap_rows, cut_groups, share_of_rows
from mixlab.errors import ConfigError, CorpusError

__all__ = ["open_clips", "read_clips"]


def read_clips(config: ClipsConfig) -> ClipSet:
    """Read all clips of a corpus, with the splits it has itself; nothing is chosen or divided.

    Raises:
        ConfigError: there is no such corpus or task, or no root is given.
        CorpusError: the tree is not laid out as expected.
    """
    corpus = find_corpus(config.corpus)
    if not config.root:
        raise ConfigError(
            f"clips.root: where does the corpus {config.corpus} lie? Give its folder.", code="missing-setting"
        )
    root = Path(config.root)
    if not root.exists():
        raise CorpusError(
            f"Expected the corpus {config.corpus} at {root}, found nothing there.", code="root-not-found"
        )
    clips = corpus.read(root, _task(corpus, config.task))
    if not len(clips):
        raise CorpusError(f"{root}: none of the clips of {corpus.name} is there.", code="audio-not-found")
    return clips


def open_clips(config: ClipsConfig) -> ClipSet:
    """Open labelled clips: every clip of the result has a split, and no group that was divided is in two.

    Parts that the corpus lacks are cut off its training part by group, each class as evenly as its groups
    allow. The corpus's own division stays as it is; if it has a group on two sides, the notes say so.

    Args:
        config: What is used, and how it is divided.

    Returns:
        Clips in the corpus's order. ``notes`` say what was divided, and what is thin.

    Raises:
        ConfigError: there is no such corpus, task, class or number.
        CorpusError: the tree is not laid out as expected, a class cannot be divided, or the number that is to
            be predicted is known of no clip.
    """
    clips = _divided(_chosen(_with_value(read_clips(config), config), config), config)
    rows = {split: [r for r, clip in enumerate(clips.clips) if clip.split == split] for split in SPLITS}
    rows["train"] = share_of_rows(clips, rows["train"], config.train_fraction, config.split_seed)
    for split in SPLITS:
        rows[split] = cap_rows(clips, rows[split], config.max_per_class, config.split_seed)
    kept = clips.take(sorted(row for held in rows.values() for row in held))
    return replace(kept, notes=(*kept.notes, *_thin(kept)))


def _task(corpus: ClipCorpus, task: str) -> str:
    if not task:
        return corpus.tasks[0]
    if task not in corpus.tasks:
        close = difflib.get_close_matches(task, corpus.tasks, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(corpus.tasks)}."
        raise ConfigError(
            f"clips.task: the corpus {corpus.name} has no task {task!r}; {hint}", code="invalid-setting"
        )
    return task


def _with_value(clips: ClipSet, config: ClipsConfig) -> ClipSet:
    """Return the clips whose number is known, where one is to be predicted."""
    if not config.value:
        return clips
    if config.value not in clips.values:
        close = difflib.get_close_matches(config.value, clips.values, n=1)
        known = f"it knows {', '.join(clips.values) or 'none'} of its clips"
        hint = f"did you mean {close[0]!r}?" if close else f"{known}. Leave it out to take the classes."
        raise ConfigError(
            f"clips.value: the corpus {clips.corpus} has no number {config.value!r}; {hint}",
            code="invalid-setting",
        )
    known_rows = np.flatnonzero(np.isfinite(clips.values[config.value]))
    if not len(known_rows):
        raise CorpusError(
            f"{clips.corpus}: {config.value} is known of none of the {len(clips)} clips. Leave clips.value "
            "out to take the classes.",
            code="missing-labels",
        )
    gone = len(clips) - len(known_rows)
    notes = (f"{gone} clips whose {config.value} is not known are left out",) if gone else ()
    unit = getattr(find_corpus(config.corpus), "values", {}).get(config.value, "")
    kept = clips.take(known_rows.tolist())
    return replace(kept, value=config.value, unit=unit, notes=(*clips.notes, *notes))


def _chosen(clips: ClipSet, config: ClipsConfig) -> ClipSet:
    """Return the clips of the classes that are wanted."""
    if not config.classes and not config.largest:
        return clips
    if unknown := [name for name in config.classes if name not in clips.classes]:
        raise ConfigError(
            f"clips.classes: {clips.corpus} ({clips.task}) has no class {unknown[0]!r}; there are "
            f"{', '.join(clips.classes)}.",
            code="unknown-class",
        )
    wanted = config.classes or _largest(clips, config.largest)
    columns = [column for column, name in enumerate(clips.classes) if name in wanted]
    return _of_classes(clips, columns)


def _largest(clips: ClipSet, count: int) -> list[str]:
    if count > len(clips.classes):
        raise ConfigError(
            f"clips.largest: expected up to {len(clips.classes)}, the classes of {clips.corpus} "
            f"({clips.task}), found {count}.",
            code="invalid-setting",
        )
    sizes = clips.targets.sum(axis=0)
    return [clips.classes[column] for column in np.argsort(-sizes, kind="stable")[:count]]


def _of_classes(clips: ClipSet, columns: Sequence[int]) -> ClipSet:
    """Return the clips with these classes alone.

    Where every training clip has exactly one class, clips of other classes go: nothing would be true of them.
    Else those go of which nothing is known any more; a clip that is known to hold none of the classes stays.
    """
    training = [row for row, clip in enumerate(clips.clips) if clip.split in ("train", "")]
    one = clips.take(training or range(len(clips))).single_label
    targets, mask = clips.targets[:, columns], clips.mask[:, columns]
    keep = targets.any(axis=1) if one else mask.any(axis=1)
    labels = clips.label_set and labels_of_columns(clips.label_set, columns)
    fewer = replace(
        clips,
        classes=tuple(clips.classes[column] for column in columns),
        targets=targets,
        mask=mask,
        label_set=labels,
    )
    gone = int((~keep).sum())
    notes = (f"{gone} clips of other classes are left out",) if gone else ()
    kept = fewer.take(np.flatnonzero(keep).tolist())
    return replace(kept, notes=(*clips.notes, *notes))


def _divided(clips: ClipSet, config: ClipsConfig) -> ClipSet:
    """Give every clip a split."""
    if config.splits == "grouped":
        clips = _with_splits(clips, [""] * len(clips))
    own = [clip.split for clip in clips.clips]
    splits = [split or "train" for split in own]
    notes = list(_shared_groups(_with_splits(clips, splits)))
    if any(own) and "" in own:
        notes.append(f"{own.count('')} clips without a split of their own count as training clips")
    # The test part first: what it shows is what others are compared with.
    for part, fraction in (("test", config.test_fraction), ("validation", config.validation_fraction)):
        if part in own:
            continue
        pool = [row for row, split in enumerate(splits) if split == "train"]
        # Shares are of all that is divided, so that the second cut takes more of what is left.
        if part == "validation" and "test" not in own:
            fraction /= 1 - config.test_fraction
        cut = cut_groups(clips, pool, fraction, config.split_seed, part)
        if not cut:
            raise _cannot_divide(clips, part)
        for row in cut:
            splits[row] = part
        _check_lone(clips, pool, part)
        notes.append(f"{part}: {len(cut)} clips cut off by group (seed {config.split_seed})")
    return replace(_with_splits(clips, splits), notes=(*clips.notes, *notes))


def _with_splits(clips: ClipSet, splits: Sequence[str]) -> ClipSet:
    divided = tuple(replace(clip, split=split) for clip, split in zip(clips.clips, splits, strict=True))
    return replace(clips, clips=divided)


def _check_lone(clips: ClipSet, rows: Sequence[int], part: str) -> None:
    """Refuse classes of a single group where each clip has one class: they cannot be learned and tested.

    Raises:
        CorpusError: there are some.
    """
    pool = clips.take(rows)
    if part != "test" or clips.value or not pool.single_label:
        return
    held = _groups(pool)
    if lone := [name for name, groups in zip(clips.classes, held, strict=True) if len(groups) == 1]:
        raise CorpusError(
            f"{clips.corpus}: {_listed(lone)} {'has' if len(lone) == 1 else 'have'} a single group of clips, "
            f"which cannot be on both sides of a split. Add another recording of each, or leave them out: "
            f"clips.classes, or clips.largest={len(clips.classes) - len(lone)}.",
            code="too-few-groups",
        )


def _cannot_divide(clips: ClipSet, part: str) -> CorpusError:
    return CorpusError(
        f"{clips.corpus}: no {part} part can be cut off: every class has a single group of clips left "
        "(recording, artist or speaker), and no group is put on two sides. Add groups.",
        code="too-few-groups",
    )


def _groups(clips: ClipSet) -> list[set[str]]:
    """Return the groups that hold each class."""
    return [
        {clips.clips[row].group for row in np.flatnonzero(clips.targets[:, column])}
        for column in range(len(clips.classes))
    ]


def _shared_groups(clips: ClipSet) -> Iterator[str]:
    """Say which of the corpus's own parts share groups."""
    sides: dict[str, set[str]] = {}
    for clip in clips.clips:
        sides.setdefault(clip.group, set()).add(clip.split)
    for first, second in (("train", "test"), ("train", "validation"), ("validation", "test")):
        if shared := [group for group, held in sides.items() if {first, second} <= held]:
            yield (
                f"the corpus's own division has {len(shared)} groups in both {first} and {second}, such as "
                f"{shared[0]!r}; clips.splits=grouped divides anew, without that"
            )


def _thin(clips: ClipSet) -> Iterator[str]:
    """Say which classes a part lacks."""
    for split in SPLITS:
        held = _groups(clips.only(split))
        if lacking := [name for name, groups in zip(clips.classes, held, strict=True) if not groups]:
            yield f"{split} holds no clip of {_listed(lacking)}"


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
