"""`tinylcm`: the device on the command line."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from tinylcm.daemon import commands
from tinylcm.errors import SettingsError, TinyLcmError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0, 1 when it failed, 2 when it was asked wrongly."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except SettingsError as error:
        print(f"tinylcm: {error}", file=sys.stderr)
        return 2
    except (TinyLcmError, OSError) as error:
        print(f"tinylcm: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinylcm", description="The TinyMLOps device.")
    subparsers = parser.add_subparsers(required=True, metavar="command")

    init = subparsers.add_parser("init", help="write a configuration, make the data folder, install a bundle")
    _add_config(init)
    init.add_argument("--device-id", default="device-1", help="for a new configuration (default: device-1)")
    init.add_argument("--bundle", type=Path, help="a signed bundle to begin with")
    init.set_defaults(run=commands.init)

    fit = subparsers.add_parser("fit", help="make a signed bundle from labelled images and a TFLite model")
    fit.add_argument(
        "--images",
        type=Path,
        help=".npz with images, or frames, and labels; or a folder of class folders",
    )
    fit.add_argument(
        "--samples",
        type=Path,
        action="append",
        default=[],
        help="folder of `tinysphere export`: samples that people judged; repeatable, with or without --images",
    )
    fit.add_argument("--extractor", type=Path, required=True, help="TFLite model: image in, embedding out")
    fit.add_argument("--out", type=Path, required=True, help="bundle to write")
    fit.add_argument("--key", type=Path, required=True, help="private key (PEM) to sign with")
    fit.add_argument("--name", required=True, help="model name: a-z 0-9 _ -")
    fit.add_argument("--release-counter", type=int, default=1, help="grows with every release (default: 1)")
    fit.add_argument(
        "--components",
        type=int,
        default=64,
        help="principal components kept, at most the embedding's size (default: 64)",
    )
    fit.add_argument("--capacity", type=int, help="most samples the classifier may hold (default: n + 500)")
    fit.add_argument("--platform", action="append", default=[], help="machine it is meant for; repeatable")
    _add_calibration(fit)
    fit.set_defaults(run=commands.fit)

    calibrate = subparsers.add_parser("calibrate", help="give a bundle's monitors another budget or ground")
    calibrate.add_argument("--bundle", type=Path, required=True, help="bundle that holds the model")
    _add_trust(calibrate)
    calibrate.add_argument("--recordings", type=Path, help=".npz of labelled recordings, each in its order")
    calibrate.add_argument("--out", type=Path, required=True, help="bundle to write")
    calibrate.add_argument("--key", type=Path, required=True, help="private key (PEM) to sign with")
    calibrate.add_argument("--release-counter", type=int, help="default: the bundle's + 1")
    _add_calibration(calibrate)
    calibrate.set_defaults(run=commands.calibrate)

    run = subparsers.add_parser("run", help="run the device until SIGTERM")
    _add_config(run)
    run.add_argument("--until-idle", action="store_true", help="end when the source ended and all was sent")
    run.set_defaults(run=commands.run)

    replay = subparsers.add_parser("replay", help="show a recorded stream to a bundle, at full speed")
    replay.add_argument("stream", type=Path, help="recording (.npz), or a folder of them")
    replay.add_argument("--bundle", type=Path, required=True)
    _add_trust(replay)
    replay.add_argument("--out", type=Path, required=True, help="report to write (HTML)")
    replay.add_argument("--monitor", default="default", help="monitor to run (default: default)")
    replay.set_defaults(run=commands.replay)

    _add_upkeep_commands(subparsers)
    _add_bundle_commands(subparsers.add_parser("bundle", help="keys and bundles"))
    return parser


def _add_upkeep_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    status = subparsers.add_parser("status", help="print the device's state as JSON")
    status.set_defaults(run=_upkeep("status"))

    sync = subparsers.add_parser("sync", help="send what waits, with a progress bar, while no daemon runs")
    sync.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds to try without progress (default: 60)",
    )
    sync.set_defaults(run=_upkeep("sync"))

    snapshots = subparsers.add_parser(
        "snapshots", help="list the states that the running model can go back to"
    )
    snapshots.add_argument("--json", action="store_true", help="print JSON instead of a table")
    snapshots.set_defaults(run=_upkeep("snapshots"))

    rollback = subparsers.add_parser("rollback", help="go back to an older snapshot, while no daemon runs")
    rollback.add_argument("--to", metavar="ID", help="snapshot to go back to (default: the one before)")
    rollback.set_defaults(run=_upkeep("rollback"))

    doctor = subparsers.add_parser("doctor", help="look at everything the device needs; status 1: a fault")
    doctor.add_argument("--json", action="store_true", help="print JSON instead of a table")
    doctor.set_defaults(run=_upkeep("doctor"))

    unit = subparsers.add_parser("systemd-unit", help="print a unit that runs the device under systemd")
    unit.add_argument("--out", type=Path, help="file to write instead")
    unit.set_defaults(run=_upkeep("unit"))

    for parser in (status, sync, snapshots, rollback, doctor, unit):
        _add_config(parser)


def _upkeep(name: str) -> Callable[[argparse.Namespace], int]:
    """A command that the daemon has no use for: it is loaded when it is asked for."""

    def run(options: argparse.Namespace) -> int:
        status: int = getattr(import_module("tinylcm.daemon.upkeep"), name)(options)
        return status

    return run


def _add_bundle_commands(parser: argparse.ArgumentParser) -> None:
    subparsers = parser.add_subparsers(required=True, metavar="command")

    keygen = subparsers.add_parser("keygen", help="make an Ed25519 key pair")
    keygen.add_argument("--private", type=Path, required=True, help="file for the private key")
    keygen.add_argument("--public", type=Path, required=True, help="file for the public key")
    keygen.set_defaults(run=commands.keygen)

    build = subparsers.add_parser(
        "build", help="release the parts of a bundle anew, under another counter or key"
    )
    build.add_argument("bundle", type=Path, help="bundle that holds the parts")
    build.add_argument(
        "--trust", type=Path, action="append", required=True, help="public key it is signed by"
    )
    build.add_argument("--key", type=Path, required=True, help="private key (PEM) to sign with")
    build.add_argument("--release-counter", type=int, required=True)
    build.add_argument("--out", type=Path, required=True)
    build.set_defaults(run=commands.rebuild)

    inspect = subparsers.add_parser("inspect", help="print the manifest without checking anything")
    inspect.add_argument("bundle", type=Path)
    inspect.set_defaults(run=commands.inspect)

    verify = subparsers.add_parser("verify", help="check signature and digests")
    verify.add_argument("bundle", type=Path)
    _add_trust(verify)
    verify.set_defaults(run=commands.verify)


def _add_calibration(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget-predictions", type=int, default=10_000, help="predictions per false alarm (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", type=Path, action="append", required=True, help="trusted public key (PEM)")


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=Path("tinylcm.toml"), help="default: tinylcm.toml")


if __name__ == "__main__":
    sys.exit(main())
