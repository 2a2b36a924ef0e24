// The tool as it stands in the form, unsaved: for checking and trying it. Texts that are JSON are sent as they were typed.
import { parse } from "./json-text.js";

const text = (form, name) => form.elements[name]?.value ?? "";

/** Lines of the headers or the query: `{name, value, kind, box}`. */
export function linesOf(form, part) {
  return [...form.querySelectorAll(`[data-lines="${part}"] .line`)].map((box) => ({
    box,
    name: box.querySelector(`[name="${part}_name"]`).value.trim(),
    value: box.querySelector(`[name="${part}_value"]`).value,
    kind: box.querySelector(`[name="${part}_kind"]`)?.value ?? "text",
  }));
}

const pair = (name, json) => `${JSON.stringify(name)}: ${json}`;

/** A JSON text as it is, or null where it is none: then its editor says so. */
function json(typed) {
  if (typed.trim() === "") return "null";
  try {
    parse(typed);
    return typed;
  } catch {
    return null;
  }
}

function number(typed) {
  const plain = typed.trim().replace(",", ".");
  return plain !== "" && Number.isFinite(Number(plain)) ? String(Number(plain)) : JSON.stringify(typed);
}

function object(lines, value) {
  const named = new Map(lines.filter((line) => line.name !== "").map((line) => [line.name, value(line)]));
  return `{${[...named].map(([name, each]) => pair(name, each)).join(", ")}}`;
}

/** `{text, unreadable}`: the draft as JSON, or the names of the fields whose JSON cannot be read. */
export function draftOf(form) {
  const parameters = json(text(form, "parameters"));
  const body = json(text(form, "request.json_body"));
  const unreadable = [parameters === null && "parameters", body === null && "request.json_body"].filter(Boolean);
  const ownQuery = form.querySelector('[name="query_mode"]:checked')?.value === "rows";
  const query = linesOf(form, "query");
  for (const line of query) {
    if (ownQuery && line.kind === "json" && json(line.value) === null) unreadable.push(`request.query.${line.name}`);
  }
  const request = [
    pair("method", JSON.stringify(text(form, "request.method"))),
    pair("url", JSON.stringify(text(form, "request.url"))),
    pair("headers", object(linesOf(form, "header"), (line) => JSON.stringify(line.value.trim()))),
    pair("query", ownQuery ? object(query, (line) => (line.kind === "json" ? json(line.value) ?? "null" : JSON.stringify(line.value))) : "null"),
    pair("json_body", body ?? "null"),
    ...(text(form, "request.timeout").trim() ? [pair("timeout", number(text(form, "request.timeout")))] : []),
    ...(text(form, "request.max_response_bytes").trim()
      ? [pair("max_response_bytes", number(text(form, "request.max_response_bytes")))] : []),
  ];
  const fields = [
    pair("name", JSON.stringify(text(form, "name").trim())),
    pair("description", JSON.stringify(text(form, "description"))),
    pair("parameters", parameters === null || parameters === "null" ? '{"type": "object", "properties": {}}' : parameters),
    pair("request", `{${request.join(", ")}}`),
  ];
  return { text: `{${fields.join(", ")}}`, unreadable };
}

/** An object of which each value is a JSON text already. */
export function join(fields) {
  return `{${Object.entries(fields).map(([name, each]) => pair(name, each)).join(", ")}}`;
}
