"""``mixlab mix``: render mixes to files, replay a recipe, or count what a configuration samples."""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mixlab.catalog.catalog import Catalog
from mixlab.cli.commands.options import parse_pairs, settings_for_split
from mixlab.errors import AudioError, ConfigError
from mixlab.mixing.class_counts import ClassCounts, labels_of_stems
from mixlab.mixing.config import Kind, MixConfig
from mixlab.mixing.export import WavFormat, is_written, read_recipe, write_mix
from mixlab.mixing.recipe import MixRecipe
from mixlab.mixing.rendering import CatalogReader, Mix, render_mix
from mixlab.mixing.replaying import with_digests
from mixlab.mixing.sampler import RecipeSampler
from mixlab.sharing.recipe_files import read_recipes
from mixlab.taxonomy import load_label_set
from mixlab.utils.files import check_writable

__all__ = ["mix"]


def mix(
    catalog: Path,
    out: Path = Path("mixes"),
    index: str = "0:8",
    seed: int = 0,
    epoch: int = 0,
    split: str = "train",
    kind: Kind | None = None,
    evaluation: bool | None = None,
    replay: Path | None = None,
    recipes: Path | None = None,
    rates: int = 0,
    jams: bool = False,
    wav_format: WavFormat = "PCM_24",
    root: list[str] | None = None,
    mix: MixConfig = MixConfig(),
) -> int:
    """Render mixes to files: mixture, every source, recipe and labels, one folder per mix.

    The same catalog, settings, seed, epoch and index always give the same bytes. Mixes that are
    already in OUT are kept, so that an interrupted run goes on.

    Args:
        catalog: Catalog folder, as 'mixlab index' makes it, or its URL (docs/remote.md).
        out: Folder for the mixes; one folder per mix is made in it.
        index: Which items of the stream: '7', or 'start:stop' without the stop.
        seed: Seed of the stream.
        epoch: Epoch of the stream.
        split: train, validation or test.
        kind: Force musical, non_musical or matched mixes, whatever mix.p_musical or mix.strategies say.
        evaluation: Mix as validation and test do: musical, without effects. By default so for these splits,
            so that the items are those that models are scored on.
        replay: Render this recipe.json again instead of sampling.
        recipes: Render mixes of this file of recipes, as 'mixlab recipes' writes it, instead of sampling;
            --index counts its lines, and all other settings are the recipes' own.
        rates: Only sample this many items and print how often kinds, corpora and classes came.
        jams: Also write each mix's labels as JAMS.
        wav_format: PCM_16 or PCM_24.
        root: Where a corpus lies now, as NAME=FOLDER, if it has moved since indexing.
        mix: How mixes are sampled and rendered.
    """
    opened = Catalog.open(catalog, roots=parse_pairs(root, "--root"))
    if replay is not None:
        return _replay(opened, replay, out, wav_format, jams)
    if recipes is not None:
        file = read_recipes(recipes)
        file.check(opened)
        check_writable(out)
        asked = _parse_index(index)
        items = range(asked.start, min(asked.stop, len(file))) or asked  # beyond its end: told as such
        return _render_range(opened, file.recipe, items, out, wav_format, jams)
    mix = settings_for_split(mix, split, evaluation)
    sampler = RecipeSampler(opened, mix, split)
    if rates <= 0:
        check_writable(out)
    if rates > 0:
        print(_rates_table(opened, sampler, mix, rates, seed, epoch, kind))
        return 0

    def recipe(item: int) -> MixRecipe:
        return sampler.sample(seed, epoch, item, kind)

    return _render_range(opened, recipe, _parse_index(index), out, wav_format, jams)


def _parse_index(text: str) -> range:
    parts = text.split(":")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and numbers[0] >= 0:
        return range(numbers[0], numbers[0] + 1)
    if len(numbers) == 2 and 0 <= numbers[0] < numbers[1]:
        return range(numbers[0], numbers[1])
    raise ConfigError(
        f"--index takes an item such as '7' or a range such as '0:8', found {text!r}.",
        code="malformed-option",
    )


def _replay(catalog: Catalog, path: Path, out: Path, wav_format: WavFormat, jams: bool) -> int:
    recipe = read_recipe(path)
    rendered = _with_digests(render_mix(recipe, catalog), catalog)
    folder = out / f"{recipe.index:06d}"
    write_mix(rendered, folder, wav_format=wav_format, jams=jams)
    print(_line(rendered))
    print(f"\nReplayed {path} into {folder}")
    return 0


def _render_range(
    catalog: Catalog,
    recipe_of: Callable[[int], MixRecipe],
    items: range,
    out: Path,
    wav_format: WavFormat,
    jams: bool,
) -> int:
    from tqdm import tqdm

    reader, problems, kept = CatalogReader(catalog), [], 0
    for item in tqdm(items, desc="mixing", unit="mix", disable=not sys.stderr.isatty()):
        recipe = recipe_of(item)
        folder = out / f"{item:06d}"
        if is_written(folder, recipe, wav_format=wav_format, jams=jams):
            kept += 1
            continue
        try:
            rendered = _with_digests(render_mix(recipe, catalog, reader), catalog)
        except AudioError as error:
            problems.append(f"  mix {item}: {error}")
            continue
        write_mix(rendered, folder, wav_format=wav_format, jams=jams)
        tqdm.write(_line(rendered))
    done = len(items) - kept - len(problems)
    print(f"\n{done} mixes written to {out}" + (f", {kept} were there already" if kept else ""))
    if done or kept:
        print(
            f"next: mixlab mix {catalog.place} --out again --replay {out / f'{items[0]:06d}' / 'recipe.json'}"
        )
    if problems:
        print(f"\n{len(problems)} mixes could not be rendered:\n" + "\n".join(problems))
    return 1 if problems else 0


def _with_digests(mix: Mix, catalog: Catalog) -> Mix:
    """Let the recipe say what its stems are, so that it can be replayed wherever they are."""
    return replace(mix, recipe=with_digests(mix.recipe, catalog))


def _line(mix: Mix) -> str:
    present = [label.name for label in mix.explain() if label.state == "present"]
    unknown = [label.name for label in mix.explain() if label.state == "unknown"]
    text = f"{mix.recipe.index:6d}  {_kind(mix.recipe):<11}  {mix.recipe.corpus:<15}  "
    text += f"{len(mix.sources)} sources  " + (", ".join(present) or "nothing certain")
    text += f"  (unknown: {', '.join(unknown)})" if unknown else ""
    return "\n".join([text, *(f"        {note}" for note in mix.notes)])


def _kind(recipe: MixRecipe) -> str:
    """Return the kind of a mix; an item without instruments is of none."""
    return recipe.kind if recipe.noise is None else "noise"


def _rates_table(
    catalog: Catalog,
    sampler: RecipeSampler,
    config: MixConfig,
    count: int,
    seed: int,
    epoch: int,
    kind: Kind | None,
) -> str:
    """Sample ``count`` recipes and say how often each kind, corpus and class came, labels by their stems."""
    labels, sampled = load_label_set(config.label_set), []
    kinds, corpora, sizes = Counter[str](), Counter[str](), Counter[int]()
    for item in range(count):
        recipe = sampler.sample(seed, epoch, item, kind)
        kinds[_kind(recipe)] += 1
        corpora[recipe.corpus] += 1
        sizes[len(recipe.sources)] += 1
        sampled.append(labels_of_stems(catalog, labels, recipe))
    counts = ClassCounts.of(labels.names, sampled)
    lines = [
        f"Sampled {count} recipes; labels are those of the sampled stems, before any is found silent.",
        "",
    ]
    for title, counter in (("kind", kinds), ("corpus", corpora), ("sources", sizes)):
        for name, number in sorted(counter.items(), key=lambda pair: str(pair[0])):
            lines.append(f"  {title:<8} {name!s:<18} {100 * number / count:6.1f} %")
    lines += ["", f"  {'class':<27} {'present':>9} {'unknown':>9}"]
    for name, present, unknown in zip(labels.names, counts.positives, counts.unknown, strict=True):
        lines.append(f"  {name:<27} {100 * present / count:7.1f} % {100 * unknown / count:7.1f} %")
    return "\n".join(lines)
