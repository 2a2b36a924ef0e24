// The fields of one row of the schema's form, by the kind of the row.

import { el, labelled, select } from "./elements.js";
import { format, parse } from "./json-text.js";
import { MAX_LEVELS, readLines, readNumber, shown } from "./schema-rows.js";

const KINDS = [
  ["text", "Text"], ["whole", "Whole number"], ["number", "Number"], ["yesno", "Yes or no"], ["choice", "Choice"],
  ["list", "List"], ["object", "Object"], ["any", "Anything"],
];
const LIMITS = {
  minLength: "Shortest, in characters", maxLength: "Longest, in characters", minItems: "At least this many",
  maxItems: "At most this many", minimum: "Smallest", maximum: "Largest", exclusiveMinimum: "More than",
  exclusiveMaximum: "Less than", multipleOf: "A multiple of",
};
const COUNTS = new Set(["minLength", "maxLength", "minItems", "maxItems"]);
const FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"];
const LIMITS_OF = {
  text: ["minLength", "maxLength"],
  whole: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  list: ["minItems", "maxItems"],
};

/** The kinds that a row at that level may be given. */
export function kindOptions(row, level) {
  const options = KINDS.filter(([kind]) => level < MAX_LEVELS || !["list", "object"].includes(kind) || kind === row.kind);
  return row.before.kind === "other" ? [["other", "As in the schema"], ...options] : options;
}

/** "Parameter order_id" */
export const titleOf = (noun, name) => `${noun[0].toUpperCase()}${noun.slice(1)} ${name}`;

/** `{first, more}`: the elements that are always to be seen, and those in the details. `changed` is called after each
 * change of `row.values`. */
export function fieldsOf(row, changed) {
  const set = (keyword, value) => {
    row.values[keyword] = value;
    changed();
  };
  const first = [];
  const more = [];
  if (row.kind !== "other" || !row.kept.includes("everything")) first.push(description(row, set));
  if (row.kind === "choice") first.push(lines(row, set, "Allowed values", "One in a line."));
  if (row.kind !== "other") more.push(defaultOf(row, set));
  for (const keyword of LIMITS_OF[row.kind] ?? []) more.push(limit(row, keyword, set));
  if (row.kind === "text") more.push(pattern(row, set), formatOf(row, set));
  if (row.kind === "whole" || row.kind === "number") {
    more.push(lines(row, set, "Allowed values", "One in a line. Empty: any number."));
  }
  if (row.kind === "list") more.push(unique(row, set));
  return { first, more };
}

function description(row, set) {
  const area = el("textarea", { rows: 2, oninput: () => set("description", area.value === "" ? undefined : area.value) });
  area.value = row.values.description ?? "";
  const label = row.name || row.before.kind === null ? "What it is, for the model" : "Description, for the model";
  return labelled(label, area).box;
}

function lines(row, set, label, help) {
  const area = el("textarea", { rows: 3, spellcheck: "false" });
  area.value = (row.values.enum ?? []).map(shown).join("\n");
  const field = labelled(label, area, { help });
  area.addEventListener("input", () => {
    const read = readLines(area.value, row.kind);
    if (read.wrong !== undefined) return field.say(`“${read.wrong}” is no ${row.kind === "whole" ? "whole number" : "number"}.`);
    const missing = row.kind === "choice" && read.values === undefined;
    field.say(missing ? "Write at least one value, or choose the type Text." : "");
    return missing ? undefined : set("enum", read.values);
  });
  return field.box;
}

function limit(row, keyword, set) {
  const input = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: shown(row.values[keyword]) });
  const field = labelled(LIMITS[keyword], input);
  const rule = COUNTS.has(keyword) ? { whole: true, least: 0 } : {};
  input.addEventListener("input", () => {
    const value = readNumber(input.value, rule);
    const wrong = value === null || (keyword === "multipleOf" && Number(shown(value)) <= 0 && value !== undefined);
    field.say(wrong ? (rule.whole ? "Write a whole number, 0 or more." : "Write a number.") : "");
    if (!wrong) set(keyword, value);
  });
  return field.box;
}

function pattern(row, set) {
  const input = el("input", { type: "text", autocomplete: "off", spellcheck: "false", value: row.values.pattern ?? "", placeholder: "^[0-9]{5}$" });
  input.addEventListener("input", () => set("pattern", input.value === "" ? undefined : input.value));
  return labelled("Pattern (regular expression)", input, { help: "The value is checked before the request is made." }).box;
}

function formatOf(row, set) {
  const now = row.values.format ?? "";
  const known = FORMATS.includes(now) || now === "" ? FORMATS : [now, ...FORMATS];
  const made = select([["", "Any text"], ...known.map((each) => [each, each])], now, {
    onchange: (event) => set("format", event.target.value || undefined),
  });
  return labelled("Format", made).box;
}

function unique(row, set) {
  const input = el("input", { type: "checkbox", onchange: () => set("uniqueItems", input.checked || undefined) });
  input.checked = row.values.uniqueItems === true;
  return el("div", { class: "field" }, el("label", {}, input, " No value twice"));
}

const DEFAULT = "When the model leaves it out";

function defaultOf(row, set) {
  const now = row.values.default;
  if (row.kind === "yesno") {
    const chosen = select([["", "nothing is sent"], ["true", "yes (true)"], ["false", "no (false)"]], now === undefined ? "" : String(now), {
      onchange: (event) => set("default", event.target.value === "" ? undefined : event.target.value === "true"),
    });
    return labelled(DEFAULT, chosen).box;
  }
  const json = ["list", "object", "any"].includes(row.kind);
  const text = now === undefined ? "" : json ? format(now) : shown(now);
  const input = json ? el("textarea", { rows: 2, spellcheck: "false" }) : el("input", { type: "text", autocomplete: "off", placeholder: "nothing is sent" });
  input.value = text;
  const field = labelled(json ? `${DEFAULT} (as JSON)` : DEFAULT, input);
  input.addEventListener("input", () => {
    const read = readDefault(row, input.value);
    field.say(read.wrong ?? "");
    if (!read.wrong) set("default", read.value);
  });
  return field.box;
}

function readDefault(row, typed) {
  if (typed.trim() === "") return { value: undefined };
  if (row.kind === "text") return { value: typed };
  if (row.kind === "choice") {
    const allowed = row.values.enum ?? [];
    return allowed.includes(typed.trim()) ? { value: typed.trim() } : { wrong: "This is none of the allowed values." };
  }
  if (row.kind === "whole" || row.kind === "number") {
    const value = readNumber(typed, { whole: row.kind === "whole" });
    return value === null ? { wrong: row.kind === "whole" ? "Write a whole number." : "Write a number." } : { value };
  }
  try {
    return { value: parse(typed) };
  } catch (error) {
    return { wrong: `${error.message}.` };
  }
}
