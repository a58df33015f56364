"""A real device daemon and a real server process, with a line of the rig between them."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

from demo.server import read_all
from rig.line import Line
from tests.reliability.device_home import make_home, write_configuration
from tests.reliability.device_kills import DeviceProcess
from tests.support.server_process import ServerProcess
from tests.support.waiting import eventually
from tests.tinylcm.builders import package
from tinylcm.adapters.clock import SystemClock
from tinylcm.daemon.layout import open_outbox
from tinylcm.daemon.status import read_status
from tinylcm.ports import NewPackage
from tinymlops.v1 import ingestion_service_pb2, package_pb2
from tinymlops.v1.ingestion_service_pb2_grpc import IngestionServiceStub

SERVICES = ("ingestion", "drift", "distribution")
_BREAK = re.compile(r"ingestion: (?:PutPackage|UploadPackage): (?:UNAVAILABLE|DEADLINE_EXCEEDED)")


class FieldServer:
    """The server at its end of a line, asked beside the line."""

    def __init__(self, line: Line, folder: Path) -> None:
        listen = {f"{name}_address": line.routes[name].listen for name in SERVICES}
        self._process = ServerProcess(folder, "all", settings=listen, prefix=line.server_prefix)
        self._channel = grpc.insecure_channel(line.routes["ingestion"].beside)
        self._ingestion = IngestionServiceStub(self._channel)

    def digests(self, device_id: str) -> Counter[str]:
        """How often it holds which content of a device; every one of it durably."""
        request = ingestion_service_pb2.ListPackagesRequest(device_id=device_id, page_size=500)
        found: list[package_pb2.Package] = read_all(self._ingestion.ListPackages, request, "packages")
        assert all(one.state >= package_pb2.PACKAGE_STATE_COMMITTED for one in found)
        return Counter(one.descriptor.sha256 for one in found)

    def stop(self) -> None:
        """Ends it in order."""
        self._channel.close()
        self._process.stop()


class FieldDevice:
    """A device at its end of a line, with packages that wait to be sent.

    Args:
        contents: Of the packages.
        patience: Settings of the device's section ``server``; its defaults otherwise.
    """

    def __init__(
        self,
        line: Line,
        folder: Path,
        contents: Sequence[bytes],
        patience: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._line = line
        self.home = make_home(folder)
        self.device_id = f"field-{uuid.uuid4()}"
        self.home.tables["device"] |= {"device_id": self.device_id}
        self.home.tables["source"] |= {"at_end": "wait"}
        self.home.tables["server"] = {
            **{f"{name}_target": line.routes[name].target for name in SERVICES},
            **patience,
        }
        self.home.tables["log"] = {"level": "DEBUG"}
        self.home.install()
        self.contents = contents
        self.home.tables["metrics"] = {"every_s": 86_400.0}  # no package but those of the test
        clock = SystemClock()
        outbox = open_outbox(self.home.settings(), clock)
        outbox.put([_package(content, clock) for content in contents])
        outbox.close()
        self._log = folder / "device.log"

    @property
    def digests(self) -> Counter[str]:
        """What has to be at the server in the end, each once."""
        return Counter(hashlib.sha256(content).hexdigest() for content in self.contents)

    @contextmanager
    def running(self) -> Iterator[DeviceProcess]:
        """Runs the daemon; it must end in order."""
        process = DeviceProcess(write_configuration(self.home), self._log, self._line.device_prefix)
        try:
            assert process.first_index() is not None, self._log.read_text()[-3000:]
            yield process
        except BaseException:
            process.kill()
            raise
        assert process.stop() == 0, self._log.read_text()[-3000:]

    def acknowledged_bytes(self) -> int:
        """Of the package under way, as `tinylcm status` shows it."""
        transfer = self.status()["transfer"]
        return 0 if transfer is None else int(transfer["acknowledged_bytes"])

    def waiting_count(self) -> int:
        """Packages without a receipt."""
        outbox = self.status()["outbox"]
        return 0 if outbox is None else sum(row["count"] for row in outbox["packages"])

    def status(self) -> dict[str, Any]:
        """What `tinylcm status` prints."""
        return read_status(self.home.settings())

    def break_count(self) -> int:
        """How often the daemon gave up a connection that carried a package."""
        return len(_BREAK.findall(self._log.read_text(errors="replace")))


def _package(content: bytes, clock: SystemClock) -> NewPackage:
    new = package(0, content=content)
    return replace(new, package=replace(new.package, package_id=clock.new_id(), create_time=clock.now()))


def wait_until_all_sent(device: FieldDevice, server: FieldServer, *, timeout_s: float) -> None:
    """Nothing waits on the device any more, and the server holds each content once."""
    eventually(lambda: device.waiting_count() == 0, timeout_s=timeout_s, every_s=0.1)
    assert server.digests(device.device_id) == device.digests
