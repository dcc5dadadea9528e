"""Every real label resolves: the maps against the metadata of the corpora themselves."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixlab.taxonomy import (
    LabelMap,
    load_label_map,
    load_label_set,
    load_taxonomy,
    resolve_stem,
    stem_evidence,
)

TREE = load_taxonomy()
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unmapped(label_map: LabelMap, labels: Iterator[str] | list[str]) -> set[str]:
    return {label for label in labels if label_map.resolve(label) is None}


def sheet_labels(folder: Path) -> Iterator[str]:
    for path in folder.glob("*_METADATA.yaml"):
        data: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
        for stem in data["stems"].values():
            for entry in (stem, *stem["raw"].values()):
                value = entry["instrument"]
                yield from value if isinstance(value, list) else [value or ""]


@pytest.mark.parametrize(
    ("corpus", "folder", "n_sheets"),
    [("medleydb", "medleydb/Metadata", 330), ("mixing_secrets", "mixing_secrets/metadata", 258)],
)
def test_every_stem_and_raw_of_every_sheet_resolves(
    shared: Path, corpus: str, folder: str, n_sheets: int
) -> None:
    sheets = shared / "datasets" / folder
    assert len(list(sheets.glob("*_METADATA.yaml"))) == n_sheets
    assert unmapped(load_label_map(corpus), sheet_labels(sheets)) == set()


def test_every_label_of_the_500_song_annotation_resolves(shared: Path) -> None:
    rows = read_csv(shared / "datasets/mixing_secrets/ms500_raw_labels.csv")
    assert unmapped(load_label_map("mixing_secrets"), [row["label"] for row in rows]) == set()


def test_every_patch_program_and_class_of_slakh_resolves(shared: Path) -> None:
    folder = shared / "datasets/slakh2100"
    labels = []
    for name in ("komplete_strict", "komplete_lax"):
        for group in json.loads((folder / f"patch_maps/{name}.json").read_text()).values():
            labels += [*group["defs"], f"class:{group['class']}"]
    programs = json.loads((folder / "general_midi_inst_0based.json").read_text()).values()
    labels += [f"program:{program['name']}" for program in programs]
    labels += [f"class:{program['class']}" for program in programs]
    assert len(programs) == 129
    assert unmapped(load_label_map("slakh"), labels) == set()


def test_every_class_and_tag_of_the_other_corpora_resolves(shared: Path) -> None:
    data = shared / "datasets"
    tags = [*(data / "mtg_jamendo/top50.txt").read_text().split()]
    tags += (data / "mtg_jamendo/instrument_tags_41.txt").read_text().split()
    assert len(tags) == 91
    assert unmapped(load_label_map("mtg_jamendo"), tags) == set()
    codes = [row["code"] for row in read_csv(data / "irmas/classes.csv")]
    assert unmapped(load_label_map("irmas"), codes) == set()
    classes = json.loads((data / "openmic2018/class-map.json").read_text())
    assert unmapped(load_label_map("openmic2018"), list(classes)) == set()
    groups = json.loads((data / "moisesdb/taxonomy.json").read_text())["stemName -> trackType"]
    tracks = [f"{stem}: {kind}" for stem, kinds in groups.items() for kind in kinds]
    folders = [f"{stem.replace(' ', '_')}: {kind}" for stem, kinds in groups.items() for kind in kinds]
    assert unmapped(load_label_map("moisesdb"), [*tracks, *folders]) == set()


def test_label_sets_have_the_columns_of_the_published_data(shared: Path) -> None:
    data = shared / "datasets"
    top = (data / "mtg_jamendo/top50.txt").read_text().split()
    assert list(load_label_set("jamendo50").names) == top
    classes = json.loads((data / "openmic2018/class-map.json").read_text())
    assert list(load_label_set("openmic20").names) == sorted(classes, key=classes.__getitem__)
    assert list(load_label_set("irmas11").names) == [r["code"] for r in read_csv(data / "irmas/classes.csv")]


def plain_codes(number: str) -> set[str]:
    """Return the class numbers in a Hornbostel-Sachs number: composites apart, suffixes cut."""
    return {part.partition("-")[0] for part in number.split("+")}


def test_every_hornbostel_sachs_number_exists(shared: Path) -> None:
    rows = read_csv(shared / "datasets/hornbostel_sachs/mimo_hs.csv")
    known = {code for row in rows for code in plain_codes(row["code"])}
    numbers = [(n.id, number) for n in TREE.nodes.values() for number in (*n.hs, *filter(None, [n.hs_body]))]
    assert len(numbers) > 150
    assert [(owner, number) for owner, number in numbers if not plain_codes(number) <= known] == []


# --- against the proposal that came with the metadata ----------------------------------------------

MAPS = {"medleydb_v1": "medleydb", "medleydb_v2": "medleydb", "medleydb_extra": "medleydb",
        "medleydb_bach10": "medleydb", "medleydb_taxonomy": "medleydb", "mixing_secrets": "mixing_secrets",
        "slakh2100": "slakh", "musdb18_hq": "musdb18hq", "moisesdb": "moisesdb", "irmas": "irmas",
        "openmic2018": "openmic2018", "mtg_jamendo": "mtg_jamendo"}  # fmt: skip

# Where mixlab knowingly says something else about the eight families and seven instruments than the
# proposal (vocabulary.csv); docs/taxonomy.md gives the reasons. Value: (families, instruments) present.
NOTHING = ("", "")
SINGERS, GUITARS = ("voice", "singer"), ("plucked string", "electric guitar")
CORRECTIONS: dict[tuple[str, str], tuple[str, str]] = {
    # several labels whose common instrument is known
    **{("medleydb", label): SINGERS for label in (
        "male singer + vocalists", "female singer + vocalists", "male singer + female singer",
        "vocalists + male singer")},
    ("medleydb", "clean electric guitar + distorted electric guitar"): GUITARS,
    ("medleydb", "distorted electric guitar + clean electric guitar"): GUITARS,
    # a voice that may not sing
    **{("mixing_secrets", label): ("voice", "") for label in (
        "leadvox", "leadvoxdouble", "leadvoxdt", "backingvox", "backingvos", "gangs", "sfxvox", "voxsfx",
        "vox_sfx", "backingvoxsfx", "leadvoxsfx")},
    ("musdb18hq", "vocals"): ("voice", ""),
    ("moisesdb", "vocals: background vocals"): ("voice", ""),
    ("openmic2018", "voice"): ("voice", ""),
    ("mtg_jamendo", "instrument---voice"): ("voice", ""),
    # a bass whose kind is not said
    **{("mixing_secrets", label): NOTHING for label in ("bass", "bassdi", "bassfx", "basssfx")},
    ("musdb18hq", "bass"): NOTHING,
    ("openmic2018", "bass"): NOTHING,
    ("mtg_jamendo", "instrument---bass"): NOTHING,
    ("slakh", "class:bass"): NOTHING,
    # loops, hits and microphones whose source is not said
    **{("mixing_secrets", label): NOTHING for label in (
        "drum machine", "loop", "mainloop", "breaks", "metalhit", "percchoir micpair", "pair_overheadortf")},
    ("mixing_secrets", "elecgtrloop"): GUITARS,
    # two families possible
    **{("mixing_secrets", label): NOTHING for label in (
        "whistle", "bells", "psaltery", "stringpad", "keyboard", "bellpiano", "pianosynth", "synthgtr",
        "synthgtrdi")},
    ("moisesdb", "other keys: other sounds (hapischord, melotron etc)"): NOTHING,
    ("mtg_jamendo", "instrument---keyboard"): NOTHING,
    ("mtg_jamendo", "instrument---computer"): NOTHING,
    ("slakh", "hybrid_keys_futurebells.nkm"): NOTHING,
    ("slakh", "hybrid_keys_hot_tropics.nkm"): NOTHING,
    # a dobro is an acoustic guitar; several pieces of a kit are the kit
    ("mixing_secrets", "dobro"): ("plucked string", "acoustic guitar"),
    **{("mixing_secrets", label): ("percussion", "drums") for label in (
        "kicksnare", "snarecymbals", "snareandcymbal")},
    # a program that patches of several instruments answer
    **{("slakh", f"program:{name}"): ("key", "") for name in (
        "acoustic grand piano", "bright acoustic piano", "honky-tonk piano")},
    **{("slakh", f"program:{name}"): NOTHING for name in (
        "celesta", "glockenspiel", "music box", "vibraphone", "marimba", "xylophone", "tubular bells",
        "dulcimer", "synth bass 1", "synth bass 2", "synth brass 1", "synth brass 2")},
    **{("slakh", f"class:{name}"): NOTHING for name in (
        "chromatic percussion", "strings", "brass", "percussive")},
}  # fmt: skip


def vocabulary_labels(row: dict[str, str]) -> list[str]:
    """Return the labels of one proposed row as the adapters write them."""
    level, name = row["level"], row["raw_name"]
    if level == "midi_program_name":
        return [f"program:{name}"]
    if level == "inst_class":
        return [f"class:{name}"]
    if level.startswith("trackType"):
        return [f"{level[len('trackType (') : -1]}: {name}"]
    if level.startswith("tag "):
        return [level.removeprefix("tag ")]
    return name.split(" + ")


def test_the_maps_differ_from_the_proposal_only_where_stated(shared: Path) -> None:
    label_set = load_label_set("mixtures15")
    differences: dict[tuple[str, str], tuple[str, str]] = {}
    rows = read_csv(shared / "datasets/vocabulary.csv")
    assert len(rows) == 1411
    for row in rows:
        corpus, labels = MAPS[row["dataset"]], vocabulary_labels(row)
        resolution = resolve_stem(load_label_map(corpus), labels)
        present = ("", "")
        if resolution.nodes:
            target, _ = label_set.encode(stem_evidence(TREE, resolution.nodes))
            names = [name for name, value in zip(label_set.names, target, strict=True) if value]
            families = [name for name in names if name in label_set.names[:8]]
            present = ("|".join(families), "|".join(name for name in names if name not in families))
        if present != (row["family"], row["instrument"]):
            differences[corpus, " + ".join(labels).lower()] = present
    assert differences == CORRECTIONS


def test_the_documentation_lists_every_correction(repo: Path) -> None:
    text = (repo / "docs/taxonomy.md").read_text(encoding="utf-8")
    assert [label for _, label in CORRECTIONS if f"`{label}`" not in text] == []
    assert f"{len(TREE.nodes)} nodes" in text


def test_no_program_of_slakh_claims_what_one_of_its_patches_is_not(shared: Path) -> None:
    """The strict patch map, with which Slakh was made: program numbers from 1."""
    folder = shared / "datasets/slakh2100"
    programs = json.loads((folder / "general_midi_inst_0based.json").read_text())
    slakh = load_label_map("slakh")
    wrong = []
    for group in json.loads((folder / "patch_maps/komplete_strict.json").read_text()).values():
        names = [programs[str(n - 1)]["name"] for n in group["program_numbers"] if n > 0]
        for label in (*(f"program:{name}" for name in names), f"class:{group['class']}"):
            said = slakh.resolve(label)
            assert said is not None
            claimed = stem_evidence(TREE, said.nodes) if said.nodes else None
            for patch in group["defs"] if claimed else ():
                sounding = slakh.resolve(patch)
                assert sounding is not None
                there = {node for n in sounding.nodes for node in TREE.closure([n]) | TREE.possible(n)}
                if not claimed.present <= there or not there & {*said.nodes}:
                    wrong.append((label, patch))
    assert wrong == []


def test_a_label_map_of_ones_own_is_read_as_it_is_now(tmp_path: Path) -> None:
    file = tmp_path / "tapes.csv"
    file.write_text("label,nodes,ignored,note\nAlto,female-singer,,\n", encoding="utf-8")
    assert set(load_label_map(str(file)).rows) == {"Alto"}
    with file.open("a", encoding="utf-8") as rows:
        rows.write("Kit,drums,,\n")
    assert set(load_label_map(str(file)).rows) == {"Alto", "Kit"}
