"""From a catalog to a scored baseline: what ``mixlab baseline`` does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.evaluation import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.loader import MixLoader
from mixlab.taxonomy import LabelSet
from mixlab.training.baselines.classifiers import Classifier, fit_alone, fit_linear
from mixlab.training.baselines.config import BaselineConfig
from mixlab.training.baselines.features import Extractor, Features, Mixes, compute_features
from mixlab.training.baselines.plain_features import feature_title, network_facts, plain_extractor
from mixlab.training.config import from_plain
from mixlab.training.experiment import predict
from mixlab.training.locations import as_catalog, catalog_entry, open_catalog
from mixlab.training.provenance import Progress, demo_note, label_info, say
from mixlab.training.reporting import SPLITS, headings_of_mixes, report_text, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.utils.files import check_writable

__all__ = ["evaluate_baseline", "run_baseline"]


def run_baseline(
    catalog: Catalog | str | Path,
    out: str | Path,
    mix: MixConfig | None = None,
    config: BaselineConfig | None = None,
    *,
    cache: str | Path | None = None,
    roots: Mapping[str, str | Path] | None = None,
    report: Progress | None = None,
) -> tuple[Run, Report]:
    """Fit a classical baseline on the stream's first mixes, and score it on the fixed mixes of runs.

    The run folder is begun once all features are there: after a stop, the same call goes on with what the
    cache holds.

    Args:
        catalog: A catalog or its folder.
        out: Folder of the run; new or empty.
        mix: Settings of the mixing; validation and test use ``mix.for_evaluation()``.
        config: Settings of the baseline.
        cache: Folder where features are kept; None takes ``features`` beside ``out``.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, with predictions and report, and its scores.

    Raises:
        ConfigError: settings contradict each other.
        RunError: ``out`` is in use.
        OutputError: ``out`` cannot be written; found before anything is computed.
        MixlabError: features could not be computed.
    """
    mix, config, out = mix or MixConfig(), config or BaselineConfig(), Path(out)
    if mix.channels != 1:
        raise ConfigError(
            f"Baselines take mono mixes: set mix.channels to 1, found {mix.channels}.", code="mono-required"
        )
    find_metrics(config.metrics)  # what cannot be computed is found before the work
    with Run(out).held():
        Run(out).check_empty()  # what a process that was killed has left is gone by now
        check_writable(out)
        opened = as_catalog(catalog, roots)
        folder = Path(cache) if cache is not None else out.absolute().parent / "features"
        begin = time.perf_counter()
        streams = _streams(opened, mix, config)
        extractor = _extractor(config, streams["train"], folder)
        say(report, f"features: {_title(config, extractor)}, kept in {folder}")
        found = {
            split: compute_features(mixes, extractor, folder, workers=config.workers, show=report is not None)
            for split, mixes in streams.items()
        }
        features = {split: _chosen_blocks(part, extractor, config) for split, part in found.items()}
        computed_s = time.perf_counter() - begin
        n_values = features["train"].values.shape[1]
        say(report, f"fitting: {config.classifier}, {config.items} mixes of {n_values} values each")
        classifier = _fit(config, features)
        fixed = {split: streams[split].open() for split in SPLITS}
        labels = fixed["test"].labels
        settings = {
            "catalog": opened.place,
            "out": str(out.absolute()),
            "mix": asdict(mix),
            "baseline": asdict(config),
        }
        info = _info(out, opened, mix, config, labels)
        constant = [labels.names[c] for c in classifier.constant]
        fitted = {"strength": classifier.strength, "constant_classes": constant, "values": n_values}
        seconds = {"features": round(computed_s, 1), "all": round(time.perf_counter() - begin, 1)}
        info |= {"features": _title(config, extractor), **network_facts(extractor)}
        run = Run.create(out, settings, {**info, "fitted": fitted, "seconds": seconds})
        _keep(run, classifier, extractor, mix, n_values)
        run.write_predictions(
            Predictions.join([_predict(fixed[split], features[split], classifier) for split in SPLITS])
        )
        return run, evaluate_baseline(run)


def _streams(catalog: Catalog, mix: MixConfig, config: BaselineConfig) -> dict[str, Mixes]:
    roots = tuple((name, str(root)) for name, root in catalog.roots.items())
    training = Mixes(str(catalog.path), roots, mix, "train", config.seed, config.items)
    return {
        "train": training,
        "validation": replace(training, split="validation", seed=config.eval_seed, n_items=config.val_size),
        "test": replace(training, split="test", seed=config.eval_seed, n_items=config.test_size),
    }


def _extractor(config: BaselineConfig, training: Mixes, cache: Path) -> Extractor:
    if not config.needs_network:
        return plain_extractor(config.features, training.mix.sample_rate)
    # Networks are imported only where they are needed.
    from mixlab.training.baselines.embeddings import find_embeddings

    return find_embeddings(config, training, cache)


def _title(config: BaselineConfig, extractor: Extractor) -> str:
    level = ", mixes scaled to full scale" if getattr(extractor, "peak", False) else ""
    return feature_title(config.features, config.layers, extractor) + level


def _chosen_blocks(found: Features, extractor: Extractor, config: BaselineConfig) -> Features:
    """Leave the values of the blocks that are wanted."""
    if config.features != "convnet":
        return found
    from mixlab.training.baselines.embeddings import Embeddings, block_columns

    assert isinstance(extractor, Embeddings)
    return replace(found, values=found.values[:, block_columns(extractor.widths, config.layers)])


def _fit(config: BaselineConfig, features: Mapping[str, Features]) -> Classifier:
    if config.classifier in ("forest", "softmax"):
        return fit_alone(features["train"], config)
    return fit_linear(
        features["train"],
        features["validation"],
        kind=config.classifier,
        strengths=config.strengths,
        balanced=config.balanced,
        seed=config.seed,
    )


def _keep(run: Run, classifier: Classifier, extractor: Extractor, mix: MixConfig, n_values: int) -> None:
    # torch is needed only now, and without a network nowhere else.
    from mixlab.training.baselines.fitted import keep_baseline

    keep_baseline(
        run,
        classifier.fitted,
        extractor,
        sample_rate=mix.sample_rate,
        duration_s=mix.duration_s,
        n_values=n_values,
        more={},
    )


def _info(
    out: Path, catalog: Catalog, mix: MixConfig, config: BaselineConfig, labels: LabelSet
) -> dict[str, Any]:
    return {
        "command": "baseline",
        "seed": config.seed,
        "eval_seed": config.eval_seed,
        "catalog": catalog_entry(catalog, out),
        "note": demo_note(catalog.path, *catalog.roots.values()),
        "labels": label_info(labels),
        "mix_hash": mix.content_hash,
        "classifier": config.classifier,
    }


def _predict(dataset: MixDataset, features: Features, classifier: Classifier) -> Predictions:
    scores, index = classifier.scores(features.values), np.arange(len(features.attempt), dtype=np.int64)
    return Predictions.of_mixes(dataset, index, features.attempt, scores, features.targets, features.mask)


def evaluate_baseline(
    run: Run,
    *,
    catalog: Catalog | str | Path | None = None,
    roots: Mapping[str, str | Path] | None = None,
    num_workers: int | None = None,
    metrics: Sequence[str] | None = None,
) -> Report:
    """Score a baseline again, and write its report; nothing is fitted.

    By default that is what it said of its fixed mixes when it was made. Where a catalog, roots or a number
    of processes are given, the mixes are made anew, and what it keeps scores them, as ``evaluate_run`` does
    for a network. Thresholds are fitted on validation, as for every run.

    Args:
        run: The run.
        catalog: The run's catalog or its folder; None takes the path in its configuration.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        num_workers: Processes that mix.
        metrics: Metrics of one's own, as ``baseline.metrics``; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used.
        RunError: it is no run of a baseline, holds no predictions, or keeps no weights where it is to score
            mixes.
        CatalogError: the catalog is not where it was.
        CatalogMismatchError: the catalog is not the one the run was made with.
    """
    check_command(run, "baseline")
    run.check_writable()
    config = from_plain(BaselineConfig, run.config["baseline"])
    computed = find_metrics(config.metrics if metrics is None else metrics)
    with run.held():
        if catalog is not None or roots or num_workers is not None:
            run.write_predictions(
                _score_again(run, config, open_catalog(run, catalog, roots), num_workers or 0)
            )
        report = score_predictions(
            run, run.predictions(), metrics=computed, n_resamples=config.bootstrap, seed=config.eval_seed
        )
        run.write_report(report, report_text(run.path.name, report, _facts(run), headings_of_mixes(report)))
        run.update(status="evaluated")
    return report


def _score_again(run: Run, config: BaselineConfig, catalog: Catalog, num_workers: int) -> Predictions:
    """Mix the fixed mixes anew, and score them by what the run keeps."""
    from mixlab.training.baselines.fitted import load_baseline

    model, parts = load_baseline(run), []
    for split, mixes in _streams(catalog, from_plain(MixConfig, run.config["mix"]), config).items():
        if split not in SPLITS:
            continue
        dataset = mixes.open()
        scored = predict(model, MixLoader(dataset, num_workers=num_workers), loss=str(run.card["loss"]))
        columns = (scored[name] for name in ("index", "attempt", "scores", "target", "mask"))
        parts.append(Predictions.of_mixes(dataset, *columns))
    return Predictions.join(parts)


def _facts(run: Run) -> list[str]:
    """Return what a reader of the report must know of the baseline."""
    info, fitted, settings = run.info, run.info["fitted"], run.config["baseline"]
    strength = "" if fitted["strength"] is None else f" (C = {fitted['strength']:g}, chosen on validation)"
    facts = [
        f"{info['features']}, {fitted['values']} values; {info['classifier']}{strength} per class, fitted on "
        f"{settings['items']} mixes, seed {info['seed']}; unknown targets left out",
        f"catalog `{info['catalog']['content_hash']}`, label set {info['labels']['name']} "
        f"`{info['labels']['content_hash']}`",
        "thresholds fitted on validation only, so its own P, R and F1 flatter the model",
    ]
    if fitted["constant_classes"]:
        names = ", ".join(fitted["constant_classes"])
        facts.append(f"always or never present in training, so given a constant score: {names}")
    return facts
