"""Batches as Ray brings them, without a cluster: what becomes of one that the host stumbles over."""

# Ray is loaded after it has been told how it is going to be used.
# ruff: noqa: E402

from __future__ import annotations

import asyncio
from importlib.util import find_spec

import pytest

from runtime.backends.ray.connecting import LOCAL, prepare

if find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install -e '.[cluster]'", allow_module_level=True)
prepare(LOCAL, token=True)

from runtime.backends.ray import transport as module
from runtime.backends.ray.transport import RayTransport


def test_a_batch_that_the_host_stumbles_over_keeps_no_other_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is not settled at once would show as a TimeoutError.
    monkeypatch.setattr(module, "_HANDLED_WITHIN", 5.0)

    def inbox(batch: bytes) -> bool:
        if batch == b"bad":
            raise ZeroDivisionError
        return True

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        transport = RayTransport("here", 1, "test", loop)
        transport.listen(inbox)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(transport.deliver, b"bad")
        assert await asyncio.to_thread(transport.deliver, b"good")

    asyncio.run(scenario())
