"""The jobs of mixlab that are killed: how each is started, and what must come out of it.

Each is small, a second or two on an idle core, and of many parts, so that a kill at a random moment hits the
writing of files as often as the work between.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.harm.compare import Made, of_files, of_runs
from tests.toy import make_corpus

SONGS = 8
ITEMS = 24
SHARD_BYTES = 400_000
"""Of a pack: three songs or so."""

_MIX = (
    *("--mix.duration_s", "0.5", "--mix.sample_rate", "8000", "--mix.max_sources", "3"),
    *("--mix.effects.preset", "none"),
)
_TRAIN = (
    *("--train.model.sample_rate", "8000", "--train.model.f_max", "4000", "--train.model.n_fft", "256"),
    *("--train.model.hop", "128", "--train.model.n_mels", "16", "--train.model.width", "4"),
    *("--train.epochs", "3", "--train.epoch_size", "64", "--train.batch_size", "8"),
    *("--train.val_size", "16", "--train.test_size", "16", "--train.save_every", "2"),
    *("--train.precision", "fp32", "--train.accelerator", "cpu", "--train.threads", "1"),
    *("--train.tensorboard", "false", "--train.bootstrap", "20"),
)
_SHARDS = (*("--items", str(ITEMS), "--shard_items", "4"), *_MIX)


@dataclass(frozen=True)
class Place:
    """The folders of a job.

    Attributes:
        inputs: What it reads, which nobody changes.
        out: What it writes.
        notes: What is noted down beside it; emptied with ``out``.
    """

    inputs: Path
    out: Path
    notes: Path

    @property
    def corpus(self) -> Path:
        """Folder of the corpus."""
        return self.inputs / "corpus"

    @property
    def catalog(self) -> Path:
        """Folder of the catalog of it."""
        return self.inputs / "catalog"


def _nothing(place: Place) -> None:
    """Begin in a folder that is not there."""


def _typed(arguments: Sequence[str]) -> int:
    from mixlab.cli.main import main

    return int(main(list(arguments)) or 0)


@dataclass(frozen=True)
class Work:
    """A job.

    Attributes:
        name: What ``--only`` calls it.
        title: What the table calls it.
        arguments: What is typed behind ``mixlab``, the first time and every time again.
        made: What has come out, in a form in which equal results are equal.
        excluded: What of it is not compared, and why.
        begin: Puts into place what must be there before.
        act: Does the work in a process that was forked; by default by its arguments.
        several: Whether it works in more than one process.
        checks: What is typed afterwards and must end well.
        in_pairs: Whether two at once are tried, too.
        needs: Modules that it imports, which are imported once for all forks.
        dear: Whether it takes long, and is killed a quarter as often.
    """

    name: str
    title: str
    arguments: Callable[[Place], list[str]]
    made: Made = of_files
    excluded: str = ""
    begin: Callable[[Place], None] = _nothing
    act: Callable[[Place], int] | None = None
    several: bool = False
    checks: Callable[[Place], list[str]] | None = None
    in_pairs: bool = False
    needs: tuple[str, ...] = ()
    dear: bool = False

    def do(self, place: Place) -> int:
        """Do it in this process, and return the exit code."""
        return _typed(self.arguments(place)) if self.act is None else self.act(place)


def prepare(inputs: Path) -> None:
    """Make what all of them read."""
    make_corpus(inputs / "corpus", SONGS, seed=1)
    code = _typed(
        ["index", str(inputs / "catalog"), "--root", f"folder={inputs / 'corpus'}", "--workers", "1"]
    )
    if code:
        raise SystemExit(code)


def _index(workers: int, place: Place) -> list[str]:
    root = f"folder={place.corpus}"
    return ["index", str(place.out), "--root", root, "--workers", str(workers)]


def _pack(workers: int, place: Place) -> list[str]:
    return ["pack", str(place.catalog), "--out", str(place.out), "--workers", str(workers)]


def _pack_in_small_shards(workers: int, place: Place) -> int:
    """Do as ``mixlab pack``, with shards of a few stems: those of the command hold an hour."""
    from mixlab.catalog.catalog import Catalog
    from mixlab.catalog.packing import pack_catalog
    from mixlab.errors import MixlabError

    catalog = Catalog.open(place.catalog)
    try:
        report = pack_catalog(catalog, place.out, shard_bytes=SHARD_BYTES, workers=workers, progress=False)
    except MixlabError as error:  # as the command line tells of it
        print(f"mixlab: error [{error.code}]: {error}")
        return 2
    return 1 if report.problems else 0


def _verify_pack(place: Place) -> list[str]:
    return [*_pack(1, place), "--verify"]


def _copy_catalog(place: Place) -> None:
    shutil.copytree(place.catalog, place.out)


def _analyse(place: Place) -> list[str]:
    return ["analyse", str(place.out), "--root", f"folder={place.corpus}", "--workers", "1"]


def _compose(place: Place) -> list[str]:
    size = ("--songs", "5", "--seconds", "4", "--tagged", "false")
    return ["demo-corpora", str(place.out), *size, "--workers", "1"]


def _export(form: str, workers: int, place: Place) -> list[str]:
    where = ("export", str(place.catalog), str(place.out), "--format", form, "--workers", str(workers))
    return [*where, *_SHARDS]


def _verify_export(place: Place) -> list[str]:
    return ["export", str(place.catalog), str(place.out), "--verify"]


def _mix(place: Place) -> list[str]:
    return ["mix", str(place.catalog), "--out", str(place.out), "--index", f"0:{ITEMS}", *_MIX]


def _train(loader_workers: int, place: Place) -> list[str]:
    """Train, or go on with what is there."""
    if (place.out / "run.json").is_file():
        return ["train", "--config", str(place.out / "config.yaml"), "--resume=true"]
    where = ("train", "--catalog", str(place.catalog), "--out", str(place.out))
    return [*where, *_MIX, *_TRAIN, "--train.num_workers", str(loader_workers)]


def _sweep(parallel: int, place: Place) -> list[str]:
    where = ("sweep", "--catalog", str(place.catalog), "--out", str(place.out))
    grid = ("--vary", "mix.p_musical=0,1", "--seeds", "0,1", "--resamples", "20")
    return [
        *where,
        *grid,
        "--parallel",
        str(parallel),
        "--threads",
        "1",
        *_MIX,
        *_TRAIN,
        "--train.epochs",
        "2",
    ]


def _study(place: Place) -> list[str]:
    config = Path(__file__).resolve().parents[2] / "configs" / "studies" / "effects_tiny.yaml"
    where = ("--catalog", str(place.catalog), "--out", str(place.out))
    return ["study", "effects", "--config", str(config), *where, "--parallel", "0"]


def _note_batches(arguments: Callable[[Place], list[str]], place: Place) -> int:
    """Do what is typed, and note down every batch that is trained on: run, epoch, step and hash."""
    from mixlab.training.callbacks import Steps

    usual = Steps.on_train_batch_end
    place.notes.mkdir(exist_ok=True)

    def noting(self, trainer, module, outputs, batch, number):
        content = hashlib.blake2b(digest_size=16)
        for name in ("index", "audio", "target", "mask"):
            content.update(batch[name].numpy().tobytes())
        line = f"{self.run.path.name} {trainer.current_epoch} {number} {content.hexdigest()}\n"
        # In one write, which no kill cuts in two.
        file = os.open(place.notes / "batches.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        return usual(self, trainer, module, outputs, batch, number)

    Steps.on_train_batch_end = noting
    return _typed(arguments(place))


_TRAINING = ("mixlab.training.loop", "mixlab.training.experiment", "mixlab.studies.engine")
_TIMES = "times and speeds: `created`, `updated`, `seconds` and the like in JSON and CSV"
_SWEEP_TIMES = f"{_TIMES}; `logs/`, what each start said"


def _training(name: str, title: str, arguments: Callable[[Place], list[str]], **more: object) -> Work:
    act = partial(_note_batches, arguments)
    given = {"made": of_runs, "excluded": _TIMES, "act": act, "needs": _TRAINING, **more}
    return Work(name, title, arguments, **given)


_WORKS = (
    Work("index", "`mixlab index`", partial(_index, 1), in_pairs=True),
    Work("index-2", "`mixlab index`, two workers", partial(_index, 2), several=True, dear=True),
    Work(
        *("pack", "`mixlab pack`", partial(_pack, 1)),
        act=partial(_pack_in_small_shards, 1),
        checks=_verify_pack,
        in_pairs=True,
    ),
    Work(
        *("pack-2", "`mixlab pack`, two workers", partial(_pack, 2)),
        act=partial(_pack_in_small_shards, 2),
        checks=_verify_pack,
        several=True,
        dear=True,
    ),
    Work(
        "analyse",
        "`mixlab analyse`",
        _analyse,
        begin=_copy_catalog,
        in_pairs=True,
        needs=("mixlab.catalog.analysis", "librosa.beat", "librosa.onset"),
    ),
    Work("compose", "`mixlab demo-corpora`", _compose, in_pairs=True, needs=("mixlab.synthesis.build",)),
    *(
        Work(
            f"export-{form}",
            f"`mixlab export --format {form}`",
            partial(_export, form, 1),
            checks=_verify_export,
            in_pairs=form == "folder",
        )
        for form in ("webdataset", "huggingface", "folder")
    ),
    Work(
        *("export-2", "`mixlab export`, two workers", partial(_export, "webdataset", 2)),
        checks=_verify_export,
        several=True,
        dear=True,
    ),
    Work("mix", "`mixlab mix`", _mix, in_pairs=True),
    _training("train", "`mixlab train`", partial(_train, 0), in_pairs=True),
    _training("train-2", "`mixlab train`, two loader workers", partial(_train, 2), several=True, dear=True),
    _training("sweep", "`mixlab sweep`", partial(_sweep, 0), excluded=_SWEEP_TIMES, in_pairs=True),
    Work(
        *("sweep-2", "`mixlab sweep`, two trainings at a time", partial(_sweep, 2), of_runs, _SWEEP_TIMES),
        several=True,
        dear=True,
        needs=_TRAINING,
    ),
    _training("study", "`mixlab study`", _study, excluded=_SWEEP_TIMES, dear=True),
)
WORKS = {work.name: work for work in _WORKS}
