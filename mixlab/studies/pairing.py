"""What makes runs comparable: one set of targets for all, and names that equal mixes have in common.

A run labels its fixed mixes by its own rules and names them by its own catalog. Here they are given the
targets of the study's rules and, where they are the study's own mixes, its names. Nothing is rendered for a
report: targets by other rules are made once, when a run is done, and found again by the ids of its mixes.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.catalog.catalog import Catalog
from mixlab.errors import CatalogMismatchError, RunError
from mixlab.evaluation.predictions import Predictions
from mixlab.mixing.config import LABEL_RULES, MixConfig
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import render_mix
from mixlab.studies.state import StudyCatalog
from mixlab.training import open_catalog
from mixlab.training.run import Run
from mixlab.utils.files import discard_damaged, make_folder, open_atomic, read_arrays
from mixlab.utils.hashing import digest

__all__ = ["CommonMixes", "CommonTargets", "at_rate", "mixes_id"]


def mixes_id(predictions: Predictions) -> str:
    """Return a name of the mixes that predictions are of, whatever their targets are."""
    return digest(predictions.mix_id.tolist())


def at_rate(predictions: Predictions, sample_rate: int) -> Predictions:
    """Return predictions on mixes with the recipes, and so the names, that these have at another rate.

    The same address of a fixed set samples the same stems, places and levels at every rate: networks that
    take audio at different rates are scored on the same mixes, which only their rate tells apart.
    """
    if _render_settings(predictions).get("sample_rate", sample_rate) == sample_rate:
        return predictions
    return predictions.with_recipes(
        [
            replace(recipe, render=replace(recipe.render, sample_rate=sample_rate))
            for recipe in predictions.mix_recipes()
        ]
    )


def _render_settings(predictions: Predictions) -> dict[str, Any]:
    """Return how the mixes of a fixed set were rendered and labelled; {} where they are no mixes.

    Only this much of the first recipe is read: its effects need not be here.
    """
    try:
        return dict(json.loads(str(predictions.recipes[0]))["render"])
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        return {}


class CommonTargets:
    """Gives all runs on the same mixes the same targets, those of the study's own rules.

    A condition that varies how sources are labelled was scored by its own run against its own labels; to
    compare conditions, all are scored against the study's.

    Args:
        folder: Folder of the study; made targets lie in ``targets/`` below.
        mix: What all conditions have in common.
    """

    def __init__(self, folder: Path, mix: MixConfig) -> None:
        self.folder, self.rules = folder / "targets", {name: getattr(mix, name) for name in LABEL_RULES}

    def differ(self, mix: Mapping[str, Any]) -> bool:
        """Whether settings of the mixing have other rules than the study's."""
        return any(mix[name] != value for name, value in self.rules.items())

    def add(self, run: Run) -> None:
        """Make the targets of a run's mixes where its own are by other rules, and keep them.

        Raises:
            MixlabError: the run's predictions, its catalog or its files cannot be read.
        """
        predictions = run.predictions()
        if not self._recipes(predictions) or self._file(predictions).is_file():
            return
        catalog, made = open_catalog(run), []
        for recipe in self._recipes(predictions):
            mix = render_mix(recipe, catalog)
            made.append((mix.target, mix.mask))
        make_folder(self.folder)
        with open_atomic(self._file(predictions)) as out:
            targets, mask = (np.stack(values) for values in zip(*made, strict=True))
            np.savez_compressed(out, mix_id=predictions.mix_id.astype(str), targets=targets, mask=mask)

    def apply(self, run: Run, predictions: Predictions) -> Predictions:
        """Return the predictions with targets by the study's own rules.

        Raises:
            RunError: these were not made yet.
        """
        recipes = self._recipes(predictions)
        if not recipes:
            return predictions
        arrays = self._stored(self._file(predictions), predictions)
        if arrays is None or not np.array_equal(arrays["mix_id"], predictions.mix_id.astype(str)):
            rules = ", ".join(f"{name}={value}" for name, value in self.rules.items())
            raise RunError(
                f"{run.path}: its mixes are labelled by other rules than the study's ({rules}), and their "
                "targets by these are not in the study's folder. The command that started the study, typed "
                "again, makes them.",
                code="run-incomplete",
            )
        relabelled = replace(predictions, targets=arrays["targets"], mask=arrays["mask"])
        # The recipes say what the targets are by now, so that runs on the same mixes are known as such.
        return relabelled.with_recipes(recipes)

    def _recipes(self, predictions: Predictions) -> list[MixRecipe]:
        """Return the recipes by the study's rules; none where they are so already, or are of no mixes.

        Raises:
            RecipeError: they are by other rules, and cannot be read.
        """
        own = _render_settings(predictions)
        if not own or all(own.get(name) == value for name, value in self.rules.items()):
            return []
        return [
            replace(recipe, render=replace(recipe.render, **self.rules))
            for recipe in predictions.mix_recipes()
        ]

    def _file(self, predictions: Predictions) -> Path:
        return self.folder / f"{mixes_id(predictions)}-{digest(self.rules)[:8]}.npz"

    def _stored(self, file: Path, predictions: Predictions) -> dict[str, np.ndarray] | None:
        if not file.is_file():
            return None
        try:
            arrays = read_arrays(file)
            for name, meant in (("targets", predictions.targets), ("mask", predictions.mask)):
                if arrays[name].shape != meant.shape or arrays[name].dtype != meant.dtype:
                    raise ValueError(f"{name!r} is of other classes or mixes")
            return {name: arrays[name] for name in ("mix_id", "targets", "mask")}
        except (ValueError, KeyError) as error:
            discard_damaged(file, error)
            return None


# What a catalog knows of a stem's audio: stems that agree in all of it are taken for the same.
_AUDIO = (
    "size", "sample_rate", "frames", "channels", "gain", "offset_s", "loudness_lufs", "peak_db", "active_s",
)  # fmt: skip


class CommonMixes:
    """Tells whether mixes of runs made elsewhere are the study's own, though their catalog is another one.

    Catalogs often differ in what is trained on alone. A mix is the same where all of its stems are: then its
    recipe is given the name of the study's catalog, and scores on it are paired.
    """

    def __init__(self, catalog: StudyCatalog) -> None:
        self.catalog, self.known = catalog, dict[str, dict[str, tuple[Any, ...]]]()

    def apply(self, run: Run, predictions: Predictions) -> Predictions:
        """Return the predictions with the recipes of common mixes renamed.

        Raises:
            MixlabError: one of the catalogs cannot be read, or is another than it was.
        """
        own = self.catalog.content_hash
        recipes = predictions.mix_recipes()
        if {recipe.catalog_hash for recipe in recipes} <= {own}:
            return predictions
        ours, theirs = self._ours(), self._rows(open_catalog(run))

        def is_common(stem: str) -> bool:
            return stem in ours and ours[stem] == theirs.get(stem)

        return predictions.with_recipes(
            [
                replace(recipe, catalog_hash=own)
                if all(is_common(s.stem) for s in recipe.sources)
                else recipe
                for recipe in recipes
            ]
        )

    def _ours(self) -> dict[str, tuple[Any, ...]]:
        own = self.catalog.content_hash
        if own not in self.known:
            catalog = Catalog.open(self.catalog.path)
            if catalog.content_hash != own:
                raise CatalogMismatchError(
                    f"The study was made with the catalog with hash {own}, {catalog.path} has "
                    f"{catalog.content_hash}: it was indexed anew since.",
                    code="catalog-mismatch",
                )
            self._rows(catalog)
        return self.known[own]

    def _rows(self, catalog: Catalog) -> dict[str, tuple[Any, ...]]:
        if catalog.content_hash not in self.known:
            columns = [catalog.table.column(name).to_pylist() for name in ("key", *_AUDIO)]
            self.known[catalog.content_hash] = {
                key: tuple(map(_comparable, row)) for key, *row in zip(*columns, strict=True)
            }
        return self.known[catalog.content_hash]


def _comparable(value: Any) -> Any:  # noqa: ANN401 - an entry of a table
    """Return a value that equals itself: NaN, the loudness of the shortest stems, does not."""
    return None if isinstance(value, float) and math.isnan(value) else value
