"""How loud a class is in each mix of a split, from the levels that the catalog keeps: nothing is rendered."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from mixlab.audio.io import HOP_S
from mixlab.catalog.catalog import Catalog
from mixlab.errors import RecipeError
from mixlab.evaluation.arrays import Floats
from mixlab.mixing.candidates import nodes_of
from mixlab.taxonomy import load_label_set, load_taxonomy, stem_evidence
from mixlab.utils.yaml import load_json

__all__ = ["class_levels"]


def class_levels(catalog: Catalog, recipes: Sequence[str], name: str) -> Floats:
    """Return the level of a class in each of some mixes, relative to all sources, in dB.

    From the levels per 100 ms that the catalog has of every stem, and the recipes' own gains: exact for mixes
    without effects, as all of validation and test are, but for the parts of a hop at both ends.

    Args:
        catalog: The one that the recipes were sampled from.
        recipes: N recipes as JSON, as predictions keep them.
        name: A class of their label set.

    Returns:
        ``(N,)`` levels of all sources that are certain to be of the class, together; 0 where there is nothing
        else, NaN where there is none, or nothing sounds.

    Raises:
        RecipeError: they are of whole tracks or clips, not of mixes.
        CatalogError: the catalog has not all of their stems.
    """

    @cache
    def is_of_class(row: int, label_set: str) -> bool:
        labels = load_label_set(label_set)
        nodes = next(output.nodes for output in labels.outputs if output.name == name)
        evidence = stem_evidence(load_taxonomy(), nodes_of(catalog, row, labels))
        return bool(evidence.state(nodes) == "present")

    return np.array([_level_db(catalog, load_json(text), is_of_class) for text in recipes], np.float64)


def _level_db(catalog: Catalog, recipe: dict[str, Any], is_of_class: Any) -> float:  # noqa: ANN401 - cached
    if "sources" not in recipe:
        raise RecipeError(
            "These are whole tracks or clips, not mixes: they have no sources.", code="no-recipe"
        )
    render = recipe["render"]
    label_set = render["label_set"]
    if not isinstance(label_set, str):
        label_set = json.dumps(label_set)  # one of one's own, which stands in the recipe itself
    own = whole = 0.0
    for source in recipe["sources"]:
        row = catalog.find(source["stem"])
        power = _power(catalog, row, float(source["start_s"]), float(render["duration_s"]))
        power *= 10.0 ** (float(source["level_db"]) / 10.0)
        whole += power
        own += power if is_of_class(row, label_set) else 0.0
    return 10.0 * float(np.log10(own / whole)) if own > 0.0 else float("nan")


def _power(catalog: Catalog, row: int, start_s: float, duration_s: float) -> float:
    """Return the mean power of a span of a stem; 0 beyond its end."""
    first, hops = round(start_s / HOP_S), max(round(duration_s / HOP_S), 1)
    levels_db = catalog.envelope(row)[first : first + hops].astype(np.float64)
    return float((10.0 ** (levels_db / 10.0)).sum()) / hops
