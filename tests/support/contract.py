"""The contract as its descriptors tell it, so that what is added there is tested without a word here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import tinymlops.v1

TIMEOUT_S = 20.0


def services() -> list[ServiceDescriptor]:
    """Every service."""
    names = (module.name for module in pkgutil.iter_modules(tinymlops.v1.__path__))
    files = [
        importlib.import_module(f"tinymlops.v1.{name}").DESCRIPTOR for name in names if name.endswith("_pb2")
    ]
    return [service for file in files for service in file.services_by_name.values()]


def methods() -> list[MethodDescriptor]:
    """Every method of every service."""
    return [method for service in services() for method in service.methods]


def places(addresses: Mapping[str, str]) -> Mapping[str, str]:
    """Where each service is served, by its full name, as the servers at these addresses tell themselves."""
    found: dict[str, str] = {}
    for place, address in addresses.items():
        with grpc.insecure_channel(address) as channel:
            names = ProtoReflectionDescriptorDatabase(channel).get_services()
        found.update(dict.fromkeys(names, place))
    return found


def call_with_bytes(channel: grpc.Channel, method: MethodDescriptor, content: bytes) -> Any:
    """Calls a method of any kind with raw bytes, as its only message where it takes a stream."""
    return _callable(channel, method)(
        iter([content]) if method.client_streaming else content, timeout=TIMEOUT_S
    )


def start_call(
    channel: grpc.Channel, method: MethodDescriptor, sent: bytes | Iterator[bytes], timeout_s: float
) -> Any:
    """Begins a call of any kind with raw bytes; what comes back can be waited for, read and cancelled."""
    call = _callable(channel, method)
    return (call if method.server_streaming else call.future)(sent, timeout=timeout_s)


def path_of(method: MethodDescriptor) -> str:
    """The method as gRPC names it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _callable(channel: grpc.Channel, method: MethodDescriptor) -> Any:
    sent = "stream" if method.client_streaming else "unary"
    answered = "stream" if method.server_streaming else "unary"
    return getattr(channel, f"{sent}_{answered}")(path_of(method))
