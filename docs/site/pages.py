"""The pages that are written anew at every build: the API, the commands, and copies of pages elsewhere."""

import argparse
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from docs.site.links import COPIES, rewrite
from docs.site.public import REPO, Entry, entries, summary_of

__all__ = ["api_pages", "command_page", "command_pages", "copied_pages", "write_pages"]

_KINDS = {"class": "Classes", "function": "Functions", "data": "Constants and types"}

_LONGEST_VALUE = 120


def write_pages(docs: Path) -> None:
    """Write all generated pages below the folder of pages; a page that is none any more is removed."""
    written = {**api_pages(), **command_pages(), **copied_pages()}
    pages = {docs / page: text for page, text in written.items()}
    for folder in {page.parent for page in pages}:
        folder.mkdir(parents=True, exist_ok=True)
        for left in set(folder.iterdir()) - set(pages):
            left.unlink()
    for page, text in pages.items():
        # One that is as it was keeps its date, so that it is not read again.
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def copied_pages() -> dict[str, str]:
    """Return the pages that lie outside ``docs``, by where the site has them."""
    return {
        page: rewrite((REPO / source).read_text(encoding="utf-8"), source, page)
        for source, page in COPIES.items()
    }


# The API


def api_pages() -> dict[str, str]:
    """Return a page for each public module, and one that lists them (reStructuredText)."""
    modules = {module: list(found) for module, found in groupby(entries(), lambda entry: entry.module)}
    pages = {f"api/{module}.rst": _module_page(module, found) for module, found in modules.items()}
    rows = [(f":doc:`{module} </api/{module}>`", summary_of(module)) for module in modules]
    lines = [
        *_title("The API"),
        "Every public name of mixlab, with shapes, units, errors and its source, module by module. "
        "``import mixlab`` offers those that most programs need; what is not listed here may change.",
        "",
        *_table(rows),
        *_toctree(modules),
    ]
    return {"api/index.rst": "\n".join(lines), **pages}


def _module_page(module: str, found: Iterable[Entry]) -> str:
    found = list(found)
    lines = [*_title(module), _prose(summary_of(module)), "", f".. py:module:: {module}", ""]
    lines += _table((f":py:obj:`{entry.name} <{entry.at}>`", _first_sentence(entry)) for entry in found)
    for kind, title in _KINDS.items():
        own = [entry for entry in found if entry.kind == kind and entry.at == entry.full_name]
        if own:
            lines += [*_title(title, "-"), *(line for entry in own for line in _entry(entry))]
    return "\n".join(lines)


def _entry(entry: Entry) -> Iterator[str]:
    if entry.kind == "class":
        yield f".. autoclass:: {entry.full_name}"
        yield "   :members:"
        yield "   :show-inheritance:"
    elif entry.kind == "function":
        yield f".. autofunction:: {entry.full_name}"
    else:
        yield f".. py:data:: {entry.name}"
        yield f"   :module: {entry.module}"
        if entry.annotation:
            yield f"   :type: {entry.annotation}"
        if len(entry.value) <= _LONGEST_VALUE:
            yield f"   :value: {entry.value}"
        yield ""
        yield from (f"   {line}" for line in _dedent(entry.doc).splitlines())
        if entry.name != "__version__":
            yield ""
            yield f"   Of :py:mod:`{entry.home}`."
    yield ""


def _dedent(doc: str) -> str:
    first, _, rest = doc.strip().partition("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest.splitlines() if line.strip()), default=0)
    return "\n".join([first, *(line[margin:] for line in rest.splitlines())])


def _first_sentence(entry: Entry) -> str:
    text = " ".join(entry.doc.strip().partition("\n\n")[0].split())
    return _prose(re.split(r"(?<=[.!?])\s", text)[0])


# The commands


def command_pages() -> dict[str, str]:
    """Return a page for each command, made of what ``--help`` says, and one that lists them."""
    from mixlab.cli.main import COMMANDS

    rows = [
        (f":doc:`mixlab {name} </commands/mixlab-{name}>`", command.summary)
        for name, command in COMMANDS.items()
    ]
    lines = [
        *_title("The command line"),
        "``mixlab COMMAND --help`` says on a terminal what these pages say; they are made of it. Options "
        "may also stand in a YAML file (``--config FILE``; ``--print_config`` writes one), and what is typed "
        "wins.",
        "",
        *_table(rows),
        *_toctree(f"mixlab-{name}" for name in COMMANDS),
    ]
    pages = {
        f"commands/mixlab-{name}.rst": command_page(name, command.summary)
        for name, command in COMMANDS.items()
    }
    return {"commands/index.rst": "\n".join(lines), **pages}


def command_page(name: str, summary: str) -> str:
    """Return the page of a command, from the parser that also prints its help."""
    import inspect

    from jsonargparse import capture_parser

    from mixlab.cli import main

    parser = capture_parser(main.run_command, name, ["--help"])
    function = main._load(main.COMMANDS[name])
    described = inspect.getdoc(function) or summary
    described = re.split(r"^(?:Args|Returns|Raises):$", described, flags=re.MULTILINE)[0].strip()
    lines = [*_title(f"mixlab {name}"), *_usage(name, parser), _prose(described), ""]
    lines += [f".. program:: mixlab {name}", ""]
    for group in parser._action_groups:
        shown = [action for action in group._group_actions if action.help != argparse.SUPPRESS]
        if not shown:
            continue
        title = {"positional arguments": "Arguments", "options": "Options"}.get(
            group.title or "", group.title
        )
        lines += _title(_heading(str(title), shown), "-")
        lines += [line for action in shown for line in _option(parser, action)]
    lines += ["All commands: :doc:`/commands/index`. Words: :doc:`/glossary`.", ""]
    return "\n".join(lines)


def _heading(title: str, shown: list[argparse.Action]) -> str:
    """Return the heading of a group, with the beginning that its options have in common."""
    title = " ".join(title.replace("``", "").split())
    first = shown[0].option_strings[0] if shown[0].option_strings else ""
    dotted = re.fullmatch(r"--([\w.]+)", first)
    return f"{title} ({first}.…)" if dotted and len(shown) > 1 and shown[0].metavar == "CONFIG" else title


def _usage(name: str, parser: argparse.ArgumentParser) -> list[str]:
    places = [action.dest for action in parser._actions if not action.option_strings]
    return [".. code-block:: text", "", f"   mixlab {' '.join([name, *places, '[options]'])}", ""]


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[str]:
    formatter = parser._get_formatter()
    names = [name for name in action.option_strings if not name.endswith("+")] or [action.dest]
    value = "" if action.nargs == 0 or not action.option_strings else _value(action)
    help_text = formatter._expand_help(action) if action.help else ""
    said, facts = re.fullmatch(r"(.*?)\s*(\((?:required|type|default)\b.*\))?", help_text, re.DOTALL).groups()
    yield f".. option:: {', '.join(f'{name}{value}' for name in names)}"
    yield ""
    yield f"   {_prose(' '.join(said.split()))}"
    if facts:
        yield ""
        yield f"   {_facts(facts, any(name.endswith('+') for name in action.option_strings))}"
    yield ""


def _value(action: argparse.Action) -> str:
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.rpartition(".")[2].upper()
    shown = shown.lstrip("\b ")  # by which help on a terminal takes the blank before it back
    return shown if shown.startswith("[=") else f" {shown}"


def _facts(text: str, repeatable: bool) -> str:
    """Return what jsonargparse says of type and default, in words and code."""
    inner = " ".join(text[1:-1].split())
    needed = inner.startswith("required")
    kind = re.search(r"type: (.*?)(?:, default: |$)", inner)
    default = re.search(r"default: (.*)$", inner)
    parts = ["Needed"] if needed else []
    if kind:
        name = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", kind[1])
        name = re.sub(r"Optional\[(.*)\]", r"\1", re.sub(r" \| null|Union\[(.*)\]", r"\1", name))
        parts.append(f"type ``{name}``")
    if default and default[1] not in ("null", "None"):
        parts.append(f"default ``{default[1]}``")
    if repeatable:
        parts.append("may be given several times")
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}." if said else ""


# reStructuredText


def _title(text: str, line: str = "=") -> list[str]:
    return [text, line * len(text), ""]


def _prose(text: str) -> str:
    """Return text in which only literals are marked up: what else looks like it is meant as it stands."""
    parts = re.split(r"(``.+?``)", text, flags=re.DOTALL)
    plain = [part if place % 2 else re.sub(r"([*_|`\\])", r"\\\1", part) for place, part in enumerate(parts)]
    # A literal must not touch a word.
    return re.sub(r"(?<=\w)(``)(?=\S[^`]*``)", r"\\ \1", "".join(plain))


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [".. list-table::", "   :class: names", "   :widths: 1 2", ""]
    for name, text in rows:
        lines += [f"   * - {name}", f"     - {text}"]
    return [*lines, ""]


def _toctree(names: Iterable[str]) -> list[str]:
    return [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names), ""]
