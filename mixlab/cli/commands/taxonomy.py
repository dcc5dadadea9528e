"""``mixlab taxonomy``: print the instrument tree, or check the labels of corpora against it."""

from collections import Counter
from functools import partial
from pathlib import Path

from mixlab.corpora._names import NameParser
from mixlab.corpora.folder import labels_by_name
from mixlab.corpora.label_check import CheckReport, CorpusCheck, NameLabels, check_folder
from mixlab.errors import TaxonomyError
from mixlab.taxonomy import Output, Taxonomy, load_label_map, load_label_set, load_taxonomy
from mixlab.utils.tables import align

__all__ = ["taxonomy"]

_SORTS = ("mapped", "ambiguous", "ignored", "unmapped")


def taxonomy(
    check: Path | None = None,
    corpus: str | None = None,
    extra: Path | None = None,
    family: str | None = None,
    labels: str | None = None,
    files: bool = False,
) -> int:
    """Print the instrument tree; or check that every label in a folder of corpus metadata is known.

    Without options the tree is printed: ids, names and Hornbostel-Sachs numbers.

    Args:
        check: Folder with metadata of any corpus, read with everything below it (MedleyDB and Mixing
            Secrets sheets, Slakh tracks and patch maps, MoisesDB, IRMAS, OpenMIC, MTG-Jamendo,
            MUSDB18, stems.csv, and what installed plug-ins know). Audio is never opened.
        corpus: With --check, read this corpus's files only; an adapter of your own is named
            package.module:Class. With "folder", stems.csv and the names of audio files are checked.
        extra: With --check, a CSV of your own rows (label,nodes,ignored,note) on top of the maps.
        family: Print this branch of the tree only; any node's id.
        labels: Print the outputs of a label set (mixtures15, irmas11, openmic20, jamendo50, mtat50, musdb4,
            or a YAML file) and the nodes they stand for.
        files: With --check, list every file that was recognised or skipped.

    Returns:
        0; with --check, 1 when a label is unmapped or no file was recognised.

    Raises:
        TaxonomyError: an option names nothing that exists, or an inconsistent file.
    """
    if check is None:
        if corpus is not None or extra is not None:
            raise TaxonomyError("--corpus and --extra go with --check FOLDER.", code="conflicting-settings")
        print("\n".join(_label_set_lines(labels) if labels else _tree_lines(load_taxonomy(), family)))
        return 0
    if family is not None or labels is not None:
        raise TaxonomyError(
            "--family and --labels print; they do not go with --check.", code="conflicting-settings"
        )
    report = check_folder(check, corpus, extra, _file_name_labels(corpus, extra))
    print("\n".join(_report_lines(report, files)))
    return 1 if report.n_unmapped or not report.corpora else 0


def _file_name_labels(corpus: str | None, extra: Path | None) -> NameLabels | None:
    """Return what reads the names of a tree where audio files are to be checked by their names."""
    if corpus != "folder":
        return None
    return partial(labels_by_name, parser=NameParser(load_label_map("folder", extra), load_taxonomy()))


def _tree_lines(tree: Taxonomy, branch: str | None) -> list[str]:
    if branch is None:
        shown = list(tree.nodes)
    else:
        below = tree.descendants(branch)
        shown = [node for node in tree.nodes if node == branch or node in below]
    top = len(tree.ancestors(shown[0]))
    rows = [("node", "name", "Hornbostel-Sachs")]
    for node_id in shown:
        node = tree.nodes[node_id]
        numbers = ", ".join(node.hs) + (f" (body {node.hs_body})" if node.hs_body else "")
        rows.append(("  " * (len(tree.ancestors(node_id)) - top) + node_id, node.name, numbers))
    end = f"{len(shown)} nodes. Label sets: mixlab taxonomy --labels mixtures15"
    return [*align(rows), "", end]


def _label_set_lines(name: str) -> list[str]:
    label_set = load_label_set(name)
    names = label_set.names
    rows = [("column", "output", "nodes (any of them)", "implies")]
    for i, parent in enumerate(label_set.parents(load_taxonomy())):
        rows.append(
            (str(i), names[i], _say_output(label_set.outputs[i]), "" if parent is None else names[parent])
        )
    return [f"{label_set.name}: {label_set.title}", "", *align(rows)]


def _say_output(output: Output) -> str:
    """Return the nodes of an output, as its file has them."""
    said = output.contents()
    nodes = "the rest" if said.get("rest") else ", ".join(said["nodes"]) or "none: always unknown"
    excluded, stems = (", ".join(said.get(key, ())) for key in ("not", "stems"))
    return nodes + (f", but not {excluded}" if excluded else "") + (f"; stems {stems}" if stems else "")


def _report_lines(report: CheckReport, files: bool) -> list[str]:
    lines = [f"Labels in {report.folder}", ""]
    if report.corpora:
        rows = [["corpus", *_SORTS]]
        rows += [[c.corpus, *(_amount(c, sort) for sort in _SORTS)] for c in report.corpora]
        lines += [
            *align(rows),
            "",
            "Distinct labels (occurrences). Ambiguous: one of several nodes sounds.",
            "",
        ]
    kinds = Counter(kind for _, kind in report.recognised)
    lines += ["Files read:", *_tally(kinds)] if kinds else []
    lines += ["Files without labels of a known corpus:", *_tally(Counter(r for _, r in report.skipped))]
    if files:
        lines += ["", *align([*report.recognised, *report.skipped])] if kinds or report.skipped else []
    elif report.skipped:
        lines.append("  (--files true lists them all)")
    if report.unreadable:
        lines += ["", "Files that are broken:", *(f"  {path}: {why}" for path, why in report.unreadable)]
    return [*lines, "", *_verdict(report)]


def _amount(check: CorpusCheck, sort: str) -> str:
    counts: dict[str, int] = getattr(check, sort)
    return f"{len(counts)} ({sum(counts.values())})" if counts else "0"


def _tally(counts: Counter[str]) -> list[str]:
    return [f"  {count:>6}  {what}" for what, count in sorted(counts.items())] or ["  none"]


def _verdict(report: CheckReport) -> list[str]:
    if not report.corpora:
        return [
            "No labels found. Is this the folder with the metadata? --help lists what is read.",
            "If it is a folder of stems without metadata, add --corpus folder: file names are checked.",
        ]
    if not report.n_unmapped:
        return ["Every label is known or ignored for a reason. Next: mixlab index"]
    lines = []
    for check in report.corpora:
        if check.unmapped:
            lines += [f"Unmapped in {check.corpus}; rows to add, guesses to be checked:"]
            lines += [f"  {row}" for row in check.rows_to_add]
    return [
        *lines,
        "",
        "Put the rows below the header label,nodes,ignored,note into a CSV file and pass it:",
        "here with --extra FILE, to mixlab index with --labels-extra CORPUS=FILE.",
        "A reason instead of nodes ignores the label.",
    ]
