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
from mixlab.inference.scorer import Scorer, network_scores, raised_to, usable_device
from mixlab.inference.unseen import check_unseen_weights
from mixlab.models.checkpoint_list import Checkpoint
from mixlab.models.published import PublishedTagger, find_published
from mixlab.taxonomy import load_label_set, load_taxonomy

__all__ = ["DEFAULT_LABEL_SET", "THRESHOLD", "published_scorer"]

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
        label_set: The classes; the checkpoint's own (``jamendo50``) gives its tags as they are.
        device: Where it computes; ``auto`` takes a GPU where there is one.

    Returns:
        A scorer of the classes that tags speak of; the others are its ``unsaid``. Audio is brought to full
        scale first, as that of published music is.

    Raises:
        WeightsError: there are no such weights, or they have no head of tags.
        ConfigError: the file does not fit its network.
        RunError: no tag says anything of the label set.
    """
    scorer = _scorer_of_tags(find_published(weights), usable_device(device))
    raised = raised_to(scorer, load_label_set(str(label_set)))
    return replace(raised, thresholds=np.full(len(raised.labels), THRESHOLD))


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
        note=f"published weights, used as they are; trained on {entry.trained_on}",
        level="peak",
        min_samples=int(getattr(model, "min_samples", 1)),
        device=device,
        label_set=tags.name,
        nodes=tuple(output.nodes for output in tags.outputs),
        refuse_seen=partial(_refuse_seen, entry),
        kind="weights",
    )


def _refuse_seen(entry: Checkpoint, clips: ClipSet) -> None:
    check_unseen_weights(entry.name, 0 if entry.label_set == "jamendo50" else None, clips)
