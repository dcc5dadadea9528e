"""IRMAS: predominant instruments, one per training excerpt, one or more per test recording.

Source: Bosch et al. 2012, "A comparison of sound segregation techniques for predominant instrument
recognition in musical audio signals" (ISMIR); CC BY-NC-SA 3.0.
Layout: ``IRMAS-TrainingData/<code>/*.wav`` (6705 excerpts of 3 s) and
``IRMAS-TestingData-Part{1,2,3}/.../<name>.wav`` with ``<name>.txt`` (2874 recordings of 5 to 20 s).

Traps, and what is done:

* ``[cla]`` in a file name is both the clarinet and the genre classical: the class is the folder's name.
* mirdata's index has one key for several files (6660 of the 6705 excerpts can be told apart): the folders
  are walked here instead.
* Lines of the text files end with a tab.
* Copies in other formats are taken; ``._NAME.wav`` and ``._NAME.txt``, which macOS writes, are not.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from mixlab.audio.file_kinds import is_litter
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet, Part
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_set

__all__ = ["CORPUS", "load_irmas"]

_EXCERPT = re.compile(r"(\d+)__\d+$")
_TAKE = re.compile(r"-\d+$")
_PATH = re.compile(r"IRMAS-TrainingData[/\\](?P<code>[a-z]{3})(?:[/\\].*)?")
_BRACKETS = re.compile(r"\[([a-z_]+)\]")
_NOTE = (
    "IRMAS names predominant instruments only: one that accompanies counts as absent there, so precision is "
    "a lower bound"
)


def load_irmas(root: str | Path, part: Part = "test") -> ClipSet:
    """Read a part of IRMAS from its folders.

    Training excerpts are grouped by the recording that their file name numbers, test recordings by title.

    Args:
        root: The folder that holds ``IRMAS-TrainingData`` or the ``IRMAS-TestingData-Part`` folders.
        part: ``train``: one class per excerpt, from its folder; ``test``: from the text files.

    Raises:
        CorpusError: the folders are not there, or a label is none of the eleven codes.
    """
    root = Path(root)
    rows, missing = _training(root) if part == "train" else _testing(root)
    labels = load_label_set("irmas11")
    targets = np.zeros((len(rows), len(labels)), np.float32)
    for row, (_, codes, where) in enumerate(rows):
        for code in codes:
            if code not in labels.names:
                raise CorpusError(
                    f"{where}: expected a code of {', '.join(labels.names)}, found {code!r}.",
                    code="unknown-label",
                )
            targets[row, labels.names.index(code)] = 1.0
    return ClipSet(
        benchmark="irmas",
        part=part,
        labels=labels,
        clips=tuple(clip for clip, _, _ in rows),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        source="read by mixlab: mirdata's index holds 6660 of the 6705 training excerpts",
        notes=(_NOTE,),
        missing=tuple(missing),
    )


_Row = tuple[Clip, tuple[str, ...], str]


def _training(root: Path) -> tuple[list[_Row], list[str]]:
    base = root / "IRMAS-TrainingData"
    audio = AudioFiles()
    rows: list[_Row] = []
    for folder in sorted(base.glob("*")):
        if is_litter(folder.name) or not folder.is_dir():
            continue
        for name in audio.names(folder):
            file = audio.find(folder / f"{name}.wav")
            assert file is not None
            found = _EXCERPT.search(name)
            recording = found.group(1) if found else name
            clip = Clip(f"{folder.name}/{name}", file, f"{folder.name}/{recording}")
            rows.append((clip, (folder.name,), str(file)))
    if not rows:
        raise CorpusError(
            f"Expected {base}/<code>/*.wav, found none. Is {root} the folder of IRMAS?",
            code="layout-not-found",
        )
    return rows, []


def _testing(root: Path) -> tuple[list[_Row], list[str]]:
    rows: list[_Row] = []
    missing = []
    audio = AudioFiles()
    texts = [path for path in sorted(root.glob("IRMAS-TestingData-Part*/**/*")) if _is_text(path, root)]
    for text in texts:
        codes = tuple(filter(None, (line.strip() for line in _read(text).splitlines())))
        if not codes or text.stem.lower().startswith("readme"):
            # A readme among the parts, or an empty annotation: nothing to score.
            continue
        file = audio.find(text.with_suffix(".wav"))
        if file is None:
            missing.append(text.stem)
            continue
        rows.append((Clip(text.stem, file, _TAKE.sub("", text.stem)), codes, str(text)))
    if not rows:
        raise CorpusError(
            f"Expected {root}/IRMAS-TestingData-Part{{1,2,3}}/.../NAME.wav with NAME.txt, found "
            f"{len(texts)} texts and no recording that belongs to one. Is {root} the folder of IRMAS?",
            code="layout-not-found",
        )
    return rows, missing


def _is_text(path: Path, root: Path) -> bool:
    """Return whether a file annotates a recording by its name; what systems leave behind does not."""
    litter = any(is_litter(part) for part in path.relative_to(root).parts)
    return path.suffix.lower() == ".txt" and not litter and path.is_file()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{path}: expected codes as text, but it cannot be read ({error}).", code="unreadable-file"
        ) from error


def read_labels(file: MetadataFile) -> Labels | None:
    """Return the codes in an annotation, a list of files or classes, or in the folder of an excerpt."""
    codes = load_label_set("irmas11").names
    if file.is_audio:
        return Labels.of("IRMAS excerpt", [file.path.parent.name]) if file.path.parent.name in codes else None
    if file.has_columns("code", "name"):
        return Labels.of("IRMAS classes", file.cells({"code": ""}))
    if file.lines and all(line in codes for line in file.lines):
        return Labels.of("IRMAS annotation", file.lines)
    paths = [match for line in file.lines if (match := _PATH.search(line))]
    if paths:
        return Labels.of("IRMAS file list", (label for match in paths for label in _path_labels(match)))
    return None


def _path_labels(match: re.Match[str]) -> Iterator[str]:
    """Yield the class, which is the folder, and the drum bracket of a training file's path."""
    yield match["code"]
    # "[cla]" is clarinet or classical: only the drum bracket is unambiguous in a file name.
    brackets = _BRACKETS.findall(PurePosixPath(match[0].replace("\\", "/")).name)
    yield from (label for label in brackets if label in ("dru", "nod"))


CORPUS = ClipCorpus("irmas", "irmas", load_irmas, read_labels)
