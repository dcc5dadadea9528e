"""The instrument tree, label maps, three-valued evidence and label sets."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mixlab.errors import TaxonomyError, UnknownLabelError
from mixlab.taxonomy import (
    Evidence,
    LabelSet,
    Node,
    Output,
    Resolution,
    Taxonomy,
    combine_evidence,
    keep_label_set,
    label_map_names,
    label_set_names,
    load_label_map,
    load_label_set,
    load_taxonomy,
    resolve_stem,
    stem_evidence,
)
from tests.errors import raises

TREE = load_taxonomy()
# A busy machine is no failure.
LAWS = settings(deadline=None)
LABEL_SETS = [load_label_set(name) for name in ("mixtures15", "irmas11", "openmic20", "jamendo50", "mtat50")]
FAMILIES = ("voice", "percussion", "bowed-string", "plucked-string", "woodwind", "brass", "key", "synth")

nodes = st.sampled_from(sorted(TREE.nodes))
alternatives = st.lists(nodes, min_size=1, max_size=4)
bleeds = st.lists(st.one_of(nodes, st.just("*")), max_size=3)
stems = st.lists(st.tuples(st.lists(nodes, max_size=3), bleeds), min_size=1, max_size=5)


def mixtures(*stem_nodes: str, bleed: tuple[str, ...] = ()) -> dict[str, float | None]:
    """Return output name -> 1, 0 or None (unknown) of one stem in ``mixtures15``."""
    label_set = LABEL_SETS[0]
    target, mask = label_set.encode(stem_evidence(TREE, stem_nodes, bleed))
    values = zip(label_set.names, target, mask, strict=True)
    return {name: float(t) if known else None for name, t, known in values}


# --- the tree -----------------------------------------------------------------------------------


def test_the_tree_has_the_eight_families_in_the_papers_order() -> None:
    assert TREE.families == FAMILIES
    assert len(TREE.nodes) - len(FAMILIES) >= 170
    assert all((node.parent is None) == (node.id in FAMILIES) for node in TREE.nodes.values())


def test_parents_come_before_their_children() -> None:
    order = list(TREE.nodes)
    assert all(order.index(n.parent) < order.index(n.id) for n in TREE.nodes.values() if n.parent)


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("singer", "voice"),
        ("drums", "percussion"),
        ("violin", "bowed-string"),
        ("electric-guitar", "guitar"),
        ("acoustic-guitar", "guitar"),
        ("guitar", "plucked-string"),
        ("electric-bass", "plucked-string"),
        ("piano", "key"),
        ("alto-saxophone", "saxophone"),
        ("clean-electric-guitar", "electric-guitar"),
        ("male-singer", "singer"),
        ("hammond-organ", "organ"),
        ("vibraphone", "mallet-percussion"),
    ],
)
def test_what_others_rely_on_lies_where_it_should(child: str, parent: str) -> None:
    assert parent in TREE.ancestors(child)
    assert child in TREE.descendants(parent)


def test_only_electrophones_have_a_vibrating_body() -> None:
    for node in TREE.nodes.values():
        if node.hs_body:
            assert any(number.startswith("5") for number in node.hs), node.id
            assert node.hs_body[0] in "1234", node.id
        if TREE.family(node.id) == "voice":
            assert node.hs == (), node.id


@LAWS
@given(nodes)
def test_ancestors_descendants_children_and_family_agree(node: str) -> None:
    line = TREE.ancestors(node)
    assert TREE.family(node) == (line[-1] if line else node)
    assert all(node in TREE.descendants(ancestor) for ancestor in line)
    assert all(node in TREE.ancestors(below) for below in TREE.descendants(node))
    assert all(TREE.nodes[child].parent == node for child in TREE.children(node))
    assert TREE.descendants(node) == {n for c in TREE.children(node) for n in (c, *TREE.descendants(c))}


@LAWS
@given(st.lists(nodes, max_size=5), st.lists(nodes, max_size=5))
def test_closure_is_a_closure(first: list[str], second: list[str]) -> None:
    closed = TREE.closure(first)
    assert set(first) <= closed
    assert TREE.closure(closed) == closed
    assert closed <= TREE.closure([*first, *second])
    assert closed | TREE.closure(second) == TREE.closure([*first, *second])
    assert all(TREE.nodes[n].parent in {*closed, None} for n in closed)


def test_an_unknown_node_is_named_with_a_guess() -> None:
    with raises(TaxonomyError, code="unknown-node", mentions=("violine", "violin")):
        TREE.closure(["violine"])
    with raises(TaxonomyError, code="unknown-node", mentions="mixlab taxonomy"):
        TREE.family("xyzzy")


def node(node_id: str, parent: str | None = None, maybe: tuple[str, ...] = ()) -> Node:
    return Node(node_id, node_id, parent, (), None, "", maybe)


def test_a_tree_is_ordered_whatever_the_order_of_its_nodes() -> None:
    tree = Taxonomy([node("violin", "strings"), node("strings"), node("fiddle", "violin")])
    assert list(tree.nodes) == ["strings", "violin", "fiddle"]
    assert tree.families == ("strings",)


def test_the_hash_follows_the_meaning() -> None:
    plain = Taxonomy([node("a"), node("b", "a")])
    assert plain.content_hash == Taxonomy([node("a"), node("b", "a")]).content_hash
    assert plain.content_hash != Taxonomy([node("a"), node("b")]).content_hash
    assert plain.content_hash != Taxonomy([node("a"), node("b", "a", ("a",))]).content_hash
    assert len(plain.content_hash) == 16


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("nodes: [", "invalid-syntax", "YAML"),
        ("nodes:\n  - {id: a}\n - b", "invalid-syntax", ("3", "YAML")),
        ("- a", "invalid-entry", ("nodes", "list")),
        ("nodes: []", "invalid-entry", "nodes"),
        ("nodes: [violin]", "invalid-entry", ("1", "id", "violin")),
        ("nodes: [{id: a}, {id: a}]", "repeated-entry", "a"),
        ("nodes: [{id: a, parent: b}]", "unknown-node", ("a", "b")),
        ("nodes: [{id: z}, {id: a, parent: b}, {id: b, parent: a}]", "cyclic-hierarchy", ("a", "b")),
        ("nodes: [{id: a, maybe: [b]}]", "unknown-node", ("b", "maybe")),
        ("nodes: [{id: a, hs: [211.10]}]", "invalid-entry", "211.1"),
        ("nodes: [{id: a, hs_body: 5}]", "invalid-entry", ("hs_body", "5")),
        ("nodes: [{id: a, colour: red}]", "unknown-field", "colour"),
        ("nodes: [{id: Electric Guitar}]", "invalid-entry", ()),
        ("nodes: [{id: 2014-13-45}]", "invalid-syntax", "YAML"),
    ],
)
def test_a_wrong_tree_file_is_refused(tmp_path: Path, text: str, code: str, mentions: object) -> None:
    path = tmp_path / "tree.yaml"
    path.write_text(text)
    with raises(TaxonomyError, code=code, mentions=mentions) as caught:
        load_taxonomy(path)
    assert str(path) in str(caught.value)


def test_an_unreadable_tree_file_is_refused(tmp_path: Path) -> None:
    with raises(TaxonomyError, code="unreadable-file", mentions="UTF-8"):
        load_taxonomy(tmp_path / "none.yaml")
    (tmp_path / "deep.yaml").write_text("[" * 200_000)
    with raises(TaxonomyError, code="invalid-syntax", mentions=("deep.yaml", "64")):
        load_taxonomy(tmp_path / "deep.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"nodes: [{id: caf\xe9}]")
    with raises(TaxonomyError, code="unreadable-file", mentions="UTF-8"):
        load_taxonomy(tmp_path / "latin.yaml")


# --- evidence -----------------------------------------------------------------------------------


def test_a_string_section_is_bowed_and_says_nothing_about_the_violin() -> None:
    values = mixtures("bowed-string")
    assert values["bowed string"] == 1
    assert values["violin"] is None
    assert {name for name, value in values.items() if value is None} == {"violin"}
    assert sum(value or 0 for value in values.values()) == 1


def test_a_violin_is_bowed_and_nothing_else() -> None:
    values = mixtures("violin")
    assert {name for name, value in values.items() if value == 1} == {"bowed string", "violin"}
    assert None not in values.values()


def test_alternatives_share_what_they_have_in_common() -> None:
    # two kinds of one instrument prove the instrument; two instruments prove their family only
    assert mixtures("clean-electric-guitar", "distorted-electric-guitar")["electric guitar"] == 1
    either = mixtures("acoustic-guitar", "electric-guitar")
    assert (either["plucked string"], either["acoustic guitar"], either["electric guitar"]) == (1, None, None)
    assert either["electric bass"] == 0
    bass = mixtures("electric-bass", "double-bass", "synth-bass")
    assert [name for name, value in bass.items() if value == 1] == []
    assert {name for name, value in bass.items() if value is None} == {
        "plucked string", "bowed string", "synth", "electric bass",
    }  # fmt: skip


def test_a_piece_of_the_kit_and_the_kit_leave_each_other_open() -> None:
    assert mixtures("snare-drum")["drums"] is None
    assert mixtures("kick-drum")["drums"] is None
    assert mixtures("snare-drum")["percussion"] == 1
    assert mixtures("tambourine")["drums"] == 0
    kit = stem_evidence(TREE, ["drums"])
    assert {"cymbal", "snare-drum"} <= kit.unknown
    assert "marimba" not in kit.present | kit.unknown


def test_a_horn_section_may_hold_saxophones() -> None:
    values = mixtures("horn-section")
    assert (values["brass"], values["woodwind"]) == (1, None)
    assert mixtures("brass")["woodwind"] == 0


def test_bleed_makes_unknown_and_never_absent() -> None:
    values = mixtures("trumpet", bleed=("drums", "bowed-string"))
    assert values["brass"] == 1
    assert {name for name, value in values.items() if value is None} == {
        "percussion", "drums", "bowed string", "violin",
    }  # fmt: skip
    everything = mixtures("trumpet", bleed=("*",))
    assert {name for name, value in everything.items() if value is not None} == {"brass"}


def test_a_stem_without_nodes_proves_nothing() -> None:
    assert set(mixtures().values()) == {None}


@LAWS
@given(alternatives, bleeds)
def test_evidence_is_disjoint_and_closed(stem: list[str], bleed: list[str]) -> None:
    evidence = stem_evidence(TREE, stem, bleed)
    possible = evidence.present | evidence.unknown
    assert evidence.present & evidence.unknown == frozenset()
    assert TREE.closure(evidence.present) == evidence.present
    assert TREE.closure(possible) == possible


@LAWS
@given(alternatives, bleeds, st.data())
def test_evidence_never_contradicts_the_truth(stem: list[str], bleed: list[str], data: st.DataObject) -> None:
    # whatever really sounds is one of the alternatives, or some kind of it
    chosen = data.draw(st.sampled_from(stem))
    truth = TREE.closure([data.draw(st.sampled_from(sorted({chosen, *TREE.descendants(chosen)})))])
    evidence = stem_evidence(TREE, stem, bleed)
    assert evidence.present <= truth
    assert truth <= evidence.present | evidence.unknown


@LAWS
@given(alternatives, nodes, bleeds)
def test_another_alternative_or_bleed_only_adds_doubt(stem: list[str], more: str, bleed: list[str]) -> None:
    before = stem_evidence(TREE, stem, bleed)
    wider = stem_evidence(TREE, [*stem, more], bleed)
    louder = stem_evidence(TREE, stem, [*bleed, more])
    assert wider.present <= before.present
    assert louder.present == before.present
    for after in (wider, louder):
        assert before.present | before.unknown <= after.present | after.unknown


@LAWS
@given(stems)
def test_combining_is_a_union_in_which_present_wins(songs: list[tuple[list[str], list[str]]]) -> None:
    evidences = [stem_evidence(TREE, stem, bleed) for stem, bleed in songs]
    both = combine_evidence(evidences)
    assert both == combine_evidence(reversed(evidences))
    assert both == combine_evidence([both])
    assert both == combine_evidence([evidences[0], combine_evidence(evidences[1:])])
    assert both.present == frozenset().union(*(e.present for e in evidences))
    assert both.unknown == frozenset().union(*(e.unknown for e in evidences)) - both.present


def test_no_stem_at_all_is_silence() -> None:
    target, mask = LABEL_SETS[0].encode(combine_evidence([]))
    assert target.tolist() == [0.0] * 15
    assert mask.all()


# --- label sets ---------------------------------------------------------------------------------


def test_the_label_sets_have_their_published_order() -> None:
    assert label_set_names() == ("irmas11", "jamendo50", "mixtures15", "mtat50", "musdb4", "openmic20")
    mixtures15, irmas11, openmic20, jamendo50, mtat50 = LABEL_SETS
    assert mixtures15.names == (
        "voice", "percussion", "bowed string", "plucked string", "woodwind", "brass", "key", "synth",
        "singer", "drums", "violin", "electric guitar", "acoustic guitar", "electric bass", "piano",
    )  # fmt: skip
    assert [output.nodes for output in mixtures15.outputs] == [
        (name.replace(" ", "-"),) for name in mixtures15.names
    ]
    assert mixtures15.parents(TREE) == (*[None] * 8, 0, 1, 2, 3, 3, 3, 6)
    assert irmas11.names == ("cel", "cla", "flu", "gac", "gel", "org", "pia", "sax", "tru", "vio", "voi")
    assert (len(openmic20), openmic20.names[0], openmic20.names[-1]) == (20, "accordion", "voice")
    assert list(openmic20.names) == sorted(openmic20.names)
    assert len(jamendo50) == 50
    assert list(jamendo50.names) == sorted(jamendo50.names)
    assert all(o.nodes == () for o in jamendo50.outputs if not o.name.startswith("instrument---"))
    assert mtat50.names == (
        "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano",
        "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing",
        "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal",
        "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice", "new age", "dance", "male voice",
        "female vocal", "beats", "harp", "cello", "no voice", "weird", "country", "metal", "female voice",
        "choral",
    )  # fmt: skip
    bound = {output.name: output.nodes for output in mtat50.outputs if output.nodes}
    assert len(bound) == 25
    assert not {"no vocals", "no vocal", "no voice", "opera", "electronic", "beat"} & set(bound)
    families = {name: {TREE.family(node) for node in nodes} for name, nodes in bound.items()}
    assert {name for name, roots in families.items() if roots == {"voice"}} == {
        "vocal", "female", "male", "singing", "vocals", "woman", "male vocal", "man", "choir", "voice",
        "male voice", "female vocal", "female voice", "choral",
    }  # fmt: skip


def test_what_implies_one_of_several_synonyms_implies_all() -> None:
    (mtat50,) = [labels for labels in LABEL_SETS if labels.name == "mtat50"]
    parents = mtat50.parents(TREE)

    def implied(name: str) -> list[str]:
        found, at = [], parents[mtat50.names.index(name)]
        while at is not None:
            found.append(mtat50.names[at])
            at = parents[at]
        return found

    assert implied("singing") == ["vocal", "vocals", "voice"]
    assert implied("choir") == ["choral", "singing", "vocal", "vocals", "voice"]
    assert implied("woman") == ["female vocal", "female voice", "vocal", "vocals", "voice"]
    assert implied("cello") == ["strings"]
    assert implied("voice") == []


@pytest.mark.parametrize("label_set", LABEL_SETS, ids=lambda s: s.name)
@LAWS
@given(songs=stems)
def test_targets_are_consistent(label_set: LabelSet, songs: list[tuple[list[str], list[str]]]) -> None:
    evidence = combine_evidence(stem_evidence(TREE, stem, bleed) for stem, bleed in songs)
    target, mask = label_set.encode(evidence)
    assert target.dtype == np.float32
    assert mask.dtype == np.bool_
    assert target.shape == mask.shape == (len(label_set),)
    assert set(np.unique(target)) <= {0.0, 1.0}
    assert not target[~mask].any()
    for child, parent in enumerate(label_set.parents(TREE)):
        if parent is not None:
            if target[child]:
                assert target[parent] == 1
            if mask[parent] and not target[parent]:
                assert mask[child]


def outputs_of(*groups: tuple[str, ...]) -> LabelSet:
    return LabelSet("own", "own", tuple(Output(f"o{i}", group) for i, group in enumerate(groups)), "0" * 16)


def test_an_output_of_several_nodes_is_any_of_them() -> None:
    label_set = outputs_of(("electric-bass", "double-bass"), ())

    def encode(*present: str, unknown: tuple[str, ...] = ()) -> tuple[list[float], list[bool]]:
        target, mask = label_set.encode(Evidence(frozenset(present), frozenset(unknown)))
        return target.tolist(), mask.tolist()

    assert encode() == ([0, 0], [True, False])
    assert encode("double-bass", unknown=("electric-bass",)) == ([1, 0], [True, False])
    assert encode(unknown=("double-bass",)) == ([0, 0], [False, False])


bass_or_any = st.sampled_from(
    ["electric-bass", "double-bass", "synth-bass", "acoustic-bass-guitar", "tuba", "electric-guitar"]
)
groups = st.lists(bass_or_any | nodes | st.sampled_from(TREE.families), min_size=1, max_size=8)


@LAWS
@given(
    groups,
    st.lists(
        st.tuples(st.lists(bass_or_any | nodes, min_size=1, max_size=4), bleeds), min_size=1, max_size=3
    ),
)
def test_an_output_is_present_in_all_worlds_or_absent_in_all_or_unknown(
    group: list[str], songs: list[tuple[list[str], list[str]]]
) -> None:
    # a world chooses for each stem which of its instruments sounds: the least that may be heard
    worlds = [TREE.closure(chosen) for chosen in itertools.product(*(stem for stem, _ in songs))]
    heard = [TREE.possible(node) for stem, bleed in songs for node in (*stem, *bleed) if node != "*"]
    most = set(TREE.nodes) if any("*" in bleed for _, bleed in songs) else set().union(*heard)
    evidence = combine_evidence(stem_evidence(TREE, stem, bleed) for stem, bleed in songs)
    target, mask = outputs_of(tuple(dict.fromkeys(group))).encode(evidence)
    in_all, in_none = all(world & set(group) for world in worlds), not most & set(group)
    assert (bool(target[0]), bool(mask[0])) == (in_all, in_all or in_none)
    assert evidence.state(group) == ("present" if in_all else "absent" if in_none else "unknown")


def test_a_bass_of_some_kind_is_a_bass() -> None:
    outputs = outputs_of(
        ("electric-bass", "synth-bass", "double-bass"),
        ("electric-bass", "synth-bass"),
        ("plucked-string", "bowed-string", "synth"),
        ("double-bass",),
        ("brass",),
    )
    kinds = ["electric-bass", "synth-bass", "double-bass"]
    target, mask = outputs.encode(stem_evidence(TREE, kinds))
    assert target.tolist() == [1, 0, 1, 0, 0]
    assert mask.tolist() == [True, False, True, False, True]
    # two stems that are each of several kinds prove what each proves alone
    pairs = [stem_evidence(TREE, kinds[:2]), stem_evidence(TREE, [kinds[2], "violin"])]
    target, mask = outputs.encode(combine_evidence(pairs))
    assert (target.tolist(), mask.tolist()) == ([1, 1, 1, 0, 0], [True, True, True, False, True])
    _, mask = outputs.encode(combine_evidence([stem_evidence(TREE, ["brass", kinds[0]]), pairs[1]]))
    assert mask.tolist() == [False, False, True, False, False]


def test_parents_are_the_nearest_outputs_that_are_implied() -> None:
    assert outputs_of(("plucked-string",), ("guitar",), ("acoustic-guitar",)).parents(TREE) == (None, 0, 1)
    # any of two basses is implied by one of them, but implies neither family
    basses = outputs_of(("electric-bass", "double-bass"), ("electric-bass",), ("bowed-string",))
    assert basses.parents(TREE) == (None, 0, None)
    # of outputs that mean the same, the later is the parent of the earlier
    assert outputs_of(("guitar",), ("guitar", "electric-guitar")).parents(TREE) == (1, None)


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("name: x", "invalid-entry", "outputs"),
        ("- piano", "invalid-entry", ("outputs", "list")),
        ("", "invalid-entry", ("outputs", "NoneType")),
        ("outputs: []", "invalid-entry", ("outputs", "[]")),
        ("outputs: {piano: [piano]}", "invalid-entry", "outputs"),
        ("outputs: [{name: a, nodes: []}]\ntitel: x", "unknown-field", ("titel", "title", "own.yaml")),
        ("outputs: [{name: a, nodes: []}]\nzzz: x", "unknown-field", "zzz"),
        ("outputs: [{name: a, nodse: [piano]}]", "unknown-field", ("nodse", "nodes", "1")),
        ("outputs: [{name: a, nodes: [piano], 5: x}]", "unknown-field", ("1", "5")),
        ("outputs: [{Name: a, nodes: [piano]}]", "unknown-field", ("Name", "name", "1")),
        ("outputs: [{name: no, nodes: [piano]}]", "invalid-entry", ("name", "1", "False")),
        ("outputs: [{name: '', nodes: [piano]}]", "invalid-entry", ("name", "1")),
        ("outputs: [{nodes: [piano]}]", "invalid-entry", ("1", "name")),
        ("outputs: [{name: a, nodes: piano}]", "invalid-entry", ("nodes", "piano")),
        ("outputs: [{name: a, nodes: [5]}]", "invalid-entry", ("nodes", "5")),
        ("outputs: [{name: a, nodes: [piano, piano]}]", "repeated-entry", "piano"),
        ("outputs: [{name: a, nodes: [pianno]}]", "unknown-node", ("pianno", "piano")),
        ("outputs: [{name: a, nodes: []}]\nname: 5", "invalid-entry", ("name", "own.yaml", "5")),
        ("outputs: [{name: a, nodes: []}]\ntitle: [x]", "invalid-entry", ("title", "own.yaml")),
        ("outputs: [{name: a, nodes: [piano], nodes: [key]}]", "invalid-syntax", ("nodes", "1")),
        ("outputs: [piano]", "invalid-entry", ("1", "name", "piano")),
        ("outputs: [{name: piano}]", "invalid-entry", ("nodes", "1")),
        ("outputs: [{name: piano, nodes: [pianoforte]}]", "unknown-node", "pianoforte"),
        ("outputs: [{name: a, nodes: []}, {name: a, nodes: []}]", "repeated-entry", ("a", "2")),
        ("outputs: {", "invalid-syntax", "YAML"),
    ],
)
def test_a_wrong_label_set_is_refused(tmp_path: Path, text: str, code: str, mentions: object) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with raises(TaxonomyError, code=code, mentions=mentions):
        load_label_set(str(path))


def test_ones_own_label_set(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "title: Two\noutputs: [{name: sax, nodes: [saxophone]}, {name: rest, nodes: [brass, key]}]"
    )
    own = load_label_set(str(path))
    assert (own.name, own.title, own.names) == ("own", "Two", ("sax", "rest"))
    assert len({s.content_hash for s in [own, *LABEL_SETS]}) == 6
    with raises(TaxonomyError, code="plugin-not-found", mentions=("mixtures", "irmas11", "jamendo50")):
        load_label_set("mixtures")
    with raises(TaxonomyError, code="plugin-not-found", mentions="mixtures15"):
        load_label_set("mixture15")
    with raises(TaxonomyError, code="wrong-type", mentions=("YAML", "15")):
        load_label_set(15)  # type: ignore[arg-type]


FORMATS = [
    """
name: mine
title: T
outputs:
- name: "ba\\u0085ß \\U0001F3B8"
  nodes: [piano, organ]
- {name: b, nodes: []}
""",
    """# a remark
outputs: [{nodes: [piano, organ], name: "ba\\u0085ß \\U0001F3B8"},
  {nodes: [], name: b}]
title: 'T'
name: mine""",
]


def test_what_is_kept_of_ones_own_label_set_is_its_contents(tmp_path: Path) -> None:
    kept = set()
    for number, text in enumerate(FORMATS):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        kept.add(keep_label_set(str(path)))
        own = load_label_set(str(path))
        path.unlink()
    (line,) = kept
    assert (load_label_set(line), keep_label_set(line), line.count("\n")) == (own, line, 0)
    assert load_label_set(line).names == ("ba\x85ß 🎸", "b")
    assert keep_label_set("mixtures15") == "mixtures15"
    flow = load_label_set("{outputs: [{name: a, nodes: [piano]}]}")
    assert (flow.name, flow.title, flow.outputs) == ("own", "own", (Output("a", ("piano",)),))
    with raises(TaxonomyError, code="invalid-syntax", mentions="YAML"):
        load_label_set("{outputs: [")
    with raises(TaxonomyError, code="unknown-field", mentions=("node", "1")):
        load_label_set("{outputs: [{name: a, node: [piano]}]}")


@pytest.mark.parametrize("name", label_set_names())
def test_the_contents_of_a_shipped_label_set_are_those_of_its_file(name: str) -> None:
    assert load_label_set(load_label_set(name).to_text()) == load_label_set(name)


# --- label maps ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", label_map_names())
def test_shipped_rows_resolve_to_nodes_or_to_a_reason(name: str) -> None:
    label_map = load_label_map(name)
    assert len(label_map) > 0
    for label, resolution in label_map.rows.items():
        assert bool(resolution.nodes) != bool(resolution.ignored), label
        assert set(resolution.nodes) <= set(TREE.nodes), label
        # any spelling of a row means what the row means
        if not label.endswith("*"):
            assert label_map.resolve(f"  {label.upper()} ") == label_map.resolve(label.lower()), label


def write_map(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["label,nodes,ignored,note", *rows]) + "\n", encoding="utf-8")
    return path


def test_an_exact_row_wins_and_spelling_does_not_matter_otherwise(tmp_path: Path) -> None:
    rows = ["Bass,double-bass,,", "bass,electric-bass,,", "Alto  Sax,alto-saxophone,,", "sfx *,,effect,"]
    label_map = load_label_map(str(write_map(tmp_path / "own.csv", *rows, "sfx piano*,piano,,")))
    assert label_map.resolve("Bass") == Resolution(("double-bass",), None)
    assert label_map.resolve("bass") == Resolution(("electric-bass",), None)
    assert label_map.resolve(" ALTO sax\t") == Resolution(("alto-saxophone",), None)
    assert label_map.resolve("SFX riser") == Resolution((), "effect")
    assert label_map.resolve("sfx piano 2") == Resolution(("piano",), None)
    assert label_map.resolve("tuba") is None
    assert label_map.resolve("  ") == Resolution((), "no label")


def test_labels_of_one_stem_are_alternatives() -> None:
    label_map = load_label_map("medleydb")
    assert resolve_stem(label_map, ["violin"]) == Resolution(("violin",), None)
    assert resolve_stem(label_map, ["cello", "violin section", "violin"]).nodes == ("cello", "violin")
    assert resolve_stem(label_map, ["violin", "fx/processed sound"]).nodes == ()
    assert resolve_stem(label_map, ["violin", ""]).ignored == "no label"
    assert resolve_stem(label_map, []).ignored == "no label"


def test_an_unmapped_label_is_an_error_that_holds_the_row_to_add() -> None:
    with raises(
        UnknownLabelError, code="unknown-label", mentions=("vioolin", "zzz", "taxonomy/corpora/medleydb.csv")
    ):
        resolve_stem(load_label_map("medleydb"), ["vioolin", "violin", "zzz"])
    with raises(UnknownLabelError, code="unknown-label", mentions="vioolin,violin"):
        resolve_stem(load_label_map("medleydb"), ["vioolin"])


@pytest.mark.parametrize(
    ("label", "row"),
    [
        ("Violinn", "Violinn,violin,,"),
        ("alto recorder 2", "alto recorder 2,recorder,,"),
        ("Ambience mic's", "Ambience mic's,,room or main microphones: the whole ensemble,"),
        ("Big, Tuba", '"Big, Tuba",tuba,,'),
    ],
)
def test_guesses(label: str, row: str) -> None:
    assert load_label_map("medleydb").row_to_add(label) == row


@pytest.mark.parametrize("label", ["tag", "mks", "rh", "knob"])
def test_short_labels_are_near_too_many_others_for_a_guess(label: str) -> None:
    assert load_label_map("folder").row_to_add(label).startswith(f"{label},NODE-ID,,")


@LAWS
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_the_row_to_add_can_be_added(tmp_path_factory: pytest.TempPathFactory, label: str) -> None:
    label_map = load_label_map("musdb18hq")
    assume(label_map.resolve(label) is None)
    row = label_map.row_to_add(label).replace("NODE-ID,,replace", "piano,,replace")
    path = write_map(tmp_path_factory.mktemp("rows") / "extra.csv", row)
    assert load_label_map("musdb18hq", path).resolve(label) is not None


def test_ones_own_rows_override_and_extend(tmp_path: Path) -> None:
    extra = write_map(tmp_path / "extra.csv", "VOCALS,singer,,mine", "Theorbo,lute,,")
    label_map = load_label_map("musdb18hq", extra)
    assert label_map.resolve("vocals") == Resolution(("singer",), None)
    assert label_map.resolve("theorbo") == Resolution(("lute",), None)
    assert label_map.resolve("drums") == Resolution(("drums",), None)
    assert load_label_map("musdb18hq").resolve("theorbo") is None


@pytest.mark.parametrize(
    ("rows", "code", "mentions"),
    [
        (["a,b,c,d,e"], "invalid-table", ("2", "label,nodes,ignored,note")),
        ([",piano,,"], "invalid-table", "2"),
        (["piano,piano,,", "x,,,"], "invalid-table", ("x", "3")),
        (["x,piano,no,"], "invalid-table", ("x", "2", "both")),
        (["x,pianos,,"], "unknown-node", ("x", "pianos", "piano", "2")),
        (["x,piano,,", "x,organ,,"], "repeated-entry", ("x", "3")),
        (['x,"piano,,'], "invalid-table", "CSV"),
    ],
)
def test_a_wrong_map_is_refused(tmp_path: Path, rows: list[str], code: str, mentions: object) -> None:
    path = write_map(tmp_path / "extra.csv", *rows)
    with raises(TaxonomyError, code=code, mentions=mentions) as caught:
        load_label_map("folder", path)
    assert str(path) in str(caught.value)


def test_a_map_needs_its_header_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,instrument\nx,piano\n")
    with raises(
        TaxonomyError, code="invalid-table", mentions=("name,instrument", "label,nodes,ignored,note")
    ):
        load_label_map("folder", tmp_path / "a.csv")
    with raises(TaxonomyError, code="unknown-label-map", mentions=("folder", "irmas", "medleydb", "medley")):
        load_label_map("medley")
    with raises(TaxonomyError, code="unreadable-file"):
        load_label_map("folder", tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("vocals", ("voice",)),
        ("Bass", ("electric-bass", "synth-bass", "double-bass")),
        ("Guitar", ("guitar",)),
        ("drums", ("drums",)),
        ("Strings", ("bowed-string",)),
        ("violins", ("violin",)),
        ("Synth", ("synthesizer",)),
        ("keys", ("key", "synth")),
        ("ElecGtr", ("electric-guitar",)),
        ("clean-electric-guitar", ("clean-electric-guitar",)),
        ("steel pan", ("steel-drums",)),
    ],
)
def test_ordinary_file_names(label: str, expected: tuple[str, ...]) -> None:
    resolution = load_label_map("folder").resolve(label)
    assert resolution is not None
    assert resolution.nodes == expected
