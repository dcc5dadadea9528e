"""Recordings with a table of nodes: what a row says of the whole tree, and rows that cannot be used."""

from pathlib import Path

import numpy as np
import pytest

from mixlab.audio.io import write_wav
from mixlab.corpora.clips import ClipSet
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_taxonomy
from tests.errors import raises

FAMILIES = ("voice", "percussion", "bowed string", "plucked string", "woodwind", "brass", "key", "synth")


def write_table(root: Path, *rows: str, header: str = "file,present,unknown,group") -> Path:
    for name in {row.split(",")[0] for row in rows} - {"", "gone.wav"}:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(root / name, np.full((1, 800), 0.1, np.float32), 8000)
    (root / "clips.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return root


def states(clips: ClipSet, row: int = 0) -> dict[str, str]:
    """Return what is known of every class in a clip."""
    said = ("absent", "present")
    return {
        name: said[int(target)] if known else "unknown"
        for name, target, known in zip(clips.classes, clips.targets[row], clips.mask[row], strict=True)
    }


def test_a_leaf_implies_its_ancestors_and_all_else_is_absent(tmp_path: Path) -> None:
    found = states(read_recordings(write_table(tmp_path, "a.wav,electric guitar,,g")))
    assert found == {
        **dict.fromkeys(FAMILIES, "absent"),
        "plucked string": "present",
        "guitar": "present",
        "electric guitar": "present",
    }


def test_a_family_says_nothing_of_its_instruments(tmp_path: Path) -> None:
    clips = read_recordings(write_table(tmp_path, "a.wav,plucked string,,g", "b.wav,banjo|harp,,h"))
    first = states(clips)
    assert first["plucked string"] == "present"
    assert {first[name] for name in ("banjo", "lute", "harp")} == {"unknown"}
    assert first["voice"] == "absent"


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        ("violin", {"bowed string": "unknown", "violin": "unknown", "cello": "absent", "synth": "absent"}),
        ("bowed-string", {"bowed string": "unknown", "violin": "unknown", "cello": "unknown"}),
        ("violin;synth", {"violin": "unknown", "cello": "absent", "synth": "unknown", "brass": "absent"}),
        ("*", {"violin": "unknown", "synth": "unknown", "brass": "unknown", "piano": "present"}),
    ],
)
def test_unknown_nodes_reach_up_and_down(tmp_path: Path, unknown: str, expected: dict[str, str]) -> None:
    rows = [f"a.wav,piano,{unknown},g", "b.wav,violin|cello,,h"]
    found = states(read_recordings(write_table(tmp_path, *rows)))
    assert {name: found[name] for name in expected} == expected
    assert found["key"] == "present"


def test_labels_are_ids_names_and_what_people_call_stems(tmp_path: Path) -> None:
    names = ("electric-guitar", "Electric  Guitar", "electric_guitar", "E-Guitar")
    clips = read_recordings(write_table(tmp_path, *(f"{k}.wav,{n},,g{k}" for k, n in enumerate(names))))
    assert {tuple(states(clips, row).items()) for row in range(4)} == {tuple(states(clips).items())}
    # A name of the tree is its node, whatever stems of that name are: 'key' may be a synthesizer among stems.
    own = states(read_recordings(write_table(tmp_path / "own", "a.wav,key|synth,,g")))
    assert {name for name, state in own.items() if state == "present"} == {"key", "synth"}


def test_a_label_of_several_instruments_is_one_of_them(tmp_path: Path) -> None:
    found = states(read_recordings(write_table(tmp_path, "a.wav,bass,,g", "b.wav,electric bass|synth,,h")))
    assert [found[name] for name in ("electric bass", "plucked string", "synth", "bowed string")] == [
        "unknown"
    ] * 4
    assert found["voice"] == "absent"


def test_every_node_is_a_label_and_gives_its_closure(tmp_path: Path) -> None:
    taxonomy = load_taxonomy()
    rows = [f"a{k}.wav,{node},,g{k}" for k, node in enumerate(taxonomy.nodes)]
    clips = read_recordings(write_table(tmp_path, *rows))
    assert set(clips.classes) == {node.name for node in taxonomy.nodes.values()}
    assert clips.named == tuple(node.name for node in taxonomy.nodes.values())
    for row, node in enumerate(taxonomy.nodes):
        held = {clips.classes[c] for c in np.flatnonzero(clips.targets[row])}
        assert held == {taxonomy.nodes[above].name for above in taxonomy.closure((node,))}


def test_solos_and_mixes(tmp_path: Path) -> None:
    header = "file,present,unknown,group,kind"
    rows = ["a.wav,violin|cello,,a,", "b.wav,violin|piano,,b,", "c.wav,,,c,", "d.wav,violin,*,d,Mix",
            "e.wav,violin|piano,,e,solo"]  # fmt: skip
    clips = read_recordings(write_table(tmp_path, *rows, header=header))
    assert clips.kinds == ("solo", "mix", "", "mix", "solo")
    assert clips.take([3, 0]).kinds == ("mix", "solo")
    assert "1 clips in which nothing is known to sound" in " ".join(clips.notes)


def test_parts_of_a_file_and_groups(tmp_path: Path) -> None:
    header = "file;present;group;start;end"
    (tmp_path / "clips.csv").write_text(
        f"{header}\nsong.wav;voice|drums;Song;0;0.05\nsong.wav;voice;Song;0.05;\n"
    )
    write_wav(tmp_path / "song.wav", np.full((1, 800), 0.1, np.float32), 8000)
    clips = read_recordings(tmp_path)
    assert [(clip.key, clip.start_s, clip.end_s, clip.group) for clip in clips.clips] == [
        ("song.wav#0", 0.0, 0.05, "Song"), ("song.wav#0.05", 0.05, None, "Song"),
    ]  # fmt: skip
    assert clips.kinds == ("mix", "solo")
    assert clips.task == tmp_path.name


def test_a_table_that_lies_elsewhere(tmp_path: Path) -> None:
    root = write_table(tmp_path / "audio", "a.wav,voice,,g", "gone.wav,voice,,h")
    (root / "clips.csv").rename(tmp_path / "mine.csv")
    clips = read_recordings(root, tmp_path / "mine.csv")
    assert (clips.missing, clips.task, len(clips)) == (("gone.wav",), "audio-mine", 1)
    (tmp_path / "mine.csv").rename(root / "ours.csv")
    assert read_recordings(root, "ours.csv").task == "audio-ours"
    with raises(CorpusError, code="metadata-not-found", mentions="clips.csv"):
        read_recordings(root)


@pytest.mark.parametrize(
    ("row", "code", "mentions"),
    [
        ("a.wav,guitaar,,g", "unknown-label", ("row 2", "present", "'guitaar'", "did you mean 'guitar'")),
        ("a.wav,voice,blorp,g", "unknown-label", ("row 2", "unknown", "'blorp'", "mixlab taxonomy")),
        ("a.wav,2 bus,,g", "unknown-label", ("row 2", "'2 bus'", "the whole song")),
        ("a.wav,*,,g", "unknown-label", ("row 2", "present")),
        ("a.wav,voice|violin,fiddle,g", "repeated-entry", ("row 2", "'fiddle'", "both")),
        (",voice,,g", "invalid-table", ("row 2", "file")),
        ("../a.wav,voice,,g", "path-outside-root", ("row 2", "leads out of")),
        ("gone.wav,voice,,g", "audio-not-found", ("gone.wav",)),
    ],
)
def test_rows_that_cannot_be_used(tmp_path: Path, row: str, code: str, mentions: tuple[str, ...]) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with raises(CorpusError, code=code, mentions=(*mentions, "clips.csv")):
        read_recordings(write_table(root, row))


@pytest.mark.parametrize(
    ("header", "rows", "code", "mentions"),
    [
        ("file,labels", ["a.wav,voice"], "invalid-table", ("present", "labels")),
        ("file,present,mood", ["a.wav,voice,sad"], "invalid-table", ("mood",)),
        ("file,present", [], "empty-table", ("clips.csv",)),
        ("file,present,kind", ["a.wav,voice,duo"], "invalid-table", ("row 2", "solo or mix", "duo")),
        ("file,present,start", ["a.wav,voice,soon"], "invalid-table", ("row 2", "start", "soon")),
        ("file,present,group", ["a.wav,voice,g", "a.wav,key,g"], "repeated-entry", ("row 3", "row 2")),
        ("file,present,start,group", ["a.wav,voice,0,g", "a.wav,key,1,h"], "split-overlap", ("row 3",)),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, header: str, rows: list[str], code: str, mentions: tuple[str, ...]
) -> None:
    with raises(CorpusError, code=code, mentions=mentions):
        read_recordings(write_table(tmp_path, *rows, header=header))


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ("violin,", "solo"),
        ("violin|cello,", "solo"),
        ("violin,cello", "solo"),
        ("violin|drums,*", "mix"),
        ("violin|bass,", ""),
        ("violin,drums", ""),
        ("choir,*", ""),
        (",violin", ""),
    ],
)
def test_a_clip_is_a_solo_where_no_other_family_can_sound(cells: str, kind: str, tmp_path: Path) -> None:
    assert read_recordings(write_table(tmp_path, f"a.wav,{cells},g")).kinds == (kind,)
