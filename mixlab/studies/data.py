"""What a study trains on: a catalog of stems, labelled clips by task, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mixlab.catalog.catalog import Catalog
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError, MixlabError
from mixlab.studies.plan import Plan, Trial
from mixlab.studies.state import StudyCatalog, StudyTask
from mixlab.training.config import from_plain
from mixlab.utils.hashing import digest
from mixlab.utils.plain import plain

if TYPE_CHECKING:
    from mixlab.corpora.clips.base import ClipSet

__all__ = ["StudyData", "move_roots"]


class StudyData:
    """The catalog and the clips of a study, each set of clips read once.

    Args:
        catalog: What is mixed from; None where a study has no mixes.
    """

    def __init__(self, catalog: Catalog | None = None) -> None:
        self._catalog = catalog
        self._clips: dict[str, ClipSet] = {}

    @property
    def catalog(self) -> Catalog:
        """The catalog.

        Raises:
            ConfigError: there is none.
        """
        if self._catalog is None:
            raise ConfigError(
                "This study has conditions on mixes, so it needs a catalog: give --catalog FOLDER.",
                code="missing-setting",
            )
        return self._catalog

    def clips(self, config: ClipsConfig) -> "ClipSet":
        """Return the clips of a configuration, with their splits.

        Raises:
            CorpusError: the tree is not there, or not laid out as expected.
            ConfigError: there is no such corpus, task or class.
        """
        from mixlab.corpora.clips import open_clips

        key = digest(plain(config))
        if key not in self._clips:
            self._clips[key] = open_clips(config)
        return self._clips[key]

    def clips_of(self, trial: Trial) -> "ClipSet":
        """Return the clips of a trial."""
        return self.clips(from_plain(ClipsConfig, dict(trial.sections["clips"])))

    def prepare(self, plan: Plan, trials: Sequence[Trial]) -> tuple[Trial, ...]:
        """Read all clips, and see that what stands in one table has the same classes.

        Returns:
            The trials with the size of their epochs.

        Raises:
            ConfigError: clips cannot be read, or conditions of one task have different classes.
        """
        if plan.on_mixes:
            _ = self.catalog
        faults, classes, counted = dict[str, MixlabError](), dict[str, tuple[str, ...]](), list[Trial]()
        for trial in trials:
            if not trial.task:
                counted.append(trial)
                continue
            try:
                found = self.clips_of(trial)
            except MixlabError as error:
                faults.setdefault(trial.task, error)
                continue
            if (known := classes.setdefault(trial.task, found.classes)) != found.classes:
                raise ConfigError(
                    f"The conditions of the task {trial.task!r} have different classes and cannot stand in "
                    f"one table: {', '.join(known)}; and in {trial.condition!r} {', '.join(found.classes)}. "
                    "Give each set of classes a task of its own.",
                    code="invalid-study",
                )
            counted.append(replace(trial, items=sum(clip.split == "train" for clip in found.clips)))
        if faults:
            raise ConfigError(
                "Nothing was started, as clips cannot be read. "
                + " ".join(f"Task {task!r}: {error}" for task, error in faults.items()),
                code=next(iter(faults.values())).code,
            )
        return tuple(counted)

    def entry(self, plan: Plan) -> StudyCatalog:
        """Return what ``study.json`` says of the data: the catalog, and a hash of each task's clips."""
        used = {condition.task for condition in plan.trained}
        tasks = tuple(self._task(name, config) for name, config in plan.tasks.items() if name in used)
        if self._catalog is not None and plan.on_mixes:
            return StudyCatalog(self._catalog.place, self._catalog.content_hash, tasks)
        roots = ", ".join(dict.fromkeys(task.root for task in tasks))
        return StudyCatalog(roots, digest([task.content_hash for task in tasks]), tasks)

    def _task(self, name: str, config: ClipsConfig) -> StudyTask:
        found = self.clips(config)
        root = str(Path(config.root).absolute())
        return StudyTask(
            name, config.corpus, root, len(found.classes), len(found), found.content_hash, found.value_title
        )


def move_roots(
    tasks: Mapping[str, ClipsConfig], roots: Mapping[str, str | Path]
) -> tuple[dict[str, ClipsConfig], dict[str, str | Path]]:
    """Say where clips lie, by the name of their task or their corpus.

    Returns:
        The tasks, and the roots that name none of them: those of a catalog's corpora.
    """
    moved, used = dict(tasks), set[str]()
    for task, config in tasks.items():
        name = next((name for name in (task, config.corpus) if name in roots), None)
        if name is not None:
            moved[task] = replace(config, root=str(roots[name]))
            used.add(name)
    return moved, {name: root for name, root in roots.items() if name not in used}
