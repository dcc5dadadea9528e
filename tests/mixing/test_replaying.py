"""Recipes on other catalogs: rendered where their stems are, else refused by the stem's name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab import Catalog, MixConfig, MixRecipe, build_catalog, render_mix, sample_recipe
from mixlab.audio.io import write_wav
from mixlab.catalog.stem_digests import compare_digests, stem_digest
from mixlab.errors import CatalogMismatchError, RecipeError
from mixlab.mixing.replaying import check_stems, with_digests
from tests.errors import raises
from tests.toy import RATE, make_corpus


def index(folder: Path, root: Path, name: str = "folder") -> Catalog:
    build_catalog(folder, {name: root}, workers=1, progress=False)
    return Catalog.open(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, Path]:
    root = tmp_path_factory.mktemp("here") / "corpus"
    make_corpus(root, 8, seed=1)
    return index(root.parent / "catalog", root), root


def recipes(catalog: Catalog, count: int = 6) -> list[MixRecipe]:
    return [with_digests(sample_recipe(catalog, MixConfig(), 0, 0, n), catalog) for n in range(count)]


def drop_song(root: Path, song: str) -> None:
    shutil.rmtree(root / song)
    lines = (root / "stems.csv").read_text().splitlines()
    (root / "stems.csv").write_text("\n".join(line for line in lines if f"{song}/" not in line) + "\n")


def test_a_recipe_is_rendered_to_the_same_samples_where_its_stems_are(
    made: tuple[Catalog, Path], tmp_path: Path
) -> None:
    catalog, root = made
    fewer, more = tmp_path / "fewer", tmp_path / "more"
    recipe = next(r for r in recipes(catalog) if len({s.stem.split("/")[1] for s in r.sources}) > 1)
    songs = {source.stem.split("/")[1] for source in recipe.sources}
    shutil.copytree(root, fewer)
    drop_song(fewer, next(f"song{n:02d}" for n in range(8) if f"song{n:02d}" not in songs))
    make_corpus(more, 10, seed=1)  # the same eight songs and two others
    for other in (index(tmp_path / "a", fewer), index(tmp_path / "b", more), catalog.with_splits("random")):
        assert other.content_hash != catalog.content_hash
        there = MixRecipe.from_json(recipe.to_json())
        expected, found = render_mix(recipe, catalog), render_mix(there, other)
        assert np.array_equal(expected.mixture, found.mixture)
        assert np.array_equal(expected.target, found.target)
        assert np.array_equal(expected.mask, found.mask)
        assert found.recipe.mix_id == recipe.mix_id


def test_a_stem_in_another_lossless_format_is_the_same_stem(
    made: tuple[Catalog, Path], tmp_path: Path
) -> None:
    catalog, root = made
    recipe = recipes(catalog, 1)[0]
    shutil.copytree(root, tmp_path / "flac")
    table = (tmp_path / "flac" / "stems.csv").read_text()
    for path in sorted((tmp_path / "flac").rglob("*.wav")):
        audio, rate = soundfile.read(path, dtype="int16", always_2d=True)
        soundfile.write(path.with_suffix(".flac"), audio, rate, subtype="PCM_16")
        path.unlink()
    (tmp_path / "flac" / "stems.csv").write_text(table.replace(".wav", ".flac"))
    other = index(tmp_path / "catalog", tmp_path / "flac")
    assert np.array_equal(render_mix(recipe, other).mixture, render_mix(recipe, catalog).mixture)


def test_a_missing_stem_is_named(made: tuple[Catalog, Path], tmp_path: Path) -> None:
    catalog, root = made
    recipe = recipes(catalog, 1)[0]
    shutil.copytree(root, tmp_path / "corpus")
    key = recipe.sources[0].stem
    drop_song(tmp_path / "corpus", key.split("/")[1])
    other = index(tmp_path / "catalog", tmp_path / "corpus")
    with raises(CatalogMismatchError, code="unknown-stem", mentions=(key, str(other.path))):
        render_mix(recipe, other)
    bare = replace(recipe, sources=tuple(replace(s, digest=None) for s in recipe.sources))
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions=(key, other.content_hash)):
        render_mix(bare, other)


def test_a_stem_with_one_other_sample_is_refused_by_name(made: tuple[Catalog, Path], tmp_path: Path) -> None:
    catalog, root = made
    recipe = recipes(catalog, 1)[0]
    shutil.copytree(root, tmp_path / "corpus")
    key = recipe.sources[-1].stem
    path = tmp_path / "corpus" / str(catalog.column("path")[catalog.find(key)])
    audio, _ = soundfile.read(path, dtype="float32", always_2d=True)
    audio[1000] += 2**-15
    write_wav(path, audio.T, RATE)
    other = index(tmp_path / "catalog", tmp_path / "corpus")
    assert other.column("frames")[other.find(key)] == catalog.column("frames")[catalog.find(key)]
    with raises(CatalogMismatchError, code="stem-changed", mentions=(key, "audio")):
        render_mix(recipe, other)


def test_a_stem_with_other_labels_is_refused_by_name(made: tuple[Catalog, Path], tmp_path: Path) -> None:
    catalog, root = made
    shutil.copytree(root, tmp_path / "corpus")
    table = tmp_path / "corpus" / "stems.csv"
    table.write_text(table.read_text().replace(",piano,", ",organ,"))
    other = index(tmp_path / "catalog", tmp_path / "corpus")
    changed = {
        key
        for key in catalog.column("key")
        if compare_digests(stem_digest(catalog, catalog.find(key)), stem_digest(other, other.find(key)))
    }
    assert changed == {key for key in catalog.column("key") if "piano" in key}
    key = min(changed)
    with raises(CatalogMismatchError, code="stem-changed", mentions=(key, "labels")):
        check_stems({key: stem_digest(catalog, catalog.find(key))}, other)


def test_digests_are_in_no_hash_and_survive_json(made: tuple[Catalog, Path]) -> None:
    catalog, _ = made
    bare = sample_recipe(catalog, MixConfig(), 0, 0, 0)
    known = with_digests(bare, catalog)
    assert known == bare
    assert (known.mix_id, known.content_hash) == (bare.mix_id, bare.content_hash)
    assert "digest" not in bare.to_json()
    again = MixRecipe.from_json(known.to_json())
    assert [s.digest for s in again.sources] == [s.digest for s in known.sources]
    data = json.loads(known.to_json())
    for wrong in ("x" * 32, "ab", 7, "A" * 32):
        data["sources"][0]["digest"] = wrong
        with raises(RecipeError, code="invalid-recipe", mentions=bare.sources[0].stem):
            MixRecipe.decode(data)
