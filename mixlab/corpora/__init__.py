"""Corpus adapters: one per collection on disk, each turning its tree into stem rows.

``CORPORA`` is the list of what mixlab can index. To add a corpus: write a module with the shape
of the others (the docstring is the corpus card; NAME, LICENCE, CITATION, ADAPTER), add it here, and
give it a fixture tree in ``tests/corpora``; the conformance test does the rest.
"""

from mixlab.corpora import folder, medleydb, mixing_secrets, moisesdb, musdb18hq, slakh, via_mirdata
from mixlab.corpora._empty import refuse_empty
from mixlab.corpora.base import Adapter
from mixlab.errors import CorpusError

__all__ = ["CORPORA", "get_adapter", "refuse_empty"]

CORPORA: dict[str, Adapter] = {
    medleydb.NAME: medleydb.ADAPTER,
    mixing_secrets.NAME: mixing_secrets.ADAPTER,
    slakh.NAME: slakh.ADAPTER,
    musdb18hq.NAME: musdb18hq.ADAPTER,
    moisesdb.NAME: moisesdb.ADAPTER,
    folder.NAME: folder.ADAPTER,
}
"""Every corpus with a module of its own, by stable name; ``mirdata:NAME`` comes on top."""


def get_adapter(name: str) -> Adapter:
    """Return the adapter called ``name``: a key of ``CORPORA``, or ``mirdata:NAME``.

    Raises:
        CorpusError: there is no such corpus; the message lists the names.
    """
    if name in CORPORA:
        return CORPORA[name]
    prefix, _, dataset = name.partition(":")
    if prefix == via_mirdata.PREFIX and dataset:
        return via_mirdata.MirdataAdapter(dataset)
    raise CorpusError(
        f"Unknown corpus {name!r}; expected one of {', '.join(CORPORA)}, or {via_mirdata.PREFIX}:NAME "
        "for a dataset of the mirdata library that has multitracks."
    )
