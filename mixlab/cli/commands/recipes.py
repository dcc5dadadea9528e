"""``mixlab recipes``: write the recipes of a training set, one a line, for whoever has the same corpora."""

import sys
from itertools import chain
from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.cli.commands.options import parse_pairs, settings_for_split
from mixlab.errors import ConfigError
from mixlab.mixing.config import Kind, MixConfig
from mixlab.mixing.sampler import RecipeSampler
from mixlab.sharing.recipe_files import recipe_lines
from mixlab.utils.files import open_atomic

__all__ = ["recipes"]


def recipes(
    catalog: Path,
    items: int = 1000,
    out: Path | None = None,
    seed: int = 0,
    epoch: int = 0,
    split: str = "train",
    kind: Kind | None = None,
    evaluation: bool | None = None,
    root: list[str] | None = None,
    mix: MixConfig = MixConfig(),
) -> int:
    """Write the recipes of the first items of a stream as lines of JSON, without rendering them.

    The first line names every stem that they need, with a digest of its audio and its labels. 'mixlab mix'
    and 'mixlab export' render them with --recipes on any catalog that holds these stems, wherever it lies
    and whatever else is in it.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it, or its URL (docs/remote.md).
        items: How many items of the stream.
        out: File to write; by default they are printed.
        seed: Seed of the stream.
        epoch: Epoch of the stream.
        split: train, validation or test.
        kind: Force musical, non_musical or matched mixes, whatever mix.p_musical or mix.strategies say.
        evaluation: Mix as validation and test do: musical, without effects. By default so for these splits,
            so that the items are those that models are scored on.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: How mixes are sampled and rendered.
    """
    from tqdm import tqdm

    if items < 1:
        raise ConfigError(f"--items: expected 1 or more, found {items}.", code="invalid-setting")
    opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
    mix = settings_for_split(mix, split, evaluation)
    sampler = RecipeSampler(opened, mix, split)
    numbers = tqdm(range(items), desc="sampling", unit="mix", disable=not sys.stderr.isatty())
    lines = recipe_lines((sampler.sample(seed, epoch, item, kind) for item in numbers), opened, mix)
    if out is None:
        for line in lines:
            print(line)
        return 0
    first = next(lines)
    with open_atomic(out) as file:
        for line in chain([first], lines):
            file.write(line.encode() + b"\n")
    print(f"{items} recipes written to {out}")
    print(f"next: mixlab export CATALOG OUT --recipes {out}, on any catalog that holds their stems")
    return 0
