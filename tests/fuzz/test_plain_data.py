"""Settings, recipes, catalogs, runs and tables that hold something else than they should."""

import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.links import bypass_pairs, read_link
from mixlab.catalog.build import build_catalog
from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.corpora.metadata import read_file
from mixlab.errors import CatalogError, ConfigError, MixlabError, RecipeError, TaxonomyError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects import find_effect
from mixlab.mixing.export import read_recipe
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.taxonomy import load_label_set
from mixlab.utils.values import as_dataclass
from mixlab.utils.yaml import ExcessError, load_settings_yaml, load_yaml
from tests.errors import raises
from tests.fuzz.laws import VALUES, Law, changed, damaged, watched
from tests.fuzz.test_files_of_corpora import HOSTILE_TEXTS, LAUGHS
from tests.stem_files import make_corpus

SHORT = MixConfig(duration_s=0.5)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog of a dozen stems of a second."""
    folder = tmp_path_factory.mktemp("small")
    make_corpus(folder / "one", 6)
    build_catalog(folder / "catalog", {"folder": folder / "one"}, workers=1, progress=False)
    return Catalog.open(folder / "catalog")


# ---- YAML and settings ----

MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{k + 1}: &a{k + 1} {{<<: [{','.join([f'*a{k}'] * 10)}], k{k}: 1}}\n" for k in range(30)
)
BOMBS = {
    "laughs": LAUGHS.decode(),
    "merges": MERGES,
    "a long text named often": f"a: &a {'x' * 100_000}\nb: [{'*a,' * 100_000}]",
    "itself": "a: &a [*a]",
    "a chain": "a0: &a0 [x]\n" + "".join(f"a{k + 1}: &a{k + 1} [*a{k}]\n" for k in range(1000)),
    "deep lists": "[" * 100_000,
    "deep dashes": "- " * 100_000 + "x",
    "base 60": "a: " + "1:" * 100_000 + "1",
    "base 60, a fraction": "a: " + "1:" * 100_000 + "1.5",
    "digits": "a: " + "9" * 100_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_text_that_blows_up_is_refused_at_once(bomb: str, tmp_path: Path, law: Law) -> None:
    begin = time.process_time()
    for read in (load_yaml, load_settings_yaml):
        with pytest.raises(ExcessError, match="line"):
            read(BOMBS[bomb])
    path = tmp_path / "own.yaml"
    path.write_text(BOMBS[bomb])
    for read_own in (
        lambda: load_label_set(str(path)),
        lambda: MixConfig.from_yaml(path),
        lambda: read_file(path),
    ):
        law.holds(read_own, bomb, names=path)
    assert law.refused == law.cases
    assert time.process_time() - begin < 5.0


def test_aliases_of_honest_files_are_read() -> None:
    assert load_yaml("x: &x {a: 1}\ny: *x\nz: {<<: *x}") == {"x": {"a": 1}, "y": {"a": 1}, "z": {"a": 1}}
    assert len(load_yaml("x: &x [1, 2]\ny: [" + "*x," * 10_000 + "]")["y"]) == 10_000


@pytest.mark.parametrize(
    "text", ["!!bool maybe", "!!int ''", "!!float ''", "!!timestamp soon", "!!int 0x", "? [1]\n: 2"]
)
def test_what_a_tag_promises_and_no_value_keeps(text: str) -> None:
    with pytest.raises((ValueError, yaml.YAMLError)):
        load_yaml(text)


CONFIGS: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (b"out: \xff\xfe\n", "unreadable-file"),
    "deep": (b"mix: " + b"[" * 100_000, "invalid-syntax"),
    "a bomb": (LAUGHS, "invalid-syntax"),
    "zeros": (b"\0\0", "invalid-syntax"),
    "a list": (b"- 1\n", "invalid-setting"),
    "nothing": (b"", "invalid-setting"),
    "an object": (b"out: !!python/object/apply:os.system [ls]\n", "invalid-syntax"),
    "a tag": (b"out: !!bool maybe\n", "invalid-syntax"),
}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("nested", [False, True], ids=["itself", "named by another"])
def test_a_damaged_file_of_settings(
    kind: str, nested: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], law: Law
) -> None:
    data, code = CONFIGS[kind]
    path = tmp_path / "own.yaml"
    path.write_bytes(data)
    given_path = path
    if nested:
        given_path = tmp_path / "outer.yaml"
        given_path.write_text("mix: own.yaml\n")
    with watched(tmp_path):
        assert law.holds(lambda: main(["mix", "CATALOG", "--config", str(given_path)]), kind) == 2
    said = capsys.readouterr().err
    assert f"error [{code}]" in said
    assert str(path) in said


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["musical", "1e3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("p_musical", "duration_s", "sample_rate", "effects", "strategies", "label_set", "corpora", "snr_db")


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(FIELDS), PLAIN, max_size=3))
def test_settings_are_of_their_types_or_refused(data: dict[str, Any]) -> None:
    try:
        found = as_dataclass(MixConfig, data, "mix")
    except MixlabError:
        return
    assert isinstance(found, MixConfig)


# ---- recipes ----


def test_recipes_with_other_values(small: Catalog, law: Law, scale: int, tmp_path: Path) -> None:
    rng = random.Random(20)
    whole = [sample_recipe(small, SHORT, 0, 0, index).encode() for index in range(4)]
    path = tmp_path / "recipe.json"

    def render() -> None:
        recipe = read_recipe(path)
        assert recipe.mix_id
        assert MixRecipe.from_json(recipe.to_json()) == recipe
        render_mix(recipe, small)

    with watched(tmp_path, small.path, *small.roots.values()):
        for _ in range(120 * scale):
            data, said = changed(rng.choice(whole), rng, VALUES)
            path.write_text(json.dumps(data))
            law.holds(render, said)
        for text in HOSTILE_TEXTS:
            path.write_bytes(text)
            law.holds(render, repr(text[:40]), names=path)
        for _ in range(20 * scale):
            text, said = damaged(json.dumps(rng.choice(whole)).encode(), rng)
            path.write_bytes(text)
            law.holds(render, said)


@pytest.mark.parametrize("name", ["seed", "epoch", "index", "attempt"])
def test_a_place_in_the_stream_that_cannot_be(name: str, small: Catalog) -> None:
    data = sample_recipe(small, SHORT, 0, 0, 0).encode()
    for value in (10**24, -1):
        with raises(RecipeError, code="recipe-out-of-range", mentions=(name, value)):
            MixRecipe.decode({**data, name: value})


def test_a_recipe_names_no_file_to_read(small: Catalog, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("outputs: [{name: keys, nodes: [piano]}]\n")
    data = sample_recipe(small, SHORT, 0, 0, 0).encode()
    data["render"]["label_set"] = str(secret)
    with watched(), raises(RecipeError, code="invalid-recipe", mentions=secret):
        MixRecipe.decode(data)


# ---- catalogs ----


def use(folder: Path) -> None:
    """Do with a catalog what its readers do."""
    catalog = Catalog.open(folder)
    assert repr(catalog)
    for i in range(len(catalog)):
        catalog.stem(i), catalog.envelope(i), catalog.active_cumulative(i), catalog.audio_path(i)
    catalog.problems(), catalog.songs()
    render_mix(sample_recipe(catalog, SHORT, 0, 0, 0), catalog)


def test_catalog_json_with_other_values(small: Catalog, law: Law, scale: int, tmp_path: Path) -> None:
    rng, folder = random.Random(21), tmp_path / "catalog"
    shutil.copytree(small.path, folder)
    path = folder / "catalog.json"
    whole = json.loads(path.read_text())
    whole["subset_of"] = [{"path": str(small.path), "content_hash": "x"}]
    with watched(folder, *small.roots.values()):
        for _ in range(150 * scale):
            data, said = changed(whole, rng, VALUES)
            path.write_text(json.dumps(data))
            law.holds(lambda: use(folder), said)
        for text in HOSTILE_TEXTS:
            path.write_bytes(text)
            law.holds(lambda: use(folder), repr(text[:40]), names=path)


@pytest.mark.parametrize("name", ["active.npy", "activity.npy", "stems.parquet", "problems.csv"])
def test_files_of_a_catalog_with_other_bytes(
    name: str, small: Catalog, law: Law, scale: int, tmp_path: Path
) -> None:
    rng, folder = random.Random(22), tmp_path / "catalog"
    shutil.copytree(small.path, folder)
    path, whole = folder / name, (small.path / name).read_bytes()
    with watched(folder, *small.roots.values()):
        for _ in range(40 * scale):
            data, said = damaged(whole, rng, head=128)
            path.write_bytes(data)
            law.holds(lambda: use(folder), f"{name} {said}")


@pytest.mark.parametrize(
    ("change", "mentions"),
    [
        (lambda m: m.update(roots=[1]), ("roots", "catalog.json")),
        (lambda m: m.update(roots={"folder": 5}), ("roots",)),
        (lambda m: m.update(roots={"folder": {"path": "a\0b"}}), ("roots",)),
        (lambda m: m.update(generation="../../../x"), ("generation",)),
        (lambda m: m.update(hops=10**24), ("hops",)),
        (lambda m: m.pop("split"), ("split",)),
    ],
)
def test_a_catalog_json_says_which_entry_is_wrong(
    change: Callable[[dict[str, Any]], object], mentions: tuple[str, ...], small: Catalog, tmp_path: Path
) -> None:
    folder = tmp_path / "catalog"
    shutil.copytree(small.path, folder)
    meta = json.loads((folder / "catalog.json").read_text())
    change(meta)
    (folder / "catalog.json").write_text(json.dumps(meta))
    with raises(CatalogError, code="catalog-damaged", mentions=(*mentions, f"mixlab index {folder}")):
        Catalog.open(folder)


def test_an_array_with_a_damaged_header_or_a_row_beyond_it(small: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    shutil.copytree(small.path, folder)
    path = folder / "active.npy"
    whole = path.read_bytes()
    for other in (
        whole[:60],
        whole.replace(b"'<u4'", b"'|O' "),
        whole.replace(b"{'descr'", b"{(((((("),
        whole[:-4],
    ):
        path.write_bytes(other)
        with watched(folder), raises(CatalogError, code="catalog-damaged", mentions=path):
            Catalog.open(folder)


# ---- tables for spreadsheets ----


# ---- names of plug-ins, and addresses of the explorer ----

PLUGIN_NAMES = (
    *(
        "os:system",
        "os:path.join",
        "subprocess:Popen",
        "builtins:exec",
        "__main__:X",
        "",
        ":",
        "a:",
        ":b",
        "a b:c",
    ),
    *(
        "..:x",
        "../x:y",
        "/etc/passwd:x",
        "http://x/y:z",
        "\0:x",
        "a\nb:c",
        "x" * 5000 + ":y",
        "é:é",
        "os:__dict__",
    ),
    *("mixlab.errors:MixlabError", "mixlab.mixing.effects.basic:Nothing", "no_such_module:X", "os.path.x:y"),
)


def test_names_of_plugins(law: Law, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in PLUGIN_NAMES:
        with watched(tmp_path):
            assert law.holds(lambda name=name: find_effect(name), name) is None


def test_a_name_of_a_plugin_imports_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY.md says so: who may choose the name may run what lies on sys.path, and nothing else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fuzzed_plugin.py").write_text("open('it-ran', 'w').close()\nX = 1\n")
    with raises(ConfigError, code="unfit-plugin", mentions="fuzzed_plugin:X"):
        find_effect("fuzzed_plugin:X")
    assert (tmp_path / "it-ran").exists()


@settings(max_examples=100)
@given(
    st.dictionaries(st.text(max_size=8) | st.just("mix"), st.text(max_size=20)),
    st.lists(st.text(max_size=20)),
)
def test_addresses_of_the_explorer(query: dict[str, str], names: list[str]) -> None:
    assert all(isinstance(part, str) for part in read_link(query))
    for name in (*names, "9" * 5000 + ".1 x", "1." + "9" * 5000 + " x", "\u0661.\u0661 x", "0.1 mixture: x"):
        assert all(source >= -1 and effect >= -1 for source, effect in bypass_pairs([name]))


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_label_sets(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(text)
    with watched(tmp_path), pytest.raises(TaxonomyError, match=r"own\.yaml"):
        load_label_set(str(path))


def test_settings_name_no_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of settings has its own class built in place of mixlab's: jsonargparse could."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fuzzed_class.py").write_text("open('it-ran', 'w').close()\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for place in ("mix", "mix:\n  effects", "mix:\n  matched"):
        indent = "    " if ":" in place else "  "
        (tmp_path / "own.yaml").write_text(f"{place}:\n{indent}class_path: fuzzed_class.Evil\n")
        assert main(["mix", "CATALOG", "--config", "own.yaml"]) == 2
    (tmp_path / "outer.yaml").write_text("mix: own.yaml\n")
    (tmp_path / "own.yaml").write_text("effects:\n  class_path: fuzzed_class.Evil\n")
    assert main(["mix", "CATALOG", "--config", "outer.yaml"]) == 2
    assert not (tmp_path / "it-ran").exists()


def test_a_run_in_an_address_is_no_path(tmp_path: Path) -> None:
    from app.data.runs import find_run

    (tmp_path / "run.json").write_text("{}")
    for name in (str(tmp_path), "../../etc", ".", "", "\0", "x" * 5000):
        with watched():
            assert find_run((), name) is None
