"""What a study is: which conditions it trains, and what it says of their scores."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.evaluation.report import Table
from mixlab.mixing.config import MixConfig
from mixlab.studies.findings import difference_lines
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Condition, Plan
from mixlab.studies.results import CLIPS, ConditionResult, StudyResults
from mixlab.studies.tables import class_table, differences_table, summary_table
from mixlab.training.clips.config import WindowConfig
from mixlab.training.config import TrainConfig, from_plain

if TYPE_CHECKING:
    from altair import VConcatChart

__all__ = [
    "MAIN_METRICS",
    "P_GRID",
    "Data",
    "NoSettings",
    "Report",
    "Study",
    "StudyRequest",
    "can_draw",
    "draw",
    "figure_note",
]

MAIN_METRICS = ("roc_auc", "average_precision", "loss", "f1")
"""The paper's three figures, and F1."""

P_GRID = tuple(round(0.1 * k, 1) for k in range(11))
"""The paper's Fig. 2: from only non-musical to only musical mixes."""

Data = Literal["", "mixes", "clips"]
"""What a study trains on: mixes of a catalog or labelled clips; '' leaves it to the study."""

Draw: TypeAlias = Callable[[ModuleType], "VConcatChart"]


@dataclass(frozen=True)
class StudyRequest:
    """What a study is built from.

    Attributes:
        mix: What all conditions have in common.
        train: What all conditions have in common; transfer modes and weights come from the study.
        seeds: Of every condition.
        grid: Values of p_musical.
        pretrained: Weights that the study of transfer starts from, as ``train.pretrained``.
        pretrained_stream: Which stream of a multi-stream checkpoint.
        transfer_modes: Transfer modes that the study of transfer compares; empty for all.
        cached_items: With a frozen backbone, as ``train.cached_items``; 0 mixes anew.
        baselines: Whether the study of transfer has the classical baselines.
        baseline_items: Training mixes of a baseline.
        balance: The share of class-balanced samples where a study switches it on.
        also: Runs made elsewhere by label; each label becomes a condition.
        data: What to train on, where a study can do both; never '' by the time a study sees it.
        tasks: Labelled clips by the names that a study calls them, as ``Plan.tasks``.
        windows: How clips are cut into windows.
        settings: A study's own settings by name; ``Study.settings_of`` reads them.
    """

    mix: MixConfig
    train: TrainConfig
    seeds: tuple[int, ...]
    grid: tuple[float, ...] = P_GRID
    pretrained: str = ""
    pretrained_stream: int | None = None
    transfer_modes: tuple[str, ...] = ()
    cached_items: int = 0
    baselines: bool = True
    baseline_items: int = 4000
    balance: float = 1.0
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    data: Data = ""
    tasks: Mapping[str, ClipsConfig] = field(default_factory=dict)
    windows: WindowConfig = field(default_factory=WindowConfig)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a study has to say.

    Attributes:
        lead: The table that answers the study's question.
        findings: Sentences.
        paper: What the paper says of it.
        tables: Further tables.
        references: Conditions that the others are compared with.
        figures: Files by name without ending, then by ending.
    """

    lead: Table
    findings: tuple[str, ...] = ()
    paper: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    references: tuple[ConditionResult, ...] = ()
    figures: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class NoSettings:
    """Of a study without settings of its own."""


class Study:
    """A question that trainings answer: its conditions, and what it finds.

    Of one's own, this class with ``name``, ``title`` and ``conditions``; docs/studies.md writes one.

    Attributes:
        name: Its name on the command line; safe in file names.
        title: One line for people, above the report.
        about: What its conditions are, in a few words, for ``--help``.
        options: Fields of the request that only this study looks at.
        only_also: Whether runs that are given by ``--also`` are all it shows.
        paper: The paper whose experiment it is, in a few words; '' for none.
        data: What it can train on; the first is what it takes when nothing is said.
        task_names: The tasks that the request must have, where it is on clips.
        numbers: Whether a task may be a regression (``clips.value``): its tables then judge each task by its
            own metric.
        Settings: A frozen dataclass: settings of its own, each documented, with a default.
    """

    name: str
    title: str
    about: str = ""
    options: tuple[str, ...] = ()
    only_also: bool = False
    paper: str = ""
    data: tuple[Data, ...] = ("mixes",)
    task_names: tuple[str, ...] = ()
    numbers: bool = False
    Settings: ClassVar[type[Any]] = NoSettings

    def settings_of(self, request: StudyRequest) -> Any:  # noqa: ANN401 - an object of its ``Settings``
        """Return the study's own settings, those of the request over the defaults.

        Raises:
            ConfigError: there is no such setting, or a value cannot be; the message names the nearest.
        """
        known = [one.name for one in fields(self.Settings)]
        for name in request.settings:
            if name not in known:
                close = difflib.get_close_matches(str(name), known, n=1)
                listed = f"its settings are {', '.join(known)}" if known else "it has none of its own"
                hint = f"did you mean {close[0]!r}?" if close else f"{listed}."
                raise ConfigError(
                    f"The study {self.name} has no setting {name!r}; {hint} 'mixlab study --list' shows all.",
                    code="unknown-setting",
                )
        return from_plain(self.Settings, dict(request.settings))

    def check_request(self, request: StudyRequest) -> None:
        """Look at what a request brings before conditions are made of it.

        Raises:
            ConfigError: it asks for other data than the study has, names no such setting, lacks a task, or
                has one whose number is to be predicted where the study is of classes.
        """
        if request.data not in self.data:
            raise ConfigError(
                f"The study {self.name} trains on {' or '.join(self.data)}; found --data {request.data}.",
                code="invalid-setting",
            )
        self.settings_of(request)
        numbered = [name for name, clips in request.tasks.items() if clips.value]
        if numbered and not self.numbers:
            raise ConfigError(
                f"tasks.{numbered[0]}.value: the study {self.name} is of classes, found the number "
                f"{request.tasks[numbered[0]].value!r}. Leave it out.",
                code="conflicting-settings",
            )
        missing = [name for name in self.task_names if name not in request.tasks]
        if request.data == "clips" and missing:
            example = missing[0]
            raise ConfigError(
                f"The study {self.name} needs the clips of {', '.join(missing)}: set tasks.{example}.corpus "
                f"and tasks.{example}.root, as configs/studies/{self.name}.yaml does; found the tasks "
                f"{', '.join(request.tasks) or 'none'}.",
                code="missing-setting",
            )

    def conditions(self, request: StudyRequest) -> Sequence[Condition]:
        """Return what is trained; by default the first condition is what the others are compared with.

        Raises:
            ConfigError: the request lacks something.
        """
        raise NotImplementedError(f"{type(self).__name__} must say which conditions it trains.")

    def plan(self, request: StudyRequest) -> Plan:
        """Return the conditions on their common ground; a study that changes that ground overrides this.

        Raises:
            ConfigError: the request lacks something.
        """
        conditions: object = self.conditions(request)
        if not isinstance(conditions, Iterable):
            raise ConfigError(
                f"The study {self.name}: conditions() must return a list of Condition (mixlab.studies), "
                f"found {conditions!r}.",
                code="unfit-plugin",
            )
        return Plan(
            kind=self.name,
            title=self.title,
            conditions=tuple(conditions),
            seeds=request.seeds,
            mix=request.mix,
            train=request.train,
            tasks=request.tasks,
            windows=request.windows,
        )

    def check(self, plan: Plan) -> None:
        """Look at what a plan needs before anything is trained; by default nothing.

        Raises:
            MixlabError: it cannot be carried out.
        """

    def report(self, folder: StudyFolder, results: StudyResults) -> Report:
        """Return what there is to say of the conditions that are done.

        By default each is compared with the first of its task: scores, differences, classes.

        Args:
            folder: The study's folder.
            results: Scores of at least one condition.
        """
        each = results.by_task()
        return Report(
            lead=summary_table(results),
            findings=tuple(line for one in each for line in difference_lines(one, one.done[0])),
            tables=tuple(
                table
                for one in each
                for table in (
                    differences_table(one, one.done[0]),
                    class_table(one, one.done, "average_precision"),
                )
            ),
            references=tuple(one.done[0] for one in each),
            figures=draw(figure=lambda f: f.score_dots(results, note=figure_note(results))),
        )


def can_draw() -> bool:
    """Whether what figures are drawn with is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def draw(**draw: Draw) -> dict[str, Mapping[str, bytes]]:
    """Draw figures by name, each a function of ``mixlab.studies.figures``; {} where they cannot be drawn."""
    if not can_draw():
        return {}
    from mixlab.evaluation.charts import files
    from mixlab.studies import figures

    return {name: files(make(figures)) for name, make in draw.items()}


def figure_note(results: StudyResults, more: str = "") -> str:
    """Return the line below a figure."""
    kind = "clips" if results.words == CLIPS else "catalog"
    what = results.note or f"{kind} {results.catalog_hash}"
    bands = f"Bands and bars: 95 % over {results.words.groups}; small" if results.n_resamples else "Small"
    return f"{what}. {bands} marks: seeds. {more}".strip()
