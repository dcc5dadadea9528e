"""The folder of a study: plans, runs, logs, and what of it is done; alone reads and writes ``study.json``.

================  ====================================================================================
``study.json``    grid, conditions, and of every run: status, the command that fills it, what went wrong
``plans/``        the complete configuration of each run, for ``mixlab train --config``
``runs/``         one run folder per condition and seed
``logs/``         what each training said
``catalogs/``     the catalog with songs divided anew, where conditions ask for that
``parts/``        what went wrong in each part of a study that work arrays carry out (``--array``)
``report.md`` ... tables and figures
================  ====================================================================================
"""

import contextlib
import json
import math
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.storage import SCHEMA, WRITTEN_COLUMNS, write_catalog
from mixlab.errors import CatalogError, ConfigError, RunError
from mixlab.studies.commands import COMMANDS, STARTS_AT, section_kinds
from mixlab.studies.data import StudyData
from mixlab.studies.parts import Part
from mixlab.studies.plan import Plan, Trial
from mixlab.studies.state import SCHEMA_VERSION, STATUSES, StoredTrial, StudyState, TrialState
from mixlab.training.config import flatten, with_defaults
from mixlab.training.run import Run
from mixlab.utils.decode import read_json
from mixlab.utils.detached import WORK
from mixlab.utils.files import (
    check_writable,
    make_folder,
    output_error,
    remove_leftovers,
    try_lock,
    write_atomic,
    write_first,
)
from mixlab.utils.plain import plain

__all__ = ["StudyFolder", "resplit"]

NEUTRAL = (
    "train.num_workers",
    "train.threads",
    "train.save_every",
    "train.tensorboard",
    "train.bootstrap",
    "clips.root",
    "baseline.workers",
    "baseline.bootstrap",
)
"""Settings of a run that its numbers do not depend on."""

_STATE = "study.json"
_PRECISION = ".precision"
_PREPARE_S = 1800.0
_WRITTEN_S = 5.0
_LOG_LINES = 3
_ERROR = re.compile(r"^mixlab: error(?: \[[a-z-]+\])?: ")


class StudyFolder:
    """One study on the disk.

    Args:
        path: The folder; made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def run_path(self, name: str) -> Path:
        """Return the run folder of a trial."""
        return self.path / "runs" / name

    def plan_path(self, name: str) -> Path:
        """Return the configuration file of a trial."""
        return self.path / "plans" / f"{name}.yaml"

    def log_path(self, name: str) -> Path:
        """Return the file with what a trial's training said."""
        return self.path / "logs" / f"{name}.log"

    def open_log(self, name: str) -> TextIO:
        """Open that file, to write on at its end.

        Raises:
            OutputError: it cannot be written.
        """
        path = self.log_path(name)
        try:
            return path.open("a", encoding="utf-8")
        except OSError as error:
            raise output_error(path, error) from error

    def check_usable(self) -> None:
        """Refuse a folder that is something else.

        Raises:
            ConfigError: it is a run, a catalog, or holds files that no study made.
        """
        # A study that was killed in its first second has a lock or plans, and nothing else yet.
        begun = any((self.path / name).exists() for name in (_STATE, "plans", _PRECISION))
        begun = begun or any(self.path.glob(".lock*"))
        # Whoever starts a study in the explorer keeps its log there before there is anything else.
        if self.path.is_dir() and not begun and any(path.name != WORK for path in self.path.iterdir()):
            raise ConfigError(
                f"{self.path} is neither empty nor a study's folder. Choose another --out.",
                code="folder-not-empty",
            )
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(
                f"{self.path} is a file; a study needs a folder. Choose another --out.", code="not-a-folder"
            )

    def prepare(
        self,
        plan: Plan,
        trials: Sequence[Trial],
        data: StudyData,
        *,
        threads: int,
        roots: Sequence[str] = (),
    ) -> None:
        """Write the plan of every trial, and the catalogs that they need.

        Args:
            plan: The study.
            trials: Its trainings.
            data: What they train on.
            threads: Of each training, where its settings leave that open.
            roots: ``NAME=FOLDER`` of corpora that have moved.

        Raises:
            ConfigError: a run that is there was made with other settings, or from another catalog, other
                clips or other weights.
        """
        self.check_made(self.made_otherwise(trials, data))
        for folder in ("plans", "runs", "logs"):
            make_folder(self.path / folder)
        for trial in trials:
            settings = self._settings_file(trial, data, threads, roots)
            write_atomic(self.plan_path(trial.name), yaml.safe_dump(settings, sort_keys=False), sync=False)

    def made_otherwise(self, trials: Sequence[Trial], data: StudyData) -> dict[str, str]:
        """Return by their names in what runs that are there differ from what is asked for."""
        found = {trial.name: self._differs(trial, data) for trial in trials}
        return {name: fault for name, fault in found.items() if fault}

    def check_made(self, faults: Mapping[str, str]) -> None:
        """Refuse runs that ``made_otherwise`` has found.

        Raises:
            ConfigError: there are any.
        """
        for name, fault in faults.items():
            raise ConfigError(
                f"{len(faults)} runs of {self.path} were made otherwise than this study asks. Choose another "
                f"--out, or the settings they were made with. {self.run_path(name)}: {fault}",
                code="settings-changed",
            )

    def has_run(self, trial: Trial) -> bool:
        """Tell whether a run of a trial is there, begun or done."""
        return (self.run_path(trial.name) / "run.json").is_file()

    def _settings_file(
        self, trial: Trial, data: StudyData, threads: int, roots: Sequence[str]
    ) -> dict[str, Any]:
        """Return the complete configuration of a trial, as its command takes it."""
        places: dict[str, Any] = {"out": str(self.run_path(trial.name).absolute())}
        if not trial.how.on_clips:
            places = {"catalog": self.catalog_for(trial, data.catalog).place, **places}
            places |= {"root": list(roots)} if roots else {}
        sections = {name: dict(section) for name, section in trial.sections.items()}
        own = sections[trial.how.own]
        if trial.how.own == "train":
            own["threads"] = own["threads"] or threads
        else:
            own["workers"] = own["workers"] or threads
            places["cache"] = str(self.path.absolute() / "features")
        if root := sections.get("clips", {}).get("root"):
            sections["clips"]["root"] = str(Path(root).expanduser().absolute())
        if trial.starts_from:
            own[STARTS_AT[trial.how.own]] = str(self.run_path(trial.starts_from).absolute())
        return {**places, **sections}

    def catalog_for(self, trial: Trial, catalog: Catalog) -> Catalog:
        """Return the catalog that a trial trains on, written here first where its songs are divided anew."""
        if not trial.splits:
            return catalog
        folder = self.path.absolute() / "catalogs" / f"{trial.splits}-{trial.seed}"
        wanted = _divided(trial, catalog)
        if not (folder / "catalog.json").is_file() or (
            Catalog.open(folder).content_hash != wanted.content_hash
        ):
            resplit(wanted, folder)
        self._share_packs(catalog, folder)
        return Catalog.open(folder)

    def _share_packs(self, catalog: Catalog, folder: Path) -> None:
        """Let a catalog of other splits read the packs of the one it was made from: the audio is the same.

        Not once a run on it has begun: a stream from a pack is another one than from files, and what was
        begun goes on as it began. A pack is only ever read where it fits the stems, file by file.
        """
        link, packs = folder / "packs", catalog.path.absolute() / "packs"
        if link.is_symlink() and not link.exists():
            link.unlink()
        if not packs.is_dir() or link.exists():
            return
        if not any(run.config.get("catalog") == str(folder) for run in Run.find(self.path / "runs")):
            # Where links are not allowed (Windows), stems are read from their files: slower, not other.
            with contextlib.suppress(OSError):
                link.symlink_to(packs, target_is_directory=True)

    def _differs(self, trial: Trial, data: StudyData) -> str:
        """Say in what a run that is there differs from what is asked for; '' when in nothing."""
        if not self.has_run(trial):
            return ""
        run = Run.open(self.run_path(trial.name))
        on_clips = trial.how.on_clips
        there = data.clips_of(trial) if on_clips else _divided(trial, data.catalog)
        found = run.info.get("catalog", {}).get("content_hash")
        if found != there.content_hash:
            return f"{'clips' if on_clips else 'catalog'} {found} instead of {there.content_hash}"
        if fault := self._other_start(trial, run):
            return fault
        kinds = section_kinds(trial.command)
        asked = flatten(trial.sections)
        stored = flatten({key: run.config.get(key, {}) for key in kinds})
        if asked.keys() - stored.keys():
            stored = flatten({k: with_defaults(kind, run.config.get(k, {})) for k, kind in kinds.items()})
        changed = [
            f"{name} is {stored.get(name)!r} instead of {asked.get(name)!r}"
            for name in sorted(stored.keys() | asked.keys())
            if name not in (*NEUTRAL, *_place_of_start(trial)) and stored.get(name) != asked.get(name)
        ]
        return "; ".join(changed[:4])

    def _other_start(self, trial: Trial, run: Run) -> str:
        """Say whether a run that is there began from other weights than are there to begin from now."""
        stored = run.config.get(trial.how.own, {}).get(STARTS_AT[trial.how.own]) or ""
        if trial.starts_from and Path(stored).name != trial.starts_from:
            return f"it started from {stored or 'no other run'} instead of {trial.starts_from}"
        source = Run(self.run_path(trial.starts_from))
        if not trial.starts_from or not source.has_model:
            return ""
        if run.has_model:
            began = (run.card.get("pretrained_file") or {}).get("sha256")
        elif "weights_sha256" in run.info:  # a baseline on the features of the source's network
            began = run.info["weights_sha256"]
        else:
            return ""
        if began != source.card.get("sha256"):
            return f"it started from other weights than {trial.starts_from} holds now; remove its folder"
        return ""

    def state(self, trial: Trial | TrialState, *, running: bool = False, error: str = "") -> TrialState:
        """Return what became of a trial, as its run folder says."""
        about = _about(trial)
        name, kind = about.name, about.kind
        fresh = f"mixlab {kind} --config {shlex.quote(str(self.plan_path(name)))}"
        about = replace(about, command=fresh, error=error)
        if not (self.run_path(name) / "run.json").is_file():
            return replace(about, status="running" if running else "failed" if error else "missing")
        try:
            run = Run.open(self.run_path(name))
            info, rows = run.info, run.metrics()
        except RunError as fault:
            return replace(about, status="failed", error=error or str(fault))
        about = replace(about, seconds=info.get("training", {}).get("seconds"), epochs_done=len(rows))
        if rows:
            about = replace(about, epoch_s=sum(row["seconds"] for row in rows) / len(rows))
        if info.get("status") == "evaluated":
            return replace(about, status="done", command="", error="")
        in_epochs = COMMANDS[kind].in_epochs
        progress = f"epoch {len(rows)}/{about.epochs}" if in_epochs else "at work"
        if rows:
            progress += _validation(rows[-1])
        return replace(
            about,
            status="running" if running else "failed" if error else "interrupted",
            command=run.resume_command if in_epochs else fresh,
            progress=progress,
            epoch_age_s=_age_s(run.path / "metrics.csv") if running else 0.0,
        )

    def make_ready(self, trial: Trial) -> bool:
        """Remove what of a run cannot be gone on with; return whether it goes on with the rest."""
        self.clear_leftovers(trial.name)
        resume = (self.run_path(trial.name) / "run.json").is_file()
        if resume and not trial.how.in_epochs:
            # A baseline is not trained step by step; what it computed is kept apart from its run.
            self.clear_run(trial.name)
            return False
        return resume

    def clear_leftovers(self, name: str) -> None:
        """Remove a run folder that a killed process left before it held a run."""
        folder = self.run_path(name)
        if folder.is_dir() and not (folder / "run.json").is_file():
            shutil.rmtree(folder)

    def clear_run(self, name: str) -> None:
        """Remove a run that cannot go on where it stopped, to begin it anew."""
        shutil.rmtree(self.run_path(name))

    def log_tail(self, name: str) -> str:
        """Return the end of a trial's log."""
        try:
            text = self.log_path(name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        wanted = [line for line in lines if _ERROR.match(line)] or lines[-_LOG_LINES:]
        return _ERROR.sub("", " ".join(wanted[-_LOG_LINES:]), count=1)

    def write_state(
        self,
        plan: Plan,
        data: StudyData,
        states: Sequence[TrialState],
        *,
        precision: str = "",
        parallel: int = 1,
    ) -> None:
        """Write ``study.json``: all that a page or a second terminal needs to show the study."""
        counts = Counter(state.status for state in states)
        state = StudyState(
            schema=SCHEMA_VERSION,
            kind=plan.kind,
            title=plan.title,
            updated=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            catalog=data.entry(plan),
            vary=plan.vary,
            seeds=plan.seeds,
            base=_base(plan),
            conditions=plan.conditions,
            counts={status: counts[status] for status in STATUSES},
            runs=tuple(StoredTrial(**asdict(s), path=f"runs/{s.name}") for s in states),
            precision=precision,
            parallel=parallel,
        )
        make_folder(self.path)
        text = json.dumps(plain(state), indent=2, allow_nan=False) + "\n"
        write_atomic(self.path / _STATE, text)

    def read_state(self) -> StudyState:
        """Return ``study.json``.

        Raises:
            RunError: there is none, or it is damaged or of another schema.
        """
        return StudyState.load(self.path / _STATE)

    def states(self) -> tuple[TrialState, ...]:
        """Return what became of every trial by now; also while another process works on the study.

        Raises:
            RunError: see ``read_state``.
        """
        at_work = self.is_locked()
        return tuple(
            self.state(trial, running=at_work and trial.status == "running", error=trial.error)
            for trial in self.read_state().runs
        )

    def is_locked(self) -> bool:
        """Whether a process works on the study right now; False where that cannot be known."""
        return any(_is_held(file) for file in (self.path / ".lock", *self._part_locks()))

    def is_part_locked(self, part: Part) -> bool:
        """Whether a process works on a part of the study right now; False where that cannot be known."""
        return _is_held(self._part_lock(part))

    def _part_lock(self, part: Part) -> Path:
        return self.path / f".lock-{part.name}"

    def _part_locks(self) -> list[Path]:
        return sorted(self.path.glob(".lock-*-of-*"))

    @contextmanager
    def lock(self, part: Part | None = None) -> Iterator[int]:
        """Keep other processes from working on the study; yields a descriptor to hand to children.

        A child that outlives this process keeps the lock, so that no run is ever trained twice at once.

        Args:
            part: Lock this part alone; others of the same division may be worked on meanwhile.

        Raises:
            ConfigError: the study, or this part, is being worked on.
        """
        check_writable(make_folder(self.path))
        own = self.path / ".lock" if part is None else self._part_lock(part)
        siblings = [] if part is None else [self._part_lock(other) for other in part.all]
        try:
            handle = own.open("ab")
        except OSError as error:
            raise output_error(own, error) from error
        with handle:
            # Locked before the others are looked at: of two that start at once, at most one goes on.
            others = [f for f in (self.path / ".lock", *self._part_locks()) if f not in (own, *siblings)]
            if not _hold(handle) or any(_is_held(file) for file in others):
                raise ConfigError(
                    f"Another process works on the study {self.path}, or trainings it started still run. "
                    f"Wait for them, or look: mixlab sweep --watch {self.path}",
                    code="study-in-use",
                )
            for folder in (self.path, *(self.path / name for name in ("plans", "logs", "targets"))):
                remove_leftovers(folder, locked=part is None)
            yield handle.fileno()

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Wait until no other part of the study writes plans and catalogs, and keep them from it meanwhile.

        Raises:
            ConfigError: another one has been at it for half an hour.
        """
        with (self.path / ".lock-prepare").open("ab") as handle:
            if not _hold(handle, _PREPARE_S):
                raise ConfigError(
                    f"Another part of the study {self.path} has been writing its plans for half an hour. See "
                    "what it does, or end it, and start this one again.",
                    code="study-in-use",
                )
            yield

    def agree_precision(self, measured: str) -> str:
        """Return the precision of all parts of a study: what the first one that asks has measured.

        Raises:
            OutputError: it cannot be written.
        """
        file = make_folder(self.path) / _PRECISION
        write_first(file, measured)
        # Without hard links another part may have made the file, and not yet written to it.
        deadline = time.monotonic() + _WRITTEN_S
        while not (agreed := file.read_text(encoding="utf-8")) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not agreed:  # it was killed in between
            write_atomic(file, measured, sync=False)
        return agreed or measured

    def write_errors(self, part: Part, errors: Mapping[str, str]) -> None:
        """Write down what went wrong in a part, for the other parts and for whoever looks."""
        file = make_folder(self.path / "parts") / f"{part.name}.json"
        write_atomic(file, json.dumps(errors, indent=1) + "\n", sync=False)

    def read_errors(self) -> dict[str, str]:
        """Return what went wrong in every part, by trial."""
        errors: dict[str, str] = {}
        for file in sorted((self.path / "parts").glob("*-of-*.json")):
            errors |= {k: str(v) for k, v in read_json(file, "mixlab study --array").items()}
        return errors

    def clear_errors(self) -> None:
        """Forget what went wrong in parts: the study is carried out as a whole now."""
        shutil.rmtree(self.path / "parts", ignore_errors=True)


def _hold(handle: BinaryIO, patience_s: float = 1.0) -> bool:
    """Lock a file; whoever only looks whether it is locked has it for a moment, too."""
    deadline = time.monotonic() + patience_s
    while not try_lock(handle):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_held(file: Path) -> bool:
    """Whether another process has a lock; False where that cannot be known."""
    if not file.is_file():
        return False
    try:
        with file.open("ab") as handle:
            return not try_lock(handle)
    except OSError:  # a study that may be read only: who works on it cannot be seen
        return False


def _divided(trial: Trial, catalog: Catalog) -> Catalog:
    """Return the catalog of a trial: with its songs divided anew where its condition asks for that."""
    return catalog.with_splits(trial.splits, trial.seed) if trial.splits else catalog


def _about(trial: Trial | TrialState) -> TrialState:
    """Return what is known of a trial without a look at its run."""
    if isinstance(trial, TrialState):
        own = (trial.name, trial.condition, trial.seed, trial.kind, "missing")
        return TrialState(*own, epochs=trial.epochs, items=trial.items)
    settings = trial.settings
    # With kept embeddings an epoch is a pass over these.
    items = trial.items or int(settings.get("cached_items") or settings.get("epoch_size", 0))
    own = (trial.name, trial.condition, trial.seed, trial.command, "missing")
    return TrialState(*own, epochs=int(settings.get("epochs", 0)), items=items)


def _validation(row: Mapping[str, float]) -> str:
    """Say how an epoch did on validation, by the first figure that is there."""
    for name, title in (("validation_accuracy", "accuracy"), ("validation_average_precision", "AP")):
        if math.isfinite(row.get(name, math.nan)):
            return f", validation {title} {row[name]:.3f}"
    return ""


def _base(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what all conditions of a plan have in common, plain."""
    base = {"mix": asdict(plan.mix), "train": asdict(plan.train)}
    if plan.tasks:
        base |= {"windows": asdict(plan.windows), "tasks": {k: asdict(v) for k, v in plan.tasks.items()}}
    return base


def _place_of_start(trial: Trial) -> tuple[str, ...]:
    """Return the setting that says where the run lies that a trial starts from: a folder may move."""
    return (f"{trial.how.own}.{STARTS_AT[trial.how.own]}",) if trial.starts_from else ()


def _age_s(file: Path) -> float:
    """Return the seconds since a file was written; 0 where there is none."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 0.0


def resplit(view: Catalog, folder: Path) -> None:
    """Write a view with other splits (``Catalog.with_splits``) as a catalog of its own; audio stays.

    Raises:
        CatalogError: what was written does not read back as the view.
    """
    columns = {
        name: view.column(name).tolist()
        for name in SCHEMA.names
        if name == "split" or name not in WRITTEN_COLUMNS
    }
    write_catalog(
        folder.absolute(),
        columns,
        [view.envelope(i) for i in range(len(view))],
        view.problems(),
        roots=view.roots,
        split=(view.split_method, view.split_seed),
        measure_version=view.measure_version,
        activity_db=view.activity_db,
        base_hash=view.base_hash,
        follow_links=view.follow_links,
    )
    if differing := _differences(view, Catalog.open(folder)):
        raise CatalogError(
            f"The catalog written to {folder} differs from {view.path} in {', '.join(differing)}. Remove the "
            "folder and try again; if it happens again, index the catalog anew.",
            code="catalog-damaged",
        )


def _differences(view: Catalog, written: Catalog) -> list[str]:
    """Return in what a catalog differs from the view it was written from."""
    if len(view) != len(written):
        return [f"its number of stems ({len(written)} instead of {len(view)})"]
    found = [n for n in SCHEMA.names if not _same(view.column(n), written.column(n))]
    if any(not np.array_equal(view.envelope(i), written.envelope(i)) for i in range(len(view))):
        found.append("its envelopes")
    if view.content_hash != written.content_hash:
        found.append("its hash")
    return found


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two columns hold the same, where unmeasured numbers (NaN) count as the same."""
    return np.array_equal(a, b, equal_nan=True) if a.dtype.kind == "f" else a.tolist() == b.tolist()
