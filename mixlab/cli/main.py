"""The command line: ``mixlab COMMAND ...``.

Each command is a typed function in ``mixlab.cli.commands``; jsonargparse turns its signature and docstring
into options, YAML configuration (``--config``, ``--print_config``) and help. Options win over files of
settings, wherever they stand; of several files the last one wins. A command's module is imported only when
it is called, so that ``mixlab --help`` is quick and needs no extra.
"""

import dataclasses
import errno
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from mixlab import __version__
from mixlab.errors import MissingDependencyError, MixlabError

__all__ = ["COMMANDS", "main", "run_command"]


class Command(NamedTuple):
    """Where a command lives and what it is for; ``words`` are options that bare first words stand for."""

    module: str
    function: str
    summary: str
    words: tuple[str, ...] = ()


COMMANDS: dict[str, Command] = {
    "demo": Command(
        "mixlab.cli.commands.demo", "demo", "make demo corpora, index, mix, train and report: the whole tour"
    ),
    "demo-corpora": Command(
        "mixlab.cli.commands.demo_corpora", "demo_corpora", "make demo corpora in the true layouts"
    ),
    "compose": Command(
        "mixlab.cli.commands.compose",
        "compose",
        "make multitracks of composed songs, played by recorded notes",
    ),
    "index": Command("mixlab.cli.commands.index", "index", "index corpora into a catalog"),
    "catalog": Command(
        "mixlab.cli.commands.catalog", "catalog", "count what a catalog holds; problems; leakage"
    ),
    "subset": Command(
        "mixlab.cli.commands.subset",
        "subset",
        "make a smaller catalog: songs by corpus, artist, genre, length, class",
    ),
    "taxonomy": Command(
        "mixlab.cli.commands.taxonomy", "taxonomy", "print the instrument tree; check a corpus's labels"
    ),
    "clips": Command(
        "mixlab.cli.commands.clips",
        "clips",
        "say what a corpus of labelled clips holds: classes, parts, groups, problems",
        words=("clips.corpus", "clips.root"),
    ),
    "pack": Command(
        "mixlab.cli.commands.pack", "pack", "resample all stems once, so that mixing is much faster"
    ),
    "analyse": Command(
        "mixlab.cli.commands.analyse", "analyse", "find tempo, beats and key of a catalog's songs"
    ),
    "mix": Command("mixlab.cli.commands.mix", "mix", "render mixes to files, or replay a recipe"),
    "export": Command(
        "mixlab.cli.commands.export", "export", "write mixes as webdataset, Hugging Face dataset or folder"
    ),
    "recipes": Command(
        "mixlab.cli.commands.recipes", "recipes", "write recipes of a training set, for who has the corpora"
    ),
    "train": Command("mixlab.cli.commands.train", "train", "train a tagger on the stream of mixes"),
    "pretrain": Command(
        "mixlab.cli.commands.pretrain",
        "pretrain",
        "train a tagger on MTG-Jamendo, to start from when training",
    ),
    "train-clips": Command(
        "mixlab.cli.commands.train_clips", "train_clips", "train a network on labelled clips"
    ),
    "baseline": Command(
        "mixlab.cli.commands.baseline",
        "baseline",
        "fit a classical classifier on mixes, to compare runs with",
    ),
    "baseline-clips": Command(
        "mixlab.cli.commands.baseline_clips",
        "baseline_clips",
        "fit a classical classifier on features of labelled clips",
    ),
    "ensemble": Command(
        "mixlab.cli.commands.ensemble",
        "ensemble",
        "put runs and published weights together, by calibrated scores or ranks",
        words=("out",),
    ),
    "evaluate": Command(
        "mixlab.cli.commands.evaluate", "evaluate", "score a run on fixed musical mixes, per class"
    ),
    "evaluate-on": Command(
        "mixlab.cli.commands.evaluate_on",
        "evaluate_on",
        "score a run or published weights on IRMAS, OpenMIC-2018, MTG-Jamendo or recordings of one's own",
    ),
    "realism": Command(
        "mixlab.cli.commands.realism",
        "realism",
        "measure how much mixes sound like recorded music to published taggers",
        words=("catalog",),
    ),
    "compare": Command(
        "mixlab.cli.commands.compare", "compare", "compare two runs on the same mixes, with paired intervals"
    ),
    "sweep": Command(
        "mixlab.cli.commands.sweep",
        "sweep",
        "train a grid of settings with several seeds; one table, one figure",
    ),
    "study": Command(
        "mixlab.cli.commands.study",
        "study",
        "run an experiment of a paper, with intervals; --list shows them",
        words=("name",),
    ),
    "tag": Command("mixlab.cli.commands.tag", "tag", "say which instruments sound in audio files, and where"),
    "weights": Command(
        "mixlab.cli.commands.weights",
        "weights",
        "list published weights to start from; fetch one",
        words=("action", "name"),
    ),
    "app": Command("mixlab.cli.commands.app", "app", "open the explorer in a browser"),
    "cite": Command(
        "mixlab.cli.commands.cite",
        "cite",
        "print what to cite for what a catalog holds, with licences",
        words=("catalog",),
    ),
    "report-environment": Command(
        "mixlab.cli.commands.report_environment",
        "report_environment",
        "print versions, processor and settings, to paste into an issue",
    ),
}

_USAGE_EXIT = 2
# What the machine lets nobody do: the user's to mend, and told without a traceback.
_TOLD_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
_INTERRUPTED_EXIT = 130


def _overview() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mixlab COMMAND [options]",
            "",
            "Turns multitrack collections into an endless, reproducible, correctly labelled stream of",
            "training mixtures.",
            "",
            "commands:",
            *lines,
            "",
            "'mixlab COMMAND --help' explains a command and all its settings.",
            "New here: 'mixlab demo' runs the main job on corpora it makes itself.",
        ]
    )


def _load(command: Command) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = getattr(import_module(command.module), command.function)
    except ImportError as error:
        if (told := _missing_package(error)) is None:
            raise
        raise told from error
    return function


_OF_TRAIN = frozenset(
    {
        "lightning",
        "safetensors",
        "scipy",
        "sklearn",
        "threadpoolctl",
        "torchaudio",
        "torchmetrics",
        "torchvision",
    }
)
"""Packages of the extra ``train``, which several commands load only when they come to use them."""


def _missing_package(error: ImportError) -> MissingDependencyError | None:
    """Return what to say of a package that cannot be imported; None if it is one of mixlab itself."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "mixlab"):
        return None
    extra = "train" if package in _OF_TRAIN else "all"
    return MissingDependencyError(
        f"This command needs the package {package!r}, not installed here: pip install 'mixlab[{extra}]'."
    )


_REPEATABLE = (
    *("--root", "--metadata", "--labels_extra", "--soundfont", "--notes", "--vary", "--also", "--metrics"),
    *("--corpora", "--artists", "--genres", "--classes", "--member"),
    *("--mix.effects.custom", "--train.metrics", "--baseline.metrics", "--clips.classes"),
)
"""Options that may be given several times; jsonargparse would let the last one win, silently."""


def _switches(annotations: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the options that are true or false, also those within configuration dataclasses."""
    for name, kind in annotations.items():
        if kind is bool or kind == bool | None:
            yield f"{prefix}{name}"
        elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
            yield from _switches(get_type_hints(kind), f"{prefix}{name}.")


def _tidy(function: Callable[..., Any], arguments: Sequence[str]) -> list[str]:
    """Accept what users type: dashes in names, switches without a value, options given several times."""
    switches = set(_switches(inspect.get_annotations(function, eval_str=True), "--"))
    arguments = _gather(function, arguments, switches)
    out: list[str] = []
    lists: dict[str, None] = {}
    for place, text in enumerate(arguments):
        option, equals, value = text.partition("=")
        if option.startswith("--"):
            option = "--" + option[2:].replace("-", "_")
            following = arguments[place + 1].lower() if place + 1 < len(arguments) else ""
            if option in _REPEATABLE and _takes_list(function, option):
                lists[option] = None
                option += "+"
            elif option in switches and not equals and following not in ("true", "false", "yes", "no"):
                equals, value = "=", "true"
        out.append(option + equals + value)
    return _files_first(function, out, lists)


def _files_first(function: Callable[..., Any], arguments: Sequence[str], lists: Iterable[str]) -> list[str]:
    """Put files of settings in front, the general before the particular: what is typed by itself wins.

    jsonargparse takes options as they come: a ``--config`` at the end would undo all that was said before.
    And it would add to ``lists``, options given several times, where they replace what a file says.
    """
    groups = set(_groups(inspect.get_annotations(function, eval_str=True), "--"))
    files: list[tuple[int, list[str]]] = []
    rest: list[str] = []
    end = arguments.index("--") if "--" in arguments else len(arguments)
    place = 0
    while place < end:
        option, equals, _ = arguments[place].partition("=")
        length = 1 if equals else 2
        if option == "--config":
            files.append((-1, list(arguments[place : place + length])))
        elif option in groups:
            files.append((option.count("."), list(arguments[place : place + length])))
        else:
            rest.append(arguments[place])
            length = 1
        place += length
    files.sort(key=lambda file: file[0])
    emptied = [f"{option}=[]" for option in lists]
    return [*(text for _, file in files for text in file), *emptied, *rest, *arguments[end:]]


def _groups(annotations: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield the options that stand for several settings at once: configuration dataclasses and mappings."""
    for name, kind in annotations.items():
        for part in (kind, *get_args(kind)):
            if part is dict or get_origin(part) is dict:
                yield f"{prefix}{name}"
            elif dataclasses.is_dataclass(part) and isinstance(part, type):
                yield f"{prefix}{name}"
                yield from _groups(get_type_hints(part), f"{prefix}{name}.")


def _takes_list(function: Callable[..., Any], option: str) -> bool:
    kinds, kind = inspect.get_annotations(function, eval_str=True), None
    for name in option[2:].split("."):
        kind = kinds.get(name)
        kinds = get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
    return list in {get_origin(part) for part in (kind, *get_args(kind))}


def _gather(function: Callable[..., Any], arguments: Sequence[str], switches: set[str]) -> list[str]:
    """Join the words that belong to no option for a command that takes a list of files.

    jsonargparse would want the list in brackets.
    """
    first = next(iter(inspect.signature(function, eval_str=True).parameters.values()), None)
    if first is None or first.default is not first.empty or get_origin(first.annotation) is not list:
        return list(arguments)
    words: list[str] = []
    options: list[str] = []
    awaits_value = False
    for text in arguments:
        if awaits_value or text.startswith("-"):
            options.append(text)
            alone = text in ("-h", "--help") or text.startswith("--print_config") or text in switches
            awaits_value = not awaits_value and text.startswith("--") and "=" not in text and not alone
        else:
            words.append(text)
    return [json.dumps(words), *options] if words else options


def _named(words: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Name the options that the first bare words stand for: ``get X`` is ``--action=get ...``."""
    named = [f"--{word}={text}" for word, text in zip(words, takewhile(_is_bare, arguments), strict=False)]
    return [*named, *arguments[len(named) :]]


def _is_bare(text: str) -> bool:
    return not text.startswith("-")


def _check_setting_files(function: Callable[..., Any], arguments: Iterable[str]) -> None:
    """Look at what was given as ``--config``, and in place of a section of settings, where that is a file."""
    from mixlab.cli.setting_files import check_setting_file

    groups = set(_groups(inspect.get_annotations(function, eval_str=True), "--"))
    sections = {group.rpartition(".")[2].removeprefix("--") for group in groups}
    texts = iter(arguments)
    for text in texts:
        option, equals, value = text.partition("=")
        if text == "--":
            return
        if option == "--config" or option in groups:
            check_setting_file(value if equals else next(texts, ""), sections)


@cache
def _refuse_repeated_settings() -> None:
    """Let jsonargparse refuse settings in which one key stands twice, or that blow up; once in a process."""
    import yaml
    from jsonargparse import get_loader, set_loader

    from mixlab.utils.yaml import refuse_repeated_keys

    usual = get_loader("yaml")

    def load(text: str) -> Any:  # noqa: ANN401 - whatever the text holds
        refuse_repeated_keys(text)
        return usual(text)

    set_loader("yaml", load, exceptions=(yaml.YAMLError,))


def run_command(name: str, arguments: Sequence[str]) -> int:
    """Run a command and return its exit code.

    Raises:
        MixlabError: it cannot do what it was asked.
    """
    from jsonargparse import auto_cli

    _refuse_repeated_settings()
    function = _load(COMMANDS[name])
    arguments = _named(COMMANDS[name].words, arguments)
    tidied = _tidy(function, arguments)
    _check_setting_files(function, tidied)
    # Options by their whole names: what ``_tidy`` knows of them would be passed by for abbreviated ones.
    whole = {"prog": f"mixlab {name}", "allow_abbrev": False}
    result = auto_cli(function, args=tidied, as_positional=True, **whole)  # type: ignore[arg-type]
    return result if isinstance(result, int) else 0


def _message(error: MixlabError) -> str:
    """Return what an error says, without the traceback that torch puts before that of a worker process."""
    text = str(error)
    if not text.startswith("Caught "):
        return text
    said = text.rpartition(f"{type(error).__module__}.{type(error).__qualname__}: ")[2]
    return said.strip().removesuffix(f"code: {error.code}").strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 found something, 2 cannot."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"mixlab {__version__}")
        return 0
    name = arguments[0]
    if name not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        print(
            f"mixlab: error: there is no command {name!r}.{hint} 'mixlab --help' lists them.", file=sys.stderr
        )
        return _USAGE_EXIT
    try:
        return run_command(name, arguments[1:])
    except MixlabError as error:
        print(f"mixlab: error [{error.code}]: {_message(error)}", file=sys.stderr)
        return _USAGE_EXIT
    except ModuleNotFoundError as error:
        if (missing := _missing_package(error)) is None:
            raise
        print(f"mixlab: error [{missing.code}]: {missing}", file=sys.stderr)
        return _USAGE_EXIT
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone: nothing is wrong.
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno not in _TOLD_ERRORS:
            raise
        from mixlab.utils.files import output_error

        # What no part of mixlab has told of: printing into a full disk, say.
        told = output_error(Path(error.filename or "what was to be written"), error)
        print(f"mixlab: error [{told.code}]: {told}", file=sys.stderr)
        return _USAGE_EXIT
    except KeyboardInterrupt:
        print(f"\nmixlab {name}: stopped. Finished work is kept; the same command goes on.", file=sys.stderr)
        return _INTERRUPTED_EXIT


if __name__ == "__main__":
    sys.exit(main())
