"""The page that compares runs: all of them in a table, two of them against each other."""

from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from app.data import runs as runs_data
from app.views import runs_locations
from mixlab import Catalog, MixConfig
from mixlab.training.run import Run
from tests.app.test_runs import open_page
from tests.scored_run import write_scored


@pytest.fixture(scope="module")
def made(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of runs: two on the same mixes, and one on others."""
    folder = tmp_path_factory.mktemp("made")
    first = write_scored(folder / "one" / "a", toy, n=10)
    write_scored(folder / "one" / "b", toy, n=10, seed=1, noise=0.2, sampled=first.predictions())
    write_scored(folder / "two" / "c", toy, n=10, mix=MixConfig(p_musical=0.7), eval_seed=5)
    return folder


@pytest.fixture
def runs(made: Path, toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page looks, and the catalog that is open."""
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    runs_data.find_found.clear()
    return made


def test_all_runs_stand_in_one_table_with_scores_and_what_varies(runs: Path) -> None:
    page = open_page("compare", scored_on="test")
    table = page.dataframe[0].value
    place = runs.name
    assert table["run"].tolist() == [f"{place}/one/a", f"{place}/one/b", f"{place}/two/c"]
    for name, path in (("one/a", runs / "one" / "a"), ("two/c", runs / "two" / "c")):
        row = table[table["run"] == f"{place}/{name}"].iloc[0]
        assert row["macro F1"] == Run.open(path).report().splits["test"].scores["f1"].value
    assert table["mix.p_musical"].tolist() == ["0.4", "0.4", "0.7"]
    assert table["seed"].tolist() == ["0", "1", "0"]
    only = open_page("compare", folders=f"{place}/two").dataframe[0].value
    assert only["run"].tolist() == [f"{place}/two/c"]


def test_two_runs_on_the_same_mixes_are_paired_and_what_differs_is_said(runs: Path) -> None:
    place = runs.name
    page = open_page("compare", scored_on="test", run_a=f"{place}/one/a", run_b=f"{place}/one/b")
    assert not page.warning
    scores, settings = (frame.value for frame in page.dataframe[1:3])
    f1 = scores[scores["score"] == "F1"].iloc[0]
    a, b = (Run.open(runs / "one" / name).report().splits["test"].scores["f1"].value for name in "ab")
    assert (f1["A"], f1["B"]) == (a, b)
    assert f1["B - A"] == pytest.approx(b - a)
    micro = scores[scores["score"] == "micro F1"].iloc[0]
    assert micro["from"] <= micro["B - A"] <= micro["to"]
    assert settings.to_numpy().tolist() == [["train.seed", "0", "1"]]
    one = open_page(
        "compare", scored_on="test", run_a=f"{place}/one/a", run_b=f"{place}/one/b", score_of="key"
    )
    assert one.dataframe[1].value["A"].tolist() != scores["A"].tolist()


def test_runs_on_other_mixes_stand_side_by_side_and_it_is_said(runs: Path) -> None:
    place = runs.name
    page = open_page("compare", run_a=f"{place}/one/a", run_b=f"{place}/two/c")
    assert "Not paired" in page.warning[0].value
    scores, settings = (frame.value for frame in page.dataframe[1:3])
    assert scores["from"].isna().all()
    assert "mix.p_musical" in settings["setting"].tolist()


def test_several_folders_may_be_typed(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = f"{runs / 'one'} ; {runs / 'two'};"
    monkeypatch.setattr("streamlit.session_state", {runs_locations.KEY: typed})
    found = runs_locations.locations(None)
    assert [Path(folder).name for folder, _ in found] == ["one", "two"]
