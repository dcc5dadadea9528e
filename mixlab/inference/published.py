"""What published weights say of audio as they are: their tags, raised to the classes of a label set.

A published tagger brings its own head, whose tags (``instrument---piano``) its label set binds to the
instrument tree. Nothing is trained or fitted here: one threshold holds for all classes, unless the user
sets another.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from mixlab.corpora.clips.base import ClipSet
from mixlab.errors import WeightsError
from mixlab.inference.calibration import known_curves
from mixlab.inference.scorer import ScoredBy, Scorer, network_scores, raised_to, usable_device
from mixlab.inference.unseen import check_unseen_weights
from mixlab.models.checkpoint_list import Checkpoint
from mixlab.models.published import PublishedTagger, find_published
from mixlab.models.shipped_model import SHIPPED, read_card, shipped_card, shipped_curves
from mixlab.taxonomy import LabelSet, load_label_set, load_taxonomy
from mixlab.utils.hashing import file_digest

__all__ = ["DEFAULT_LABEL_SET", "THRESHOLD", "published_scorer", "shipped_scorer"]

DEFAULT_LABEL_SET = "mixtures15"

THRESHOLD = 0.2
"""Of every class. The threshold that is best for F1 is half the F1 that is reached there, if scores are
calibrated, and for the rare tags of MTG-Jamendo that is about 0.4; scores seldom come to one half."""


def published_scorer(
    weights: str | Path, label_set: str | Path = DEFAULT_LABEL_SET, *, device: str = "auto"
) -> Scorer:
    """Return what published weights say of the classes of a label set.

    A file that ``mixlab weights`` does not know by its checksum is taken for the checkpoint that it is named
    after (``jamendo_short.pth``), if there is one.

    Args:
        weights: A name that ``mixlab weights`` lists, or a file.
        label_set: The classes; the checkpoint's own (``jamendo50``, ``mtat50``) gives its tags, each at least
            as high as those that imply it.
        device: Where it computes; ``auto`` takes a GPU where there is one.

    Returns:
        A scorer of the classes that tags speak of; the others are its ``unsaid``. Audio is brought to full
        scale first, as that of published music is.

    Raises:
        WeightsError: there are no such weights, or they have no head of tags.
        ConfigError: the file does not fit its network.
        RunError: no tag says anything of the label set.
    """
    published, labels = find_published(weights), load_label_set(str(label_set))
    scorer = _scorer_of_tags(published, usable_device(device))
    if published.entry.name == SHIPPED:
        raised = raised_to(_as_carded(scorer), labels)
    else:
        raised = raised_to(scorer, labels)
        raised = replace(raised, thresholds=np.full(len(raised.labels), THRESHOLD), thresholds_from="none")
    return _with_curves(published, raised, labels)


def _with_curves(published: PublishedTagger, raised: Scorer, labels: LabelSet) -> Scorer:
    """Return it with the curves that come with mixlab for these weights and classes, if there are any."""
    name, sha256 = published.entry.name, file_digest(published.file)
    card = file_digest(shipped_card()) if name == SHIPPED else ""
    raised = replace(raised, scored_by=(ScoredBy("weights", name, sha256, card),))
    known = known_curves(name, sha256, labels.content_hash)
    if known is None or not set(raised.labels) <= set(known):
        return raised
    return replace(
        raised,
        curves=np.array([known[each] for each in raised.labels], np.float64),
        curves_by=ScoredBy("curves", shipped_curves().name, file_digest(shipped_curves())),
    )


def shipped_scorer(*, device: str = "auto") -> Scorer:
    """Return what the model says that comes with mixlab: fifteen classes, with thresholds of its own.

    Args:
        device: Where it computes; ``auto`` takes a GPU where there is one.

    Raises:
        WeightsError: its file or its card is damaged or missing.
    """
    return published_scorer(SHIPPED, device=device)


def _as_carded(scorer: Scorer) -> Scorer:
    """Return mixlab's own model with the thresholds of its card, and audio at its own level."""
    thresholds = read_card()["thresholds"]
    missing = [name for name in scorer.labels if name not in thresholds]
    if missing:
        raise WeightsError(
            f"The card of {SHIPPED} has no threshold of {missing[0]!r}. The installation is damaged: install "
            "mixlab again.",
            code="invalid-weights",
        )
    return replace(
        scorer,
        thresholds=np.array([thresholds[name] for name in scorer.labels], np.float64),
        fitted=True,
        thresholds_from="shipped",
        level="as_recorded",
        note="trained on composed songs alone",
    )


def _scorer_of_tags(published: PublishedTagger, device: str) -> Scorer:
    entry, tags, model = published.entry, published.tags, published.load().to(device)
    rate = entry.model.sample_rate
    return Scorer(
        compute=network_scores(model, device=device),
        labels=tags.names,
        parents=tags.parents(load_taxonomy()),
        thresholds=np.full(len(tags), THRESHOLD),
        sample_rate=rate,
        window_s=entry.native_samples / rate,
        source=entry.name,
        fitted=False,
        thresholds_from="none",
        note=f"published weights, used as they are; trained on {entry.trained_on}",
        level="peak",
        min_samples=int(getattr(model, "min_samples", 1)),
        device=device,
        label_set=tags.name,
        nodes=tuple(output.nodes for output in tags.outputs),
        refuse_seen=partial(_refuse_seen, entry),
        kind="weights",
        weights_file=published.file,
    )


def _refuse_seen(entry: Checkpoint, clips: ClipSet) -> None:
    check_unseen_weights(entry.name, 0 if entry.label_set == "jamendo50" else None, clips)
