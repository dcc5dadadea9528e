"""Damaged files of runs, studies, exports and caches: every file that a real one writes is damaged and read.

A file of a new kind fails ``test_every_file_has_its_reader`` until it is said here who reads it.
"""

import json
import random
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from app.data import runs as runs_data
from app.links import RunLocation
from mixlab import Catalog, MixConfig
from mixlab.audio.loudness import measure
from mixlab.catalog.build import build_catalog
from mixlab.catalog.journal import JOURNAL, Journal
from mixlab.catalog.song_table import SONG_FILE, SongTable
from mixlab.errors import ConfigError, RunError
from mixlab.evaluation import check_same_items
from mixlab.evaluation.report import format_markdown
from mixlab.evaluation.results import Report
from mixlab.evaluation.scoring import score_splits
from mixlab.evaluation.thresholding import split_table
from mixlab.inference.class_mapping import run_outputs
from mixlab.inference.tagger import Tagger, class_notes
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.models import ModelConfig, read_weights
from mixlab.sharing.exporting import ExportSettings, export_items, verify_export
from mixlab.sharing.item_sources import StreamItems
from mixlab.sharing.recipe_files import read_recipes, recipe_lines
from mixlab.studies.curves import axes_of, points_of, study_status
from mixlab.studies.engine import run_study
from mixlab.studies.folder import StudyFolder
from mixlab.studies.grids import grid_conditions
from mixlab.studies.plan import Plan
from mixlab.studies.results import load_results
from mixlab.training import TrainConfig, open_catalog, train
from mixlab.training.baselines.features import Descriptors, Mixes, compute_features
from mixlab.training.callbacks import read_checkpoint
from mixlab.training.config import from_plain
from mixlab.training.provenance import how_it_ended
from mixlab.training.run import Run
from mixlab.utils.entries import Entries
from mixlab.utils.files import read_arrays
from mixlab.utils.yaml import load_yaml
from tests.errors import raises
from tests.fuzz.laws import VALUES, Law, changed, damaged, watched
from tests.fuzz.test_files_of_corpora import HOSTILE_TEXTS
from tests.stem_files import make_corpus
from tests.studies.test_studies import HereLauncher
from tests.toy import write_songs

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=2, effects=EffectsConfig.none())
TRAIN = TrainConfig(
    model=ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
    transfer="random_frozen",
    cached_items=32,
    epochs=1,
    epoch_size=16,
    batch_size=8,
    val_size=8,
    test_size=8,
    precision="fp32",
    accelerator="cpu",
    tensorboard=False,
    bootstrap=0,
    threads=1,
)


@dataclass(frozen=True)
class Product:
    """A folder that mixlab has written, and how each of its files is read back."""

    folder: Path
    readers: dict[str, Callable[[Path], object] | None]
    """By a regular expression of paths below the folder; None for what mixlab itself never reads."""
    roots: tuple[Path, ...] = ()

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def name(self, file: Path) -> str:
        return file.relative_to(self.folder).as_posix()

    def reader(self, file: Path) -> Callable[[Path], object] | None:
        found = [read for pattern, read in self.readers.items() if re.fullmatch(pattern, self.name(file))]
        assert len(found) == 1, f"say in this test who reads {self.name(file)}: found {len(found)} readers"
        return found[0]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Ten songs of a second."""
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder / "one", 10)
    build_catalog(folder / "catalog", {"folder": folder / "one"}, workers=1, progress=False)
    return Catalog.open(folder / "catalog")


# ---- who reads what ----


def read_info(run: Run) -> None:
    info = run.info
    assert isinstance(info, Entries)
    assert run.units.items
    assert run.resume_command.startswith("mixlab ")
    assert run.single_label in (False, True)
    assert run.quantity is None
    assert [one.path for one in Run.find(run.path.parent)]
    open_catalog(run)
    how_it_ended(run, TRAIN)
    run_outputs(run)
    StudyFolder(run.path.parent).is_locked()
    # As the explorer does, without what it keeps in memory.
    parents, seed = info.get("labels", {}).get("parents"), int(info.get("eval_seed", 0))
    split_table(run.predictions(), "test", parents, seed=seed)
    score_splits(run.predictions(), info["labels"]["parents"], n_resamples=0)


def read_config(run: Run) -> None:
    assert isinstance(run.own_metrics, tuple)
    from_plain(MixConfig, run.config["mix"])
    from_plain(TrainConfig, run.config["train"])
    open_catalog(run)


def read_model(run: Run) -> None:
    tagger = Tagger.load(run, device="cpu")
    tagger.tag_audio(np.zeros((1, RATE), np.float32) + 0.01, hop_s=min(0.5, tagger.window_s))
    class_notes(run)


def read_predictions(run: Run) -> None:
    found = run.predictions()
    check_same_items(found, found)
    score_splits(found, run.info["labels"]["parents"], n_resamples=0)
    assert len(found.mix_recipes()) == len(found)
    location = RunLocation("x", str(run.path), (random.getrandbits(60),))
    with raises(RunError, code="run-damaged", mentions="mixlab evaluate"):  # they are mixes, not clips
        runs_data.clip_names(location, "test")


def read_report(run: Run) -> None:
    report = Report.load(run.path)
    for split in ("validation", "test"):
        assert format_markdown(report.splits[split])
        report.replaced_note(split)
    assert str(report)
    class_notes(run)


def of_run(read: Callable[[Run], object]) -> Callable[[Path], object]:
    return lambda folder: read(Run.open(folder))


RUN: dict[str, Callable[[Path], object] | None] = {
    r"run\.json": of_run(read_info),
    r"config\.yaml": of_run(read_config),
    r"metrics\.csv": of_run(lambda run: (run.metrics(), run.write_metrics({"epoch": 2}))),
    r"model\.json": of_run(read_model),
    r"model\.safetensors": of_run(lambda run: (read_weights(run.path), read_model(run))),
    r"predictions\.parquet": of_run(read_predictions),
    r"report\.json": of_run(read_report),
    r"report\.md": None,
    r"checkpoints/last\.ckpt": of_run(lambda run: read_checkpoint(run.last_checkpoint)),
    r"checkpoints/embeddings\.safetensors": of_run(lambda run: run.read_embeddings()),
}


@pytest.fixture(scope="module")
def trained(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Product:
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(catalog.path, folder, MIX, TRAIN)
    return Product(folder, RUN, (catalog.path, *catalog.roots.values()))


def read_study(folder: Path) -> None:
    study = StudyFolder(folder)
    assert study.states() is not None
    assert study_status(study).counts
    results = load_results(study, n_resamples=0)
    for axis in axes_of(results):
        points_of(results, axis, "average_precision")


@pytest.fixture(scope="module")
def studied(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Product:
    folder = tmp_path_factory.mktemp("studies") / "study"
    config, vary = replace(TRAIN, transfer="scratch", cached_items=0), {"mix.p_musical": (0.0, 1.0)}
    plan = Plan("sweep", "A sweep", grid_conditions(vary), (0,), MIX, config, vary)
    run_study(StudyFolder(folder), plan, catalog, launcher=HereLauncher())
    # As a training in a process of its own leaves it; these were trained in this one.
    StudyFolder(folder).log_path("p_musical-0-seed0").write_text("epoch 1/1\nmixlab: error [x]: y\n")
    readers: dict[str, Callable[[Path], object] | None] = {
        r"study\.json": read_study,
        r"runs/[^/]+/run\.json": read_study,
        r"runs/[^/]+/metrics\.csv": read_study,
        r"runs/[^/]+/predictions\.parquet": read_study,
        r"runs/[^/]+/(?!run\.json|metrics\.csv|predictions\.parquet).+": None,  # as those of a run alone
        r"plans/.+\.yaml": None,  # written anew before each start
        r"logs/.+": lambda folder: [
            StudyFolder(folder).log_tail(p.stem) for p in (folder / "logs").iterdir()
        ],
        r"\.lock": lambda folder: StudyFolder(folder).is_locked(),
        r"[^/]+\.(md|csv|svg|png)": None,
    }
    return Product(folder, readers, (catalog.path, *catalog.roots.values()))


def exported(form: str) -> Callable[..., Product]:
    @pytest.fixture(scope="module", name=f"exported_{form}")
    def make(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Product:
        settings = ExportSettings(form, shard_items=2)  # type: ignore[arg-type]

        def read(folder: Path) -> None:
            verify_export(folder)
            items = StreamItems(catalog, None, MIX, "train", 0, 0)
            export_items(items, folder, settings, 4, workers=1, progress=False)

        folder = tmp_path_factory.mktemp("exports") / form
        folder.mkdir()
        export_items(
            StreamItems(catalog, None, MIX, "train", 0, 0), folder, settings, 4, workers=1, progress=False
        )
        readers: dict[str, Callable[[Path], object] | None] = {
            r"\.export/.+|export\.json|data/.+": read,
            r"README\.md|labels\.csv": None,
        }
        return Product(folder, readers, (catalog.path, *catalog.roots.values()))

    return make  # type: ignore[return-value]


exported_folder = exported("folder")
exported_webdataset = exported("webdataset")


@pytest.fixture(scope="module")
def caches(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """What else is kept between two calls: features, facts of songs, recipes, a journal."""
    folder = tmp_path_factory.mktemp("caches") / "all"
    mixes = Mixes(str(catalog.path), (), MIX, "train", 0, 4)

    def features(place: Path) -> None:
        found = compute_features(mixes, Descriptors(RATE), place / "features", workers=1)
        assert np.isfinite(found.values).all()

    features(folder)
    copy = folder / "songs"
    shutil.copytree(catalog.path, copy)
    write_songs(Catalog.open(copy))
    for name in [path.name for path in copy.iterdir() if path.name != SONG_FILE]:
        (copy / name).unlink()
    recipes = [sample_recipe(catalog, MIX, 0, 0, index) for index in range(3)]
    lines = recipe_lines(recipes, catalog, MIX)
    (folder / "recipes.jsonl").write_text("".join(f"{line}\n" for line in lines))
    stem = next((catalog.path.parent / "one").rglob("*.wav"))
    with Journal(folder / "index") as journal:
        journal.add(("folder", "a.wav", 1, 2), measure(stem))
        journal.add(("folder", "b.wav", 1, 2), measure(stem))

    def replay(place: Path) -> None:
        found = read_recipes(place / "recipes.jsonl")
        found.check(catalog)
        assert found.config is not None
        for position in range(len(found)):
            render_mix(found.recipe(position), catalog)

    def go_on(place: Path) -> None:
        with Journal(place / "index") as journal:
            for measured in journal.found.values():
                assert measured.frames >= 0

    readers: dict[str, Callable[[Path], object] | None] = {
        r"features/.+\.npz": features,
        r"songs/songs\.parquet": lambda place: SongTable.read(place / "songs"),
        r"recipes\.jsonl": replay,
        rf"index/{re.escape(JOURNAL)}": go_on,
    }
    return Product(folder, readers, (catalog.path, *catalog.roots.values()))


# ---- what is done to them ----


def mutations(file: Path, data: bytes, rng: random.Random, count: int) -> Iterator[tuple[bytes, str]]:
    """Yield other contents of a file: other bytes, other values of its own format, texts that blow up."""
    yield b"", "empty"
    yield from ((text, repr(text[:30])) for text in rng.sample(HOSTILE_TEXTS, 3))
    yield from (damaged(data, rng) for _ in range(count))
    other = OTHER_VALUES.get(file.suffix)
    for _ in range(count if other else 0):
        assert other is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield other(data, rng)


def other_json(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    new, said = changed(json.loads(data), rng, VALUES)
    return json.dumps(new).encode(), said


def other_lines(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    lines = data.decode().splitlines()
    place = rng.randrange(len(lines))
    new, said = changed(json.loads(lines[place]), rng, VALUES)
    lines[place] = json.dumps(new)
    return "".join(f"{line}\n" for line in lines).encode(), f"line {place}: {said}"


def other_yaml(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    new, said = changed(load_yaml(data.decode()), rng, VALUES)
    return yaml.safe_dump(new).encode(errors="replace"), said


def other_csv(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    rows = [line.split(",") for line in data.decode().splitlines()]
    row = rng.choice(rows)
    place, value = (
        rng.randrange(len(row)),
        rng.choice(("", "x", "nan", "inf", "-1", "1e999", "\0", '"', "9" * 5000)),
    )
    row[place] = value
    return "".join(f"{','.join(row)}\n" for row in rows).encode(), f"cell {place} is {value!r:.20}"


def other_parquet(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    table = pq.read_table(pa.BufferReader(data))
    name = rng.choice(table.column_names)
    place, count = table.column_names.index(name), len(table)
    columns: dict[str, pa.Array] = {
        "gone": pa.array([]),
        "null": pa.nulls(count, table.column(name).type),
        "text": pa.array(["\x00../../x"] * count),
        "numbers": pa.array([2**63 - 1] * count),
        "lists": pa.array([[1.0]] * count),
        "none": pa.nulls(count),
    }
    kind = rng.choice([*columns, "rows", "labels"])
    if kind == "gone":
        table = table.drop_columns([name])
    elif kind == "rows":
        table = table.slice(0, rng.randrange(count + 1))
    elif kind == "labels":
        labels = json.dumps(rng.choice([*VALUES, ["a"] * 15, [["a"]]])).encode()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), b"mixlab.labels": labels})
    else:
        table = table.set_column(place, name, columns[kind])
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes(), f"{name}: {kind}"


def other_array(array: np.ndarray, rng: random.Random) -> tuple[np.ndarray, str]:
    kind = rng.choice(("nan", "short", "flat", "text", "huge", "none"))
    if kind == "nan" and array.dtype.kind == "f":
        return np.full_like(array, np.nan), kind
    if kind == "huge" and array.dtype.kind == "f":
        return array * 0 + array.dtype.type(1e30), kind
    if kind == "text":
        return np.full(array.shape, "../x"), kind
    return {"flat": array.reshape(-1), "none": array[:0]}.get(kind, array[:-1]), kind


def other_npz(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    import io

    with np.load(io.BytesIO(data)) as found:
        arrays = dict(found)
    name, out = rng.choice(list(arrays)), io.BytesIO()
    arrays[name], said = other_array(arrays[name], rng)
    if rng.random() < 0.2:
        arrays.pop(name)
    np.savez(out, **arrays)
    return out.getvalue(), f"{name}: {said}"


def other_tensors(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    tensors = load_tensors(data)
    name = rng.choice(list(tensors))
    kind = rng.choice(("gone", "nan", "short", "double", "scalar", "extra"))
    if kind == "gone":
        del tensors[name]
    elif kind == "extra":
        tensors["../x"] = torch.zeros(3)
    else:
        found = tensors[name]
        tensors[name] = {
            "nan": found.double() * float("nan"),
            "short": found.flatten()[:-1].clone(),
            "double": found.double(),
            "scalar": torch.tensor(1.0),
        }[kind]
    return save_tensors(tensors), f"{name}: {kind}"


OTHER_VALUES: dict[str, Callable[[bytes, random.Random], tuple[bytes, str]]] = {
    ".json": other_json,
    ".jsonl": other_lines,
    ".yaml": other_yaml,
    ".csv": other_csv,
    ".parquet": other_parquet,
    ".npz": other_npz,
    ".safetensors": other_tensors,
}

PRODUCTS = ("trained", "studied", "exported_folder", "exported_webdataset", "caches")


MANY = pytest.param(25, id="many", marks=[pytest.mark.slow, pytest.mark.long])


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_file_has_its_reader(product: str, request: pytest.FixtureRequest) -> None:
    made: Product = request.getfixturevalue(product)
    read = {made.name(file) for file in made.files() if made.reader(file) is not None}
    assert read
    for pattern, reader in made.readers.items():
        assert reader is None or any(re.fullmatch(pattern, name) for name in read), f"nothing is {pattern}"


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    "scale",
    [pytest.param(1, id="quick"), pytest.param(25, id="many", marks=[pytest.mark.slow, pytest.mark.long])],
)
def test_damaged_files_are_refused_or_made_anew(
    product: str, request: pytest.FixtureRequest, law: Law, scale: int, tmp_path: Path
) -> None:
    made: Product = request.getfixturevalue(product)
    rng, folder = random.Random(23), tmp_path / made.folder.name
    shutil.copytree(made.folder, folder)
    for file in made.files():
        read, whole, copy = made.reader(file), file.read_bytes(), folder / made.name(file)
        if read is None:
            continue
        for data, said in mutations(file, whole, rng, 6 * scale):
            copy.write_bytes(data)
            with watched(folder, *made.roots), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a cache that is damaged is made anew, with a warning
                law.holds(lambda read=read: read(folder), f"{made.name(file)}: {said}")
            for changed_file in (copy, *_others(made, folder)):
                changed_file.parent.mkdir(exist_ok=True)
                changed_file.write_bytes((made.folder / changed_file.relative_to(folder)).read_bytes())
    assert law.refused


def _others(made: Product, folder: Path) -> Iterator[Path]:
    """Yield the files that reading another one may have written anew."""
    for file in made.files():
        copy = folder / made.name(file)
        if not copy.is_file() or copy.stat().st_size != file.stat().st_size:
            yield copy


def test_weights_with_a_checksum_of_their_own(trained: Product, law: Law, scale: int, tmp_path: Path) -> None:
    """Who writes other weights can write their checksum, too."""
    from hashlib import sha256

    rng, folder = random.Random(24), tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    file, card = folder / "model.safetensors", folder / "model.json"
    whole, about = file.read_bytes(), json.loads(card.read_text())
    for _ in range(12 * scale):
        data, said = rng.choice((damaged, other_tensors))(whole, rng)
        file.write_bytes(data)
        card.write_text(json.dumps({**about, "sha256": sha256(data).hexdigest()}))
        with watched(folder, *trained.roots):
            law.holds(lambda: read_model(Run.open(folder)), said)


@pytest.mark.parametrize("scale", [pytest.param(1, id="quick"), MANY])
def test_checkpoints_with_other_values(
    trained: Product, law: Law, scale: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training says that it cannot go on, or does."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rng, folder = random.Random(25), tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    file = Run(folder).last_checkpoint
    whole = file.read_bytes()
    state = torch.load(file, weights_only=True)
    values = tuple(v for v in VALUES if not isinstance(v, float))
    longer = replace(TRAIN, epochs=2)
    for _ in range(3 * scale):
        new, said = changed(state, rng, values)
        try:
            torch.save(new, file)
        except (OverflowError, UnicodeEncodeError):  # no pickle holds it either
            continue
        with watched(tmp_path, *trained.roots), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            law.holds(lambda: train(trained.roots[0], folder, MIX, longer, resume=True), said)
        shutil.rmtree(folder)
        shutil.copytree(trained.folder, folder)
    file.write_bytes(whole)


def counts_of(state: object, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where a checkpoint has the counts of this epoch, with which its training goes on."""
    if isinstance(state, dict):
        for key, value in state.items():
            yield from counts_of(value, (*place, key))
    elif "current" in place or place[-1] in ("is_last_batch", "_batches_that_stepped"):
        yield place


def test_counts_of_a_checkpoint_are_those_of_one_training(trained: Product, tmp_path: Path) -> None:
    """With others Lightning leaves out a validation, or an epoch, or trains one twice."""
    file = tmp_path / "last.ckpt"
    state = torch.load(Run(trained.folder).last_checkpoint, weights_only=True)
    read_checkpoint(Run(trained.folder).last_checkpoint)
    fit = ("loops", "fit_loop")
    places = [place for place in counts_of(state["loops"]["fit_loop"], fit) if "manual" not in place[2]]
    places += [("epoch",), ("global_step",), ("lr_schedulers", 0, "last_epoch")]  # type: ignore[list-item]
    assert len(places) > 20
    for place in places:
        found = state
        for key in place:
            found = found[key]
        steps = (found + 1, found + 10**24, found - 1) if place[-1] != "_batches_that_stepped" else ()
        for value in (*steps, None, "x", [], 1.5):
            other = _with(state, place, value)
            torch.save(other, file)
            try:
                with raises(RunError, code="run-damaged", mentions=file):
                    read_checkpoint(file)
            except pytest.fail.Exception:
                pytest.fail(f"{place} may be {value!r}")


def _with(data: Any, place: tuple[Any, ...], value: object) -> Any:
    if not place:
        return value
    copy = list(data) if isinstance(data, list) else dict(data)
    copy[place[0]] = _with(data[place[0]], place[1:], value)
    return copy


def test_a_changed_count_ends_before_training(trained: Product, tmp_path: Path) -> None:
    """An epoch that is said to go on, and has no batches left, was trained on without its validation."""
    folder = tmp_path / "run"
    shutil.copytree(trained.folder, folder)
    run = Run(folder)
    state = torch.load(run.last_checkpoint, weights_only=True)
    place = ("loops", "fit_loop", "epoch_progress", "current", "processed")
    torch.save(_with(state, place, 0), run.last_checkpoint)
    with raises(RunError, code="run-damaged", mentions=run.last_checkpoint):
        train(trained.roots[0], folder, MIX, replace(TRAIN, epochs=2), resume=True)


class Evil:
    """What a pickle would call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(trained: Product, tmp_path: Path) -> None:
    """Neither from a checkpoint, weights, or features; not even where Lightning or torch would."""
    folder, mark = tmp_path / "run", tmp_path / "it-ran"
    shutil.copytree(trained.folder, folder)
    run = Run.open(folder)
    state = torch.load(run.last_checkpoint, weights_only=True)
    torch.save({**state, "epoch": Evil(mark)}, run.last_checkpoint)
    with raises(RunError, code="run-damaged", mentions=run.last_checkpoint):
        train(trained.roots[0], folder, MIX, replace(TRAIN, epochs=2), resume=True)
    torch.save({"a": Evil(mark)}, tmp_path / "weights.pth")
    with raises(ConfigError, code="invalid-weights", mentions=tmp_path / "weights.pth"):
        read_weights(tmp_path / "weights.pth")
    np.savez(tmp_path / "features.npz", values=np.array([Evil(mark)], dtype=object))
    with pytest.raises(ValueError, match=r"Object arrays|has not the"):
        read_arrays(tmp_path / "features.npz")
    assert not mark.exists()


def test_a_flipped_bit_of_a_checkpoint_is_seen(trained: Product, tmp_path: Path) -> None:
    """Of a weight as well: torch itself would go on with another one."""
    file = tmp_path / "last.ckpt"
    data = bytearray(Run(trained.folder).last_checkpoint.read_bytes())
    weight = next(
        iter(torch.load(Run(trained.folder).last_checkpoint, weights_only=True)["state_dict"].values())
    )
    place = bytes(data).find(weight.numpy().tobytes())
    assert place > 0
    data[place] ^= 1
    file.write_bytes(data)
    with raises(RunError, code="run-damaged", mentions=file):
        read_checkpoint(file)


def test_settings_of_a_run_import_no_class_and_read_no_file(trained: Product, tmp_path: Path) -> None:
    """jsonargparse would, where a class or a file stands in place of values."""
    (tmp_path / "evil_settings.py").write_text("open('it-ran', 'w').close()\nclass Evil: pass\n")
    stored = Run.open(trained.folder).config["train"]
    for other in (
        {"class_path": "evil_settings.Evil"},
        {**stored, "model": {"class_path": "evil_settings.Evil"}},
        {**stored, "model": "/etc/passwd"},
        {**stored, "model": {**stored["model"], "parameters": {"a": [{"class_path": "evil_settings.Evil"}]}}},
    ):
        with watched(), raises(ConfigError, code="invalid-setting"):
            from_plain(TrainConfig, other)


def test_names_of_a_study_are_no_paths(studied: Product, tmp_path: Path) -> None:
    data = json.loads((studied.folder / "study.json").read_text())
    for name in ("../../x", "/etc", "..", "", "a/b", "a\\b", "\0"):
        data["runs"][0] |= {"name": name, "path": f"runs/{name}"}
        (tmp_path / "study.json").write_text(json.dumps(data))
        with watched(tmp_path), raises(RunError, code="run-damaged", mentions=("study.json", "runs[0].name")):
            StudyFolder(tmp_path).states()
