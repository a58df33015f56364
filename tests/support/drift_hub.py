"""The real server and the real Drift Hub as processes."""

from __future__ import annotations

from pathlib import Path

from demo.processes import Program, free_address
from demo.server import Server
from tests.support.fleet import Fleet

SECRETS = """
[auth]
redirect_uri = "{hub}/oauth2callback"
cookie_secret = "a secret for one test only"
client_id = "drift-hub"
client_secret = "another one"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


class DriftHub:
    """`tinysphere serve all` and `tinyboard` on free loopback ports, everything kept in `folder`.

    Args:
        provider: Address of the OpenID provider where people sign in; nobody has to when empty.
        trusted_key: Public key that may sign bundles, if any will be published.
    """

    def __init__(self, folder: Path, *, provider: str = "", trusted_key: Path | None = None) -> None:
        self.server = Server(folder, separate=False, trusted_key=trusted_key)
        self._address = free_address()
        targets = self.server.addresses
        arguments = (
            ("--port", self._address.rpartition(":")[2]),
            ("--ingestion-target", targets["ingestion"]),
            ("--drift-target", targets["drift"]),
            ("--distribution-target", targets["distribution"]),
            *self._sign_in(folder, provider),
        )
        self._board = Program(
            "tinyboard",
            "tinyboard",
            [part for pair in arguments for part in pair],
            log_folder=folder / "logs",
        )

    @property
    def url(self) -> str:
        """Where people find the Drift Hub."""
        return f"http://{self._address}"

    def _sign_in(self, folder: Path, provider: str) -> tuple[tuple[str, str], ...]:
        if not provider:
            return ()
        secrets = folder / "secrets.toml"
        secrets.write_text(SECRETS.format(hub=self.url, provider=provider), encoding="utf-8")
        return (("--secrets", str(secrets)),)

    def fleet(self) -> Fleet:
        """Devices that speak to this server."""
        return Fleet(self.server.addresses["ingestion"], self.server.addresses["drift"])

    def start(self) -> None:
        """Starts both and waits until they listen."""
        self._board.start()
        self.server.start()
        self._board.wait_until_listening(self._address)

    def stop(self) -> None:
        """Ends both."""
        self._board.stop()
        self.server.stop()
