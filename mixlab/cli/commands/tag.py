"""``mixlab tag``: say which instruments sound in audio files, and where."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mixlab.audio.file_kinds import is_litter, is_read, why_not_read
from mixlab.cli.commands.options import choose_scorer
from mixlab.errors import AudioError, ConfigError
from mixlab.utils.files import check_writable, make_folder, write_atomic

if TYPE_CHECKING:
    from mixlab.inference.file_tags import FileTags
    from mixlab.inference.scorer import Scorer
    from mixlab.inference.tagger import Tagger

__all__ = ["tag"]


def tag(
    files: list[str],
    run: Path | None = None,
    weights: str = "",
    also: list[str] | None = None,
    label_set: str = "mixtures15",
    threshold: float | None = None,
    hop: float = 1.0,
    out: Path | None = None,
    format: str | None = None,
    gate_db: float = -60.0,
    batch_size: int = 16,
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> int:
    """Say which instruments sound in audio files of any length, and where.

    The model scores overlapping windows as long as its training excerpts. 'mean' and 'max' are over the
    windows that sound; a class sounds where its score reaches its threshold: that of a run was fitted on its
    validation mixes or clips, that of the model that comes with mixlab when it was made. Of a single-label
    run the class with the highest score is detected, without thresholds, and the highest mean score decides
    on the whole file. Files shorter than a window are padded with silence. Moments below the gate are silent:
    there nothing sounds, whatever the model says of silence. A file that cannot be read stops no other.

    Without --run and --weights the model scores that comes with mixlab. --also NAME has published weights
    score beside it, which is the better choice where you may fetch them ('mixlab weights get mtat_musicnn'):
    the mean of their calibrated scores counts. Of a model whose curves mixlab does not have, such as a run,
    log odds count from those of the thresholds, and the mean of these. Of both, 0.5 is the threshold.

    With --weights in place of --run, published weights are used as they are: a class of the label set scores
    what the surest tag at or below it in the instrument tree does, and classes that no tag speaks of are
    named and get no score. No thresholds are fitted for them: 0.2 decides, or your --threshold.

    Args:
        files: Audio files that libsndfile reads, and folders of them.
        run: Folder of the run that scores them, made by 'mixlab train', 'train-clips', 'pretrain',
            'baseline', 'baseline-clips' or 'ensemble'.
        weights: Published weights that score them, in place of a run: a name that 'mixlab weights' lists, or
            a file of one of these.
        also: Published weights, or the folder of a run, that score beside the model, so that the mean counts;
            may be given several times: --also A --also B.
        label_set: With --weights, the classes: a shipped label set or a YAML file.
        threshold: The score from which on every class counts as detected, in place of the fitted ones.
        hop: Seconds from one window to the next.
        out: Folder for the files that are written.
        format: What to give, separated by commas: table, json, csv, audacity, plot. By default the table,
            and with --out also json, csv and audacity.
        gate_db: Level in dBFS below which a moment is silent.
        batch_size: Windows that the model takes at a time.
        device: Where the model computes; auto takes a GPU where there is one.

    Returns:
        Exit code: 0 when all files were tagged, 1 when some could not be read.
    """
    from mixlab.inference.output import FORMATS, format_table, output_names
    from mixlab.inference.tagger import Tagger

    wanted = _wanted(format, out, tuple(FORMATS))
    if out is not None:
        check_writable(out)
    paths, unread = _expand(files)
    tagger = Tagger(_at_threshold(choose_scorer(run, weights, label_set, device, also), threshold))
    _introduce(tagger, default=run is None and not weights and not also)
    names, problems, written = output_names(paths), [f"  {text}" for text in unread], 0
    total = len(paths) + len(unread)
    tag_one = partial(tagger.tag, hop_s=hop, gate_db=gate_db, batch_size=batch_size)
    with _bar(paths) as bar:
        for path in paths:
            try:
                tags = tag_one(path, progress=bar.update)
            except AudioError as error:
                problems.append(f"  {error}")
                continue
            if "table" in wanted:
                bar.write(format_table(tags) + "\n")
            if out is not None:
                written += _write(
                    tags, tagger, out, names[path], [kind for kind in wanted if kind in FORMATS]
                )
    if out is not None and written:
        print(f"{written} files for {total - len(problems)} of {total} inputs written to {out}")
    if problems:
        print(f"\n{len(problems)} of {total} files could not be tagged:\n" + "\n".join(problems))
    return 1 if problems else 0


def _wanted(text: str | None, out: Path | None, kinds: Sequence[str]) -> list[str]:
    """Return the formats that were asked for."""
    if text is None:
        return ["table"] if out is None else ["table", "json", "csv", "audacity"]
    wanted = [kind.strip() for kind in text.split(",") if kind.strip()]
    unknown = [kind for kind in wanted if kind not in ("table", *kinds)]
    if unknown or not wanted:
        raise ConfigError(
            f"--format takes some of table, {', '.join(kinds)}, separated by commas; found {text!r}.",
            code="malformed-option",
        )
    if out is None and wanted != ["table"]:
        raise ConfigError(
            f"--format {text} writes files: say where with --out FOLDER.", code="missing-setting"
        )
    return wanted


def _expand(files: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the files, and in place of a folder the audio files in it; and what in folders is not read."""
    paths: list[Path] = []
    unread: list[str] = []
    for name in files:
        if Path(name).is_dir():
            found, problems = _audio_below(Path(name))
            if not found:
                raise ConfigError(
                    " ".join([f"{name} is a folder without audio files that are read.", *problems[:3]]),
                    code="audio-not-found",
                )
            paths += found
            unread += problems
        else:
            paths.append(Path(name))
    return list(dict.fromkeys(paths)), list(dict.fromkeys(unread))


def _audio_below(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the audio files of a folder and its sub-folders, and what there is not read, with the reason."""
    found: list[Path] = []
    problems: list[str] = []
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for path in (Path(place, name) for name in names if not is_litter(name)):
            if is_read(path.name):
                found.append(path)
            elif reason := why_not_read(path.name):
                problems.append(f"{path}: {reason}.")
        links = (Path(place, name) for name in folders)
        problems += [f"{path}: a link to a folder, not followed." for path in links if path.is_symlink()]
    problems += [f"{error.filename}: cannot be listed ({error.strerror})." for error in closed]
    return sorted(found), sorted(problems)


def _at_threshold(scorer: "Scorer", threshold: float | None) -> "Scorer":
    """Return the scorer with one threshold for all classes, where one is given."""
    if threshold is None:
        return scorer
    if scorer.single_label or not 0 <= threshold <= 1:
        raise ConfigError(
            f"--threshold lies between 0 and 1 and goes with runs that have thresholds; found {threshold:g}"
            + (" for a run that decides by the highest score." if scorer.single_label else "."),
            code="conflicting-settings" if scorer.single_label else "invalid-setting",
        )
    return replace(scorer, thresholds=np.full(len(scorer.labels), threshold), thresholds_from="chosen")


def _introduce(tagger: "Tagger", *, default: bool = False) -> None:
    from mixlab.inference.scorer import said_of_thresholds

    scorer = tagger.scorer
    if default:
        from mixlab.models.shipped_model import shipped_card

        print(
            f"{scorer.source} comes with mixlab, card: {shipped_card()}; better, where you may fetch it: "
            "--also mtat_musicnn"
        )
    print(f"model of {scorer.source}: {len(scorer.labels)} classes, windows of {scorer.window_s:g} s\n")
    if scorer.note:
        print(f"({scorer.note})\n")
    if scorer.unsaid:
        print(f"It says nothing of {', '.join(scorer.unsaid)}.\n")
    if not scorer.fitted and scorer.thresholds_from in ("", "none"):
        at = f"{scorer.thresholds[0]:g}"
        why = (
            f"Was the run scored? mixlab evaluate {scorer.source}"
            if scorer.kind == "run"
            else "Another is chosen by --threshold."
        )
        print(f"No thresholds are fitted, so all are {at}. {why}\n")
    elif scorer.thresholds_from not in ("", "chosen", "highest"):
        print(f"Decided at thresholds {said_of_thresholds(scorer.thresholds_from)}.\n")


def _bar(paths: Sequence[Path]) -> Any:  # noqa: ANN401 - tqdm's own type has parameters that say nothing here
    from tqdm import tqdm

    from mixlab.audio.io import probe

    total = 0.0
    for path in paths:
        try:
            info = probe(path)
        except AudioError:
            # Reported in its turn.
            continue
        total += info.frames / info.sample_rate
    layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    return tqdm(total=total, desc="tagging", bar_format=layout, disable=not sys.stderr.isatty())


def _write(tags: "FileTags", tagger: "Tagger", out: Path, name: str, kinds: Sequence[str]) -> int:
    """Write what was asked for; return how many files."""
    from mixlab.inference.output import FORMATS, about_scorer

    make_folder(out)
    for kind in kinds:
        ending, content = FORMATS[kind]
        extra = about_scorer(tagger.scorer) if kind == "json" else {}
        data = content(tags, **extra)
        write_atomic(out / f"{name}{ending}", data, sync=False)
    return len(kinds)
