"""Fit what comes with mixlab for published weights: classifiers on their embeddings, and curves for all.

    python -m benchmarks.shipped_heads work

``work`` is that of ``benchmarks/shipped_model.py``, whose songs it takes; the published weights must have
been fetched. A classifier (``*_head.safetensors``, with its card) scores the classes of ``mixtures15`` by the
embeddings of published weights. Curves (``curves.json``) make probabilities of the scores of known weights,
so that these can be joined without a catalog (``mixlab tag --also``). Both are fitted on mixes of these
songs: the classifier on training mixes like those of ``mixlab_tagger``, curves on validation mixes, which are
musical and without effects. The runs are left in ``work/heads``, and a step that is finished there is not
done again.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.shipped_model import CHOSEN, CONDITIONS, licences
from mixlab.inference.ensemble import EnsembleConfig, build_ensemble
from mixlab.inference.fitted_head import head_file
from mixlab.models.checkpoint_list import CHECKPOINTS
from mixlab.models.shipped_model import SHIPPED, shipped_curves
from mixlab.taxonomy import load_label_set
from mixlab.training.baselines.config import BaselineConfig
from mixlab.training.baselines.experiment import run_baseline
from mixlab.training.run import Run
from mixlab.utils.files import write_atomic
from mixlab.utils.hashing import file_digest

HEADS = ("mtat_musicnn",)
"""Of which published weights the embeddings are classified. A second classifier, on those of
jamendo_musicnn, brought nothing beside it (macro AP .746 for .745 of eight families on recordings)."""

TAGS = ("jamendo_musicnn", "mtat_musicnn")
"""Of which published weights the tags get curves: those that were trained on excerpts of about 4 s, as the
mixes are. Scores of 29 s, such as jamendo_crnn takes, are spread otherwise."""

ITEMS, MIXES = 6000, 1000
"""Mixes that a classifier is fitted on, and that curves are."""

CONDITION = CONDITIONS[CHOSEN.removesuffix("-joined")]
_NETWORK = "network."


def make_head(work: Path, weights: str) -> Path:
    """Fit a classifier on the embeddings of published weights, as a run."""
    place = work / "heads" / weights
    if not (place / "report.json").is_file():
        shutil.rmtree(place, ignore_errors=True)
        run_baseline(
            catalog(work),
            place,
            mix=CONDITION.settings(0)[0],
            config=BaselineConfig(
                features="embeddings",
                weights=weights,
                classifier="logistic",
                items=ITEMS,
                val_size=300,
                test_size=300,
                workers=1,
                bootstrap=0,
            ),
            cache=work / "heads" / "features",
            report=print,
        )
    return place


def catalog(work: Path) -> Path:
    """Return the catalog of the composed songs."""
    return work / "catalogs" / CONDITION.data / "catalog"


def make_curves(work: Path, heads: list[Path]) -> dict[str, dict[str, list[float]]]:
    """Fit the curves of all that is shipped, by the member's name and the class."""
    place = work / "heads" / "ensemble"
    if not (place / "report.json").is_file():
        shutil.rmtree(place, ignore_errors=True)
        build_ensemble(
            [SHIPPED, *TAGS, *map(str, heads)],
            place,
            catalog=catalog(work),
            mix=CONDITION.settings(0)[0],
            config=EnsembleConfig(val_size=MIXES, test_size=300, bootstrap=0, workers=2),
            report=print,
        )
    tensors, card = Run.open(place).read_model()
    labels = card["labels"]["outputs"]
    found = {}
    for m, member in enumerate(card["ensemble"]["members"]):
        curves = tensors[f"member.{m}"].tolist()
        found[member["name"]] = {
            labels[c]: [round(value, 4) for value in curve]
            for c, curve in zip(member["columns"], curves, strict=True)
        }
    return found


def ship_head(work: Path, run: Run, curves: dict[str, list[float]]) -> None:
    """Write a classifier and its card into the package: its arrays, and nothing of the network."""
    from safetensors.torch import save

    state, card = run.read_model()
    weights = card["pretrained_file"]
    records = sorted((work / "composed").glob("*/composed.json"))
    made = [json.loads(record.read_text(encoding="utf-8"))["settings"]["version"] for record in records]
    versions = sorted(set(made))
    kept = {
        name.removeprefix("classifier."): value.half()
        for name, value in state.items()
        if not name.startswith(_NETWORK)
    }
    file = head_file(weights["known_as"])
    write_atomic(file, save({name: value.contiguous() for name, value in kept.items()}))
    report = run.report()
    content = {
        "what": f"a classifier on the embeddings of {weights['known_as']}, for those who fetched these "
        "weights; it holds no part of them. MIT, as mixlab is; the terms of the weights are theirs",
        "sha256": file_digest(file),
        "weights_sha256": weights["sha256"],
        "trained_on": f"{ITEMS} mixes of songs composed by mixlab; voices and synthesizers are computed by "
        "mixlab, all else is played by the libraries",
        "composer_versions": versions,
        "libraries": licences(work),
        "sample_rate": card["input"]["sample_rate"],
        "window_s": card["input"]["duration_s"],
        "values": card["features"]["values"],
        "classifier": card["classifier"],
        "thresholds": card["consistent_thresholds"],
        "curves": curves,
        "composed_test": {
            row.name: round(row.scores["average_precision"].value, 4)
            for row in report.test.classes
            if row.support
        },
    }
    write_atomic(file.with_suffix(".json"), json.dumps(content, indent=1) + "\n")


def ship(work: Path) -> None:
    """Make all of it, and write it into the package."""
    heads = [make_head(work, weights) for weights in HEADS]
    curves = make_curves(work, heads)
    for place in heads:
        ship_head(work, Run.open(place), curves[str(place.absolute())])
    members: dict[str, Any] = {
        name: {"sha256": CHECKPOINTS[name].sha256, "curves": curves[name]} for name in (SHIPPED, *TAGS)
    }
    content = {
        "what": "slope and offset: the probability of a class is 1 / (1 + exp(-(slope * log odds + offset)))",
        "fitted_on": f"{MIXES} validation mixes of composed songs",
        "label_set": load_label_set("mixtures15").content_hash,
        "members": members,
    }
    write_atomic(shipped_curves(), json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path)
    ship(parser.parse_args().work)
