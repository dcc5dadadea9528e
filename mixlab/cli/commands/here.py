"""Carry trials of a study out in this process, one after another: no process has to be started for each."""

import contextlib

from mixlab.errors import MixlabError
from mixlab.studies.engine import trial_arguments
from mixlab.studies.folder import StudyFolder
from mixlab.studies.plan import Trial
from mixlab.utils.files import told_as_output_error

__all__ = ["HereLauncher"]


class HereLauncher:
    """Runs the command of each trial as if it had been typed; what it says goes to the trial's log."""

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        """Train and score a trial to the end; return '' or what went wrong."""
        from mixlab.cli.main import run_command

        name, *arguments = trial_arguments(folder, trial, resume=resume)
        with (
            told_as_output_error(folder.log_path(trial.name)),
            folder.open_log(trial.name) as log,
            contextlib.redirect_stdout(log),
            contextlib.redirect_stderr(log),
        ):
            try:
                run_command(name, arguments)
            except MixlabError as error:
                return str(error)
        return ""

    def stop(self) -> None:
        """Let the trial under way end; it cannot be told to."""
