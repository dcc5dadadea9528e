"""Label maps: ``taxonomy/corpora/<corpus>.csv``, from a corpus's raw labels to nodes of the tree."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mixlab.errors import TaxonomyError, UnknownLabelError
from mixlab.taxonomy.tree import Taxonomy, load_taxonomy
from mixlab.utils.csv import CsvError, csv_text, read_csv
from mixlab.utils.resources import resource_path

__all__ = [
    "NO_LABEL",
    "LabelMap",
    "Resolution",
    "label_map_names",
    "load_label_map",
    "normalise_label",
    "resolve_stem",
]

_MAP_COLUMNS = ("label", "nodes", "ignored", "note")
# Below this similarity difflib's guesses are noise ("Zurna" -> "Tuba").
_GUESS_CUTOFF = 0.78
_SHORTEST_GUESSED = 5  # shorter labels are near too many others ("tag" -> "agt", an acoustic guitar)


@dataclass(frozen=True)
class Resolution:
    """What a label means: nodes of which at least one sounds, or a reason to ignore the stem.

    Exactly one of the two is non-empty.
    """

    nodes: tuple[str, ...]
    ignored: str | None


NO_LABEL = Resolution((), "no label")


def normalise_label(label: str) -> str:
    """Collapse white space and case, as label maps do when they compare.

    Example:
        >>> from mixlab.taxonomy import normalise_label
        >>> normalise_label("  Electric   Guitar ")
        'electric guitar'
    """
    return " ".join(label.split()).casefold()


class LabelMap:
    """Raw label -> :class:`Resolution` for one corpus.

    Args:
        corpus: Name of the map.
        rows: Resolutions by label as written. A label that ends in ``*`` stands for every label
            that begins with the rest; it comes last, and the longest beginning wins.
        source: File name for messages.
    """

    def __init__(self, corpus: str, rows: Mapping[str, Resolution], source: str) -> None:
        self.corpus = corpus
        self.source = source
        self.rows: Mapping[str, Resolution] = dict(rows)
        self._folded: dict[str, Resolution] = {}
        prefixes: dict[str, Resolution] = {}
        for label, resolution in self.rows.items():
            key = normalise_label(label)
            if key.endswith("*"):
                prefixes.setdefault(key[:-1], resolution)
            else:
                self._folded.setdefault(key, resolution)
        self._prefixes = sorted(prefixes.items(), key=lambda item: -len(item[0]))

    def __len__(self) -> int:
        return len(self.rows)

    def resolve(self, label: str) -> Resolution | None:
        """Return what ``label`` means, or None when the map does not list it.

        An exact row wins; otherwise case and the amount of white space do not matter. A blank
        label is ignored for the reason "no label".
        """
        if label in self.rows:
            return self.rows[label]
        key = normalise_label(label)
        if not key:
            return NO_LABEL
        if key in self._folded:
            return self._folded[key]
        return next((r for prefix, r in self._prefixes if key.startswith(prefix)), None)

    def guess(self, label: str) -> Resolution | None:
        """Return what a label that is not in the map probably means, to be checked; None without an idea."""
        return _guess(self, label)

    def row_to_add(self, label: str) -> str:
        """Return the CSV row that would map ``label``, with a guess to be checked."""
        guess = self.guess(label)
        if guess is None:
            row = [
                label,
                "NODE-ID",
                "",
                "replace NODE-ID; or leave it empty and give a reason as third field",
            ]
        else:
            row = [label, "|".join(guess.nodes), guess.ignored or "", ""]
        return csv_text([row], exact=True).removesuffix("\n")


def _guess(label_map: LabelMap, label: str) -> Resolution | None:
    key = normalise_label(label)
    pools = [
        {normalise_label(known): r for known, r in label_map.rows.items() if not known.endswith("*")},
        _known_labels(),
    ]
    for pool in pools if len(key) >= _SHORTEST_GUESSED else ():
        close = difflib.get_close_matches(key, pool, n=1, cutoff=_GUESS_CUTOFF)
        if close:
            return pool[close[0]]
    # "Alto Recorder 2" holds a word that is known by itself; the last such word is the noun.
    words = "".join(c if c.isalpha() else " " for c in key).split()
    return next((pools[1][w] for w in reversed(words) if w in pools[1]), None)


@lru_cache(maxsize=1)
def _known_labels() -> dict[str, Resolution]:
    known: dict[str, Resolution] = {}
    for name in label_map_names():
        for label, resolution in load_label_map(name).rows.items():
            if not label.endswith("*"):
                known.setdefault(normalise_label(label), resolution)
    return known


def label_map_names() -> tuple[str, ...]:
    """Return the names of the shipped label maps."""
    return tuple(sorted(p.stem for p in resource_path("taxonomy", "corpora").glob("*.csv")))


def load_label_map(name: str, extra: Path | None = None) -> LabelMap:
    """Load a shipped label map, with the user's own rows on top.

    The map ``folder`` also knows every node of the tree by id and by name.

    Args:
        name: Name of a shipped map (``medleydb``), or the path of a CSV file.
        extra: CSV with the same columns whose rows override and extend the map.

    Raises:
        TaxonomyError: unknown name, or a file with an inconsistent row; the row is named.

    Example:
        >>> from mixlab.taxonomy import load_label_map
        >>> load_label_map("medleydb").resolve("female singer").nodes
        ('female-singer',)
    """
    base = _own_label_map(Path(name)) if name.endswith(".csv") else _cached_label_map(name)
    if extra is None:
        return base
    added = _read_label_rows(extra, load_taxonomy())
    overridden = {normalise_label(label) for label in added}
    kept = {label: r for label, r in base.rows.items() if normalise_label(label) not in overridden}
    return LabelMap(base.corpus, {**kept, **added}, base.source)


def _own_label_map(path: Path) -> LabelMap:
    """Read a user's file, each time: who is told what row is missing adds it, and tries again."""
    return LabelMap(path.stem, _read_label_rows(path, load_taxonomy()), str(path))


@lru_cache(maxsize=32)
def _cached_label_map(name: str) -> LabelMap:
    taxonomy = load_taxonomy()
    if name not in label_map_names():
        raise TaxonomyError(
            f"No label map {name!r}; there are {', '.join(label_map_names())}, or give a CSV file's path.",
            code="unknown-label-map",
        )
    rows = _read_label_rows(resource_path("taxonomy", "corpora", f"{name}.csv"), taxonomy)
    if name == "folder":
        taken = {normalise_label(label) for label in rows}
        for node in taxonomy.nodes.values():
            for own in (node.id, node.name):
                if normalise_label(own) not in taken:
                    rows[own] = Resolution((node.id,), None)
    return LabelMap(name, rows, f"taxonomy/corpora/{name}.csv")


def _read_label_rows(path: Path, taxonomy: Taxonomy) -> dict[str, Resolution]:
    try:
        table = read_csv(path.read_bytes(), _MAP_COLUMNS)
    except OSError as error:
        raise TaxonomyError(f"{path}: cannot be read ({error}).", code="unreadable-file") from error
    except CsvError as error:
        expected = ",".join(_MAP_COLUMNS)
        raise TaxonomyError(f"{path}: {error}. Its columns are {expected}.", code="invalid-table") from error
    if not {"label", "nodes"} <= set(table.header):
        expected, found = ",".join(_MAP_COLUMNS), ",".join(table.header)
        raise TaxonomyError(
            f"{path}, row 1: expected the header {expected}, found {found!r}.", code="invalid-table"
        )
    rows: dict[str, Resolution] = {}
    for row in table.rows:
        where = f"{path}, row {row.number}"
        cells = dict(zip(table.header, row.cells, strict=True))
        label = cells["label"]
        if label in rows:
            raise TaxonomyError(
                f"{where}: label {label!r} occurs twice; keep one of the rows.", code="repeated-entry"
            )
        rows[label] = _parse_row(cells, label, where, taxonomy)
    return rows


def _parse_row(row: Mapping[str, str], label: str, where: str, taxonomy: Taxonomy) -> Resolution:
    nodes = tuple(n.strip() for n in row["nodes"].split("|") if n.strip())
    ignored = row.get("ignored") or None
    if not label:
        raise TaxonomyError(
            f"{where}: expected the fields {','.join(_MAP_COLUMNS)} with a label.", code="invalid-table"
        )
    if bool(nodes) == bool(ignored):
        raise TaxonomyError(
            f"{where}: label {label!r} needs either nodes or a reason under 'ignored', "
            f"found {'both' if nodes else 'neither'}.",
            code="invalid-table",
        )
    for node in nodes:
        if node not in taxonomy.nodes:
            close = difflib.get_close_matches(node, taxonomy.nodes, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "'mixlab taxonomy' lists the nodes."
            raise TaxonomyError(
                f"{where}: label {label!r} is mapped to unknown node {node!r}; {hint}", code="unknown-node"
            )
    return Resolution(tuple(dict.fromkeys(nodes)), ignored)


def resolve_stem(label_map: LabelMap, labels: Sequence[str]) -> Resolution:
    """Join the labels of one stem: where it sounds, at least one of the nodes does.

    A stem with any ignored label, or with none, is ignored.

    Raises:
        UnknownLabelError: labels are missing from the map; the message holds the rows to add.

    Example:
        >>> from mixlab.taxonomy import load_label_map, resolve_stem
        >>> resolve_stem(load_label_map("medleydb"), ["violin"]).nodes
        ('violin',)
    """
    resolved = {label: label_map.resolve(label) for label in labels}
    missing = [label for label, r in resolved.items() if r is None]
    if missing:
        rows = "\n".join(f"  {label_map.row_to_add(label)}" for label in missing)
        names = ", ".join(repr(label) for label in missing)
        raise UnknownLabelError(
            f"Label {names} is absent from {label_map.source}. Check this guess and add it there, "
            f"or to your own CSV of labels (columns {','.join(_MAP_COLUMNS)}):\n{rows}"
        )
    found = [r for r in resolved.values() if r is not None]
    if not found:
        return NO_LABEL
    for resolution in found:
        if resolution.ignored:
            return Resolution((), resolution.ignored)
    return Resolution(tuple(dict.fromkeys(n for r in found for n in r.nodes)), None)
