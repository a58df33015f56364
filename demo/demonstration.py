"""The demonstration from the first process to the last measurement, as one story told in order."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
from rich.console import Console

from demo.dataset import Subset, load_subset
from demo.device import Device
from demo.fleet import simulated_fleet
from demo.processes import Program, free_address
from demo.reviewer import ScriptedReviewer
from demo.scenario import NOVEL_CLASS, UNUSED_CLASSES, tell, truth_by_device, write_labelled
from demo.scores import DeviceScore, score
from demo.server import Server
from tinymlops.v1 import drift_pb2, feedback_pb2, package_pb2

MODEL_NAME = "fashion"
POLL_S = 1.0
SCRIPT_PATIENCE_S = 150.0
REVIEWER_PATIENCE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may be chosen on the command line."""

    root: Path
    folder: Path
    review_by_script: bool
    seed: int
    label_budget: int
    corruption: str
    separate: bool
    database_url: str
    kill_server: bool
    first_port: int
    dashboard: bool
    fleet_device_count: int = 0


class Demonstration:
    """Runs once; `stop` is safe at any time."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        self._started_s = time.monotonic()
        self._subset: Subset = load_subset()
        self._private_key = options.folder / "keys" / "signing.pem"
        self._trusted_key = options.folder / "keys" / "signing.pub.pem"
        self._stories = tell(self._subset, seed=options.seed, corruption=options.corruption)
        self._server = Server(
            options.folder,
            separate=options.separate,
            database_url=options.database_url,
            trusted_key=self._trusted_key,
            first_port=options.first_port,
        )
        self._devices: list[Device] = []
        self._hub: Program | None = None
        self._fleet: Program | None = None
        self._reviewer: ScriptedReviewer | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started_s

    def run(self) -> None:
        """Tells the story; raises ProgramError or TimeoutError when it cannot go on."""
        bundle = self._build_bundle()
        self._server.start()
        self._say("TinySphere serves " + ", ".join(f"{k} on {v}" for k, v in self._server.addresses.items()))
        version = self._server.publish(bundle, MODEL_NAME)
        self._server.roll_out(version.model)
        self._say(f"published {MODEL_NAME} version {version.model.version} and offered it to every device")
        self._start_devices()
        self._start_fleet()
        self._open_hub()
        self._wait("devices fetch their model", self._all_run_a_model)
        self._start_reviewer()
        self._show("before")
        self._wait("devices see the world they know", lambda: self._all_saw("before"))
        self._show("during")
        self._wait("devices meet drift", lambda: self._all_saw("during"))
        if self._options.kill_server:
            self._kill_server()
        self._wait("people judge, devices adapt", self._all_adapted, patience_s=self._review_patience_s)
        self._show("after")
        self._wait("the effect is measured on new images", lambda: self._all_saw("after"))
        self._wait("the last events are closed", self._all_settled, patience_s=self._review_patience_s)

    def stop(self) -> None:
        """Ends every program."""
        if self._reviewer is not None:
            self._reviewer.stop()
        for device in self._devices:
            device.stop()
        for program in (self._fleet, self._hub):
            if program is not None:
                program.stop()
        self._server.stop()

    def scores(self) -> list[DeviceScore]:
        """Measures every device."""
        return [self._score(device) for device in self._devices]

    def losses(self) -> list[str]:
        """Says what is missing at the server, by the devices' own counts."""
        problems = []
        for device in self._devices:
            device_id = device.story.device_id
            known = self._server.device(device_id)
            packages = self._server.packages_of(device_id)
            unprocessed = [one for one in packages if one.state != package_pb2.PACKAGE_STATE_PROCESSED]
            events = self._server.events_of(device_id)
            if len(packages) != known.counters.package_count:
                problems.append(
                    f"{device_id}: {known.counters.package_count} packages sent, {len(packages)} at the server"
                )
            if unprocessed:
                problems.append(f"{device_id}: {len(unprocessed)} packages are not processed")
            if len(events) != known.counters.drift_event_count:
                problems.append(
                    f"{device_id}: {known.counters.drift_event_count} drift events noticed, {len(events)} at the server"
                )
        return problems

    def _build_bundle(self) -> Path:
        """Makes keys and the first bundle with the device's own tools, from the labelled reference images."""
        folder = self._options.folder
        self._private_key.parent.mkdir(parents=True, exist_ok=True)
        reference = write_labelled(self._subset, "reference", folder / "reference.npz")
        bundle = folder / "fashion.bundle"
        self._tinylcm(
            "bundle", "keygen", "--private", str(self._private_key), "--public", str(self._trusted_key)
        )
        self._tinylcm(
            *("fit", "--images", str(reference), "--name", MODEL_NAME, "--key", str(self._private_key)),
            *("--extractor", str(self._options.root / "models" / "fashion_cnn" / "model.tflite")),
            *("--out", str(bundle)),
        )
        self._say(f"fitted and signed {bundle.name}, {bundle.stat().st_size / 1024:.0f} KiB")
        return bundle

    def _tinylcm(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tinylcm.daemon", *arguments]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def _start_devices(self) -> None:
        for number, story in enumerate(self._stories):
            device = Device(
                story,
                folder=self._options.folder / "devices",
                log_folder=self._options.folder / "logs",
                targets=self._server.addresses,
                trusted_key=self._trusted_key,
                seed=self._options.seed * 1000 + number * 10,
            )
            self._devices.append(device)
            device.start()
        self._say("three devices run, each behind links that are cut every 2 to 5 seconds")

    def _start_fleet(self) -> None:
        if not (count := self._options.fleet_device_count):
            return
        self._fleet = simulated_fleet(
            count,
            self._server.addresses,
            seed=self._options.seed,
            log_folder=self._options.folder / "logs",
        )
        self._fleet.start()
        self._say(f"{count} simulated devices work beside them, in peace")

    def _open_hub(self) -> None:
        if not self._options.dashboard:
            return
        address = free_address()
        arguments = ["--port", address.rpartition(":")[2]]
        for service in ("ingestion", "drift", "distribution"):
            arguments += [f"--{service}-target", self._server.addresses[service]]
        self._hub = Program("tinyboard", "tinyboard", arguments, log_folder=self._options.folder / "logs")
        self._hub.start()
        self._hub.wait_until_listening(address)
        self._say(f"Drift Hub: [bold]http://{address}[/bold]")

    def _start_reviewer(self) -> None:
        if not self._options.review_by_script:
            self._say(
                "[bold]You are the reviewer[/bold]: open the Drift Hub, page Review, once drift shows up"
            )
            return
        names = set(self._subset.class_names) - {NOVEL_CLASS, *UNUSED_CLASSES}
        self._reviewer = ScriptedReviewer(
            self._server.drift,
            truth=truth_by_device(self._stories),
            known_classes=names,
            label_budget=self._options.label_budget,
        )
        self._reviewer.start()

    def _kill_server(self) -> None:
        self._say("[yellow]kill -9 of the server[/yellow]")
        self._server.kill()
        time.sleep(3)
        self._server.start()
        self._say("the server is back")

    def _show(self, phase: str) -> None:
        for device in self._devices:
            device.show(phase)

    def _all_run_a_model(self) -> bool:
        return all(
            self._server.device(one.story.device_id).status.running_model.bundle_sha256
            for one in self._devices
        )

    def _all_saw(self, phase: str) -> bool:
        return all(one.story.phase_range(phase)[-1] in one.predictions() for one in self._devices)

    def _all_adapted(self) -> bool:
        """Every device applied feedback, and nothing waits for a reviewer or a device."""
        applied = feedback_pb2.FEEDBACK_OUTCOME_APPLIED
        return self._all_settled() and all(
            any(item.outcome == applied for item in self._server.feedback_of(one.story.device_id))
            for one in self._devices
        )

    def _all_settled(self) -> bool:
        """Every event is resolved, every item answered, every outbox empty."""
        for device in self._devices:
            device_id = device.story.device_id
            known = self._server.device(device_id)
            events = self._server.events_of(device_id)
            packages = self._server.packages_of(device_id)
            if (
                known.status.outbox_count
                or len(events) < known.counters.drift_event_count
                or any(event.state != drift_pb2.DRIFT_EVENT_STATE_RESOLVED for event in events)
                or any(event.feedback_count > event.acknowledged_feedback_count for event in events)
                or any(one.state != package_pb2.PACKAGE_STATE_PROCESSED for one in packages)
            ):
                return False
        return True

    @property
    def _review_patience_s(self) -> float:
        return SCRIPT_PATIENCE_S if self._options.review_by_script else REVIEWER_PATIENCE_S

    def _wait(self, what: str, done: Callable[[], bool], *, patience_s: float = SCRIPT_PATIENCE_S) -> None:
        deadline_s = time.monotonic() + patience_s
        with self._console.status(what) as status:
            while time.monotonic() < deadline_s:
                for program in self._programs():
                    program.require_running()
                with suppress(grpc.RpcError):  # the server is being restarted
                    if done():
                        self._say(f"{what}: done")
                        return
                status.update(f"{what}: {self._progress()}")
                time.sleep(POLL_S)
        raise TimeoutError(f"{what}: not done after {patience_s:.0f} s; see {self._options.folder / 'logs'}")

    def _programs(self) -> Sequence[Program]:
        hub = [self._hub] if self._hub is not None else []
        return [*self._server.programs, *(device.program for device in self._devices), *hub]

    def _progress(self) -> str:
        cells = []
        for device in self._devices:
            seen = max(device.predictions(), default=-1) + 1
            cells.append(f"{device.story.device_id} {seen} frames, {device.cut_count} cuts")
        return " | ".join(cells)

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{self.elapsed_s:6.1f} s[/dim] {text}", highlight=False)

    def _score(self, device: Device) -> DeviceScore:
        device_id = device.story.device_id
        return score(
            device.story,
            predictions=device.predictions(),
            device=self._server.device(device_id),
            events=self._server.events_of(device_id),
            feedback=self._server.feedback_of(device_id),
            cut_count=device.cut_count,
        )
