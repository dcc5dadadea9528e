"""Scores by subset: scikit-learn's on the subset, the split's own on all of it; levels from a catalog."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mixlab import Catalog, MixConfig, render_mix, sample_recipe
from mixlab.errors import RecipeError
from mixlab.evaluation.error_analysis import adding, confusions, ranked
from mixlab.evaluation.source_levels import class_levels
from mixlab.evaluation.subsets import by_class, by_facts, by_level, subset_scores
from mixlab.evaluation.thresholding import SplitTable, decide_at, split_table
from tests.errors import raises
from tests.evaluation.test_error_analysis import LABELS, PARENTS, N, predictions


def told(i: int) -> str:
    """A recipe as far as subsets ask: of one of two corpora, with one to three sources."""
    return json.dumps({"corpus": "ab"[i % 3 == 0], "kind": "musical", "sources": [{}] * (1 + i % 3)})


@pytest.fixture(scope="module")
def table() -> SplitTable:
    return split_table(predictions(), "test", PARENTS, n_resamples=100)


def test_all_together_is_the_split_and_a_part_is_scikit_learns(table: SplitTable) -> None:
    decided = decide_at(table)
    decisions = table.scores >= decided.thresholds
    everything = {"all": np.arange(len(table))}
    (whole,) = subset_scores(table, decisions, everything)
    assert whole.f1 == decided.over_all("micro_f1")
    for c in range(len(LABELS)):
        (one,) = subset_scores(table, decisions, everything, c)
        expected = decided.of_class("f1", c)
        assert one.positives == decided.support[c]
        assert one.f1.value == expected.value or math.isnan(expected.value)
        assert one.f1.interval == expected.interval
    groups = by_facts(table, [told(i) for i in range(N // 2)])
    assert set(groups) == {"corpus", "sources"}  # all are of one kind
    assert list(groups["sources"]) == ["1 source", "2 sources", "3 sources"]
    for parts in groups.values():
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(table)))
        for one in subset_scores(table, decisions, parts, 0):
            rows = parts[one.name][table.known[parts[one.name], 0]]
            assert one.f1.value == pytest.approx(f1_score(table.present[rows, 0], decisions[rows, 0]))


def test_the_rows_of_a_subset_are_those_of_its_recipes(table: SplitTable) -> None:
    corpora = by_facts(table, [told(i) for i in range(N // 2)])["corpus"]
    assert all(int(table.rows[row]) % 3 == 0 for row in corpora["b"])
    assert all(int(table.rows[row]) % 3 for row in corpora["a"])


def test_beside_another_class_are_those_that_do_not_sound_with_it_anyway(table: SplitTable) -> None:
    groups = by_class(table, LABELS.index("singer"))
    named = {name.partition(" ")[2] for name in groups}
    assert named == {"key", "piano", "theremin"}  # not the singer's voice
    piano = LABELS.index("piano")
    assert groups["with piano"].tolist() == np.flatnonzero(table.present[:, piano]).tolist()
    assert len(groups["with piano"]) + len(groups["without piano"]) == table.known[:, piano].sum()
    assert {name.partition(" ")[2] for name in by_class(table, LABELS.index("voice"))} == {
        "key", "piano", "theremin",
    }  # fmt: skip


def test_a_confusion_counts_the_rows_that_it_opens() -> None:
    table = split_table(predictions(noise=4.0), "test", PARENTS, n_resamples=0)
    thresholds = decide_at(table, 0.5).thresholds
    found = confusions(table, thresholds)
    assert found
    for pair in found:
        a, b = LABELS.index(pair.missed), LABELS.index(pair.added)
        missed = ranked(table, a, float(thresholds[a]), "false negatives")
        assert len(adding(table, missed, thresholds, b)) == pair.mixes


def test_levels_fall_into_one_part_each_and_what_has_none_into_no_part() -> None:
    levels = np.array([-30.0, -24.0, -18.1, -6.0, 0.0, np.nan])
    parts = by_level(levels)
    assert {name: rows.tolist() for name, rows in parts.items() if len(rows)} == {
        "below -24 dB": [0], "-24 to -18 dB": [1, 2], "-6 dB and above": [3, 4],
    }  # fmt: skip


def test_the_level_of_a_class_is_that_of_its_rendered_sources(toy: Catalog) -> None:
    config = MixConfig().for_evaluation()
    recipes = [sample_recipe(toy, config, 0, 0, index, split="test") for index in range(12)]
    texts = [recipe.to_json() for recipe in recipes]
    compared = 0
    for name in ("percussion", "key", "plucked string"):
        levels = class_levels(toy, texts, name)
        for recipe, level in zip(recipes, levels, strict=True):
            mix = render_mix(recipe, toy)
            powers = [float((source.audio.astype(float) ** 2).mean()) for source in mix.sources]
            own = sum(p for p, source in zip(powers, mix.sources, strict=True) if _is(mix, source, name))
            assert math.isfinite(level) == (own > 0)
            if own > 0:
                compared += 1
                assert level == pytest.approx(10 * math.log10(own / sum(powers)), abs=1.0)
    assert compared > 5
    with raises(RecipeError, code="no-recipe"):
        class_levels(toy, ['{"track": "1"}'], "key")


def test_levels_are_found_where_the_label_set_stands_in_the_recipe(toy: Catalog) -> None:
    config = MixConfig().for_evaluation()
    own = MixConfig(label_set="{name: mine, outputs: [{name: keys, nodes: [key]}]}").for_evaluation()
    texts, shipped = (
        [sample_recipe(toy, each, 0, 0, index, split="test").to_json() for index in range(12)]
        for each in (own, config)
    )
    assert '"outputs"' in texts[0]
    levels = class_levels(toy, texts, "keys")
    assert np.isfinite(levels).sum() > 2
    assert np.array_equal(levels, class_levels(toy, shipped, "key"), equal_nan=True)


def _is(mix: object, source: object, name: str) -> bool:
    from mixlab.taxonomy import load_taxonomy, stem_evidence

    labels = mix.labels  # type: ignore[attr-defined]
    nodes = next(output.nodes for output in labels.outputs if output.name == name)
    return stem_evidence(load_taxonomy(), source.nodes).state(nodes) == "present"  # type: ignore[attr-defined]


def test_single_label_rows_are_decided_by_the_highest_score(table: SplitTable) -> None:
    single = replace(table, single_label=True)
    rows = np.arange(len(single))
    found = adding(single, rows, 2.0, 0)
    decided = single.cells.decisions[:, 0] & single.known[:, 0] & ~single.present[:, 0]
    assert found.tolist() == np.flatnonzero(decided).tolist()
