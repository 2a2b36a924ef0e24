"""What was exported changes nothing when it is imported, whatever operators write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.database import Database
from app.prompts.draft import PromptDraft
from app.prompts.portable import Entry, document
from app.prompts.prompt import Action
from app.prompts.store import PromptStore
from app.schemas.prompt_files import read_prompt_file

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{"), max_size=40) | st.text(
    " \t\n\r\x85\u2028-#:'\"a🎉", max_size=10
)
WORDS = TEXT.filter(lambda text: bool(text.strip()))
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
JSON = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
OWN_WORDS = st.text("abz09_", min_size=1, max_size=20)
ACTIONS = st.lists(
    st.builds(Action, OWN_WORDS, TEXT, st.lists(TEXT, max_size=3).map(tuple)),
    max_size=3,
    unique_by=lambda each: each.name,
).map(tuple)
SCHEMAS = st.dictionaries(NAMES, st.just({"type": "string"}), min_size=1, max_size=3).map(
    lambda fields: {"type": "object", "properties": fields}
)
DRAFTS = st.builds(
    PromptDraft,
    name=NAMES,
    content=WORDS,
    metadata=JSON,
    model=st.none() | st.just("demo"),
    temperature=st.none() | st.floats(0, 2),
    tools=st.none() | st.lists(NAMES, max_size=3).map(tuple),
    actions=ACTIONS,
    output_schema=st.none() | SCHEMAS,
    fallback=st.none() | TEXT,
    timeout=st.none() | st.floats(0.1, 300),
    greeting=st.none() | TEXT,
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("portable")
    return f"sqlite:///{folder}/test.db"


@given(draft=DRAFTS, publish=st.booleans(), as_json=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_and_import_leave_everything_as_it_is(
    url: str, draft: PromptDraft, publish: bool, as_json: bool
) -> None:
    async def there_and_back() -> None:
        database = Database(url)
        await database.migrate()
        store = PromptStore(database)
        try:
            created = await store.create(draft, by="a", publish=publish)
            text = document(await store.export(), as_json=as_json)
            file = read_prompt_file(text)
            assert not file.findings
            imported = await store.import_all(file.entries, by="b")
            assert {each.outcome for each in imported} == {"unchanged"}
            assert document(await store.export(), as_json=as_json) == text
            # And into an installation that does not have it.
            await store.delete(created.summary.id)
            entry = next(each for each in file.entries if each.draft.name == created.prompt.name)
            await store.import_all([entry], by="b")
            again = await store.find(created.prompt.name)
            assert _written(again.prompt) == _written(created.prompt)
            await store.delete(again.summary.id)
        finally:
            await database.aclose()

    asyncio.run(there_and_back())


def _written(prompt: Any) -> str:
    """With the order of keys, which == does not see; and with 1 and 1.0 as the same number, as databases have it."""
    values = {name: getattr(prompt, name) for name in PromptDraft.__dataclass_fields__ if name != "note"}
    values |= {name: float(values[name]) for name in ("temperature", "timeout") if values[name] is not None}
    return repr(values)


def test_an_entry_says_nothing_of_a_default_mark_that_it_does_not_have() -> None:
    assert Entry(PromptDraft("x", "y")) == Entry(PromptDraft("x", "y"), default=False, published=True)
