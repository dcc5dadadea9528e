"""The examples in docstrings of public names run, and print what stands below them."""

import doctest
from pathlib import Path

import pytest

from docs.site.public import Entry, entries
from mixlab.catalog.catalog import Catalog
from tests.toy import make_corpus

WITH_EXAMPLES = [entry for entry in entries() if entry.at == entry.full_name and ">>>" in entry.doc]
# What most programs begin with: each shows how.
SHOWN = (
    *(
        "Catalog",
        "Mix",
        "MixConfig",
        "MixDataset",
        "MixItems",
        "MixLoader",
        "MixRecipe",
        "MixlabError",
        "Stem",
    ),
    *("build_catalog", "load_label_set", "load_taxonomy", "render_mix", "sample_recipe", "subset_catalog"),
)


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples run: ``my-catalog`` is a catalog, ``songs`` a folder of stems."""
    place = tmp_path_factory.mktemp("examples")
    (place / "my-catalog").symlink_to(toy.path)
    make_corpus(place / "songs", 4, seed=1)
    return place


@pytest.mark.parametrize("entry", WITH_EXAMPLES, ids=lambda entry: entry.full_name)
def test_the_example_of_a_public_name_runs(
    entry: Entry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    test = doctest.DocTestParser().get_doctest(entry.doc, {}, entry.full_name, entry.home, None)
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
    assert runner.tries > 0


def test_what_programs_begin_with_has_an_example() -> None:
    shown = {entry.full_name for entry in WITH_EXAMPLES}
    assert {f"mixlab.{name}" for name in SHOWN} <= shown
    assert len(shown) >= 45
