"""A fitted baseline as a model, from audio to logits, kept in its run folder as a trained network is.

``model.safetensors`` holds the classifier's arrays and, where a frozen network computes the features, its
front end and backbone; ``model.json`` says what they are. So a baseline scores audio as trained networks do,
and needs neither the weights that it was made with nor scikit-learn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mixlab.audio.io import FloatArray
from mixlab.errors import ConfigError, RunError
from mixlab.models import (
    ModelConfig,
    belongs_to,
    build_model,
    head_names,
    in_channels,
    plain_settings,
    source_hash,
)
from mixlab.training.baselines.config import OF_NETWORKS, RANDOM
from mixlab.training.baselines.embeddings import Embeddings, block_columns, network_extract, without_denormals
from mixlab.training.baselines.features import Extract, Extractor
from mixlab.training.baselines.plain_features import plain_extractor
from mixlab.training.baselines.scorers import FittedScores
from mixlab.training.config import from_plain
from mixlab.training.loading import check_source, load_model
from mixlab.training.run import Run
from mixlab.training.run_kinds import BASELINES, check_command
from mixlab.training.transfer import weights_facts

__all__ = ["FittedBaseline", "keep_baseline", "load_baseline", "load_scoring_model"]

_CLASSIFIER, _NETWORK = "classifier.", "network."


class FittedBaseline(nn.Module):
    """Features and a fitted classifier: audio ``(B, channels, T)`` to logits ``(B, C)``.

    A probability of 0 is a logit of minus infinity. Features and classifier are computed in float32 as in
    training, the network alone on the device of the model.

    Args:
        fitted: The classifier.
        extract: From audio ``(B, channels, T)`` to features ``(B, D)``.
        network: What ``extract`` asks, where it is a network: it moves with the model.
        columns: Which of the features the classifier takes; None for all.
        channels: Of the audio.
        min_samples: Shortest audio that it takes.
        single_label: Whether scores are a softmax, and their logits logarithms.
        of_clips: Whether it was fitted on the mean features of whole clips.
    """

    def __init__(
        self,
        fitted: FittedScores,
        extract: Extract,
        *,
        network: nn.Module | None = None,
        columns: NDArray[np.int64] | None = None,
        channels: int = 1,
        min_samples: int = 1,
        single_label: bool = False,
        of_clips: bool = False,
    ) -> None:
        super().__init__()
        self.fitted, self.extract, self.network, self.columns = fitted, extract, network, columns
        self.in_channels, self.min_samples = channels, max(min_samples, 1)
        self.single_label, self.of_clips = single_label, of_clips

    def features(self, audio: Tensor) -> FloatArray:
        """Return the features ``(B, D)`` that the classifier takes."""
        found = self.extract(audio.detach().cpu().numpy())
        return found if self.columns is None else found[:, self.columns]

    def scores(self, features: FloatArray) -> NDArray[np.float32]:
        """Return the probabilities ``(N, C)`` of features ``(N, D)``."""
        return self.fitted.scores(features)

    def of_clip(self, audio: FloatArray) -> NDArray[np.float32]:
        """Return the probabilities ``(1, C)`` of a clip from its windows ``(K, channels, T)``."""
        return self.scores(self.features(torch.from_numpy(audio)).mean(axis=0, keepdims=True))

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)`` on the device of the audio."""
        scores = torch.from_numpy(self.scores(self.features(audio))).double()
        found = scores.log() if self.single_label else torch.logit(scores)
        return found.float().to(audio.device)


def keep_baseline(
    run: Run,
    fitted: FittedScores,
    extractor: Extractor,
    *,
    sample_rate: int,
    duration_s: float,
    n_values: int,
    more: Mapping[str, Any],
) -> None:
    """Write a fitted baseline into its run folder.

    Args:
        run: The run, whose settings and labels are there.
        fitted: Its classifier.
        extractor: What computed the features.
        sample_rate: Of the audio, in Hz.
        duration_s: Length of the windows that it scores.
        n_values: Features that the classifier takes.
        more: Further entries of the card.
    """
    settings, info = run.config["baseline"], run.info
    told, arrays = fitted.to_plain()
    state = {
        _CLASSIFIER + name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()
    }
    network: dict[str, Any] | None = None
    if isinstance(extractor, Embeddings):
        model = extractor.network()
        names = head_names(model)
        kept = {name: value for name, value in model.state_dict().items() if not belongs_to(name, names)}
        state |= {_NETWORK + name: value for name, value in kept.items()}
        network = {
            "config": plain_settings(extractor.model),
            "source_sha256": source_hash(extractor.model),
            "peak": extractor.peak,
            "layers": list(settings["layers"]),
            "widths": list(extractor.widths),
        }
    weights = settings["weights"]
    given = weights and weights != RANDOM
    card = {
        "schema": 1,
        "labels": info["labels"],
        "input": {
            "sample_rate": sample_rate,
            "duration_s": duration_s,
            "channels": getattr(extractor, "channels", 1),
        },
        "output": f"probabilities from {n_values} features ({info['features']}) by {info['classifier']}",
        "features": {"kind": settings["features"], "values": n_values, "network": network},
        "classifier": told,
        "loss": "softmax" if run.single_label else "bce",
        "pretrained": weights or None,
        "pretrained_file": weights_facts(weights, settings["pretrained_stream"]) if given else None,
        "catalog_hash": info["catalog"]["content_hash"],
        "note": info["note"],
        "versions": info["versions"],
        **more,
    }
    run.write_model(state, card)


def load_baseline(run: Run) -> FittedBaseline:
    """Return a run's fitted baseline, ready for inference on the CPU.

    Raises:
        RunError: it is no baseline, one that keeps no weights or predicts a number, or is damaged.
    """
    check_command(run, *BASELINES)
    _check_kept(run)
    state, card = run.read_model()
    try:
        return _built(run, state, card)
    except ConfigError as error:
        raise RunError(
            f"{run.path} was made with features of a network that is not here, or that is another one by "
            f"now. {error}",
            code="plugin-not-found",
        ) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise RunError(
            f"{run.path}/model.json does not describe model.safetensors: {error}", code="run-damaged"
        ) from error


def _check_kept(run: Run) -> None:
    if (quantity := run.quantity) is not None:
        raise RunError(
            f"{run.path} predicts a number ({quantity.title}) and keeps no weights: it scores the clips that "
            "it was made with, no others. Take a run on classes.",
            code="wrong-run-kind",
        )
    if not run.has_model:
        command = run.info["command"]
        raise RunError(
            f"{run.path} keeps no weights, so it cannot score new audio: an earlier mixlab made it, or its "
            f"model.safetensors and model.json were removed. Fit it again with 'mixlab {command} --config "
            f"{run.path}/config.yaml --out NEW_RUN'; features that are still kept are not computed again.",
            code="run-incomplete",
        )


def _built(run: Run, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> FittedBaseline:
    features, labels = card["features"], card["labels"]["outputs"]
    kind, n_values, told = features["kind"], features["values"], features.get("network")
    arrays = _without(
        _CLASSIFIER, {name: value for name, value in state.items() if not name.startswith(_NETWORK)}
    )
    fitted = FittedScores.from_plain(
        card["classifier"],
        {name: value.numpy() for name, value in arrays.items()},
        n_values=n_values,
        n_classes=len(labels),
    )
    shared: dict[str, Any] = {"single_label": card["loss"] == "softmax", "of_clips": "windows" in card}
    if told is None:
        if kind in OF_NETWORKS:
            raise ValueError(f"no network for {kind}")
        return FittedBaseline(
            fitted, plain_extractor(kind, card["input"]["sample_rate"]).load(), **shared
        ).eval()
    config = from_plain(ModelConfig, told["config"])
    check_source(run, config, told.get("source_sha256"))
    network = _network(config, _without(_NETWORK, state))
    columns = block_columns(told["widths"], told["layers"]) if kind == "convnet" else None
    return FittedBaseline(
        fitted,
        network_extract(network, peak=bool(told["peak"]), blocks=kind == "convnet"),
        network=network,
        columns=columns,
        channels=in_channels(network),
        min_samples=int(getattr(network, "min_samples", 0)),
        **shared,
    ).eval()


def _without(start: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}


def _network(config: ModelConfig, state: Mapping[str, Tensor]) -> nn.Module:
    """Build a network and fill all but its head, which features do not ask."""
    model = build_model(config, 1)
    missing, unexpected = model.load_state_dict(state, strict=False)
    names = head_names(model)
    lacking = [name for name in missing if not belongs_to(name, names)]
    if lacking or unexpected:
        raise ValueError(f"weights of another network: {', '.join([*lacking, *unexpected][:3])}")
    return without_denormals(model.eval())


def load_scoring_model(run: Run) -> nn.Module:
    """Return what scores audio in a run: its best network, or its fitted baseline; on the CPU.

    Raises:
        RunError: there is none yet, the files are damaged, or a baseline keeps no weights.
    """
    return load_baseline(run) if run.info.get("command", "train") in BASELINES else load_model(run)
