"""The closed loop on one machine: `python -m demo`, or `make demo`.

Three devices behind links that break every few seconds meet drift; a person in the Drift Hub, or a script with
`--review auto`, judges what they send; the devices adapt, and the effect is measured on images they have not seen. The
last line is one JSON object. The exit status is 0 when the loop closed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path

from rich.console import Console

from demo.demonstration import Demonstration, Options
from demo.processes import ProgramError
from demo.report import print_report, summary
from demo.scores import failures

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Runs the demonstration and returns the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its programs must not outlive it
    console = Console()
    if options.folder.exists():
        shutil.rmtree(options.folder)
    demonstration = Demonstration(options, console)
    problems: list[str] = []
    try:
        demonstration.run()
        scores = demonstration.scores()
        problems = failures(scores, label_budget=options.label_budget) + demonstration.losses()
        print_report(console, scores, problems)
    except (ProgramError, TimeoutError) as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        problems, scores = [str(error)], []
    except KeyboardInterrupt:
        problems, scores = ["stopped before the end"], []
    finally:
        demonstration.stop()
    print(json.dumps(summary(scores, problems, demonstration.elapsed_s)), flush=True)
    return 1 if problems else 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--review", choices=["browser", "auto"], default="browser", help="who judges the samples"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".demo", help="where everything is kept; emptied first"
    )
    parser.add_argument("--seed", type=int, default=1, help="deals the images and breaks the links")
    parser.add_argument("--labels", type=int, default=60, help="most labels the script gives per device")
    parser.add_argument("--corruption", default="noise3", help="what befalls the third camera")
    parser.add_argument("--separate", action="store_true", help="a server process for each service")
    parser.add_argument("--database-url", default="", help="database in place of the embedded SQLite file")
    parser.add_argument(
        "--kill-server", action="store_true", help="kill -9 the server in the middle, start it again"
    )
    parser.add_argument(
        "--first-port",
        type=int,
        default=0,
        help="port of the ingestion service, the next two for drift and distribution; any free ports without",
    )
    parser.add_argument("--no-dashboard", action="store_true", help="do not start the Drift Hub")
    parser.add_argument("--fleet", type=int, default=0, help="so many simulated devices beside the three")
    given = parser.parse_args()
    return Options(
        root=ROOT,
        folder=given.folder.absolute(),
        review_by_script=given.review == "auto",
        seed=given.seed,
        label_budget=given.labels,
        corruption=given.corruption,
        separate=given.separate,
        database_url=given.database_url,
        kill_server=given.kill_server,
        first_port=given.first_port,
        dashboard=not given.no_dashboard,
        fleet_device_count=given.fleet,
    )


if __name__ == "__main__":
    sys.exit(main())
