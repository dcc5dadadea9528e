"""Every metric of the table, and a user's own, keep the laws of a score."""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from mixlab.errors import ConfigError
from mixlab.evaluation import (
    METRICS,
    Cells,
    Metric,
    average_precision_at,
    check_metric,
    find_metrics,
    measure,
    score_split,
)
from mixlab.evaluation.bootstrap import song_weights
from mixlab.evaluation.own_metrics import find_faults
from mixlab.evaluation.thresholds import Thresholds
from mixlab.training import TrainConfig
from mixlab.training.baselines.config import BaselineConfig
from tests.errors import raises

N, C, SONGS = 90, 4, 15

LRAP = """
import numpy as np
from sklearn.metrics import label_ranking_average_precision_score

from mixlab.evaluation import Metric


def ranked(scores, present):
    return label_ranking_average_precision_score([present], [scores])


LRAP = Metric("ranking", "own", "label ranking average precision", function=ranked, over="item")


def balanced(decided, present):
    '''Mean of the shares of present and of absent mixes that are decided rightly.'''
    return (decided[present].mean() + (~decided[~present]).mean()) / 2 if not present.all() else np.nan


BALANCED = Metric("balanced", "balanced accuracy", function=balanced, needs_threshold=True)


def error(scores, present):
    return float(np.mean((scores - present) ** 2))


def share(scores, present):
    '''Area under the curve, in its own words.'''
    return np.mean(scores[present][:, None] > scores[~present][None, :]) if not present.all() else np.nan
"""


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user's package, outside the repository."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "someones_metrics.py").write_text(LRAP)
    (folder / "someones-1.0.dist-info").mkdir()
    (folder / "someones-1.0.dist-info" / "METADATA").write_text("Name: someones\nVersion: 1.0\n")
    points = "[mixlab.metrics]\nranking = someones_metrics:LRAP\n"
    (folder / "someones-1.0.dist-info" / "entry_points.txt").write_text(points)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("someones_metrics", None)


@dataclass(frozen=True)
class Case:
    """A metric by name, and what another library says of known cells, ``(scores, decisions, present)``."""

    name: str
    reference: Callable[[np.ndarray, np.ndarray, np.ndarray], float]

    @property
    def metric(self) -> Metric:
        return next(m for m in find_metrics([self.name]) if self.name in (m.name, m.source))


def _f(kind: str) -> Callable[..., float]:
    return lambda s, d, t: getattr(sk, f"{kind}_score")(t, d, zero_division=0)


def _log_loss(s: np.ndarray, d: np.ndarray, t: np.ndarray) -> float:
    return float(sk.log_loss(t, np.clip(s, 1e-7, 1 - 1e-7), labels=[False, True]))


def _ece(s: np.ndarray, d: np.ndarray, t: np.ndarray) -> float:
    from sklearn.calibration import calibration_curve

    share, said = calibration_curve(t, s, n_bins=15)
    filled = np.histogram(np.nextafter(s, 0), bins=15, range=(0, 1))[0]
    return float(np.abs(share - said) @ filled[filled > 0] / len(s))


_REFERENCES: dict[str, Callable[..., float]] = {
    "average_precision": lambda s, d, t: sk.average_precision_score(t, s),
    "roc_auc": lambda s, d, t: sk.roc_auc_score(t, s),
    "loss": _log_loss,
    "f1": _f("f1"),
    "precision": _f("precision"),
    "recall": _f("recall"),
    "brier": lambda s, d, t: sk.brier_score_loss(t, s),
    "ece": _ece,
    "lrap": lambda s, d, t: sk.label_ranking_average_precision_score([t], [s]),
    "accuracy": lambda s, d, t: sk.accuracy_score([t], [d]),
    "someones_metrics:LRAP": lambda s, d, t: sk.label_ranking_average_precision_score([t], [s]),
    "someones_metrics:BALANCED": lambda s, d, t: sk.balanced_accuracy_score(t, d),
    "someones_metrics:share": lambda s, d, t: sk.roc_auc_score(t, s),
}
OWN = [name for name in _REFERENCES if ":" in name]
CASES = [Case(name, _REFERENCES[name.removeprefix("micro_")]) for name in (*METRICS, *OWN)]
every_metric = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@pytest.fixture
def cells(rng: np.random.Generator) -> Cells:
    present, known = rng.random((N, C)) < [0.6, 0.15, 0.4, 0.3], rng.random((N, C)) < 0.8
    scores = np.clip(0.3 * present + 0.7 * rng.random((N, C)), 0.001, 0.999)
    song = [f"song{i % SONGS}" for i in range(N)]
    return Cells.checked(scores, present, known, song, [0.5, 0.4, 0.6, 0.5])


def values(case: Case, cells: Cells) -> np.ndarray:
    return measure(case.metric, cells).values


@every_metric
def test_it_passes_the_check_that_a_users_own_must_pass(case: Case) -> None:
    check_metric(case.metric)


@every_metric
def test_it_agrees_with_another_library_on_known_cells(case: Case, cells: Cells) -> None:
    parts = list(cells.parts(case.metric.over))
    if case.metric.over == "item":
        expected = [case.reference(p.scores, p.decisions, p.present) for p in parts if p.present.any()]
        assert len(expected) < N  # some mixes hold no known class
        np.testing.assert_allclose(values(case, cells), np.mean(expected))
        assert measure(case.metric, cells).left_out == N - len(expected)
        return
    expected = [case.reference(p.scores, p.decisions, p.present) for p in parts]
    np.testing.assert_allclose(values(case, cells), expected, rtol=1e-6)


@every_metric
def test_masked_cells_never_change_it(case: Case, cells: Cells, rng: np.random.Generator) -> None:
    known = cells.known
    other = Cells.checked(
        np.where(known, cells.scores, rng.random((N, C))),
        np.where(known, cells.present, rng.random((N, C)) < 0.5),
        known,
        [str(song) for song in cells.song],
    )
    other = replace(other, decisions=np.where(known, cells.decisions, ~cells.decisions), song=cells.song)
    weights = song_weights(SONGS, 20, 0)
    for a, b in zip(*(_arrays(measure(case.metric, one, weights)) for one in (cells, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def _arrays(measured) -> tuple[np.ndarray, ...]:
    return (measured.values, *(() if measured.resampled is None else (measured.resampled,)))


@every_metric
def test_what_cannot_be_computed_is_undefined(case: Case, cells: Cells) -> None:
    nothing = replace(cells, known=np.zeros_like(cells.known), present=np.zeros_like(cells.present))
    assert np.isnan(values(case, nothing)).all()
    assert np.isnan(measure(case.metric, nothing, song_weights(SONGS, 5, 0)).score().value)
    if case.metric.needs_positives:
        absent = replace(cells, present=np.zeros_like(cells.present))
        assert np.isnan(values(case, absent)).all()


@every_metric
def test_the_order_of_mixes_does_not_matter(case: Case, cells: Cells, rng: np.random.Generator) -> None:
    order = rng.permutation(N)
    turned = Cells(
        *(getattr(cells, name)[order] for name in ("scores", "decisions", "present", "known", "song")), SONGS
    )
    np.testing.assert_allclose(values(case, turned), values(case, cells), rtol=1e-12)


@every_metric
def test_resamples_are_scores_of_the_songs_taken_again(case: Case, cells: Cells) -> None:
    """By brute force: each mix stands as often as its song was drawn."""
    weights = song_weights(SONGS, 12, 3)
    assert weights is not None
    found = measure(replace(case.metric, detail=False), cells, weights).resampled
    assert found is not None
    for row, counts in zip(found, weights.astype(int), strict=True):
        again = np.repeat(np.arange(N), counts[cells.song])
        names = ("scores", "decisions", "present", "known", "song")
        taken = Cells(*(getattr(cells, name)[again] for name in names), SONGS)
        np.testing.assert_allclose(row, values(case, taken), rtol=1e-9)


@every_metric
def test_perfect_scores_are_at_the_good_end(case: Case, cells: Cells) -> None:
    metric = case.metric
    perfect = replace(cells, scores=cells.present.astype(float), decisions=cells.present)
    wrong = replace(cells, scores=1 - cells.present.astype(float), decisions=~cells.present)
    best, worst = (values(case, one) for one in (perfect, wrong))
    assert all(metric.better(b, w) for b, w in zip(best, worst, strict=True))
    end = metric.highest if metric.higher_is_better else metric.lowest
    np.testing.assert_allclose(best, end, atol=1e-6)


def test_a_users_metrics_stand_in_a_report_with_an_interval(cells: Cells) -> None:
    full = score_split(
        "test", [f"class {c}" for c in range(C)], cells.scores, cells.present, cells.known,
        thresholds=Thresholds(np.full(C, 0.5), np.ones(C, bool)), prevalence=np.full(C, 0.3),
        groups=[str(song) for song in cells.song], metrics=find_metrics(OWN), n_resamples=50,
    )  # fmt: skip
    assert [m.source for m in full.metrics[-3:]] == OWN
    lrap, share, auc = (full.scores[name] for name in ("ranking", "share", "roc_auc"))
    assert lrap.interval is not None
    assert lrap.interval.low < lrap.value < lrap.interval.high
    assert lrap.undefined > 0
    assert (share.value, share.interval) == (pytest.approx(auc.value), auc.interval)
    assert full.classes[0].scores["balanced"].interval is not None
    assert full.metrics[-1].definition == "Area under the curve, in its own words"


# ---- what is refused ----


def lopsided(scores: np.ndarray, present: np.ndarray) -> float:
    return float(scores[0])


def turned(scores: np.ndarray, present: np.ndarray) -> float:
    return float(np.abs(scores - present).mean())


def far(scores: np.ndarray, present: np.ndarray) -> float:
    return 100 * float(scores[present].mean() - scores[~present].mean()) if not present.all() else math.nan


def careless(scores: np.ndarray, present: np.ndarray) -> float:
    scores -= scores.min()
    return float(sk.average_precision_score(present, scores))


def broken(scores: np.ndarray, present: np.ndarray) -> float:
    return float(scores["no such key"])


@pytest.mark.parametrize(
    ("metric", "law"),
    [
        (Metric("lopsided", "x", function=lopsided), "order"),
        (Metric("turned", "x", function=turned), "direction"),
        (Metric("far", "x", function=far), "range"),
        (Metric("careless", "x", function=careless), "arguments"),
        (Metric("undefined", "x", function=lambda s, t: math.nan), "defined"),
        (Metric("not a name", "x", function=METRICS["roc_auc"].function), "name"),
        (replace(METRICS["f1"], name="f", resample=METRICS["loss"].resample), "resample"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_breaks_a_law_is_refused_with_its_fault(metric: Metric, law: str) -> None:
    assert law in {fault.law for fault in find_faults(metric)}
    with raises(
        ConfigError, code="unfit-plugin", mentions=[metric.name, *find_faults(metric)[0].text.split("; ")]
    ):
        check_metric(metric)


def test_a_function_that_fails_is_named() -> None:
    with raises(ConfigError, code="plugin-failed", mentions=["broken", "IndexError", "test_metrics.py"]):
        check_metric(Metric("broken", "x", function=broken))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("return scores.no_such_thing", "AttributeError"),
        ("raise RuntimeError('no')", "RuntimeError"),
        ("return None", "TypeError"),
        ("return 1 / 0", "ZeroDivisionError"),
    ],
)
def test_whatever_a_plugged_in_function_raises_names_it(
    text: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_metric.py").write_text(f"def failing(scores, present):\n    {text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "failing_metric", raising=False)
    with raises(ConfigError, code="plugin-failed", mentions=["failing_metric:failing", error]):
        find_metrics(["failing_metric:failing"])
    sys.modules.pop("failing_metric")


@pytest.mark.parametrize("names", ["someones_metrics:LRAP", (METRICS["f1"],), 3])
def test_metrics_are_listed_by_their_names(names: Any) -> None:
    for take in (find_metrics, lambda given: TrainConfig(metrics=given)):
        with raises(ConfigError, code="invalid-setting", mentions=["package.module:NAME"]):
            take(names)
    with raises(ConfigError, code="invalid-setting", mentions=["baseline.metrics"]):
        BaselineConfig(metrics=names)


def test_a_setting_has_a_metric_once() -> None:
    twice = ["someones_metrics:LRAP"] * 2
    for config, name in ((TrainConfig, "train.metrics"), (BaselineConfig, "baseline.metrics")):
        with raises(ConfigError, code="repeated-option", mentions=[name, twice[0]]):
            config(metrics=twice)


def test_the_other_direction_must_be_said() -> None:
    check_metric(Metric("turned", "x", function=turned, higher_is_better=False, needs_positives=False))


@pytest.mark.parametrize("name", ["someones_metrics:error", "someones_metrics:np"])
def test_what_is_no_metric_is_refused(name: str) -> None:
    with raises(ConfigError, code="unfit-plugin", mentions=name):
        find_metrics([name])


@pytest.mark.parametrize("name", ["someones_metrics:none", "no_such_package:lrap", "no_metric"])
def test_names_that_lead_nowhere_are_refused(name: str) -> None:
    with raises(ConfigError, code="plugin-not-found", mentions=name):
        find_metrics([name])


def test_an_installed_package_offers_metrics_by_name() -> None:
    *built_in, own = find_metrics(["ranking"])
    assert built_in == list(METRICS.values())
    assert (own.name, own.source) == ("ranking", "ranking")


def test_a_name_is_taken_once() -> None:
    assert find_metrics(["f1"]) == tuple(METRICS.values())
    assert len(find_metrics(["someones_metrics:LRAP", "someones_metrics:LRAP"])) == len(METRICS) + 1
    module = sys.modules["someones_metrics"]
    module.OTHER = Metric("f1", "my F1", function=module.balanced)
    with raises(ConfigError, code="repeated-option", mentions=["someones_metrics:OTHER", "f1"]):
        find_metrics(["someones_metrics:OTHER"])


def test_average_precision_at_a_prevalence_is_that_of_items_repeated(rng: np.random.Generator) -> None:
    present, scores = rng.uniform(size=40) < 0.4, rng.uniform(size=40).round(1)  # with ties
    plain = sk.average_precision_score(present, scores)
    assert average_precision_at(present.mean(), scores, present) == pytest.approx(plain)
    times = np.where(present, 1, 5)
    more, again = np.repeat(present, times), np.repeat(scores, times)
    expected = sk.average_precision_score(more, again)
    assert expected != pytest.approx(plain)
    assert average_precision_at(more.mean(), scores, present) == pytest.approx(expected)
    for prevalence, kept in ((0.0, present), (1.0, present), (np.nan, present), (0.5, present | True)):
        assert np.isnan(average_precision_at(prevalence, scores, kept))
