"""``mixlab clips``: what a corpus of labelled clips holds."""

from pathlib import Path

import pytest

from mixlab.cli.main import main
from tests.tagged_trees import RATE, make_irmas, sound


def test_it_counts_classes_parts_and_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("rock", 10), ("jazz", 5)):
        for k in range(count):
            (tmp_path / name / f"band {name} {k}").mkdir(parents=True)
            (tmp_path / name / f"band {name} {k}" / "song.wav").touch()
    assert main(["clips", "folder", str(tmp_path), "--clips.test_fraction", "0.4"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["class", "train", "validation", "test", "clips", "groups"] in lines
    assert ["jazz", "2", "1", "2", "5", "5"] in lines
    assert ["rock", "5", "1", "4", "10", "10"] in lines


def test_what_cannot_be_divided_is_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_irmas(tmp_path)
    arguments = ["clips", "irmas", str(tmp_path), "--clips.classes", '["cel"]', "--clips.splits", "grouped"]
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert ["cel", "2", "1", "3", "2"] in [line.split() for line in shown.out.splitlines()]
    assert "too-few-groups" in shown.err


def test_without_a_root_it_lists_the_corpora(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clips"]) == 0
    shown = capsys.readouterr().out
    assert "extended_ballroom  dance" in shown
    assert "keyboard_source" in shown


def test_files_that_cannot_be_read_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import soundfile

    rows = ["file,labels,group,start"]
    for k in range(12):
        soundfile.write(tmp_path / f"{k}.wav", sound([200.0 + k], 0.5, k), RATE)
        rows.append(f"{k}.wav,{'rock' if k % 2 else 'jazz'},{k},{9 if k == 3 else ''}")
    (tmp_path / "5.wav").write_bytes(b"no audio")
    (tmp_path / "7.wav").unlink()
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    assert main(["clips", "csv", str(tmp_path), "--check", "--workers", "1"]) == 1
    shown = capsys.readouterr().out
    assert "1 clips have no file and are left out: 7.wav" in shown
    assert "2 of 11 clips cannot be used:" in shown
    assert "0 recordings are there twice" in shown
    assert "- 5.wav: " in shown
    assert "- 3.wav#9: " in shown
    assert main(["clips", "csv", str(tmp_path)]) == 0


def test_the_same_recording_under_two_names_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    import soundfile

    for k in range(10):
        folder = tmp_path / ("rock" if k % 2 else "jazz") / f"band {k}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "song.wav", sound([200.0 + k], 0.2, k), RATE)
    shutil.copy(tmp_path / "rock/band 1/song.wav", tmp_path / "jazz/band 2/other.wav")
    shutil.copy(tmp_path / "rock/band 3/song.wav", tmp_path / "rock/band 3/again.wav")
    assert main(["clips", "folder", str(tmp_path), "--check", "--workers", "1"]) == 1
    shown = capsys.readouterr().out
    assert "0 of 12 clips cannot be used." in shown
    assert "1 recordings are there twice" in shown
    assert "other.wav (jazz, group band 2, " in shown
    assert "song.wav (rock, group band 1, " in shown


def test_what_training_would_leave_out_or_learn_as_silence_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np
    import soundfile

    rows = ["file,labels,group,end"]
    for k in range(12):
        soundfile.write(tmp_path / f"{k}.wav", sound([200.0 + k], 0.5, k), RATE)
        rows.append(f"{k}.wav,{'rock' if k % 2 else 'jazz'},{k},{ {4: 9, 6: 0.55}.get(k, '') }")
    tone = np.asarray(sound([300.0], 0.5, 0), np.float32)
    soundfile.write(tmp_path / "1.wav", np.stack([tone, -tone], axis=1), RATE)
    soundfile.write(tmp_path / "2.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "3.wav", 1e6 * tone, RATE, subtype="FLOAT")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    assert main(["clips", "csv", str(tmp_path), "--check", "--workers", "1"]) == 1
    shown = capsys.readouterr().out
    unusable, _, doubtful = shown.partition("2 hold no sound, or end before their end in the table:")
    assert "2 of 12 clips cannot be used:" in unusable
    for key, part in (("1.wav", unusable), ("3.wav", unusable), ("2.wav", doubtful), ("4.wav#0", doubtful)):
        assert f"- {key}: " in part
