"""External test sets: which output scores which class, and what is never counted."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.cli.main import main
from mixlab.corpora.clips.irmas import load_irmas
from mixlab.corpora.clips.openmic import load_openmic
from mixlab.corpora.clips.registry import load_benchmark
from mixlab.errors import ConfigError, CorpusError, RunError
from mixlab.inference.benchmark import ExternalReport, align, evaluate_on
from mixlab.inference.class_mapping import any_of, match_classes, roll_up, run_outputs
from mixlab.inference.clip_scores import score_clips
from mixlab.inference.scorer import network_scores, window_starts
from mixlab.inference.tagger import Tagger
from mixlab.taxonomy import LabelSet, Output, load_label_set
from mixlab.training import load_model
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.tagged_trees import RATE, make_irmas, make_jamendo, make_openmic, make_run, sound


@pytest.fixture(autouse=True)
def indexes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let mirdata look for its index files in an empty folder: this machine may have real ones."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        core = pytest.importorskip("mirdata.core")
        pytest.importorskip("mirdata.datasets.openmic2018")
    folder = tmp_path / "indexes"
    folder.mkdir()
    monkeypatch.setattr(core.Index, "get_path", lambda self: str(folder / self.filename))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def kinds(label_set: str, outputs: str = "mixtures15") -> dict[str, tuple[str, tuple[str, ...]]]:
    own = load_label_set(outputs)
    matches = match_classes(load_label_set(label_set), own.outputs)
    return {m.name: (m.kind, tuple(own.names[k] for k in m.outputs)) for m in matches}


def test_mixtures15_on_irmas() -> None:
    assert kinds("irmas11") == {
        "cel": ("family", ("bowed string",)),
        "cla": ("family", ("woodwind",)),
        "flu": ("family", ("woodwind",)),
        "gac": ("exact", ("acoustic guitar",)),
        "gel": ("exact", ("electric guitar",)),
        "org": ("family", ("key",)),
        "pia": ("exact", ("piano",)),
        "sax": ("family", ("woodwind",)),
        "tru": ("family", ("brass",)),
        "vio": ("exact", ("violin",)),
        "voi": ("exact", ("singer",)),
    }


def test_mixtures15_on_openmic() -> None:
    found = kinds("openmic20")
    assert found["guitar"] == ("parts", ("electric guitar", "acoustic guitar"))
    assert found["bass"] == ("parts", ("electric bass",))
    assert found["voice"] == ("exact", ("voice",))
    assert found["trumpet"] == ("family", ("brass",))
    assert {kind for kind, _ in found.values()} == {"exact", "parts", "family"}


def test_a_class_no_output_speaks_of_is_not_evaluable() -> None:
    outputs = (Output("drums", ("drums",)), Output("genre---rock", ()))
    matches = match_classes(load_label_set("irmas11"), outputs)
    assert {m.kind for m in matches} == {"none"}
    tags = {m.name: m.kind for m in match_classes(load_label_set("jamendo50"), outputs)}
    assert tags["genre---rock"] == "exact"
    assert tags["genre---pop"] == "none"


def test_a_class_is_scored_by_the_nearest_output_above_it() -> None:
    outputs = (
        Output("winds", ("woodwind",)),
        Output("saxophones", ("saxophone",)),
        Output("reeds", ("reed-instrument",)),
    )
    wanted = LabelSet("own", "own", (Output("tenor", ("tenor-saxophone",)),), "0" * 16)
    for places in permutations(range(3)):
        (match,) = match_classes(wanted, [outputs[place] for place in places])
        assert (match.kind, match.outputs) == ("family", (places.index(1),))


def test_every_label_set_matches_itself_exactly() -> None:
    for name in ("mixtures15", "irmas11", "openmic20", "jamendo50", "mtat50"):
        labels = load_label_set(name)
        matches = match_classes(labels, labels.outputs)
        assert [m.kind for m in matches] == ["exact"] * len(labels)
        assert [m.outputs for m in matches] == [(k,) for k in range(len(labels))]


def test_families_are_rolled_up() -> None:
    irmas, own = load_label_set("irmas11"), load_label_set("mixtures15")
    found = {own.names[r.output]: {irmas.names[c] for c in r.classes} for r in roll_up(irmas, own.outputs)}
    assert found == {
        "bowed string": {"cel", "vio"},
        "plucked string": {"gac", "gel"},
        "woodwind": {"cla", "flu", "sax"},
        "key": {"org", "pia"},
    }


def test_any_of_is_known_when_one_is_present_or_all_are_absent() -> None:
    targets = np.array([[1, 0], [0, 0], [0, 0], [1, 1]], np.float32)
    mask = np.array([[True, False], [True, True], [True, False], [False, False]])
    present, known = any_of(targets, mask, (0, 1))
    assert known.tolist() == [True, True, False, False]
    assert present[:2].tolist() == [1, 0]


def test_aligned_scores_reach_one_half_at_their_thresholds(rng: np.random.Generator) -> None:
    scores, thresholds = rng.uniform(size=(50, 3)), np.array([0.05, 0.5, 0.93])
    aligned = align(scores, thresholds)
    np.testing.assert_array_equal(aligned.max(axis=1) >= 0.5, (scores >= thresholds).any(axis=1))
    np.testing.assert_array_equal(np.argsort(aligned, axis=0), np.argsort(scores, axis=0))
    np.testing.assert_allclose(align(thresholds[None], thresholds), 0.5)


@pytest.mark.parametrize("samples", [1, 40, 99, 100, 101, 150, 151, 1234])
def test_windows_cover_a_clip_and_stay_within_it(samples: int) -> None:
    window = min(samples, 100)
    starts = window_starts(samples, window, 0)
    seen = np.zeros(samples, bool)
    for start in starts:
        assert 0 <= start <= samples - window
        seen[start : start + window] = True
    assert seen.all()
    assert starts == sorted(set(starts))
    assert len(window_starts(samples, window, 4)) == 4


def test_irmas_takes_the_class_from_the_folder(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    clips = load_irmas(tmp_path, "train")
    assert len(clips) == 22
    for clip, row in zip(clips.clips, clips.targets, strict=True):
        assert [clips.classes[c] for c in np.flatnonzero(row)] == [clip.path.parent.name]
    assert len({clip.group for clip in clips.clips}) == 11
    assert clips.mask.all()
    assert "6660 of the 6705" in clips.source


def test_irmas_reads_labels_that_end_with_a_tab(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    (tmp_path / "IRMAS-TestingData-Part1/Part1/lonely.txt").write_text("vio\t\n")
    clips = load_irmas(tmp_path)
    held = {
        clip.key: {clips.classes[c] for c in np.flatnonzero(row)}
        for clip, row in zip(clips.clips, clips.targets, strict=True)
    }
    assert held == {
        "(00) a song-1": {"gel", "voi"},
        "(01) a song-2": {"cel"},
        "(02) a song-3": {"voi", "flu"},
    }
    assert clips.missing == ("lonely",)


def test_real_irmas_names(shared: Path, tmp_path: Path) -> None:
    lines = (shared / "datasets/irmas/sample_paths.txt").read_text().splitlines()
    excerpts = [line for line in lines if line.startswith("IRMAS-TrainingData/")]
    for line in excerpts:
        (tmp_path / line).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / line).touch()
    clips = load_irmas(tmp_path, "train")
    assert len(clips) == len(excerpts) > 5
    assert all(clip.group.split("/")[1].isdigit() for clip in clips.clips)
    text = (shared / "datasets/irmas/sample_test_annotation.txt").read_text()
    assert set(text.split()) <= {*clips.classes} | set(text.split())


def litter(root: Path) -> None:
    """Leave beside every file what macOS, Windows and Synology leave."""
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\xff\xfe")
        (path.parent / ".DS_Store").write_bytes(b"\xff")
        (path.parent / "Thumbs.db").touch()
        for name in (path.name, f"{path.stem}.txt"):
            place = path.parent / "@eaDir" / name
            place.parent.mkdir(exist_ok=True)
            place.write_text("piano")
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        shutil.copytree(folder, folder / "__MACOSX" / folder.name)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("make", [make_irmas, make_openmic, make_jamendo])
def test_litter_of_systems_is_no_clip(make: Callable[[Path], None], part: str, tmp_path: Path) -> None:
    name = make.__name__.removeprefix("make_")
    make(tmp_path)
    expected = load_benchmark(name, tmp_path, part)
    litter(tmp_path)
    found = load_benchmark(name, tmp_path, part)
    assert found.clips == expected.clips
    assert found.missing == expected.missing == ()
    np.testing.assert_array_equal(found.targets, expected.targets)


@pytest.mark.parametrize("ending", [".flac", ".WAV", ".ogg", ".aiff"])
@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("make", [make_irmas, make_openmic])
def test_converted_clips_are_the_same_clips(
    make: Callable[[Path], None], part: str, ending: str, tmp_path: Path
) -> None:
    name = make.__name__.removeprefix("make_")
    make(tmp_path)
    expected = load_benchmark(name, tmp_path, part)
    for path in [path for path in tmp_path.rglob("*") if path.suffix in (".wav", ".ogg")]:
        path.rename(path.with_suffix(ending))
    found = load_benchmark(name, tmp_path, part)
    assert [(c.key, c.group) for c in found.clips] == [(c.key, c.group) for c in expected.clips]
    assert {c.path.suffix for c in found.clips} == {ending}
    np.testing.assert_array_equal(found.targets, expected.targets)
    # Beside the published file, a copy is no second clip.
    clip = expected.clips[0]
    clip.path.touch()
    again = load_benchmark(name, tmp_path, part)
    assert [c.key for c in again.clips] == [c.key for c in expected.clips]
    assert again.clips[0].path == clip.path


def test_irmas_takes_of_one_recording_are_one_group(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    folder = tmp_path / "IRMAS-TestingData-Part1/Part1"
    for suffix in (".wav", ".txt"):
        shutil.copy(folder / f"(00) a song-1{suffix}", folder / f"(00) a song-12{suffix}")
    groups = {clip.key: clip.group for clip in load_irmas(tmp_path).clips}
    assert groups["(00) a song-12"] == groups["(00) a song-1"]
    assert len(set(groups.values())) == 3


def test_irmas_text_that_is_none_is_named(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    text = tmp_path / "IRMAS-TestingData-Part1/Part1/(00) a song-1.txt"
    text.write_bytes(b"\xff\xfegel")
    with raises(CorpusError, code="unreadable-file", mentions=("00", "song-1.txt")):
        load_irmas(tmp_path)
    text.write_bytes(b"\xef\xbb\xbfgel\r\nvoi\r\n")
    assert load_irmas(tmp_path).clips[0].key == "(00) a song-1"


def test_irmas_is_refused_elsewhere(tmp_path: Path) -> None:
    with raises(CorpusError, code="layout-not-found", mentions="IRMAS-TrainingData/<code>"):
        load_irmas(tmp_path, "train")
    make_irmas(tmp_path)
    (tmp_path / "IRMAS-TestingData-Part1/Part1/(00) a song-1.txt").write_text("gtr\n")
    with raises(CorpusError, code="unknown-label", mentions=("cel", "cla", "gtr")):
        load_irmas(tmp_path)


def test_openmic_targets_count_where_listeners_were_asked(tmp_path: Path) -> None:
    make_openmic(tmp_path)
    clips = load_openmic(tmp_path, "train")
    assert len(clips) == 6
    assert clips.mask.sum(axis=1).tolist() == [3, 3, 3, 3, 3, 3]
    assert not clips.targets[~clips.mask].any()
    piano, voice = clips.classes.index("piano"), clips.classes.index("voice")
    assert clips.targets[:, piano].tolist() == [0, 1, 0, 1, 0, 1]
    # One half is present, as in the authors' baseline.
    assert clips.targets[:, voice].tolist() == [0, 1, 1, 0, 1, 1]
    assert {clip.group for clip in clips.clips} == {"artist 0", "artist 1", "artist 2"}
    assert clips.source == "read by mixlab: mirdata's index of OpenMIC-2018 is not on this machine"


def test_openmic_from_its_table_where_keys_are_pickled(tmp_path: Path) -> None:
    """The published arrays hold keys as Python objects, which are not unpickled."""
    make_openmic(tmp_path)
    expected = load_openmic(tmp_path, "train")
    with np.load(tmp_path / "openmic-2018.npz") as arrays:
        held = dict(arrays)
    held["sample_key"] = held["sample_key"].astype(object)
    np.savez(tmp_path / "openmic-2018.npz", **held)
    found = load_openmic(tmp_path, "train")
    np.testing.assert_array_equal(found.targets, expected.targets)
    np.testing.assert_array_equal(found.mask, expected.mask)
    assert found.clips == expected.clips


def test_openmic_keys_as_bytes(tmp_path: Path) -> None:
    make_openmic(tmp_path)
    expected = load_openmic(tmp_path, "train")
    with np.load(tmp_path / "openmic-2018.npz") as arrays:
        held = dict(arrays)
    held["sample_key"] = held["sample_key"].astype("S")
    np.savez(tmp_path / "openmic-2018.npz", **held)
    (tmp_path / "openmic-2018-aggregated-labels.csv").unlink()
    found = load_openmic(tmp_path, "train")
    assert found.clips == expected.clips
    np.testing.assert_array_equal(found.targets, expected.targets)
    np.testing.assert_array_equal(found.mask, expected.mask)


def test_openmic_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    make_openmic(tmp_path)
    expected = load_openmic(tmp_path, "train")
    partition, table = (
        tmp_path / "partitions/split01_train.csv",
        tmp_path / "openmic-2018-aggregated-labels.csv",
    )
    with np.load(tmp_path / "openmic-2018.npz") as arrays:
        held = dict(arrays)
    held["sample_key"][1] = held["sample_key"][0]
    np.savez(tmp_path / "openmic-2018.npz", **held)
    # One of two alike keys in the arrays is wrong; the table still says it right, also twice the same.
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    np.testing.assert_array_equal(load_openmic(tmp_path, "train").targets, expected.targets)
    key, name, value, _ = lines[1].split(",")
    table.write_text("\n".join([*lines, f"{key},{name},{1 - float(value)},3"]) + "\n")
    with raises(CorpusError, code="repeated-entry", mentions=(key, name)):
        load_openmic(tmp_path, "train")
    partition.write_text(partition.read_text() + partition.read_text().split()[0])
    with raises(CorpusError, code="repeated-entry", mentions=("split01_train.csv", key)):
        load_openmic(tmp_path, "train")


def test_openmic_without_labels_for_a_clip_is_refused(tmp_path: Path) -> None:
    make_openmic(tmp_path)
    partition = tmp_path / "partitions/split01_train.csv"
    partition.write_text(partition.read_text().rstrip() + "\nnowhere_0\n")
    with raises(CorpusError, code="missing-labels", mentions="nowhere_0"):
        load_openmic(tmp_path, "train")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_openmic_from_its_table_where_the_arrays_are_damaged(tmp_path: Path, kept: float) -> None:
    make_openmic(tmp_path)
    expected = load_openmic(tmp_path, "train")
    arrays = tmp_path / "openmic-2018.npz"
    data = arrays.read_bytes()
    arrays.write_bytes(data[: int(len(data) * kept)])
    found = load_openmic(tmp_path, "train")
    np.testing.assert_array_equal(found.targets, expected.targets)
    assert "labels of the CSV: openmic-2018.npz cannot be used" in found.source
    assert arrays.is_file()  # the user's data are no cache


def test_openmic_through_mirdata_says_the_same(tmp_path: Path, indexes: Path) -> None:
    from mirdata.datasets import openmic2018

    home = tmp_path / "openmic-2018"
    home.mkdir()
    make_openmic(home)
    expected = load_openmic(tmp_path)
    keys = [path.stem for path in sorted(home.glob("audio/*/*.ogg"))]
    tracks = {key: {"audio": [f"audio/{key[:3]}/{key}.ogg", None], "vggish": [None, None]} for key in keys}
    index = openmic2018.INDEXES[openmic2018.INDEXES["default"]]
    (indexes / index.filename).write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    found = load_openmic(tmp_path)
    assert found.source.startswith("mirdata ")
    np.testing.assert_array_equal(found.targets, expected.targets)
    np.testing.assert_array_equal(found.mask, expected.mask)
    assert [c.key for c in found.clips] == [c.key for c in expected.clips]
    del tracks[keys[-1]]
    (indexes / index.filename).write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    assert "does not know" in load_openmic(tmp_path).source


def test_a_clip_is_the_mean_of_its_windows(tmp_path: Path, run: Run) -> None:
    """A test recording of 1.7 s under windows of one second: the model's own scores, averaged."""
    import torch

    from mixlab.audio.io import read_span
    from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max

    make_irmas(tmp_path)
    clips, tagger = load_irmas(tmp_path), Tagger.load(run, device="cpu")
    scores, problems = score_clips(clips, tagger.scorer)
    assert not problems
    audio = read_span(clips.clips[0].path, 0, round(1.7 * RATE)).mean(axis=0, keepdims=True)
    windows = np.stack([audio[:, start : start + RATE] for start in (0, 8000, 11200)])
    with torch.inference_mode():
        own = torch.sigmoid(load_model(run)(torch.from_numpy(windows))).numpy()
    expected = consistent_max(own, ancestry_from_parents(tagger.parents)).mean(axis=0)
    np.testing.assert_allclose(scores[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "value", "message"),
    [
        (44100, 1e6, "Expected samples up to 30 dBFS"),
        (44100, 3e38, "Expected samples up to 30 dBFS"),
        (1, 0.1, "found a header at 1 Hz"),
        (200_000_000, 0.1, "found a header at 200000000 Hz"),
    ],
)
def test_clips_of_no_sound_are_problems_and_not_scored(
    tmp_path: Path, run: Run, rate: int, value: float, message: str
) -> None:
    make_irmas(tmp_path)
    audio = np.full((3 * 44100, 1), 0.1)
    audio[20_000] = value
    broken = tmp_path / "IRMAS-TrainingData/vio/[vio][cla]0010__1.wav"
    soundfile.write(broken, audio, rate, subtype="FLOAT")
    report = evaluate_on(run, load_irmas(tmp_path, "train"), device="cpu", n_resamples=5)
    assert report.n_clips == 21
    assert len(report.problems) == 1
    assert message in report.problems[0]


def test_a_model_that_gives_no_numbers_is_a_problem_of_each_clip(tmp_path: Path, run: Run) -> None:
    import torch

    class Broken(torch.nn.Module):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return torch.full((len(audio), len(tagger.labels)), torch.nan)

    make_irmas(tmp_path)
    tagger, clips = Tagger.load(run, device="cpu"), load_irmas(tmp_path)
    _, problems = score_clips(clips, replace(tagger.scorer, compute=network_scores(Broken())))
    assert sorted(problems) == list(range(len(clips)))
    assert "the model gives no number for it" in problems[0]


def test_a_header_of_no_clip_takes_no_memory(tmp_path: Path, run: Run) -> None:
    make_irmas(tmp_path)
    clips, tagger = load_irmas(tmp_path), Tagger.load(run, device="cpu")
    long = clips.clips[0].path.with_suffix(".flac")
    soundfile.write(long, np.zeros((8000, 1)), 8000)
    data = bytearray(long.read_bytes())
    data[21] |= 0x0F  # STREAMINFO's number of samples, 36 bits: 99 days at 8 kHz
    data[22:26] = b"\xff" * 4
    long.write_bytes(data)
    first = replace(clips.clips[0], path=long)
    _, problems = score_clips(replace(clips, clips=(first, *clips.clips[1:])), tagger.scorer)
    assert list(problems) == [0]
    assert "Expected a clip of up to 3600 s" in problems[0]


def test_a_report_counts_only_what_can_be_said(tmp_path: Path, run: Run) -> None:
    make_irmas(tmp_path)
    broken = tmp_path / "IRMAS-TrainingData/vio/[vio][cla]0010__1.wav"
    broken.write_bytes(b"no audio")
    report = evaluate_on(run, load_irmas(tmp_path, "train"), device="cpu", n_resamples=5)
    assert report.n_clips == 21
    assert report.problems
    assert report.problems[0].startswith("vio/")
    exact = {k.name: (k.support, k.known) for k in report.tables["exact"].classes}
    assert exact == {"gac": (2, 21), "gel": (2, 21), "pia": (2, 21), "vio": (1, 21), "voi": (2, 21)}
    assert {k.name for k in report.tables["family"].classes} == {"cel", "cla", "flu", "org", "sax", "tru"}
    rolled = {k.name: k.support for k in report.tables["rolled_up"].classes}
    assert rolled == {"bowed string": 3, "plucked string": 4, "woodwind": 6, "key": 4}
    assert report.not_evaluable == ()
    for table in report.tables.values():
        for k in table.classes:
            assert k.scores["average_precision"].chance == pytest.approx(k.support / k.known)


def test_masked_cells_change_nothing(tmp_path: Path, run: Run) -> None:
    from dataclasses import replace

    make_openmic(tmp_path)
    clips = load_openmic(tmp_path, "train")
    flipped = replace(clips, targets=np.where(clips.mask, clips.targets, 1.0).astype(np.float32))
    first, second = (evaluate_on(run, c, device="cpu", n_resamples=0) for c in (clips, flipped))
    for name in first.tables:
        for a, b in zip(first.tables[name].classes, second.tables[name].classes, strict=True):
            assert (a.known, a.support, a.predicted) == (b.known, b.support, b.predicted)
            np.testing.assert_equal(
                (a.scores["f1"].value, a.scores["average_precision"].value),
                (b.scores["f1"].value, b.scores["average_precision"].value),
            )


def test_the_command_writes_into_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    make_irmas(tmp_path / "irmas")
    make_openmic(tmp_path / "openmic")
    make_jamendo(tmp_path / "jamendo")
    for name in ("irmas", "openmic", "jamendo"):
        arguments = ["--run", str(run.path), "--root", str(tmp_path / name), "--resamples", "3"]
        assert main(["evaluate-on", name, *arguments, "--device", "cpu"]) == 0
        text = capsys.readouterr().out
        assert f"{name} test:" in text
        assert "chance F1" in text
        file = run.path / "external" / f"{name}-test.json"
        stored = ExternalReport.load(file)
        assert stored.n_clips >= 2
        item = "track" if name == "jamendo" else "clip"
        assert {table.units.item for table in stored.tables.values()} == {item}
        assert plain(stored.to_dict()) == json.loads(file.read_text())
        assert {m.kind for m in stored.matches} >= {"exact", "family"}
        assert (run.path / "external" / f"{name}-test.md").read_text().startswith(f"# {name} test")
    assert "and 25 more" in text
    assert main(["evaluate-on", "irmas", "--run", str(run.path)]) == 2
    assert "--root FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "split", "part", "seen"),
    [("pretrain", 0, "test", False), ("pretrain", 1, "test", True), ("pretrain", 0, "train", True),
     ("train", 0, "train", False)],
)  # fmt: skip
def test_tracks_that_a_run_was_pretrained_on_are_not_scored(
    tmp_path: Path, command: str, split: int, part: str, seen: bool
) -> None:
    make_jamendo(tmp_path / "jamendo")
    run = make_run(tmp_path / "run", "jamendo50")
    run.update(command=command)
    run.write_config({"root": "none", "jamendo": {"split": split}})
    clips = load_benchmark("jamendo", tmp_path / "jamendo", part)
    if seen:
        with raises(ConfigError, code="training-overlap", mentions=(split, "mixlab evaluate")):
            evaluate_on(run, clips, device="cpu", n_resamples=0)
    else:
        assert evaluate_on(run, clips, device="cpu", n_resamples=0).n_clips == len(clips)


@pytest.mark.parametrize(
    ("start", "part", "seen"),
    [({"jamendo_split": 3}, "test", True), ({"jamendo_split": 0}, "test", False),
     ({"jamendo_split": 0}, "train", True), ({"started_from": {"jamendo_split": 2}}, "test", True)],
)  # fmt: skip
def test_nor_are_tracks_that_its_first_weights_were_trained_on(
    tmp_path: Path, start: dict[str, object], part: str, seen: bool
) -> None:
    make_jamendo(tmp_path / "jamendo")
    run = make_run(tmp_path / "run", "jamendo50")
    path = run.path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pretrained_file": start}))
    clips = load_benchmark("jamendo", tmp_path / "jamendo", part)
    if seen:
        with raises(ConfigError, code="training-overlap"):
            evaluate_on(run, clips, device="cpu", n_resamples=0)
    else:
        assert evaluate_on(run, clips, device="cpu", n_resamples=0).n_clips == len(clips)


def test_a_run_that_is_called_a_baseline_and_holds_none_is_refused(tmp_path: Path) -> None:
    make_irmas(tmp_path)
    run = make_run(tmp_path / "run")
    run.update(command="baseline")
    with raises(RunError, code="run-incomplete", mentions="model.json"):
        evaluate_on(run, load_irmas(tmp_path), device="cpu")


def test_runs_with_unknown_outputs_are_refused(tmp_path: Path, run: Run) -> None:
    with raises(ConfigError, code="unknown-benchmark", mentions=("irmas", "openmic", "jamendo")):
        load_benchmark("musicnet", tmp_path)
    other = make_run(tmp_path / "other")
    labels = other.info["labels"]
    other.update(labels={**labels, "name": "mine"})
    with raises(RunError, code="unknown-label-set", mentions="mine"):
        run_outputs(other)
    assert len(run_outputs(run)) == 15


def test_silence_behind_a_short_clip_is_not_heard(tmp_path: Path, run: Run) -> None:
    """A clip shorter than a window is heard at its own length."""
    import torch

    make_irmas(tmp_path)
    clips, tagger = load_irmas(tmp_path, "train"), Tagger.load(run, device="cpu")
    scores, _ = score_clips(clips, tagger.scorer)
    with torch.inference_mode():
        audio = torch.from_numpy(sound([200.0], 0.5, 0))[None, None]
        own = torch.sigmoid(load_model(run)(torch.round(audio * 32768).clamp(-32768, 32767) / 32768))
    singer = tagger.labels.index("singer")
    assert scores[0, singer] == pytest.approx(float(own[0, singer]), abs=1e-3)
