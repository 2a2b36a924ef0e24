"""The agent's own tools: offered to the model like any other, answered in :mod:`app.agent.steps`, never executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.tools import BaseTool

# The tool of a prompt with an output schema; see app.agent.output.
ANSWER = "answer"


class BuiltinTool(BaseTool):
    """A name, a description and a schema. Its calls are answered before the graph comes to its tools node."""

    def __init__(self, name: str, description: str, schema: Mapping[str, Any]) -> None:
        super().__init__(name=name, description=description, args_schema=dict(schema))

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{self.name} is answered by the agent itself")
