"""``mixlab report-environment``: what a report of a fault needs to know of the machine."""

import json

from mixlab.utils.environment import describe_environment

__all__ = ["report_environment"]


def report_environment(as_json: bool = False) -> int:
    """Print the versions of everything that mixlab needs, the processor, memory, GPU and settings of threads.

    Made to be pasted into an issue as it is: there is no path in it, no name of a user or a machine, and of
    environment variables the value only where that is a number or a switch.

    Args:
        as_json: Print it as JSON, for programs.

    Returns:
        0, also where a library fails: that is what the report says then.
    """
    facts = describe_environment()
    if as_json:
        print(json.dumps(facts, indent=2))
        return 0
    width = max(len(name) for section in facts.values() for name in section) + 2
    for title, section in facts.items():
        print(f"{title}:")
        for name, value in section.items():
            print(f"  {name:<{width}}{_said(value)}")
        if not section:
            print("  none set")
    return 0


def _said(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
