"""How the Drift Hub starts: where it listens, who may see it, which settings Streamlit needs."""

import ipaddress
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SIGN_IN = "TINYBOARD_SIGN_IN"
"""Set where people have to sign in; the app reads it."""
SECRETS = "TINYBOARD_SECRETS"
TARGETS = ("ingestion_target", "drift_target", "distribution_target")
NEEDED_BY_SIGN_IN = (
    "redirect_uri",
    "cookie_secret",
    "client_id",
    "client_secret",
    "server_metadata_url",
)
SHORTEST_COOKIE_SECRET = 16
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


class LaunchError(Exception):
    """The Drift Hub must not start so; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What Streamlit is started with."""

    options: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def flags(self) -> list[str]:
        """The options as Streamlit's command line takes them."""
        return [f"--{name}={value}" for name, value in self.options.items()]


def parser() -> ArgumentParser:
    """What people may ask for."""
    parser = ArgumentParser(prog="tinyboard", description="The Drift Hub: people judge drift in a browser.")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on (default 8501)")
    parser.add_argument("--address", default="127.0.0.1", help="address to listen on (default loopback)")
    for name, port in zip(TARGETS, (7101, 7102, 7103), strict=True):
        service = name.partition("_")[0]
        parser.add_argument(
            f"--{service}-target", help=f"address of the {service} service (default 127.0.0.1:{port})"
        )
    parser.add_argument(
        "--secrets",
        type=Path,
        help=f"file secrets.toml whose section [auth] configures sign-in (default ${SECRETS})",
    )
    parser.add_argument(
        "--without-sign-in",
        action="store_true",
        help="let whoever reaches the address judge under any name; else only loopback may go without sign-in",
    )
    return parser


def plan(arguments: Namespace, environment: Mapping[str, str]) -> Launch:
    """What to start.

    Raises:
        LaunchError: The address reaches beyond this machine and nobody has to sign in, or the sign-in that is asked
            for is not configured.
    """
    secrets = arguments.secrets or (Path(environment[SECRETS]) if environment.get(SECRETS) else None)
    if secrets is not None:
        _check_sign_in(secrets)
    elif not (is_loopback(arguments.address) or arguments.without_sign_in):
        raise LaunchError(
            f"{arguments.address} reaches beyond this machine: name a secrets.toml that configures sign-in with "
            "--secrets, or say --without-sign-in if something in front of the Drift Hub asks people who they are."
        )
    options = {
        "server.address": arguments.address,
        "server.port": str(arguments.port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        **({"secrets.files": str(secrets)} if secrets else {}),
        **THEME,
    }
    chosen = {f"TINYBOARD_{name.upper()}": getattr(arguments, name) for name in TARGETS}
    asked = {name: value for name, value in chosen.items() if value}
    return Launch(options=options, environment={**asked, SIGN_IN: "required" if secrets else ""})


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address.

    >>> [is_loopback(one) for one in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "hub.example.org", "")]
    [True, True, True, False, False, False]
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _check_sign_in(secrets: Path) -> None:
    auth = _read(secrets).get("auth", {})
    missing = [name for name in NEEDED_BY_SIGN_IN if not (isinstance(auth, dict) and auth.get(name))]
    if missing:
        raise LaunchError(f"{secrets}: section [auth] lacks {', '.join(missing)}; see docs/drift-hub.md.")
    if len(str(auth["cookie_secret"])) < SHORTEST_COOKIE_SECRET:
        raise LaunchError(
            f"{secrets}: cookie_secret has fewer than {SHORTEST_COOKIE_SECRET} characters; it signs who somebody is."
        )


def _read(secrets: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(secrets.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LaunchError(f"{secrets} cannot be read as TOML: {error}") from error


def parsed(arguments: Sequence[str] | None = None) -> Namespace:
    """The command line."""
    return parser().parse_args(arguments)
