"""What a device holds in memory: nothing that its settings have no use for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.reliability.device_home import write_configuration
from tests.tinylcm.builders import labelled_images
from tests.tinylcm.daemon.conftest import DeviceFolder

_RUN = """
import json, sys
from tinylcm.daemon.__main__ import main
status = main(["run", "--until-idle", "--config", sys.argv[1]])
print(json.dumps([status, sorted(sys.modules)]))
"""


def modules_of_a_run(configuration: Path) -> set[str]:
    """What a whole run in a process of its own has imported."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(configuration)], capture_output=True, text=True, check=True
    )
    status, names = json.loads(done.stdout.splitlines()[-1])
    assert status == 0, done.stderr
    return set(names)


def test_a_device_without_a_server_loads_nothing_to_send_with(home: DeviceFolder) -> None:
    home.install()
    home.record("known", labelled_images(40, seed=11)[0])
    modules = modules_of_a_run(write_configuration(home))

    assert "tinylcm.daemon.service" in modules
    assert not {"grpc", "asyncio", "google_crc32c", "cv2"} & modules
    assert not {"tinylcm.daemon.upkeep", "tinylcm.daemon.doctor", "tinylcm.daemon.connection"} & modules
