"""The arguments of a network's constructor, brought to the types it states or refused by name."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from mixlab.errors import ConfigError

__all__ = ["Arguments", "typed_arguments"]


_OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Arguments(NamedTuple):
    """The arguments of a call.

    Attributes:
        plain: All of them with their defaults as plain data, for YAML and JSON.
        values: The same as the constructor takes them: with dataclasses where it states some.
    """

    plain: dict[str, Any]
    values: dict[str, Any]


def typed_arguments(
    function: Callable[..., Any], given: Mapping[str, Any], *, skip: Collection[str], where: str
) -> Arguments:
    """Complete ``given`` by the defaults of a class or function, and check it by its annotations.

    What is not annotated is taken as it is.

    Args:
        function: What is to be called.
        given: Arguments by name, as they stand in a configuration.
        skip: Names that are no settings: the caller gives them.
        where: What stands before the names in messages: ``model.parameters``.

    Raises:
        ConfigError: an unknown name, a value of another type, or one that is missing; the message lists
            the names that there are.
    """
    import yaml
    from jsonargparse import ArgumentError, ArgumentParser

    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.name not in skip and p.kind not in _OPEN]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(function, "value", skip=set(skip), instantiate=False, fail_untyped=False)
    try:
        parsed = parser.parse_object({"value": dict(given)})
        # Renamed in jsonargparse 4.49.
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
        values = instantiate(parsed)
    except ArgumentError as error:
        known = f"its settings are {', '.join(names)}" if names else "it has no settings"
        found = (
            str(error)
            .replace("Parser key ", "")
            .replace("Group 'value' does not accept option", "there is no")
        )
        text = " ".join(found.replace("value.", f"{where}.").split()).rstrip(".")
        raise ConfigError(
            f"{where} of {function.__name__}: {text}; {known}.", code="invalid-setting"
        ) from error
    plain = yaml.safe_load(parser.dump(parsed)) or {}
    return Arguments(dict(plain.get("value") or {}), dict(vars(values.value)) if names else {})
