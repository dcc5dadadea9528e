"""Classifiers on the embeddings of published weights, which come with mixlab; the weights do not.

Each was fitted on mixes of composed songs, as ``mixlab baseline --baseline.features embeddings`` fits one,
and scores ``mixtures15``. It is of use to those who fetched the weights, beside the tags that these bring
themselves. ``benchmarks/shipped_heads.py`` makes the files.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.errors import WeightsError
from mixlab.inference.published import DEFAULT_LABEL_SET
from mixlab.inference.scorer import ScoredBy, Scorer, network_scores, usable_device
from mixlab.models.published import find_published
from mixlab.models.shipped_model import FOLDER
from mixlab.taxonomy import load_label_set, load_taxonomy
from mixlab.utils.hashing import file_digest

__all__ = ["fitted_heads", "head_card", "head_file", "head_scorer"]


def head_file(weights: str) -> Path:
    """Return where the classifier's arrays lie, whether there is one or not; its card lies beside it."""
    return FOLDER / f"{weights}_head.safetensors"


def fitted_heads() -> tuple[str, ...]:
    """Return of which published weights there is a classifier."""
    return ("mtat_musicnn",)


def head_scorer(weights: str | Path, *, device: str = "auto") -> Scorer:
    """Return what the classifier says that comes with mixlab for the embeddings of published weights.

    Args:
        weights: A name that ``fitted_heads`` lists, or a file of these weights.
        device: Where the network computes; ``auto`` takes a GPU where there is one.

    Returns:
        A scorer of the classes of ``mixtures15``, with thresholds and curves of its own. Audio is brought to
        full scale first.

    Raises:
        WeightsError: there is no classifier for them, they are other ones than it was fitted with, or its
            file is damaged.
        ConfigError: the file of weights does not fit its network.
    """
    published = find_published(weights)
    name = published.entry.name
    if name not in fitted_heads():
        raise WeightsError(
            f"No classifier for the embeddings of {name} comes with mixlab, only for those of "
            f"{', '.join(fitted_heads())}. Fit one with 'mixlab baseline --baseline.features embeddings "
            f"--baseline.weights {name}'.",
            code="unknown-weights",
        )
    card = head_card(head_file(name).with_suffix(".json"))
    if file_digest(published.file) != card["weights_sha256"]:
        raise WeightsError(
            f"{published.file} is not the {name} that the classifier was fitted with: expected a file whose "
            f"SHA-256 is {card['weights_sha256']}.",
            code="weights-checksum",
        )
    return _scorer(published.load(), name, card, usable_device(device))


def _scorer(network: Any, name: str, card: dict[str, Any], device: str) -> Scorer:  # noqa: ANN401 - nn.Module
    from safetensors.torch import load_file

    from mixlab.training.baselines.embeddings import network_extract
    from mixlab.training.baselines.fitted import FittedBaseline
    from mixlab.training.baselines.scorers import FittedScores

    file, labels = head_file(name), load_label_set(DEFAULT_LABEL_SET)
    network = network.to(device)
    try:
        if file_digest(file) != card["sha256"]:
            raise ValueError("its SHA-256 is another one than its card says")
        fitted = FittedScores.from_plain(
            card["classifier"],
            {key: value.float().numpy() for key, value in load_file(file).items()},
            n_values=card["values"],
            n_classes=len(labels),
        )
        thresholds = np.array([card["thresholds"][label] for label in labels.names], np.float64)
        curves = np.array([card["curves"][label] for label in labels.names], np.float64)
        rate, window_s = int(card["sample_rate"]), float(card["window_s"])
        if not (np.isfinite(thresholds).all() and np.isfinite(curves).all() and curves.shape[1] == 2):
            raise ValueError("thresholds and curves are not all numbers")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file, error) from error
    model = FittedBaseline(
        fitted,
        network_extract(network, peak=False, blocks=False),
        network=network,
        min_samples=int(getattr(network, "min_samples", 1)),
    ).eval()
    return Scorer(
        compute=network_scores(model, device=device),
        labels=labels.names,
        parents=labels.parents(load_taxonomy()),
        thresholds=thresholds,
        sample_rate=rate,
        window_s=window_s,
        source=f"embeddings of {name}",
        fitted=True,
        thresholds_from="shipped",
        note=f"a classifier on the embeddings of {name}, fitted on composed songs",
        level="peak",
        min_samples=model.min_samples,
        device=device,
        label_set=labels.name,
        nodes=tuple(output.nodes for output in labels.outputs),
        kind="weights",
        curves=curves,
        scored_by=(
            ScoredBy("weights", name, card["weights_sha256"]),
            ScoredBy("classifier", file.stem, card["sha256"], file_digest(file.with_suffix(".json"))),
        ),
    )


def head_card(card: Path) -> dict[str, Any]:
    """Return what the card of a classifier says.

    Raises:
        WeightsError: it is missing or damaged.
    """
    try:
        found: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
        for key in ("sha256", "weights_sha256", "classifier", "values", "thresholds", "curves"):
            found[key]
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(card, error) from error


def _damaged(file: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"The classifier in {file} cannot be read ({type(error).__name__}: {error}). The installation is "
        "damaged: install mixlab again.",
        code="invalid-weights",
    )
