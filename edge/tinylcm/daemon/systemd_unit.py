"""The systemd unit of a device, made for its configuration."""

from collections.abc import Sequence
from pathlib import Path

_UNIT = """\
[Unit]
Description=TinyLCM device {device_id}
Documentation=man:systemd.service(5)
After=network.target time-sync.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --config {config}
WorkingDirectory={config_folder}
# Adaptations may hold up predictions for a minute on a small board; a hung engine does so for longer.
WatchdogSec=180
TimeoutStartSec=300
TimeoutStopSec=60
Restart=always
RestartSec=2
# A device whose configuration is wrong waits for people, not for the next start.
RestartPreventExitStatus=2
OOMScoreAdjust=-200

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writes}
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def systemd_unit(*, program: Path, config: Path, device_id: str, writes: Sequence[Path]) -> str:
    """Returns the text of a unit; paths are made absolute.

    Args:
        program: The `tinylcm` to run.
        writes: Folders the device writes to; it can write nowhere else.
    """
    config = config.absolute()
    return _UNIT.format(
        device_id=device_id,
        program=_quoted(program),
        config=_quoted(config),
        config_folder=_escaped(config.parent),
        writes=" ".join(_quoted(folder) for folder in writes),
    )


def _quoted(path: Path) -> str:
    """A path in a list of words."""
    text = _escaped(path)
    return f'"{text}"' if " " in text else text


def _escaped(path: Path) -> str:
    """Unit files expand what follows a per cent sign."""
    return str(path.absolute()).replace("%", "%%")
