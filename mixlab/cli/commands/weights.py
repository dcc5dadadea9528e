"""``mixlab weights``: which published checkpoints are known, and fetch one."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from tqdm import tqdm

from mixlab.errors import WeightsError
from mixlab.models.config import ModelConfig
from mixlab.models.pretrained import CHECKPOINTS, Checkpoint, copy_of, fetch, get_checkpoint, weights_folder
from mixlab.utils.hashing import file_digest
from mixlab.utils.tables import align

if TYPE_CHECKING:
    from mixlab.models import TaggingModel

__all__ = ["weights"]


def weights(
    action: Literal["list", "show", "get"] = "list",
    name: str = "",
    to: Path | None = None,
    url: str = "",
    as_json: bool = False,
) -> int:
    """List the published checkpoints that models can start from, show one, or fetch one.

    'mixlab weights' lists, 'mixlab weights show NAME' tells all about one, 'mixlab weights get NAME'
    fetches it and checks its checksum. Nothing else in mixlab ever downloads weights. A fetched one is
    used by its name (--train.pretrained NAME), your own copy by its path.

    Args:
        action: 'list', 'show' or 'get'; may be given as a bare word.
        name: Which checkpoint; may be given as the second bare word.
        to: With get, the file or folder to write to; by default the cache folder, where names are found
            (the environment variable MIXLAB_WEIGHTS, else ~/.cache/mixlab/weights).
        as_json: With list and show, give everything that is known as JSON, for programs.
        url: With get, a mirror to take the file from; its checksum must be the same.

    Returns:
        0.

    Raises:
        WeightsError: no such checkpoint, or it could not be fetched.
    """
    if action == "list":
        if name or to is not None or url:
            raise WeightsError(
                "'mixlab weights list' takes no NAME, --to or --url; did you mean get or show?",
                code="conflicting-settings",
            )
        print(_as_json(list(CHECKPOINTS.values())) if as_json else "\n".join(_list_lines()))
        return 0
    if not name:
        raise WeightsError(
            f"'mixlab weights {action}' needs a NAME; 'mixlab weights' lists them.", code="missing-setting"
        )
    entry = get_checkpoint(name)
    if action == "show":
        if to is not None or url:
            raise WeightsError(
                "--to and --url go with 'mixlab weights get NAME'.", code="conflicting-settings"
            )
        print(_as_json([entry]) if as_json else "\n".join(_show_lines(entry)))
        return 0
    if as_json:
        raise WeightsError(
            "--as_json goes with 'mixlab weights list' and 'mixlab weights show NAME'.",
            code="conflicting-settings",
        )
    with tqdm(total=entry.size, desc=name, unit="B", unit_scale=True, disable=None) as bar:
        file = fetch(name, to, url=url, progress=bar.update)
    print(f"{name} is at {file}; its checksum is right.")
    print(f"licences  code: {entry.licence_code}; data: {entry.trained_on}")
    start = name if file == copy_of(entry) else str(file)
    print(f"Next:     mixlab train --train.transfer finetune --train.pretrained {start} {_settings(entry)}")
    return 0


def _as_json(entries: Sequence[Checkpoint]) -> str:
    return json.dumps([{**entry.facts(), "copy": _state(entry)} for entry in entries], indent=2)


def _settings(entry: Checkpoint) -> str:
    model, usual = entry.model, ModelConfig()
    own = {
        name: getattr(model, name)
        for name in ("n_mels", "hop", "width", "level")
        if getattr(model, name) != getattr(usual, name)
    }
    own |= {f"parameters.{name}": value for name, value in model.parameters.items()}
    words = [f"--train.model.architecture {model.architecture}"]
    words += [f"--train.model.{name} {value}" for name, value in own.items()]
    words += ["--train.pretrained_stream 0"] if entry.streams else []
    return " ".join(words)


def _state(entry: Checkpoint) -> str:
    if not entry.sha256:
        return "by path only"
    file = copy_of(entry)
    if not file.is_file():
        return "not installed" if entry.package else "not fetched"
    return "here" if file_digest(file) == entry.sha256 else "here, but another file"


def _list_lines() -> list[str]:
    rows = [("name", "architecture", "rate", "excerpt", "trained on", "scores", "size", "copy")]
    for entry in CHECKPOINTS.values():
        size = f"{entry.size / 1e6:.1f} MB" if entry.size else "-"
        data, scores = entry.trained_on.partition(":")[0], entry.published.rpartition(": ")[2] or "-"
        rows.append((entry.name, entry.model.architecture, *_input(entry), data, scores, size, _state(entry)))
    return [
        *align(rows),
        "",
        "Scores are the authors' own, on the test part of the data they were trained on: ROC-AUC / PR-AUC of",
        "tags, or accuracy at the first guess / within five of pictures. Licences of code, files and data,",
        "checksum, source, tags: mixlab weights show NAME, or mixlab weights list --as-json",
        f"Copies lie in {weights_folder()}; fetch one: mixlab weights get NAME",
    ]


def _input(entry: Checkpoint) -> tuple[str, str]:
    """Return the rate of the audio it was trained on, and how much of it; of pictures, their size."""
    rate, side = entry.model.sample_rate, entry.picture_size
    return (
        ("pictures", f"{side} x {side}") if side else (f"{rate} Hz", f"{entry.native_samples / rate:.2f} s")
    )


def _show_lines(entry: Checkpoint) -> list[str]:
    from mixlab.models.registry import network_class, resolve

    model = resolve(entry.model)
    network = cast("type[TaggingModel]", network_class(model.architecture))
    of_what, size = _input(entry)
    trained_on = f"{of_what} of {size}" if entry.picture_size else f"{of_what} mono, trained on {size}"
    sizes = "" if entry.picture_size else f", {model.n_mels} mels, width {model.width}"
    tags = "classes" if entry.picture_size else f"tags, in this order: {', '.join(entry.tags)}"
    facts = [
        ("name", entry.name),
        ("network", f"{model.architecture}{sizes}: {network.card.title}"),
        ("input", trained_on),
        ("outputs", f"{entry.n_classes} {tags}"),
        ("label set", entry.label_set),
        ("streams", ", ".join(f"{i} {stream}" for i, stream in enumerate(entry.streams))),
        ("data", entry.trained_on),
        ("scores", entry.published or "none published"),
        ("code", entry.licence_code),
        ("weights", entry.licence_weights),
        ("project", entry.project),
        ("file", entry.url or (f"in the package {entry.package}" if entry.package else "-")),
        ("sha256", entry.sha256 or "not known"),
        ("copy", f"{_state(entry)} ({copy_of(entry)})"),
        ("note", entry.note),
        ("use", f"--train.pretrained {entry.name if entry.sha256 else 'PATH'} {_settings(entry)}"),
    ]
    width = max(len(name) for name, _ in facts) + 2
    return [
        line
        for name, text in facts
        if text
        for line in textwrap.wrap(
            text,
            100,
            initial_indent=name.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
