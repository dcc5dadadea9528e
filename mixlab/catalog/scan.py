"""From the roots of corpora to labelled rows: scan each tree, resolve the labels, say what may bleed.

No audio is opened here. A label that no map knows stops the work before any of it is done.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from mixlab.catalog.remote_trees import LocalTree, local_tree
from mixlab.corpora import check_scan, get_adapter, refuse_empty
from mixlab.corpora.base import Adapter, Problem, ScanOptions, StemEntry
from mixlab.errors import CorpusError, UnknownLabelError
from mixlab.taxonomy import LabelMap, load_label_map, resolve_stem
from mixlab.utils.plugins import running
from mixlab.utils.remote import Place, as_place

__all__ = ["Root", "Row", "label_rows", "open_roots", "scan_all"]


@dataclass(frozen=True)
class Row:
    """A stem on its way into the catalog: what the corpus says, and what its labels mean.

    Attributes:
        corpus: Name of its corpus.
        entry: What the adapter said.
        nodes: Taxonomy nodes; empty when ignored.
        ignored: Why it has none, or ''.
        bleed_nodes: What may bleed into it.
    """

    corpus: str
    entry: StemEntry
    nodes: tuple[str, ...] = ()
    ignored: str = ""
    bleed_nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Root:
    """A corpus on disk and how it is to be read.

    Attributes:
        adapter: Its adapter.
        folder: Its root, a folder or a URL.
        metadata: Folder with its metadata, where that does not lie beside the audio.
        labels_extra: CSV with label rows of one's own.
    """

    adapter: Adapter
    folder: Place
    metadata: Path | None
    labels_extra: Path | None


def open_roots(
    roots: Mapping[str, str | Path],
    metadata: Mapping[str, str | Path],
    labels_extra: Mapping[str, str | Path],
) -> dict[str, Root]:
    """Return the corpora by their names in the catalog: as adapters call themselves, and ``@other``.

    The arguments are those of ``build_catalog``.

    Raises:
        CorpusError: there is no such corpus, two have one name, or options name no root.
    """
    for option, given in (("metadata", metadata), ("labels_extra", labels_extra)):
        if unknown := sorted(set(given) - set(roots)):
            raise CorpusError(
                f"{option} is given for {', '.join(unknown)}, but the roots are "
                f"{', '.join(roots) or 'none'}.",
                code="unknown-corpus",
            )
    if not roots:
        raise CorpusError(
            "No root given. Name at least one: --root medleydb=/path/to/MedleyDB", code="missing-setting"
        )
    found: dict[str, Root] = {}
    for name, folder in roots.items():
        spec, at, other = name.partition("@")
        adapter = get_adapter(spec)
        called = f"{adapter.name}{at}{other}"
        if called in found:
            raise CorpusError(
                f"{name} calls itself {called!r}, as another root does. Name one of them {called}@other.",
                code="repeated-option",
            )
        extra = (metadata.get(name), labels_extra.get(name))
        found[called] = Root(adapter, _absolute(folder), *(_path(name, one) for one in extra))
    return found


def _path(name: str, given: str | Path | None) -> Path | None:
    return _on_disk(name, given) if given else None


def _absolute(given: str | Path) -> Place:
    place = as_place(given)
    return place.expanduser().absolute() if isinstance(place, Path) else place


def _on_disk(name: str, given: str | Path) -> Path:
    """Return a path to what one gives beside a root.

    Raises:
        CorpusError: it is a URL.
    """
    place = as_place(given)
    if isinstance(place, Path):
        return place.expanduser()
    raise CorpusError(
        f"Expected a path on this machine for what belongs to {name}, found the URL {place}. Copy it here; "
        "the root itself may be a URL (docs/remote.md).",
        code="remote-not-supported",
    )


def scan_all(
    roots: Mapping[str, Root],
    raws: bool,
    on_unmapped: str,
    follow_links: bool = False,
    progress: bool = False,
) -> tuple[list[Row], list[Problem], list[str]]:
    """Scan every root and resolve its labels.

    Args:
        roots: The corpora by their names in the catalog.
        raws: As ``build_catalog``, like all further ones.
        on_unmapped: Whether a label that no row maps is an ``error``.
        follow_links: Whether to read what links below a root lead to.
        progress: Whether to show progress bars on a terminal.

    Returns:
        Labelled rows, problems, and what the adapters say of how they read the trees.

    Raises:
        CorpusError: a root is missing or not laid out as its corpus, or an adapter's rows cannot be used.
        ConfigError: an adapter that is not mixlab's fails.
        UnknownLabelError: labels are in no map and that is an error.
        RemoteError: a root at a URL cannot be listed.
    """
    rows: list[Row] = []
    problems: list[Problem] = []
    notes: list[str] = []
    unmapped: list[str] = []
    for name, root in sorted(roots.items()):
        with local_tree(root.folder, progress=progress) as tree:
            found = _scan(root.adapter, tree, ScanOptions(raws, root.metadata, follow_links))
            scan = check_scan(name, root.adapter, tree.folder, found, follow_links)
            refuse_empty(name, tree.folder, scan)
        problems += [
            Problem(name, p.song, p.stem, p.path, p.kind, tree.at_home(p.message))
            for p in (*tree.problems, *scan.problems)
        ]
        notes += [f"{name}: {tree.at_home(note)}" for note in scan.notes]
        label_map = load_label_map(root.adapter.label_map, root.labels_extra)
        missing = _unmapped(scan.stems, label_map)
        if missing and on_unmapped == "error":
            unmapped.append(_unmapped_text(name, label_map, missing))
        rows += label_rows(name, scan.stems, label_map, problems)
    if unmapped:
        raise UnknownLabelError(
            "\n".join(unmapped) + "\nCheck the guesses, write the rows to a CSV file with the header "
            "label,nodes,ignored,note and give it: --labels-extra CORPUS=FILE. "
            "Or leave these stems out: --unmapped ignore."
        )
    return rows, problems, notes


def _scan(adapter: Adapter, tree: LocalTree, options: ScanOptions) -> object:
    """Return what an adapter finds; an error in the code of somebody else's says whose it is."""
    kind = type(adapter)
    own = kind.__module__.partition(".")[0] == "mixlab"
    with nullcontext() if own else running("corpus", f"{kind.__module__}:{kind.__qualname__}"):
        return adapter.scan(tree.folder, options)


def _unmapped(entries: Iterable[StemEntry], label_map: LabelMap) -> dict[str, list[StemEntry]]:
    users: dict[str, list[StemEntry]] = defaultdict(list)
    for entry in entries:
        for label in dict.fromkeys((*entry.labels, *entry.bleed_labels)):
            users[label].append(entry)
    return {label: users[label] for label in sorted(users) if label_map.resolve(label) is None}


def _unmapped_text(corpus: str, label_map: LabelMap, missing: Mapping[str, list[StemEntry]]) -> str:
    lines = [f"{corpus}: {len(missing)} labels are not in the map {label_map.corpus!r}. Rows to add:"]
    for label, entries in missing.items():
        first = entries[0]
        count = f"{len(entries)} stem{'s' if len(entries) > 1 else ''}"
        lines.append(f"  {label_map.row_to_add(label)}    ({count}, such as {first.song}/{first.stem})")
    return "\n".join(lines)


def label_rows(
    corpus: str,
    entries: Sequence[StemEntry],
    label_map: LabelMap,
    problems: list[Problem],
) -> list[Row]:
    """Resolve the labels of a corpus, and what may bleed into each of its stems.

    Stems with an unmapped label are ignored and appended to ``problems``.
    """
    meanings: list[tuple[tuple[str, ...], str]] = []
    for entry in entries:
        try:
            resolution = resolve_stem(label_map, entry.labels)
            meanings.append((resolution.nodes, resolution.ignored or ""))
        except UnknownLabelError as error:
            bad = ", ".join(repr(label) for label in entry.labels if label_map.resolve(label) is None)
            meanings.append(((), f"unmapped label {bad}"))
            problems.append(Problem(corpus, entry.song, entry.stem, entry.path, "unmapped-label", str(error)))
    songs: dict[str, list[int]] = defaultdict(list)
    for i, entry in enumerate(entries):
        songs[entry.song].append(i)
    rows = []
    for i, entry in enumerate(entries):
        nodes, ignored = meanings[i]
        bleed: tuple[str, ...] = ()
        if entry.bleed:
            bleed = _bleed_nodes(entry, [meanings[k] for k in songs[entry.song] if k != i], label_map)
        rows.append(Row(corpus, entry, nodes, ignored, bleed))
    return rows


def _bleed_nodes(
    entry: StemEntry, others: Sequence[tuple[tuple[str, ...], str]], label_map: LabelMap
) -> tuple[str, ...]:
    """Return the nodes that may be heard in a stem besides its own; ``*`` means any."""
    if entry.bleed_labels:
        resolved = [label_map.resolve(label) for label in entry.bleed_labels]
        others = [(r.nodes, r.ignored or "") if r else ((), "unmapped") for r in resolved]
    nodes = {node for found, _ in others for node in found}
    if not nodes or any(ignored for _, ignored in others):
        nodes.add("*")
    return tuple(sorted(nodes))
