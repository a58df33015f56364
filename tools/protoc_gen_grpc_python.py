"""A protoc plugin that writes the gRPC Python stubs, for `buf generate`.

buf runs plugins and knows protoc's own builtins, but the Python stub generator is compiled into
`grpc_tools.protoc` and is neither. This reads the request from stdin, lets `grpc_tools` do the work in a
temporary folder and answers with the files on stdout.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

Request = plugin_pb2.CodeGeneratorRequest
Response = plugin_pb2.CodeGeneratorResponse


def generate(request: Request, folder: Path) -> Response:
    """Answer one plugin request, using `folder` for the files in between.

    Args:
        request: what buf asks for; its descriptors are complete, so no import path is needed.
        folder: an empty folder of ours.

    Returns:
        The stubs of the files in `file_to_generate` that declare a service, or the error to show.
    """
    descriptors, out = folder / "descriptors.binpb", folder / "out"
    out.mkdir()
    descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
    wanted = with_services(request)
    arguments = ["protoc", f"--descriptor_set_in={descriptors}", f"--grpc_python_out={out}", *wanted]
    response = Response(supported_features=Response.FEATURE_PROTO3_OPTIONAL)
    if wanted and protoc.main(arguments) != 0:
        response.error = "grpc_tools.protoc failed; its message is above"
        return response
    for path in sorted(out.rglob("*.py")):
        response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text(encoding="utf-8"))
    return response


def with_services(request: Request) -> list[str]:
    """The files to generate that declare a service; the others would give empty stubs."""
    asked = set(request.file_to_generate)
    return [file.name for file in request.proto_file if file.name in asked and file.service]


def main() -> None:
    request = Request.FromString(sys.stdin.buffer.read())
    with tempfile.TemporaryDirectory() as folder:
        response = generate(request, Path(folder))
    sys.stdout.buffer.write(response.SerializeToString())


if __name__ == "__main__":
    main()
