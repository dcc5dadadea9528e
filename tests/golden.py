"""What seeds gave when ``golden.json`` was written: recipes by hash, renders by level, labels one by one.

``python -m tests.golden --write`` writes it anew: only where a change of what seeds give is meant, together
with a higher ``RECIPE_VERSION``.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mixlab import Catalog, Mix, MixConfig, render_mix, sample_recipe
from mixlab.mixing.recipe import RECIPE_VERSION
from tests.toy import make_catalog

GOLDEN = Path(__file__).with_name("golden.json")

CONFIGS = {
    "defaults": MixConfig(duration_s=2.0),
    "balanced": MixConfig(duration_s=1.5, p_musical=0.5, balance=1.0, p_single_source=0.0),
    "stereo, by loudness": MixConfig(duration_s=2.0, channels=2, level="loudness", label_rule="audible"),
    "whole songs": MixConfig(duration_s=2.0, p_musical=1.0, full=True, bleed="allow"),
}
RECIPES = 200
RENDERS = 6


def rounded(value: Any) -> Any:
    """Return JSON data with numbers of nine digits: the last ones differ between processors."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def levels(audio: np.ndarray) -> list[float]:
    """Return the RMS of eight pieces of every channel, times 1,000."""
    pieces = np.array_split(audio.astype(np.float64), 8, axis=1)
    return [round(1000 * float(np.sqrt(np.mean(piece**2))), 4) for piece in pieces]


def signs(mix: Mix) -> list[str]:
    """Return each class as ``1`` present, ``0`` absent or ``?`` unknown."""
    return [str(int(t)) if known else "?" for t, known in zip(mix.target, mix.mask, strict=True)]


def golden(catalog: Catalog) -> dict[str, Any]:
    """Return what the seeds 0 and 1 give for every configuration."""
    found: dict[str, Any] = {"recipe_version": RECIPE_VERSION, "catalog": catalog.content_hash}
    for name, config in CONFIGS.items():
        recipes = [sample_recipe(catalog, config, seed=n % 2, epoch=n % 3, index=n) for n in range(RECIPES)]
        text = json.dumps([rounded(json.loads(recipe.to_json())) for recipe in recipes], sort_keys=True)
        mixes = [render_mix(recipe, catalog) for recipe in recipes[:RENDERS]]
        found[name] = {
            "config": config.content_hash,
            "recipes": hashlib.sha256(text.encode()).hexdigest()[:16],
            "sources": [len(recipe.sources) for recipe in recipes[:20]],
            "levels": [levels(mix.mixture) for mix in mixes],
            "targets": ["".join(signs(mix)) for mix in mixes],
        }
    return found


def main() -> None:
    """Write ``golden.json``, or show what would stand in it."""
    with tempfile.TemporaryDirectory() as folder:
        text = json.dumps(golden(make_catalog(Path(folder)))) + "\n"
    if "--write" in sys.argv:
        GOLDEN.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
