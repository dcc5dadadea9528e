"""``mixlab app``: open the explorer in the browser."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from mixlab.errors import CatalogError, ConfigError, MissingDependencyError, RunError
from mixlab.utils.resources import resource_path

__all__ = ["app", "server_command"]


def app(
    catalog: Path | None = None, runs: Path | None = None, port: int = 8501, browser: bool = True
) -> None:
    """Open the explorer in the browser: hear a mix beside its recipe and its labels.

    The server answers on this machine only, and runs until Ctrl-C.

    Args:
        catalog: Catalog folder to start with; the page can open others. Default: the environment
            variable ``MIXLAB_CATALOG``, else what ``mixlab demo`` made in this folder.
        runs: Folder of runs, studies, sweeps and external reports to look at. Default: the environment
            variable ``MIXLAB_RUNS``, else ``runs``, ``studies`` and ``sweeps`` here and beside the catalog.
        port: Port of the page, 1024 to 65535.
        browser: Open a browser window; with ``--browser false`` only the address is printed.

    Raises:
        MissingDependencyError: streamlit is not installed.
        CatalogError: ``catalog`` holds no catalog.
        RunError: ``runs`` is no folder.
        ConfigError: ``port`` is out of range.
    """
    if find_spec("streamlit") is None:
        raise MissingDependencyError(
            "The explorer needs streamlit. Type: pip install 'mixlab[app]'; it needs Python 3.11 or newer"
        )
    if not 1024 <= port <= 65535:
        raise ConfigError(f"--port takes 1024 to 65535, found {port}.", code="invalid-setting")
    environment = dict(os.environ)
    if catalog is not None:
        if not (catalog / "catalog.json").is_file():
            raise CatalogError(
                f"No catalog in {catalog}: catalog.json is missing. Make one with: mixlab index",
                code="catalog-not-found",
            )
        environment["MIXLAB_CATALOG"] = str(catalog.resolve())
    if runs is not None:
        if not runs.is_dir():
            raise RunError(
                f"No folder {runs}: --runs takes one with runs, as 'mixlab train' makes them.",
                code="run-not-found",
            )
        environment["MIXLAB_RUNS"] = str(runs.resolve())
    print(f"Explorer: http://localhost:{port}   (stop it with Ctrl-C)", flush=True)
    # In the place of this process, so that whatever stops the command stops the server.
    os.execve(sys.executable, server_command(port, browser=browser), environment)


def server_command(port: int, *, browser: bool) -> list[str]:
    """Return the command that serves the page.

    Streamlit's file watcher stays off: it would walk torch and every catalog under the working folder.
    """
    options = {
        "server.address": "localhost",
        "server.port": port,
        "server.headless": str(not browser).lower(),
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        # What one page knows of a control is given to the next, which Streamlit would print a stack trace of.
        "global.disableWidgetStateDuplicationWarning": "true",
        # Streamlit also shows an advertisement on every page with it, on some machines.
        "logger.hideWelcomeMessage": "true",
        "theme.light.primaryColor": "#0d6487",
        "theme.light.linkColor": "#0d6487",
        "theme.dark.primaryColor": "#5bb8dc",
        "theme.dark.linkColor": "#5bb8dc",
        "theme.headingFontSizes": '["2rem", "1.4rem", "1.25rem", "1.1rem", "1rem", "1rem"]',
    }
    main = resource_path("app", "main.py")
    return [sys.executable, "-m", "streamlit", "run", str(main), *(f"--{k}={v}" for k, v in options.items())]
