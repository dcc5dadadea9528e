"""YAML and JSON as plain data: a key that stands twice is named with its lines, never half read."""

import json
from pathlib import Path

import pytest
import yaml

from mixlab.cli.main import main
from mixlab.corpora._fields import parse_yaml
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import load_label_set
from mixlab.utils.yaml import RepeatedKeyError, load_json, load_yaml, refuse_repeated_keys
from tests.errors import raises

REPEATED = [
    ("a: 1\nb: 2\na: 3", "'a' is in line 1 and again in line 3"),
    ("stems:\n  S01: {x: 1}\n  S02: {x: 1}\n  S01: {x: 2}", "'S01' is in line 2 and again in line 4"),
    ("- {x: 1,\n   x: 2}", "'x' is in line 1 and again in line 2"),
    ("1: a\n0x1: b", "'1' is in line 1 and again in line 2"),
    ("yes: a\n'yes': b\ntrue: c", "'True' is in line 1 and again in line 3"),
    ("'a': 1\n\"a\": 1", "'a' is in line 1 and again in line 2"),
    ("a: {b: {c: [{d: 1, e: 2, d: 1}]}}", "'d' is in line 1 and again in line 1"),
    ("x: &x {a: 1}\ny:\n  <<: *x\n  b: 1\n  b: 2", "'b' is in line 4 and again in line 5"),
    ("x: &x {a: 1}\ny: {<<: *x,\n<<: *x}", "'<<' is in line 2 and again in line 3"),
    ("!!set {a, b,\na}", "'a' is in line 1 and again in line 2"),
]


@pytest.mark.parametrize(("content", "said"), REPEATED)
def test_a_repeated_key_is_named_with_both_lines(content: str, said: str) -> None:
    with pytest.raises(RepeatedKeyError, match=said):
        load_yaml(content)
    with pytest.raises(RepeatedKeyError, match=said):
        refuse_repeated_keys(content)
    with pytest.raises(ValueError, match=said):
        parse_yaml(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- {a: 1}\n- {a: 2}", [{"a": 1}, {"a": 2}]),
        ("a: {b: 1}\nc: {b: 1}", {"a": {"b": 1}, "c": {"b": 1}}),
        ("1: a\n'1': b", {1: "a", "1": "b"}),
        ("a: &x {b: 1}\nc: *x\nd: *x", {"a": {"b": 1}, "c": {"b": 1}, "d": {"b": 1}}),
        # What is merged in may be overruled, also in a mapping that is merged in turn.
        (
            "x: &x {k: 1}\ny: &y {<<: *x, k: 2}\nz: {<<: *y, k: 3}",
            {"x": {"k": 1}, "y": {"k": 2}, "z": {"k": 3}},
        ),
        ("x: &x {k: 1}\ny: &y {k: 2}\nz: {<<: [*x, *y]}", {"x": {"k": 1}, "y": {"k": 2}, "z": {"k": 1}}),
    ],
)
def test_what_only_looks_repeated_is_read(content: str, expected: object) -> None:
    assert load_yaml(content) == expected
    refuse_repeated_keys(content)


@pytest.mark.parametrize(
    ("content", "said"), [("{[", "while parsing"), ("a: 2014-13-45", "month"), ("? [1]\n: 2", "unhashable")]
)
def test_other_errors_are_left_to_the_loader_that_reads(content: str, said: str) -> None:
    refuse_repeated_keys(content)  # says nothing
    with pytest.raises((ValueError, yaml.YAMLError), match=said):
        load_yaml(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": 1,\n"b": 2,\n"a": 3}', r"'a' twice \(it stands in line 1, 3\)"),
        ('[{"x": {"y": 1, "y": 1}}]', r"'y' twice \(it stands in line 1\)"),
        ('{"\u00e9": 1, "\u00e9": 2}', "'\u00e9' twice"),
        ('{"a": 1', "delimiter"),
        ("[" * 100_000, "nested beyond reason"),
    ],
)
def test_json_that_contradicts_itself(content: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_json(content)


def test_json_without_repeats() -> None:
    data = {"a": [{"b": 1}, {"b": 2}], "c": {"b": None}}
    assert load_json(json.dumps(data)) == data


def test_label_sets_of_users(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\noutputs:\n  - {name: keys, nodes: [piano]}\nname: other\n")
    with raises(TaxonomyError, code="invalid-syntax", mentions=("mine.yaml", "4", "name", "1")):
        load_label_set(str(path))


def test_settings_of_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "index.yaml"
    path.write_text("out: x\nseed: 1\nseed: 2\n")
    assert main(["index", "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert "the key 'seed' is in line 2 and again in line 3" in said
    assert str(path) in said


def test_all_real_metadata_still_loads(shared: Path, repo: Path) -> None:
    """No published file has a key twice."""
    places = [shared / "datasets", repo / "taxonomy", repo / "configs"]
    files = [path for place in places for path in sorted(place.rglob("*.y*ml"))]
    assert len(files) > 590
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert load_yaml(text) == yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for path in sorted((shared / "datasets").rglob("*.json")):
        load_json(path.read_text(encoding="utf-8"))
