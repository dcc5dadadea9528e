"""What lies in ``.github``: forms that ask for what is needed, workflows that run what is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mixlab.cli.main import COMMANDS
from tests.conftest import REPO

GITHUB = REPO / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE" / "config.yml"})


def read(path: Path) -> Any:
    # The loader of YAML 1.1 takes the key "on" for true; GitHub's does not.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_may_do_little(path: Path) -> None:
    workflow = read(path)
    assert {"name", "on", "permissions", "jobs"} <= workflow.keys()
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", text)) == len(used)
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert not re.search(r"\$\{\{.*github\.event", step.get("run", ""))  # a tag could be a command


def test_only_the_job_that_publishes_may_prove_who_it_is() -> None:
    publish = read(GITHUB / "workflows" / "publish.yml")
    assert "permissions" not in publish["jobs"]["build"]
    assert publish["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert publish["jobs"]["publish"]["needs"] == "build"
    assert not any("run" in step for step in publish["jobs"]["publish"]["steps"])
    assert publish["on"] == {"release": {"types": ["published"]}}


def test_commands_and_scripts_that_are_named_exist() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in GITHUB.rglob("*") if path.is_file())
    named = set(re.findall(r"(?:bin/mixlab\"?|[\"`]mixlab) ([a-z][a-z-]+)", text))
    assert "report-environment" in named <= set(COMMANDS)
    check = read(GITHUB / "workflows" / "check.yml")
    assert [step["run"] for step in check["jobs"]["check"]["steps"] if "run" in step] == [".ci/run"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_are_as_github_wants_them(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    ids = [element["id"] for element in form["body"]]
    assert len(ids) == len(set(ids))
    for element in form["body"]:
        assert element["type"] in ("textarea", "input", "dropdown")
        assert element["attributes"]["label"]
        if element["type"] == "dropdown":
            assert len(set(element["attributes"]["options"])) == len(element["attributes"]["options"])


@pytest.mark.parametrize("name", ["bug", "corpus"])
def test_reports_of_faults_ask_for_the_environment(name: str) -> None:
    form = read(GITHUB / "ISSUE_TEMPLATE" / f"{name}.yml")
    (asked,) = (each for each in form["body"] if "report-environment" in each["attributes"]["label"])
    assert asked["attributes"]["render"] == "text"
    assert asked["validations"]["required"] == "true"
