"""The Runs page: a report's numbers, at any threshold, and the very mixes that a run was scored on."""

import json
import math
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

import torch
from sklearn.metrics import f1_score, label_ranking_average_precision_score
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from app.components import run_tables
from app.components.payload import read_header
from app.data import runs as runs_data
from mixlab import Catalog, MixConfig, load_label_set, render_mix
from mixlab.cli.commands.app import app
from mixlab.errors import RunError
from mixlab.evaluation import METRICS, Metric
from mixlab.evaluation.marks import read_marks
from mixlab.inference.opening import open_run
from mixlab.inference.source_scores import score_sources
from mixlab.models import ModelConfig
from mixlab.models.registry import build_model
from mixlab.taxonomy import load_taxonomy
from mixlab.training.run import Run
from tests.errors import raises
from tests.scored_run import write_report, write_scored
from tests.tiny_run import write_run

PAGE = Path(__file__).resolve().parent.parent.parent / "app" / "main.py"
OTHER = MixConfig(duration_s=3.0, max_sources=2, p_musical=0.7)


@pytest.fixture(scope="module")
def made(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same mixes, one with settings of its own, one that was never scored."""
    folder = tmp_path_factory.mktemp("made") / "runs"
    first = write_scored(folder / "a", toy, noise=1.5)
    write_scored(folder / "b", toy, noise=1.0, seed=1, sampled=first.predictions())
    write_scored(folder / "own", toy, mix=OTHER, eval_seed=7, n=12)
    run = Run.create(folder / "young", {"catalog": str(toy.path), "mix": {}, "train": {}}, {"seed": 0})
    run.write_metrics({"epoch": 1, "train_loss": 0.7})
    return folder


@pytest.fixture
def runs(made: Path, toy: Catalog, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page looks, and the catalog that is open."""
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    return made


def open_page(address: str = "runs", **query: Any) -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=120)
    test._page_hash = calc_hash(address)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def move(page: AppTest, **values: object) -> AppTest:
    for key, value in values.items():
        page.session_state[key] = value
    page.run()
    assert not page.exception
    return page


def shown(page: AppTest) -> str:
    """Everything that a user sees but the controls themselves."""
    charts = [element.proto.SerializeToString() for element in page.get("vega_lite_chart")]
    texts = [element.value for kind in (page.markdown, page.caption, page.info) for element in kind]
    tables = [frame.value.to_csv() for frame in page.dataframe]
    audio = [element.proto.url for element in page.get("audio")]
    return repr((charts, texts, tables, audio, [(m.label, m.value, m.delta) for m in page.metric]))


def all_scores(page: AppTest) -> list[tuple[str, str, str]]:
    """Return name, value and interval of all scores: figures, or a line where there are no intervals."""
    found = [(metric.label, metric.value, metric.delta) for metric in page.metric]
    for line in (text.value for text in page.markdown if ":small[no intervals]" in text.value):
        found += [(*pair, "no interval") for pair in re.findall(r"(?:^|· )([^·*]+?) \*\*([^*]+)\*\*", line)]
    return found


def metrics(page: AppTest) -> dict[str, tuple[str, str]]:
    return {name: (value, interval) for name, value, interval in all_scores(page)}


# ---- numbers ----


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_headline_is_the_reports(runs: Path, split: str) -> None:
    page = open_page(run="runs/a", mixes=split)
    part = Run.open(runs / "a").report().splits[split]
    for name in ("f1", "micro_f1", "average_precision", "roc_auc", "loss"):
        value, interval = metrics(page)[METRICS[name].mean_title]
        score = part.scores[name]
        ends = score.interval
        assert value == f"{score.value:.3f}"
        assert interval == (f"95 %: {ends.low:.3f} to {ends.high:.3f}" if ends else "no interval")
    said = " ".join(caption.value for caption in page.caption)
    n, f1 = len(part.classes), part.scores["f1"]
    assert f"Macro means over {n - f1.undefined} of {n} classes" in said
    if f1.dropped:
        assert f"{f1.dropped} left out of the macro mean" in said


def test_a_users_own_metrics_stand_beside_the_others(runs: Path) -> None:
    """From the report alone: the page needs nothing of the package that they are from."""
    ranked = lambda scores, present: label_ranking_average_precision_score([present], [scores])  # noqa: E731
    hits = lambda decided, present: float(decided[present].mean())  # noqa: E731
    own = (
        Metric("own_lrap", "own LRAP", function=ranked, over="item", source="someones:LRAP"),
        Metric("hits", "hit rate", function=hits, needs_threshold=True, source="someones:HITS"),
    )
    shutil.copytree(runs / "a", runs / "owner")
    write_report(Run.open(runs / "owner"), (*METRICS.values(), *own))
    runs_data.find_found.clear()
    page = open_page(run="runs/owner")
    value, interval = metrics(page)["own LRAP"]
    assert 0 < float(value) < 1
    assert interval.startswith("95 %: ")
    assert "macro hit rate" in metrics(page)
    assert "hit rate: as reported, at the fitted thresholds" in " ".join(c.value for c in page.caption)
    table = page.dataframe[0].value
    np.testing.assert_allclose(table["hit rate"], table["R"])
    assert table["hit rate from"].notna().any()
    shutil.rmtree(runs / "owner")
    runs_data.find_found.clear()


def test_the_table_is_the_reports_and_undefined_stays_undefined(runs: Path) -> None:
    table = open_page(run="runs/a", order="as in the label set").dataframe[0].value
    rows = Run.open(runs / "a").report().splits["test"].classes
    assert table["class"].tolist() == [row.name for row in rows]
    assert table["positive"].tolist() == [row.support for row in rows]
    columns = {
        "threshold": [row.threshold for row in rows],
        "chance F1": [row.scores["f1"].chance for row in rows],
    }
    for name in ("precision", "recall", "f1", "average_precision", "roc_auc"):
        columns[METRICS[name].title] = [row.scores[name].value for row in rows]
    for column, expected in columns.items():
        np.testing.assert_allclose(table[column], expected, atol=1e-12)
    undefined = [row.name for row in rows if not row.support]
    assert undefined
    remarks = dict(zip(table["class"], table["remark"], strict=True))
    assert all("undefined: no known positive" in remarks[name] for name in undefined)
    assert "little support" in remarks.values()


@pytest.mark.parametrize("at", [0.1, 0.35, 0.9])
def test_every_number_follows_the_threshold_as_scikit_learn_says(runs: Path, at: float) -> None:
    page = open_page(run="runs/b", thresholds="one for all", at=str(at), order="as in the label set")
    table = page.dataframe[0].value
    part = Run.open(runs / "b").predictions().only("test")
    f1 = []
    for c in range(len(part.labels)):
        known = part.mask[:, c]
        truth, decided = part.targets[known, c], part.scores[known, c].astype(float) >= at
        f1.append(f1_score(truth, decided, zero_division=0) if truth.any() else math.nan)
    np.testing.assert_allclose(table["F1"], f1, atol=1e-12)
    assert metrics(page)["macro F1"][0] == f"{np.nanmean(f1):.3f}"
    assert table["threshold"].tolist() == [at] * len(f1)


def test_a_class_of_few_positives_is_little_support(runs: Path) -> None:
    location = runs_data.RunLocation("a", str(runs / "a"), (1, 1, 1, 1))
    decided = runs_data.get_decided(location, "test", None)
    for c in range(len(decided.support)):
        few = decided.support[c] < run_tables.FEW or decided.songs[c] < 3
        assert run_tables.is_little(decided, c) == few


# ---- controls ----


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ({}, {"run": "runs/b"}),
        ({}, {"against": "runs/b"}),
        ({}, {"mixes": "validation"}),
        ({}, {"thresholds": "one for all"}),
        ({"thresholds": "one for all"}, {"at": 0.8}),
        *(({}, {"look": look}) for look in ("Listen", "Subsets", "Tree", "Confusions", "Learning curves")),
        ({"against": "runs/b"}, {"look": "Differences"}),
        ({"against": "runs/b", "look": "Differences"}, {"score": "AP"}),
        ({"against": "runs/b", "look": "Differences"}, {"score": "ROC-AUC"}),
        ({}, {"order": "best first"}),
        ({}, {"order": "by support"}),
        ({"look": "Listen"}, {"class": "key"}),
        ({"look": "Listen", "class": "key"}, {"kind": "hits"}),
        ({"look": "Listen", "class": "key"}, {"kind": "false negatives"}),
        ({"look": "Listen", "class": "key", "kind": "hits"}, {"sorted": "nearest to the threshold first"}),
        ({"look": "Confusions"}, {"missed": "key"}),
        ({"look": "Listen", "class": "key"}, {"added": "voice"}),
        ({"look": "Subsets"}, {"scores_of": "key"}),
    ],
)
def test_every_control_changes_what_is_shown(
    runs: Path, start: dict[str, str], change: dict[str, object]
) -> None:
    page = open_page(run="runs/a", **start)
    before = shown(page)
    assert shown(move(page, **change)) != before


def players(page: AppTest) -> list[dict[str, Any]]:
    found = (e for e in page.get("bidi_component") if e.proto.component_name.endswith("player"))
    return [read_header(element.proto.bytes) for element in found]


def press(page: AppTest, key: str) -> AppTest:
    next(button for button in page.button if button.key == key).click().run()
    assert not page.exception
    return page


def test_the_buttons_of_the_list_play_a_mix_and_turn_the_page(runs: Path) -> None:
    page = open_page(run="runs/a", look="Listen", thresholds="one for all", at="0", **{"class": "violin"})
    assert not players(page)
    hear = [button for button in page.button if button.label == "Hear"]
    hear[0].click().run()
    assert not page.exception
    (header,) = players(page)
    (item,) = (
        page.query_params["item"]
        if isinstance(page.query_params["item"], list)
        else [page.query_params["item"]]
    )
    index = int(item)
    stored = Run.open(runs / "a").predictions().only("test").mix_recipes()
    assert header["id"] == next(recipe for recipe in stored if recipe.index == index).content_hash
    assert len(header["lanes"]) == len(stored[index].sources)
    assert any("keeps no model" in caption.value for caption in page.caption)
    press(page, "case_Next")
    assert players(page)[0]["id"] != header["id"]
    press(page, "case_Previous")
    assert players(page)[0]["id"] == header["id"]
    first = shown(page)
    press(page, "later")
    assert shown(page) != first
    assert any("9 to" in caption.value for caption in page.caption)
    page = move(page, kind="hits")
    assert not any("9 to" in caption.value for caption in page.caption)


def test_a_decision_is_marked_beside_the_run_and_exported(runs: Path) -> None:
    page = open_page(run="runs/b", look="Listen", kind="hits", item="0", **{"class": "key"})
    other = open_page(run="runs/b", look="Listen", kind="hits", item="1", **{"class": "key"})
    press(page, "mark_label wrong")
    press(other, "mark_unclear")
    found = read_marks(runs / "b")
    assert [(mark.index, mark.label, mark.verdict) for mark in found.values()] == [
        (0, "key", "label wrong"),
        (1, "key", "unclear"),
    ]
    part = Run.open(runs / "b").predictions().only("test")
    mark = next(iter(found.values()))
    column = part.labels.index("key")
    assert (mark.item, mark.score) == (part.mix_id[0], float(part.scores[0, column]))
    page.run()
    (note,) = (box for box in page.text_input if box.label == "Note")
    note.set_value("a harpsichord").run()
    assert read_marks(runs / "b")[mark.key].note == "a harpsichord"
    assert any("2 marked by ear: 1 label wrong, 0 model wrong, 1 unclear" in c.value for c in page.caption)
    press(page, "mark_none")
    assert mark.key not in read_marks(runs / "b")


def test_a_note_of_another_tab_stays_when_the_verdict_changes(runs: Path) -> None:
    page, other = (
        open_page(run="runs/b", look="Listen", kind="hits", item="0", **{"class": "key"}) for _ in range(2)
    )
    (note,) = (box for box in other.text_input if box.label == "Note")
    note.set_value("a harpsichord").run()
    press(other, "mark_unclear")
    press(page, "mark_label wrong")
    (mark,) = (one for one in read_marks(runs / "b").values() if (one.index, one.label) == (0, "key"))
    assert (mark.verdict, mark.note) == ("label wrong", "a harpsichord")
    press(page, "mark_none")


def test_each_source_is_scored_by_the_runs_own_model(runs: Path) -> None:
    shutil.copytree(runs / "a", runs / "modelled")
    write_small_model(Run.open(runs / "modelled"))
    runs_data.find_found.clear()
    at = {"thresholds": "one for all", "at": "0.3", "class": "key"}
    page = open_page(run="runs/modelled", look="Listen", kind="hits", item="0", **at)
    recipe = Run.open(runs / "modelled").predictions().only("test").recipe(0)
    table = next(frame.value for frame in page.dataframe if "source" in frame.value.columns)
    assert len(table) == 1 + len(recipe.sources)
    catalog = Catalog.open(os.environ["MIXLAB_CATALOG"])
    scores = score_sources(open_run(runs / "modelled"), render_mix(recipe, catalog))
    column = load_label_set("mixtures15").names.index("key")
    np.testing.assert_allclose(table["key: score alone"].iloc[0], scores.mix[column], atol=1e-5)
    np.testing.assert_allclose(table["of the mix without it"].iloc[1:], scores.without[:, column], atol=1e-5)
    (header,) = players(page)  # once more, now with what its lanes score
    assert header["scores"]["label"] == "key"
    assert header["scores"]["threshold"] == 0.3
    np.testing.assert_allclose(header["scores"]["alone"], scores.alone[:, column], atol=1e-5)
    np.testing.assert_allclose(header["scores"]["without"], scores.without[:, column], atol=1e-5)
    every = next(frame.value for frame in page.dataframe if "mix" in frame.value.columns)
    assert len(every) == len(scores.labels)
    assert any("its model now gives" in caption.value for caption in page.caption)
    shutil.rmtree(runs / "modelled")
    runs_data.find_found.clear()


def write_small_model(run: Run) -> None:
    """Give a run an untrained network of its classes."""
    labels, mix = load_label_set("mixtures15"), MixConfig()
    config = ModelConfig(sample_rate=mix.sample_rate, n_fft=512, hop=512, n_mels=16, width=4)
    torch.manual_seed(0)
    card = {
        "schema": 1,
        "config": asdict(config),
        "labels": {"name": labels.name, "outputs": labels.names, "parents": labels.parents(load_taxonomy())},
        "input": {"sample_rate": mix.sample_rate, "duration_s": mix.duration_s, "channels": 1},
        "thresholds": dict.fromkeys(labels.names, 0.5),
        "consistent_thresholds": dict.fromkeys(labels.names, 0.5),
    }
    run.write_model(build_model(config, len(labels)).eval().state_dict(), card)


def test_the_parts_of_a_split_are_scored(runs: Path) -> None:
    page = open_page(run="runs/a", look="Subsets", subset="polyphony")
    table = page.dataframe[0].value
    assert table["mixes"].sum() == 30
    assert all(name.endswith(("source", "sources")) for name in table["subset"])
    level = open_page(run="runs/a", look="Subsets", subset="level", scores_of="key").dataframe[0].value
    assert 0 < level["mixes"].sum() <= 30
    others = open_page(run="runs/a", look="Subsets", subset="other classes", scores_of="key").dataframe[0]
    assert any(name.startswith("without ") for name in others.value["subset"])
    asked = open_page(run="runs/a", look="Subsets", subset="level")
    assert "Choose a class" in asked.info[0].value


@pytest.mark.parametrize(
    ("look", "fields"), [("Classes", {"row"}), ("Tree", {"class"}), ("Confusions", {"missed", "added"})]
)
def test_the_marks_of_charts_can_be_clicked(runs: Path, look: str, fields: set[str]) -> None:
    (chart,) = open_page(run="runs/a", look=look).get("vega_lite_chart")
    picks = re.findall(r'"fields": \[([^]]*)\][^}]*\}[^}]*"name": "pick"', chart.proto.spec) or re.findall(
        r'"name": "pick", "select": \{[^}]*"fields": \[([^]]*)\]', chart.proto.spec
    )
    assert {name.strip(' "') for name in picks[0].split(",")} == fields
    assert list(chart.proto.selection_mode) == ["pick"]


def test_a_pair_of_confusions_opens_the_mixes_that_it_counts(runs: Path) -> None:
    pairs = open_page(run="runs/a", look="Confusions").dataframe[0].value
    pair = pairs.iloc[0]
    page = open_page(
        run="runs/a", look="Listen", kind="false negatives", added=pair["added"], **{"class": pair["missed"]}
    )
    said = next(caption.value for caption in page.caption if "falsely added" in caption.value)
    assert said.startswith(f"{pair['mixes']:,} false negatives")


# ---- links ----


def links(page: AppTest) -> list[dict[str, list[str]]]:
    return [parse_qs(link.proto.query_string) for link in page.get("page_link")]


@pytest.mark.parametrize("name", ["a", "own"])
@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_mix_reopens_in_audition_by_its_very_recipe(runs: Path, name: str, split: str) -> None:
    page = open_page(run=f"runs/{name}", mixes=split, look="Listen", kind="hits", **{"class": "percussion"})
    found = links(page)
    assert found
    recipes = {
        recipe.content_hash for recipe in Run.open(runs / name).predictions().only(split).mix_recipes()
    }
    for query in found[:1]:
        assert query["mix"][0] in recipes
        audition = open_page("", **{key: values[0] for key, values in query.items()})
        assert not audition.warning
        (player,) = (
            element
            for element in audition.get("bidi_component")
            if element.proto.component_name.endswith("player")
        )
        assert read_header(player.proto.bytes)["id"] == query["mix"][0]
        assert any(f"settings of the run **runs/{name}**" in c.value for c in audition.caption)
    next(button for button in audition.button if button.label == "Leave the run").click().run()
    assert "from_run" not in audition.query_params


def test_audition_warns_of_a_run_that_is_not_there(runs: Path) -> None:
    audition = open_page("", from_run="runs/gone")
    assert "runs/gone" in audition.warning[0].value


def test_a_link_to_a_run_that_is_not_there_warns(runs: Path) -> None:
    page = open_page(run="../../etc")
    assert "which is not among the 4 runs found here" in page.warning[0].value


def test_the_copied_link_holds_every_control(runs: Path) -> None:
    page = open_page(run="runs/b", look="Tree", thresholds="one for all", at="0.25")
    (copy,) = (e for e in page.get("bidi_component") if e.proto.component_name.endswith("copy_link"))
    query = parse_qs(json.loads(copy.proto.json)["query"])
    values = {key: values[0] for key, values in query.items()}
    assert values["run"] == "runs/b"
    assert (values["look"], values["thresholds"], values["at"]) == ("Tree", "one for all", "0.25")
    assert shown(open_page(**values)) == shown(page)


# ---- what cannot be shown ----


def test_without_runs_the_page_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = open_page()
    assert any("mixlab train" in code.value for code in page.code)
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    assert not open_page().metric


def test_a_run_that_was_not_scored_shows_its_curves_and_the_command(runs: Path) -> None:
    page = open_page(run="runs/young")
    assert any(f"--config {runs / 'young'}/config.yaml --resume=true" in code.value for code in page.code)
    assert page.get("vega_lite_chart")
    refused = open_page(run="runs/a", against="runs/young")
    assert "was not scored yet" in refused.warning[0].value


def test_runs_on_other_mixes_are_not_compared(runs: Path) -> None:
    page = open_page(run="runs/a", against="runs/own")
    assert "cannot be compared" in page.warning[0].value
    assert len(metrics(page)) == 6


def test_mixes_of_another_catalog_are_heard_after_a_click(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_CATALOG", str(tmp_path / "none"))
    page = open_page(run="runs/a", look="Listen", kind="hits", **{"class": "percussion"})
    assert all(button.disabled for button in page.button if button.label == "Hear")
    assert not links(page)
    next(button for button in page.button if button.label == "Open the run's catalog").click().run()
    assert not page.exception
    assert links(page)


def test_tracks_and_damaged_files_are_said_in_words(
    made: Path, toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    for name in ("tracks", "broken"):
        shutil.copytree(made / "a", tmp_path / name)
    write_run(tmp_path / "never")
    run = Run.open(tmp_path / "tracks")
    stored = run.predictions()
    stored.recipes[:] = '{"corpus": "mtg_jamendo", "track": "1"}'
    run.write_predictions(stored)
    write_report(run)
    name = f"{tmp_path.name}/tracks"
    page = open_page(run=name, look="Listen", kind="hits", **{"class": "percussion"})
    assert "scored on whole tracks" in page.info[0].value
    (tmp_path / "broken" / "predictions.parquet").write_bytes(b"PAR1")
    assert "is damaged" in open_page(run=f"{tmp_path.name}/broken").error[0].value
    never = open_page(run=f"{tmp_path.name}/never")
    assert any("mixlab" in code.value for code in never.code)


def test_the_command_takes_a_folder_of_runs(
    runs: Path, toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr("os.execve", lambda *arguments: started.append(arguments))
    app(catalog=toy.path, runs=runs, browser=False)
    ((_, _, environment),) = started
    assert environment["MIXLAB_RUNS"] == str(runs.resolve())
    with raises(RunError, code="run-not-found", mentions="--runs"):
        app(runs=tmp_path / "none")


def test_places_are_beside_the_catalog_and_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("work/runs", "data/catalog", "data/studies", "work/demo-output"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    looked_in = runs_data.default_locations(str(tmp_path / "data" / "catalog"))
    locations = [Path(location).relative_to(tmp_path).as_posix() for location, _ in looked_in]
    assert locations == ["data", "work/runs", "data/studies", "work/demo-output"]
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    assert runs_data.default_locations() == ((str(tmp_path), runs_data.DEEP),)
