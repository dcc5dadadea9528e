"""Files of recipes: read as they were written, rendered wherever their stems are, refused where damaged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab import Catalog, MixConfig, build_catalog, render_mix, sample_recipe
from mixlab.cli.main import main
from mixlab.errors import CatalogMismatchError, OutOfRangeError, RecipeError
from mixlab.sharing.recipe_files import read_recipes, recipe_lines
from tests.errors import raises
from tests.toy import make_corpus

ITEMS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, its catalog and recipes of it."""
    folder = tmp_path_factory.mktemp("here")
    make_corpus(folder / "corpus", 8, seed=1)
    build_catalog(folder / "catalog", {"folder": folder / "corpus"}, workers=1, progress=False)
    arguments = ["recipes", str(folder / "catalog"), "--items", str(ITEMS), "--out", str(folder / "r.jsonl")]
    assert main(arguments) == 0
    return folder


def test_recipes_are_read_as_they_were_sampled(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalog, file = Catalog.open(made / "catalog"), read_recipes(made / "r.jsonl")
    assert len(file) == ITEMS
    expected = [sample_recipe(catalog, MixConfig(), 0, 0, n) for n in range(ITEMS)]
    assert [file.recipe(n) for n in range(ITEMS)] == expected
    assert set(file.stems) == {source.stem for recipe in expected for source in recipe.sources}
    assert all(source.digest == file.stems[source.stem] for source in file.recipe(3).sources)
    assert MixConfig.from_dict(file.config) == MixConfig()
    with raises(OutOfRangeError, code="index-out-of-range", mentions=ITEMS):
        file.recipe(ITEMS)
    capsys.readouterr()
    assert main(["recipes", str(made / "catalog"), "--items", str(ITEMS)]) == 0
    assert capsys.readouterr().out == (made / "r.jsonl").read_text()
    assert str(made) not in (made / "r.jsonl").read_text()


def test_recipes_of_several_lengths_and_without_instruments_survive(made: Path, tmp_path: Path) -> None:
    catalog = Catalog.open(made / "catalog")
    config = MixConfig(min_duration_s=1.0, p_negative=0.5, mixture_lufs=(-30.0, -20.0), snr_db=(-3.0, 3.0))
    expected = [sample_recipe(catalog, config, 1, 2, n) for n in range(ITEMS)]
    (tmp_path / "r.jsonl").write_text("\n".join(recipe_lines(expected, catalog, config)) + "\n")
    file = read_recipes(tmp_path / "r.jsonl")
    assert [file.recipe(n) for n in range(ITEMS)] == expected
    assert [file.recipe(n).mix_id for n in range(ITEMS)] == [recipe.mix_id for recipe in expected]


def test_a_colleague_with_the_corpora_elsewhere_and_other_songs_renders_the_same(
    made: Path, tmp_path: Path
) -> None:
    make_corpus(tmp_path / "elsewhere", 10, seed=1)  # the same songs and two more
    make_corpus(tmp_path / "other", 4, seed=5)
    roots = {"folder": tmp_path / "elsewhere", "folder@other": tmp_path / "other"}
    build_catalog(tmp_path / "catalog", roots, workers=1, progress=False)
    here, there = Catalog.open(made / "catalog"), Catalog.open(tmp_path / "catalog")
    assert here.content_hash != there.content_hash
    file = read_recipes(made / "r.jsonl")
    file.check(there)
    for n in (0, 5, 11):
        expected, found = render_mix(file.recipe(n), here), render_mix(file.recipe(n), there)
        assert np.array_equal(expected.mixture, found.mixture)
        assert np.array_equal(expected.target, found.target)
    arguments = ["--recipes", str(made / "r.jsonl"), "--index", "4:6"]
    for name, catalog in (("a", here), ("b", there)):
        assert main(["mix", str(catalog.path), "--out", str(tmp_path / name), *arguments]) == 0
    written = {path.relative_to(tmp_path / "a"): path for path in (tmp_path / "a").rglob("*.*")}
    assert len(written) > 6
    for name, path in written.items():
        assert path.read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_missing_and_changed_stems_are_named_before_anything_is_rendered(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = read_recipes(made / "r.jsonl")
    key = min(file.stems)
    song = key.split("/")[1]
    shutil.copytree(made / "corpus", tmp_path / "fewer")
    shutil.rmtree(tmp_path / "fewer" / song)
    table = tmp_path / "fewer" / "stems.csv"
    table.write_text("".join(x for x in table.read_text().splitlines(True) if f"{song}/" not in x))
    build_catalog(tmp_path / "catalog", {"folder": tmp_path / "fewer"}, workers=1, progress=False)
    with raises(CatalogMismatchError, code="unknown-stem", mentions=key):
        file.check(Catalog.open(tmp_path / "catalog"))
    command = ["export", str(tmp_path / "catalog"), str(tmp_path / "out"), "--recipes", str(made / "r.jsonl")]
    assert main(command) == 2
    assert "error [unknown-stem]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    shutil.copytree(made / "corpus", tmp_path / "changed")
    catalog = Catalog.open(made / "catalog")
    path = tmp_path / "changed" / str(catalog.column("path")[catalog.find(key)])
    audio, rate = soundfile.read(path, dtype="int16", always_2d=True)
    audio[100] ^= 1
    soundfile.write(path, audio, rate, subtype="PCM_16")
    build_catalog(tmp_path / "catalog2", {"folder": tmp_path / "changed"}, workers=1, progress=False)
    with raises(CatalogMismatchError, code="stem-changed", mentions=(key, "audio")):
        file.check(Catalog.open(tmp_path / "catalog2"))


def damaged(lines: list[str]) -> dict[str, tuple[list[str], str]]:
    header = json.loads(lines[0])
    return {
        "cut off": (lines[:-1], "invalid-recipe"),
        "half a line": ([*lines[:-1], lines[-1][:40]], "invalid-recipe"),
        "no header": (lines[1:], "invalid-recipe"),
        "no object": (["[]", *lines[1:]], "invalid-recipe"),
        "deep": (["[" * 100_000, *lines[1:]], "invalid-recipe"),
        "later": ([json.dumps({**header, "mixlab_recipes": 99}), *lines[1:]], "recipe-version"),
        "stems": ([json.dumps({**header, "stems": {"a": 3}}), *lines[1:]], "invalid-recipe"),
        "digest": ([json.dumps({**header, "stems": {"a": "3"}}), *lines[1:]], "unknown-stem"),
        "common": ([json.dumps({**header, "common": {}}), *lines[1:]], "recipe-version"),
    }


def test_damaged_files_are_refused(made: Path, tmp_path: Path) -> None:
    catalog = Catalog.open(made / "catalog")
    for lines, code in damaged((made / "r.jsonl").read_text().splitlines()).values():
        (tmp_path / "r.jsonl").write_text("\n".join(lines) + "\n")
        with raises((RecipeError, CatalogMismatchError), code=code):
            file = read_recipes(tmp_path / "r.jsonl")
            for n in range(len(file)):
                file.recipe(n)
            file.check(catalog)
    with raises(RecipeError, code="unreadable-file", mentions="none.jsonl"):
        read_recipes(tmp_path / "none.jsonl")
    with raises(RecipeError, code="invalid-recipe"):
        next(recipe_lines([], catalog, MixConfig()))
