"""What is written about a tagged file: table, JSON, CSV, Audacity labels, timeline plot."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mixlab import __version__
from mixlab.inference.file_tags import FileTags
from mixlab.inference.scorer import Scorer
from mixlab.utils.csv import csv_text

__all__ = [
    "FORMATS",
    "ClassRow",
    "about_scorer",
    "audacity_labels",
    "class_rows",
    "format_table",
    "output_names",
    "tags_as_csv",
    "tags_as_json",
]

_SHOWN_SPANS = 3


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1), 60)
    return f"{int(minutes)}:{rest:04.1f}"


@dataclass(frozen=True)
class ClassRow:
    """One class of a tagged file.

    Attributes:
        name: The class.
        column: Its column in the scores.
        depth: How many ancestors it has among the classes.
        detected: Whether its score reaches its threshold somewhere; of single-label models, whether it is the
            highest somewhere.
        mean: Mean score over what sounds; None where nothing does.
        max: Highest score; None where nothing sounds.
        threshold: Its threshold; None for single-label models.
        seconds: How long it sounds.
        spans: Where: (start, end) in seconds.
    """

    name: str
    column: int
    depth: int
    detected: bool
    mean: float | None
    max: float | None
    threshold: float | None
    seconds: float
    spans: tuple[tuple[float, float], ...]

    @property
    def where(self) -> str:
        """The first spans in words, such as ``0:02.5-0:14.5  and 2 more``."""
        return _where(self.spans)


def _where(spans: tuple[tuple[float, float], ...]) -> str:
    text = "  ".join(f"{_clock(a)}-{_clock(b)}" for a, b in spans[:_SHOWN_SPANS])
    more = len(spans) - _SHOWN_SPANS
    return text + (f"  and {more} more" if more > 0 else "")


def class_rows(tags: FileTags) -> tuple[ClassRow, ...]:
    """Return all classes as the tree has them: families as the labels order them, each before its own."""
    spans, mean, highest = tags.spans(), tags.mean, tags.max
    rows: list[ClassRow] = []

    def add(parent: int | None, depth: int) -> None:
        for c, name in enumerate(tags.labels):
            if tags.parents[c] == parent:
                rows.append(
                    ClassRow(
                        name=name,
                        column=c,
                        depth=depth,
                        detected=bool(spans[name]),
                        mean=_finite(mean[c]),
                        max=_finite(highest[c]),
                        threshold=None if tags.single_label else float(tags.thresholds[c]),
                        seconds=sum(end - start for start, end in spans[name]),
                        spans=spans[name],
                    )
                )
                add(c, depth + 1)

    add(None, 0)
    return tuple(rows)


def format_table(tags: FileTags) -> str:
    """Return a file's tags as aligned text: class, mean, max, how long it sounds, and where."""
    head = f"{tags.path}   {_clock(tags.duration_s)} min"
    lines = [head + (f", shorter than the model's {tags.window_s:g} s: padded" if tags.padded else "")]
    lines += [f"  beware: {note}" for note in tags.notes]
    if not tags.sounding.any():
        given = "what the model is given" if tags.notes else "the whole file"
        return "\n".join([*lines, f"  nothing sounds: {given} is below {tags.gate_db:g} dBFS"])
    if tags.decision is not None:
        best = tags.mean[tags.labels.index(tags.decision)]
        lines.append(f"  decision: {tags.decision}, with the highest mean score ({best:.3f})")
    lines += _class_lines(tags)
    if not tags.tags:
        highest = tags.max
        c = int(np.argmax(highest - tags.thresholds))
        lines.append(
            f"  no class reaches its threshold; nearest is {tags.labels[c]}, {highest[c]:.3f} of "
            f"{tags.thresholds[c]:.3f}"
        )
    silent = sum(end - start for start, end in tags.silent_spans())
    if silent:
        lines.append(f"  silent (below {tags.gate_db:g} dBFS) for {silent:.1f} s")
    return "\n".join(lines)


def _class_lines(tags: FileTags) -> list[str]:
    """Return a line per class that is detected, below their heading."""
    if not tags.tags:
        return []
    spans, mean, highest = tags.spans(), tags.mean, tags.max
    width = max(5, *(len(name) for name in tags.tags))
    threshold = "" if tags.single_label else "  threshold"
    lines = [f"  {'class':<{width}}   mean    max{threshold}   sounds   where"]
    for name in tags.tags:
        c = tags.labels.index(name)
        seconds = sum(end - start for start, end in spans[name])
        at = "" if tags.single_label else f"      {tags.thresholds[c]:5.3f}"
        figures = f"{mean[c]:5.3f}  {highest[c]:5.3f}{at}  {seconds:5.1f} s"
        lines.append(f"  {name:<{width}}  {figures}   {_where(spans[name])}")
    return lines


def _finite(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def about_scorer(scorer: Scorer) -> dict[str, Any]:
    """Return what a JSON file says of what scored: entries for ``tags_as_json``.

    ``thresholds_from`` says where thresholds come from, as in reports of ``mixlab evaluate-on``; ``chosen``
    by --threshold, or ``highest`` where the highest score decides. ``scored_by`` names every file that the
    scores come from with its SHA-256: runs, weights, the classifier on their embeddings, and curves;
    ``mixlab`` the version. With these a result can be made again; with a
    label set of one's own, which is not among them, by keeping that, too.
    """
    return {
        scorer.kind: scorer.source,
        "note": scorer.note,
        "unsaid": list(scorer.unsaid),
        "thresholds_from": scorer.thresholds_from,
        "mixlab": __version__,
        "scored_by": [{k: v for k, v in asdict(by).items() if v} for by in scorer.scored_by],
    }


def tags_as_json(tags: FileTags, **extra: Any) -> str:  # noqa: ANN401 - entries of a JSON file
    """Return everything but the single moments as JSON text; null where nothing sounds.

    Args:
        tags: The file's tags.
        **extra: Further entries, such as those of ``about_scorer``.
    """
    spans, mean, highest, detected = tags.spans(), tags.mean, tags.max, set(tags.tags)
    data = {
        "schema": 1,
        "file": str(tags.path),
        "duration_s": round(tags.duration_s, 6),
        "window_s": tags.window_s,
        "hop_s": tags.hop_s,
        "gate_db": tags.gate_db,
        "padded": tags.padded,
        "notes": list(tags.notes),
        **extra,
        "tags": list(tags.tags),
        **({"decision": tags.decision} if tags.single_label else {}),
        "classes": [
            {
                "name": name,
                "detected": name in detected,
                "mean": _finite(mean[c]),
                "max": _finite(highest[c]),
                "threshold": _finite(tags.thresholds[c]),
                "spans": [[round(a, 3), round(b, 3)] for a, b in spans[name]],
            }
            for c, name in enumerate(tags.labels)
        ],
        "silent": [[round(a, 3), round(b, 3)] for a, b in tags.silent_spans()],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def tags_as_csv(tags: FileTags) -> str:
    """Return the scores as CSV: a row per moment, a column per class; cells of silent moments are empty."""
    rows = [["start_s", "end_s", "level_db", *tags.labels]]
    for k, sounding in enumerate(tags.sounding):
        scores = [f"{score:.4f}" if sounding else "" for score in tags.scores[k]]
        rows.append([f"{tags.start_s[k]:.3f}", f"{tags.end_s[k]:.3f}", f"{tags.level_db[k]:.1f}", *scores])
    return csv_text(rows)


def audacity_labels(tags: FileTags) -> str:
    """Return a label track for Audacity: start, end and class of every merged span, tab-separated."""
    rows = [(start, end, name) for name, spans in tags.spans().items() for start, end in spans]
    return "".join(f"{start:.6f}\t{end:.6f}\t{name}\n" for start, end, name in sorted(rows))


def _plot(tags: FileTags) -> bytes:
    """Return a PNG: scores over time and classes, outlined where a class sounds, grey where it is silent."""
    # Only here: what samples charts takes long to import, and is not installed everywhere.
    import pandas as pd

    from mixlab.evaluation.charts import figure, files, panel, timeline

    n_windows, n_classes = tags.scores.shape
    scores = np.where(tags.sounding[:, None], tags.scores, np.nan)
    ends = np.append(tags.start_s[1:], tags.duration_s)
    frames = pd.DataFrame(
        {
            "row": np.tile(np.array(tags.labels, dtype=object), n_windows),
            "start": np.repeat(tags.start_s, n_classes),
            "end": np.repeat(ends, n_classes),
            "score": scores.ravel().astype(float),
        }
    )
    found = [(name, *span) for name, spans in tags.spans().items() for span in spans]
    spans = pd.DataFrame(found, columns=["row", "start", "end"])
    chart = panel(timeline(frames, spans, tags.labels, tags.duration_s), width=900)
    framed = "the highest score" if tags.single_label else "at or above the class's threshold"
    return files(figure([chart], tags.path.name, note=f"black frames: {framed}"))["png"]


FORMATS: dict[str, tuple[str, Callable[..., str | bytes]]] = {
    "json": (".json", tags_as_json),
    "csv": (".csv", tags_as_csv),
    "audacity": (".labels.txt", audacity_labels),
    "plot": (".png", _plot),
}
"""Ending and content of each kind of file that can be written; only ``json`` takes further entries."""


def output_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Return a name without ending for the outputs of every file, different for all of them.

    The file's own name without its ending, where no other file has it; else its whole name; else with a
    number.
    """
    paths = list(dict.fromkeys(paths))
    stems = [path.stem.casefold() for path in paths]
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        base = path.stem if stems.count(path.stem.casefold()) == 1 else path.name
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names[path] = name
    return names
