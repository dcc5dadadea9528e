"""Tagging whole files: every sample is heard, times are right, silence is silent, bad files stop nothing."""

import csv
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import AudioError, ConfigError, MissingDependencyError, RunError
from mixlab.inference.file_tags import FileTags
from mixlab.inference.output import (
    FORMATS,
    audacity_labels,
    class_rows,
    format_table,
    output_names,
    tags_as_csv,
    tags_as_json,
)
from mixlab.inference.scorer import Scorer, network_scores
from mixlab.inference.tagger import Tagger, class_notes, tag_file
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, train
from mixlab.training.run import Run
from tests.encoded import KINDS
from tests.errors import raises

RATE = 8000
WINDOW_S = 2.0
TONES = {"low": 440.0, "high": 1500.0}


class Detector(nn.Module):
    """Hears how much of a window is each tone: logit 6 for all of it, -6 for none. Knows no family."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[torch.Tensor] = []

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.heard.append(audio.clone())
        t = torch.arange(audio.shape[-1]) / RATE
        shares = []
        for frequency_hz in TONES.values():
            wave = torch.exp(2j * torch.pi * frequency_hz * t)
            amplitude = 2 * (audio[:, 0].to(torch.complex64) @ wave).abs() / audio.shape[-1]
            shares.append(amplitude / 0.5)
        share = torch.stack(shares, dim=1).clamp(0, 1)
        family = torch.full((len(audio), 1), -8.0)
        return torch.cat([family, 12 * share - 6], dim=1)


@dataclass(frozen=True)
class Probed(Tagger):
    """A tagger whose model can be asked what it was given."""

    model: Any = None


def with_model(tagger: Probed, model: nn.Module, *, loss: str = "bce", **changed: object) -> Probed:
    """Return the tagger with another model, and other entries of its scorer."""
    scorer = replace(tagger.scorer, compute=network_scores(model, loss=loss), **changed)  # type: ignore[arg-type]
    return Probed(scorer, model)


@pytest.fixture
def tagger() -> Probed:
    detector = Detector()
    return Probed(
        Scorer(
            compute=network_scores(detector),
            labels=("family", "low", "high"),
            parents=(None, 0, None),
            thresholds=np.array([0.9, 0.5, 0.5]),
            sample_rate=RATE,
            window_s=WINDOW_S,
            source="run",
            fitted=True,
        ),
        detector,
    )


def tone(frequency_hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate)


def silence(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.zeros(round(seconds * rate))


def write(path: Path, *parts: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, np.concatenate(parts), rate)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """Six seconds of the low tone, four of the high, four of silence, a bit of the low again."""
    parts = (tone(440, 6), tone(1500, 4), silence(4), tone(440, 4.3))
    return write(tmp_path / "song.wav", *parts)


@pytest.mark.parametrize("samples", [15999, 16000, 16001, 17000, 40000, 43210, 700000])
@pytest.mark.parametrize("hop_s", [0.3, 1.0, 2.0])
def test_windows_are_the_file_and_leave_nothing_out(
    tagger: Probed, tmp_path: Path, rng: np.random.Generator, samples: int, hop_s: float
) -> None:
    signal = rng.uniform(-0.5, 0.5, samples).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", signal, RATE, subtype="FLOAT")
    tags = tagger.tag(tmp_path / "x.wav", hop_s=hop_s)
    heard = torch.cat(tagger.model.heard)[:, 0].numpy()
    window, hop = round(WINDOW_S * RATE), round(hop_s * RATE)
    last = max(samples - window, 0)
    starts = [*range(0, last, hop), last]
    assert len(heard) == len(starts) == len(tags.scores)
    padded = np.pad(signal, (0, max(window - samples, 0)))
    for start, audio in zip(starts, heard, strict=True):
        np.testing.assert_array_equal(audio, padded[start : start + window])
    assert tags.padded == (samples < window)
    assert tags.duration_s == pytest.approx(samples / RATE)
    # Moments follow each other from 0 to the end, and each lies within its window.
    np.testing.assert_array_equal(tags.start_s[1:], tags.end_s[:-1])
    assert (tags.start_s[0], tags.end_s[-1]) == (0, pytest.approx(tags.duration_s))
    assert (tags.end_s > tags.start_s).all()
    assert (tags.start_s >= np.array(starts) / RATE - 1e-9).all()
    assert (tags.end_s <= np.array(starts) / RATE + WINDOW_S + 1e-9).all()


def test_spans_are_where_the_classes_sound(tagger: Probed, song: Path) -> None:
    tags = tagger.tag(song, hop_s=0.5)
    spans = tags.spans()
    assert set(tags.tags) == {"family", "low", "high"}
    assert len(spans["low"]) == 2
    for found, true in zip((*spans["low"], *spans["high"]), ((0, 6), (14, 18.3), (6, 10)), strict=True):
        # Half a window must be the tone, and moments are half a second long.
        assert found == pytest.approx(true, abs=0.76)
    assert spans["low"][0][0] == 0
    assert spans["low"][1][1] == pytest.approx(18.3)
    (silent,) = tags.silent_spans()
    assert silent == pytest.approx((10, 14), abs=0.51)


def test_scores_and_decisions_are_consistent(tagger: Probed, song: Path) -> None:
    tags = tagger.tag(song)
    np.testing.assert_array_equal(tags.scores[:, 0], tags.scores[:, :2].max(axis=1))
    assert (tags.detected[:, 0] >= tags.detected[:, 1]).all()
    # The family's own threshold is out of reach for some moments in which the instrument is heard.
    assert ((tags.scores[:, 0] < 0.9) & tags.detected[:, 0]).any()


def test_a_moment_counts_in_the_mean_by_its_length(tagger: Probed, song: Path) -> None:
    tags = replace(
        tagger.tag(song),
        start_s=np.array([0.0, 4.0, 5.0]),
        end_s=np.array([4.0, 5.0, 6.0]),
        level_db=np.array([-20.0, -20.0, -90.0]),
        scores=np.array([[0.2, 0.1, 0.0], [0.7, 0.6, 1.0], [0.9, 0.9, 0.9]], np.float32),
    )
    np.testing.assert_allclose(tags.mean, [0.3, 0.2, 0.2], atol=1e-7)


def test_mean_and_max_are_over_what_sounds(tagger: Probed, tmp_path: Path) -> None:
    short = tagger.tag(write(tmp_path / "a.wav", tone(440, 10)))
    long = tagger.tag(write(tmp_path / "b.wav", tone(440, 10), silence(60)))
    assert long.max == pytest.approx(short.max)
    # Windows that reach into the silence hear less of the tone; those within it do not count.
    assert long.mean[1] > 0.8 * short.mean[1]


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [
        ("a.wav", 8000, 1),
        ("a.wav", 44100, 2),
        ("a.flac", 96000, 6),
        ("a.ogg", 48000, 1),
        ("a.mp3", 32000, 2),
        ("a.aiff", 11025, 1),
    ],
)
def test_every_rate_format_and_number_of_channels_is_heard_alike(
    tagger: Probed, tmp_path: Path, name: str, rate: int, channels: int
) -> None:
    signal = np.concatenate([tone(440, 3, rate), tone(1500, 3, rate)])
    soundfile.write(tmp_path / name, np.repeat(signal[:, None], channels, axis=1), rate)
    tags = tagger.tag(tmp_path / name)
    assert tags.duration_s == pytest.approx(6, abs=0.1)
    assert tags.max[1:] == pytest.approx([0.9975, 0.9975], abs=0.01)
    assert tags.spans()["low"][0] == pytest.approx((0, 3), abs=0.6)


def test_silence_has_no_tags_whatever_the_model_says(tagger: Probed, tmp_path: Path) -> None:
    class Believer(nn.Module):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return torch.full((len(audio), 3), 9.0)

    tagger = with_model(tagger, Believer())
    noise = 1e-4 * np.random.default_rng(0).standard_normal(5 * RATE)  # -80 dBFS
    tags = tagger.tag(write(tmp_path / "quiet.wav", noise))
    assert tags.tags == ()
    assert not tags.detected.any()
    assert np.isnan(tags.mean).all()
    assert "nothing sounds: the whole file is below -60 dBFS" in format_table(tags)
    data = json.loads(tags_as_json(tags))
    assert data["tags"] == []
    assert data["classes"][0]["mean"] is None
    assert data["silent"] == [[0.0, 5.0]]
    assert audacity_labels(tags) == ""
    heard = tagger.tag(tmp_path / "quiet.wav", gate_db=-100)
    assert len(heard.tags) == 3


def test_levels_are_measured_per_moment(tagger: Probed, tmp_path: Path) -> None:
    tags = tagger.tag(write(tmp_path / "x.wav", tone(440, 8), 0.1 * tone(440, 8)))
    # A sine of amplitude 0.5 has -9.03 dBFS.
    assert tags.level_db[:7] == pytest.approx(-9.03, abs=0.05)
    assert tags.level_db[-7:] == pytest.approx(-29.03, abs=0.05)


def test_batches_and_progress_change_nothing(tagger: Probed, song: Path) -> None:
    done: list[float] = []
    first = tagger.tag(song, batch_size=1, progress=done.append)
    assert sum(done) == pytest.approx(first.duration_s)
    again = tag_file(song, tagger, batch_size=7)
    np.testing.assert_allclose(first.scores, again.scores, atol=1e-6)


def test_broken_samples_read_as_silence(tagger: Probed, tmp_path: Path) -> None:
    signal = tone(440, 5)
    signal[100:105] = np.nan
    soundfile.write(tmp_path / "x.wav", signal, RATE, subtype="FLOAT")
    assert "low" in tagger.tag(tmp_path / "x.wav").tags


@pytest.mark.parametrize("seconds", [0.5, 2.0, 2.01, 7.7, 70.0])
@pytest.mark.parametrize("hop_s", [0.3, 1.0])
def test_audio_in_memory_is_tagged_as_its_file_is(
    tagger: Probed, tmp_path: Path, rng: np.random.Generator, seconds: float, hop_s: float
) -> None:
    signal = rng.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", signal, RATE, subtype="FLOAT")
    steps: list[tuple[int, int]] = []
    found = tagger.tag_audio(signal[None], name="x.wav", hop_s=hop_s, progress=lambda *now: steps.append(now))
    from_file = tagger.tag(tmp_path / "x.wav", hop_s=hop_s)
    np.testing.assert_allclose(found.scores, from_file.scores, atol=1e-6)
    np.testing.assert_allclose(found.level_db, from_file.level_db, atol=1e-6)
    assert (found.duration_s, found.padded, str(found.path)) == (
        from_file.duration_s,
        from_file.padded,
        "x.wav",
    )
    # Every window is counted once, and how many there will be is known beforehand.
    windows = len(found.scores)
    assert tagger.count_windows(len(signal), hop_s) == windows
    assert steps == [(min(done, windows), windows) for done in range(16, windows + 16, 16)]


def test_audio_in_memory_is_checked_as_files_are(tagger: Probed) -> None:
    with raises(AudioError, code="empty-audio"):
        tagger.tag_audio(np.zeros((1, 0), np.float32), name="x")
    with raises(ConfigError, code="invalid-setting", mentions="2"):
        tagger.tag_audio(np.zeros((1, 9), np.float32), hop_s=3.0)
    stereo = np.stack([tone(440, 4), 0 * tone(440, 4)]).astype(np.float32)
    assert tagger.tag_audio(stereo).level_db[0] == pytest.approx(-15.05, abs=0.05)


def test_what_cannot_be_tagged_is_named(tagger: Probed, tmp_path: Path, song: Path) -> None:
    (tmp_path / "text.wav").write_text("nothing")
    with raises(AudioError, code="unreadable-audio", mentions=("text.wav", "7")):
        tagger.tag(tmp_path / "text.wav")
    with raises(AudioError, code="empty-audio"):
        tagger.tag(write(tmp_path / "empty.wav", silence(0)))
    for wrong in ({"hop_s": 0.0}, {"hop_s": 2.5}, {"batch_size": 0}):
        with raises(ConfigError, code="invalid-setting", mentions="2"):
            tagger.tag(song, **wrong)


@pytest.fixture
def tags(tagger: Probed, song: Path) -> FileTags:
    return tagger.tag(song)


def test_the_table_names_what_sounds_and_where(tags: FileTags) -> None:
    text = format_table(tags)
    rows = {line.split()[0]: line for line in text.splitlines()[2:]}
    assert {"family", "low", "high"} <= set(rows)
    assert f"{tags.mean[1]:.3f}" in rows["low"]
    assert "0:00.0-0:0" in rows["low"]
    assert "silent (below -60 dBFS) for" in text


def test_no_class_above_its_threshold_is_said_so(tagger: Probed, tmp_path: Path) -> None:
    text = format_table(tagger.tag(write(tmp_path / "x.wav", 0.2 * tone(440, 5))))
    assert "no class reaches its threshold; nearest is low, 0.027 of 0.500" in text


def test_thresholds_decide_what_is_heard(tags: FileTags) -> None:
    none, every = tags.with_thresholds(1.0), tags.with_thresholds([0.9, 0.0, 1.0])
    assert none.tags == ()
    assert tags.tags
    # The first instrument is heard wherever anything sounds, and its family with it.
    assert set(every.tags) == {"family", "low"}
    np.testing.assert_array_equal(every.detected[:, 1], tags.sounding)
    np.testing.assert_array_equal(every.scores, tags.scores)
    lower = [tags.with_thresholds(at).detected.sum() for at in (0.9, 0.6, 0.3, 0.0)]
    assert lower == sorted(lower)
    with raises(ConfigError, code="wrong-shape", mentions=("3", "2")):
        tags.with_thresholds([0.1, 0.2])


def test_rows_follow_the_tree_and_agree_with_the_tags(tags: FileTags) -> None:
    rows = class_rows(tags)
    assert [(row.name, row.depth, row.column) for row in rows] == [
        ("family", 0, 0),
        ("low", 1, 1),
        ("high", 0, 2),
    ]
    assert {row.name for row in rows if row.detected} == set(tags.tags)
    for row in rows:
        assert row.spans == tags.spans()[row.name]
        assert row.seconds == pytest.approx(sum(end - start for start, end in row.spans))
        assert row.mean == pytest.approx(tags.mean[row.column], abs=1e-5)
    moved = replace(tags, labels=("low", "high", "family"), parents=(2, None, None))
    assert [row.name for row in class_rows(moved)] == ["high", "family", "low"]


def test_csv_has_a_row_per_moment_and_nothing_for_silence(tags: FileTags) -> None:
    rows = list(csv.DictReader(tags_as_csv(tags).splitlines()))
    assert len(rows) == len(tags.scores)
    for k, row in enumerate(rows):
        assert float(row["end_s"]) == pytest.approx(tags.end_s[k], abs=1e-3)
        if tags.sounding[k]:
            assert float(row["low"]) == pytest.approx(tags.scores[k, 1], abs=1e-4)
        else:
            assert row["low"] == row["high"] == row["family"] == ""
    assert not tags.sounding.all()


def test_audacity_labels_are_the_spans(tags: FileTags) -> None:
    found: dict[str, list[tuple[float, float]]] = {}
    for line in audacity_labels(tags).splitlines():
        start, end, name = line.split("\t")
        found.setdefault(name, []).append((float(start), float(end)))
    assert found == {name: [pytest.approx(s) for s in spans] for name, spans in tags.spans().items()}


def test_json_holds_every_class(tags: FileTags) -> None:
    data = json.loads(tags_as_json(tags, run="run"))
    assert data["run"] == "run"
    assert [k["name"] for k in data["classes"]] == list(tags.labels)
    assert data["tags"] == list(tags.tags)
    assert [k["max"] for k in data["classes"]] == pytest.approx(tags.max.tolist(), abs=1e-5)


def test_the_plot_is_a_picture_and_needs_its_extra(tags: FileTags, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vl_convert")
    ending, plot = FORMATS["plot"]
    assert ending == ".png"
    assert plot(tags).startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with raises(MissingDependencyError, code="missing-dependency", mentions="mixlab[plot]"):
        plot(tags)


def test_outputs_never_overwrite_each_other() -> None:
    paths = [Path(p) for p in ("a/x.wav", "b/y.wav", "b/x.flac", "c/x.wav", "c/X.WAV", "z.wav")]
    names = output_names(paths)
    assert set(names) == set(paths)
    assert len({name.casefold() for name in names.values()}) == len(paths)
    assert (names[paths[1]], names[paths[5]]) == ("y", "z")
    assert names[paths[2]] == "x.flac"


@pytest.fixture(scope="module")
def run(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Run:
    mix = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
    config = TrainConfig(
        model=ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
        epochs=1,
        epoch_size=16,
        batch_size=8,
        val_size=16,
        test_size=8,
        precision="fp32",
        accelerator="cpu",
        tensorboard=False,
        bootstrap=0,
    )
    return train(toy.path, tmp_path_factory.mktemp("runs") / "run", mix, config)[0]


def test_a_run_is_loaded_with_its_thresholds(run: Run, tmp_path: Path) -> None:
    tagger = Tagger.load(run.path, device="cpu")
    assert tagger.labels == tuple(run.info["labels"]["outputs"])
    assert (tagger.sample_rate, tagger.window_s, tagger.fitted) == (RATE, 0.5, True)
    assert dict(zip(tagger.labels, tagger.thresholds, strict=True)) == run.card["consistent_thresholds"]
    path = write(tmp_path / "x.wav", tone(440, 3))
    tags = tag_file(path, run, hop_s=0.25)
    np.testing.assert_array_equal(tags.scores, tagger.tag(path, hop_s=0.25).scores)
    with raises(RunError, code="run-not-found"):
        tag_file(path, tmp_path)


def test_an_unscored_run_has_thresholds_of_a_half(run: Run, tmp_path: Path) -> None:
    card = {k: v for k, v in run.card.items() if k not in ("thresholds", "consistent_thresholds")}
    bare = Run.create(tmp_path / "bare", {}, {})
    bare.write_model(run.read_model()[0], card)
    tagger = Tagger.load(bare)
    assert not tagger.fitted
    assert set(tagger.thresholds) == {0.5}
    bare.write_model(run.read_model()[0], {k: v for k, v in card.items() if k != "input"})
    with raises(RunError, code="run-incomplete", mentions="input"):
        Tagger.load(bare)


def test_classes_that_no_mix_held_are_named(run: Run, tmp_path: Path) -> None:
    report = run.report()
    held = {split: {k.name: k.support for k in scores.classes} for split, scores in report.splits.items()}
    notes = class_notes(run)
    assert set(notes) == {
        name for name in held["test"] if 0 in (held["test"][name], held["validation"][name])
    }
    bare = Run.create(tmp_path / "bare", {}, {})
    assert class_notes(bare) == {}
    splits = dict(report.splits)
    for split, supports in (("validation", (0, 0, 3, 3)), ("test", (0, 3, 0, 3))):
        classes = [
            replace(k, name=f"class {place}", support=support)
            for place, (k, support) in enumerate(zip(splits[split].classes, supports, strict=False))
        ]
        splits[split] = replace(splits[split], classes=tuple(classes))
    bare.write_report(replace(report, splits=splits), "")
    notes = class_notes(bare.path)
    assert "no validation or test mix held it" in notes["class 0"]
    assert notes["class 1"] == "no validation mix held it: its threshold is a guess"
    assert notes["class 2"].startswith("no test mix held it")
    assert "class 3" not in notes
    (bare.path / "report.json").write_text('{"schema": 2, "splits": {"test": {}}}')
    with raises(RunError, code="run-damaged", mentions=("report.json", "mixlab evaluate")):
        class_notes(bare)


@pytest.mark.parametrize(
    ("name", "duration_s"),
    [
        ("mp3-untagged", 4.0),
        ("mp3-joined", 6.0),
        ("vorbis-joined", 6.0),
        ("flac-to-a-pipe", 4.0),
        ("opus", 3.0),
        ("wav-to-a-pipe-0", 4.0),
        ("mp3-44100-2-CONSTANT-0.99", 4.0),
    ],
)
def test_a_file_is_tagged_to_its_end_whatever_its_header_says(
    run: Run, tmp_path: Path, name: str, duration_s: float
) -> None:
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    tags = Tagger.load(run).tag(path, hop_s=0.25)
    assert tags.duration_s == pytest.approx(duration_s, abs=0.25)  # MP3 has delays at its ends
    assert tags.end_s[-1] == tags.duration_s
    assert tags.notes == ()


def test_what_of_a_file_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(write(tmp_path / "whole.wav", tone(440, 8)).read_bytes()[:-100_000])
    (note,) = Tagger.load(run).tag(path, hop_s=0.25).notes
    assert note.startswith("its header announces 8.0 s, and only ")


def test_an_m4a_file_is_called_so_with_what_to_do(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my song.m4a"
    path.write_bytes(b"\0\0\0\x20ftypM4A " + bytes(99))
    assert main(["tag", str(path), "--hop", "0.25", "--run", str(run.path)]) == 1
    text = capsys.readouterr().out
    assert "found an MP4, M4A or MOV file (111 bytes)" in text
    assert "Convert it first, as with: ffmpeg -i 'my song.m4a' 'my song.flac'" in text
    assert "index" not in text


def test_one_bad_file_stops_no_other(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    good = [write(folder / name, tone(440, 2)) for name in ("a b.wav", "c,d.wav")]
    (folder / "notes.txt").write_text("no audio")
    bad = tmp_path / "bad.wav"
    bad.write_text("nothing")
    out = tmp_path / "out"
    arguments = ["tag", str(bad), "--hop", "0.25", str(folder), "--run", str(run.path), "--out", str(out)]
    assert main(arguments) == 1
    text = capsys.readouterr().out
    assert "1 of 3 files could not be tagged" in text
    assert "bad.wav, found a file of 7 bytes" in text
    assert f"6 files for 2 of 3 inputs written to {out}" in text
    expected = {f"{path.stem}{ending}" for path in good for ending in (".json", ".csv", ".labels.txt")}
    assert {path.name for path in out.iterdir()} == expected
    assert json.loads((out / "c,d.json").read_text())["run"] == str(run.path)
    assert main(["tag", str(good[0]), "--run", str(run.path), "--hop=0.5"]) == 0
    assert str(good[0]) in capsys.readouterr().out


def test_a_folder_is_read_without_litter_and_says_what_it_cannot_read(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    write(folder / "a.WAV", tone(440, 2))
    write(folder / "more" / "b.flac", tone(440, 2))
    for place in (folder, folder / "more", folder / "@eaDir", folder / "__MACOSX"):
        place.mkdir(exist_ok=True)
        (place / "._a.wav").write_bytes(b"\x00\x05\x16\x07")
        (place / "desktop.ini").touch()
    (folder / "__MACOSX" / "c.wav").touch()
    assert main(["tag", str(folder), "--run", str(run.path), "--hop=0.5"]) == 0
    assert "could not be tagged" not in capsys.readouterr().out
    (folder / "more" / "d.m4a").touch()
    (folder / "again").symlink_to(folder / "more")
    assert main(["tag", str(folder), "--run", str(run.path), "--hop=0.5"]) == 1
    text = capsys.readouterr().out
    assert "2 of 4 files could not be tagged" in text
    assert "d.m4a: mixlab cannot read .m4a: convert, as by 'ffmpeg" in text
    assert "again: a link to a folder, not followed" in text
    for path in (folder / "a.WAV", folder / "more" / "b.flac"):
        path.unlink()
    assert main(["tag", str(folder), "--run", str(run.path)]) == 2
    assert "without audio files that are read" in capsys.readouterr().err


def test_the_command_says_what_it_needs(
    run: Run, song: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        ([str(song), "--run", str(run.path), "--weights", "jamendo_musicnn"], "--run"),
        ([str(song), "--run", str(run.path), "--format", "json"], "say where with --out FOLDER"),
        ([str(song), "--run", str(run.path), "--format", "midi"], "takes some of table, json, csv"),
        ([str(tmp_path / "none"), "--run", str(tmp_path)], "is no run"),
    ):
        assert main(["tag", *arguments]) == 2
        assert message in capsys.readouterr().err


def write_float(path: Path, *channels: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, np.stack(channels, axis=1), rate, subtype="FLOAT")
    return path


def test_channels_that_cancel_are_said_to_and_not_called_a_silent_file(
    tagger: Probed, tmp_path: Path
) -> None:
    left = tone(440, 6)
    tags = tagger.tag(write_float(tmp_path / "x.wav", left, -left))
    assert not tags.sounding.any()
    (note,) = tags.notes
    assert "its channels cancel each other in mono for 6.0 s, in which they reach -9 dBFS" in note
    text = format_table(tags)
    assert f"beware: {note}" in text
    assert "nothing sounds: what the model is given is below -60 dBFS" in text
    assert json.loads(tags_as_json(tags))["notes"] == [note]
    assert tagger.tag_audio(np.stack([left, -left]).astype(np.float32)).notes == tags.notes


def test_channels_that_cancel_for_a_while_are_noted_beside_the_tags(tagger: Probed, tmp_path: Path) -> None:
    left = tone(440, 8, 44100)
    right = np.where(np.arange(len(left)) < 4 * 44100, left, -left)
    tags = tagger.tag(write_float(tmp_path / "x.wav", left, right, rate=44100))
    assert "low" in tags.tags
    assert "cancel each other in mono for 4.0 s" in tags.notes[0]
    assert tags.silent_spans()[0] == pytest.approx((4.0, 8.0), abs=0.51)


def test_files_without_anything_odd_have_no_notes(
    tagger: Probed, tmp_path: Path, rng: np.random.Generator
) -> None:
    for right in (tone(440, 4), 0 * tone(440, 4), rng.uniform(-0.5, 0.5, 4 * RATE)):
        assert tagger.tag(write_float(tmp_path / "x.wav", tone(440, 4), right)).notes == ()


@pytest.mark.parametrize("offset", [0.01, -0.4])
def test_an_offset_is_silence(tagger: Probed, tmp_path: Path, offset: float) -> None:
    signal = np.concatenate([silence(4), 0.1 * tone(440, 4)]) + offset
    tags = tagger.tag(write_float(tmp_path / "x.wav", signal))
    (silent,) = tags.silent_spans()
    assert silent == pytest.approx((0.0, 4.0), abs=0.51)
    assert tags.level_db[-1] == pytest.approx(-29.0, abs=0.2)


def test_samples_that_are_not_finite_are_noted(tagger: Probed, tmp_path: Path) -> None:
    signal = tone(440, 4)
    signal[100:103] = [np.nan, np.inf, -np.inf]
    tags = tagger.tag(write_float(tmp_path / "x.wav", signal))
    assert tags.notes == ("3 of its samples are NaN or infinite: they count as silence",)
    assert np.isfinite(tags.scores).all()


@pytest.mark.parametrize("value", [40.0, -1e6, 1e20, 3e38])
def test_corrupt_samples_are_refused_and_no_nan_is_ever_told(
    tagger: Probed, tmp_path: Path, value: float
) -> None:
    signal = tone(440, 4)
    signal[9000] = value
    path = write_float(tmp_path / "x.wav", signal)
    with raises(AudioError, code="implausible-peak", mentions=("30", "x.wav")):
        tagger.tag(path)


def test_a_model_that_gives_no_numbers_is_an_error(tagger: Probed, song: Path) -> None:
    class Broken(nn.Module):
        def forward(self, audio: torch.Tensor) -> torch.Tensor:
            return torch.full((len(audio), 3), torch.nan)

    with raises(AudioError, code="scores-not-finite", mentions="song.wav"):
        with_model(tagger, Broken()).tag(song)


@pytest.mark.parametrize(("rate", "channels"), [(1, 1), (200_000_000, 1), (44100, 80)])
def test_headers_of_no_sound_are_refused(tagger: Probed, tmp_path: Path, rate: int, channels: int) -> None:
    path = write_float(tmp_path / "x.wav", *np.zeros((channels, 1000)), rate=rate)
    with raises(AudioError, code="implausible-header"):
        tagger.tag(path)


# ---- models for one label, for stereo, and for clips at full scale ----


class Sides(nn.Module):
    """Takes stereo: how much louder the left side is than the right, and the other way round."""

    in_channels = 2

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[torch.Tensor] = []

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        self.heard.append(audio.clone())
        left, right = (side.square().mean(dim=-1) for side in audio.unbind(1))
        return 100 * torch.stack([left - right, right - left], dim=1)


@pytest.fixture
def single(tagger: Probed) -> Tagger:
    return with_model(
        tagger,
        tagger.model,
        loss="softmax",
        single_label=True,
        thresholds=np.full(3, np.nan),
        parents=(None,) * 3,
    )


def test_a_single_label_model_decides_for_the_highest_score_of_a_softmax(single: Tagger, song: Path) -> None:
    tags = single.tag(song)
    np.testing.assert_allclose(tags.scores.sum(axis=1), 1, rtol=1e-5)
    assert tags.detected[tags.sounding].sum(axis=1).tolist() == [1] * int(tags.sounding.sum())
    assert not tags.detected[~tags.sounding].any()
    assert tags.decision == "low" == tags.tags[0]  # ten seconds of it, four of the high tone
    assert tags.decision == tags.labels[int(np.argmax(tags.mean))]
    spans = tags.spans()
    assert spans["high"][0] == pytest.approx((6.0, 10.0), abs=1.01)
    with raises(ConfigError, code="conflicting-settings", mentions="thresholds"):
        tags.with_thresholds(0.5)


def test_what_is_written_of_a_single_label_model_has_no_threshold(single: Tagger, song: Path) -> None:
    tags = single.tag(song)
    table = format_table(tags)
    assert "threshold" not in table
    assert "decision: low, with the highest mean score" in table
    data = json.loads(tags_as_json(tags))
    assert data["decision"] == "low"
    assert [entry["threshold"] for entry in data["classes"]] == [None] * 3
    assert all(row.threshold is None for row in class_rows(tags))
    quiet = single.tag(write(song.parent / "quiet.wav", silence(4)))
    assert quiet.decision is None
    assert json.loads(tags_as_json(quiet))["decision"] is None


def test_a_model_for_stereo_is_given_both_sides(tagger: Probed, tmp_path: Path) -> None:
    sides = with_model(tagger, Sides(), labels=("left", "right"), parents=(None, None),
                    thresholds=np.full(2, 0.5), channels=2)  # fmt: skip
    left, right = tone(440, 6, 44100), 0.1 * tone(440, 6, 44100)
    tags = sides.tag(write_float(tmp_path / "x.wav", left, right, rate=44100))
    assert tags.tags == ("left",)
    heard = sides.model.heard[0]
    assert heard.shape[1:] == (2, round(WINDOW_S * RATE))
    np.testing.assert_allclose(heard[0, 1, 100:-100], 0.1 * heard[0, 0, 100:-100], atol=1e-4)
    power = np.mean(tags.level_db[1:-1])
    assert power == pytest.approx(10 * np.log10((0.125 + 0.00125) / 2), abs=0.1)  # mean of both sides
    cancelling = sides.tag(write_float(tmp_path / "y.wav", left, -left, rate=44100))
    assert cancelling.notes == ()  # nothing is lost: there is no mono
    assert cancelling.sounding.all()


def test_a_model_for_stereo_is_given_a_single_side_twice_and_no_more_than_two(
    tagger: Probed, tmp_path: Path
) -> None:
    sides = with_model(tagger, Sides(), labels=("left", "right"), parents=(None, None),
                    thresholds=np.full(2, 0.5), channels=2)  # fmt: skip
    sides.tag(write(tmp_path / "x.wav", tone(440, 4)))
    heard = sides.model.heard[0]
    assert torch.equal(heard[:, 0], heard[:, 1])
    with raises(AudioError, code="channels-mismatch", mentions=("y.wav", 3)):
        sides.tag(write_float(tmp_path / "y.wav", *[tone(440, 4)] * 3))


@pytest.mark.parametrize("peak", [0.02, 0.5])
def test_a_model_for_clips_at_full_scale_is_given_the_file_there(
    tagger: Probed, tmp_path: Path, peak: float
) -> None:
    lifted = with_model(tagger, tagger.model, level="peak")
    signal = 2 * peak * np.concatenate([tone(440, 4), 0.5 * tone(440, 4)])
    path = write_float(tmp_path / "x.wav", signal)
    tags = lifted.tag(path)
    windows = torch.cat(lifted.model.heard)
    assert float(windows.abs().max()) == pytest.approx(1.0, rel=1e-5)
    assert float(windows[-1].abs().max()) == pytest.approx(0.5, rel=1e-2)  # one gain for the whole file
    np.testing.assert_array_equal(tags.level_db, tagger.tag(path).level_db)  # levels are the file's own
    again = lifted.tag_audio(signal[None].astype(np.float32))
    np.testing.assert_allclose(again.scores, tags.scores, atol=1e-6)


def test_a_model_at_22050_hz_is_given_windows_of_its_rate(tagger: Probed, tmp_path: Path) -> None:
    other = with_model(tagger, tagger.model, sample_rate=22_050, window_s=1.0)
    tags = other.tag(write(tmp_path / "x.wav", tone(440, 4, 44100), rate=44100))
    assert torch.cat(other.model.heard).shape[1:] == (1, 22_050)
    assert tags.duration_s == pytest.approx(4.0, abs=1e-3)


def test_runs_on_clips_say_what_their_thresholds_are_worth_here(run: Run, tmp_path: Path) -> None:
    weights, card = run.read_model()

    def load(name: str, **more: object) -> Tagger:
        made = Run.create(tmp_path / name, {}, {})
        made.write_model(weights, {**card, **more})
        return Tagger.load(made, device="cpu")

    s1 = load("s1", windows={"aggregation": "s1", "level": "peak"})
    assert s1.fitted
    assert s1.level == "peak"
    assert "mean scores of whole clips" in s1.note
    s2 = load("s2", windows={"aggregation": "s2"})
    assert not s2.fitted
    assert set(s2.thresholds) == {0.5}
    assert "s2" in s2.note
    single = load("single", windows={"aggregation": "s1"}, loss="softmax", thresholds={})
    assert single.fitted
    assert "thresholds" not in single.note
    assert np.isnan(single.thresholds).all()
    with raises(ConfigError, code="conflicting-settings", mentions="windows.repeat_levels"):
        load("repeated", windows={"aggregation": "s1", "repeat_levels": True})
