"""Two places for a model, so that there is always one to go back to.

    slots/a/model.bundle   slots/b/model.bundle   slots/active -> a   slots/state.json

A download grows beside the idle slot, is verified, renamed into it, and answers only after one atomic step: a symlink
renamed over `active`. The new bundle then is on trial until it is committed; `state.json` says which slot is on trial
and how often the device started since, written before each start, so that a bundle that kills the device is left
behind without anybody's help.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tinylcm.adapters.arrays import canonical_json
from tinylcm.adapters.bundle import Bundle, read_bundle
from tinylcm.adapters.files import make_folder, replace_durably, sweep_unfinished, sync_file, write_durably
from tinylcm.adapters.keys import TrustedKeys
from tinylcm.adapters.manifest import BundleManifest
from tinylcm.errors import BundleError
from tinylcm.ports import Json

_LOGGER = logging.getLogger(__name__)
_NAMES = ("a", "b")
_BUNDLE = "model.bundle"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """What must outlive a power cut beside the bundles themselves.

    Attributes:
        release_counters: Highest release counter accepted, by model name.
        versions: Version at the server, by SHA-256 of the bundles in the slots.
        trial_slot: Slot whose bundle has not been committed; empty for none.
        start_count: Starts of the device since that trial began.
    """

    release_counters: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    trial_slot: str = ""
    start_count: int = 0


class BundleSlots:
    """The two slots of one device. Only one thread may switch; staging may happen in another.

    Args:
        runtime: Engine of the device, e.g. "ai-edge-litert 2.3.0".
        machine: Architecture of the device, as `uname -m` prints it.
    """

    def __init__(self, folder: Path, *, trusted_keys: TrustedKeys, runtime: str, machine: str) -> None:
        self._folder = make_folder(folder)
        self._trusted_keys = trusted_keys
        self._engine = runtime.split(" ")[0]
        self._machine = machine
        self._lock = threading.Lock()
        for name in _NAMES:
            make_folder(folder / name)
        self._state = self._read_state()

    def sweep(self) -> None:
        """Removes what a power cut left half written; only for the one daemon of these slots."""
        sweep_unfinished(self._folder)
        for name in _NAMES:
            sweep_unfinished(self._folder / name)

    @property
    def on_trial(self) -> bool:
        """Whether the active bundle has not been committed yet."""
        return bool(self._state.trial_slot) and self._state.trial_slot == self._active_name()

    @property
    def start_count(self) -> int:
        """Starts since the present trial began."""
        return self._state.start_count

    def active(self) -> Bundle | None:
        """Returns the active bundle, verified again, or None when there is none that is whole."""
        return self._read(self._active_name())

    def idle(self) -> Bundle | None:
        """Returns the bundle of the other slot, verified again, or None."""
        return self._read(self._idle_name())

    def version_of(self, bundle_sha256: str) -> int:
        """Returns the server's version of a bundle, or 0 when no server told."""
        return self._state.versions.get(bundle_sha256, 0)

    def partial_file(self, bundle_sha256: str) -> Path:
        """Returns where the bytes of a download are appended; parts of other bundles are removed."""
        wanted = self._folder / f"{bundle_sha256}.download"
        for path in self._folder.glob("*.download"):
            if path != wanted:
                path.unlink()
        return wanted

    def stage(self, bundle_sha256: str, *, version: int) -> None:
        """Verifies a complete download and puts it into the idle slot, ready to be switched to.

        Raises:
            BundleError: It must not run here; the message says why. The part is removed.
            StorageFullError: The disk is full.
        """
        partial = self.partial_file(bundle_sha256)
        try:
            manifest = self._verify(partial, bundle_sha256)
        except BundleError:
            partial.unlink(missing_ok=True)
            raise
        with partial.open("rb") as file:
            sync_file(file.fileno())
        seen = {manifest.model_name: manifest.release_counter}
        versions = self._known_versions() | {bundle_sha256: version}
        self._update(
            lambda state: replace(state, release_counters=state.release_counters | seen, versions=versions)
        )
        replace_durably(partial, self._path(self._idle_name()))

    def install(self, bundle: Path) -> Bundle:
        """Stages a local file and makes it the active bundle at once: how a device gets a model by hand.

        Raises:
            BundleError: It must not run here.
        """
        digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
        write_durably(self.partial_file(digest), _blocks(bundle))
        self.stage(digest, version=0)
        installed = self.switch()
        self.commit()
        return installed

    def switch(self) -> Bundle:
        """Makes the idle bundle the active one, on trial, in one atomic step.

        Raises:
            BundleError: The idle slot holds no whole bundle.
        """
        target = self._idle_name()
        bundle = self._read(target)
        if bundle is None:
            raise BundleError(f"slot {target} holds no whole bundle to switch to")
        self._update(lambda state: replace(state, trial_slot=target, start_count=0))
        self._point_to(target)
        return bundle

    def commit(self) -> None:
        """Ends the trial: the active bundle stays."""
        self._update(lambda state: replace(state, trial_slot="", start_count=0))

    def roll_back(self) -> Bundle | None:
        """Returns to the bundle of the other slot, or returns None and stays when that is not whole."""
        target = self._idle_name()
        bundle = self._read(target)
        if bundle is not None:
            self._point_to(target)
        self._update(lambda state: replace(state, trial_slot="", start_count=0))
        return bundle

    def count_start(self) -> int:
        """Counts a start of the device, durably, before anything of the model runs; returns the count."""
        self._update(lambda state: replace(state, start_count=state.start_count + 1))
        return self._state.start_count

    def _verify(self, path: Path, bundle_sha256: str) -> BundleManifest:
        bundle = read_bundle(path, self._trusted_keys)
        manifest = bundle.manifest
        if bundle.bundle_sha256 != bundle_sha256:
            raise BundleError(f"the file's SHA-256 is {bundle.bundle_sha256}, expected {bundle_sha256}")
        if manifest.platforms and self._machine not in manifest.platforms:
            raise BundleError(f"made for {', '.join(manifest.platforms)}; this machine is {self._machine}")
        if manifest.engine != self._engine:
            raise BundleError(f"made with {manifest.engine}; this device runs {self._engine}")
        seen = self._state.release_counters.get(manifest.model_name, 0)
        if manifest.release_counter < seen:
            raise BundleError(f"release counter {manifest.release_counter} is lower than {seen}, seen before")
        return manifest

    def _read(self, name: str | None) -> Bundle | None:
        if name is None or not self._path(name).exists():
            return None
        try:
            return read_bundle(self._path(name), self._trusted_keys)
        except BundleError as error:
            _LOGGER.error("the bundle in slot %s is not used: %s", name, error)
            return None

    def _path(self, name: str) -> Path:
        return self._folder / name / _BUNDLE

    def _active_name(self) -> str | None:
        link = self._folder / "active"
        name = link.readlink().name if link.is_symlink() else None
        return name if name in _NAMES else None

    def _idle_name(self) -> str:
        return "b" if self._active_name() == "a" else "a"

    def _point_to(self, name: str) -> None:
        aside = self._folder / ".active.part"
        aside.unlink(missing_ok=True)
        aside.symlink_to(name)
        replace_durably(aside, self._folder / "active")

    def _known_versions(self) -> dict[str, int]:
        active = self.active()
        return {} if active is None else {active.bundle_sha256: self.version_of(active.bundle_sha256)}

    def _read_state(self) -> SlotState:
        path = self._folder / "state.json"
        try:
            stored = json.loads(path.read_bytes())
            if stored.get("sha256") != _digest(stored["state"]):
                raise ValueError("its checksum does not fit its content")
            return SlotState(**stored["state"])
        except FileNotFoundError:
            return SlotState()
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _LOGGER.error("slots/state.json is damaged and begins anew: %s", error)
            return self._rebuilt_state()

    def _rebuilt_state(self) -> SlotState:
        """The release counters in the slots are the least that was seen."""
        counters: dict[str, int] = {}
        for name in _NAMES:
            bundle = self._read(name)
            if bundle is not None:
                seen = counters.get(bundle.manifest.model_name, 0)
                counters[bundle.manifest.model_name] = max(seen, bundle.manifest.release_counter)
        return SlotState(release_counters=counters)

    def _update(self, change: Callable[[SlotState], SlotState]) -> None:
        with self._lock:
            state = change(self._state)
            stored = {"sha256": _digest(asdict(state)), "state": asdict(state)}
            write_durably(self._folder / "state.json", [canonical_json(stored)])
            self._state = state


def _digest(state: Json) -> str:
    return hashlib.sha256(canonical_json(state)).hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
