"""MedleyDB and Mixing Secrets: one format, two sets of traps, and all real metadata files."""

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixlab.corpora import CORPORA, medleydb, mixing_secrets
from mixlab.corpora._medley_format import parse_sheet
from mixlab.errors import CorpusError
from mixlab.taxonomy import load_label_map, resolve_stem
from tests.corpora import trees
from tests.corpora.trees import by_key, dump, kinds, medley_sheet, medley_song, medley_stems, scan, touch
from tests.errors import raises

MDB, MS = CORPORA["medleydb"], CORPORA["mixing_secrets"]
BOTH = pytest.mark.parametrize("adapter", [MDB, MS], ids=["medleydb", "mixing_secrets"])


@pytest.mark.parametrize("container", ["Audio", "V1", "V2", "", "MedleyDB/V1"])
@pytest.mark.parametrize("sheets", [None, "Metadata", "metadata"])
def test_every_layout_gives_the_same_stems(tmp_path: Path, container: str, sheets: str | None) -> None:
    song = "Artist_Title"
    metadata = tmp_path / sheets if sheets else None
    medley_song(tmp_path / container / song, medley_stems(song, "piano", "violin"), metadata)
    entries = by_key(scan(MDB, tmp_path))
    assert {key: entry.labels for key, entry in entries.items()} == {
        "Artist_Title/S01": ("piano",),
        "Artist_Title/S02": ("violin",),
    }
    prefix = f"{container}/" if container else ""
    assert entries[f"{song}/S01"].path == f"{prefix}{song}/{song}_STEMS/{song}_STEM_01.wav"


@BOTH
def test_raws_on_request(adapter: Any, tmp_path: Path) -> None:
    medley_song(tmp_path / "A_B", medley_stems("A_B", "trumpet section", "piano"))
    sheet = medley_sheet("A_B", medley_stems("A_B", "trumpet section", "piano"))
    sheet["stems"]["S01"]["raw"]["R02"] = {"filename": "A_B_RAW_01_02.wav", "instrument": "trumpet"}
    touch(tmp_path / "A_B" / "A_B_RAW" / "A_B_RAW_01_02.wav")
    dump(tmp_path / "A_B" / "A_B_METADATA.yaml", sheet)
    raws = by_key(scan(adapter, tmp_path, raws=True))
    assert {key: entry.labels for key, entry in raws.items()} == {
        "A_B/S01_R01": ("trumpet section",),
        "A_B/S01_R02": ("trumpet",),
        "A_B/S02_R01": ("piano",),
    }
    assert all("_RAW/" in entry.path for entry in raws.values())


@BOTH
def test_named_metadata_folder_wins(adapter: Any, tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    medley_song(root / "A_B", medley_stems("A_B", "wrong"))
    dump(elsewhere / "A_B_METADATA.yaml", medley_sheet("A_B", medley_stems("A_B", "piano")))
    assert scan(adapter, root).stems[0].labels == ("wrong",)
    assert scan(adapter, root, metadata=elsewhere).stems[0].labels == ("piano",)
    with raises(CorpusError, code="metadata-not-found"):
        scan(adapter, root, metadata=tmp_path / "nowhere")


@BOTH
def test_broken_metadata_is_survived(adapter: Any, tmp_path: Path) -> None:
    result = scan(adapter, trees.TREES[adapter.name](tmp_path))
    found = kinds(result)
    broken = ("Bad_Garbage", "Bad_List", "Bad_NoStems", "Bad_Bytes", "Bad_Deep", "Bad_NoSheet")
    assert {found[song, ""] for song in broken} == {"bad-metadata"}
    assert found["Bad_Paths", "S01"] == found["Bad_Paths", "S02"] == "path-outside-root"
    assert found["Bad_Paths", "S03"] == found["Bad_Paths", "S07"] == "missing-file"
    assert found["Bad_Paths", "S04"] == found["Bad_Paths", "S05"] == "bad-metadata"
    stems = by_key(result)
    assert [key for key in stems if key.startswith("Bad_")] == ["Bad_Paths/S06"]
    assert stems["Bad_Paths/S06"].labels == ()
    assert not any(key.startswith("Absent_") for key in (*stems, *(song for song, _ in found)))


def test_folder_link_out_of_the_root(tmp_path: Path) -> None:
    medley_song(tmp_path / "outside" / "A_B", medley_stems("A_B", "piano"))
    medley_song(tmp_path / "root" / "C_D", medley_stems("C_D", "piano"))
    (tmp_path / "root" / "A_B").symlink_to(tmp_path / "outside" / "A_B")
    result = scan(MDB, tmp_path / "root")
    assert {entry.song for entry in result.stems} == {"C_D"}
    assert [problem.kind for problem in result.problems] == ["path-outside-root"]


def test_same_song_twice_is_read_once(tmp_path: Path) -> None:
    for container in ("V1", "Audio"):
        medley_song(tmp_path / container / "A_B", medley_stems("A_B", "piano"))
    result = scan(MDB, tmp_path)
    assert len(result.stems) == 1
    assert kinds(result) == {("A_B", ""): "duplicate-song"}


# MedleyDB --------------------------------------------------------------------------------------


def test_labels_bleed_and_gain(tmp_path: Path) -> None:
    stems = by_key(scan(MDB, trees.medleydb(tmp_path)))
    assert stems["LizNelson_Rainfall/S03"].labels == ()
    assert stems["NYU_Trio/S02"].labels == ("cello", "double bass")
    assert {key: stem.bleed for key, stem in stems.items() if "Bad" not in key} == {
        "LizNelson_Rainfall/S01": False,
        "LizNelson_Rainfall/S02": False,
        "LizNelson_Rainfall/S03": False,
        "NYU_Trio/S01": True,
        "NYU_Trio/S02": True,
    }
    # Manual weight; mean of the two estimates; no usable number.
    gains = [stems[f"LizNelson_Rainfall/S0{i}"].gain for i in (1, 2, 3)]
    assert gains == [0.5, 1.5, 1.0]
    assert stems["NYU_Trio/S01"].gain == 1.0


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"manual": {2: 0.25}, "audio": {2: 4.0}, "stft": {2: 4.0}}, 0.25),
        ({"audio": {2: 1.0}, "stft": {2: 2.0}}, 1.5),
        ({"audio": {2: 1.0}}, 1.0),
        ({2: 0.125}, 0.125),
        ({"manual": {2: -1}}, 1.0),
        ({"manual": {2: "loud"}}, 1.0),
        ({"manual": [1, 2]}, 1.0),
        (None, 1.0),
        ("x", 1.0),
    ],
)
def test_mixing_gain(weights: object, expected: float) -> None:
    assert medleydb.mixing_gain(weights, "S02") == expected
    assert medleydb.mixing_gain(weights, "main") == 1.0


def test_newest_coefficients_beside_the_metadata_folder_are_used(tmp_path: Path) -> None:
    medley_song(tmp_path / "root" / "A_B", medley_stems("A_B", "piano"))
    (tmp_path / "repo" / "Metadata").mkdir(parents=True)
    dump(tmp_path / "repo" / "resources" / "mixing_coefficients.yaml", {"A_B": {1: 0.1}})
    path = tmp_path / "repo" / "resources" / "mixing_coefficients_version2.yaml"
    dump(path, {"A_B": {"manual": {1: 0.2}}})
    (stem,) = scan(MDB, tmp_path / "root", metadata=tmp_path / "repo" / "Metadata").stems
    assert stem.gain == 0.2
    (raw,) = scan(MDB, tmp_path / "root", raws=True, metadata=tmp_path / "repo" / "Metadata").stems
    assert raw.gain == 1.0


def test_errata_flag_single_files(tmp_path: Path) -> None:
    for song in ("Lushlife_ToynbeeSuite", "Creepoid_OldTree"):
        medley_song(tmp_path / song, medley_stems(song, *["piano"] * 12))

    def bleeding(raws: bool) -> list[str]:
        return [k for k, stem in by_key(scan(MDB, tmp_path, raws=raws)).items() if stem.bleed]

    assert bleeding(raws=False) == ["Lushlife_ToynbeeSuite/S12"]
    assert bleeding(raws=True) == ["Creepoid_OldTree/S02_R01", "Lushlife_ToynbeeSuite/S12_R01"]


def test_artists_join_by_prefix_and_by_name(tmp_path: Path) -> None:
    artists = {
        "LizNelson_Coldwar": "Liz Nelson",
        "LizNelson_Rainfall": "Liz Nelson & Jennifer Davies",
        "Schubert_Erstarrung": "NYU",
        "Mozart_DiesBildnis": "nyu",
        "SWEAT_One": "Sweat",
        "Sweat_Two": "SWEAT",
        "Other_Song": "Other",
    }
    for song, artist in artists.items():
        medley_song(tmp_path / song, medley_stems(song, "piano"), artist=artist)
    found = {entry.song: entry.artist for entry in scan(MDB, tmp_path).stems}
    assert found["LizNelson_Coldwar"] == found["LizNelson_Rainfall"]
    assert found["Schubert_Erstarrung"] == found["Mozart_DiesBildnis"]
    assert found["SWEAT_One"] == found["Sweat_Two"]
    assert len(set(found.values())) == 4


# Mixing Secrets --------------------------------------------------------------------------------


def test_cleaned_sheet_in_the_metadata_folder_wins(tmp_path: Path) -> None:
    stems = by_key(scan(MS, trees.mixing_secrets(tmp_path)))
    assert stems["MR0702_Leaf/S02"].labels == ("bass",)
    assert stems["MR0702_Leaf/S02"].path == "MR0702_Leaf/MR0702_Leaf_STEMS/08_Bass.wav"
    assert stems["MR0702_Leaf/S03"].labels == ("acoustic guitar", "male singer")
    assert stems["MR0702_Leaf/S01"].path.endswith("_STEM_drums.wav")


def test_magazine_ids_hold_the_artist_in_the_title(tmp_path: Path) -> None:
    stems = by_key(scan(MS, trees.mixing_secrets(tmp_path)))
    assert stems["MR0702_Leaf/S01"].artist == stems["Leaf_Wicked/S01"].artist == "Leaf"
    assert stems["MR0702_Leaf/S01"].title == "Come Around"
    assert not any("mr0702" in group for entry in stems.values() for group in entry.groups)


FILES = {
    "kick": mixing_secrets._Bleed(kit=True, bleeding=True, sources=("Drum_Overheads",)),
    "room": mixing_secrets._Bleed(kit=True, bleeding=True, sources=("Drum_Overheads", "Piano")),
    "clean": mixing_secrets._Bleed(kit=False, bleeding=False, sources=()),
    "vox": mixing_secrets._Bleed(kit=False, bleeding=True, sources=("Electric_Guitar", "Drum_Overheads")),
    "pair": mixing_secrets._Bleed(kit=False, bleeding=True, sources=("Band",)),
    "unsaid": mixing_secrets._Bleed(kit=False, bleeding=True, sources=()),
}


@pytest.mark.parametrize(
    ("files", "song_bleeds", "expected"),
    [
        (["clean"], True, (False, ())),
        (["kick"], True, (False, ())),  # the kit bleeds into itself
        (["kick", "room"], False, (True, ("piano",))),
        (["vox"], False, (True, ("drum set", "elecgtr"))),
        (["kick", "clean"], False, (True, ("drum set",))),  # not only the kit
        (["pair"], False, (True, ())),
        (["vox", "unsaid"], False, (True, ())),
        (["clean", "not listed"], True, (True, ())),
        (["clean", "not listed"], False, (False, ())),
        (["vox", "not listed"], False, (True, ("drum set", "elecgtr"))),
        (["not listed"], True, (True, ())),
    ],
)
def test_bleed_per_file(files: list[str], song_bleeds: bool, expected: tuple[bool, tuple[str, ...]]) -> None:
    assert mixing_secrets.stem_bleed(files, FILES, song_bleeds) == expected


def test_bleed_labels_are_in_the_label_map() -> None:
    label_map = load_label_map(MS.label_map)
    unresolved = {x for x in mixing_secrets._BLEED_LABELS.values() if not _nodes(label_map.resolve(x))}
    assert not unresolved


def _nodes(resolution: Any) -> tuple[str, ...]:
    return resolution.nodes if resolution else ()


def test_per_file_list_refines_the_flag_of_the_song(tmp_path: Path) -> None:
    song = "Artist_Title"
    stems = {"S01": ("01_Vox.wav", "male singer"), "S02": ("02_Piano.wav", "piano")}
    medley_song(tmp_path / song, stems, has_bleed="yes")
    header = "song,ms500_split,file,label,bleeding,bleeding_instrument,mixing_secrets_track_id\n"
    rows = f"x,train,01_Vox.wav,Lead_Vocal,Yes,Piano,{song}\nx,train,02_Piano.wav,Piano,No,,{song}\n"
    touch(tmp_path / "ms500_raw_labels.csv", header + rows)
    for raws, suffix in ((False, ""), (True, "_R01")):
        found = by_key(scan(MS, tmp_path, raws=raws))
        vox, piano = found[f"{song}/S01{suffix}"], found[f"{song}/S02{suffix}"]
        assert (vox.bleed, vox.bleed_labels) == (True, ("piano",))
        assert (piano.bleed, piano.bleed_labels) == (False, ())
    touch(tmp_path / "ms500_raw_labels.csv", "a,b\n1,2\n")
    result = scan(MS, tmp_path)
    assert all(entry.bleed for entry in result.stems)
    assert [problem.kind for problem in result.problems] == ["bad-metadata"]


def test_files_that_the_list_of_bleed_names_twice(tmp_path: Path) -> None:
    song = "Artist_Title"
    files = {"S01": ("01_Vox.wav", "male singer"), "S02": ("02_Bass.wav", "bass")}
    medley_song(tmp_path / song, files, has_bleed="no")
    header = "file,label,bleeding,bleeding_instrument,mixing_secrets_track_id"
    rows = [
        f"01_Vox.wav,Lead_Vocal,Yes,Piano,{song}",
        f"01_Vox.wav,Lead_Vocal,No,,{song}",
        f"02_Bass.wav,Bass,No,,{song}",
        f"02_Bass.wav,Bass,No,,{song}",
    ]
    touch(tmp_path / "ms500_raw_labels.csv", "\n".join([header, *rows]))
    result = scan(MS, tmp_path)
    vox, bass = result.stems
    assert (vox.bleed, vox.bleed_labels) == (True, ("piano",))
    assert (bass.bleed, bass.bleed_labels) == (False, ())
    (problem,) = result.problems
    assert (problem.kind, problem.song) == ("bad-metadata", song)
    assert "'01_Vox.wav' is listed twice and not alike" in problem.message


def test_two_rows_of_one_file_that_differ_claim_no_more_than_both(tmp_path: Path) -> None:
    song = "Artist_Title"
    files = {"S01": ("01_Kick.wav", "kick drum"), "S02": ("02_Vox.wav", "male singer")}
    medley_song(tmp_path / song, files, has_bleed="no")
    header = "file,label,bleeding,bleeding_instrument,mixing_secrets_track_id"
    rows = [
        f"01_Kick.wav,Drum_Kick,Yes,Drum_Overheads,{song}",
        f"01_Kick.wav,Bass,No,,{song}",  # perhaps not of the kit: then the overheads bleed
        f"02_Vox.wav,Lead_Vocal,Yes,Piano,{song}",
        f"02_Vox.wav,Lead_Vocal,Yes,,{song}",  # from who knows what
    ]
    touch(tmp_path / "ms500_raw_labels.csv", "\n".join([header, *rows]))
    kick, vox = scan(MS, tmp_path).stems
    assert (kick.bleed, kick.bleed_labels) == (True, ("drum set",))
    assert (vox.bleed, vox.bleed_labels) == (True, ())


def test_the_list_of_bleed_is_not_what_macos_puts_beside_it(tmp_path: Path) -> None:
    song = "Artist_Title"
    medley_song(tmp_path / song, {"S01": ("01_Vox.wav", "male singer")}, has_bleed="yes")
    header = "file,label,bleeding,bleeding_instrument,mixing_secrets_track_id"
    touch(tmp_path / "ms500_raw_labels.csv", f"{header}\n01_Vox.wav,Lead_Vocal,No,,{song}")
    (tmp_path / "._ms500_raw_labels.csv").write_bytes(b"\x00\x05\x16\x07\xff")
    result = scan(MS, tmp_path)
    assert [entry.bleed for entry in result.stems] == [False]
    assert result.problems == []


@BOTH
def test_folders_and_sheets_in_another_case(adapter: Any, tmp_path: Path) -> None:
    medley_song(tmp_path / "V1" / "Art_Title", medley_stems("Art_Title", "piano", "violin"))
    before = scan(adapter, tmp_path)
    folder = tmp_path / "V1" / "Art_Title"
    (folder / "Art_Title_STEMS").rename(folder / "art_title_stems")
    (folder / "Art_Title_METADATA.yaml").rename(folder / "Art_Title_metadata.YAML")
    after = scan(adapter, tmp_path)
    assert [entry.labels for entry in after.stems] == [entry.labels for entry in before.stems]
    assert [entry.path for entry in after.stems] == [
        f"V1/Art_Title/art_title_stems/Art_Title_STEM_0{n}.wav" for n in (1, 2)
    ]
    assert after.problems == []


# Real metadata ---------------------------------------------------------------------------------


def _real_root(adapter: Any, files: list[Path], root: Path) -> Path:
    """Put an empty file wherever real metadata names one."""
    for path in files:
        song = path.name.removesuffix("_METADATA.yaml")
        sheet, complaints = parse_sheet(song, yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
        assert complaints == []
        for _, folder, filename, _, _ in (*sheet.files(raws=False), *sheet.files(raws=True)):
            touch(root / song / folder / filename)
    return root


def test_all_real_medleydb_sheets_parse(shared: Path) -> None:
    files = sorted((shared / "datasets" / "medleydb" / "Metadata").glob("*.yaml"))
    label_map = load_label_map("medleydb")
    assert len(files) == 330
    for path in files:
        song = path.name.removesuffix("_METADATA.yaml")
        sheet, complaints = parse_sheet(song, yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
        assert complaints == []
        assert (sheet.stem_dir, sheet.raw_dir) == (f"{song}_STEMS", f"{song}_RAW")
        assert all(stem.labels and resolve_stem(label_map, stem.labels) for stem in sheet.stems)


def test_real_medleydb_metadata_in_a_tree(shared: Path, tmp_path: Path) -> None:
    folder = shared / "datasets" / "medleydb" / "Metadata"
    resources = folder.parent / "resources"
    listed = (resources / "tracklist_v2.txt").read_text().split()
    files = [folder / f"{song}_METADATA.yaml" for song in listed]
    result = scan(MDB, _real_root(MDB, files, tmp_path), metadata=folder)
    assert result.problems == []
    assert len(result.stems) == 428
    assert len({entry.song for entry in result.stems}) == 74
    assert len({entry.song for entry in result.stems if entry.bleed}) == 52
    # The real weights were found in the folder beside the metadata.
    assert len({entry.gain for entry in result.stems}) > 100
    by_prefix: dict[str, set[str]] = {}
    for entry in result.stems:
        by_prefix.setdefault(entry.song.partition("_")[0], set()).add(entry.artist)
    assert all(len(artists) == 1 for artists in by_prefix.values())


def test_all_real_mixing_secrets_sheets(shared: Path, tmp_path: Path) -> None:
    folder = shared / "datasets" / "mixing_secrets" / "metadata"
    label_map = load_label_map("mixing_secrets")
    files = sorted(folder.glob("*.yaml"))
    result = scan(MS, _real_root(MS, files[::8], tmp_path), metadata=folder)
    assert result.problems == []
    assert len({entry.song for entry in result.stems}) == 33
    assert all(resolve_stem(label_map, entry.labels) for entry in result.stems)
    total = 0
    for path in files:
        song = path.name.removesuffix("_METADATA.yaml")
        sheet, complaints = parse_sheet(song, yaml.load(path.read_text(), Loader=yaml.CSafeLoader))
        assert complaints == []
        total += len(sheet.stems)
    assert (len(files), total) == (258, 4529)


def test_real_recordings_that_two_stems_name_are_used_once(shared: Path, tmp_path: Path) -> None:
    folder = shared / "datasets" / "mixing_secrets" / "metadata"
    root = _real_root(MS, [folder / "APZX_Amalgamize_METADATA.yaml"], tmp_path)
    result = scan(MS, root, raws=True, metadata=folder)
    paths = [entry.path for entry in result.stems]
    assert len(paths) == len(set(paths))
    twice = [problem for problem in result.problems if problem.kind == "duplicate-file"]
    assert len(twice) == len(result.problems) == 5
    assert all("alike; it is used once" in problem.message for problem in twice)


def test_real_artist_groups_of_mixing_secrets(shared: Path) -> None:
    """Songs are one artist by our rule exactly when they are by the hand-made table."""
    with (shared / "datasets" / "mixing_secrets" / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    same = mixing_secrets._SAME_ARTIST
    for row in rows:
        artist, _ = mixing_secrets.identify(row["track_id"])
        ours.setdefault(same.get(artist, artist), set()).add(row["track_id"])
        theirs.setdefault(row["artist_group"], set()).add(row["track_id"])
    assert sorted(map(sorted, ours.values())) == sorted(map(sorted, theirs.values()))
    assert len(ours) == 162
