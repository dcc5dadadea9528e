"""What the label tree says about scores: ancestry, hierarchy-consistent scores, the max constraint loss."""

import math

import numpy as np
import pytest
import torch

from mixlab.errors import ConfigError
from mixlab.taxonomy import LabelSet, Output, label_set_names, load_label_set, load_taxonomy
from mixlab.taxonomy.hierarchy import ancestry, ancestry_from_parents, consistent_max, output_levels
from mixlab.training.mcm_loss import mcm_loss_with_logits
from tests.errors import raises

# 0 has children 1 and 2, 1 has child 3; 4 stands alone.
PARENTS = (None, 0, 0, 1, None)
TREE = ancestry_from_parents(PARENTS)


def descendants(i: int) -> list[int]:
    return [j for j in range(len(PARENTS)) if TREE[i, j]]


def close(target: np.ndarray) -> np.ndarray:
    """Make targets consistent: a class is present when a descendant is."""
    return np.stack([target[:, descendants(i)].max(1) for i in range(len(PARENTS))], axis=1)


def reference_loss(h: np.ndarray, y: np.ndarray, known: np.ndarray) -> float:
    """The formula, written out cell by cell on probabilities in double precision."""
    terms = []
    for row in range(len(h)):
        for a in range(h.shape[1]):
            if not known[row, a]:
                continue
            if y[row, a]:
                proven = [h[row, b] * (y[row, b] and known[row, b]) for b in descendants(a)]
                terms.append(-math.log(max(proven)))
            else:
                terms.append(-math.log(1 - max(h[row, b] for b in descendants(a))))
    return float(np.mean(terms))


@pytest.fixture
def cells(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z = rng.normal(0, 2, (40, 5))
    y = close(rng.random((40, 5)) < 0.3)
    return z, y.astype(np.float64), rng.random((40, 5)) < 0.7


def test_ancestry_of_the_fifteen_classes() -> None:
    labels = load_label_set("mixtures15")
    related = ancestry(labels, load_taxonomy())
    names = labels.names
    pairs = {(names[i], names[j]) for i, j in zip(*np.nonzero(related), strict=True) if i != j}
    assert pairs == {
        ("voice", "singer"),
        ("percussion", "drums"),
        ("bowed string", "violin"),
        ("plucked string", "electric guitar"),
        ("plucked string", "acoustic guitar"),
        ("plucked string", "electric bass"),
        ("key", "piano"),
    }
    assert output_levels(related).tolist() == [0] * 8 + [1] * 7


def test_of_two_outputs_that_mean_the_same_the_later_stands_above() -> None:
    outputs = (
        Output("violin", ("violin",)),
        Output("fiddle", ("violin",)),
        Output("strings", ("bowed-string",)),
    )
    related = ancestry(LabelSet("own", "own", outputs, "0" * 16), load_taxonomy())
    assert related.tolist() == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize("name", label_set_names())
def test_ancestry_is_the_closure_of_the_parents(name: str) -> None:
    labels, taxonomy = load_label_set(name), load_taxonomy()
    related = ancestry(labels, taxonomy)
    np.testing.assert_array_equal(related, ancestry_from_parents(labels.parents(taxonomy)))
    # A partial order: reflexive, antisymmetric, transitive.
    assert related.diagonal().all()
    assert (related & related.T).sum() == len(labels)
    np.testing.assert_array_equal(related @ related, related)


@pytest.mark.parametrize("parents", [(1, 0), (0,), (5, None)])
def test_parents_with_a_cycle_or_a_wrong_index_are_refused(parents: tuple[int | None, ...]) -> None:
    with raises(ConfigError, code="cyclic-hierarchy"):
        ancestry_from_parents(parents)


def test_consistent_scores_never_contradict_the_tree(rng: np.random.Generator) -> None:
    scores = rng.random((30, 5), dtype=np.float32)
    consistent = consistent_max(scores, TREE)
    assert consistent.dtype == np.float32
    for i in range(5):
        np.testing.assert_array_equal(consistent[:, i], scores[:, descendants(i)].max(1))
    np.testing.assert_array_equal(consistent_max(consistent, TREE), consistent)
    np.testing.assert_array_equal(consistent_max(scores[3], TREE), consistent[3])
    assert (scores[:, 0] < scores[:, 3]).any(), "the draw must hold violations for this to say something"


def test_raising_a_child_lowers_nothing(rng: np.random.Generator) -> None:
    scores = rng.random((30, 5))
    for child in range(5):
        raised = scores.copy()
        raised[:, child] += rng.random(30)
        assert (consistent_max(raised, TREE) >= consistent_max(scores, TREE)).all()


def test_consistent_scores_are_the_same_in_torch_and_on_logits(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(0, 3, (6, 4, 5)))
    expected = consistent_max(torch.sigmoid(logits).numpy(), TREE)
    np.testing.assert_allclose(consistent_max(torch.sigmoid(logits), TREE).numpy(), expected)
    np.testing.assert_allclose(torch.sigmoid(consistent_max(logits, TREE)).numpy(), expected)


def test_consistent_scores_can_be_differentiated(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(0, 3, (3, 5))).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: consistent_max(z, TREE), (logits,))


def test_the_ancestry_must_belong_to_the_classes() -> None:
    with raises(ConfigError, code="wrong-shape", mentions="4"):
        consistent_max(np.zeros((2, 4)), TREE)
    with raises(ConfigError, code="wrong-shape"):
        consistent_max(np.zeros((2, 5)), ~TREE)
    z = torch.zeros(2, 4)
    with raises(ConfigError, code="wrong-shape", mentions="4"):
        mcm_loss_with_logits(z, z, z > -1, TREE)
    with raises(ConfigError, code="wrong-shape"):
        mcm_loss_with_logits(z, z[:1], z > -1, TREE)


def test_the_loss_is_the_formula(cells: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    z, y, known = cells
    for mask in (known, np.ones_like(known)):
        loss = mcm_loss_with_logits(
            torch.from_numpy(z), torch.from_numpy(y), torch.from_numpy(mask), torch.from_numpy(TREE)
        )
        assert loss.item() == pytest.approx(reference_loss(1 / (1 + np.exp(-z)), y, mask), rel=1e-12)


def test_the_loss_can_be_differentiated(cells: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    z, y, known = (torch.from_numpy(cell[:4]) for cell in cells)
    assert torch.autograd.gradcheck(lambda x: mcm_loss_with_logits(x, y, known, TREE), (z.requires_grad_(),))


def test_without_descendants_the_loss_is_the_masked_cross_entropy(
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    z, y, known = (torch.from_numpy(cell) for cell in cells)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(z[known], y[known])
    flat = np.eye(5, dtype=np.bool_)
    assert mcm_loss_with_logits(z, y, known, flat).item() == pytest.approx(plain.item(), rel=1e-12)


def gradient(
    target: list[float], mask: list[bool], logits: tuple[float, ...] = (0.1, 1.0, 0.5, 2.0, 0.0)
) -> np.ndarray:
    z = torch.tensor([logits], requires_grad=True)
    mcm_loss_with_logits(z, torch.tensor([target]), torch.tensor([mask]), TREE).backward()
    return z.grad[0].numpy()


def test_an_absent_or_unknown_descendant_cannot_prove_a_parent() -> None:
    only_top = [True, False, False, False, False]
    # Class 0 is present; its descendants score higher but are unknown: only its own score counts.
    assert np.flatnonzero(gradient([1, 0, 0, 0, 0], only_top)).tolist() == [0]
    assert np.flatnonzero(gradient([1, 1, 1, 1, 0], only_top)).tolist() == [0]
    # A descendant known to be present, and scoring highest, stands in for it.
    assert np.flatnonzero(gradient([1, 0, 1, 0, 0], [True, False, True, False, False])).tolist() == [2]


def test_an_absent_parent_answers_for_its_unknown_descendants() -> None:
    assert np.flatnonzero(gradient([0, 0, 0, 0, 0], [True, False, False, False, False])).tolist() == [3]


def test_an_unknown_class_has_no_term_of_its_own() -> None:
    assert np.flatnonzero(gradient([0, 0, 0, 0, 0], [False] * 4 + [True])).tolist() == [4]
    z = torch.zeros(2, 5)
    assert mcm_loss_with_logits(z, z, torch.zeros(2, 5, dtype=torch.bool), TREE).item() == 0.0
    # What an unknown cell holds, NaN included, changes nothing.
    garbage = torch.tensor([[1.0, math.nan, math.nan, 1.0, 0.0]])
    clean = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]])
    known, z = torch.tensor([[True, False, False, False, True]]), torch.randn(1, 5)
    assert mcm_loss_with_logits(z, garbage, known, TREE) == mcm_loss_with_logits(z, clean, known, TREE)


def test_the_loss_survives_extreme_logits_and_low_precision() -> None:
    z = torch.tensor([[300.0, -300.0, 200.0, 100.0, -80.0]], requires_grad=True)
    y, known = torch.tensor([[1.0, 1.0, 0.0, 1.0, 1.0]]), torch.ones(1, 5, dtype=torch.bool)
    loss = mcm_loss_with_logits(z, y, known, TREE)
    loss.backward()
    assert loss.item() == pytest.approx((0 + 0 + 200 + 0 + 80) / 5)
    assert torch.isfinite(z.grad).all()
    half = mcm_loss_with_logits(z.detach().bfloat16(), y, known, TREE)
    assert half.dtype == torch.float32
    assert half.item() == pytest.approx(loss.item(), rel=0.01)
