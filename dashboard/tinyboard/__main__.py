"""Starts the Drift Hub: `tinyboard --port 8501`."""

import os
import sys
from pathlib import Path

from tinyboard import launch


def main() -> None:
    """Replaces this process by Streamlit with the settings the Drift Hub needs."""
    try:
        wanted = launch.plan(launch.parsed(), os.environ)
    except launch.LaunchError as error:
        sys.exit(f"tinyboard: {error}")
    os.environ.update(wanted.environment)
    app = Path(__file__).with_name("app.py")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(app), *wanted.flags])


if __name__ == "__main__":
    main()
