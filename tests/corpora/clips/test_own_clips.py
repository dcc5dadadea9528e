"""Clips of one's own: a folder per class, and a table."""

from pathlib import Path

import pytest

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips, read_clips
from mixlab.errors import CorpusError
from tests.errors import raises

HEADER = "file,labels,group,split,start,end"


def read_table(root: Path, *rows: str, header: str = HEADER, touch: bool = True) -> ClipSet:
    (root / "clips.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    for row in rows if touch else ():
        (root / row.partition(",")[0]).touch()
    return read_clips(ClipsConfig(corpus="csv", root=str(root)))


def test_folders_below_a_class_are_its_groups(tmp_path: Path) -> None:
    for path in ("rock/A/1.wav", "rock/A/live/2.flac", "jazz/A/3.mp3", "jazz/4.wav", "jazz/._4.wav"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "silence").mkdir()
    clips = read_clips(ClipsConfig(root=str(tmp_path)))
    assert {clip.key: clip.group for clip in clips.clips} == {
        "rock/A/1": "A", "rock/A/live/2": "A", "jazz/A/3": "A", "jazz/4": "jazz/4",
    }  # fmt: skip
    assert clips.classes == ("jazz", "rock")
    assert any("folders without audio" in note and "silence" in note for note in clips.notes)
    assert any(note.startswith("1 clips lie in their class's folder itself") for note in clips.notes)


def test_folders_of_splits_above_classes(tmp_path: Path) -> None:
    for split in ("train", "valid", "Testing set"):
        for name in ("rock", "jazz"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.wav").touch()
    clips = open_clips(ClipsConfig(root=str(tmp_path)))
    assert [clip.split for clip in clips.clips] == [
        "test",
        "test",
        "train",
        "train",
        "validation",
        "validation",
    ]
    assert clips.classes == ("jazz", "rock")


def make_files(root: Path, *paths: str) -> ClipsConfig:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return ClipsConfig(root=str(root))


def test_folders_of_splits_are_no_classes(tmp_path: Path) -> None:
    """Whatever else lies beside them: a folder of texts, or other audio."""
    two = make_files(tmp_path, "train/rock/1.wav", "train/jazz/2.wav", "test/rock/3.wav", "docs/read.txt")
    assert read_clips(two).classes == ("jazz", "rock")
    one = make_files(tmp_path / "one", "train/rock/1.wav", "train/jazz/2.wav")
    assert [clip.split for clip in read_clips(one).clips] == ["train", "train"]
    assert read_clips(one).classes == ("jazz", "rock")
    beside = make_files(tmp_path, "extra/rock/1.wav")
    with raises(CorpusError, code="layout-not-found", mentions=("train", "extra")):
        read_clips(beside)
    vehicles = make_files(tmp_path / "vehicles", "train/1.wav", "car/2.wav")
    assert read_clips(vehicles).classes == ("car", "train")


def test_files_that_are_not_read_are_said(tmp_path: Path) -> None:
    clips = read_clips(make_files(tmp_path, "rock/1.wav", "rock/2.m4a", "jazz/3.wav", "jazz/3.txt"))
    assert len(clips) == 2
    assert any(note.startswith("1 files are not read, such as rock/2.m4a") for note in clips.notes)


def test_an_empty_folder_says_what_belongs_there(tmp_path: Path) -> None:
    with raises(CorpusError, code="layout-not-found", mentions=("CLASS", "csv")):
        read_clips(ClipsConfig(root=str(tmp_path)))
    (tmp_path / "file").touch()
    with raises(CorpusError, code="root-not-found", mentions="no folder"):
        read_clips(ClipsConfig(root=str(tmp_path / "file")))


def test_a_table_says_labels_groups_and_parts_of_files(tmp_path: Path) -> None:
    clips = read_table(
        tmp_path,
        "a.wav,rock | live,Band,train,,",
        "a.wav,rock,Band,train,1.5,4",
        "b.wav,,Duo,test,,",
    )
    assert clips.classes == ("live", "rock")
    assert clips.targets.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert [clip.key for clip in clips.clips] == ["a.wav", "a.wav#1.5", "b.wav"]
    assert (clips.clips[1].start_s, clips.clips[1].end_s) == (1.5, 4.0)
    assert [clip.split for clip in clips.clips] == ["train", "train", "test"]
    assert clips.clips[1].seconds(3.0) == 1.5
    assert clips.clips[0].seconds(3.0) == 3.0


def test_files_without_a_group_are_said(tmp_path: Path) -> None:
    """Also where others have one, or where several clips are parts of one file."""
    clips = read_table(tmp_path, "a.wav,rock,,,0,1", "a.wav,jazz,,,1,2", "b.wav,jazz,Band,,,")
    assert [clip.group for clip in clips.clips] == ["a.wav", "a.wav", "Band"]
    assert any(note.startswith("1 files without a group") for note in clips.notes)
    whole = read_table(tmp_path, "a.wav,rock,Duo,,,", "b.wav,jazz,Band,,,")
    assert whole.notes == ()


def test_files_that_are_not_there_are_listed(tmp_path: Path) -> None:
    clips = read_table(tmp_path, "a.wav,rock,,,,", "b.wav,jazz,,,,")
    (tmp_path / "a.wav").unlink()
    clips = read_clips(ClipsConfig(corpus="csv", root=str(tmp_path / "clips.csv")))
    assert clips.missing == ("a.wav",)
    assert clips.classes == ("jazz", "rock")
    (tmp_path / "b.wav").unlink()
    with raises(CorpusError, code="audio-not-found", mentions="a.wav"):
        read_clips(ClipsConfig(corpus="csv", root=str(tmp_path)))


@pytest.mark.parametrize(
    ("row", "code", "mentions"),
    [
        (",rock,,,,", "invalid-table", "row 3"),
        ("../b.wav,rock,,,,", "path-outside-root", "row 3"),
        ("b.wav,rock,,Tuesday,,", "invalid-table", ("row 3", "Tuesday")),
        ("b.wav,rock,,,x,", "invalid-table", ("row 3", "start")),
        ("b.wav,rock,,,3,2", "invalid-table", ("row 3", "3 to 2 s")),
        ("b.wav,rock,,,nan,2", "invalid-table", ("row 3", "start")),
        ("a.wav,jazz,Band,train,,", "repeated-entry", ("row 3", "row 2")),
        ("b.wav,jazz,Band,test,,", "split-overlap", ("row 3", "row 2", "Band")),
        ("b.wav,,,,,", "missing-labels", "row 3"),
        ("a.wav,jazz,Duo,train,1,2", "split-overlap", ("row 3", "row 2", "Duo")),
        ("sub/../a.wav,jazz,Band,train,,", "path-outside-root", "row 3"),
        ("b.wav,rock,,,,,,x", "invalid-table", "row 3"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_used_are_named(
    tmp_path: Path, row: str, code: str, mentions: str | tuple[str, ...]
) -> None:
    with raises(CorpusError, code=code, mentions=mentions):
        read_table(tmp_path, "a.wav,rock,Band,train,,", row, touch=False)


def test_tables_without_the_columns_are_refused(tmp_path: Path) -> None:
    with raises(CorpusError, code="metadata-not-found", mentions="clips.csv"):
        read_clips(ClipsConfig(corpus="csv", root=str(tmp_path)))
    with raises(CorpusError, code="invalid-table", mentions=("labels", "genre")):
        read_table(tmp_path, "a.wav,rock", header="file,genre")
    with raises(CorpusError, code="invalid-table", mentions="mood"):
        read_table(tmp_path, "a.wav,rock,sad", header="file,labels,mood")
    with raises(CorpusError, code="empty-table", mentions="clips.csv"):
        read_table(tmp_path)
