"""The prompts that calls use, in memory: looking one up costs a turn no round trip."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.db.catalog import Catalog
from app.db.snapshot import INTERVAL, Loaded
from app.models.names import name_key
from app.prompts.errors import PromptNotFound
from app.prompts.prompt import Prompt
from app.prompts.store import PromptStore

# Names that an error repeats: enough to see a typing error, short enough for a log line.
_NAMES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class _Prompts:
    by_name: Mapping[str, Prompt]
    by_version: Mapping[tuple[int, int], Prompt]
    default: Prompt | None


class PromptCatalog(Catalog[_Prompts]):
    """Published prompts by name."""

    def __init__(self, store: PromptStore, *, interval: float = INTERVAL) -> None:
        super().__init__("prompts", store, interval=interval)
        self._store = store

    def get(self, name: str | None) -> Prompt:
        """The prompt of that name, in any case; for None or a blank name, the default.

        Raises:
            PromptNotFound: says which names there are.
        """
        prompts = self._snapshot.value
        if name is None or not name.strip():
            if prompts.default is None:
                raise PromptNotFound(
                    "No prompt is marked as default. Mark one, or name one with AI_PROMPT_NAME. " + _names(prompts)
                )
            return prompts.default
        prompt = prompts.by_name.get(name_key(name))
        if prompt is None:
            near = difflib.get_close_matches(name_key(name), prompts.by_name, n=1)
            guess = f" Did you mean {prompts.by_name[near[0]].name}?" if near else ""
            raise PromptNotFound(f"There is no published prompt named {name[:100]}.{guess} {_names(prompts)}")
        return prompt

    def all(self) -> tuple[Prompt, ...]:
        """All of them, by name."""
        return tuple(self._snapshot.value.by_name.values())

    async def _load(self, earlier: _Prompts | None) -> Loaded[_Prompts]:
        published = await self._store.published(earlier.by_version if earlier else None)
        prompts = sorted(published.prompts, key=lambda prompt: name_key(prompt.name))
        return Loaded(
            published.revision,
            _Prompts(
                by_name={name_key(prompt.name): prompt for prompt in prompts},
                by_version={prompt.key: prompt for prompt in prompts},
                default=next((prompt for prompt in prompts if prompt.is_default), None),
            ),
        )


def _names(prompts: _Prompts) -> str:
    names = [prompt.name for prompt in prompts.by_name.values()]
    if not names:
        return "There are no published prompts yet; make one at /ui."
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"There are: {', '.join(names[:_NAMES_SHOWN])}{more}."
