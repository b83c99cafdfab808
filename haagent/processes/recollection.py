"""What the prober remembers of some probes, fetched when somebody asks why."""

import asyncio
from collections.abc import Callable, Mapping

from haagent.health.transcript import Transcript
from haagent.processes import messages

TIMEOUT = 3.0  # seconds: the prober answers between two turns of its loop

Transcripts = Mapping[int, tuple[Transcript, ...]]


class Recollection:
    """`send` passes a message to the prober, if there is one."""

    def __init__(self, send: Callable[[messages.WhyAsked], None]) -> None:
        self._send = send
        self._serial = 0
        self._waiting: dict[int, asyncio.Future[Transcripts]] = {}

    async def of(self, ids: tuple[int, ...]) -> Transcripts:
        """Nothing where the prober does not answer in time."""
        self._serial += 1
        serial = self._serial
        answer: asyncio.Future[Transcripts] = asyncio.get_running_loop().create_future()
        self._waiting[serial] = answer
        try:
            self._send(messages.WhyAsked(serial, ids))
            async with asyncio.timeout(TIMEOUT):
                return await answer
        except TimeoutError:
            return {}
        finally:
            del self._waiting[serial]

    def hear(self, said: messages.Remembered) -> None:
        answer = self._waiting.get(said.serial)
        if answer is not None and not answer.done():
            answer.set_result(said.transcripts)
