"""The demo corpora on disk: true layouts, sums, damage, repeatable bytes, resuming."""

import csv
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.splits import read_splits
from mixlab.corpora import get_adapter
from mixlab.corpora.base import ScanOptions
from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.synthesis import make_demo_corpora
from mixlab.synthesis.build import CORPORA
from mixlab.synthesis.clip_trees.base import TreeOptions
from mixlab.synthesis.clip_trees.making import make_clip_trees
from mixlab.synthesis.medley_layout import mixing_weights
from mixlab.synthesis.plan import plan_songs
from mixlab.synthesis.soundfonts import sample_digests
from mixlab.synthesis.stems import write_sound
from mixlab.synthesis.tasks import hold_demo
from mixlab.taxonomy import load_label_map, resolve_stem
from tests.errors import raises
from tests.small_disk import small_disk, until_it_fits

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

TAGGED = {"songs": 3, "seconds": 4.0, "seed": 1}
SMALL = {**TAGGED, "tagged": False}
SIZE = {"songs": 12, "seconds": 5.0}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora of twelve short songs, enough for every trap to occur."""
    return make_demo_corpora(tmp_path_factory.mktemp("demo") / "out", workers=1, **SIZE).path


def digest(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def sheets(root: Path) -> dict[str, dict]:
    found = sorted(root.rglob("*_METADATA.yaml"))
    return {
        path.stem.removesuffix("_METADATA"): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in found
    }


def key_shape(value: object) -> object:
    """Return the keys of nested metadata, with stems and raws folded into one."""
    if isinstance(value, dict):
        if value and all(str(key)[0] in "SR" and str(key)[1:].isdigit() for key in value):
            return {"*": key_shape(next(iter(value.values())))}
        return {key: key_shape(held) for key, held in value.items()}
    return None


def test_bytes_repeat_whatever_the_number_of_workers(tmp_path: Path) -> None:
    first = make_demo_corpora(tmp_path / "one", workers=1, **TAGGED)
    second = make_demo_corpora(tmp_path / "two", workers=2, **TAGGED)
    assert first.made == second.made > 10
    assert digest(first.path) == digest(second.path)


def test_a_rerun_keeps_what_is_finished_and_makes_what_is_missing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = make_demo_corpora(out, workers=1, **SMALL)
    before = digest(out)
    track = next((out / "slakh2100_flac_redux").rglob("mix.flac")).parent
    track.rename(track.with_name(f".partial-{track.name}"))
    kept = {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")}
    again = make_demo_corpora(out, workers=1, **SMALL)
    assert (again.made, again.kept) == (1, made.made - 1)
    assert set(made.roots) == {"medleydb", "mixing_secrets", "slakh"}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.wav")} == kept
    assert digest(out) == before
    assert not list(out.rglob(".partial-*"))


def test_a_second_call_leaves_what_the_first_one_makes_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    partial = out / "slakh2100_flac_redux" / "train" / ".partial-1-aa-song"
    with hold_demo(out):
        partial.mkdir(parents=True)

        def call() -> None:  # a thread that does not hold the folder, as another process
            with raises(ConfigError, code="demo-in-use", mentions=out):
                make_demo_corpora(out, workers=1, **SMALL)
            with raises(ConfigError, code="demo-in-use", mentions=out):
                make_clip_trees(out, ["irmas"], TreeOptions(recordings=1), workers=1)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(call).result()
        assert partial.is_dir()


def test_a_full_disk_keeps_what_is_whole_and_the_rest_is_made_later(tmp_path: Path) -> None:
    expected = digest(make_demo_corpora(tmp_path / "whole", workers=1, **SMALL).path)
    with small_disk(tmp_path / "disk", 4) as disk:
        out = disk.path / "demo"

        def look() -> None:
            assert not list(out.rglob(".partial-*"))
            found = {name: each for name, each in digest(out).items() if name != "demo.json"}
            assert found.items() <= expected.items()

        _, failed = until_it_fits(disk, 1500, lambda: make_demo_corpora(out, workers=1, **SMALL), out, look)
        assert failed >= 3
        assert digest(out) == expected


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG"])
def test_a_sound_file_is_whole_or_an_error(tmp_path: Path, kind: str) -> None:
    """libsndfile says nothing where what it holds back of a FLAC does not fit."""
    sound = np.random.default_rng(0).normal(0, 0.1, 60000).astype(np.float32)
    write_sound(tmp_path / "whole", sound, 44100, kind)
    size = (tmp_path / "whole").stat().st_size // 1024
    with small_disk(tmp_path / "disk", size // 4 * 4) as disk:
        with pytest.raises(OSError, match="No space left"):
            write_sound(disk.path / "a", sound, 44100, kind)
        disk.grow(8)
        write_sound(disk.path / "a", sound, 44100, kind)
        assert soundfile.info(disk.path / "a").frames >= len(sound)


def test_other_settings_need_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_demo_corpora(out, workers=1, **SMALL)
    with raises(ConfigError, code="settings-changed", mentions=("1", "2", "--force")):
        make_demo_corpora(out, workers=1, **{**SMALL, "seed": 2})
    changed = make_demo_corpora(out, workers=1, force=True, **{**SMALL, "seed": 2})
    assert changed.kept == 0


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with raises(ConfigError, code="folder-not-empty"):
        make_demo_corpora(tmp_path, force=True, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("change", "mentions"), [({"songs": 2}, "songs=2"), ({"seconds": 1.0}, "seconds=1.0")]
)
def test_settings_out_of_range_are_refused(tmp_path: Path, change: dict, mentions: object) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=mentions):
        make_demo_corpora(tmp_path / "out", **{**SMALL, **change})


@pytest.mark.parametrize("absent", ["midirenderer", "pyloudnorm", "scipy"])
def test_a_missing_synthesizer_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setattr("mixlab.synthesis.synth.find_spec", lambda name: None if name == absent else name)
    with raises(MissingDependencyError, code="missing-dependency", mentions=(absent, "mixlab[demo]")):
        make_demo_corpora(tmp_path / "out", **SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("corpus", ["medleydb", "mixing_secrets", "slakh"])
def test_the_adapter_reads_the_tree_and_knows_every_label(demo: Path, corpus: str) -> None:
    adapter = get_adapter(corpus)
    scan = adapter.scan(demo / CORPORA[corpus], ScanOptions())
    assert not [problem for problem in scan.problems if problem.kind not in ("empty", "unreadable")]
    label_map = load_label_map(adapter.label_map)
    plans = [plan for plan in plan_songs(SIZE["songs"], 0) if plan.corpus == CORPORA[corpus]]
    assert {entry.song for entry in scan.stems} == {plan.id for plan in plans}
    assert all(resolve_stem(label_map, entry.labels) for entry in scan.stems)


def test_medleydb_stems_sum_to_the_mix_with_the_coefficients(demo: Path) -> None:
    root = demo / "medleydb" / "Audio"
    weights = yaml.safe_load((demo / "medleydb/resources/mixing_coefficients_version2.yaml").read_text())
    checked = 0
    for plan in plan_songs(SIZE["songs"], 0):
        if plan.corpus != "medleydb" or plan.broken:
            continue
        entry = weights[plan.id]
        assert entry == mixing_weights(plan)
        gains = entry.get("manual") or {k: (entry["audio"][k] + entry["stft"][k]) / 2 for k in entry["audio"]}
        stems = [
            soundfile.read(
                root / plan.id / f"{plan.id}_STEMS" / f"{plan.id}_STEM_{k:02d}.wav", dtype="int16"
            )[0]
            for k in sorted(gains)
        ]
        mix, rate = soundfile.read(root / plan.id / f"{plan.id}_MIX.wav", dtype="int16")
        assert (rate, mix.shape) == (44100, (round(SIZE["seconds"] * 44100), 2))
        total = sum(stem * gain for stem, gain in zip(stems, (gains[k] for k in sorted(gains)), strict=True))
        assert np.abs(total - mix).max() <= 0.51 * 32768 / 32767
        checked += 1
    assert checked >= 2


def test_slakh_stems_sum_to_the_mix(demo: Path) -> None:
    for plan in plan_songs(SIZE["songs"], 0):
        if plan.corpus != "slakh2100_flac_redux" or plan.broken:
            continue
        track = demo / plan.corpus / plan.split / plan.id
        stems = [soundfile.read(path, dtype="int16")[0].astype(int) for path in (track / "stems").iterdir()]
        mix, rate = soundfile.read(track / "mix.flac", dtype="int16")
        assert (rate, mix.ndim) == (44100, 1)
        assert np.array_equal(np.sum(stems, axis=0), mix)


def test_slakh_metadata_is_true_to_its_files(demo: Path) -> None:
    root = demo / "slakh2100_flac_redux"
    gaps, uuids = 0, {}
    for path in sorted(root.rglob("metadata.yaml")):
        track, sheet = path.parent, yaml.safe_load(path.read_text(encoding="utf-8"))
        midi = (track / "all_src.mid").read_bytes()
        assert sheet["UUID"] == hashlib.md5(midi, usedforsecurity=False).hexdigest()
        assert sheet["lmd_midi_dir"].endswith(f"/{sheet['UUID']}.mid")
        uuids.setdefault((sheet["UUID"], sheet["lmd_midi_dir"].split("/")[4]), set()).add(track.parent.name)
        for name, stem in sheet["stems"].items():
            assert stem["audio_rendered"] == (track / "stems" / f"{name}.flac").is_file()
            assert stem["midi_saved"] == (track / "MIDI" / f"{name}.mid").is_file()
            assert (
                ("integrated_loudness" in stem) == stem["audio_rendered"] == (stem["plugin_name"] != "None")
            )
            gaps += not stem["audio_rendered"]
        assert sum(stem["is_drum"] for stem in sheet["stems"].values()) == 1
    assert gaps > 0
    # One MIDI file lies in two splits, as in the first release.
    assert {"train", "validation"} in uuids.values()


def test_metadata_has_the_keys_of_the_real_files(demo: Path, shared: Path) -> None:
    real = shared / "datasets"
    v1 = yaml.safe_load((real / "medleydb/Metadata/MusicDelta_Rock_METADATA.yaml").read_text())
    ms = yaml.safe_load((real / "mixing_secrets/metadata/AMContra_HeartPeripheral_METADATA.yaml").read_text())
    for truth, folder in ((v1, "medleydb"), (ms, "mixing_secrets")):
        for name, sheet in sheets(demo / folder).items():
            assert key_shape(sheet) == key_shape(truth), name
            assert type(sheet["version"]) is type(truth["version"])
            assert sheet["has_bleed"] in ("yes", "no")
    slakh = "slakh2100_flac_redux/train/Track00001/metadata.yaml"
    truth = yaml.safe_load((real / "slakh2100/samples" / slakh).read_text())
    ours = yaml.safe_load((demo / slakh).read_text())
    assert set(ours) == set(truth)
    for rendered in (True, False):
        shapes = [
            {frozenset(stem) for stem in sheet["stems"].values() if stem["audio_rendered"] is rendered}
            for sheet in (truth, ours)
        ]
        assert shapes[1] <= shapes[0]


def test_mixing_secrets_has_its_traps(demo: Path) -> None:
    found = sheets(demo / "mixing_secrets")
    stems = [stem for sheet in found.values() for stem in sheet["stems"].values()]
    assert any(stem["filename"].endswith("_STEM_drums.wav") and len(stem["raw"]) > 2 for stem in stems)
    formats = {
        (soundfile.info(path).channels, soundfile.info(path).subtype)
        for path in (demo / "mixing_secrets").rglob("*.wav")
        if path.stat().st_size
    }
    assert {channels for channels, _ in formats} == {1, 2}
    assert {subtype for _, subtype in formats} == {"PCM_16", "PCM_24"}
    for name, sheet in found.items():
        for stem in sheet["stems"].values():
            assert (demo / "mixing_secrets" / name / sheet["stem_dir"] / stem["filename"]).is_file()


def test_summed_stems_are_the_mean_of_their_raws(demo: Path) -> None:
    (plan,) = (plan for plan in plan_songs(SIZE["songs"], 0) if plan.corpus == "mixing_secrets" and plan.raws)
    folder = demo / "mixing_secrets" / plan.id
    checked = 0
    for stem in sheets(folder)[plan.id]["stems"].values():
        path = folder / f"{plan.id}_STEMS" / stem["filename"]
        if "_STEM_" not in stem["filename"] or not path.stat().st_size:
            continue
        raws = [
            soundfile.read(folder / f"{plan.id}_RAW" / raw["filename"], always_2d=True)[0]
            for raw in stem["raw"].values()
        ]
        assert np.abs(np.mean(raws, axis=0) - soundfile.read(path, always_2d=True)[0]).max() < 2 / 32768
        checked += 1
    assert checked >= 2


def test_stems_of_live_songs_bleed(demo: Path) -> None:
    from mixlab.synthesis.stems import add_bleed

    stems = [np.zeros((1, 8), np.float32), np.ones((1, 8), np.float32)]
    leaking = add_bleed(stems, np.random.default_rng(0))
    assert -26 <= 20 * np.log10(leaking[0][0, 0]) <= -18
    assert np.array_equal(leaking[1], stems[1])
    assert any(plan.ensemble.live for plan in plan_songs(48, 0) if plan.corpus == "medleydb")
    assert any(plan.ensemble.live for plan in plan_songs(48, 0) if plan.corpus == "mixing_secrets")


def test_damaged_files_are_listed_and_damaged(demo: Path) -> None:
    listed = {
        entry["path"]: entry["damage"]
        for entry in json.loads((demo / "demo.json").read_text())["broken_files"]
    }
    assert set(listed.values()) == {"truncated", "empty", "corrupt"}
    frames = round(SIZE["seconds"] * 44100)
    for path in sorted(demo.rglob("*.wav")) + sorted(demo.rglob("*.flac")):
        name = path.relative_to(demo).as_posix()
        try:
            length = len(soundfile.read(path)[0])
        except soundfile.LibsndfileError:
            length = -1
        whole = length > 0 if name.startswith("irmas") else length == frames
        assert whole == (name not in listed), name


def test_jamendo_rows_have_files_and_disjoint_artists(demo: Path) -> None:
    root = demo / "mtg-jamendo"
    artists: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        table = root / "data" / "splits" / "split-0" / f"autotagging_top50tags-{split}.tsv"
        with table.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t")
        assert header == ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
        assert rows
        for row in rows:
            info = soundfile.info(root / "raw_30s" / "audio" / row[3])
            assert info.duration == pytest.approx(float(row[4]), abs=0.2)
            assert row[3] == f"{int(row[0][6:]) % 100:02d}/{int(row[0][6:])}.mp3"
            assert all("---" in tag for tag in row[5:])
        artists[split] = {row[1] for row in rows}
    assert not artists["train"] & artists["test"]
    assert not artists["train"] & artists["validation"]
    assert not artists["validation"] & artists["test"]


def test_irmas_excerpts(demo: Path) -> None:
    root = demo / "irmas"
    training = sorted((root / "IRMAS-TrainingData").rglob("*.wav"))
    assert {path.parent.name for path in training} == {
        "cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi",
    }  # fmt: skip
    for path in training:
        info = soundfile.info(path)
        assert (info.frames, info.channels, info.samplerate) == (132300, 2, 44100)
        assert f"[{path.parent.name}]" in path.name
        assert np.sqrt((soundfile.read(path)[0] ** 2).mean()) > 0.003
    tests = sorted(root.glob("IRMAS-TestingData-*/*/*.wav"))
    assert len(tests) >= 3
    for path in tests:
        codes = [line.strip() for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()]
        assert codes
        assert all(load_label_map("irmas").resolve(code) for code in codes)


def test_openmic_tables_agree(demo: Path) -> None:
    root = demo / "openmic-2018"
    arrays = np.load(root / "openmic-2018.npz")
    classes = json.loads((root / "class-map.json").read_text(encoding="utf-8"))
    keys = [str(key) for key in arrays["sample_key"]]
    parts = {
        split: (root / "partitions" / f"split01_{split}.csv").read_text(encoding="utf-8").split()
        for split in ("train", "test")
    }
    assert sorted(parts["train"] + parts["test"]) == sorted(keys)
    assert arrays["X"].shape == (len(keys), 10, 128)
    with (root / "openmic-2018-aggregated-labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert arrays["Y_mask"].sum() == len(rows)
    for row in rows:
        place = keys.index(row["sample_key"]), classes[row["instrument"]]
        assert arrays["Y_mask"][place]
        assert arrays["Y_true"][place] == pytest.approx(float(row["relevance"]))
    assert (arrays["Y_true"][~arrays["Y_mask"]] == 0.5).all()
    for key in keys:
        assert soundfile.info(root / "audio" / key[:3] / f"{key}.ogg").duration == pytest.approx(
            10.0, abs=0.01
        )


def test_openmic_tables_have_the_real_columns(demo: Path, shared: Path) -> None:
    for name in ("aggregated-labels", "individual-responses", "metadata"):
        file = f"openmic-2018-{name}.csv"
        headers = [
            (folder / file).read_text(encoding="utf-8").splitlines()[0].split(",")
            for folder in (shared / "datasets/openmic2018/sample_rows", demo / "openmic-2018")
        ]
        assert headers[0] == headers[1]


def test_record_and_licence_are_there(demo: Path) -> None:
    record = json.loads((demo / "demo.json").read_text(encoding="utf-8"))
    assert record["complete"] is True
    assert record["settings"]["songs"] == SIZE["songs"]
    assert len(record["songs"]) == SIZE["songs"]
    assert record["test_songs"]
    text = (demo / "README.txt").read_text(encoding="utf-8")
    assert "GNU General Public License, version 2" in text
    assert "demo numbers" in text


def test_other_fonts_are_recorded_and_the_test_songs_listed(tmp_path: Path) -> None:
    from mixlab.synthesis.synth import default_soundfont

    # The same font under other names: what is rendered must not change, but the record must tell.
    others = [tmp_path / f"{name}.sf2" for name in ("One", "Two", "Other")]
    for other in others:
        other.write_bytes(default_soundfont().read_bytes() + b"\0\0")
    made = make_demo_corpora(
        tmp_path / "out", workers=1, soundfonts=others[:2], test_soundfont=others[2], **{**SMALL, "songs": 9}
    )
    record = json.loads((made.path / "demo.json").read_text(encoding="utf-8"))
    fonts = record["settings"]["soundfonts"]
    assert [font["file"] for font in fonts["train"]] == ["One.sf2", "Two.sf2"]
    assert fonts["test"]["file"] == "Other.sf2"
    tested = {f"{song['corpus']}/{song['song']}" for song in record["songs"] if song["split"] == "test"}
    assert tested == set(record["test_songs"]) != set()
    for song in record["songs"]:
        expected = {"Other.sf2"} if song["split"] == "test" else {"One.sf2", "Two.sf2"}
        assert song["soundfont"] in expected
    text = (made.path / "README.txt").read_text(encoding="utf-8")
    assert "Other.sf2 for the test songs" in text
    assert "One.sf2 or Two.sf2 for everything else" in text


def test_validation_has_a_font_of_its_own_and_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from mixlab.cli.commands.demo_corpora import demo_corpora
    from mixlab.synthesis.synth import default_soundfont

    fonts = [tmp_path / f"{name}.sf2" for name in ("Train", "Validation", "Test")]
    for font in fonts:
        font.write_bytes(default_soundfont().read_bytes())
    size = {"songs": 24, "seconds": 4.0, "seed": 1, "tagged": False}
    out = tmp_path / "out"
    demo_corpora(
        out, workers=1, soundfont=fonts[:1], validation_soundfont=fonts[1], test_soundfont=fonts[2], **size
    )
    text = capsys.readouterr().out
    assert f"mixlab index {out}/catalog --splits {out}/splits.csv --root" in text
    # One font under three names: all is shared, and the terminal, README and record say so.
    n = len(sample_digests(fonts[0]))
    said = [
        f"Of the {n} samples of Validation.sf2 there are {n} in Test.sf2, {n} in Train.sf2, byte for byte.",
        f"Of the {n} samples of Test.sf2 there are {n} in Train.sf2, byte for byte.",
    ]
    readme = (out / "README.txt").read_text(encoding="utf-8")
    assert all(line in text.splitlines() for line in said)
    assert all(line in readme.splitlines() for line in said)
    assert "Validation.sf2 for those of validation,\nTrain.sf2 for everything else" in readme
    record = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    assert record["shared_samples"][2] == {
        "held": "Test.sf2", "other": "Train.sf2", "shared": n, "samples": n,
    }  # fmt: skip
    artists: dict[tuple[str, str], set[str]] = {}
    for song in record["songs"]:
        if song["artist"]:
            artists.setdefault((song["corpus"], song["artist"]), set()).add(song["soundfont"])
    assert max(map(len, artists.values())) == 1


def test_a_catalog_has_every_song_where_its_font_is(tmp_path: Path) -> None:
    """Also the song of Slakh's training part whose composition is in its validation part, too."""
    from mixlab.synthesis.synth import default_soundfont

    fonts = {split: tmp_path / f"{split}.sf2" for split in ("train", "validation", "test")}
    for font in fonts.values():
        font.write_bytes(default_soundfont().read_bytes())
    made = make_demo_corpora(
        tmp_path / "out", workers=1, soundfonts=[fonts["train"]], validation_soundfont=fonts["validation"],
        test_soundfont=fonts["test"], **{**SMALL, "songs": 24},
    )  # fmt: skip
    roots = {name: made.path / CORPORA[name] for name in ("medleydb", "mixing_secrets", "slakh")}
    build_catalog(tmp_path / "catalog", roots, splits=made.path / "splits.csv", progress=False)
    found = Catalog.open(tmp_path / "catalog").split_songs()
    names = {folder: name for name, folder in CORPORA.items()}
    record = json.loads((made.path / "demo.json").read_text(encoding="utf-8"))
    played = {f"{names[s['corpus']]}/{s['song']}": s["soundfont"] for s in record["songs"]}
    assert {key: f"{split}.sf2" for key, split in found.items()} == played
    assert set(found.values()) == set(fonts)
    elsewhere = [s for s in record["songs"] if s["split"] == "train" and s["soundfont"] == "validation.sf2"]
    assert [s["corpus"] for s in elsewhere] == ["slakh2100_flac_redux"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_font_for_no_song_is_refused(tmp_path: Path, split: str) -> None:
    from mixlab.synthesis.synth import default_soundfont

    with raises(ConfigError, code="conflicting-settings", mentions=(f"--{split}_soundfont", split, "3")):
        make_demo_corpora(tmp_path / "out", **{f"{split}_soundfont": default_soundfont()}, **SMALL)
    with raises(ConfigError, code="soundfont-not-found", mentions=f"--{split}_soundfont"):
        make_demo_corpora(tmp_path / "out", **{f"{split}_soundfont": tmp_path / "no.sf2"}, **SMALL)
    assert not (tmp_path / "out").exists()


def test_a_catalog_made_with_the_list_tests_on_exactly_its_songs(demo: Path, tmp_path: Path) -> None:
    listed = read_splits(demo / "splits.csv")
    roots = {name: demo / CORPORA[name] for name in ("medleydb", "mixing_secrets", "slakh")}
    report = build_catalog(tmp_path / "catalog", roots, splits=demo / "splits.csv", progress=False)
    found = Catalog.open(tmp_path / "catalog").split_songs()
    assert {key for key, split in found.items() if split == "test"} == set(listed) & set(found)
    assert set(found.values()) == {"train", "validation", "test"}
    assert report.leaks.clean


def test_the_command_says_where_and_what_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mixlab.cli.commands.demo_corpora import demo_corpora

    demo_corpora(tmp_path / "out", workers=1, **SMALL)
    text = capsys.readouterr().out
    assert str(tmp_path / "out") in text
    assert "Next: mixlab index" in text
