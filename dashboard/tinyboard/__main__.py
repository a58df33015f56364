"""Starts the Drift Hub: `tinyboard --port 8501`."""

import argparse
import os
import sys
from pathlib import Path

THEME = {
    "theme.baseRadius": "medium",
    "theme.headingFontSizes": '["1.9rem", "1.5rem", "1.25rem", "1.1rem", "1rem", "0.9rem"]',
    "theme.metricValueFontSize": "1.75rem",
    "theme.light.primaryColor": "#4f46e5",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f5fa",
    "theme.light.textColor": "#1b2333",
    "theme.light.borderColor": "#dfe3ec",
    "theme.dark.primaryColor": "#818cf8",
    "theme.dark.backgroundColor": "#0f1422",
    "theme.dark.secondaryBackgroundColor": "#182033",
    "theme.dark.textColor": "#e6e9f2",
    "theme.dark.borderColor": "#2b3550",
}
"""Both are given, so that a browser's own preference decides."""


def main() -> None:
    """Replaces this process by Streamlit with the settings the Drift Hub needs."""
    parser = argparse.ArgumentParser(
        prog="tinyboard", description="The Drift Hub: people judge drift in a browser."
    )
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default 8501)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default loopback)")
    parser.add_argument(
        "--ingestion-target", help="address of the ingestion service (default 127.0.0.1:7101)"
    )
    parser.add_argument("--drift-target", help="address of the drift service (default 127.0.0.1:7102)")
    parser.add_argument(
        "--distribution-target", help="address of the distribution service (default 127.0.0.1:7103)"
    )
    arguments = parser.parse_args()
    for name in ("ingestion_target", "drift_target", "distribution_target"):
        if value := getattr(arguments, name):
            os.environ[f"TINYBOARD_{name.upper()}"] = value
    options = {
        "server.address": arguments.address,
        "server.port": str(arguments.port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        **THEME,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    app = Path(__file__).with_name("app.py")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(app), *flags])


if __name__ == "__main__":
    main()
