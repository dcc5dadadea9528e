"""``mixlab taxonomy``: the printed tree, and the check of any folder of corpus metadata."""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.cli.main import main
from mixlab.corpora import get_adapter
from mixlab.corpora._names import NameParser
from mixlab.corpora.base import ScanOptions
from mixlab.corpora.folder import labels_by_name
from mixlab.corpora.label_check import CheckReport, check_folder, label_readers, read_labels
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import load_label_map, load_taxonomy
from tests.errors import raises

# A busy machine is no failure.
LAWS = settings(deadline=None)


def sheet(instrument: str, origin: str = "Dolan Studio") -> str:
    return (
        f"artist: A\norigin: {origin}\nstems:\n  S01:\n    instrument: {instrument}\n"
        "    raw:\n      R01: {filename: a.wav, instrument: violin}\n"
    )


def counts(report: CheckReport) -> dict[str, tuple[dict[str, int], ...]]:
    return {
        c.corpus: (dict(c.mapped), dict(c.ambiguous), dict(c.ignored), dict(c.unmapped))
        for c in report.corpora
    }


# one file per format: name, text, corpus, labels with occurrences
FILES = [
    ("a_METADATA.yaml", sheet("[cello, crowd]"), "medleydb", {"cello": 1, "crowd": 1, "violin": 1}),
    ("b.yml", sheet("bassdi", "Mixing Secrets"), "mixing_secrets", {"bassdi": 1, "violin": 1}),
    ("t.yaml", "strings: {b: [viola]}\nwinds: [tuba]\npercussion: {}", "medleydb", {"viola": 1, "tuba": 1}),
    (
        "metadata.yaml",
        "stems: {S00: {plugin_name: harp.nkm, midi_program_name: Harp, inst_class: Strings}, S01: 3}",
        "slakh",
        {"harp.nkm": 1, "program:Harp": 1, "class:Strings": 1},
    ),
    (
        "data.json",
        '{"song": "x", "stems": [{"stemName": "piano", "tracks": [{"trackType": "grand piano"}, 4]}, 5]}',
        "moisesdb",
        {"piano: grand piano": 1},
    ),
    ("m.json", '{"stemName -> trackType": {"wind": ["other wind"]}}', "moisesdb", {"wind: other wind": 1}),
    ("p.json", '{"A": {"class": "Reed", "defs": ["oboe.nkm"]}}', "slakh", {"oboe.nkm": 1, "class:Reed": 1}),
    ("g.json", '{"0": {"class": "Reed", "name": "Oboe"}}', "slakh", {"program:Oboe": 1, "class:Reed": 1}),
    ("gm.txt", "- Reed\n64 Soprano Sax\n", "slakh", {"class:Reed": 1, "program:Soprano Sax": 1}),
    ("class-map.json", '{"banjo": 0}', "openmic2018", {"banjo": 1}),
    ("tags.json", '{"genre": {}, "instrument": {"sax": "flute"}}', "mtg_jamendo", {"instrument---flute": 1}),
    (
        "tags.tsv",
        "TRACK_ID\tPATH\tTAGS\nt1\ta.mp3\tinstrument---bass\tgenre---rock\nt2\tb.mp3\tinstrument---bass\n",
        "mtg_jamendo",
        {"instrument---bass": 2, "genre---rock": 1},
    ),
    ("stats_instrument.tsv", "tag\ttracks\npiano\t3\n", "mtg_jamendo", {"instrument---piano": 1}),
    ("top.txt", "instrument---piano\nmood/theme---film\n", "mtg_jamendo",
     {"instrument---piano": 1, "mood/theme---film": 1}),
    ("test.txt", "gel\t\nvoi\t\n", "irmas", {"gel": 1, "voi": 1}),
    ("paths.txt", "IRMAS-TrainingData/cel/9__[cel][nod][cla]26__1.wav\n", "irmas", {"cel": 1, "nod": 1}),
    ("classes.csv", "code,name\ncel,cello\n", "irmas", {"cel": 1}),
    ("labels.csv", "sample_key,instrument,relevance\n1_2,banjo,0.5\n1_2,flute,0\n", "openmic2018",
     {"banjo": 1, "flute": 1}),
    ("slakh.csv", "track,plugin_name,inst_class\nT1,harp.nkm,Strings\nT2,,\n", "slakh",
     {"harp.nkm": 1, "class:Strings": 1}),
    ("tracklist.csv", "Track Name,Genre,Source,License\nA - B,Pop,DSD,x\n", "musdb18hq",
     {"vocals": 1, "drums": 1, "bass": 1, "other": 1}),
    ("ids.lab", "start_time,end_time,instrument_label\n0.7,8.9,harp\n", "medleydb", {"harp": 1}),
    ("stems.csv", "file,label\na.wav,violin; sax\nb.wav,\n", "folder", {"violin": 1, "sax": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "corpus", "labels"), FILES, ids=[f"{f[2]}-{f[0]}" for f in FILES])
def test_every_format_is_recognised_by_its_content(
    tmp_path: Path, name: str, text: str, corpus: str, labels: dict[str, int]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = read_labels(path, label_readers())
    assert not isinstance(found, str)
    label_map, read = found
    assert (label_map, {k: v for k, v in read.counts.items() if v}) == (corpus, labels)
    report = check_folder(tmp_path)
    assert report.recognised == ((name, read.kind),)
    assert report.unreadable == report.skipped == ()


def test_audio_counts_by_its_folder_without_being_opened(tmp_path: Path) -> None:
    for name in (
        "IRMAS-TrainingData/cel/1.wav",
        "train/A - B/mixture.wav",
        "train/A - B/vocals.wav",
        "x/y.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"not audio")
    assert counts(check_folder(tmp_path)) == {
        "irmas": ({"cel": 1}, {}, {}, {}),
        "musdb18hq": ({"vocals": 1}, {}, {}, {}),
    }


def test_labels_are_sorted_by_how_they_fare(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/one.yaml").write_text(sheet("chimes"))
    (tmp_path / "two.yaml").write_text(sheet("'Zither, big'"))
    (tmp_path / "three.yaml").write_text(sheet("''"))
    report = check_folder(tmp_path)
    assert counts(report) == {"medleydb": ({"violin": 3}, {"chimes": 1}, {"": 1}, {"Zither, big": 1})}
    assert report.corpora[0].rows_to_add == ('"Zither, big",zither,,',)
    assert report.n_unmapped == 1


def test_broken_files_are_listed_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "garbage.yaml").write_text("stems: {S01: [}\n\t%%%")
    (tmp_path / "latin.yaml").write_bytes(b"artist: Bj\xf6rk")
    (tmp_path / "half.json").write_text('{"stems": [')
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "gone.csv")
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "notes.txt").write_text("remember the milk")
    (tmp_path / "good.yaml").write_text(sheet("violin"))
    report = check_folder(tmp_path)
    assert [name for name, _ in report.unreadable] == [
        "garbage.yaml",
        "half.json",
        "latin.yaml",
        "nowhere.csv",
    ]
    assert "line 1" in dict(report.unreadable)["garbage.yaml"]
    assert dict(report.skipped) == {"list.yaml": "no mapping in it", "notes.txt": "no labels in it"}
    assert counts(report)["medleydb"][0] == {"violin": 2}


KEYS = ["stems", "S01", "instrument", "raw", "plugin_name", "genre", "tracks", "trackType", "defs", "class",
        "name", "stemName -> trackType", "strings", "winds", "percussion"]  # fmt: skip
garbage = st.one_of(
    st.text(max_size=60).map(lambda s: s.encode("utf-8", "surrogatepass")),
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        ),
        max_leaves=12,
    ).map(lambda data: json.dumps(data).encode()),
)


@LAWS
@given(garbage, st.sampled_from([".yaml", ".json", ".csv", ".tsv", ".txt", ".lab"]))
def test_no_garbage_breaks_the_check(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    (folder / f"class-map{suffix}").write_bytes(content)
    report = check_folder(folder)
    assert len(report.recognised) + len(report.skipped) + len(report.unreadable) == 1


def test_one_corpus_only(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(sheet("tambo", "''"))
    (tmp_path / "b.yaml").write_text(sheet("erhu"))
    (tmp_path / "c.yaml").write_text(sheet("rimshot", "Mixing Secrets"))
    (tmp_path / "class-map.json").write_text('{"banjo": 0}')
    assert set(counts(check_folder(tmp_path))) == {"medleydb", "mixing_secrets", "openmic2018"}
    medleydb = check_folder(tmp_path, "medleydb")
    assert counts(medleydb) == {"medleydb": ({"erhu": 1, "violin": 2}, {}, {}, {"tambo": 1})}
    assert dict(medleydb.skipped) == {
        "c.yaml": "belongs to mixing_secrets",
        "class-map.json": "belongs to openmic2018",
    }
    # a sheet that does not say where it comes from is what the user says
    secrets = check_folder(tmp_path, "mixing_secrets")
    assert counts(secrets) == {"mixing_secrets": ({"rimshot": 1, "tambo": 1, "violin": 2}, {}, {}, {})}


def test_wrong_arguments(tmp_path: Path) -> None:
    with raises(TaxonomyError, code="root-not-found"):
        check_folder(tmp_path / "none")
    with raises(TaxonomyError, code="unknown-label-map", mentions="medley"):
        check_folder(tmp_path, "medley")


def test_all_real_metadata_is_mapped(shared: Path) -> None:
    report = check_folder(shared / "datasets")
    found = {check.corpus: check for check in report.corpora}
    assert set(found) == {
        "irmas", "medleydb", "mixing_secrets", "moisesdb", "mtg_jamendo", "musdb18hq", "openmic2018", "slakh",
    }  # fmt: skip
    assert {corpus: dict(check.unmapped) for corpus, check in found.items() if check.unmapped} == {}
    assert report.unreadable == ()
    kinds = [kind for _, kind in report.recognised]
    assert (kinds.count("MedleyDB sheet"), kinds.count("Mixing Secrets sheet")) == (330, 258)


# --- the command --------------------------------------------------------------------------------


def test_the_command_prints_the_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    ids = [line.split()[0] for line in lines[1 : 1 + len(load_taxonomy().nodes)]]
    assert ids == list(load_taxonomy().nodes)
    assert any(
        line.split() == ["electric-guitar", "electric", "guitar", "513", "(body", "321.322-6)"]
        for line in lines
    )


def test_the_command_prints_one_branch_or_a_label_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "--family", "saxophone"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:6]] == [
        "saxophone", "soprano-saxophone", "alto-saxophone", "tenor-saxophone", "baritone-saxophone",
    ]  # fmt: skip
    assert main(["taxonomy", "--labels", "mixtures15"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[3:]] == [str(i) for i in range(15)]
    assert out.splitlines()[-1].split() == ["14", "piano", "piano", "key"]


def test_the_command_exits_with_1_and_the_row_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x_METADATA.yaml").write_text(sheet("vioolin"))
    (tmp_path / "garbage.yaml").write_text("{")
    assert main(["taxonomy", "--check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "  vioolin,violin,,\n" in out
    assert "garbage.yaml: line 1" in out or "garbage.yaml: line 2" in out
    extra = tmp_path / "mine.csv"
    extra.write_text("label,nodes,ignored,note\nvioolin,violin,,\n")
    assert main(["taxonomy", "--check", str(tmp_path), "--extra", str(extra), "--files", "true"]) == 0
    out = capsys.readouterr().out
    assert "Every label is known" in out
    assert any(line.split() == ["x_METADATA.yaml", "MedleyDB", "sheet"] for line in out.splitlines())


def test_the_command_checks_file_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("01_ElecGtr.wav", "02_Vocals.wav"):
        (tmp_path / name).write_bytes(b"")
    assert main(["taxonomy", "--check", str(tmp_path), "--corpus", "folder"]) == 0
    (tmp_path / "03_Qwxyz.wav").write_bytes(b"")
    assert main(["taxonomy", "--check", str(tmp_path), "--corpus", "folder"]) == 1
    assert "  qwxyz,NODE-ID,," in capsys.readouterr().out


def test_the_command_reads_the_names_of_a_tree_as_the_index_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stem that is named as its song, a title that is no instrument's, and folders that say what sounds."""
    stems = (
        "Zorkon/Zorkon.wav", "Zorkon/Zorkon_Bass.wav", "Piano Man/Piano Man.wav",
        "Piano Man/Piano Man Vox.wav", "Piano/Piano.wav", "Piano/Drums.wav", "Quux/Drums/01.wav",
        "Quux/Bass/Qwxyz.wav",
    )  # fmt: skip
    for stem in stems:
        (tmp_path / stem).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / stem).touch()
    indexed = Counter(
        label for stem in get_adapter("folder").scan(tmp_path, ScanOptions()).stems for label in stem.labels
    )
    parser = NameParser(load_label_map("folder"), load_taxonomy())
    (check,) = check_folder(tmp_path, "folder", None, partial(labels_by_name, parser=parser)).corpora
    checked = [check.mapped, check.ambiguous, check.ignored, check.unmapped]
    assert {label: n for sort in checked for label, n in sort.items()} == indexed
    assert indexed["piano"] == 1
    capsys.readouterr()
    main(["taxonomy", "--check", str(tmp_path), "--corpus", "folder"])
    assert "zorkon" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--family", "strings"], "Node 'strings' is not in the instrument tree"),
        (["--labels", "openmic"], "There is no label set 'openmic'; did you mean 'openmic20'"),
        (["--corpus", "medleydb"], "--corpus and --extra go with --check FOLDER"),
        (["--check", ".", "--labels", "irmas11"], "they do not go with --check"),
        (["--check", "/nowhere/at/all"], "it does not exist"),
    ],
)
def test_the_command_explains_what_it_cannot(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["taxonomy", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_empty_folder_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "--check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "No labels found" in said
    assert "--corpus folder" in said


@pytest.mark.parametrize("ending", [".wav", ".flac", ".aiff"])
def test_litter_of_systems_is_not_checked(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = tmp_path / "train" / "Artist - Title"
    song.mkdir(parents=True)
    for name in ("mixture", "vocals", "drums"):
        (song / f"{name}{ending}").touch()
        (song / f"._{name}{ending}").write_bytes(b"\x00\x05\x16\x07\xff")
    for folder in ("__MACOSX", "@eaDir"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.json").write_bytes(b"\xff")
    assert main(["taxonomy", "--check", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "musdb18hq" in text
