"""The model that comes with mixlab: which it is, where its file lies, and what its card says.

The file lies in the package, beside a card that says what it was trained on, by which commands, and how good
it is. ``benchmarks/shipped_model.py`` makes both.
"""

import json
from pathlib import Path
from typing import Any

from mixlab.errors import WeightsError

__all__ = [
    "FOLDER",
    "SHIPPED",
    "read_card",
    "shipped_card",
    "shipped_curves",
    "shipped_file",
    "shipped_files",
]

SHIPPED = "mixlab_tagger"
"""Its name wherever published weights are named."""

FOLDER = Path(__file__).parent / "shipped"


def shipped_file() -> Path:
    """Return where its weights lie."""
    return FOLDER / f"{SHIPPED}.safetensors"


def shipped_card() -> Path:
    """Return where its card lies."""
    return FOLDER / f"{SHIPPED}.json"


def shipped_curves() -> Path:
    """Return where the curves lie that make probabilities of its scores, and of some published weights'."""
    return FOLDER / "curves.json"


def shipped_files() -> tuple[Path, ...]:
    """Return all files by which mixlab scores without a run: weights, cards, curves, classifiers."""
    return tuple(sorted(FOLDER.glob("*")))


def read_card() -> dict[str, Any]:
    """Return what its card says.

    Raises:
        WeightsError: the card is missing or damaged.
    """
    try:
        card = json.loads(shipped_card().read_text(encoding="utf-8"))
        found = {str(name): float(value) for name, value in card["thresholds"].items()}
        return {**card, "thresholds": found}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"The card of {SHIPPED}, {shipped_card()}, cannot be read ({type(error).__name__}: {error}). The "
            "installation is damaged: install mixlab again.",
            code="invalid-weights",
        ) from error
