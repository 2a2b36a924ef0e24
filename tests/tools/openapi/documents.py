"""OpenAPI documents as services publish them."""

from __future__ import annotations

import json
from typing import Any

# 3.0, YAML: the shape of the well-known pet store, with what such documents usually hold.
PET_STORE = """
openapi: 3.0.3
info:
  title: Pet Store
  version: 1.0.20
  contact: {email: team@petstore.example}
servers:
  - url: https://{region}.petstore.example/api/{version}
    variables:
      region: {default: eu, enum: [eu, us]}
      version: {default: v3}
security:
  - api_key: []
tags: [{name: pet}, {name: store}]
paths:
  /pet/{petId}:
    parameters:
      - &petId
        name: petId
        in: path
        description: The pet's number
        required: true
        schema: {type: integer, format: int64, example: 12}
    get:
      tags: [pet]
      summary: Find a pet by its number
      description: Returns a single pet.
      operationId: getPetById
      parameters:
        - {name: fields, in: query, explode: false, schema: {type: array, items: {type: string}}}
        - {name: X-Request-ID, in: header, schema: {type: string, format: uuid}}
        - {name: Accept, in: header, schema: {type: string}}
        - {name: session, in: cookie, schema: {type: string}}
      responses: {"200": {description: ok}}
    delete:
      operationId: deletePet
      deprecated: true
      security: []
      responses: {200: {description: gone}}
    post:
      operationId: uploadImage
      requestBody:
        required: true
        content:
          multipart/form-data: {schema: {type: object, properties: {file: {type: string, format: binary}}}}
      responses: {default: {description: ok}}
  /pet:
    put:
      tags: [pet]
      summary: Update a pet
      operationId: updatePet
      requestBody: {$ref: '#/components/requestBodies/Pet'}
      responses: {"200": {description: ok}}
  /pets/search:
    get:
      operationId: get.pets/search
      parameters:
        - name: filter
          in: query
          style: deepObject
          schema:
            type: object
            required: [kind]
            properties:
              kind: {type: string, enum: [cat, dog]}
              age: {type: integer, minimum: 0, exclusiveMinimum: true, nullable: true}
        - {name: limit, in: query, schema: {type: integer, default: 20, maximum: 100}}
        - {name: since, in: query, example: 2020-01-31, schema: {type: string, format: date}}
        - {name: floor, in: query, schema: {type: integer, enum: [1, 2, 3]}}
        - {name: tag, in: query, schema: {type: array, items: {type: string}}}
      responses: {"200": {description: ok}}
components:
  securitySchemes:
    api_key: {type: apiKey, in: header, name: X-Api-Key}
  requestBodies:
    Pet:
      required: true
      content:
        application/json: {schema: {$ref: '#/components/schemas/Pet'}}
        application/xml: {schema: {$ref: '#/components/schemas/Pet'}}
  schemas:
    Named:
      type: object
      required: [name]
      properties:
        name: {type: string, example: doggie}
    Category:
      type: object
      properties:
        id: {type: integer}
        parent: {$ref: '#/components/schemas/Category'}
        children: {type: array, items: {$ref: '#/components/schemas/Category'}}
    Pet:
      allOf:
        - $ref: '#/components/schemas/Named'
        - type: object
          required: [photoUrls, note, id]
          properties:
            id: {type: integer, readOnly: true}
            category: {$ref: '#/components/schemas/Category'}
            photoUrls: {type: array, items: {type: string}, xml: {wrapped: true}}
            note: {type: string, nullable: true}
            country: {type: string, enum: [NO, SE]}
            born: {type: string, format: date, example: 2019-05-01}
            owner:
              oneOf:
                - {type: object, properties: {email: {type: string}}}
                - {type: string}
              discriminator: {propertyName: kind}
"""

# 3.1, JSON.
BOOKING: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Booking", "version": "2"},
    "servers": [{"url": "/v2"}],
    "paths": {
        "/tables/{day}/{hour}": {
            "post": {
                "summary": "Book a table",
                "parameters": [
                    {"$ref": "#/components/parameters/Day"},
                    {"name": "hour", "in": "path", "required": True, "schema": {"type": "integer"}},
                    {"name": "day", "in": "query", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/merge-patch+json; charset=utf-8": {
                            "schema": {"$ref": "#/components/schemas/Booking"}
                        }
                    },
                },
                "security": [{"oauth": ["write"]}],
            }
        },
        "/message": {
            "post": {
                "operationId": "send",
                "requestBody": {
                    "content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}
                },
                "security": [{"basic": []}, {}],
            }
        },
    },
    "components": {
        "parameters": {
            "Day": {"name": "day", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/Day"}}
        },
        "securitySchemes": {"oauth": {"type": "oauth2", "flows": {}}, "basic": {"type": "http", "scheme": "basic"}},
        "schemas": {
            "Day": {"type": "string", "format": "date", "examples": ["2026-11-22"]},
            "Booking": {
                "type": "object",
                "required": ["guests", "name", "kind"],
                "properties": {
                    "guests": {"type": "integer", "exclusiveMinimum": 0, "maximum": 12},
                    "name": {"type": ["string", "null"], "title": "Who books"},
                    "kind": {"const": "dinner"},
                    "contact": {"anyOf": [{"$ref": "#/$defs/Phone"}, {"type": "null"}]},
                    "day": {"type": "string", "description": "Another day."},
                },
                "$defs": {"Phone": {"type": "string", "pattern": "^[+0-9 ]+$"}},
            },
        },
    },
}


def minimal(schema: Any = None, **changes: Any) -> str:
    """A document of one POST whose body has ``schema``."""
    body = {"requestBody": {"content": {"application/json": {"schema": schema or {}}}}}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://h.example"}],
        "paths": {"/x": {"post": {"operationId": "x", **body}}},
    }
    return json.dumps(document | changes)
