"""The examples in docstrings of public names run, and print what stands below them."""

import doctest
from pathlib import Path

import pytest

import mixlab
from docs.site.public import Entry, entries
from mixlab.catalog.catalog import Catalog
from tests.tone_clips import make_tones
from tests.toy import make_corpus

WITH_EXAMPLES = [entry for entry in entries() if entry.at == entry.full_name and ">>>" in entry.doc]
TRAINING = next(entry for entry in WITH_EXAMPLES if entry.full_name == "mixlab.train")


@pytest.fixture(scope="module")
def folder(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where examples run: ``my-catalog`` is a catalog, ``songs`` holds stems, ``clips`` clips."""
    place = tmp_path_factory.mktemp("examples")
    (place / "my-catalog").symlink_to(toy.path)
    make_corpus(place / "songs", 4, seed=1)
    make_tones(place / "clips")
    return place


def run_example(entry: Entry) -> None:
    """Run the example of a name in the working folder; fail where it prints something else."""
    test = doctest.DocTestParser().get_doctest(entry.doc, {}, entry.full_name, entry.home, None)
    told: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
    assert runner.tries > 0


@pytest.mark.parametrize("entry", WITH_EXAMPLES, ids=lambda entry: entry.full_name)
def test_the_example_of_a_public_name_runs(
    entry: Entry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    if '"runs/first"' in entry.doc and not Path("runs/first").exists():
        run_example(TRAINING)  # makes it
    if entry != TRAINING:
        run_example(entry)


def test_every_name_that_mixlab_itself_offers_has_an_example() -> None:
    shown = {entry.full_name for entry in WITH_EXAMPLES}
    assert {f"mixlab.{name}" for name in mixlab.__all__} - {"mixlab.__version__"} <= shown
    assert len(shown) >= 50
