"""What studies say, on made-up runs whose truth is known: tables, figures, verdicts, commands."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError, RecipeError, RunError, WeightsError
from mixlab.evaluation import Interval, Measured
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig, FilterRange, GainRange, PitchRange, StretchRange
from mixlab.mixing.recipe import MixRecipe, SourceRecipe
from mixlab.models.pretrained import CHECKPOINTS
from mixlab.studies.base import StudyRequest, can_draw, figure_note
from mixlab.studies.engine import run_study
from mixlab.studies.experiments.leakage import relatives_table
from mixlab.studies.experiments.per_class import above_chance_lines
from mixlab.studies.experiments.rare_classes import rare_columns, split_lines
from mixlab.studies.findings import (
    MULTIPLE_COMPARISONS,
    best_condition,
    optimum_lines,
    share_best,
    significance_text,
)
from mixlab.studies.folder import StudyFolder, resplit
from mixlab.studies.pairing import CommonMixes, CommonTargets, _comparable, mixes_id
from mixlab.studies.paper_results import TABLE_1
from mixlab.studies.plan import Plan, Trial
from mixlab.studies.registry import build_study, find_study, parse_also, studies
from mixlab.studies.reports import write_study_report
from mixlab.studies.results import condition_difference, load_results
from mixlab.studies.state import StudyCatalog
from mixlab.studies.statistics import F1_ABOVE_CHANCE, ConditionScores, Estimate, difference
from mixlab.studies.statistics import test_set_id as set_id
from mixlab.studies.tables import class_table, score_text
from mixlab.training import TrainConfig
from mixlab.training.run import Run
from mixlab.utils.yaml import load_yaml
from tests.errors import raises

NAMES = ("voice", "brass", "singer", "piano", "theremin")
PARENTS = (None, None, 0, None, None)
N = 240
NOTE = "demo numbers: made on synthetic demo corpora, never results"


def predictions(noise: float, seed: int, *, groups: list[str], world: int = 0) -> Predictions:
    """A model that hears through so much noise; no mix of the test holds a theremin."""
    rng = np.random.default_rng(world)
    targets = (rng.random((N, 5)) < [0.5, 0.1, 0.4, 0.3, 0.0]).astype(np.float32)
    logits = targets + noise * np.random.default_rng([seed, 7]).standard_normal((N, 5))
    return Predictions(
        labels=NAMES,
        split=np.array(["validation", "test"] * (N // 2), dtype=object),
        index=np.arange(N) // 2,
        group=np.array([groups[i // 2 % len(groups)] for i in range(N)], dtype=object),
        scores=(1 / (1 + np.exp(-logits))).astype(np.float32),
        targets=targets,
        mask=np.ones((N, 5), np.bool_),
        mix_id=np.array([f"{world}-{i:x}" for i in range(N)], dtype=object),
        attempt=np.zeros(N, np.int64),
        recipes=np.array([json.dumps({"index": i // 2, "world": world}) for i in range(N)], dtype=object),
    )


class Pretender:
    """Makes run folders up: how much noise a condition hears through is given by its name."""

    def __init__(self, noise: dict[str, float], *, fail: tuple[str, ...] = ()) -> None:
        self.noise, self.fail = noise, fail

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        if trial.name in self.fail:
            return "it was told to fail"
        data = yaml.safe_load(folder.plan_path(trial.name).read_text())
        catalog = Catalog.open(data["catalog"])
        test = sorted(song for song, split in catalog.split_songs().items() if split == "test")
        labels = {"outputs": list(NAMES), "parents": list(PARENTS)}
        info = {"seed": trial.seed, "note": NOTE, "labels": labels}
        info["catalog"] = {"content_hash": catalog.content_hash, "path": data["catalog"]}
        run = Run.create(folder.run_path(trial.name), data, info)
        world = {"": 0, "artist": 100 + trial.seed, "random": 200 + trial.seed}[trial.splits]
        run.write_predictions(self.predictions(trial, test * 3, world))
        run.update(status="evaluated", training={"seconds": 60.0})
        return ""

    def predictions(self, trial: Trial, groups: list[str], world: int) -> Predictions:
        seed = 10 * trial.seed + len(trial.condition)
        return predictions(self.noise[trial.condition], seed, groups=groups, world=world)

    def stop(self) -> None:
        raise AssertionError("nobody pressed Ctrl-C")


def request(**changes: object) -> StudyRequest:
    base = StudyRequest(mix=MixConfig(), train=TrainConfig(precision="fp32"), seeds=(0, 1, 2))
    return replace(base, **changes)


def made_up(
    name: str,
    toy: Catalog,
    path: Path,
    noise: dict[str, float],
    *,
    fail: tuple[str, ...] = (),
    **changes: object,
) -> StudyFolder:
    folder = StudyFolder(path / name)
    plan = build_study(name, request(**changes))
    run_study(folder, plan, toy, launcher=Pretender(noise, fail=fail))
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


INSIDE = {"p0": 1.6, "p0.4": 0.5, "p1": 1.5}


@pytest.fixture(scope="module")
def curve(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study in which 0.4 is clearly best."""
    folder = made_up("p_musical", toy, tmp_path_factory.mktemp("studies"), INSIDE, grid=(0.0, 0.4, 1.0))
    write_study_report(folder, n_resamples=60)
    return folder


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with raises(ConfigError, code="plugin-not-found", mentions=("p_musicale", "p_musical")):
        build_study("p_musicale", request())


def test_the_papers_numbers_are_those_of_its_table() -> None:
    assert [(r.roc_auc, r.average_precision, r.loss) for r in TABLE_1.values()] == [
        (0.8488, 0.6812, 0.4459),
        (0.8908, 0.7623, 0.4160),
        (0.9429, 0.8334, 0.3618),
    ]


def test_an_optimum_inside_is_found_and_told_from_the_ends(curve: StudyFolder) -> None:
    results = load_results(curve, n_resamples=60)
    lines = optimum_lines(results.done, "mix.p_musical")
    assert "the best mix.p_musical is 0.4" in lines[0]
    assert (
        lines[-1] == "verdict: there is an optimum inside the range, mix.p_musical=0.4, better than both ends"
    )
    assert sum("significant at 95 %, over" in line for line in lines) == 2
    assert share_best(results.done) == [0, 1, 0]


@pytest.mark.parametrize(
    ("noise", "verdict"),
    [
        ({"p0": 0.4, "p0.4": 1.2, "p1": 2.0}, "is an end of the range"),
        ({"p0": 2.0, "p0.4": 0.7, "p1": 0.7001}, "significantly from one end only|is an end of the range"),
        ({"p0": 0.8, "p0.4": 0.8, "p1": 0.8}, "significantly from neither end|not even the difference"),
    ],
)
def test_other_verdicts(toy: Catalog, tmp_path: Path, noise: dict[str, float], verdict: str) -> None:
    folder = made_up("p_musical", toy, tmp_path, noise, grid=(0.0, 0.4, 1.0))
    import re

    line = optimum_lines(load_results(folder, n_resamples=60).done, "mix.p_musical")[-1]
    assert re.search(verdict, line)


@pytest.mark.parametrize(
    ("songs", "seeds", "words"),
    [
        ((0.1, 0.2), (0.1, 0.2), "significant at 95 %, over songs and"),
        ((0.1, 0.2), (-0.1, 0.2), "but not over seeds"),
        ((-0.1, 0.2), (0.1, 0.2), "but not over songs"),
        ((-0.1, 0.2), (-0.1, 0.2), "neither over songs nor over seeds"),
        ((0.1, 0.2), None, "one seed cannot tell"),
        (None, None, "without an interval"),
    ],
)
def test_words_for_a_difference(
    songs: tuple[float, float] | None, seeds: tuple[float, float] | None, words: str
) -> None:
    e = Estimate(0.1, 3, songs=songs and Interval(*songs), seeds=seeds and Interval(*seeds))
    assert words in significance_text(e)
    assert significance_text(Estimate(math.nan, 0)) == "undefined"


def test_a_score_shows_both_kinds_of_doubt() -> None:
    e = Estimate(0.8123, 3, songs=Interval(0.79, 0.83), spread=0.0042)
    assert score_text(e) == "0.812 (0.790-0.830) ±0.004"
    assert score_text(Estimate(-0.1, 1, songs=Interval(-0.2, 0.1)), sign=True) == "-0.100 (-0.200 to +0.100)"
    assert score_text(Estimate(math.nan, 0)) == "-"


def test_the_report_holds_numbers_doubts_and_the_papers_words(curve: StudyFolder) -> None:
    text = (curve.path / "report.md").read_text()
    assert f"**{NOTE[0].upper()}{NOTE[1:]}.**" in text
    assert "optimum at p_musical = 0.4" in text
    assert "seeds 0, 1, 2" in text
    assert "verdict: " in text
    assert "theremin" in text.split("undefined (-)")[1].splitlines()[0]
    assert "runs are missing" not in text
    for name in ("figure", "classes"):
        assert f"![How many mixes should be musical? (the paper's Fig. 2)]({name}.png)" in text
        assert (curve.path / f"{name}.png").stat().st_size > 1000
        assert (curve.path / f"{name}.svg").stat().st_size > 1000


def test_the_files_for_programs_hold_every_number(curve: StudyFolder) -> None:
    rows = read_csv(curve.path / "table.csv")
    results = load_results(curve, n_resamples=60)
    assert len(rows) == 3 * (6 + 4 * 5)
    by_hand = results.condition("p0.4").test.of("average_precision")
    row = next(
        r for r in rows if (r["condition"], r["metric"], r["class"]) == ("p0.4", "average_precision", "")
    )
    assert float(row["mean"]) == pytest.approx(by_hand.value, rel=1e-5)
    assert float(row["songs_low"]) == pytest.approx(by_hand.songs.low, rel=1e-5)
    assert float(row["seeds_high"]) == pytest.approx(by_hand.seeds.high, rel=1e-5)
    assert row["mix.p_musical"] == "0.4"
    nothing = next(r for r in rows if (r["condition"], r["metric"], r["class"]) == ("p0", "f1", "theremin"))
    assert (nothing["mean"], nothing["n_seeds"], nothing["missing_seeds"]) == ("", "0", "3")
    runs = read_csv(curve.path / "runs.csv")
    assert len(runs) == 9
    assert len({r["test_set"] for r in runs}) == 1
    mean = np.mean([float(r["average_precision"]) for r in runs if r["condition"] == "p0.4"])
    assert mean == pytest.approx(by_hand.value, rel=1e-5)
    differences = read_csv(curve.path / "differences.csv")
    assert {(r["against"], r["condition"], r["same_mixes"]) for r in differences} == {
        ("p0", "p0.4", "True"),
        ("p0", "p1", "True"),
    }


def test_a_users_own_metric_stands_in_every_table(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by the settings of the training, so that its report needs no word of it."""
    module = "from mixlab.evaluation import Metric\n\ndef wrong(decided, present):\n"
    module += "    return float((decided != present).mean())\n\n"
    module += (
        "WRONG = Metric('wrong', 'errors', function=wrong, needs_threshold=True, needs_positives=False,\n"
    )
    module += "    higher_is_better=False)\n"
    (tmp_path / "study_metrics.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    train = TrainConfig(precision="fp32", metrics=["study_metrics:WRONG"])
    folder = made_up("p_musical", toy, tmp_path, INSIDE, grid=(0.0, 0.4, 1.0), train=train)
    report, results = write_study_report(folder, n_resamples=20)
    assert results.metric("wrong").source == "study_metrics:WRONG"
    rows = [r for r in read_csv(folder.path / "table.csv") if r["metric"] == "wrong"]
    assert len(rows) == 3 * (1 + 5)
    assert all(
        float(r["songs_low"]) <= float(r["mean"]) <= float(r["songs_high"]) for r in rows if not r["class"]
    )
    assert {"wrong", "validation_wrong"} <= set(read_csv(folder.path / "runs.csv")[0])
    assert report.lead.header[-1] == "macro errors"
    assert "errors per class: mean over seeds" in (folder.path / "report.md").read_text()
    best = min(results.done, key=lambda c: c.validation.of("wrong").value)
    assert best_condition(results.done, "wrong") is best


def test_the_same_study_gives_the_same_files(curve: StudyFolder) -> None:
    names = ("report.md", "table.csv", "differences.csv", "runs.csv", "figure.svg")
    before = {name: (curve.path / name).read_bytes() for name in names}
    write_study_report(curve, n_resamples=60)
    assert {name: (curve.path / name).read_bytes() for name in names} == before


def test_transfer_compares_with_scratch_and_stands_beside_the_paper(toy: Catalog, tmp_path: Path) -> None:
    noise = {"scratch": 1.4, "frozen": 1.0, "finetune": 0.5, "last": 1.2, "random_frozen": 2.0}
    folder = made_up("transfer", toy, tmp_path, noise, pretrained="weights.pth", baselines=False)
    _, results = write_study_report(folder, n_resamples=40)
    text = (folder.path / "report.md").read_text()
    assert [c.condition.name for c in results.conditions] == list(noise)
    assert "differences to 'from scratch'" in text
    assert "| Fine-tuned | 0.9429 | 0.8334 | 0.3618 |" in text
    rows = [r for r in read_csv(folder.path / "differences.csv") if r["metric"] == "f1" and not r["class"]]
    against = {r["condition"]: float(r["mean"]) for r in rows}
    assert against["finetune"] > 0.05 > -0.02 > against["random_frozen"]


def test_transfer_says_what_pretraining_is_worth(toy: Catalog, tmp_path: Path) -> None:
    noise = {"scratch": 1.4, "frozen": 1.0, "finetune": 0.3, "last": 1.2, "random_frozen": 2.0}
    classical = {"forest": 2.5, "embeddings": 1.1, "embeddings_svm": 1.2, "random_embeddings": 3.0}
    folder = made_up("transfer", toy, tmp_path, noise | classical, pretrained="weights.pth")
    findings = write_study_report(folder, n_resamples=40)[0].findings
    assert findings[0].startswith("'fine-tuned' minus 'from scratch', macro AP: +")
    assert "significant at 95 %, over songs and over seeds" in findings[0]
    worth = next(line for line in findings if "the same head" in line)
    assert worth.startswith("'frozen backbone' minus 'random frozen backbone', macro AP: +")
    best = next(line for line in findings if "best of its kind" in line)
    assert best.startswith("'fine-tuned' minus 'pretrained embeddings + logistic regression', macro AP: +")
    assert findings[-1].endswith("macro ROC-AUC yes, macro AP yes, loss yes")
    assert not any("no head" in line for line in findings)


def test_weights_without_a_head_have_no_row_for_the_last_layer(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of several parallel streams brings a backbone alone: its run would only fail."""
    streams = CHECKPOINTS["mtat_short_multi_32"]
    monkeypatch.setattr("mixlab.studies.experiments.transfer.find_weights", lambda name: Path(name))
    monkeypatch.setattr("mixlab.studies.experiments.transfer.identify", lambda file: streams)
    noise = {"scratch": 1.4, "frozen": 3.0, "finetune": 0.3, "random_frozen": 3.5}
    folder = made_up("transfer", toy, tmp_path, noise, pretrained="w.pth", baselines=False)
    report, results = write_study_report(folder, n_resamples=20)
    assert [c.condition.name for c in results.conditions] == list(noise)
    assert "no row trains the last layer alone: these weights bring no head of their own" in report.findings
    assert report.findings[-1].endswith("macro ROC-AUC no, macro AP no, loss no")


def test_transfer_needs_weights_and_sets_only_what_each_way_takes() -> None:
    with raises(ConfigError, code="missing-setting"):
        build_study("transfer", request())
    base = TrainConfig(transfer="finetune", pretrained="other.pth", lr_backbone=0.001, precision="fp32")
    plan = build_study("transfer", request(train=base, pretrained="w.pth", cached_items=500))
    trials = {trial.condition: trial for trial in plan.trials()}
    assert {name: trial.settings["pretrained"] for name, trial in trials.items() if trial.command == "train"} == {  # noqa: E501
        "scratch": "", "frozen": "w.pth", "finetune": "w.pth", "last": "w.pth", "random_frozen": ""
    }  # fmt: skip
    assert {name for name, trial in trials.items() if trial.settings.get("cached_items")} == {
        "frozen", "last", "random_frozen"
    }  # fmt: skip
    assert trials["finetune"].settings["lr_backbone"] == 0.001
    assert trials["scratch"].settings["lr_backbone"] is None
    baselines = {name: trial.settings for name, trial in trials.items() if trial.command == "baseline"}
    assert set(baselines) == {"forest", "embeddings", "embeddings_svm", "random_embeddings"}
    assert baselines["embeddings"]["weights"] == "w.pth"
    for settings in baselines.values():
        assert settings["test_size"] == base.test_size
        assert settings["eval_seed"] == base.eval_seed


def test_transfer_compares_only_the_ways_that_are_asked_for() -> None:
    plan = build_study(
        "transfer", request(pretrained="w.pth", transfer_modes=("frozen", "last"), baselines=False)
    )
    assert [condition.name for condition in plan.conditions] == ["frozen", "last"]
    elsewhere = build_study("transfer", request(pretrained="elsewhere/w.pth", transfer_modes=("frozen",)))
    assert elsewhere.title == plan.title
    assert plan.title.endswith(", from w.pth")
    assert elsewhere.conditions[0].overrides["train.pretrained"] == "elsewhere/w.pth"
    with raises(ConfigError, code="malformed-option", mentions=("--transfer_modes", "half")):
        build_study("transfer", request(pretrained="w.pth", transfer_modes=("half",)))
    # Nothing starts from the weights, so that they need not even be there.
    random = build_study(
        "transfer", request(pretrained="none.pth", transfer_modes=("scratch",), baselines=False)
    )
    find_study("transfer").check(random)
    with raises(WeightsError, code="weights-not-found", mentions="none.pth"):
        find_study("transfer").check(
            build_study("transfer", request(pretrained="none.pth", transfer_modes=("frozen",)))
        )


def test_rare_classes_change_one_factor_at_a_time(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = {"base": 1.5, "balance": 0.6, "masked": 1.5, "all": 0.5, "random": 1.2}
    folder = made_up("rare_classes", toy, tmp_path, noise)
    report, results = write_study_report(folder, n_resamples=40)
    base = results.condition("base")
    assert [NAMES[c] for c in rare_columns(results, base)] == ["theremin", "brass", "piano"]
    with monkeypatch.context() as patch:
        patch.setattr("mixlab.studies.experiments.rare_classes.WEAK", ("brass", "voice"))
        assert [NAMES[c] for c in rare_columns(results, base)] == ["theremin", "brass", "piano", "voice"]
    line = next(line for line in report.findings if line.startswith("+ balance"))
    assert "brass +" in line
    assert "theremin undefined" in line
    assert re.search(r"(voice|brass|piano) \+\d\.\d+\*", line)
    one = made_up("rare_classes", toy, tmp_path / "one", noise, seeds=(0,))
    lines = write_study_report(one, n_resamples=40)[0].findings
    assert re.search(r"(voice|brass|piano) \+\S+ \(songs\)", lines[0])
    assert not any("*," in line for line in lines)
    half, fitted = results.condition("base"), results.condition("thresholds")
    assert half.runs == fitted.runs
    assert half.test.of("average_precision").value == fitted.test.of("average_precision").value
    assert half.test.of("f1").value != fitted.test.of("f1").value
    assert not results.paired(base, results.condition("random"))
    plan = build_study("rare_classes", request())
    conditions = {condition.name: condition for condition in plan.conditions}
    for name, changed in (("balance", {"mix.balance"}), ("masked", {"mix.uncertain"}), ("random", set())):
        overrides = conditions[name].overrides
        assert {k for k, v in overrides.items() if conditions["base"].overrides[k] != v} == changed
    assert len(plan.trials()) == 5 * 3


def test_a_guess_is_judged_on_the_mixes_that_are_scored(curve: StudyFolder) -> None:
    results = load_results(curve, n_resamples=0)
    condition = results.done[0]
    test = [Run.open(path).predictions().only("test") for path in condition.runs.values()]
    share = np.mean([(p.targets > 0.5)[p.mask[:, 1], 1].mean() for p in test])
    f1 = 2 * share / (1 + share)
    for metric, expected in (("average_precision", share), ("f1", f1), ("roc_auc", 0.5)):
        table = class_table(results, [condition], metric)
        row = dict(zip(table.header, table.rows[1], strict=True))
        assert row["class"] == "brass"
        guess = next(value for name, value in row.items() if name.endswith("at chance level"))
        assert float(guess) == pytest.approx(expected, abs=0.002)


def test_split_lines_promise_only_what_can_be_told(toy: Catalog, tmp_path: Path) -> None:
    for name, noise, said in (
        ("more", 0.3, "own, promise more"),
        ("less", 3.0, "own, do not promise significantly more here"),
    ):
        folder = made_up("rare_classes", toy, tmp_path / name, {"base": 1.5, "random": noise})
        results = load_results(folder, n_resamples=60)
        last = split_lines(results.condition("base"), results.condition("random"))[-1]
        assert last.endswith(f"{said}, by macro AP")


def effects_of(mix: MixConfig) -> dict[str, dict[str, float]]:
    """The probabilities that each condition of the study trains with."""
    plan = build_study("effects", request(mix=mix))
    mixes = {trial.condition: trial.mix["effects"] for trial in plan.trials() if trial.seed == 0}
    return {
        condition: {name: effects[name]["p"] for name in effects if name not in ("custom", "preset")}
        for condition, effects in mixes.items()
    }


def test_effects_of_ones_own_are_taken_away_like_others() -> None:
    mix = MixConfig(p_musical=0.6, effects=EffectsConfig(custom=["my_effects:Tremolo"]))
    plan = build_study("effects", request(mix=mix))
    custom = {trial.condition: trial.mix["effects"]["custom"] for trial in plan.trials()}
    own = [{"effect": "my_effects:Tremolo", "p": 0.5}]
    assert custom == {"none": [], "all": own, "gain_filter": [], "pitch_time": [], "custom": own}


def test_effects_are_taken_away_all_and_by_halves() -> None:
    own = {name: resampled.p for name, resampled in MixConfig().effects.ranges}
    assert all(own.values())
    off = dict.fromkeys(own, 0.0)
    level = {"gain": own["gain"], "filter": own["filter"]}
    speed = {name: own[name] for name in ("pitch_shift", "time_stretch")}
    assert effects_of(MixConfig(p_musical=0.6)) == {
        "none": off, "all": own, "gain_filter": {**off, **level}, "pitch_time": {**off, **speed},
    }  # fmt: skip
    labels = [
        condition.label
        for condition in build_study("effects", request(mix=MixConfig(p_musical=0.6))).conditions
    ]
    assert labels == [
        "without effects",
        "as configured: gain, filter, pitch shift, time stretch",
        "only gain, filter",
        "only pitch shift, time stretch",
    ]


def test_effects_that_no_mix_has_are_not_compared() -> None:
    """Musical mixes are neither shifted nor stretched: their halves would be copies of the others."""
    assert set(effects_of(MixConfig(p_musical=1.0))) == {"all", "none"}
    assert (
        build_study("effects", request(mix=MixConfig(p_musical=1.0)))
        .conditions[1]
        .label.endswith(": gain, filter")
    )
    only_gain = EffectsConfig(
        filter=FilterRange(p=0), pitch_shift=PitchRange(p=0), time_stretch=StretchRange(p=0)
    )
    assert set(effects_of(MixConfig(effects=only_gain))) == {"all", "none"}
    no_gain = EffectsConfig(gain=GainRange(p=0), filter=FilterRange(p=0))
    for mix in (MixConfig(effects=EffectsConfig.none()), MixConfig(p_musical=1.0, effects=no_gain)):
        with raises(ConfigError, code="conflicting-settings"):
            effects_of(mix)


def test_effects_are_judged_paired_and_by_class(toy: Catalog, tmp_path: Path) -> None:
    noise = {"none": 2.0, "all": 0.4, "gain_filter": 2.0, "pitch_time": 0.9}
    folder = made_up("effects", toy, tmp_path, noise)
    report, results = write_study_report(folder, n_resamples=60)
    assert all(results.paired(results.conditions[0], condition) for condition in results.conditions)
    assert build_study("effects", request()).scored_apart() == ()
    lines = report.findings
    assert lines[0].startswith(
        "'as configured: gain, filter, pitch shift, time stretch' minus 'without effects', "
    )
    assert lines[0].endswith("significant at 95 %, over songs and over seeds")
    e = difference(results.conditions[0].test, results.conditions[1].test, "average_precision", 0)
    assert e.significant_over_songs
    assert e.significant_over_seeds
    assert e.value > 0
    assert f"AP significant at 95 % over songs and over seeds: voice {e.value:+.3f}, " in lines[1]
    assert lines[1].endswith("of 4 classes with an interval")
    # Of equal conditions no class differs significantly; the theremin, which no mix holds, is not judged.
    assert lines[3].endswith("over seeds: none, of 4 classes with an interval")
    assert lines[6:] == (MULTIPLE_COMPARISONS, "the test mixes have no effects, whatever training has")
    assert (folder.path / "figure.png").is_file() == can_draw()


def test_effects_are_not_judged_where_nothing_can_be_told(toy: Catalog, tmp_path: Path) -> None:
    noise = {"none": 2.0, "all": 0.4}
    mix = MixConfig(p_musical=1.0)
    failing = tuple(f"none-seed{s}" for s in range(3))
    failed = made_up("effects", toy, tmp_path / "failed", noise, fail=failing, mix=mix)
    lines = write_study_report(failed, n_resamples=20)[0].findings
    assert lines == ("the runs without effects are not done, so nothing can be compared yet",)
    one = made_up("effects", toy, tmp_path / "one", noise, mix=mix, seeds=(0,))
    lines = write_study_report(one, n_resamples=60)[0].findings
    assert lines[0].endswith("one seed cannot tell of others")
    assert "significant at 95 % over songs alone: voice +" in lines[1]
    lines = write_study_report(one, n_resamples=0)[0].findings
    assert lines[0].endswith("without an interval over songs")
    assert lines[1:] == ("the test mixes have no effects, whatever training has",)


def gains(
    toy: Catalog, path: Path, value: dict[str, list[float]], resampled: dict[str, list[list[float]]]
) -> list[str]:
    """What is said of classes whose gain over chance level is given: by seed, and in each resample."""
    seeds = len(next(iter(value.values())))
    folder = made_up("per_class", toy, path, {"model": 0.5}, seeds=tuple(range(seeds)))
    results = load_results(folder, n_resamples=20)
    condition = results.conditions[0]
    runs = {}
    for seed, run in condition.test.runs.items():
        own = np.array([value[name][seed] for name in results.labels])
        again = np.array([resampled[name][seed] for name in results.labels]).T if resampled else None
        measured = {F1_ABOVE_CHANCE.name: Measured(F1_ABOVE_CHANCE, own, again)}
        runs[seed] = replace(run, measured=measured, songs=np.full(5, 9))
    return above_chance_lines(results, replace(condition, test=ConditionScores(runs, seeds)))


def test_gains_over_chance_level_are_judged_by_mean_seeds_and_songs(toy: Catalog, tmp_path: Path) -> None:
    nan, up, across = math.nan, [0.1, 0.2, 0.3], [-0.2, 0.1, 0.3]
    value = {
        "voice": [0.2, 0.3],
        "brass": [0.3, -0.1],
        "singer": [0.1, 0.1],
        "piano": [-0.2, 0.1],
        "theremin": [nan] * 2,
    }
    resampled = {
        "voice": [up, up],
        "brass": [up, up],
        "singer": [across, across],
        "piano": [up, up],
        "theremin": [[nan] * 3] * 2,
    }
    assert gains(toy, tmp_path / "two", value, resampled) == [
        "'the configuration', F1 above that of always saying yes on average: 3 of 4 classes; not so: piano",
        "'the configuration', F1 above that of always saying yes in each of 2 runs: 2 of 4 classes; "
        "not so: brass, piano",
        "'the configuration', F1 above that of always saying yes in the whole 95 % interval over songs, both "
        "on the same songs in each resample: 2 of 4 classes; not so: singer, piano",
        MULTIPLE_COMPARISONS,
        "undefined, as the test mixes hold none: theremin",
    ]
    one = {name: each[:1] for name, each in value.items()}
    lines = gains(toy, tmp_path / "one", one, {})
    assert len(lines) == 3
    assert lines[0].endswith("on average: 3 of 4 classes; not so: piano")
    assert lines[1].endswith("there are no resamples): voice, brass, singer, piano")
    # In one of two runs it is undefined: not so in each.
    value["voice"] = [0.2, nan]
    resampled["voice"] = [up, [nan] * 3]
    assert gains(toy, tmp_path / "undefined", value, resampled)[1].endswith("not so: voice, brass, piano")


def test_leakage_takes_random_splits_apart(toy: Catalog, tmp_path: Path) -> None:
    folder = made_up("leakage", toy, tmp_path, {"artist": 1.5, "random": 0.4})
    report, results = write_study_report(folder, n_resamples=40)
    assert not results.paired(*results.conditions)
    assert "random minus artist-safe splits, macro AP: +" in report.findings[0]
    text = (folder.path / "report.md").read_text()
    assert "test songs whose artist or group is elsewhere too" in text
    assert "(other mixes)" in text
    # Every seed divides the songs anew, so no seed of the one belongs to one of the other.
    safe, leaky = results.conditions
    found = condition_difference(safe, leaky, "f1")
    assert found.seeds == difference(safe.test, leaky.test, "f1", by_seed=False).seeds
    assert found.seeds != difference(safe.test, leaky.test, "f1").seeds
    assert "95 % over songs" not in figure_note(load_results(folder, n_resamples=0))
    assert "95 % over songs" in figure_note(results)
    # Four test songs, two with a relative elsewhere and two without: too few for an interval.
    assert "(" not in relatives_table(leaky, 20).rows[1][2]
    assert len(list((folder.path / "catalogs").iterdir())) == 6


def test_per_class_shows_runs_made_elsewhere(curve: StudyFolder, toy: Catalog, tmp_path: Path) -> None:
    texts = [
        f"good={curve.run_path('p0.4-seed0')},{curve.run_path('p0.4-seed1')}",
        f"all={curve.path / 'runs'}",
    ]
    also = parse_also(texts)
    assert [len(runs) for runs in also.values()] == [2, 9]
    folder = StudyFolder(tmp_path / "out")
    plan: Plan = build_study("per_class", request(also=also))
    assert plan.trials() == ()
    assert run_study(folder, plan, toy, launcher=Pretender({})).states == ()
    report, results = write_study_report(folder, n_resamples=20)
    assert [c.condition.label for c in results.conditions] == ["good", "all"]
    assert {name: len(c.runs) for name, c in zip(also, results.conditions, strict=True)} == {
        "good": 2,
        "all": 9,
    }
    assert results.conditions[0].runs.keys() == {0, 1}
    assert "brass" in {row[0] for row in report.lead.rows}
    assert "F1 of 0 for brass" in report.paper[0]
    table, gains = report.tables[0], [results.done[0].test.of(F1_ABOVE_CHANCE.name, c) for c in range(5)]
    assert table.header == ("class", "good", "good: lowest run", "all", "all: lowest run")
    assert [row[0] for row in table.rows] == list(results.labels)
    assert table.rows[0][1] == score_text(gains[0], sign=True)
    each = [r.measured[F1_ABOVE_CHANCE.name].values[0] for r in results.done[0].test.runs.values()]
    assert table.rows[0][2] == f"{min(each):+.3f}"
    assert table.rows[4][1:] == ("-", "-", "-", "-")
    for wrong, code, value in (
        ("x", "malformed-option", "LABEL=RUN"),
        (f"x={tmp_path / 'none'}", "run-not-found", tmp_path / "none"),
    ):
        with raises(ConfigError, code=code, mentions=("--also", value)):
            parse_also([wrong])


def test_missing_conditions_are_nan_counted_and_have_their_command(toy: Catalog, tmp_path: Path) -> None:
    failing = ("p0-seed1", "p1-seed0", "p1-seed1", "p1-seed2")
    folder = made_up("p_musical", toy, tmp_path, INSIDE, fail=failing, grid=(0.0, 0.4, 1.0))
    _, results = write_study_report(folder, n_resamples=20)
    assert {state.name for state in results.unfinished} == set(failing)
    assert results.conditions[0].test.of("f1").missing == 1
    assert math.isnan(results.conditions[2].test.of("f1").value)
    assert results.condition("p1") is None
    text = (folder.path / "report.md").read_text()
    assert "4 of 9 runs are missing" in text
    for name in failing:
        assert f"mixlab train --config {folder.plan_path(name)}" in text
        assert f"- {name}: it was told to fail" in text
    assert "| mix.p_musical=0 | 2 of 3 |" in text
    assert "| mix.p_musical=1 | 0 of 3 | - | - | - | - |" in text


def test_nothing_done_is_nothing_to_report(toy: Catalog, tmp_path: Path) -> None:
    names = tuple(f"p0.4-seed{s}" for s in range(3))
    folder = made_up("p_musical", toy, tmp_path, INSIDE, fail=names, grid=(0.4,))
    with raises(RunError, code="nothing-to-report"):
        write_study_report(folder)


def test_figures_are_left_out_where_they_cannot_be_resampled(
    curve: StudyFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mixlab.studies.base.can_draw", lambda: False)
    assert main(["sweep", "--report", str(curve.path), "--resamples", "10"]) == 0
    assert "pip install 'mixlab[plot]'" in capsys.readouterr().out


def test_the_command_builds_a_study(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mixlab.studies.engine.ProcessLauncher", lambda *a: Pretender(INSIDE))
    out = tmp_path / "out"
    arguments = ["study", "p_musical", "--catalog", str(toy.path), "--out", str(out), "--grid", "0,0.4,1"]
    arguments += ["--train.precision", "fp32", "--resamples", "20"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "9 runs" in capsys.readouterr().out
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert f"({NOTE})" in said
    assert "verdict: there is an optimum inside the range" in said
    assert main([*arguments, "--grid", "a"]) == 2
    assert "--grid takes numbers" in capsys.readouterr().err


def test_the_command_looks_at_the_weights_before_it_trains(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["study", "transfer", "--catalog", str(toy.path), "--out", str(tmp_path / "out")]
    words += ["--train.precision", "fp32", "--pretrained"]
    assert main([*words, "nowhere.pth"]) == 2
    assert "No weights at nowhere.pth" in capsys.readouterr().err
    (tmp_path / "w.pth").write_bytes(b"")
    monkeypatch.setattr("mixlab.studies.experiments.transfer.identify", lambda file: None)
    for name, needed in (
        ("jamendo_musicnn", r"train.model.architecture=musicnn"),
        ("mtat_short_multi_32", r"train.pretrained_stream=0 (to 3: bass, drums, other, vocals)"),
    ):
        monkeypatch.setattr("mixlab.training.transfer.identify", lambda file, name=name: CHECKPOINTS[name])
        assert main([*words, str(tmp_path / "w.pth"), "--train.model.width=32"]) == 2
        assert needed in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_options_of_another_study_are_named(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "leakage", "--catalog", str(toy.path), "--out", str(tmp_path / "out"), "--dry-run"]
    assert main(words) == 0
    assert "no effect" not in capsys.readouterr().out
    assert main([*words, "--pretrained", "w.pth", "--balance", "0.5"]) == 0
    expected = "no effect on the study leakage: --balance (of rare_classes), --pretrained (of transfer)"
    assert expected in capsys.readouterr().out


def test_all_shipped_configurations_are_read(
    repo: Path, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = sorted((repo / "configs").glob("study*.yaml"))
    of_mixes = [name for name, study in studies().items() if study.data[0] == "mixes"]
    pairs = [(name, file) for file in shared for name in of_mixes]
    own = sorted((repo / "configs" / "studies").glob("*.yaml"))
    pairs += [(re.sub("_(tiny|paper)$", "", file.stem), file) for file in own]
    assert shared
    assert {name for name, _ in pairs} == set(studies())
    for name, file in pairs:
        words = ["study", name, "--config", str(file), "--catalog", str(toy.path), "--pretrained", "w.pth"]
        for task in load_yaml(file.read_text(encoding="utf-8")).get("tasks", {}):
            words += ["--root", f"{task}={tmp_path}"]
        assert main([*words, "--out", str(tmp_path / "out"), "--dry-run"]) == 0, file
        assert "runs in" in capsys.readouterr().out


def test_known_scores_are_not_computed_again(toy: Catalog, tmp_path: Path) -> None:
    folder = made_up("p_musical", toy, tmp_path, {"p0": 1.0, "p1": 0.4}, grid=(0.0, 1.0))
    known: dict = {}
    first = load_results(folder, n_resamples=0, known=known)
    assert len(known) == 6
    again = load_results(folder, n_resamples=0, known=known)
    for a, b in zip(first.conditions, again.conditions, strict=True):
        assert all(b.test.runs[n] is scores for n, scores in a.test.runs.items())


def elsewhere(catalog: Catalog, path: Path, stems: list[str]) -> tuple[Run, Predictions]:
    """A run on a catalog, whose every mix is of these stems."""
    entry = {"path": str(catalog.path), "content_hash": catalog.content_hash}
    run = Run.create(path, {"catalog": str(catalog.path)}, {"seed": 0, "catalog": entry})
    made, render = predictions(0.5, 0, groups=["a/b"]), MixConfig().render_settings()
    sources = [tuple(SourceRecipe(stem, 0.02 * k) for stem in stems) for k in range(N)]
    recipes = [
        MixRecipe(catalog.content_hash, 0, 0, k, 0, "test", "a", "musical", sources[k], render)
        for k in range(N)
    ]
    return run, made.with_recipes(recipes)


def test_mixes_of_another_catalog_are_the_same_where_their_stems_are(toy: Catalog, tmp_path: Path) -> None:
    resplit(toy.with_splits("random", 5), tmp_path / "other")
    other = Catalog.open(tmp_path / "other")
    assert other.content_hash != toy.content_hash
    keys = toy.table.column("key").to_pylist()[:2]
    place = StudyCatalog(str(toy.path), toy.content_hash)
    run, made = elsewhere(other, tmp_path / "run", keys)
    _, own = elsewhere(toy, tmp_path / "own", keys)
    assert mixes_id(made) != mixes_id(own)
    stems = CommonMixes(place)
    assert mixes_id(stems.apply(run, made)) == mixes_id(own)
    assert set_id(stems.apply(run, made)) == set_id(own)
    assert stems.apply(run, own) is own
    # One that is not there, and one that sounds otherwise.
    _, unknown = elsewhere(other, tmp_path / "unknown", [keys[0], "no/such/stem"])
    assert mixes_id(stems.apply(run, unknown)) == mixes_id(unknown)
    rows = stems.known[toy.content_hash]
    stems.known[toy.content_hash] = rows | {keys[1]: (*rows[keys[1]][:-1], 0.125)}
    assert mixes_id(stems.apply(run, made)) == mixes_id(made)


def test_recipes_that_cannot_be_read_keep_no_targets_by_other_rules(toy: Catalog, tmp_path: Path) -> None:
    """Effects that are not here any more are no reason to take a run's own labels for the study's."""
    run, made = elsewhere(toy, tmp_path / "run", toy.table.column("key").to_pylist()[:1])
    lost = [text.replace('"effects": []', '"effects": [{"effect": "gone:Echo"}]') for text in made.recipes]
    unread = replace(made, recipes=np.array(lost, dtype=object))
    assert CommonTargets(tmp_path, MixConfig()).apply(run, unread) is unread
    with raises(RecipeError, code="plugin-not-found", mentions=("gone:Echo",)):
        CommonTargets(tmp_path, MixConfig(label_rule="present")).apply(run, unread)


def test_stems_without_loudness_equal_themselves() -> None:
    assert [_comparable(value) for value in (math.nan, -20.5, 3, None)] == [None, -20.5, 3, None]


def test_runs_whose_catalog_is_gone_are_scored_and_named(
    curve: StudyFolder, toy: Catalog, tmp_path: Path
) -> None:
    _, made = elsewhere(toy, tmp_path / "made", ["a/b/c"])
    gone = elsewhere(toy, tmp_path / "gone", ["a/b/c"])[0]
    recipes = [replace(recipe, catalog_hash="0123456789abcdef") for recipe in made.mix_recipes()]
    info = Run.open(curve.run_path("p0.4-seed0")).info
    gone.update(status="evaluated", labels=info["labels"], note=NOTE)
    gone.write_predictions(made.with_recipes(recipes))
    (tmp_path / "gone" / "config.yaml").write_text(yaml.safe_dump({"catalog": str(tmp_path / "no catalog")}))
    also = parse_also([f"good={curve.run_path('p0.4-seed0')}", f"gone={tmp_path / 'gone'}"])
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, build_study("per_class", request(also=also)), toy, launcher=Pretender({}))
    results = load_results(folder, n_resamples=20)
    assert len(results.conditions[1].runs) == 1
    assert not results.paired(*results.conditions)
    problem = next(text for text in results.problems if text.startswith(str(tmp_path / "gone")))
    assert "scored, but not paired with runs on the study's catalog, as the stems of their mixes" in problem
    assert "no catalog" in problem


def test_runs_on_catalogs_with_the_same_test_stems_are_paired(toy: Catalog, tmp_path: Path) -> None:
    """Two runs that hear through the same noise, one on another catalog: no song tells them apart."""
    resplit(toy.with_splits("random", 5), tmp_path / "other")
    other = Catalog.open(tmp_path / "other")
    keys = toy.table.column("key").to_pylist()[:2]
    for name, catalog in (("here", toy), ("there", other)):
        run, made = elsewhere(catalog, tmp_path / name, keys)
        labels = {"outputs": list(NAMES), "parents": list(PARENTS)}
        run.update(status="evaluated", labels=labels, note=NOTE)
        groups = np.array([f"a/{k // 2 % 30}" for k in range(N)], dtype=object)
        run.write_predictions(replace(made, group=groups))
    also = parse_also([f"{name}={tmp_path / name}" for name in ("here", "there")])
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, build_study("per_class", request(also=also)), toy, launcher=Pretender({}))
    results = load_results(folder, n_resamples=20)
    assert results.problems == ()
    assert results.paired(*results.conditions)
    found = condition_difference(*results.conditions, "average_precision")
    assert found.songs == Interval(0, 0)
    # The catalog was indexed anew since the study: what it holds now says nothing about its mixes.
    state = json.loads((folder.path / "study.json").read_text())
    state["catalog"]["path"] = str(other.path)
    (folder.path / "study.json").write_text(json.dumps(state))
    results = load_results(folder, n_resamples=20)
    assert not results.paired(*results.conditions)
    assert "it was indexed anew since" in results.problems[0]


def test_a_run_with_a_problem_is_named_and_looked_at_again(
    curve: StudyFolder, toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    also = parse_also([f"foreign={curve.run_path('p0.4-seed0')}"])
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, build_study("per_class", request(also=also)), toy, launcher=Pretender({}))
    known: dict = {}
    for _ in range(2):
        problems = load_results(folder, n_resamples=0, known=known).problems
        assert len(problems) == 1
        assert "there is no recipe to open" in problems[0]
    assert known == {}
    assert main(["sweep", "--report", str(folder.path), "--resamples", "0"]) == 0
    assert f"- problem: {problems[0]}" in capsys.readouterr().out
