"""Users and tokens over HTTP, beyond who may do what."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI

from app.api.parts import Parts
from app.core.permissions import Role
from tests.api.conftest import client_for

PASSWORD = "k7mf-2qxv-9hta"


async def test_of_two_who_edit_a_user_the_second_is_told(client: httpx2.AsyncClient) -> None:
    made = await client.post("/api/users", json={"name": "ann", "password": PASSWORD, "role": "viewer"})
    address, seen = made.headers["location"], {"If-Match": made.headers["etag"]}
    first = await client.patch(address, json={"role": "editor"}, headers=seen)
    assert first.status_code == 200
    assert first.headers["etag"] == (await client.get(address)).headers["etag"] != made.headers["etag"]
    late = await client.patch(address, json={"disabled": True}, headers=seen)
    assert (late.status_code, late.json()["code"]) == (412, "user_conflict")
    assert (await client.delete(address, headers=seen)).status_code == 412
    assert (await client.patch(address, json={"disabled": True}, headers={"If-Match": "nonsense"})).status_code == 412
    weak = {"If-Match": f"W/{first.headers['etag']}"}
    assert (await client.patch(address, json={"disabled": True}, headers=weak)).json()["disabled"] is True
    assert (await client.patch(address, json={"disabled": False})).json()["disabled"] is False
    assert (await client.delete(address, headers={"If-Match": "*"})).status_code == 204


async def test_an_administrator_does_not_lock_themselves_out(app: FastAPI, parts: Parts) -> None:
    ann = await parts.accounts.users.create("ann", PASSWORD, Role.ADMINISTRATOR, by="test")
    async with client_for(app, ("ann", PASSWORD)) as client:
        for answer in (
            await client.patch(f"/api/users/{ann.id}", json={"disabled": True}),
            await client.patch(f"/api/users/{ann.id}", json={"role": "viewer"}),
            await client.delete(f"/api/users/{ann.id}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "own_account")
        assert (await client.get("/api/users")).status_code == 200


async def test_a_token_manages_no_users_so_that_a_leaked_one_ends_when_it_is_revoked(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient
) -> None:
    made = await client.post("/api/tokens", json={"name": "deploy", "role": "administrator"})
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    ann = {"name": "ann", "password": PASSWORD, "role": "administrator"}
    user = (await client.post("/api/users", json=ann)).headers["location"]
    for answer in (
        await stranger.post("/api/users", json=ann | {"name": "bob"}, headers=headers),
        await stranger.patch(user, json={"password": PASSWORD + "x"}, headers=headers),
        await stranger.delete(user, headers=headers),
    ):
        assert answer.json()["code"] == "password_required"
    assert (await stranger.get("/api/users", headers=headers)).json()["total"] == 1


@pytest.mark.parametrize("query", ["sort=-last_sign_in_at", "role=viewer&disabled=false", "search=AN", "sort=name"])
async def test_users_are_filtered_and_sorted(client: httpx2.AsyncClient, query: str) -> None:
    await client.post("/api/users", json={"name": "ann", "password": PASSWORD, "role": "viewer"})
    assert [user["name"] for user in (await client.get(f"/api/users?{query}")).json()["items"]] == ["ann"]


async def test_a_name_that_is_taken_is_said_of_the_field(client: httpx2.AsyncClient) -> None:
    ann = {"name": "ann", "password": PASSWORD, "role": "viewer"}
    await client.post("/api/users", json=ann)
    again = (await client.post("/api/users", json=ann)).json()
    assert (again["code"], again["errors"][0]["field"]) == ("user_name_taken", "name")


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2020-01-01T00:00:00Z"])
async def test_a_token_ends_at_a_moment_that_can_be_kept(client: httpx2.AsyncClient, moment: str) -> None:
    made = await client.post("/api/tokens", json={"name": "x", "role": "viewer", "expires_at": moment})
    assert (made.status_code, made.json()["errors"][0]["field"]) == (422, "expires_at")
