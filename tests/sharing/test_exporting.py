"""Exports: item i is the stream's, other tools read them, and stopping one changes no byte of it."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mixlab import Catalog, MixConfig, MixDataset, MixRecipe, render_mix
from mixlab.cli.main import main
from mixlab.errors import ConfigError, MixlabError
from mixlab.sharing.encoding import encode_item, quantise
from mixlab.sharing.exporting import ExportSettings, export_items, items_per_shard, verify_export
from mixlab.sharing.exporting_mixes import export_mixes
from mixlab.sharing.item_sources import StreamItems
from mixlab.utils.csv import csv_text, harmless
from tests.conftest import REPO
from tests.errors import raises
from tests.toy import make_own_catalog, steady

ITEMS, SHARD = 7, 3
FORMS = ("webdataset", "huggingface", "folder")


def stream(catalog: Catalog, config: MixConfig = MixConfig(), seed: int = 0) -> StreamItems:
    return StreamItems(catalog, None, config, "train", seed, 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def exports(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An export in each form."""
    folder = tmp_path_factory.mktemp("exports")
    for form in FORMS:
        settings = ExportSettings(form, sources=True, shard_items=SHARD)
        report = export_items(stream(toy), folder / form, settings, ITEMS, workers=1, progress=False)
        assert (report.written, report.shards, report.kept, report.left_out) == (ITEMS, 3, 0, ())
    return {form: folder / form for form in FORMS}


def read_audio(data: bytes) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    assert rate == 16000
    return samples.T


def check_item(
    toy: Catalog, n: int, audio: bytes, sources: list[bytes], target: Any, mask: Any, about: dict[str, Any]
) -> None:
    """Compare an item that was read back with the stream's."""
    item = MixDataset(toy, pack=None, sources=True).item(n)
    expected = item["audio"].numpy()
    assert np.abs(expected).max() <= 1.0
    assert np.array_equal(read_audio(audio), quantise(expected))
    assert len(sources) == len(about["sources"])
    for place, source in enumerate(sources):
        assert np.array_equal(read_audio(source), quantise(item["sources"][place].numpy()))
    assert np.array_equal(np.asarray(target, dtype=np.float32), item["target"].numpy())
    assert np.array_equal(np.asarray(mask, dtype=bool), item["mask"].numpy())
    recipe = MixRecipe.decode(about["recipe"])
    assert (recipe, about["index"], about["item"]) == (MixDataset(toy).recipe(n), n, n)
    assert np.array_equal(render_mix(recipe, toy).mixture, expected)


def test_in_python_a_folder_is_a_catalog_and_wrong_words_are_told_before_anything_is_written(
    toy: Catalog, tmp_path: Path
) -> None:
    wrong: list[tuple[dict[str, Any], tuple[str, str]]] = [
        ({"format": "webdatset"}, ("webdatset", "webdataset, huggingface, folder")),
        ({"audio": "mp3"}, ("mp3", "flac, wav")),
        ({"kind": "matchd"}, ("matchd", "musical, non_musical, matched")),
        ({"items": 2.5}, ("items", "2.5")),
        ({"shard_items": 1.5}, ("shard_items", "1.5")),
    ]
    for change, mentions in wrong:
        given: dict[str, Any] = {"items": 2, "workers": 1, **change}
        with raises(ConfigError, code="invalid-setting", mentions=mentions):
            export_mixes(toy, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()
    config = MixConfig(duration_s=1.0)
    assert export_mixes(str(toy.path), tmp_path / "out", config, items=2, workers=1).written == 2
    (shard,) = (tmp_path / "out/data").iterdir()
    other = StreamItems(toy, None, config, "train", 0, 0)
    settings = ExportSettings("webdataset", shard_items=2)
    export_items(other, tmp_path / "same", settings, 2, workers=1, progress=False)
    assert (tmp_path / "same/data" / shard.name).read_bytes() == shard.read_bytes()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it leaves closing its files to Python
def test_webdataset_reads_what_the_stream_has(toy: Catalog, exports: dict[str, Path]) -> None:
    webdataset = pytest.importorskip("webdataset", reason="reads the shards back; extra 'examples'")
    shards = str(exports["webdataset"] / "data" / "train-{000000..000002}.tar")
    items = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert [item["__key__"] for item in items] == [f"{n:09d}" for n in range(ITEMS)]
    for n, item in enumerate(items):
        sources = [item[name] for name in sorted(item) if name.startswith("source_")]
        check_item(toy, n, item["flac"], sources, item["target.npy"], item["mask.npy"], item["json"])


def test_datasets_reads_what_the_stream_has(
    toy: Catalog, exports: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="reads the Parquet files back; extra 'export'")
    loaded = datasets.load_dataset(str(exports["huggingface"]), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"]
    names = MixDataset(toy).label_names
    assert tuple(loaded["train"].features["labels"].feature.names) == names
    assert loaded["train"].features["audio"].sampling_rate == 16000
    raw = datasets.Audio(decode=False)
    rows = loaded["train"].cast_column("audio", raw).cast_column("sources", datasets.List(raw))
    assert len(rows) == ITEMS
    for n, row in enumerate(rows):
        sources = [source["bytes"] for source in row["sources"]]
        about = json.loads(row["about"])
        check_item(toy, n, row["audio"]["bytes"], sources, row["target"], row["mask"], about)
        assert [names[label] for label in row["labels"]] == about["present"]
        assert [names[label] for label in row["unknown"]] == about["unknown"]
        assert row["source_stems"] == [source["stem"] for source in about["sources"]]


def test_a_folder_holds_what_the_stream_has(toy: Catalog, exports: dict[str, Path]) -> None:
    folder, names = exports["folder"], MixDataset(toy).label_names
    lists = sorted(folder.glob("data/*/items.jsonl"))
    items = [
        json.loads(line) | {"at": path.parent} for path in lists for line in path.read_text().splitlines()
    ]
    rows = list(csv.DictReader(io.StringIO((folder / "labels.csv").read_text())))
    for n, (item, row) in enumerate(zip(items, rows, strict=True)):
        audio, *sources = [(item["at"] / name).read_bytes() for name in item["files"]]
        check_item(toy, n, audio, sources, item["target"], item["mask"], item)
        assert (folder / row["file"]).read_bytes() == audio
        known = [("" if not m else str(int(t))) for t, m in zip(item["target"], item["mask"], strict=True)]
        assert [row[name] for name in names] == known


def test_the_card_counts_what_is_in_it(toy: Catalog, exports: dict[str, Path]) -> None:
    data = MixDataset(toy, pack=None)
    counts = data.class_counts(ITEMS)
    stems = {s.stem for n in range(ITEMS) for s in data.recipe(n).sources}
    for form, folder in exports.items():
        card = (folder / "README.md").read_text()
        for name, present, unknown in zip(data.label_names, counts.positives, counts.unknown, strict=True):
            absent = ITEMS - int(present) - int(unknown)
            assert f"| {name} | {int(present)} | {absent} | {int(unknown)} |" in card
        for corpus in ("folder", "folder@two"):
            own = [key for key in stems if key.startswith(f"{corpus}/")]
            songs = {key.split("/")[1] for key in own}
            assert f"| {corpus} | unknown (your own files) | {len(own)} | {len(songs)} |" in card
        assert all(text in card for text in (toy.content_hash, "seed 0, epoch 0", "p_musical: 0.4", form))
        assert str(toy.path.parent) not in "".join(
            path.read_text() for path in (folder / "README.md", folder / "export.json")
        )


@pytest.mark.parametrize("form", FORMS)
def test_every_file_is_checked(form: str, exports: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(exports[form], folder)
    assert verify_export(folder) == []
    file = max((folder / "data").rglob("*.*"), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    (line,) = verify_export(folder)
    assert line.startswith(file.relative_to(folder).as_posix())
    assert main(["export", "none", str(folder), "--verify"]) == 1
    file.unlink()
    assert "missing" in verify_export(folder)[0]
    with raises(ConfigError, code="unreadable-file", mentions="export.json"):
        verify_export(tmp_path)


KILLED = """
import os, signal, sys
from pathlib import Path
import mixlab.sharing.exporting as exporting
from mixlab import Catalog, MixConfig
from mixlab.sharing.item_sources import StreamItems

left = [int(sys.argv[4])]
usual = exporting.encode_item
def count_down(*given, **named):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return usual(*given, **named)
exporting.encode_item = count_down
settings = exporting.ExportSettings(sys.argv[3], sources=True, shard_items=int(sys.argv[5]))
source = StreamItems(Catalog.open(sys.argv[1]), None, MixConfig(), "train", 0, 0)
exporting.export_items(source, Path(sys.argv[2]), settings, int(sys.argv[6]), workers=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("form", FORMS)
def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(
    form: str, toy: Catalog, exports: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", KILLED, str(toy.path), str(out), form]
    for after in (4, 3):  # in the second shard, then in the third
        done = subprocess.run(
            [*command, str(after), str(SHARD), str(ITEMS)], cwd=REPO, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
        assert not (out / "export.json").exists()
    settings = ExportSettings(form, sources=True, shard_items=SHARD)
    report = export_items(stream(toy), out, settings, ITEMS, workers=1, progress=False)
    assert report.kept == 2
    assert contents(out) == contents(exports[form])
    again = export_items(stream(toy), out, settings, ITEMS, workers=1, progress=False)
    assert again.kept == 3
    assert contents(out) == contents(exports[form])


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(toy: Catalog, exports: dict[str, Path], tmp_path: Path) -> None:
    for form in FORMS:
        settings = ExportSettings(form, sources=True, shard_items=SHARD)
        export_items(stream(toy), tmp_path / form, settings, ITEMS, workers=2, progress=False)
        assert contents(tmp_path / form) == contents(exports[form])


def test_an_export_grows_and_refuses_what_is_another(
    toy: Catalog, exports: dict[str, Path], tmp_path: Path
) -> None:
    settings, out = ExportSettings("webdataset", sources=True, shard_items=SHARD), tmp_path / "out"
    export_items(stream(toy), out, settings, 4, workers=1, progress=False)
    assert export_items(stream(toy), out, settings, ITEMS, workers=1, progress=False).kept == 1
    assert contents(out) == contents(exports["webdataset"])
    with raises(ConfigError, code="settings-changed", mentions=("7", "4")):
        export_items(stream(toy), out, settings, 4, workers=1, progress=False)
    with raises(ConfigError, code="settings-changed", mentions="seed"):
        export_items(stream(toy, seed=1), out, settings, ITEMS, workers=1, progress=False)
    with (out / ".export" / ".lock").open("ab") as file:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        with raises(ConfigError, code="export-in-use", mentions=str(out)):
            export_items(stream(toy), out, settings, ITEMS, workers=1, progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    with raises(ConfigError, code="folder-not-empty", mentions=str(tmp_path / "mine")):
        export_items(stream(toy), tmp_path / "mine", settings, 4, workers=1, progress=False)
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"


def loud_tone(frequency_hz: float) -> np.ndarray:
    return np.clip(3.0 * steady(frequency_hz, 5.0, -6.0), -1.0, 1.0)


@pytest.fixture
def own(tmp_path: Path) -> tuple[Catalog, Path]:
    """A catalog of loud stems, and one file of it."""
    stems = [
        {
            "song": f"song{n}",
            "label": label,
            "audio": loud_tone(200.0 + 50 * n),
            "licence": "=CC|0",
        }
        for n in range(4)
        for label in ("piano", "violin")
    ]
    catalog = make_own_catalog(tmp_path, stems)
    return catalog, catalog.audio_path(0)


def test_one_bad_file_costs_its_items_alone(
    own: tuple[Catalog, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog, path = own
    command = ["export", str(catalog.path), "--items", "12", "--shard_items", "5", "--workers", "1"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    kept = path.read_bytes()
    path.unlink()
    assert main([*command, str(tmp_path / "out")]) == 1
    printed = capsys.readouterr().out
    index = json.loads((tmp_path / "out" / "export.json").read_text())
    data = MixDataset(catalog)
    key = str(catalog.column("key")[0])
    hit = [n for n in range(12) if any(s.stem == key for s in data.recipe(n).sources)]
    assert 0 < len(hit) < 12
    assert [each["item"] for each in index["left_out"]] == hit
    assert {each["code"] for each in index["left_out"]} == {"audio-not-found"}
    assert f"{len(hit)} items could not be rendered" in printed
    assert index["written"] == 12 - len(hit)
    path.write_bytes(kept)
    os.utime(path, ns=(0, int(catalog.column("mtime_ns")[0])))
    assert main([*command, str(tmp_path / "out")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_what_lies_beyond_full_scale_is_scaled_and_counted(own: tuple[Catalog, Path], tmp_path: Path) -> None:
    catalog, _ = own
    source = stream(catalog, MixConfig(peak_limit=0.0))
    mixes = [source.mix(n) for n in range(8)]
    loud = [n for n, mix in enumerate(mixes) if np.abs(mix.mixture).max() > 1.0]
    assert loud
    for n in loud:
        item = encode_item(n, mixes[n], "wav", sources=True)
        scale = 10 ** (item.about["file_scale_db"] / 20)
        audios = [read_audio(data).astype(float) / 32768 for data in (item.audio, *item.sources)]
        assert item.about["file_scale_db"] < 0
        np.testing.assert_allclose(audios[0], mixes[n].mixture * scale, atol=1e-3)
        np.testing.assert_allclose(np.sum(audios[1:], axis=0), audios[0], atol=len(audios) * 2**-15)
    settings = ExportSettings("folder", audio="wav", sources=True, shard_items=4)
    report = export_items(source, tmp_path / "out", settings, 8, workers=1, progress=False)
    assert report.scaled == sum(
        encode_item(n, m, "wav", sources=True).about["file_scale_db"] < 0 for n, m in enumerate(mixes)
    )
    assert r"| =CC\|0 |" in (tmp_path / "out" / "README.md").read_text()


def test_samples_are_the_nearest_of_16_bits() -> None:
    audio = np.array([[0.0, 1.0, -1.0, 0.5 / 32768, 1.5 / 32768, 1.4 / 32768, -0.25]], dtype=np.float32)
    assert quantise(audio).tolist() == [[0, 32767, -32768, 0, 2, 1, -8192]]


def test_no_cell_is_a_formula() -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\t=1", "\r=1"):
        assert harmless(text) == f"'{text}"
    assert [harmless(text) for text in ("", "a=b", "bass")] == ["", "a=b", "bass"]
    assert csv_text([[harmless("=A1")]]) == "'=A1\n"


def test_shards_are_sized_by_the_settings_alone(toy: Catalog) -> None:
    settings = ExportSettings("webdataset", sources=True)
    assert items_per_shard(stream(toy), settings, 10.0) == int(10e6 // (2 * 64000 * (1 + 5)))
    assert items_per_shard(stream(toy), ExportSettings("webdataset"), 0.001) == 1


def test_bad_options_are_refused(toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", str(toy.path), str(tmp_path / "out")]
    for options, code in (
        ([], "missing-setting"),
        (["--items", "0"], "invalid-setting"),
        (["--items", "3", "--shard_mb", "-1"], "invalid-setting"),
        (["--items", "3", "--shard_mb", "1", "--shard_items", "1"], "conflicting-settings"),
        (["--items", "3", "--split", "trian"], "nothing-to-sample"),
    ):
        assert main([*command, *options]) == 2
        assert f"error [{code}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_export_of_recipes_is_that_of_their_stream(
    toy: Catalog, exports: dict[str, Path], tmp_path: Path
) -> None:
    recipes, out = str(tmp_path / "r.jsonl"), tmp_path / "out"
    assert main(["recipes", str(toy.path), "--items", str(ITEMS), "--out", recipes]) == 0
    arguments = ["--recipes", recipes, "--shard_items", str(SHARD), "--sources", "--workers", "1"]
    assert main(["export", str(toy.path), str(out), *arguments]) == 0
    for path in sorted((exports["webdataset"] / "data").iterdir()):
        assert path.read_bytes() == (out / "data" / path.name).read_bytes()
    assert main(["export", str(toy.path), str(out), *arguments, "--items", "99"]) == 2


def test_a_fault_keeps_its_code(toy: Catalog, tmp_path: Path) -> None:
    catalog = Catalog.open(toy.path, roots=dict.fromkeys(toy.roots, tmp_path / "gone"))
    with raises(MixlabError, code="root-not-found", mentions="gone"):
        export_items(
            stream(catalog), tmp_path / "out", ExportSettings("folder"), 2, workers=1, progress=False
        )
