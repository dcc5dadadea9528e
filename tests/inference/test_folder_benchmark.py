"""Runs scored on recordings: families and instruments, solos and mixes apart, and what is unknown."""

import json
from pathlib import Path

import numpy as np
import pytest

from mixlab.cli.main import main
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.errors import AudioError
from mixlab.evaluation import METRICS
from mixlab.inference.benchmark import ExternalReport, evaluate_on
from mixlab.inference.clip_scores import score_clips
from mixlab.inference.opening import open_run
from mixlab.training.clips import WindowConfig, read_clip
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.tagged_trees import RECORDINGS, make_recordings, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def test_families_and_instruments_have_tables_and_only_known_cells_count(tmp_path: Path, run: Run) -> None:
    report = evaluate_on(run, read_recordings(make_recordings(tmp_path)), device="cpu", n_resamples=0)
    families = {k.name: (k.support, k.known) for k in report.tables["families"].classes}
    assert families == {
        "voice": (3, 7), "percussion": (1, 6), "bowed string": (1, 6), "plucked string": (3, 7),
        "woodwind": (2, 8), "brass": (0, 7), "key": (3, 8), "synth": (0, 5),
    }  # fmt: skip
    instruments = {k.name: (k.support, k.known) for k in report.tables["instruments"].classes}
    assert instruments == {
        "guitar": (3, 7), "electric guitar": (2, 6), "singer": (2, 6), "drum set": (1, 6),
        "violin": (1, 7), "piano": (3, 8),
    }  # fmt: skip
    # Reed instruments stand above the label and below the output: they are no class of their own.
    assert [k.name for k in report.tables["family"].classes] == ["clarinet"]
    assert set(report.tables) == {"families", "instruments", "family"}
    for table in report.tables.values():
        for k in table.classes:
            if k.support:
                assert k.scores["average_precision"].chance == pytest.approx(k.support / k.known)


def test_solos_and_mixes_are_scored_by_themselves(tmp_path: Path, run: Run) -> None:
    clips = read_recordings(make_recordings(tmp_path))
    report = evaluate_on(run, clips, device="cpu", n_resamples=20)
    assert [(part.name, part.n_clips, part.n_groups) for part in report.apart] == [
        ("solos", 4, 4), ("mixes", 4, 4),
    ]  # fmt: skip
    scorer = open_run(run, device="cpu")
    scores, _ = score_clips(clips, scorer)
    for part, kind in zip(report.apart, ("solo", "mix"), strict=True):
        rows = [row for row, found in enumerate(clips.kinds) if found == kind]
        for k in part.tables["families"].classes:
            c, column = clips.classes.index(k.name), scorer.labels.index(k.name)
            known = clips.mask[rows, c]
            present = clips.targets[rows, c][known] > 0.5
            assert (k.support, k.known) == (present.sum(), known.sum())
            if present.any():
                expected = METRICS["average_precision"].function(scores[rows, column][known], present)
                assert k.scores["average_precision"].value == pytest.approx(expected)


def test_what_is_unknown_changes_nothing(tmp_path: Path, run: Run) -> None:
    clips = read_recordings(make_recordings(tmp_path))
    first = evaluate_on(run, clips, device="cpu", n_resamples=0)
    clips.targets[~clips.mask] = 1.0
    assert plain(evaluate_on(run, clips, device="cpu", n_resamples=0).to_dict()) == plain(first.to_dict())


def test_intervals_sample_groups(tmp_path: Path, run: Run) -> None:
    """Clips that are all of two songs have no interval; of eight they have one."""
    make_recordings(tmp_path)
    table = tmp_path / "clips.csv"
    apart = evaluate_on(run, read_recordings(tmp_path), device="cpu").tables["families"]
    rows = [f"{row[:-1]}{'xy'[k % 2]}" for k, row in enumerate(RECORDINGS)]
    table.write_text("\n".join(["file,present,unknown,group", *rows]) + "\n")
    together = evaluate_on(run, read_recordings(tmp_path), device="cpu").tables["families"]
    voice = [
        {k.name: k for k in scores.classes}["voice"].scores["average_precision"]
        for scores in (apart, together)
    ]
    assert voice[0].value == voice[1].value
    assert voice[0].interval is not None
    assert voice[1].interval is None
    assert (apart.n_groups, together.n_groups) == (8, 2)


def test_the_command_writes_and_lists_what_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    root = make_recordings(tmp_path / "mine", "broken.wav,voice,,i", "gone.wav,voice,,j")
    (root / "broken.wav").write_bytes(b"no audio")
    arguments = ["evaluate-on", "folder", "--run", str(run.path), "--root", str(root), "--device", "cpu"]
    assert main([*arguments, "--labels", "clips.csv", "--resamples", "5"]) == 1
    text = capsys.readouterr().out
    for said in ("folder mine: 8 clips from 8", "solos, 4 clips", "mixes, 4 clips", "chance AP", "broken.wav",
                 "1 clip has no file and is left out: gone.wav"):  # fmt: skip
        assert said in text
    stored = ExternalReport.load(run.path / "external/folder-mine.json")
    assert plain(stored.to_dict()) == json.loads((run.path / "external/folder-mine.json").read_text())
    assert [part.name for part in stored.apart] == ["solos", "mixes"]
    assert "solos, 4 clips" in (run.path / "external/folder-mine.md").read_text()
    assert len(stored.problems) == 1
    np.testing.assert_equal(stored.missing, ("gone.wav",))
    assert "1 of 10 clips has no file and is left out:\n  gone.wav\n" in text
    assert (
        "1 clip has no file and is left out: gone.wav" in (run.path / "external/folder-mine.md").read_text()
    )
    assert (stored.thresholds_fitted, stored.thresholds_from) == (True, "run")
    assert (stored.model, stored.scored_by[0].name) == (str(run.path), str(run.path))
    assert "thresholds fitted on the run's own validation" in text


def test_of_many_missing_clips_some_are_named(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_recordings(tmp_path / "mine", *(f"gone{k}.wav,voice,,j{k}" for k in range(8)))
    arguments = ["--run", str(run.path), "--root", str(root), "--device", "cpu", "--resamples", "0"]
    assert main(["evaluate-on", "folder", *arguments]) == 0
    text = capsys.readouterr().out
    assert "8 clips have no file and are left out: gone0.wav" in text
    warning = text.rpartition("8 of 16 clips have no file and are left out:")[2]
    assert [f"gone{k}.wav" in warning for k in range(8)] == [True] * 5 + [False] * 3
    assert "and 3 more" in warning
    (file,) = [word for word in warning.split() if word.endswith("folder-mine.json")]
    assert json.loads(Path(file).read_text())["missing"] == [f"gone{k}.wav" for k in range(8)]


@pytest.mark.parametrize("own_windows", [False, True])
def test_a_start_behind_the_end_blames_the_row(tmp_path: Path, run: Run, own_windows: bool) -> None:
    root = make_recordings(tmp_path)
    header, rows = "file,present,unknown,group,start,end", ["a.wav,piano,,a,0.1,", "b.wav,piano,,b,40,50"]
    (root / "clips.csv").write_text("\n".join([header, *rows]) + "\n")
    clips = read_recordings(root)
    windows = WindowConfig() if own_windows else None
    _, problems = score_clips(clips, open_run(run, device="cpu"), windows=windows)
    assert list(problems) == [1]
    for said in ("clips.csv, row 3", "40 s", "b.wav is 0.60 s long"):
        assert said in problems[1]
    assert "restore" not in problems[1]
    with raises(AudioError, code="clip-outside-file", mentions=("row 3", "40 s", "0.60 s")):
        read_clip(clips.clips[1], 16000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["folder", "--part", "train"], "no parts"),
        (["irmas", "--labels", "clips.csv"], "labels of its own"),
    ],
)
def test_options_that_would_say_nothing(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    where = ["--run", str(run.path), "--root", str(tmp_path)]
    assert main(["evaluate-on", *arguments, *where]) == 2
    assert said in capsys.readouterr().err


def test_a_bad_row_names_its_line(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_recordings(tmp_path / "mine", "a.wav,kazooo,,x")
    assert main(["evaluate-on", "folder", "--run", str(run.path), "--root", str(root)]) == 2
    error = capsys.readouterr().err
    assert "unknown-label" in error
    assert "row 10" in error
