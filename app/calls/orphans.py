"""Finding the channels that nobody serves, again and again: the shell around :class:`app.calls.stock.Stock`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set

import structlog

from app.ari.client import AriClient
from app.ari.config import AriState
from app.ari.errors import AriError
from app.ari.handles import Channel
from app.calls.delivery import Delivery, deliver
from app.calls.outcome import Outcome
from app.calls.stock import Stock
from app.core.metrics import CHANNELS_RELEASED, UNEXPECTED

# Seconds between inventories. Two in a row make an orphan, so a channel whose StasisStart never came is back in the
# dialplan within two of these, well before a caller gives up.
STOCK_EVERY = 1.0
STOCK_AFTER_CONNECT = 0.25

LOST = (
    "the channel was in the application without a turn: the service was restarted, the connection was lost, or an "
    "argument of Stasis() is not valid UTF-8"
)

logger = structlog.get_logger("app.calls")


class Orphans:
    """Takes stock soon after every connect, and from then on regularly.

    Args:
        served: The channels that need nobody else now.
        release: Is called for every orphan, and must return at once.
    """

    def __init__(self, served: Callable[[], Set[str]], release: Callable[[str], None]) -> None:
        self._served = served
        self._release = release
        # Set at every connect: whoever was left behind by the last connection is to be released soon.
        self._connected = asyncio.Event()

    def connected(self) -> None:
        """A connection is up; events were lost before it."""
        self._connected.set()

    async def run(self, ari: AriClient) -> None:
        """Until cancelled."""
        stock = Stock()
        pause = STOCK_EVERY
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._connected.wait()
            except TimeoutError:
                pause = STOCK_EVERY
            else:
                self._connected.clear()
                stock, pause = Stock(), STOCK_AFTER_CONNECT
            if ari.status.state is AriState.CONNECTED:
                await self._take(ari, stock)

    async def _take(self, ari: AriClient, stock: Stock) -> None:
        try:
            inventory = await ari.app_inventory()
            orphans = stock.orphans(inventory.channel_ids, self._served())
        except AriError as error:
            logger.debug("stock.not_taken", error=error.code, detail=str(error))
        except Exception as error:
            # An odd answer to this must not take the calls with it.
            UNEXPECTED.labels("stock").inc()
            logger.error("stock.unexpected_error", exc_info=error)
        else:
            for channel_id in orphans:
                self._release(channel_id)


async def release(channel: Channel, outcome: Outcome, *, gone: Callable[[], bool]) -> Delivery | None:
    """Give an orphan back to the dialplan. One that Asterisk does not take back is found again.

    Args:
        gone: Whether it came back for a turn meanwhile.

    Returns:
        With what it is back in the dialplan; None where it is not.
    """
    log = logger.bind(call=channel.id)
    try:
        delivery = await deliver(channel, outcome, fallback=outcome.text, gone=gone)
    except AriError as error:
        log.error("channel.not_released", error=error.code, detail=str(error))
    except Exception as error:
        # One orphan must not take the calls with it through the group.
        UNEXPECTED.labels("release").inc()
        log.error("channel.unexpected_error", exc_info=error)
    else:
        if delivery.given_back:
            CHANNELS_RELEASED.inc()
            log.warning("channel.released", detail=outcome.detail)
            return delivery
    return None
