"""OpenMIC-2018: ten-second clips with partial labels of 20 classes.

Source: Humphrey, Durand and McFee 2018, "OpenMIC-2018: an open data-set for multiple instrument
recognition" (ISMIR); CC BY 4.0.
Layout: ``openmic-2018.npz`` (``Y_true``, ``Y_mask``, ``sample_key``),
``partitions/split01_{train,test}.csv``, ``audio/NNN/<key>.ogg``; the folder itself or ``openmic-2018/`` below
it.

Labels are what several listeners said of a clip, between 0 and 1. As in its authors' baseline, a class is
present from 0.5 on, and only classes that listeners were asked about (``Y_mask``) count.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet, Part, join
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_set
from mixlab.utils.files import read_arrays
from mixlab.utils.yaml import load_json

__all__ = ["CORPUS", "PRESENT_FROM", "load_openmic", "read_openmic"]

PRESENT_FROM = 0.5

_NOTE = "labels are partial: only classes that listeners were asked about count for a clip"


class _Rows(NamedTuple):
    keys: list[str]
    paths: list[Path]
    values: NDArray[np.float64]
    mask: NDArray[np.bool_]
    source: str


def load_openmic(root: str | Path, part: Part = "test") -> ClipSet:
    """Read a part of OpenMIC-2018, through mirdata where its index is on this machine and fits the tree.

    Nothing is downloaded. Without mirdata or its index, or where files of the index are not there, the same
    layout is read directly; ``source`` of the result says which. Clips are grouped by artist where the
    metadata names them.

    Args:
        root: The folder ``openmic-2018``, or the one that holds it.
        part: Of the official split (``split01``), whose artists are disjoint.

    Raises:
        CorpusError: the tree is not laid out as expected.
    """
    root = Path(root)
    home = root / "openmic-2018" if (root / "openmic-2018").is_dir() else root
    if not home.is_dir():
        raise CorpusError(f"Expected OpenMIC-2018 at {root}, which is no folder.", code="root-not-found")
    wanted = _partition(home, part)
    labels = load_label_set("openmic20")
    rows = _through_mirdata(home, part, wanted, labels.names)
    if isinstance(rows, str):
        rows = _directly(home, wanted, labels.names, rows)
    audio = AudioFiles()
    paths = [audio.find(path) for path in rows.paths]
    there = [path is not None for path in paths]
    if not any(there):
        raise CorpusError(
            f"None of the {len(rows.paths)} {part} clips is below {home}/audio (such as {rows.paths[0]}).",
            code="audio-not-found",
        )
    kept = np.flatnonzero(there)
    artists = _artists(home)
    mask = rows.mask[kept]
    return ClipSet(
        corpus="openmic",
        task="instrument",
        classes=labels.names,
        clips=tuple(
            Clip(key, path, artists.get(key, key), part)
            for key, path in zip(rows.keys, paths, strict=True)
            if path is not None
        ),
        targets=((rows.values[kept] >= PRESENT_FROM) & mask).astype(np.float32),
        mask=mask,
        label_set=labels,
        source=rows.source,
        notes=(_NOTE,),
        missing=tuple(key for key, found in zip(rows.keys, there, strict=True) if not found),
    )


def read_openmic(root: Path, task: str) -> ClipSet:
    """Read both parts of OpenMIC-2018, as ``load_openmic``; a part of which nothing is there is left out.

    Raises:
        CorpusError: the tree is not laid out as expected, or no clip is there at all.
    """
    parts, errors = [], []
    for part in get_args(Part):
        try:
            parts.append(load_openmic(root, part))
        except CorpusError as error:
            if error.code != "audio-not-found":
                raise
            errors.append(error)
    if not parts:
        raise errors[0]
    whole = join(parts)
    return replace(whole, notes=(*whole.notes, *(str(error) for error in errors)))


def _partition(home: Path, part: str) -> list[str]:
    file = home / "partitions" / f"split01_{part}.csv"
    try:
        keys = file.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{file}: expected one sample key per line, but it cannot be read ({error}).",
            code="unreadable-file",
        ) from error
    if len(set(keys)) < len(keys):
        twice = next(key for number, key in enumerate(keys) if key in keys[:number])
        raise CorpusError(
            f"{file}: key {twice!r} is listed twice. Restore the file from its source.", code="repeated-entry"
        )
    if not keys:
        raise CorpusError(f"{file}: expected one sample key per line, found none.", code="empty-table")
    return keys


def _directly(home: Path, wanted: Sequence[str], classes: Sequence[str], why: str) -> _Rows:
    found = _arrays(home, classes)
    if isinstance(found, str):
        why, found = f"{why}; {found}", _table(home, classes)
    keys, values, mask = found
    place = {key: row for row, key in enumerate(keys)}
    lacking = [key for key in wanted if key not in place]
    if lacking:
        raise CorpusError(
            f"{home}: expected labels for every key of the partition, {lacking[0]!r} has none.",
            code="missing-labels",
        )
    rows = [place[key] for key in wanted]
    paths = [home / "audio" / key[:3] / f"{key}.ogg" for key in wanted]
    return _Rows(list(wanted), paths, values[rows], mask[rows], f"read by mixlab: {why}")


_Labels = tuple[list[str], NDArray[np.float64], NDArray[np.bool_]]


def _arrays(home: Path, classes: Sequence[str]) -> _Labels | str:
    """Return keys, values and mask of the npz; why not, where it cannot be read without running code in it.

    An array of Python objects (some NumPy releases wrote the keys so) is a pickle: the CSV says the same.
    """
    file = home / "openmic-2018.npz"
    try:
        order = load_json((home / "class-map.json").read_text(encoding="utf-8"))
        columns = [int(order[name]) for name in classes]
        arrays = read_arrays(file)
        values, mask = np.asarray(arrays["Y_true"], np.float64), np.asarray(arrays["Y_mask"], np.bool_)
        keys = _texts(arrays["sample_key"])
        if not (len(keys) == len(set(keys)) and values.shape == mask.shape == (len(keys), len(order))):
            raise ValueError(
                f"{len(keys)} keys, some of them alike, or arrays {values.shape} and {mask.shape}"
            )
    except FileNotFoundError as error:
        return f"labels of the CSV: there is no {Path(error.filename or file).name}"
    except (OSError, KeyError, ValueError) as error:
        return f"labels of the CSV: {file.name} cannot be used ({type(error).__name__}: {error})"
    return keys, values[:, columns], mask[:, columns]


def _texts(keys: NDArray[Any]) -> list[str]:
    """Return an array of keys as text; some copies hold them as bytes."""
    return [key.decode("utf-8") if isinstance(key, bytes) else str(key) for key in keys.tolist()]


def _table(home: Path, classes: Sequence[str]) -> _Labels:
    """Return the same from ``openmic-2018-aggregated-labels.csv``: a row is an observation."""
    file = home / "openmic-2018-aggregated-labels.csv"
    try:
        with file.open(newline="", encoding="utf-8-sig") as rows:
            observed = [
                (row["sample_key"], classes.index(row["instrument"]), float(row["relevance"]))
                for row in csv.DictReader(rows)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise CorpusError(
            f"Expected labels in {home}/openmic-2018.npz or {file.name}, but neither can be read ({error}).",
            code="unreadable-file",
        ) from error
    keys = list(dict.fromkeys(key for key, _, _ in observed))
    place = {key: row for row, key in enumerate(keys)}
    values = np.full((len(keys), len(classes)), PRESENT_FROM)
    mask = np.zeros(values.shape, np.bool_)
    for key, column, value in observed:
        row = place[key]
        if mask[row, column] and values[row, column] != value:
            raise CorpusError(
                f"{file}: clip {key!r} has two values for {classes[column]!r}, {values[row, column]:g} and "
                f"{value:g}. Restore the file from its source.",
                code="repeated-entry",
            )
        values[row, column], mask[row, column] = value, True
    return keys, values, mask


def _artists(home: Path) -> dict[str, str]:
    file = home / "openmic-2018-metadata.csv"
    if not file.is_file():
        return {}
    with file.open(newline="", encoding="utf-8") as rows:
        return {
            row["sample_key"]: f"artist {row['artist_id']}"
            for row in csv.DictReader(rows)
            if row.get("sample_key") and row.get("artist_id")
        }


def _through_mirdata(home: Path, part: str, wanted: Sequence[str], classes: Sequence[str]) -> _Rows | str:
    """Read through mirdata's loader; a text says why that cannot be."""
    try:
        mirdata: Any = import_module("mirdata")
    except ImportError:
        return "mirdata is not installed"
    try:
        with _quiet():
            dataset = mirdata.initialize("openmic2018", data_home=str(home))
            known = set(dataset.track_ids)
    except (FileNotFoundError, ValueError, KeyError):
        return "mirdata's index of OpenMIC-2018 is not on this machine"
    if not set(wanted) <= known:
        return "the tree holds clips that mirdata's index does not know"
    values = np.full((len(wanted), len(classes)), np.nan)
    paths = []
    try:
        with _quiet():
            for row, key in enumerate(wanted):
                track = dataset.track(key)
                paths.append(Path(track.audio_path))
                for name, value in track.instruments.items():
                    values[row, classes.index(name)] = value
    # What a loader raises on a tree that is not quite the published one, it does not say.
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        return f"mirdata's loader fails on this tree ({type(error).__name__}: {error})"
    mask = np.isfinite(values)
    return _Rows(
        list(wanted), paths, np.where(mask, values, PRESENT_FROM), mask, f"mirdata {version('mirdata')}"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings of mirdata's own dependencies out of the output."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_labels(file: MetadataFile) -> Labels | None:
    """Return the classes of a table of labels, or of the class map."""
    if file.has_columns("sample_key", "instrument"):
        return Labels.of("OpenMIC labels", file.cells({"instrument": ""}))
    if file.mapping and file.path.name == "class-map.json":
        return Labels.of("OpenMIC class map", file.mapping)
    return None


CORPUS = ClipCorpus("openmic", ("instrument",), read_openmic, "openmic2018", read_labels, load_openmic)
