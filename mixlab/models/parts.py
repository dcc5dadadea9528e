"""The two parts of a network, its backbone and its head, whoever wrote it.

A network is any ``nn.Module`` that turns audio ``(B, 1, T)`` into logits ``(B, C)`` and says which of its
layers are the head. It does so in the simplest way by having two modules of these names, with
``forward(audio) = head(backbone(audio))``:

- ``backbone``: audio ``(B, 1, T)`` to embeddings ``(B, E)``;
- ``head``: embeddings to logits ``(B, C)``.

A network of another make states the names of the head's top modules as ``head_names``, the one that gives the
logits last, and has two methods, ``embed(audio)`` and ``classify(embedding)``. All that is not the head's
is the backbone's, parameters of the network itself included.

It may also state ``sample_rate`` in Hz; ``min_samples``, the shortest input that it takes; and
``in_channels``, 2 where it takes stereo audio ``(B, 2, T)``.
"""

from typing import cast

from torch import Tensor, nn

from mixlab.errors import ConfigError

__all__ = [
    "backbone_parameters",
    "belongs_to",
    "check_parts",
    "classify",
    "embed",
    "head_names",
    "head_parameters",
    "in_channels",
    "last_name",
    "last_parameters",
    "n_parameters",
]


def head_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the head's top modules; the last one gives the logits."""
    return tuple(cast(tuple[str, ...], getattr(model, "head_names", ("head",))))


def embed(model: nn.Module, audio: Tensor) -> Tensor:
    """Return embeddings ``(B, E)`` for audio ``(B, 1, T)``: what the head takes."""
    own = getattr(model, "embed", None)
    return cast(Tensor, model.get_submodule("backbone")(audio) if own is None else own(audio))


def classify(model: nn.Module, embedding: Tensor) -> Tensor:
    """Return logits ``(B, C)`` for embeddings ``(B, E)``: the head alone."""
    own = getattr(model, "classify", None)
    return cast(Tensor, model.get_submodule("head")(embedding) if own is None else own(embedding))


def in_channels(model: nn.Module) -> int:
    """Return how many channels of audio a network takes: 1 unless it states 2, for stereo."""
    return int(cast(int, getattr(model, "in_channels", 1)))


def belongs_to(name: str, modules: tuple[str, ...]) -> bool:
    """Say whether a parameter, buffer or module is one of some modules, or within one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def last_name(model: nn.Module) -> str:
    """Return the name of the layer that gives the logits: within ``nn.Sequential`` the last with weights."""
    name = head_names(model)[-1]
    module = model.get_submodule(name)
    while isinstance(module, nn.Sequential):
        name, module = [
            (f"{name}.{inner}", child)
            for inner, child in module.named_children()
            if next(child.parameters(), None) is not None
        ][-1]
    return name


def head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the head."""
    names = head_names(model)
    return [p for name, p in model.named_parameters() if belongs_to(name, names)]


def last_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the last layer."""
    return list(model.get_submodule(last_name(model)).parameters())


def backbone_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of front end and backbone: all that are not the head's."""
    names = head_names(model)
    return [p for name, p in model.named_parameters() if not belongs_to(name, names)]


def n_parameters(model: nn.Module, *, trainable: bool = False) -> int:
    """Count parameters; with ``trainable`` only those that a gradient may move.

    Example:
        >>> import torch
        >>> from mixlab.models import n_parameters
        >>> n_parameters(torch.nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def check_parts(model: nn.Module, where: str) -> None:
    """Refuse a network of which it is not clear what its head is, or how to compute its parts.

    Args:
        model: The network.
        where: What messages call it.

    Raises:
        ConfigError: the message says what is missing and how to state it.
    """
    names, children = head_names(model), dict(model.named_children())
    lacking = [name for name in names if name not in children]
    if lacking or not names:
        raise ConfigError(
            f"{where} has no {' and no '.join(map(repr, lacking)) or 'head'} among its modules "
            f"({', '.join(children) or 'none'}). Name the module that turns embeddings into logits 'head', "
            "or list the head's modules in a class attribute head_names, the one that gives the logits last.",
            code="unfit-plugin",
        )
    if next(children[names[-1]].parameters(), None) is None:
        raise ConfigError(
            f"{where}: its head ends with {names[-1]!r}, which has no weights to train.", code="unfit-plugin"
        )
    for part, method in (("backbone", "embed"), ("head", "classify")):
        if part not in children and not hasattr(model, method):
            raise ConfigError(
                f"{where} has neither a module {part!r} nor a method {method!r}. Name the module that "
                f"{'turns audio into embeddings' if part == 'backbone' else 'gives the logits'} {part!r}, "
                f"or write {method}({'audio' if part == 'backbone' else 'embedding'}).",
                code="unfit-plugin",
            )
