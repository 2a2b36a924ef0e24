// JSON without loss: names keep their order ("10" stays behind "b"), and numbers their spelling (1.0,
// 12345678901234567890), which JSON.parse gives up. Objects are Maps, the rest is as JSON.parse has it.

const MAX_DEPTH = 100;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const WORDS = new Map([["true", true], ["false", false], ["null", null]]);

/** A number that JavaScript would write in another way, as it was written. */
export class Raw {
  constructor(text) { this.text = text; }
}

/** The text is no JSON: `line` and `column` count from 1, `offset` from 0. */
export class JsonError extends Error {
  constructor(message, text, offset) {
    const before = text.slice(0, offset).split("\n");
    super(`${message} in line ${before.length}, column ${before.at(-1).length + 1}`);
    this.line = before.length;
    this.column = before.at(-1).length + 1;
    this.offset = offset;
  }
}

/** The value that `text` holds. Throws JsonError; also for a name that is there twice, of which one would be lost. */
export function parse(text) {
  let at = 0;

  const fail = (message, where = at) => { throw new JsonError(message, text, where); };
  const matched = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found && found[0];
  };
  const next = () => { matched(SPACE); return text[at]; };
  const found = () => (at < text.length ? `found ${JSON.stringify([...text.slice(at)][0])}` : "found the end");

  function value(depth) {
    if (depth > MAX_DEPTH) fail("It is nested too deeply");
    const sign = next();
    if (sign === "{") return object(depth);
    if (sign === "[") return list(depth);
    if (sign === '"') return string("A text is not closed, or has a line break or a wrong \\ in it, which begins");
    const number = matched(NUMBER);
    if (number !== null) return String(Number(number)) === number ? Number(number) : new Raw(number);
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) { at += word.length; return meaning; }
    }
    return fail(`A value is missing: ${found()}`);
  }

  function string(otherwise) {
    const start = at;
    for (at += 1; at < text.length && text[at] >= " "; at += 1) {
      if (text[at] === "\\") at += 1;
      else if (text[at] === '"') {
        at += 1;
        try {
          return JSON.parse(text.slice(start, at));
        } catch {
          break;
        }
      }
    }
    return fail(otherwise, start);
  }

  function object(depth) {
    const made = new Map();
    at += 1;
    if (next() === "}") { at += 1; return made; }
    for (;;) {
      if (next() !== '"') fail(`A name in double quotes is missing: ${found()}`);
      const start = at;
      const name = string("A name is not closed, or has a line break or a wrong \\ in it, which begins");
      if (made.has(name)) fail(`The name ${JSON.stringify(name)} is there twice`, start);
      if (next() !== ":") fail(`A colon is missing after the name: ${found()}`);
      at += 1;
      made.set(name, value(depth + 1));
      const sign = next();
      if (sign === "}") { at += 1; return made; }
      if (sign !== ",") fail(`A comma or } is missing: ${found()}`);
      at += 1;
      if (next() === "}") fail("A comma stands before }, with nothing after it");
    }
  }

  function list(depth) {
    const made = [];
    at += 1;
    if (next() === "]") { at += 1; return made; }
    for (;;) {
      made.push(value(depth + 1));
      const sign = next();
      if (sign === "]") { at += 1; return made; }
      if (sign !== ",") fail(`A comma or ] is missing: ${found()}`);
      at += 1;
      if (next() === "]") fail("A comma stands before ], with nothing after it");
    }
  }

  const made = value(0);
  if (next() !== undefined) fail(`The JSON ends here, but there is more: ${found()}`);
  return made;
}

/** `value` as text, indented by two spaces, as `json.dumps(..., indent=2)` writes it. */
export function format(value, indent = "") {
  const inner = `${indent}  `;
  if (value instanceof Raw) return value.text;
  if (value instanceof Map) {
    if (value.size === 0) return "{}";
    const parts = [...value].map(([name, part]) => `${inner}${JSON.stringify(name)}: ${format(part, inner)}`);
    return `{\n${parts.join(",\n")}\n${indent}}`;
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((part) => inner + format(part, inner)).join(",\n")}\n${indent}]`;
  }
  return JSON.stringify(value);
}

/** Whether two values say the same in the same words. */
export function same(one, other) {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  return format(one) === format(other);
}
