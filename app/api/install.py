"""Puts the HTTP API into an application: routes, errors, and what stands before them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI

from app.api import (
    audit,
    calls,
    dialplan,
    docs,
    doctor,
    example,
    health,
    mcp,
    problems,
    prompt_check,
    prompt_files,
    prompts,
    rehearsals,
    secrets,
    settings,
    setup,
    status,
    tokens,
    tool_import,
    tool_python,
    tool_work,
    tools,
    users,
)
from app.api.guard import Guard, permitted, signed_in
from app.api.head import HeadAsGet
from app.api.headers import SecurityHeaders
from app.api.limits import BodyLimit
from app.api.responses import ANY
from app.schemas.problem import FieldProblem, Problem

_DESCRIPTION = """
Everything that the web interface does, for programs. Sign in with HTTP Basic, as in the web interface, or
with a token (`Authorization: Bearer aai_...`).

Errors are `application/problem+json`: `detail` is a sentence for people, `code` a stable word for programs, and
`errors` says field by field what is wrong.
"""

_TAGS = [
    {"name": "prompts", "description": "What the language model is told. Every save is a version."},
    {"name": "tools", "description": "HTTP requests that the model may make while it answers."},
    {"name": "secrets", "description": "What tools sign in with. Values go in, and never come out."},
    {"name": "mcp", "description": "MCP servers as a source of tools."},
    {"name": "calls", "description": "What happened in calls, and what happens now."},
    {"name": "playground", "description": "Turns without a telephone: trying prompts, models and tools."},
    {"name": "users", "description": "Who may sign in, and as what."},
    {"name": "tokens", "description": "For programs, instead of a password."},
    {"name": "audit", "description": "Who changed what."},
    {"name": "dialplan", "description": "What goes into Asterisk's `extensions.conf`."},
    {"name": "settings", "description": "What is in force, what is wrong with it, and how far the setup is."},
    {"name": "status", "description": "The state of the service."},
    {"name": "health", "description": "For load balancers, supervisors and Prometheus."},
    {"name": "example", "description": "What the first tool calls, so that it works out of the box."},
]


def install(app: FastAPI) -> None:
    """Call once, before the first request; ``app.state.parts`` must be there by then."""
    app.description = _DESCRIPTION.strip()
    app.openapi_tags = _TAGS
    problems.install(app)
    # Of every route, whoever adds it: one that declares no permission is closed.
    app.router.dependencies.append(Depends(permitted))
    protected = APIRouter(prefix="/api", dependencies=[Depends(signed_in)], responses=ANY)
    for module in (
        prompt_check,
        prompt_files,
        prompts,
        tool_import,
        tool_python,
        tool_work,
        tools,
        secrets,
        mcp,
        calls,
        rehearsals,
        status,
        users,
        tokens,
        audit,
        dialplan,
        settings,
        doctor,
        setup,
    ):
        protected.include_router(module.router)
    public = APIRouter(prefix="/api")
    public.include_router(example.router)
    for router in (protected, public, health.router, docs.router):
        app.include_router(router)
    # The last one added stands outermost.
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard)
    app.add_middleware(problems.UnexpectedErrors)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HeadAsGet)
    _document_problems(app)


def _document_problems(app: FastAPI) -> None:
    """Have the OpenAPI document say what really comes: our problems, where FastAPI would write its own 422."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in (Problem, FieldProblem):
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schema.pop("$defs", None)
                schemas[model.__name__] = schema
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            _replace_default_422(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _replace_default_422(document: dict[str, Any]) -> None:
    from app.api.responses import problems as entries

    for path in document["paths"].values():
        for operation in path.values():
            answer = operation["responses"].get("422")
            if answer and "application/json" in answer.get("content", {}):
                operation["responses"]["422"] = entries(422)[422]
