"""Make demo trees of labelled clips: what is left to do, in parallel."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixlab.errors import ConfigError
from mixlab.synthesis.clip_trees.base import ClipTree, TreeOptions
from mixlab.synthesis.synth import default_soundfont, require_synthesizer
from mixlab.synthesis.tasks import Task, hold_demo, remove, remove_partial, run_tasks
from mixlab.utils.discovery import offered
from mixlab.utils.files import told_as_output_error, write_atomic
from mixlab.utils.hashing import file_digest
from mixlab.utils.parallel import Engine

__all__ = ["MadeTree", "clip_trees", "make_clip_trees"]

_LAYOUT_VERSION = 2


@dataclass(frozen=True)
class MadeTree:
    """A demo tree that is there.

    Attributes:
        name: The corpus.
        root: Its folder.
        about: What it can show and what it cannot.
        made: Files rendered in this call.
        kept: Files found finished.
    """

    name: str
    root: Path
    about: str
    made: int
    kept: int


def clip_trees() -> Mapping[str, ClipTree]:
    """Return every demo tree of labelled clips by the name of its corpus."""
    return offered("mixlab.synthesis.clip_trees", "TREE")


def make_clip_trees(
    out: Path,
    names: Sequence[str],
    options: TreeOptions | None = None,
    *,
    workers: int | None = None,
    engine: Engine = "local",
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[MadeTree]:
    """Render demo trees below ``out``, each in a folder of its own.

    The same options and library versions give the same bytes. A call that was interrupted is finished by the
    next one with the same options.

    Args:
        out: Folder to write; it may hold other things.
        names: Which corpora; ``all`` makes every tree there is.
        options: How large, and how they sound.
        workers: Processes; by default one per processor, or as many as the cluster has.
        engine: ``local``, or ``ray`` for a running ray cluster, whose machines must share ``out``.
        force: Replace trees that were made with other options.
        progress: Called with (done, total) whenever a file of a tree is finished.

    Raises:
        ConfigError: there is no such tree, its folder holds something else, or another process makes some.
        MissingDependencyError: midirenderer or pretty_midi is not installed.
        MixlabError: some files could not be rendered.
        OutputError: there is no space left for more; what was made is kept.
    """
    options = options or TreeOptions()
    chosen = _chosen(names)
    if any(tree.played for tree in chosen):
        require_synthesizer()
        options = replace(options, soundfont=options.soundfont or default_soundfont())
    with hold_demo(out), told_as_output_error(out):
        for tree in chosen:
            _claim(out, tree, options, force)
        return [_make(out, tree, options, workers, engine, progress) for tree in chosen]


def _chosen(names: Sequence[str]) -> list[ClipTree]:
    known = clip_trees()
    if unknown := [name for name in names if name not in (*known, "all")]:
        raise ConfigError(
            f"There is no demo tree {unknown[0]!r}; there are {', '.join(known)}, and all.",
            code="invalid-setting",
        )
    if not names:
        raise ConfigError(f"Which demo trees? There are {', '.join(known)}.", code="empty-selection")
    return [tree for name, tree in known.items() if name in names or "all" in names]


def _record(out: Path, tree: ClipTree) -> Path:
    return out / f"demo-{tree.name}.json"


def _settings(tree: ClipTree, options: TreeOptions) -> dict[str, Any]:
    font = options.soundfont if tree.played else None
    return {
        "layout_version": _LAYOUT_VERSION,
        "recordings": options.recordings,
        "seed": options.seed,
        "track_s": options.track_s,
        "soundfont": {"file": font.name, "sha256": file_digest(font)} if font else None,
    }


def _claim(out: Path, tree: ClipTree, options: TreeOptions, force: bool) -> None:
    """Make sure that the tree's folder is ours to write, and record its settings before the first file."""
    root, record, settings = out / tree.folder, _record(out, tree), _settings(tree, options)
    if not record.is_file():
        if root.exists():
            raise ConfigError(
                f"{root} is there already and is no demo tree of this command (no {record.name} beside it). "
                "Choose another folder.",
                code="folder-not-empty",
            )
    elif (found := _read(record)) != settings:
        if not force:
            differ = [key for key in settings if found.get(key) != settings[key]]
            raise ConfigError(
                f"{root} was made with other settings ({', '.join(differ)}). Choose another folder, or "
                "replace it with --force.",
                code="settings-changed",
            )
        remove(root)
    write_atomic(record, json.dumps({"settings": settings, "complete": False}) + "\n", sync=False)
    remove_partial(root)


def _read(record: Path) -> dict[str, Any]:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return dict(content["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _make(
    out: Path,
    tree: ClipTree,
    options: TreeOptions,
    workers: int | None,
    engine: Engine,
    progress: Callable[[int, int], None] | None,
) -> MadeTree:
    root = out / tree.folder
    tasks = [Task(root / item.target, item.write) for item in tree.plan(options)]
    left = [task for task in tasks if not task.target.exists()]
    needs = [out, *([options.soundfont] if tree.played and options.soundfont else [])]
    run_tasks(left, len(tasks), workers, progress, engine=engine, needs=needs)
    tree.finish(root, options)
    content = {"settings": _settings(tree, options), "complete": True, "about": tree.about}
    write_atomic(_record(out, tree), json.dumps(content, indent=1) + "\n", sync=False)
    return MadeTree(tree.name, root, tree.about, len(left), len(tasks) - len(left))
