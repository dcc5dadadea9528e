"""A pack holds what the files hold, survives interruption, and is never used for another file."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mixlab.catalog import packing
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import FileMark, Pack, PackReader, default_pack_folder, is_same_file, open_reader
from mixlab.catalog.packing import PackReport, pack_catalog
from mixlab.cli.main import main
from mixlab.errors import AudioError, CatalogError, CatalogMismatchError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.mixing.loader import MixLoader
from mixlab.mixing.rendering import CatalogReader, render_mix
from mixlab.mixing.sampler import sample_recipe
from tests.errors import raises
from tests.toy import make_corpus

SMALL = 2_000_000


def packed(catalog: Catalog, folder: Path, **settings: object) -> PackReport:
    options: dict[str, object] = {"workers": 1, "progress": False, "shard_bytes": SMALL} | settings
    return pack_catalog(catalog, folder, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the whole toy catalog in several shards."""
    place = tmp_path_factory.mktemp("pack") / "pack"
    report = packed(toy, place)
    assert report.stems == int(toy.column("drawable").sum())
    assert report.written > 3
    assert not report.problems
    return place


def test_reading_from_the_pack_is_reading_the_file_within_its_rounding(toy: Catalog, folder: Path) -> None:
    reader, files = open_reader(toy, 16000, 1, folder), CatalogReader(toy)
    assert isinstance(reader, PackReader)
    assert reader.packed == int(toy.column("drawable").sum())
    for stem in np.flatnonzero(toy.column("drawable"))[::17].tolist():
        for start_s in (-0.5, 0.0, 1.24, 5.5, 9.0):
            one = reader.read(stem, start_s, 32000, 16000, 1)
            other = files.read(stem, start_s, 32000, 16000, 1)
            assert one.dtype == np.float32
            assert one.shape == other.shape
            # half a step of the stem's own 16 bits; its peak is below 0.25
            assert np.abs(one - other).max() < 0.25 / 32767 * 0.6


def test_untouched_mixes_and_all_labels_agree(toy: Catalog, folder: Path) -> None:
    reader, config = open_reader(toy, 16000, 1, folder), MixConfig(effects=EffectsConfig.none())
    for index in range(12):
        recipe = sample_recipe(toy, config, 0, 0, index)
        one, other = render_mix(recipe, toy, reader), render_mix(recipe, toy)
        np.testing.assert_allclose(one.mixture, other.mixture, atol=5 * 0.25 / 32767)
        np.testing.assert_array_equal(one.target, other.target)
        np.testing.assert_array_equal(one.mask, other.mask)


def test_stereo_packs_keep_both_channels(toy: Catalog, tmp_path: Path) -> None:
    packed(toy, tmp_path / "pack", channels=2)
    stem = int(np.flatnonzero(toy.column("corpus") == "folder@two")[0])
    one = open_reader(toy, 16000, 2, tmp_path / "pack").read(stem, 1.0, 16000, 16000, 2)
    other = CatalogReader(toy).read(stem, 1.0, 16000, 16000, 2)
    np.testing.assert_allclose(one, other, atol=0.25 / 32767)
    assert not np.allclose(one[0], one[1])


def test_an_interrupted_pack_goes_on_with_the_shards_it_lacks(
    toy: Catalog, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(folder, copy)
    whole = {path.name: path.read_bytes() for path in copy.iterdir()}
    next(copy.glob("shard-00001-*.i16")).unlink()  # lost
    os.truncate(next(copy.glob("shard-00002-*.i16")), 1000)  # half written
    (copy / "pack.json").unlink()
    report = packed(toy, copy)
    assert (report.written, report.kept) == (2, len(list(folder.glob("*.i16"))) - 2)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == whole


def test_a_damaged_shard_is_found_by_its_checksum(
    toy: Catalog, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(folder, copy)
    assert Pack(copy).verify() == []
    with next(copy.glob("shard-00001-*.i16")).open("r+b") as file:
        file.seek(5000)
        file.write(b"\x01\x02\x03")
    assert main(["pack", str(toy.path), "--out", str(copy), "--verify"]) == 1
    assert re.search(r"shard-00001-\w+\.i16: expected checksum", capsys.readouterr().out)


def test_a_shard_that_was_cut_off_is_an_error_that_says_so(
    toy: Catalog, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(folder, copy)
    os.truncate(next(copy.glob("shard-00000-*.i16")), 1000)
    with raises(CatalogError, code="pack-damaged", mentions=("1000", "mixlab pack")):
        open_reader(toy, 16000, 1, copy)


def test_a_shard_that_is_cut_off_while_it_is_open_is_an_error_too(
    toy: Catalog, folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "pack"
    shutil.copytree(folder, copy)
    reader = open_reader(toy, 16000, 1, copy)
    os.truncate(next(copy.glob("shard-00000-*.i16")), 1000)
    with raises(AudioError, code="pack-damaged", mentions=("1000 bytes", "mixlab pack")):
        reader.read(0, 0.0, 1000, 16000, 1)


def test_the_dataset_uses_the_catalogs_pack_by_itself(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 6, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    before = MixDataset(catalog, epoch_size=8, batch_size=4, evaluation=True)
    state = MixLoader(before).state_dict()
    items = [before.item(index)["audio"] for index in range(4)]
    packed(catalog, default_pack_folder(catalog, 16000, 1))
    for path in (tmp_path / "one").rglob("*.wav"):
        path.unlink()
    after = MixDataset(catalog, epoch_size=8, batch_size=4, evaluation=True)
    for index in range(4):
        np.testing.assert_allclose(after.item(index)["audio"], items[index], atol=5 * 0.25 / 32767)
    loaded = next(iter(MixLoader(after, num_workers=1)))  # a worker opens the pack for itself
    np.testing.assert_array_equal(loaded["audio"][0], after.item(0)["audio"])
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash"):
        MixLoader(after).load_state_dict(state)


def test_the_budget_packs_what_fits_and_the_rest_is_read_from_files(toy: Catalog, tmp_path: Path) -> None:
    report = packed(toy, tmp_path / "pack", budget_bytes=5_000_000)
    assert report.bytes <= 5_000_000
    assert 0 < report.stems < int(toy.column("drawable").sum())
    assert report.left_out == int(toy.column("drawable").sum()) - report.stems
    reader = open_reader(toy, 16000, 1, tmp_path / "pack")
    for index in range(8):
        recipe = sample_recipe(toy, MixConfig(effects=EffectsConfig.none()), 0, 0, index)
        np.testing.assert_allclose(
            render_mix(recipe, toy, reader).mixture, render_mix(recipe, toy).mixture, atol=5 * 0.25 / 32767
        )
    # the corpus with fewer songs is sampled as often, so each of its stems is worth more
    corpora = [key.split("/")[0] for key in Pack(tmp_path / "pack").entries]
    assert corpora.count("folder@two") > corpora.count("folder")


def test_a_budget_too_small_for_anything_is_an_error(toy: Catalog, tmp_path: Path) -> None:
    with raises(CatalogError, code="nothing-to-pack", mentions="10"):
        packed(toy, tmp_path / "pack", budget_bytes=10)


def longer(path: Path) -> None:
    audio, rate = soundfile.read(path)
    soundfile.write(path, np.concatenate([0.5 * audio, audio[:1000]]), rate)


def half(path: Path) -> None:
    audio, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * audio, rate)


def inverted(path: Path) -> None:
    audio, rate = soundfile.read(path)
    soundfile.write(path, -audio, rate)  # no level changes


def one_second_elsewhere(path: Path) -> None:
    audio, rate = soundfile.read(path)
    audio[-rate:] = audio[-rate:][::-1]
    soundfile.write(path, audio, rate)


EDITS = [longer, half, inverted, one_second_elsewhere]
STALE = (
    r"is out of date for 1 of \d+ stems, such as 'folder/song01/01_piano'.*"
    r"Run 'mixlab index' for .*, then 'mixlab pack .*'"
)


class Edited:
    """A catalog with a pack of its own, one of whose files is edited after both were made."""

    def __init__(self, place: Path) -> None:
        make_corpus(place / "one", 4, seed=3)
        self.place, self.file = place, place / "one" / "song01" / "01_piano.wav"
        self.catalog = self.index()
        packed(self.catalog, default_pack_folder(self.catalog, 16000, 1))
        self.stems = len(Pack(default_pack_folder(self.catalog, 16000, 1)))

    def index(self) -> Catalog:
        build_catalog(self.place / "catalog", {"folder": self.place / "one"}, workers=1, progress=False)
        self.catalog = Catalog.open(self.place / "catalog")
        return self.catalog

    def pack(self) -> PackReport:
        return packed(self.catalog, default_pack_folder(self.catalog, 16000, 1))

    def open(self) -> PackReader:
        reader = open_reader(self.catalog, 16000, 1)
        assert isinstance(reader, PackReader)
        return reader

    def excerpt(self, reader: PackReader | CatalogReader) -> np.ndarray:
        return reader.read(self.catalog.find("folder/song01/01_piano"), 0.0, 48000, 16000, 1)


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    return Edited(tmp_path)


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_that_changed_is_not_read_from_the_old_pack_and_is_packed_anew(
    edited: Edited, edit: Callable[[Path], None]
) -> None:
    before = edited.excerpt(edited.open())
    edit(edited.file)
    edited.index()
    with pytest.warns(RuntimeWarning, match=STALE):
        reader = edited.open()
    assert (reader.packed, reader.stale) == (edited.stems - 1, ("folder/song01/01_piano",))
    now = edited.excerpt(CatalogReader(edited.catalog))
    np.testing.assert_array_equal(edited.excerpt(reader), now)
    report = edited.pack()
    assert report.written >= 1
    reader = edited.open()  # without a warning
    assert reader.packed == report.stems == edited.stems
    np.testing.assert_allclose(edited.excerpt(reader), now, atol=0.25 / 32767)
    if edit is half:
        assert np.sqrt(np.mean(now**2) / np.mean(before**2)) == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_edited_without_indexing_again_is_neither_read_from_the_pack_nor_packed(
    edited: Edited, edit: Callable[[Path], None]
) -> None:
    edit(edited.file)
    with pytest.warns(RuntimeWarning, match=STALE):
        reader = edited.open()
    assert reader.packed == edited.stems - 1
    if edit in (half, longer):  # the others leave the levels of this excerpt as they were indexed
        with raises(AudioError, code="audio-changed"):
            edited.excerpt(reader)
    report = edited.pack()
    assert report.stems == edited.stems - 1
    assert [text.partition(":")[0] for text in report.problems] == ["folder/song01/01_piano"]
    assert "found other audio: the file has changed since. Run 'mixlab index' again" in report.problems[0]
    assert edited.open().packed == edited.stems - 1


def test_copied_files_are_packed_anew_once_without_indexing(edited: Edited) -> None:
    """Their times differ, and so all are read from the files until packing has compared what they hold."""
    for path in (edited.place / "one").rglob("*.wav"):
        os.utime(path, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    with pytest.warns(RuntimeWarning, match=f"out of date for {edited.stems} of {edited.stems} stems"):
        assert edited.open().packed == 0
    report = edited.pack()
    assert (report.stems, report.problems) == (edited.stems, ())
    assert edited.open().packed == edited.stems
    assert edited.pack().written == 0


def test_the_same_audio_in_another_container_keeps_its_entry(edited: Edited) -> None:
    audio, rate = soundfile.read(edited.file, dtype="int16")
    edited.file.unlink()
    soundfile.write(edited.file.with_suffix(".flac"), audio, rate)
    edited.index()
    assert edited.open().packed == edited.stems
    assert edited.pack().written == 0
    np.testing.assert_allclose(
        edited.excerpt(edited.open()), edited.excerpt(CatalogReader(edited.catalog)), atol=0.25 / 32767
    )


@pytest.mark.parametrize(
    ("now", "known", "same"),
    [
        ((10, 5_123_456_789), (10, 5_123_456_789), True),
        ((10, 5_123_456_789), (11, 5_123_456_789), False),
        ((10, 5_123_456_788), (10, 5_123_456_789), False),
        ((10, 5_000_000_000), (10, 5_123_456_789), True),  # a second's resolution
        ((10, 4_000_000_000), (10, 5_123_456_789), True),  # two seconds'
        ((10, 3_000_000_000), (10, 5_123_456_789), False),
        ((10, 6_000_000_000), (10, 5_000_000_000), False),
    ],
)
def test_times_that_an_archive_cut_are_the_same(now: FileMark, known: FileMark, same: bool) -> None:
    assert is_same_file(now, known) is is_same_file(known, now) is same


def test_a_stem_that_cannot_be_read_is_reported_and_the_rest_is_packed(tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 4, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    (tmp_path / "one" / "song01" / "01_piano.wav").write_bytes(b"")
    report = packed(catalog, tmp_path / "pack")
    assert len(report.problems) == 1
    assert "song01/01_piano" in report.problems[0]
    assert report.stems == int(catalog.column("drawable").sum()) - 1


def test_packing_that_stops_leaves_no_index_of_other_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_corpus(tmp_path / "one", 4, seed=3)
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    catalog = Catalog.open(tmp_path / "catalog")
    broken = tmp_path / "one" / "song01" / "01_piano.wav"
    audio = broken.read_bytes()
    broken.write_bytes(b"")
    packed(catalog, tmp_path / "pack")
    broken.write_bytes(audio)
    opened = Pack(tmp_path / "pack")
    write = packing._write_shards

    def stopped(*args: Any, **kwargs: Any) -> list[str]:
        write(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, "_write_shards", stopped)
    with pytest.raises(KeyboardInterrupt):
        packed(catalog, tmp_path / "pack")
    files, reader = open_reader(catalog, 16000, 1, None), PackReader(catalog, Pack(tmp_path / "pack"))
    for stem in np.flatnonzero(catalog.column("drawable")):
        one, other = (r.read(int(stem), 0.1, 4000, 16000, 1) for r in (files, reader))
        np.testing.assert_allclose(one, other, atol=1e-4)
    with raises(AudioError, code="pack-damaged", mentions=("mixlab pack",)):
        PackReader(catalog, opened).read(0, 0.1, 4000, 16000, 1)


def test_packs_of_another_rate_or_version_or_none_are_refused(
    toy: Catalog, folder: Path, tmp_path: Path
) -> None:
    with raises(CatalogError, code="pack-mismatch", mentions=("22050", "1", "16000")):
        open_reader(toy, 22050, 1, folder)
    with raises(CatalogError, code="pack-not-found", mentions="mixlab pack"):
        open_reader(toy, 16000, 1, tmp_path)
    (tmp_path / "pack.json").write_text(json.dumps({"version": 99}))
    with raises(CatalogError, code="pack-version", mentions=("99", "3")):
        open_reader(toy, 16000, 1, tmp_path)
    assert isinstance(open_reader(toy, 16000, 1), CatalogReader)


def test_the_command_packs_and_refuses_a_bad_budget(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["pack", str(toy.path), "--out", str(tmp_path / "pack"), "--workers", "1"]
    assert main([*common, "--budget", "4MB"]) == 0
    assert "left out by the budget" in capsys.readouterr().out
    assert main([*common, "--budget", "much"]) == 2
    assert "takes a size such as 20GB" in capsys.readouterr().err


def test_another_plan_leaves_a_pack_in_use_as_it_is(toy: Catalog, tmp_path: Path) -> None:
    pack_catalog(toy, tmp_path, workers=1, shard_bytes=300_000)
    before = Pack(tmp_path)
    first, *others = before.entries
    expected = before.integers(first)[0].copy()
    whole = sum(path.stat().st_size for path in tmp_path.glob("*.i16"))
    # A smaller budget shifts all stems behind the first one left out.
    pack_catalog(toy, tmp_path, workers=1, shard_bytes=300_000, budget_bytes=whole // 2)
    np.testing.assert_array_equal(before.integers(first)[0], expected)
    after = Pack(tmp_path)
    assert 0 < len(after) < len(before)
    fresh = CatalogReader(toy)
    for key in after.entries:
        integers, scale = after.integers(key)
        samples = integers.shape[1]
        read = fresh.read(toy.find(key), 0.0, samples, 16000, 1)
        assert np.abs(integers * np.float32(scale) - read).max() <= scale
    in_first = {key for key in before.entries if before.entries[key].shard == before.entries[first].shard}
    for key in set(others) - in_first:  # their shards are gone, and were not mapped yet
        if before.entries[key].shard not in {entry.shard for entry in after.entries.values()}:
            with raises(AudioError, code="pack-damaged", mentions="mixlab pack"):
                before.integers(key)
