// The JSON Schema of a tool's parameters as rows of a form, and back. No page, no state: values of json-text.js in, rows
// out, and the other way round.
//
// Nothing is lost: a row keeps the schema that it was read from, and only what was changed in the row is written over it.
// So a schema that nobody touched comes back as it was, with every keyword that the form knows nothing of.

import { Raw, parse, same } from "./json-text.js";

/** Rows within rows: deeper ones stay in the text alone. */
export const MAX_LEVELS = 5;

const TYPES = { text: "string", choice: "string", whole: "integer", number: "number", yesno: "boolean", list: "array", object: "object" };
const KIND_OF_TYPE = { string: "text", integer: "whole", number: "number", boolean: "yesno", array: "list", object: "object" };
const NUMBERS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const COUNTS = ["minLength", "maxLength", "minItems", "maxItems"];

/** The fields of each kind of row; the name of a field is the schema's keyword for it. */
export const FIELDS = {
  text: ["description", "default", "minLength", "maxLength", "pattern", "format"],
  choice: ["description", "enum", "default"],
  whole: ["description", "default", "enum", ...NUMBERS],
  number: ["description", "default", "enum", ...NUMBERS],
  yesno: ["description", "default"],
  list: ["description", "default", "minItems", "maxItems", "uniqueItems"],
  object: ["description", "default"],
  any: ["description", "default"],
  other: ["description"],
};

// With one of these a schema says more than a row can show.
const COMPOSING = ["$ref", "$dynamicRef", "oneOf", "anyOf", "allOf", "not", "if", "then", "else", "const"];
// What the rows within a row come from.
const STRUCTURE = { list: ["items"], object: ["properties", "required"] };

const isObject = (value) => value instanceof Map;
const isNumber = (value) => typeof value === "number" || value instanceof Raw;
const isLine = (value) => typeof value === "string" && value !== "" && value.trim() === value && !/[\n\r]/.test(value);
const differ = (list) => new Set(list.map(String)).size === list.length;

/** Whether a row of that kind can show this value of a keyword; what it cannot show is kept as it is. */
function showable(kind, keyword, value) {
  if (["description", "pattern", "format"].includes(keyword)) return typeof value === "string";
  if (NUMBERS.includes(keyword)) return isNumber(value);
  if (COUNTS.includes(keyword)) return Number.isInteger(value) && value >= 0;
  if (keyword === "uniqueItems") return typeof value === "boolean";
  if (keyword === "enum") {
    if (!Array.isArray(value) || value.length === 0 || !differ(value)) return false;
    return value.every(kind === "choice" ? isLine : isNumber);
  }
  if (keyword === "default") {
    if (kind === "text" || kind === "choice") return typeof value === "string" && value !== "" && !/[\n\r]/.test(value);
    if (kind === "whole" || kind === "number") return isNumber(value);
    return kind === "yesno" ? typeof value === "boolean" : true;
  }
  return false;
}

function kindOf(node, level) {
  if (!isObject(node) || COMPOSING.some((word) => node.has(word))) return "other";
  const type = typeOf(node);
  if (type === undefined) {
    if (node.has("type") || node.has("properties") || node.has("items")) return "other";
    if (!node.has("enum")) return "any";
    return showable("choice", "enum", node.get("enum")) ? "choice" : "other";
  }
  const kind = KIND_OF_TYPE[type];
  if (kind === "text" && node.has("enum")) return showable("choice", "enum", node.get("enum")) ? "choice" : "other";
  if (kind === "object" && (level >= MAX_LEVELS || (node.has("properties") && !isObject(node.get("properties"))))) return "other";
  if (kind === "list" && (level >= MAX_LEVELS || (node.has("items") && !isObject(node.get("items"))))) return "other";
  return kind ?? "other";
}

/** The one type of a schema; of a type that may also be null, the other one. */
function typeOf(node) {
  const type = node.get("type");
  if (typeof type === "string") return type;
  if (!Array.isArray(type) || type.length !== 2 || !type.includes("null")) return undefined;
  return type.find((each) => each !== "null");
}

/**
 * A new row, which is no part of the schema before it has a name.
 *
 * `values`: keyword to value. `rows`: those of an object; `item`: of what a list holds, or null. `kept`: the words that
 * the row does not show. `node` and `before`: the schema that it was read from, and what the row showed of it.
 */
export function newRow(kind = "text") {
  const before = { name: "", kind: null, values: {} };
  return { name: "", required: false, kind, values: {}, rows: [], item: null, kept: [], node: new Map(), before };
}

/** Whether the row was added in the form; one that was read may well be named "". */
export const isNew = (row) => row.before.kind === null;

function rowOf(node, level, name = "", required = false) {
  const kind = kindOf(node, level);
  const row = { ...newRow(kind), name, required, node };
  row.before = { name, kind, values: row.values };
  if (!isObject(node)) return { ...row, kept: ["everything"] };
  for (const keyword of new Set(Object.values(FIELDS).flat())) {
    const value = node.get(keyword);
    if (FIELDS[kind].includes(keyword) && node.has(keyword) && showable(kind, keyword, value)) row.values[keyword] = value;
  }
  if (kind === "object") row.rows = rowsIn(node, level + 1);
  if (kind === "list" && node.has("items")) row.item = rowOf(node.get("items"), level + 1);
  row.before.values = { ...row.values };
  row.kept = keptIn(row);
  return row;
}

function rowsIn(node, level) {
  const required = requiredIn(node);
  return [...(node.get("properties") ?? new Map())].map(([name, part]) => rowOf(part, level, name, required.includes(name)));
}

const requiredIn = (node) => (Array.isArray(node.get("required")) ? node.get("required") : []);

function keptIn({ node, kind, values }) {
  const shown = new Set([...Object.keys(values), ...(STRUCTURE[kind] ?? [])]);
  if (kind !== "other" && typeof node.get("type") === "string") shown.add("type");
  const kept = [...node.keys()].filter((word) => !shown.has(word));
  const named = STRUCTURE[kind]?.includes("required") ? strayRequired(node) : [];
  return [...kept, ...(named.length ? [`required (${named.join(", ")})`] : [])];
}

/** What `required` holds besides the names of parameters. */
function strayRequired(node) {
  if (!node.has("required")) return [];
  if (!Array.isArray(node.get("required"))) return ["which is no list"];
  const properties = node.get("properties") ?? new Map();
  return node.get("required").filter((name) => !properties.has(name)).map(String);
}

/**
 * The form of a schema: `{node, rows, kept}`.
 * `problem` instead of rows: why the form cannot show it, in words for the operator.
 */
export function formOf(schema) {
  const refuse = (problem) => ({ node: schema, rows: [], kept: [], problem });
  if (!isObject(schema)) return refuse('The parameters are an object: {"type": "object", "properties": {...}}.');
  if (schema.has("type") && schema.get("type") !== "object") return refuse('At the top stands "type": "object".');
  if (schema.has("properties") && !isObject(schema.get("properties"))) {
    return refuse('"properties" is an object: the name of each parameter, and its schema.');
  }
  const kept = keptIn({ node: schema, kind: "object", values: {} });
  return { node: schema, rows: rowsIn(schema, 1), kept };
}

/** The schema of a form. */
export function schemaOf(form) {
  if (form.problem) return form.node;
  const made = withRows(new Map(form.node), form.node, form.rows);
  if (same(made, form.node)) return form.node;
  return made.has("type") ? made : new Map([["type", "object"], ...made]);
}

function withRows(made, node, rows) {
  const named = rows.filter((row) => row.name !== "" || !isNew(row));
  const properties = new Map(named.map((row) => [row.name, nodeOf(row)]));
  if (node.has("properties") || properties.size > 0) made.set("properties", properties);
  const required = requiredAfter(node, named);
  if (required === undefined) made.delete("required");
  else made.set("required", required);
  return made;
}

/** `required` as it was, but for what changed: its order and what else stands in it remain. */
function requiredAfter(node, rows) {
  const before = node.get("required");
  if (node.has("required") && !Array.isArray(before)) {
    return rows.some((row) => row.required) ? rows.filter((row) => row.required).map((row) => row.name) : before;
  }
  const properties = node.get("properties") ?? new Map();
  const byOldName = new Map(rows.filter((row) => !isNew(row)).map((row) => [row.before.name, row]));
  const after = [];
  for (const name of before ?? []) {
    const row = byOldName.get(name);
    const now = row ? (row.required ? row.name : undefined) : properties.has(name) ? undefined : name;
    if (now !== undefined && (!after.includes(now) || now === name)) after.push(now);
  }
  for (const row of rows) {
    if (row.required && !after.includes(row.name)) after.push(row.name);
  }
  return after.length === 0 && (before === undefined || before.length > 0) ? undefined : after;
}

function nodeOf(row) {
  const { node, before } = row;
  const sameKind = row.kind === before.kind;
  if (!isObject(node) && sameKind) return node;
  const made = sameKind ? new Map(node) : inKind(isObject(node) ? node : new Map(), before.kind, row.kind);
  for (const keyword of FIELDS[row.kind]) {
    const value = row.values[keyword];
    if (value === undefined) {
      if (before.values[keyword] !== undefined) made.delete(keyword);
    } else if ((!sameKind || !same(value, before.values[keyword])) && showable(row.kind, keyword, value)) {
      made.set(keyword, value);
    }
  }
  if (row.kind === "list" && row.item) made.set("items", nodeOf(row.item));
  if (row.kind === "object") withRows(made, sameKind ? node : new Map(), row.rows);
  return sameKind && same(made, node) ? node : made;
}

/** The schema with another type, without the words that only the old one has. */
function inKind(node, from, to) {
  const gone = new Set([...COMPOSING, ...(FIELDS[from] ?? []), ...Object.values(STRUCTURE).flat(), "enum", "format"]);
  gone.delete("description");
  const kept = [...node].filter(([word]) => !gone.has(word) && word !== "type");
  return new Map(TYPES[to] ? [["type", TYPES[to]], ...kept] : kept);
}

// -- what people type into the fields

/** A number as typed; undefined for none, null where it is no number. */
export function readNumber(typed, { whole = false, least = -Infinity } = {}) {
  const text = typed.trim().replace(",", ".");
  if (text === "") return undefined;
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) || (whole && !/^-?\d+$/.test(text)) || Number(text) < least) return null;
  const plain = text.replace(/^(-?)0+(?=\d)/, "$1");
  return String(Number(plain)) === plain ? Number(plain) : parse(plain);
}

/** Allowed values, one a line; `{values}` (undefined for none), or `{wrong}`: the line that cannot be. */
export function readLines(typed, kind) {
  const lines = [...new Set(typed.split("\n").map((line) => line.trim()).filter(Boolean))];
  if (lines.length === 0) return { values: undefined };
  if (kind === "choice") return { values: lines };
  const values = lines.map((line) => readNumber(line, { whole: kind === "whole" }));
  const wrong = values.findIndex((value) => value === null);
  return wrong < 0 ? { values } : { wrong: lines[wrong] };
}

/** A value as people read and type it. */
export const shown = (value) => (value === undefined ? "" : value instanceof Raw ? value.text : String(value));
