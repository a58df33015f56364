"""What the commands of `tinylcm` do; each returns an exit status."""

import argparse
import json
import os
import sys

from tinylcm.adapters.bundle import Release, build_bundle, read_bundle, read_manifest_unchecked
from tinylcm.adapters.files import make_folder, write_durably
from tinylcm.adapters.keys import generate_key_pair, load_private_key, load_trusted_keys
from tinylcm.settings import load_settings
from tinylcm.settings.source import RecordedSettings
from tinylcm.settings.template import TEMPLATE


def init(options: argparse.Namespace) -> int:
    """Writes a configuration where there is none, makes the data folder, installs a bundle."""
    from tinylcm.daemon.layout import open_slots

    if not options.config.exists():
        make_folder(options.config.absolute().parent)
        options.config.write_text(TEMPLATE.format(device_id=options.device_id), encoding="utf-8")
        print(f"wrote {options.config}")
    settings = load_settings(options.config)
    make_folder(settings.device.data_dir)
    if isinstance(settings.source, RecordedSettings) and settings.source.kind == "folder":
        make_folder(settings.source.path)
    if options.bundle is not None:
        bundle = open_slots(settings).install(options.bundle)
        print(f"installed {bundle.manifest.model_name} {bundle.bundle_sha256}")
    return 0


def fit(options: argparse.Namespace) -> int:
    """Makes a signed bundle."""
    from tinylcm.daemon.fit import FitOptions
    from tinylcm.daemon.fit import fit as make

    digest, metrics = make(
        FitOptions(
            images=options.images,
            samples=tuple(options.samples),
            extractor=options.extractor,
            out=options.out,
            key=options.key,
            model_name=options.name,
            release_counter=options.release_counter,
            component_count=options.components,
            capacity=options.capacity,
            budget_predictions=options.budget_predictions,
            platforms=tuple(options.platform),
            seed=options.seed,
            thread_count=options.threads,
        )
    )
    _print({"bundle": str(options.out), "bundle_sha256": digest, "metrics": metrics})
    return 0


def calibrate(options: argparse.Namespace) -> int:
    """Calibrates the monitors of a bundle anew; the last line is one JSON object."""
    from tinylcm.daemon.calibrate import CalibrateOptions
    from tinylcm.daemon.calibrate import calibrate as derive

    calibrated = derive(
        read_bundle(options.bundle, load_trusted_keys(options.trust)),
        CalibrateOptions(
            recordings=options.recordings,
            out=options.out,
            key=options.key,
            release_counter=options.release_counter,
            budget_predictions=options.budget_predictions,
            seed=options.seed,
            thread_count=options.threads,
        ),
    )
    print(calibrated.table(), file=sys.stderr)
    print(json.dumps({"bundle": str(options.out), **calibrated.summary()}, sort_keys=True))
    return 0


def run(options: argparse.Namespace) -> int:
    """Runs the device."""
    from tinylcm.adapters.systemd import Supervisor
    from tinylcm.daemon.logs import set_up_logging
    from tinylcm.daemon.memory import keep_heaps_small
    from tinylcm.daemon.service import Service, stop_on_signals

    keep_heaps_small()
    settings = load_settings(options.config)
    supervisor = Supervisor.from_environment(os.environ, os.getpid())
    service = Service(settings, set_up_logging(settings.log_level), supervisor)
    stop_on_signals(service)
    return service.run(until_idle=options.until_idle)


def replay(options: argparse.Namespace) -> int:
    """Shows a recorded stream to a bundle; the last line is one JSON object."""
    from tinylcm.adapters.clock import SystemClock
    from tinylcm.daemon.replay import open_recordings, report_page
    from tinylcm.daemon.replay import replay as show

    bundle = read_bundle(options.bundle, load_trusted_keys(options.trust))
    outcome = show(
        bundle,
        open_recordings(options.stream),
        monitor_name=options.monitor,
        clock=SystemClock(),
        progress_to=sys.stderr,
    )
    make_folder(options.out.absolute().parent)
    page = report_page(outcome, bundle, title=options.stream.name)
    write_durably(options.out, [page.encode()])
    print(json.dumps({"report": str(options.out), **outcome.summary()}, sort_keys=True))
    return 0


def keygen(options: argparse.Namespace) -> int:
    """Makes a key pair."""
    for path in (options.private, options.public):
        make_folder(path.absolute().parent)
    print(generate_key_pair(options.private, options.public))
    return 0


def rebuild(options: argparse.Namespace) -> int:
    """Releases a bundle's parts anew."""
    old = read_bundle(options.bundle, load_trusted_keys(options.trust))
    digest = build_bundle(
        options.out,
        Release.anew(old.manifest, options.release_counter),
        extractor=old.extractor,
        meta=old.meta,
        arrays=old.arrays,
        key=load_private_key(options.key),
    )
    _print({"bundle": str(options.out), "bundle_sha256": digest})
    return 0


def inspect(options: argparse.Namespace) -> int:
    """Prints a manifest, unchecked."""
    _print(read_manifest_unchecked(options.bundle))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Checks a bundle."""
    bundle = read_bundle(options.bundle, load_trusted_keys(options.trust))
    _print(
        {
            "bundle_sha256": bundle.bundle_sha256,
            "signing_key_id": bundle.signing_key_id,
            "model_name": bundle.manifest.model_name,
            "release_counter": bundle.manifest.release_counter,
        }
    )
    return 0


def _print(value: object) -> None:
    print(json.dumps(value, indent=2, sort_keys=True))
