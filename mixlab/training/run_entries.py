"""What the files of a run must hold, so far as mixlab uses it: ``run.json``, ``model.json``, ``config.yaml``.

An entry that is missing is told when it is asked for; see ``mixlab.utils.entries``.
"""

import re
from collections.abc import Mapping

from mixlab.utils.entries import (
    NUMBER,
    OBJECT,
    PATH,
    SEED,
    SWITCH,
    TEXT,
    WHOLE,
    Kind,
    each,
    is_number,
    is_whole,
    list_of,
    or_null,
)

__all__ = ["CARD_ENTRIES", "CONFIG_ENTRIES", "RUN_ENTRIES"]


_COMMAND = re.compile(r"[a-z][a-z-]{0,40}")


def _are_labels(found: object) -> bool:
    """Tell whether outputs and their parents belong together: no parent beyond them, and no circle."""
    if not isinstance(found, Mapping):
        return False
    outputs, parents = found.get("outputs", []), found.get("parents")
    if not list_of(TEXT).holds(outputs) or len(set(outputs)) != len(outputs):
        return False
    if "nodes" in found and not (
        list_of(list_of(TEXT)).holds(found["nodes"]) and len(found["nodes"]) == len(outputs)
    ):
        return False
    if parents is None:
        return "parents" not in found
    if not isinstance(parents, list) or len(parents) != len(outputs):
        return False
    return all(x is None or is_whole(x, 0, len(outputs) - 1) for x in parents) and not _in_circle(parents)


def _in_circle(parents: list[int | None]) -> bool:
    for child in range(len(parents)):
        steps, ancestor = 0, parents[child]
        while ancestor is not None:
            steps, ancestor = steps + 1, parents[ancestor]
            if steps > len(parents):
                return True
    return False


_LABELS = {
    "labels": Kind(_are_labels, "the outputs by name, each with the number of its parent or null"),
    "labels.name": TEXT,
    "labels.content_hash": TEXT,
    "labels.taxonomy_hash": TEXT,
}
_CLIPS = {
    "clips": OBJECT,
    **{f"clips.{name}": TEXT for name in ("corpus", "value", "source")},
    "clips.task": or_null(TEXT),
    "clips.notes": list_of(TEXT),
    "clips.missing": WHOLE,
}

_TEACHER = {
    "teacher": OBJECT,
    **{f"teacher.{name}": TEXT for name in ("weights", "sha256", "path")},
    **{f"teacher.{name}": or_null(TEXT) for name in ("known_as", "trained_on", "licence_weights")},
    **{f"teacher.{name}": NUMBER for name in ("weight", "temperature")},
    "teacher.classes": list_of(TEXT),
}

RUN_ENTRIES: dict[str, Kind] = {
    **dict.fromkeys(("status", "created", "updated", "note", "mix_hash"), TEXT),
    **dict.fromkeys(("precision", "device", "features", "classifier"), TEXT),
    **dict.fromkeys(("seed", "eval_seed"), SEED),
    **dict.fromkeys(("parameters", "trainable", "world_size", "window_samples"), WHOLE),
    # It is typed after "mixlab" in what users are told to type.
    "command": Kind(lambda x: isinstance(x, str) and bool(_COMMAND.fullmatch(x)), "the name of a command"),
    "single_label": SWITCH,
    "catalog": OBJECT,
    "catalog.path": PATH,
    "catalog.relative": or_null(PATH),
    "catalog.roots": each(PATH),
    "catalog.content_hash": TEXT,
    **_LABELS,
    **_CLIPS,
    **_TEACHER,
    "clips.splits": each(each(WHOLE)),
    "versions": each(TEXT),
    "weights_sha256": or_null(TEXT),
    "sources_sha256": each(or_null(TEXT)),
    "effect_contents": or_null(OBJECT),
    "class_rates": each(Kind(lambda x: is_number(x) and 0 <= x <= 1, "a number from 0 to 1")),
    "unreadable_clips": each(each(TEXT)),
    "missing_tracks": each(WHOLE),
    "tracks": each(WHOLE),
    "seconds": each(NUMBER),
    "fitted": OBJECT,
    "training": OBJECT,
    "training.reason": TEXT,
    "training.epochs": WHOLE,
    "training.best_epoch": WHOLE,
    "training.best_value": or_null(NUMBER),
    "training.patience": WHOLE,
    "training.seconds": or_null(NUMBER),
}
"""Of ``run.json``."""

_THRESHOLDS = each(or_null(NUMBER))

CARD_ENTRIES: dict[str, Kind] = {
    "sha256": TEXT,
    "config": OBJECT,
    **_LABELS,
    **_CLIPS,
    **_TEACHER,
    "input": OBJECT,
    "input.sample_rate": Kind(lambda x: is_whole(x, 1, 768_000), "a sample rate of 1 to 768000 Hz"),
    "input.duration_s": Kind(lambda x: is_number(x) and 0 < x <= 86_400, "seconds above 0, up to a day"),
    "input.channels": Kind(lambda x: is_whole(x, 1, 64), "a number of channels from 1 to 64"),
    **dict.fromkeys(("note", "transfer", "loss", "class_weights", "catalog_hash", "output"), TEXT),
    **{name: or_null(TEXT) for name in ("pretrained", "trained_on", "licence_data", "source_sha256")},
    "parameters": WHOLE,
    "single_label": SWITCH,
    "versions": each(TEXT),
    "thresholds": _THRESHOLDS,
    "consistent_thresholds": _THRESHOLDS,
    "windows": OBJECT,
    **{f"windows.{name}": TEXT for name in ("aggregation", "level", "padding")},
    "windows.repeat_levels": SWITCH,
    "jamendo_split": or_null(WHOLE),
    "pretrained_file": or_null(OBJECT),
    "pretrained_file.path": PATH,
    "pretrained_file.sha256": TEXT,
    **{f"pretrained_file.{name}": or_null(TEXT) for name in ("known_as", "trained_on", "licence_data")},
    "pretrained_file.clips": or_null(OBJECT),
    "features": OBJECT,
    "features.kind": TEXT,
    "features.values": WHOLE,
    "features.network": or_null(OBJECT),
    "features.network.config": OBJECT,
    "features.network.source_sha256": or_null(TEXT),
    "features.network.peak": SWITCH,
    **{f"features.network.{name}": list_of(WHOLE) for name in ("layers", "widths")},
    "classifier": list_of(OBJECT),
    "trained": OBJECT,
    "trained.epoch": WHOLE,
    "trained.monitor": TEXT,
    "trained.value": or_null(NUMBER),
    "moved": each(OBJECT),
}
"""Of ``model.json``."""

CONFIG_ENTRIES: dict[str, Kind] = {
    "catalog": PATH,
    "out": PATH,
    **dict.fromkeys(("mix", "train", "clips", "windows", "baseline", "jamendo", "ensemble"), OBJECT),
    "train.metrics": list_of(TEXT),
    "baseline.metrics": list_of(TEXT),
    "ensemble.metrics": list_of(TEXT),
}
"""Of ``config.yaml``."""
