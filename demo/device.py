"""One device of the demonstration: its process, its broken links, its configuration, what it predicted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from demo.processes import Program
from demo.scenario import DeviceStory, write_recording
from demo.scores import LoggedPrediction
from demo.server import SERVICES
from rig.link import FaultyLink, LinkFaults

FRAMES_PER_SECOND = 40
FAULTS = LinkFaults(cut_every_s=(2.0, 5.0), outage_s=(0.2, 1.0), rate_bytes_per_s=256 * 1024)

_CONFIGURATION = """\
[device]
device_id = "{device_id}"
display_name = "{display_name}"
data_dir = "state"
labels = {{ site = "demo" }}
location = {{ latitude_deg = {latitude_deg}, longitude_deg = {longitude_deg} }}

[source]
kind = "folder"
path = "inbox"
frames_per_second = {frames_per_second}
at_end = "wait"

[model]
trusted_keys = ["{trusted_key}"]

[server]
{targets}

[snapshots]
every_s = 2.0
"""


class Device:
    """A TinyLCM process that reaches each service only through a link that breaks.

    Args:
        story: What it sees.
        targets: Address of each service.
        trusted_key: Public key it pins.
        seed: Decides when its links break.
    """

    def __init__(
        self,
        story: DeviceStory,
        *,
        folder: Path,
        log_folder: Path,
        targets: Mapping[str, str],
        trusted_key: Path,
        seed: int,
    ) -> None:
        self.story = story
        self._folder = folder / story.device_id
        self._trusted_key = trusted_key
        self._links = {
            service: FaultyLink(targets[service], FAULTS, seed=seed + number)
            for number, service in enumerate(SERVICES)
        }
        configuration = self._folder / "device.toml"
        self.program = Program(
            story.device_id, "tinylcm.daemon", ["run", "--config", str(configuration)], log_folder=log_folder
        )
        self._configuration = configuration

    def start(self) -> None:
        """Opens the links, writes the configuration, and starts the daemon with nothing to see yet."""
        (self._folder / "inbox").mkdir(parents=True, exist_ok=True)
        for link in self._links.values():
            link.__enter__()
        latitude_deg, longitude_deg = self.story.location
        targets = "\n".join(f'{name}_target = "{link.address}"' for name, link in self._links.items())
        self._configuration.write_text(
            _CONFIGURATION.format(
                device_id=self.story.device_id,
                display_name=self.story.display_name,
                latitude_deg=latitude_deg,
                longitude_deg=longitude_deg,
                frames_per_second=FRAMES_PER_SECOND,
                trusted_key=self._trusted_key,
                targets=targets,
            )
        )
        self.program.start()

    def stop(self) -> None:
        """Stops the daemon, then the links."""
        self.program.stop()
        for link in self._links.values():
            link.__exit__(None, None, None)

    def show(self, phase_name: str) -> None:
        """Puts one phase of its story before the camera."""
        numbers = {phase.name: (number, phase) for number, phase in enumerate(self.story.phases)}
        number, phase = numbers[phase_name]
        write_recording(phase, self._folder / "inbox", number)

    @property
    def cut_count(self) -> int:
        """Connections that its links broke."""
        return sum(link.counts.cut_count for link in self._links.values())

    def predictions(self) -> dict[int, LoggedPrediction]:
        """What it predicted, by source index, from its own prediction log."""
        found: dict[int, LoggedPrediction] = {}
        for path in sorted((self._folder / "state").glob("predictions*.jsonl*"), reverse=True):
            for line in path.read_text().splitlines():
                try:
                    entry = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the line being written now
                capture_time = datetime.fromisoformat(entry["capture_time"])
                found[entry["source_index"]] = LoggedPrediction(
                    label=entry["label"], capture_time=capture_time
                )
        return found
