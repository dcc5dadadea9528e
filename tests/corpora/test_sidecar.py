"""``stems.csv``: read however it was saved, and never passed over."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.corpora import CORPORA
from mixlab.corpora.base import Scan, StemEntry
from mixlab.errors import CorpusError
from tests.corpora.trees import scan, touch
from tests.errors import raises

CAFE = "Caf\u00e9/Fl\u00f6te 1.wav"


def tree(root: Path) -> Path:
    for path in ("Song/a.wav", "Song/b.flac", CAFE, "Song/Piano Man.wav"):
        touch(root / path)
    return root


def write(root: Path, table: str | bytes, name: str = "stems.csv") -> Path:
    path = touch(root / name)
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return root


def read(root: Path, table: str | bytes, name: str = "stems.csv") -> dict[str, StemEntry]:
    return {entry.path: entry for entry in scanned(root, table, name).stems}


def scanned(root: Path, table: str | bytes, name: str = "stems.csv") -> Scan:
    return scan(CORPORA["folder"], write(tree(root), table, name))


def refused(root: Path, table: str | bytes, name: str = "stems.csv") -> str:
    with raises(CorpusError, code="invalid-table") as caught:
        scanned(root, table, name)
    return str(caught.value)


ROWS = [("file", "label", "artist"), ("Song/a.wav", "violin; cello", "Ann"), (CAFE, "flute", "Bj\u00f6rn")]


def table(delimiter: str = ",", quote: str = "", end: str = "\n") -> str:
    def cell(text: str) -> str:
        return f'"{text}"' if quote or delimiter in text else text

    return "".join(delimiter.join(map(cell, row)) + end for row in ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_common_table_is_read(tmp_path: Path, encoding: str, delimiter: str, end: str) -> None:
    result = scanned(tmp_path, table(delimiter, end=end).encode(encoding))
    found = {entry.path: entry for entry in result.stems}
    assert (found["Song/a.wav"].labels, found["Song/a.wav"].artist) == (("violin", "cello"), "Ann")
    assert (found[CAFE].labels, found[CAFE].artist) == (("flute",), "Bj\u00f6rn")
    assert result.problems == []
    assert any("cp1252" in note for note in result.notes) is (encoding == "cp1252")
    assert any("labelled 2 audio files by their names" in note for note in result.notes)


@pytest.mark.parametrize("prefix", ["", "sep=;\n", '"sep=;"\r\n', "\n\n", "\ufeffsep=;\n"])
def test_what_excel_puts_in_front(tmp_path: Path, prefix: str) -> None:
    assert read(tmp_path, prefix + table(";", quote='"'))["Song/a.wav"].labels == ("violin", "cello")


@pytest.mark.parametrize("name", ["stems.csv", "Stems.csv", "STEMS.CSV", "stems.tsv"])
def test_the_name_in_any_case(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, "file\tlabel\nSong/a.wav\tviolin\n", name)["Song/a.wav"].labels == ("violin",)


@pytest.mark.parametrize(
    "spelling",
    [
        "Song/Piano Man.wav",
        "./Song/Piano Man.wav",
        "Song//Piano Man.wav",
        "Song/../Song/Piano Man.wav",
        "Song\\Piano Man.wav",
        ".\\Song\\Piano Man.wav",
        "song/piano man.WAV",
        "SONG\\PIANO MAN.wav",
        '"Song/Piano Man.wav"',
        " Song/Piano Man.wav ",
    ],
)
def test_paths_in_any_spelling(tmp_path: Path, spelling: str) -> None:
    assert read(tmp_path, f"file,label\n{spelling},violin\n")["Song/Piano Man.wav"].labels == ("violin",)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_unicode_forms(tmp_path: Path, form: str, on_disk: str) -> None:
    path = unicodedata.normalize(on_disk, "S\u00e3o/Vi\u00f3la.wav")  # type: ignore[arg-type]
    touch(tmp_path / path)
    written = unicodedata.normalize(form, path)  # type: ignore[arg-type]
    assert read(tmp_path, f"file,label\n{written},cello\n")[path].labels == ("cello",)


def test_double_spaces_are_part_of_a_name(tmp_path: Path) -> None:
    touch(tmp_path / "My  Song" / "a  b.wav")
    assert read(tmp_path, "file,label\nMy  Song/a  b.wav,cello\n")["My  Song/a  b.wav"].labels == ("cello",)


def test_an_absolute_path_below_the_root(tmp_path: Path) -> None:
    assert read(tmp_path, f"file,label\n{tmp_path}/Song/a.wav,violin\n")["Song/a.wav"].labels == ("violin",)


@pytest.mark.parametrize(
    ("place", "base"), [("stems.csv", "Song/"), ("Song/stems.csv", "Song/"), ("Song/stems.csv", ""),
                        ("annotations/stems.csv", "Song/"), ("meta/data/stems.csv", "Song/")],
)  # fmt: skip
def test_a_table_elsewhere_in_the_tree(tmp_path: Path, place: str, base: str) -> None:
    found = read(tmp_path, f"file,label\n{base}a.wav,violin\n{base}b.flac,cello\n", place)
    assert (found["Song/a.wav"].labels, found["Song/b.flac"].labels) == (("violin",), ("cello",))


@pytest.mark.parametrize("file", ["filename", "File Name", "PATH", "file_path", "audio_file", " file "])
@pytest.mark.parametrize("label", ["instrument", "Instruments", "labels", "LABEL", '"label"'])
def test_common_names_of_columns(tmp_path: Path, file: str, label: str) -> None:
    assert read(tmp_path, f"{file},{label}\nSong/a.wav,violin\n")["Song/a.wav"].labels == ("violin",)


def test_a_file_that_was_converted_since(tmp_path: Path) -> None:
    assert read(tmp_path, "file,label\nSong/b.wav,violin\n")["Song/b.flac"].labels == ("violin",)


def test_values(tmp_path: Path) -> None:
    header = "file;label;song;artist;split;bleed;bleed_labels;gain;offset_s;license;bpm"
    rows = "Song/a.wav;violin;One;Ann;Dev;TRUE;piano;0,5;1,25;CC0;120\nSong/b.flac;;One;;;no;;;;;\n"
    result = scanned(tmp_path, f"{header}\n{rows}")
    found = {entry.path: entry for entry in result.stems}
    a = found["Song/a.wav"]
    assert (a.song, a.artist, a.corpus_split, a.bleed, a.bleed_labels) == (
        "One",
        "Ann",
        "validation",
        True,
        ("piano",),
    )
    assert (a.gain, a.offset_s, a.licence) == (0.5, 1.25, "CC0")
    assert found["Song/b.flac"].corpus_split == "validation"
    assert any("columns bpm are not used" in note for note in result.notes)


def test_decibels(tmp_path: Path) -> None:
    found = read(tmp_path, "file,label,gain_db\nSong/a.wav,violin,-6.0206\nSong/b.flac,cello,\n")
    assert found["Song/a.wav"].gain == pytest.approx(0.5, abs=1e-5)
    assert found["Song/b.flac"].gain == 1.0


def test_labels_may_be_left_to_the_names(tmp_path: Path) -> None:
    found = read(tmp_path, "file,artist\nSong/Piano Man.wav,Billy\n")
    assert found["Song/Piano Man.wav"].artist == "Billy"


# What does not fit stops the index ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["stems.csv: expected a header and rows, found an empty file"]),
        ("\n\n", ["found an empty file"]),
        ("file,label\n", ["no rows below the header"]),
        ("name,what\nx,y\n", ["row 1: the column 'file' is missing", "found name, what"]),
        ("Song/a.wav,violin\n", ["the column 'file' is missing"]),
        ("file,what\nSong/a.wav,violin\n", ["the column 'label' is missing, and other columns are unknown"]),
        ("file,lable\nSong/a.wav,violin\n", ["the column 'lable' is unknown; is 'label' meant?"]),
        ("file,label,atrist\nSong/a.wav,violin,Ann\n", ["'atrist' is unknown; is 'artist' meant?"]),
        ("file,label,instrument\nSong/a.wav,x,violin\n", ["'label' and 'instrument' mean the same"]),
        ("file,label,label\nSong/a.wav,x,violin\n", ["the column 'label' stands there twice"]),
        ("file,label,offset\nSong/a.wav,violin,1\n", ["the column 'offset' is not clear", "offset_s, in seconds"]),  # noqa: E501
        ("file,label,gain,gain_db\nSong/a.wav,violin,1,0\n", ["'gain' and 'gain_db' mean the same"]),
        ("file,label\nSong/a.wav,violin,cello\n", ["row 2 has 3 cells, the header 2"]),
        ('file,label\n"Song/a.wav,violin\n', ["not valid CSV"]),
        (b"file,label\nSong/a.wav,\x81\x8d\n", ["expected text in UTF-8, UTF-16 or cp1252"]),
        (b"\x00\x01\x02\x03" * 20, ["stems.csv: "]),
        ("file,label\n,violin\n", ["row 2: the column file is empty"]),
        ("file,label\n\nSong/gone.wav,violin\n", ["row 3: there is no audio file 'Song/gone.wav'"]),
        ("file,label\nSong/Piano Mann.wav,violin\n", ["row 2", "the nearest is 'Song/Piano Man.wav'"]),
        ("file,label\nSongs/b.flac,violin\n", ["the nearest is 'Song/b.flac'"]),
        ("file,label\nSong/a.mp3,violin\n", ["no audio file 'Song/a.mp3'; the nearest is 'Song/a.wav'"]),
        ("file,label\na.wav;violin\n", ["row 2: there is no audio file 'a.wav;violin'"]),
        ("file,label\n../../etc/passwd,violin\n", ["row 2: '../../etc/passwd' leaves the corpus root"]),
        ("file,label\n/etc/passwd,violin\n", ["leaves the corpus root"]),
        ("file,label\nstems.csv,violin\n", ["'stems.csv' is there, but it is no audio file that is read"]),
        ("file,label,split\nSong/a.wav,violin,never\n", ["row 2: split must be train", "found 'never'"]),
        ("file,label,gain\nSong/a.wav,violin,loud\n", ["row 2: gain must be a number >= 0, found 'loud'"]),
        ("file,label,gain\nSong/a.wav,violin,-1\n", ["gain must be a number >= 0, found '-1'"]),
        ("file,label,gain\nSong/a.wav,violin,nan\n", ["gain must be a number >= 0, found 'nan'"]),
        ("file,label,gain_db\nSong/a.wav,violin,9999\n", ["gain_db must be a number from -200 to 200"]),
        ('file,label,gain\nSong/a.wav,violin,"0,5"\n', ["found '0,5'"]),
        ("file,label,offset_s\nSong/a.wav,violin,inf\n", ["offset_s must be a number >= 0, found 'inf'"]),
        ("file,label,bleed\nSong/a.wav,violin,maybe\n", ["row 2: bleed must be yes or no, found 'maybe'"]),
        (
            "file,label\nSong/a.wav,violin\nSong\\A.wav,cello\n",
            ["row 3: 'Song/a.wav' stands in stems.csv, row 2 too, with other values"],
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, content: str | bytes, words: list[str]) -> None:
    message = refused(tmp_path, content)
    assert all(word in message for word in words), message


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    write(tree(tmp_path), "file,label\nno.wav,x\n", "Song/stems.csv")
    message = refused(tmp_path, "file,label,split,gain\nSong/a.wav,x,never,loud\nno.wav,x,,\n")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "stems.csv, row 2",
        "stems.csv, row 2",
        "stems.csv, row 3",
        "Song/stems.csv, row 2",
    ]


def test_many_errors_are_counted(tmp_path: Path) -> None:
    message = refused(tmp_path, "file,label\n" + "".join(f"gone{n}.wav,x\n" for n in range(50)))
    assert len(message.splitlines()) == 22
    assert "... and 30 more." in message


def test_two_files_that_a_row_may_mean(tmp_path: Path) -> None:
    touch(tmp_path / "Song" / "A.wav")
    if (tmp_path / "Song" / "a.wav").exists():
        pytest.skip("the file system knows no case")
    assert "may be 'Song/A.wav' or 'Song/a.wav'" in refused(tmp_path, "file,label\nSONG/A.WAV,violin\n")


@pytest.mark.parametrize(
    "name",
    [
        "stem.csv",
        "stems (1).csv",
        "Copy of stems.csv",
        "stems - Kopie.csv",
        "stems.xlsx",
        "stems.csv.txt",
        "stems.ods",
    ],
)
def test_what_was_meant_as_the_sidecar(tmp_path: Path, name: str) -> None:
    message = refused(tmp_path, "file,label\nSong/a.wav,violin\n", name)
    assert f"{name}: looks like a sidecar, but only stems.csv is read" in message


@pytest.mark.parametrize("name", ["notes.csv", "stems.txt", "system.csv", "tempo.tsv", "stems_readme.txt"])
def test_other_tables_are_no_sidecars(tmp_path: Path, name: str) -> None:
    assert len(read(tmp_path, "anything at all\n", name)) == 4


def test_a_copy_beside_the_sidecar_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "file,label\nSong/a.wav,cello\n", "stems (1).csv")
    result = scanned(tmp_path, "file,label\nSong/a.wav,violin\n")
    assert [(p.path, p.kind) for p in result.problems] == [("stems (1).csv", "skipped")]


def test_rows_said_twice(tmp_path: Path) -> None:
    result = scanned(tmp_path, "file,label\nSong/a.wav,violin\n./Song/a.wav,violin\n")
    assert [(p.path, p.kind) for p in result.problems] == [("Song/a.wav", "duplicate-row")]
    assert "row 3" in result.problems[0].message


def test_a_nearer_table_that_says_something_else_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "file,label\na.wav,cello\nb.flac,flute\n", "Song/stems.csv")
    result = scanned(tmp_path, "file,label\nSong/a.wav,violin\nSong/b.flac,flute\n")
    assert {entry.path: entry.labels for entry in result.stems}["Song/a.wav"] == ("cello",)
    assert [(p.path, p.kind) for p in result.problems] == [("Song/a.wav", "contradiction")]


def test_one_song_in_two_splits(tmp_path: Path) -> None:
    with raises(CorpusError, code="split-overlap", mentions=("stems.csv", "3", "2")):
        scanned(tmp_path, "file,label,split\nSong/a.wav,violin,train\nSong/b.flac,cello,test\n")


def test_a_song_of_two_split_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        touch(tmp_path / split / "Part" / f"{split}.wav")
    with raises(CorpusError, code="split-overlap", mentions=("test/Part/test.wav", "train/Part/train.wav")):
        scanned(tmp_path, "file,song\ntrain/Part/train.wav,One\ntest/Part/test.wav,One\n")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_the_users_word_for_a_song_that_is_there(tmp_path: Path, form: str, on_disk: str) -> None:
    song = "S\u00e3o"
    touch(tmp_path / unicodedata.normalize(on_disk, song) / "flute.wav")  # type: ignore[arg-type]
    word = unicodedata.normalize(form, song)  # type: ignore[arg-type]
    found = read(tmp_path, f"file,song\nSong/a.wav,{word}\nSong/b.flac,{tmp_path.name}\n")
    assert {entry.path.split("/")[-1] for entry in found.values() if entry.song == song} == {
        "flute.wav",
        "a.wav",
    }


def test_a_file_that_is_listed_and_cannot_be_read_is_a_problem_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path / "Song" / "c.m4a")
    result = scanned(tmp_path, "file,label\nSong/c.m4a,violin\n")
    assert ("Song/c.m4a", "skipped") in {(p.path, p.kind) for p in result.problems}


def test_a_table_beside_the_root_is_listed(tmp_path: Path) -> None:
    touch(tmp_path / "stems.csv", "file,label\naudio/Song/a.wav,violin\n")
    result = scan(CORPORA["folder"], tree(tmp_path / "audio"))
    assert [(p.path, p.kind) for p in result.problems] == [("../stems.csv", "skipped")]


cells = st.text("ab ;|\t'\u00e9/\\", max_size=8)


@given(rows=st.lists(st.tuples(cells, cells), max_size=4), delimiter=st.sampled_from(",;\t|"))
def test_a_row_is_read_or_refused(
    rows: list[tuple[str, str]], delimiter: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No file listed in a table that was read ever keeps a label from its name."""
    root = tree(tmp_path_factory.mktemp("sidecar"))
    listed = "\n".join(delimiter.join(row) for row in [("file", "label"), ("Song/a.wav", "violin"), *rows])
    try:
        result = scan(CORPORA["folder"], write(root, listed))
    except CorpusError as error:
        assert "row" in str(error)  # noqa: PT017
    else:
        assert {entry.path: entry.labels for entry in result.stems}["Song/a.wav"] == ("violin",)


def test_a_name_without_its_suffix_is_nearest_to_the_file_that_has_one(tmp_path: Path) -> None:
    touch(tmp_path / "Song" / "a.wav")
    touch(tmp_path / "Song" / "b.wav")
    touch(tmp_path / "stems.csv", "file,label\nSong/a,violin\n")
    with raises(CorpusError, code="invalid-table", mentions=("Song/a", "Song/a.wav")):
        scan(CORPORA["folder"], tmp_path)
