"""Settings, recipes, catalogs, runs and tables that hold something else than they should."""

import csv
import io
import json
import os
import random
import re
import shutil
import sys
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
from mixlab.mixing.effects.sound_files import SoundFile, find_sound
from mixlab.mixing.export import read_recipe
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.mixing.sampler import sample_recipe
from mixlab.taxonomy import load_label_set
from mixlab.utils.csv import csv_text, guarded, unguarded
from mixlab.utils.plugins import ALLOWED
from mixlab.utils.values import as_dataclass
from mixlab.utils.yaml import ExcessError, load_settings_yaml, load_yaml
from tests.conftest import REPO
from tests.errors import raises
from tests.fuzz.laws import VALUES, Law, changed, damaged, watched
from tests.fuzz.test_files_of_corpora import HOSTILE_TEXTS, LAUGHS
from tests.stem_files import make_corpus, tone, write

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


def test_settings_are_of_their_types_or_refused(scale: int) -> None:
    @settings(max_examples=60 * scale)
    @given(st.dictionaries(st.sampled_from(FIELDS), PLAIN, max_size=3))
    def holds(data: dict[str, Any]) -> None:
        try:
            found = as_dataclass(MixConfig, data, "mix")
        except MixlabError:
            return
        assert isinstance(found, MixConfig)

    holds()


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


@pytest.mark.parametrize(
    "file", ["../secret.wav", "/etc/passwd", "a/../../secret.wav", "secret", "\0.wav", ""]
)
def test_a_recipe_names_no_sound_out_of_its_folder(file: str, tmp_path: Path) -> None:
    """Its hash, in the message that it is another one, would say something of any file."""
    (tmp_path / "sounds").mkdir()
    for name in ("secret.wav", "sounds/secret"):
        (tmp_path / name).write_bytes(b"x")
    with watched(), raises(ConfigError, code="sounds-not-found"):
        find_sound(SoundFile(str(tmp_path / "sounds"), file, "0" * 16))
    with watched(), raises(ConfigError, code="sounds-not-found"):
        find_sound(SoundFile("~no-such-user", "a.wav", "0" * 16))


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

FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1")
TO_SPREADSHEETS = {
    "mixlab/taxonomy/label_maps.py": "the row to add to a label map, as it must be written",
    "mixlab/catalog/label_preview.py": "rows of a label map that indexing reads, label for label",
}


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    rows = list(
        csv.reader(io.StringIO(csv_text([["name", text], [text, -0.5], ["-0.25", "+1e3"]]), newline=""))
    )
    assert rows == [["name", f"'{text}"], [f"'{text}", "-0.5"], ["-0.25", "+1e3"]]


@given(st.text(max_size=12) | st.sampled_from([*FORMULAS, *(f"'{text}" for text in FORMULAS)]))
def test_guarded_texts_come_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_every_table_is_written_by_one_function() -> None:
    """A table that is written past ``csv_text``, or exactly, has a reason."""
    found = set()
    for file in sorted(path for folder in ("mixlab", "app") for path in (REPO / folder).rglob("*.py")):
        name, text = file.relative_to(REPO).as_posix(), file.read_text(encoding="utf-8")
        if name == "mixlab/utils/csv.py" or name.startswith("mixlab/synthesis/"):
            continue  # what makes demo corpora writes texts of its own alone
        if re.search(r"csv\.writer|DictWriter|to_csv|csv_text\(.*exact=True", text):
            found.add(name)
    assert found == set(TO_SPREADSHEETS)


def test_problems_named_by_formulas_are_harmless_and_come_back(tmp_path: Path) -> None:
    for name in ("=1+1 violin.wav", "@x piano.wav", "-3 bass.wav"):
        path = tmp_path / "one" / "song" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no audio")
    write(tmp_path / "one" / "more" / "good piano.wav", tone())
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "one"}, workers=1, progress=False)
    with (tmp_path / "catalog" / "problems.csv").open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+", "-"))]
    listed = {Path(problem.path).name for problem in Catalog.open(tmp_path / "catalog").problems()}
    assert {"=1+1 violin.wav", "@x piano.wav", "-3 bass.wav"} <= listed


# ---- names of files ----

ODD_NAMES = (
    *("a\nb piano.wav", "x" * 245 + " bass.wav", "\u202e piano.wav", "'; rm -rf ~ piano.wav"),
    *("\x1b[31m bass.wav", os.fsdecode(b"\xff\xfe piano.wav"), "%00 bass.wav", "$(id) piano.wav"),
    *("<script> bass.wav", "~ piano.wav"),
)


def test_odd_names_of_files_are_stems_or_problems(law: Law, tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret piano.wav"
    good = write(root / "good" / "piano.wav", tone()).read_bytes()
    secret.write_bytes(good)
    (tmp_path / "catalog").mkdir()
    for number, name in enumerate(ODD_NAMES):
        place = root / f"odd {number % 3}" / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(good[: -2 * number - 2])
    (root / "odd 0" / "out piano.wav").symlink_to(secret)
    (root / "odd 1" / "etc").symlink_to("/etc")
    with watched(root, tmp_path / "catalog"):
        law.holds(
            lambda: build_catalog(tmp_path / "catalog", {"folder": root}, workers=1, progress=False), "names"
        )
        catalog = Catalog.open(tmp_path / "catalog")
        law.holds(lambda: use(catalog.path), "use")
    said = "".join(problem.path for problem in catalog.problems())
    assert "out piano.wav" in said
    assert not [path for i in range(len(catalog)) if (path := catalog.audio_path(i)).resolve() == secret]
    named = {catalog.audio_path(i).name for i in range(len(catalog))}
    assert len({name for name in ODD_NAMES if name in named or name in said}) >= len(ODD_NAMES) - 1


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


def test_what_may_be_imported_can_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY.md says so: with ``MIXLAB_PLUGINS`` nothing else is imported, whoever names it."""
    monkeypatch.chdir(tmp_path)
    for name in ("fuzzed_a", "fuzzed_b"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}-ran', 'w').close()\nX = 1\n")
    for allowed in ("", "fuzzed_b", "fuzzed", "fuzzed_a.x, fuzzed_b"):
        monkeypatch.setenv(ALLOWED, allowed)
        with raises(ConfigError, code="plugin-refused", mentions=("fuzzed_a:X", ALLOWED)):
            find_effect("fuzzed_a:X")
    assert not (tmp_path / "fuzzed_a-ran").exists()
    with raises(ConfigError, code="unfit-plugin", mentions="fuzzed_b:X"):
        find_effect("fuzzed_b:X")
    assert find_effect("gain")


def test_modules_of_python_itself_are_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some do things when they are: this one opens a browser."""
    monkeypatch.setattr("webbrowser.open", lambda *_, **__: pytest.fail("a browser was opened"))
    with raises(ConfigError, code="plugin-refused", mentions="antigravity"):
        find_effect("antigravity:geohash")
    assert "antigravity" not in sys.modules


def test_addresses_of_the_explorer(scale: int) -> None:
    @settings(max_examples=100 * scale)
    @given(
        st.dictionaries(st.text(max_size=8) | st.just("mix"), st.text(max_size=20)),
        st.lists(st.text(max_size=20)),
    )
    def holds(query: dict[str, str], names: list[str]) -> None:
        assert all(isinstance(part, str) for part in read_link(query))
        extreme = ("9" * 5000 + ".1 x", "1." + "9" * 5000 + " x", "\u0661.\u0661 x", "0.1 mixture: x")
        for name in (*names, *extreme):
            assert all(source >= -1 and effect >= -1 for source, effect in bypass_pairs([name]))

    holds()


FOLDERS = ("\0", "~no-such-user", "x" * 5000, "a\nb", "\ud800", "/dev/null", "", " ", "../" * 2000)


@pytest.mark.parametrize("typed", FOLDERS)
def test_folders_typed_into_the_explorer(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be a folder is none; the page goes on."""
    from app.data.mixes import find_location
    from app.data.runs import find_found
    from app.views import runs_locations

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs_locations.st, "session_state", {runs_locations.KEY: typed})
    assert find_location(typed) is None
    for folder, _ in runs_locations.locations(None):
        assert not find_found(((folder, 0),)), "an address or a typo finds no run"


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


QUERIES: tuple[dict[str, str], ...] = (
    {"seed": "9" * 400, "index": "-1", "p": "nan", "split": "../../etc", "mix_kind": "<script>"},
    {"seed": "1e999", "index": "0x10", "contains": "=1+1", "effects": "\0", "bypass": "9" * 3000 + ".1 x"},
    {"from_run": "/etc/passwd", "catalog": "../..", "mix": "\u202e", "index": "\u0661"},
    {"settings": '{"effects": {"custom": ["antigravity:geohash"]}, "label_set": "/etc/passwd.yaml"}'},
    {"settings": "[" * 5000},
)


@pytest.mark.slow
@pytest.mark.parametrize("query", range(len(QUERIES)))
def test_a_page_opens_whatever_its_address_says(
    query: int, small: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamlit.testing.v1 import AppTest

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIXLAB_CATALOG", str(small.path))
    page = AppTest.from_file(str(REPO / "app" / "main.py"), default_timeout=120)
    for name, value in QUERIES[query].items():
        page.query_params[name] = value
    own = REPO / "pyproject.toml", Path.home() / ".streamlit"
    with watched(tmp_path, small.path, *small.roots.values(), *own):
        page.run()
    assert not page.exception
    assert any("<h2>Audition</h2>" in html.proto.body for html in page.get("html"))


def test_a_run_in_an_address_is_no_path(tmp_path: Path) -> None:
    from app.data.runs import find_run

    (tmp_path / "run.json").write_text("{}")
    for name in (str(tmp_path), "../../etc", ".", "", "\0", "x" * 5000):
        with watched():
            assert find_run((), name) is None
