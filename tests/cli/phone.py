"""A caller in the lab: loads a printed dialplan, calls it, and reads Asterisk's log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lab.asterisk import Asterisk

WORDS = 'Well, it is 7; say "hello" (or x=5)'

# A caller: talks first, then says nothing for a while. And the person behind --human, who tells the log.
DRIVER = f"""
[driver]
exten => talk,1,Set(USER_INPUT={WORDS.replace(";", chr(92) + ";")})
 same => n,Goto(ai-assistant,100,1)
exten => silent,1,Answer(1)
 same => n,Wait(30)
exten => brief,1,Answer(1)
 same => n,Wait(0.3)
[people]
exten => 200,1,Log(NOTICE,HUMAN ${{AI_STATUS}}/${{STASISSTATUS}}/${{AI_TURNS}})
 same => n,Hangup()
"""


class Phone:
    """Loads a printed dialplan and calls it; what is said, and what the log says, can be read."""

    def __init__(self, asterisk: Asterisk) -> None:
        self.asterisk = asterisk
        self.etc = asterisk.instance.folder / "etc"
        self.log = asterisk.instance.folder / "log" / "messages.log"
        self._seen = 0
        main = self.etc / "extensions.conf"
        if "asterisk-ai.conf" not in main.read_text():
            main.write_text(main.read_text() + "\n#include asterisk-ai.conf\n")

    def load(self, text: str) -> str:
        """Put ``text`` into the dialplan; returns what Asterisk complained of."""
        (self.etc / "asterisk-ai.conf").write_text(text)
        self._seen = len(self.log.read_text())
        self.asterisk.cli("dialplan reload")
        return self.new_lines()

    def new_lines(self) -> str:
        return self.log.read_text()[self._seen :]

    def call(self, who: str) -> None:
        self.asterisk.cli(f"channel originate Local/{who}@driver/n application Wait 30")

    async def until(self, happened: Callable[[str], bool], seconds: float = 5) -> str:
        async with asyncio.timeout(seconds):
            while not happened(self.new_lines()):
                await asyncio.sleep(0.02)
        return self.new_lines()


def filled(text: str) -> str:
    """With the two marked places filled: the speaking goes to the log, the listening finds the same words again."""
    text = text.replace("SendText(${AI_SAY})", "Log(NOTICE,SAID ${AI_SAY})")
    return text.replace("Read(USER_INPUT,beep,20,,1,10)", "Set(USER_INPUT=and then?)") + DRIVER
