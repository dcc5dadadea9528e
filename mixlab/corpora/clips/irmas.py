"""IRMAS: predominant instruments, one per training excerpt, one or more per test recording.

Source: Bosch et al. 2012, "A comparison of sound segregation techniques for predominant instrument
recognition in musical audio signals" (ISMIR); CC BY-NC-SA 3.0.
Layout: ``IRMAS-TrainingData/<code>/*.wav`` (6705 excerpts of 3 s) and
``IRMAS-TestingData-Part{1,2,3}/.../<name>.wav`` with ``<name>.txt`` (2874 recordings of 5 to 20 s).

Traps, and what is done:

* ``[cla]`` in a file name is both the clarinet and the genre classical: the class is the folder's name.
* mirdata's index has one key for several files (6660 of the 6705 excerpts can be told apart): the folders
  are walked here instead.
* The published numbers of recordings repeat for 45 excerpts: the same number is one group in every folder.
* Lines of the text files end with a tab.
* Copies in other formats are taken; ``._NAME.wav`` and ``._NAME.txt``, which macOS writes, are not.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from mixlab.audio.file_kinds import is_litter
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet, Part
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_set

__all__ = ["CORPUS", "load_irmas", "read_irmas"]

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
    if not rows:
        raise _not_found(root, part)
    return _clip_set(rows, missing)


def read_irmas(root: Path, task: str) -> ClipSet:
    """Read all of IRMAS that is there: one class per training excerpt, several per test recording.

    Raises:
        CorpusError: neither part is there, or a label is none of the eleven codes.
    """
    training, testing = _training(root), _testing(root)
    if not training[0] and not testing[0]:
        raise _not_found(root, "train")
    return _clip_set([*training[0], *testing[0]], [*training[1], *testing[1]])


_Row = tuple[Clip, tuple[str, ...], str]


def _clip_set(rows: Sequence[_Row], missing: Sequence[str]) -> ClipSet:
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
        corpus="irmas",
        task="instrument",
        classes=labels.names,
        clips=tuple(clip for clip, _, _ in rows),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        label_set=labels,
        source="read by mixlab: mirdata's index holds 6660 of the 6705 training excerpts",
        notes=(_NOTE,),
        missing=tuple(missing),
    )


def _not_found(root: Path, part: Part) -> CorpusError:
    if part == "train":
        return CorpusError(
            f"Expected {root}/IRMAS-TrainingData/<code>/*.wav, found none. Is {root} the folder of IRMAS?",
            code="layout-not-found",
        )
    return CorpusError(
        f"Expected {root}/IRMAS-TestingData-Part{{1,2,3}}/.../NAME.wav with NAME.txt, found no recording "
        f"that belongs to a text. Is {root} the folder of IRMAS?",
        code="layout-not-found",
    )


def _training(root: Path) -> tuple[list[_Row], list[str]]:
    base = root / "IRMAS-TrainingData"
    audio = AudioFiles()
    rows: list[_Row] = []
    recordings: dict[str, str] = {}
    for folder in sorted(base.glob("*")):
        if is_litter(folder.name) or not folder.is_dir():
            continue
        for name in audio.names(folder):
            file = audio.find(folder / f"{name}.wav")
            assert file is not None
            found = _EXCERPT.search(name)
            recording = found.group(1) if found else name
            group = recordings.setdefault(recording, f"{folder.name}/{recording}")
            rows.append((Clip(f"{folder.name}/{name}", file, group, "train"), (folder.name,), str(file)))
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
        rows.append((Clip(text.stem, file, _TAKE.sub("", text.stem), "test"), codes, str(text)))
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


CORPUS = ClipCorpus("irmas", ("instrument",), read_irmas, "irmas", read_labels, load_irmas)
