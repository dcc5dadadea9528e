"""Reports as text: complete, aligned, readable at 100 columns, and honest about what is undefined."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from mixlab import evaluation as ev
from mixlab.errors import ConfigError
from mixlab.evaluation.report import Table, format_markdown, format_text, score_tables, summary_lines
from mixlab.taxonomy import load_label_set, load_taxonomy
from mixlab.utils.decode import Source
from mixlab.utils.plain import plain
from tests.errors import raises

LABELS = load_label_set("mixtures15")
N = 200


@pytest.fixture
def full(rng: np.random.Generator) -> ev.SplitScores:
    targets = rng.random((N, 15)) < rng.uniform(0.1, 0.6, 15)
    scores = np.clip(0.3 * targets + 0.7 * rng.random((N, 15)), 0, 1)
    mask = rng.random((N, 15)) < 0.9
    return ev.score_split(
        "test",
        LABELS.names,
        scores,
        targets,
        mask,
        thresholds=ev.fit_thresholds(scores, targets, mask),
        prevalence=ev.class_prevalence(targets, mask),
        groups=[f"song{i % 20}" for i in range(N)],
        parents=LABELS.parents(load_taxonomy()),
        n_resamples=30,
    )


def test_a_table_is_aligned_and_the_same_in_markdown() -> None:
    table = Table("title", ("class", "P"), (("voice", "0.5"), ("a longer name", "-"), ("macro", "0.5")), 1)
    lines = table.text().splitlines()
    assert lines[0] == "title"
    assert [line.split()[-1] for line in (lines[2], *lines[4:6], lines[7])] == ["P", "0.5", "-", "0.5"]
    assert len({len(line) for line in lines[1:]}) == 1
    assert set(lines[1]) == set(lines[3]) == set(lines[6]) == {"-"}
    rows = [line for line in table.markdown().splitlines() if line.startswith("|")]
    assert len(rows) == 5
    assert all(line.count("|") == 3 for line in rows)


def test_both_tables_hold_every_class_and_every_average(full: ev.SplitScores) -> None:
    names = [*LABELS.names, "macro", "families", "instruments", "micro"]
    for table in score_tables(full):
        assert {len(row) for row in table.rows} == {len(table.header)}
    decisions, ranking, calibration, rules = score_tables(full)
    assert all([row[0] for row in table.rows] == names for table in (decisions, ranking, calibration))
    assert [row[0] for row in rules.rows] == list(ev.RULES.values())
    k = full.classes[3]
    assert decisions.rows[3][1] == f"{k.support}/{k.known}"
    cells = dict(zip(decisions.header, decisions.rows[3], strict=True))
    assert cells["F1"] == f"{k.scores['f1'].value:.3f}"
    assert cells["oracle F1"] == f"{k.oracle_f1:.3f}"
    assert ranking.rows[3][1] == f"{k.scores['average_precision'].value:.3f}"
    cells = dict(zip(calibration.header, calibration.rows[3], strict=True))
    assert cells["ECE"] == f"{k.scores['ece'].value:.3f}"
    assert cells["chance Brier"] == f"{k.scores['brier'].chance:.3f}"


def test_the_text_fits_into_100_columns(full: ev.SplitScores) -> None:
    text = format_text(full)
    assert max(len(line) for line in text.splitlines()) <= 100
    for line in summary_lines(full):
        assert line[:40] in text


def test_markdown_says_the_same(full: ev.SplitScores) -> None:
    text = format_markdown(full)
    for table in score_tables(full):
        for row in table.rows:
            assert f"| {' | '.join(row)} |" in text
    for line in summary_lines(full):
        assert f"- {line}" in text


def test_the_notes_name_the_oracle_and_the_consistent_scores(full: ev.SplitScores) -> None:
    notes = " ".join(summary_lines(full))
    assert "these test targets like best, an upper bound, not a result" in notes
    assert f"macro F1 {full.consistent.scores['f1'].value:.3f}" in notes
    assert "contradictions 0.0 % and 0.0 %" in notes


def test_a_report_without_levels_is_shown(full: ev.SplitScores) -> None:
    old = replace(full, oracle_f1=float("nan"), levels=(), consistent=None, rules=())
    for text in (format_text(old), format_markdown(old)):
        assert "nan" not in text
        assert "None" not in text


def test_a_report_is_json_and_is_read_back_as_it_was(full: ev.SplitScores) -> None:
    data = json.loads(json.dumps(plain(asdict(full)), allow_nan=False))
    assert {"f1", "average_precision", "roc_auc"} <= set(data["classes"][0]["scores"])
    assert [level["name"] for level in data["levels"]] == ["families", "instruments"]
    assert [metric["name"] for metric in data["metrics"]] == [
        name for name, metric in ev.METRICS.items() if not metric.single_label
    ]
    assert repr(Source("report.json", "mixlab evaluate").decode(ev.SplitScores, data)) == repr(full)


def test_a_report_of_before_is_read_with_what_it_lacks_left_empty(full: ev.SplitScores) -> None:
    data = json.loads(json.dumps(plain(asdict(full)), allow_nan=False))
    for key in ("single_label", "confusion", "rules", "units"):
        del data[key]
    for metric in data["metrics"]:
        del metric["single_label"]
    read = Source("report.json", "mixlab evaluate").decode(ev.SplitScores, data)
    assert (read.single_label, read.confusion, read.rules, read.units) == (False, (), (), ev.MIXES)
    assert repr(replace(read, rules=full.rules)) == repr(full)


def test_other_rules_give_what_deciding_by_hand_gives(full: ev.SplitScores, rng: np.random.Generator) -> None:
    found = {one.rule: one for one in full.rules}
    assert list(found) == list(ev.RULES)
    fitted = found["fitted"]  # the report's own decisions
    assert fitted.scores == {name: full.scores[name].value for name in fitted.scores}
    assert found["half"].threshold == 0.5
    assert found["fitted_on_test"].scores["f1"] == pytest.approx(full.oracle_f1)
    micro = [one.scores["micro_f1"] for one in full.rules]
    assert found["common_on_test"].scores["micro_f1"] >= found["common"].scores["micro_f1"]
    assert max(found["half"].scores["micro_f1"], found["common"].scores["micro_f1"]) <= max(micro)


def test_one_threshold_for_all_has_the_highest_micro_f1_of_any(rng: np.random.Generator) -> None:
    targets, mask = rng.random((N, 4)) < [0.5, 0.3, 0.2, 0.1], rng.random((N, 4)) < 0.9
    scores = np.round(np.clip(0.4 * targets + 0.6 * rng.random((N, 4)), 0, 1), 2)
    cells = ev.Cells.checked(scores, targets, mask)

    def micro_f1(at: float) -> float:
        return ev.measure(ev.METRICS["micro_f1"], replace(cells, decisions=scores >= at)).mean

    common = ev.fit_thresholds(scores, targets, mask).common
    assert micro_f1(common) == pytest.approx(max(micro_f1(at) for at in np.linspace(0, 1, 201)))


@pytest.mark.parametrize("rule", ["none", "0", "1.0", "nan"])
def test_rules_that_do_not_exist_are_refused(rule: str) -> None:
    honest = ev.Thresholds(np.full(2, 0.3), np.ones(2, bool), 0.4)
    assert ev.choose_thresholds("0.25", honest, honest).tolist() == [0.25, 0.25]
    assert ev.choose_thresholds("common", honest, honest).tolist() == [0.4, 0.4]
    with raises(ConfigError, code="invalid-setting", mentions=("threshold", "fitted_on_test", rule)):
        ev.choose_thresholds(rule, honest, honest)
