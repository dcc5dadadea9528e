"""The folder of a study: plans, runs, logs, and what of it is done; alone reads and writes ``study.json``.

================  ====================================================================================
``study.json``    grid, conditions, and of every run: status, the command that fills it, what went wrong
``plans/``        the complete configuration of each run, for ``mixlab train --config``
``runs/``         one run folder per condition and seed
``logs/``         what each training said
``catalogs/``     the catalog with songs divided anew, where conditions ask for that
``report.md`` ... tables and figures
================  ====================================================================================
"""

import contextlib
import json
import re
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.storage import SCHEMA, WRITTEN_COLUMNS, write_catalog
from mixlab.errors import CatalogError, ConfigError, RunError
from mixlab.mixing.config import MixConfig
from mixlab.studies.plan import Plan, Trial
from mixlab.studies.state import SCHEMA_VERSION, STATUSES, StoredTrial, StudyCatalog, StudyState, TrialState
from mixlab.training.config import TrainConfig, flatten, with_defaults
from mixlab.training.run import Run
from mixlab.utils.files import check_writable, make_folder, try_lock, write_atomic
from mixlab.utils.plain import plain

__all__ = ["StudyFolder", "resplit"]

NEUTRAL = (
    "train.num_workers",
    "train.threads",
    "train.save_every",
    "train.tensorboard",
    "train.bootstrap",
    "baseline.workers",
    "baseline.bootstrap",
)
"""Settings of a run that its numbers do not depend on."""

_STATE = "study.json"
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

    def check_usable(self) -> None:
        """Refuse a folder that is something else.

        Raises:
            ConfigError: it is a run, a catalog, or holds files that no study made.
        """
        # A study that was killed in its first second has a lock or plans, and nothing else yet.
        begun = any((self.path / name).exists() for name in (_STATE, ".lock", "plans"))
        if self.path.is_dir() and not begun and any(self.path.iterdir()):
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
        catalog: Catalog,
        *,
        threads: int,
        roots: Sequence[str] = (),
    ) -> None:
        """Write the plan of every trial, and the catalogs that they need.

        Args:
            plan: The study.
            trials: Its trainings.
            catalog: What they train on.
            threads: Of each training, where its settings leave that open.
            roots: ``NAME=FOLDER`` of corpora that have moved.

        Raises:
            ConfigError: a run that is there was made with other settings or from another catalog.
        """
        for folder in ("plans", "runs", "logs"):
            make_folder(self.path / folder)
        faults = []
        for trial in trials:
            opened = self.catalog_for(trial, catalog)
            fault = self._differs(trial, opened)
            if fault:
                faults.append(f"{self.run_path(trial.name)}: {fault}")
            places = {"catalog": str(opened.path), "out": str(self.run_path(trial.name).absolute())}
            own = dict(trial.settings)
            if trial.command == "train":
                own["threads"] = own["threads"] or threads
            else:
                own["workers"] = own["workers"] or threads
                places["cache"] = str(self.path.absolute() / "features")
            given = {"root": list(roots)} if roots else {}
            text = yaml.safe_dump({**places, **given, "mix": trial.mix, trial.command: own}, sort_keys=False)
            write_atomic(self.plan_path(trial.name), text, sync=False)
        if faults:
            raise ConfigError(
                f"{len(faults)} runs of {self.path} were made otherwise than this study asks. Choose another "
                f"--out, or the settings they were made with. {faults[0]}",
                code="settings-changed",
            )

    def catalog_for(self, trial: Trial, catalog: Catalog) -> Catalog:
        """Return the catalog that a trial trains on, written here first where its songs are divided anew."""
        if not trial.splits:
            return catalog
        folder = self.path.absolute() / "catalogs" / f"{trial.splits}-{trial.seed}"
        wanted = catalog.with_splits(trial.splits, trial.seed)
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

    def _differs(self, trial: Trial, catalog: Catalog) -> str:
        """Say in what a run that is there differs from what is asked for; '' when in nothing."""
        if not (self.run_path(trial.name) / "run.json").is_file():
            return ""
        run = Run.open(self.run_path(trial.name))
        found = run.info.get("catalog", {}).get("content_hash")
        if found != catalog.content_hash:
            return f"catalog {found} instead of {catalog.content_hash}"
        kinds = _kinds(trial.command)
        asked = flatten({"mix": trial.mix, trial.command: trial.settings})
        stored = flatten({key: run.config.get(key, {}) for key in kinds})
        if asked.keys() - stored.keys():
            stored = flatten({k: with_defaults(kind, run.config.get(k, {})) for k, kind in kinds.items()})
        changed = [
            f"{name} is {stored.get(name)!r} instead of {asked.get(name)!r}"
            for name in sorted(stored.keys() | asked.keys())
            if name not in NEUTRAL and stored.get(name) != asked.get(name)
        ]
        return "; ".join(changed[:4])

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
        progress = f"epoch {len(rows)}/{about.epochs}" if kind == "train" else "at work"
        if rows:
            progress += f", validation AP {rows[-1]['validation_average_precision']:.3f}"
        return replace(
            about,
            status="running" if running else "failed" if error else "interrupted",
            command=run.resume_command if kind == "train" else fresh,
            progress=progress,
            epoch_age_s=_age_s(run.path / "metrics.csv") if running else 0.0,
        )

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
        catalog: Catalog,
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
            catalog=StudyCatalog(str(catalog.path), catalog.content_hash),
            vary=plan.vary,
            seeds=plan.seeds,
            base={"mix": asdict(plan.mix), "train": asdict(plan.train)},
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
        file = self.path / ".lock"
        if not file.is_file():
            return False
        try:
            with file.open("ab") as handle:
                return not try_lock(handle)
        except OSError:  # a study that may be read only: who works on it cannot be seen
            return False

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Keep other processes from working on the study; yields a descriptor to hand to children.

        A child that outlives this process keeps the lock, so that no run is ever trained twice at once.

        Raises:
            ConfigError: the study is being worked on.
        """
        check_writable(make_folder(self.path))
        with (self.path / ".lock").open("ab") as handle:
            if not try_lock(handle):
                raise ConfigError(
                    f"Another process works on the study {self.path}, or trainings it started still run. "
                    f"Wait for them, or look: mixlab sweep --watch {self.path}",
                    code="study-in-use",
                )
            yield handle.fileno()


def _about(trial: Trial | TrialState) -> TrialState:
    """Return what is known of a trial without a look at its run."""
    if isinstance(trial, TrialState):
        own = (trial.name, trial.condition, trial.seed, trial.kind, "missing")
        return TrialState(*own, epochs=trial.epochs, items=trial.items)
    settings = trial.settings
    # With kept embeddings an epoch is a pass over these.
    items = int(settings.get("cached_items") or settings.get("epoch_size", 0))
    own = (trial.name, trial.condition, trial.seed, trial.command, "missing")
    return TrialState(*own, epochs=int(settings.get("epochs", 0)), items=items)


def _age_s(file: Path) -> float:
    """Return the seconds since a file was written; 0 where there is none."""
    try:
        return max(0.0, time.time() - file.stat().st_mtime)
    except OSError:
        return 0.0


def _kinds(command: str) -> dict[str, type]:
    """Return the dataclass of each section of a trial's settings."""
    if command == "train":
        return {"mix": MixConfig, "train": TrainConfig}
    # Only here: studies without baselines do not wait for what these need.
    from mixlab.training.baselines import BaselineConfig

    return {"mix": MixConfig, command: BaselineConfig}


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
