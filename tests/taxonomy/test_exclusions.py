"""Label sets with exclusions and a rest: every instrument is in it, or out, or it is not known."""

import numpy as np
import pytest

from mixlab.cli.main import main
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import load_label_set, load_taxonomy, stem_evidence
from mixlab.taxonomy.regions import subtract
from tests.errors import raises

TREE = load_taxonomy()
MUSDB4 = load_label_set("musdb4")
OTHER = MUSDB4.names.index("other")


def said_of(text: str, *nodes: str) -> dict[str, str]:
    """What a label set makes of a stem that is one of some nodes."""
    labels = load_label_set(text)
    return {output.name: output.state(stem_evidence(TREE, nodes)) for output in labels.outputs}


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("female-rapper", "vocals"),
        ("kick-drum", "drums"),
        ("drum-machine", "drums"),
        ("xylophone", "other"),
        ("acoustic-bass-guitar", "bass"),
        ("synth-bass", "bass"),
        ("electric-guitar", "other"),
        ("viola", "other"),
        ("synth-pad", "other"),
        ("piano", "other"),
    ],
)
def test_an_instrument_is_in_one_stem_of_musdb(node: str, name: str) -> None:
    target, mask = MUSDB4.encode(stem_evidence(TREE, [node]))
    assert mask.all()
    assert [MUSDB4.names[i] for i in np.flatnonzero(target)] == [name]


@pytest.mark.parametrize("node", ["synthesizer", "synth", "plucked-string", "bowed-string", "percussion"])
def test_what_may_be_a_bass_or_a_drum_is_never_taken_for_the_rest(node: str) -> None:
    target, mask = MUSDB4.encode(stem_evidence(TREE, [node]))
    assert not target.any()
    assert not mask[OTHER]


@pytest.mark.parametrize("node", TREE.nodes)
def test_the_rest_is_what_no_other_class_holds(node: str) -> None:
    taken = {below for output in MUSDB4.outputs[:OTHER] for below in output.nodes}
    own = {node, *TREE.ancestors(node)}
    target, mask = MUSDB4.encode(stem_evidence(TREE, [node]))
    assert mask[OTHER] or taken & TREE.descendants(node)
    assert bool(target[OTHER]) == bool(own & set(MUSDB4.outputs[OTHER].nodes))
    assert not (target[OTHER] and own & taken)
    assert target.sum() <= 1.0


def test_unnamed_kinds_of_a_node_are_neither_in_nor_out() -> None:
    text = (
        "{outputs: [{name: kick, nodes: [kick-drum]},"
        " {name: bass drum, nodes: [bass-drum], not: [kick-drum]}, {name: rest, rest: true}]}"
    )
    assert said_of(text, "bass-drum") == {"kick": "unknown", "bass drum": "unknown", "rest": "unknown"}
    assert said_of(text, "kick-drum")["bass drum"] == "absent"
    assert said_of(text, "piano") == {"kick": "absent", "bass drum": "absent", "rest": "present"}
    assert load_label_set(load_label_set(text).to_text()) == load_label_set(text)


def test_a_region_keeps_all_but_what_is_taken_out() -> None:
    region = subtract(TREE, ["guitar"], ["electric-guitar"])
    whole = {n for top in region.nodes for n in (top, *TREE.descendants(top))}
    branch = {"guitar", *TREE.descendants("guitar")}
    out = {"electric-guitar", *TREE.descendants("electric-guitar"), "guitar"}
    assert whole == branch - out


def test_exclusions_change_the_hash_and_plain_sets_keep_theirs() -> None:
    plain = load_label_set("{outputs: [{name: a, nodes: [guitar]}]}")
    without = load_label_set("{outputs: [{name: a, nodes: [guitar], not: [electric-guitar]}]}")
    bound = load_label_set("{outputs: [{name: a, nodes: [guitar], stems: ['own:gtr']}]}")
    assert len({plain.content_hash, without.content_hash, bound.content_hash}) == 3
    assert load_label_set("mixtures15").content_hash == "62e035d336852e5c"


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("{outputs: [{name: a, rest: true, nodes: [piano]}]}", "invalid-entry", ("a", "rest")),
        ("{outputs: [{name: a, rest: yes please}]}", "invalid-entry", ("a", "rest")),
        ("{outputs: [{name: a, rest: true}, {name: b, rest: true}]}", "repeated-entry", ("a", "b")),
        ("{outputs: [{name: a, nodes: [piano], not: [key]}]}", "invalid-entry", "a"),
        ("{outputs: [{name: a, nodes: [key], not: [pianoo]}]}", "unknown-node", ("pianoo", "piano")),
        ("{outputs: [{name: a, nodes: [key], stems: [other]}]}", "invalid-entry", "musdb18hq:other"),
        (
            "{outputs: [{name: a, nodes: [key], stems: ['x:y']}, {name: b, rest: true, stems: ['x:y']}]}",
            "repeated-entry",
            "x:y",
        ),
    ],
)
def test_what_cannot_be_is_refused(text: str, code: str, mentions: str | tuple[str, ...]) -> None:
    with raises(TaxonomyError, code=code, mentions=mentions):
        load_label_set(text)


def test_the_command_says_it_as_the_file_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["taxonomy", "--labels", "musdb4"]) == 0
    said = capsys.readouterr().out
    assert "percussion, but not mallet-percussion" in said
    assert "the rest; stems musdb18hq:other" in said
