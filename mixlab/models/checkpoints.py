"""Weights from files into models: whole checkpoints, backbones alone, one stream of several."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError, MissingDependencyError
from mixlab.models.parts import belongs_to, head_names, last_name

__all__ = ["Parts", "load_backbone", "load_weights", "read_weights", "stream_state"]

Parts = Literal["all", "backbone", "all_but_last"]
"""Which weights of a checkpoint are taken."""

FRONT_END = "spec."
"""Window and mel bank in a checkpoint: fixed by the configuration, and left out by some files."""


def read_weights(path: Path, *, stream: int | None = None) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors``, ``.pth`` / ``.pt``, or a run folder's ``model.safetensors``.

    Pickles are read with ``weights_only=True``: no code in them is run. Numbers too small for full
    precision read as 0: they change no output, and make processors crawl (31,000 of them in the published
    musicnn cost a hundred times its time).

    Args:
        path: The file, or a run folder.
        stream: For a checkpoint of parallel streams (``layer1.0.conv.weight``): the stream to take.

    Raises:
        ConfigError: the file is missing, is not a state dict, or holds several streams and none is chosen, or
            one stream where one of several is.
    """
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(
            f"No weights at {file}; expected a .safetensors or .pth file, or a run folder.",
            code="weights-not-found",
        )
    state = _without_denormals(_read_state(file))
    if "layer1.0.conv.weight" in state and "dense1.0.weight" not in state:  # else an ensemble of networks
        if stream is None:
            raise ConfigError(
                f"{file} holds several parallel streams; choose one with pretrained_stream (0, 1, ...).",
                code="missing-setting",
            )
        return stream_state(state, stream)
    if stream is not None:
        raise ConfigError(
            f"{file} holds one stream only: leave pretrained_stream out (null), found {stream}.",
            code="conflicting-settings",
        )
    return state


def _read_state(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        try:
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingDependencyError("Weights need safetensors: install mixlab[train].") from error
        try:
            return dict(load_file(file))
        except MemoryError:  # says nothing of the file
            raise
        except Exception as error:
            raise ConfigError(
                f"{file} is not a readable safetensors file: {error}.", code="invalid-weights"
            ) from error
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its parts do
        raise ConfigError(f"{file} is not a readable state dict: {error}", code="invalid-weights") from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) and v.layout == torch.strided and not v.is_quantized
        for k, v in state.items()
    ):
        raise ConfigError(
            f"{file} does not hold a plain state dict (name -> tensor).", code="invalid-weights"
        )
    return state


def _without_denormals(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        key: torch.where(value.abs() < torch.finfo(value.dtype).tiny, torch.zeros_like(value), value)
        if value.is_floating_point()
        else value
        for key, value in state.items()
    }


def stream_state(state: Mapping[str, Tensor], stream: int) -> dict[str, Tensor]:
    """Cut one stream out of a multi-stream ShortChunkCNN checkpoint, as keys of a single-stream backbone.

    The published multi-stream network runs one backbone per separated source (``layer{k}.{stream}.conv``)
    and normalises their decibel maps with one ``BatchNorm2d`` over streams (``spec.bn``). The head sees all
    streams side by side and is left out.

    Raises:
        ConfigError: the checkpoint has no such stream.
    """
    if "spec.bn.weight" not in state or not state["spec.bn.weight"].ndim:
        raise ConfigError(
            "The weights are not those of several streams: they lack 'spec.bn.weight'.",
            code="weights-mismatch",
        )
    n_streams = state["spec.bn.weight"].shape[0]
    if not 0 <= stream < n_streams:
        raise ConfigError(
            f"pretrained_stream must lie in 0..{n_streams - 1}, got {stream}.", code="invalid-setting"
        )
    result: dict[str, Tensor] = {}
    for key, value in state.items():
        parts = key.split(".")
        if key.startswith("spec.spec."):
            result[key.removeprefix("spec.")] = value
        elif key.startswith("spec.bn."):
            result["spec_bn." + parts[-1]] = value if value.ndim == 0 else value[stream : stream + 1]
        elif parts[0].startswith("layer") and parts[1:2] == [str(stream)]:
            result[".".join([parts[0], *parts[2:]])] = value
    return result


def load_weights(model: nn.Module, state: Mapping[str, Tensor], *, parts: Parts = "all") -> None:
    """Load weights into ``model``, in place: every entry of the chosen parts must be there and fit.

    Only the entries ``spec.*`` (window and mel bank, which the configuration fixes) may be missing or
    empty; where they are there, they are taken, and those of another size are refused.

    Args:
        model: The model to fill.
        state: Entries by name, as ``read_weights`` returns them.
        parts: ``all``, ``backbone`` (front end and backbone; the head stays as it is), or ``all_but_last``
            (the last fully connected layer stays as it is).

    Raises:
        ConfigError: a weight is missing or has another shape; the message names the first ones.
    """
    kept: dict[Parts, tuple[str, ...]] = {
        "all": (),
        "backbone": head_names(model),
        "all_but_last": (last_name(model),),
    }
    wanted = {k: v for k, v in model.state_dict().items() if not belongs_to(k, kept[parts])}
    given = {k: v for k, v in state.items() if not (k.startswith(FRONT_END) and v.numel() == 0)}
    missing = [key for key in wanted if key not in given and not key.startswith(FRONT_END)]
    if missing:
        what = "backbone entries" if parts == "backbone" else "entries"
        raise ConfigError(
            f"The weights lack {len(missing)} {what}: {', '.join(missing[:4])}. They are not those of "
            f"{type(model).__name__} (model.architecture){_head_hint(model, missing)}.",
            code="weights-mismatch",
        )
    unlike = [
        f"{key} is {tuple(given[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in given and given[key].shape != value.shape
    ]
    if unlike:
        raise ConfigError(
            "The weights do not fit this model (check model.width, n_mels, n_fft, dense and the number of "
            f"classes): {'; '.join(unlike[:3])}.",
            code="weights-mismatch",
        )
    model.load_state_dict({key: given[key] for key in wanted if key in given}, strict=False)


def _head_hint(model: nn.Module, missing: list[str]) -> str:
    if all(belongs_to(key, head_names(model)) for key in missing):
        return ", or they are a backbone alone, to which train.transfer frozen and finetune give a new head"
    return ""


def load_backbone(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load front end and backbone weights into ``model``, in place; its head stays as it is.

    The paper's transfer (section 2.4) replaces the fully connected layers by new ones in the same way.

    Raises:
        ConfigError: a backbone weight is missing or has another shape; the message names the first ones.
    """
    load_weights(model, state, parts="backbone")
