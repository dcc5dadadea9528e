"""Settings of the mixing as plain data and YAML: what is written is read back, and the commands take it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError, OutputError, TaxonomyError
from mixlab.mixing import EffectsConfig, MixConfig
from mixlab.mixing.effects_config import FilterRange, GainRange
from mixlab.mixing.export import read_recipe
from mixlab.mixing.sampler import sample_recipe
from tests.conftest import REPO
from tests.errors import raises
from tests.own_effects import HISS, TREMOLO

OWN = (
    '{"name": "own: \\u00e9", "outputs": [{"name": "no", "nodes": ["guitar"]}, {"name": "1e3", "nodes": []}]}'
)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8)
UNIT = st.floats(0, 1)


def ranges(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    """Ranges ``(low, high)`` within bounds."""
    bounds = st.floats(low, high)
    return st.tuples(bounds, bounds).map(lambda pair: (min(pair), max(pair)))


@st.composite
def effects(draw: Callable[..., Any]) -> EffectsConfig:
    custom = st.lists(
        st.one_of(
            st.just(TREMOLO),
            st.fixed_dictionaries(
                {"effect": st.just(HISS), "p": UNIT, "level_db": st.floats(-90, -30)},
                optional={"colours": st.lists(NAMES, max_size=2)},
            ),
        ),
        max_size=3,
    )
    return EffectsConfig(
        gain=GainRange(draw(UNIT), draw(ranges(-60, 24))),
        filter=FilterRange(p=draw(UNIT), peak_hz=draw(ranges(10, 96000)), q=draw(ranges(0.1, 20))),
        custom=draw(custom),
    )


@st.composite
def configs(draw: Callable[..., Any]) -> MixConfig:
    sources = draw(st.tuples(st.integers(1, 50), st.integers(1, 50)).map(sorted))
    duration_s = draw(st.floats(0.1, 600))
    return MixConfig(
        p_musical=draw(UNIT),
        min_sources=sources[0],
        max_sources=sources[1],
        full=draw(st.booleans()),
        duration_s=duration_s,
        short_songs=draw(st.sampled_from(["exclude", "allow"])),
        sample_rate=draw(st.integers(4000, 192000)),
        channels=draw(st.integers(1, 2)),
        corpora=tuple(draw(st.lists(NAMES, max_size=3))),
        corpus_weights=draw(st.dictionaries(NAMES, st.floats(0, 1e12), max_size=3)),
        activity_db=draw(st.floats(-70, 0)),
        effects=draw(effects()),
        label_set=draw(st.sampled_from(["mixtures15", "irmas11", OWN])),
        min_active_s=draw(st.floats(0, duration_s)),
    )


@settings(max_examples=60)
@given(configs())
def test_what_is_written_is_read_back(config: MixConfig) -> None:
    for again in (MixConfig.from_yaml(config.to_yaml()), MixConfig.from_dict(config.to_dict())):
        assert again == config
        assert again.content_hash == config.content_hash
    assert yaml.safe_load(config.to_yaml()) == {"mix": config.to_dict()}


@pytest.mark.parametrize(
    "name", ["\x85", "a\u2028b\u2029", "é\x85", "Björn", " #x: ", "no", "1e3", "\t\n'\"", "\ufeff"]
)
def test_any_name_is_read_back(name: str) -> None:
    config = MixConfig(corpora=(name,), corpus_weights={name: 0.5})
    assert MixConfig.from_yaml(config.to_yaml()) == config


@settings(max_examples=20)
@given(configs())
def test_the_representation_is_what_makes_it(config: MixConfig) -> None:
    from mixlab.mixing import effects_config

    assert eval(repr(config), {**vars(effects_config), "MixConfig": MixConfig}) == config


def test_the_representation_holds_what_differs() -> None:
    config = MixConfig(p_musical=0.3, effects={"gain": {"p": 0.0}})  # type: ignore[arg-type]
    assert repr(config) == "MixConfig(p_musical=0.3, effects=EffectsConfig(gain=GainRange(p=0.0)))"
    assert repr(MixConfig()) == "MixConfig()"


@pytest.mark.parametrize("command", [["mix", "catalog"], ["train"], ["baseline"], ["study", "p_musical"]])
def test_what_a_command_prints_is_read(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([*command, "--mix.p_musical", "0.25", "--mix.label_set", OWN, "--print_config"])
    assert MixConfig.from_yaml(capsys.readouterr().out) == MixConfig(p_musical=0.25, label_set=OWN)


@pytest.mark.parametrize("file", ["mix.yaml", "train.yaml", "paper.yaml", "demo.yaml"])
def test_the_shipped_files_are_read(file: str) -> None:
    found = MixConfig.from_yaml(REPO / "configs" / file)
    stated = yaml.safe_load((REPO / "configs" / file).read_text(encoding="utf-8"))["mix"]
    numbers = {name: value for name, value in stated.items() if isinstance(value, int | float)}
    assert numbers
    assert {name: getattr(found, name) for name in numbers} == numbers


def test_a_command_takes_what_is_written(toy: Catalog, tmp_path: Path) -> None:
    custom = [TREMOLO, {"effect": HISS, "p": 1.0, "level_db": -50.0}]
    config = MixConfig(
        p_musical=0.0,
        duration_s=1.0,
        label_set=OWN,
        corpora=("folder",),
        corpus_weights={"folder": 2.0},
        effects=EffectsConfig(custom=custom),
    )
    file = tmp_path / "written.yaml"
    config.to_yaml(file)
    out = tmp_path / "mixes"
    assert main(["mix", str(toy.path), "--config", str(file), "--index", "3", "--out", str(out)]) == 0
    assert read_recipe(out / "000003" / "recipe.json") == sample_recipe(toy, config, 0, 0, 3)
    assert MixConfig.from_yaml(str(file)) == config


def test_a_part_has_defaults_for_the_rest() -> None:
    assert MixConfig.from_yaml("p_musical: 0.2\nmin_active_s: 1e-1") == MixConfig(
        p_musical=0.2, min_active_s=0.1
    )
    assert MixConfig.from_yaml("mix:\ntrain: {epochs: 3}") == MixConfig()
    own = REPO / "taxonomy" / "labels" / "irmas11.yaml"
    assert MixConfig.from_yaml(f"label_set: {own}") == MixConfig(label_set=str(own))
    effects = {"filter": {"q": [1, 2]}}
    assert MixConfig.from_dict({"mix": {"effects": effects}, "out": "x"}) == MixConfig(effects=effects)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "code", "mentions"),
    [
        ("p_musicl: 0.4", "unknown-setting", ("mix", "p_musicl", "p_musical")),
        ("mix: {effects: {gian: {p: 0}}}", "unknown-setting", ("mix.effects", "gian", "gain")),
        ("mix: {effects: {gain: {dB: [0, 1]}}}", "unknown-setting", ("dB", "db")),
        ("train: {epochs: 3}", "unknown-setting", ("train", "p_musical")),
        ("mix: {}\np_musical: 0.1", "conflicting-settings", ("p_musical", "mix")),
        ("mix: mix.yaml\nout: x", "invalid-setting", ("mix", "mix.yaml")),
        ("p_musical: often", "invalid-setting", ("mix.p_musical", "often")),
        ("p_musical: 1.5", "invalid-setting", ("mix.p_musical", "1.5")),
        ("configs/mix", "invalid-setting", ("configs/mix", ".yaml")),
        ("", "invalid-setting", ("mix", "None")),
        ("p_musical: 0\np_musical: 1", "invalid-syntax", ("p_musical", "2")),
        ("p_musical: [", "invalid-syntax", "mix"),
        ("[" * 100 + "]" * 100, "invalid-syntax", "64"),
    ],
)
def test_what_is_wrong_is_named(text: str, code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        MixConfig.from_yaml(text)


def test_what_is_wrong_with_a_file_names_it(tmp_path: Path) -> None:
    with raises(ConfigError, code="unreadable-file", mentions=tmp_path / "none.yaml"):
        MixConfig.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "wrong.yaml").write_text("mix: {channels: 5}")
    with raises(ConfigError, code="invalid-setting", mentions=("mix.channels", 5)):
        MixConfig.from_yaml(tmp_path / "wrong.yaml")
    (tmp_path / "latin").write_bytes(b"\xe9: 1")
    with raises(ConfigError, code="unreadable-file", mentions=tmp_path / "latin"):
        MixConfig.from_yaml(tmp_path / "latin")
    with raises(TaxonomyError, code="plugin-not-found", mentions="mixtures"):
        MixConfig.from_dict({"label_set": "mixtures"})
    with raises(ConfigError, code="invalid-setting", mentions=("mix", 3)):
        MixConfig.from_dict(3)  # type: ignore[arg-type]
    with raises(OutputError, code="output-not-writable", mentions=tmp_path / "latin"):
        MixConfig().to_yaml(tmp_path / "latin" / "mix.yaml")
