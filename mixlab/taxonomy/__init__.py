"""The instrument tree, the label maps of the corpora, and three-valued targets.

Three kinds of shipped files, all checked when they are read:

* ``taxonomy/instruments.yaml``: the tree below the eight families of the paper (section 2.2).
* ``taxonomy/corpora/<corpus>.csv``: raw label -> node, or several nodes of which at least one
  sounds, or a reason why the label is ignored.
* ``taxonomy/labels/<label set>.yaml``: the ordered outputs of a model, each bound to nodes.

What a stem proves about the tree is an :class:`Evidence`: some nodes are present, some are
unknown, all others are absent. A ``string section`` proves ``bowed-string``, says nothing about
``violin``, and excludes ``piano``. A bass that is electric, upright or synthetic leaves each of
the three unknown, and proves an output that holds them all. Unknown is never counted as absent:
it is masked.
"""

from mixlab.taxonomy.evidence import Evidence, combine_evidence, stem_evidence
from mixlab.taxonomy.label_maps import (
    LabelMap,
    Resolution,
    label_map_names,
    load_label_map,
    normalise_label,
    resolve_stem,
)
from mixlab.taxonomy.label_sets import (
    LabelSet,
    Output,
    is_shipped,
    keep_label_set,
    label_set_id,
    label_set_names,
    load_label_set,
)
from mixlab.taxonomy.tree import ANYTHING, Node, Taxonomy, load_taxonomy

__all__ = [
    "ANYTHING",
    "Evidence",
    "LabelMap",
    "LabelSet",
    "Node",
    "Output",
    "Resolution",
    "Taxonomy",
    "combine_evidence",
    "is_shipped",
    "keep_label_set",
    "label_map_names",
    "label_set_id",
    "label_set_names",
    "load_label_map",
    "load_label_set",
    "load_taxonomy",
    "normalise_label",
    "resolve_stem",
    "stem_evidence",
]
