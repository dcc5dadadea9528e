"""``kill -9`` at random moments costs nothing (``tests/harm``, in a bounded form), and losses are found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.harm.compare import differences, of_files, of_runs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


def harm(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the harness in a process of its own, which forks, and must have no threads."""
    command = [sys.executable, "-m", "tests.harm", *options]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=1500)


@pytest.mark.slow
@pytest.mark.long
def test_jobs_that_are_killed_end_as_undisturbed_ones(tmp_path: Path) -> None:
    table = tmp_path / "harm.md"
    jobs = ("index", "pack", "mix", "export-webdataset", "train")
    # The number of kills bounds it; the time would leave jobs out where others need the processors, too.
    limits = ("--cases", "4", "--pairs", "1", "--fresh", "0", "--seconds", "900", "--keep", str(tmp_path))
    done = harm("--only", *jobs, *limits, "--out", str(table))
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) kills .* in (\d+) chains; (\d+) of (\d+) chains", table.read_text())
    assert found is not None
    kills, chains, identical, all_chains = map(int, found.groups())
    assert kills >= len(jobs), done.stdout
    assert chains == identical == all_chains


CARELESS = """
import sys, time
from pathlib import Path
from tests.harm.chains import Harm, measure
from tests.harm.works import Place, Work

def write(place):
    place.out.mkdir(exist_ok=True)
    for number in range(20):
        path = place.out / f"{number}.txt"
        if path.is_file():
            continue  # taken for whole
        name = path.with_suffix(".new") if sys.argv[2] == "careful" else path
        with name.open("w") as file:
            file.write("the first half, ")
            file.flush()
            time.sleep(0.01)
            file.write("the second half")
        name.replace(path)
    for left in place.out.glob("*.new"):
        left.unlink()
    return 0

work = Path(sys.argv[1])
place = Place(work / "inputs", work / "work" / "out", work / "work" / "notes")
place.out.parent.mkdir()
chains = Harm(Work("write", "a job", lambda place: [], act=write), place, seed=0)
reference = measure(chains)
found = [chains.chain(number, reference) for number in range(8)]
print(sum(chain.kills for chain in found) > 3, sum(bool(chain.faults) for chain in found) > 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "lost"), [("careful", False), ("careless", True)])
def test_a_job_that_takes_half_a_file_for_a_whole_one_is_found_out(
    tmp_path: Path, how: str, lost: bool
) -> None:
    command = [sys.executable, "-c", CARELESS, str(tmp_path), how]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == f"True {lost}\n", done.stderr


def test_only_times_and_temporary_files_may_differ(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, seconds in ((one, 1.5), (other, 2.5)):
        folder.mkdir()
        (folder / "run.json").write_text(f'{{"status": "trained", "training": {{"seconds": {seconds}}}}}')
        (folder / "metrics.csv").write_text(f"epoch,loss,seconds\n1,0.5,{seconds}\n")
    (other / ".run.json.12-ab.tmp").write_text("{")
    (other / ".lock").write_text("")
    assert differences(of_runs(other), of_runs(one)) == []
    assert differences(of_files(other), of_files(one)) == ["different: metrics.csv", "different: run.json"]
    (other / "metrics.csv").write_text("epoch,loss,seconds\n1,0.75,1.5\n")
    (other / "run.json").unlink()
    (other / "more.txt").write_text("")
    expected = ["missing: run.json", "too much: more.txt", "different: metrics.csv"]
    assert differences(of_runs(other), of_runs(one)) == expected


def test_jobs_are_listed_and_unknown_ones_refused() -> None:
    listed = harm("--list")
    assert listed.returncode == 0
    assert {"index", "pack", "analyse", "compose", "mix", "train", "sweep", "study"} <= set(
        re.findall(r"^[\w-]+", listed.stdout, re.MULTILINE)
    )
    refused = harm("--only", "everything")
    assert refused.returncode == 2
    assert "no job everything" in refused.stderr
