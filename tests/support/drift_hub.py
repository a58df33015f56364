"""The real server and the real Drift Hub as processes."""

from __future__ import annotations

from pathlib import Path

from demo.processes import Program, free_address
from tests.support.fleet import Fleet

SERVICES = ("ingestion", "drift", "distribution")


class DriftHub:
    """`tinysphere serve all` and `tinyboard` on free loopback ports, everything kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        addresses = {service: free_address() for service in SERVICES}
        self._drift_address = addresses["drift"]
        self._board_address = free_address()
        self.server = Program(
            "tinysphere",
            "tinysphere",
            ["serve", "all"],
            log_folder=folder / "logs",
            environment={
                "TINYSPHERE_DATA_DIR": str(folder / "server"),
                **{f"TINYSPHERE_{name.upper()}_ADDRESS": address for name, address in addresses.items()},
            },
        )
        self._targets = (addresses["ingestion"], addresses["drift"])
        self._board = Program(
            "tinyboard",
            "tinyboard",
            [
                *("--port", self._board_address.rpartition(":")[2]),
                *("--ingestion-target", self._targets[0]),
                *("--drift-target", self._targets[1]),
            ],
            log_folder=folder / "logs",
        )

    @property
    def url(self) -> str:
        """Where people find the Drift Hub."""
        return f"http://{self._board_address}"

    def fleet(self) -> Fleet:
        """Devices that speak to this server."""
        return Fleet(*self._targets)

    def start(self) -> None:
        """Starts both and waits until they listen."""
        self._board.start()
        self.start_server()
        self._board.wait_until_listening(self._board_address)

    def start_server(self) -> None:
        """Starts the server, again if need be."""
        self.server.start()
        self.server.wait_until_listening(self._drift_address)

    def stop(self) -> None:
        """Ends both."""
        self._board.stop()
        self.server.stop()
