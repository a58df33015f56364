"""Lists of the contract, read to their end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from tinysphere.simulator.wire.channels import Channels
from tinysphere.simulator.wire.failures import translate
from tinysphere.simulator.wire.methods import Method, ReplyT, RequestT

PAGE_SIZE = 500
TIMEOUT_S = 60.0
_ATTEMPTS = 5
_RETRY_S = 0.5


async def ask(channels: Channels, method: Method[RequestT, ReplyT], request: RequestT) -> ReplyT:
    """One call of somebody with a good link; tried again some times.

    Raises:
        CallError: It failed each time, or was refused.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await channels.unary(method)(request, timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            failure = translate(error)
            if failure.is_refusal or attempt == _ATTEMPTS:
                raise failure from error
            await asyncio.sleep(max(failure.retry_after_s or 0.0, _RETRY_S))
    raise AssertionError("the last attempt returns or raises")


async def read_all(
    channels: Channels, method: Method[Any, Any], request: Any, field: str
) -> AsyncIterator[Any]:
    """Every row of a List method, page after page; ``request`` is used up.

    Raises:
        CallError: A page could not be had.
    """
    request.page_size = PAGE_SIZE
    while True:
        reply = await ask(channels, method, request)
        for row in getattr(reply, field):
            yield row
        if not reply.next_page_token:
            return
        request.page_token = reply.next_page_token
