"""Which bundle answers: the start of the device, the switch to a new bundle, its trial, the way back."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from tinylcm.adapters.bundle import Bundle
from tinylcm.adapters.slots import BundleSlots
from tinylcm.adapters.snapshots import SnapshotFolder
from tinylcm.daemon.checkpoints import Checkpoints
from tinylcm.daemon.engine import Engine, EngineFactory
from tinylcm.daemon.starts import MOST_FAILURES
from tinylcm.errors import BundleError, StateError, StorageFullError
from tinylcm.records import Mode
from tinylcm.sync.deployments import DeploymentLog

MAX_TRIAL_STARTS = 3

_LOGGER = logging.getLogger(__name__)


class Models:
    """Owns the running engine; used by the inference thread only.

    Args:
        notify: Called when a deployment came to another state, so that it is reported soon.
    """

    def __init__(
        self,
        slots: BundleSlots,
        deployments: DeploymentLog,
        checkpoints: Checkpoints,
        *,
        make_engine: EngineFactory,
        snapshot_folder: Path,
        mode: Mode,
        trial_frame_count: int,
        notify: Callable[[], None],
    ) -> None:
        self._slots = slots
        self._deployments = deployments
        self._checkpoints = checkpoints
        self._make_engine = make_engine
        self._snapshot_folder = snapshot_folder
        self._mode = mode
        self._trial_frame_count = trial_frame_count
        self._trial_frames_left = 0
        self._refusals_left = 0
        self._notify = notify
        self.engine: Engine | None = None

    def start(self, failed_start_count: int = 0) -> int:
        """Takes up the device's last committed state, and returns the index of the first frame to process.

        Without a bundle that is whole, `engine` is None until `activate` brings one.

        Args:
            failed_start_count: Starts on end that came to nothing; of a settled bundle, so many make the device
                take up an older state, see `starts`.
        """
        next_index = self._checkpoints.recover(self._stored_snapshots())
        if self._slots.on_trial and self._slots.count_start() > MAX_TRIAL_STARTS:
            self._give_up(f"the device did not survive {MAX_TRIAL_STARTS} starts with it")
        else:
            self.engine = self._open(self._slots.active())
        if self.engine is None and self._slots.idle() is not None and not self._is_staged():
            self._give_up("the active bundle cannot be used")
        if self._slots.on_trial:
            self._begin_trial()
        elif self.engine is not None and failed_start_count:
            self._step_back(self.engine, failed_start_count, next_index)
        if self._is_staged():
            self.activate(next_index)
        return next_index

    def _step_back(self, engine: Engine, failed_start_count: int, next_index: int) -> None:
        """Takes up an older state when so many starts came to nothing: first an older snapshot, then the bundle's."""
        rounds, is_between = divmod(failed_start_count, MOST_FAILURES)
        if is_between or (rounds == 1 and self._checkpoints.go_back(engine)):
            return
        _LOGGER.error("%d starts came to nothing: on with the bundle's own state", failed_start_count)
        bundle = self._slots.active()
        if bundle is None:
            return
        fresh = self._make(bundle)
        try:
            self._checkpoints.begin(fresh, next_index)
        except StorageFullError as error:
            _LOGGER.error("the bundle's own state cannot be saved: %s", error)
        self.engine = fresh

    def input_shape(self) -> tuple[int, ...] | None:
        """Returns what the running model takes, or None without one; any thread may ask."""
        engine = self.engine
        return None if engine is None else engine.input_shape

    def activate(self, next_index: int) -> None:
        """Switches to the bundle in the idle slot, which then is on trial; if it cannot run, nothing changes."""
        bundle = self._slots.idle()
        if bundle is None:
            self._deployments.advance("FAILED", "the staged bundle is damaged")
            self._notify()
            return
        try:
            engine = self._make(bundle)
            self._checkpoints.begin(engine, next_index)
        except (BundleError, StateError, StorageFullError) as error:
            _LOGGER.error("the staged bundle cannot run: %s", error)
            self._deployments.advance("FAILED", str(error))
        else:
            self._slots.switch()
            self.engine = engine
            self._begin_trial()
            self._deployments.advance("TRIAL")
            _LOGGER.info("bundle %s is on trial", bundle.bundle_sha256)
            self._forget_other_snapshots()
        self._notify()

    def change_mode(self, mode: Mode) -> None:
        """Works in another mode from now on."""
        if mode is not self._mode:
            _LOGGER.info("mode %s follows %s", mode.value, self._mode.value)
        self._mode = mode
        if self.engine is not None:
            self.engine.pipeline.mode = mode

    def count_success(self) -> None:
        """A frame was predicted; enough of them end a trial."""
        if not self._trial_frames_left:
            return
        self._trial_frames_left -= 1
        self._refusals_left = self._trial_frame_count
        if not self._trial_frames_left:
            self._slots.commit()
            self._deployments.advance("COMMITTED")
            _LOGGER.info("the new bundle is committed")
            self._notify()

    def count_refusal(self) -> None:
        """A frame was refused; a bundle on trial that refuses one after the other is left behind."""
        if not self._trial_frames_left:
            return
        self._refusals_left -= 1
        if not self._refusals_left and self._slots.idle() is not None:
            self._give_up(f"it refused {self._trial_frame_count} frames on end")

    def survives(self, error: Exception) -> bool:
        """Returns whether the device goes on after an error of the pipeline: by leaving a bundle on trial."""
        if not self._slots.on_trial or self._slots.idle() is None:
            return False
        self._give_up(f"it broke on trial: {error!r}")
        return self.engine is not None

    def _begin_trial(self) -> None:
        self._trial_frames_left = self._refusals_left = self._trial_frame_count

    def _give_up(self, reason: str) -> None:
        _LOGGER.error("back to the other bundle: %s", reason)
        self._trial_frames_left = 0
        was_on_trial = self._slots.on_trial
        self.engine = self._open(self._slots.roll_back())
        if was_on_trial:
            self._deployments.advance("FAILED" if self.engine is None else "ROLLED_BACK", reason)
        self._notify()

    def _open(self, bundle: Bundle | None) -> Engine | None:
        """Makes a bundle's engine and takes it to its newest snapshot; None when it cannot run."""
        if bundle is None:
            return None
        try:
            engine = self._make(bundle)
        except (BundleError, StateError) as error:
            _LOGGER.error("bundle %s cannot run: %s", bundle.bundle_sha256, error)
            return None
        self._checkpoints.restore(engine)
        return engine

    def _make(self, bundle: Bundle) -> Engine:
        return self._make_engine(bundle, self._slots.version_of(bundle.bundle_sha256), self._mode)

    def _is_staged(self) -> bool:
        record = self._deployments.read()
        if record is None or record.state != "STAGED":
            return False
        idle = self._slots.idle()
        return idle is not None and idle.bundle_sha256 == record.bundle_sha256

    def _stored_snapshots(self) -> list[SnapshotFolder]:
        self._snapshot_folder.mkdir(parents=True, exist_ok=True)
        return [SnapshotFolder(path) for path in sorted(self._snapshot_folder.iterdir()) if path.is_dir()]

    def _forget_other_snapshots(self) -> None:
        kept = {
            bundle.bundle_sha256[:16]
            for bundle in (self._slots.active(), self._slots.idle())
            if bundle is not None
        }
        for path in self._snapshot_folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
