// The playground: columns that answer the same words at the same time.
import { at } from "./address.js";
import { el, newId } from "./elements.js";
import { Column, DRAFT } from "./playground-column.js";
import { wayBack } from "./way-back.js";

const MOST_COLUMNS = 3;
const find = (id) => document.getElementById(id);
const root = find("playground");
const words = JSON.parse(root.dataset.words);
const query = new URLSearchParams(location.search);
const columns = [];
let running = null;

/** What the prompt's editor left in this tab: the fields of a prompt, perhaps with its id. */
function editorsDraft() {
  if (!query.has("draft")) return null;
  try {
    const draft = JSON.parse(sessionStorage.getItem("asterisk-ai.draft") ?? "null");
    if (draft && typeof draft === "object") {
      wayBack(find("back"));
      return draft;
    }
  } catch {
    // as if there were none
  }
  find("no-draft").hidden = false;
  return null;
}

const draft = editorsDraft();

// -- columns

function addColumn(chosen) {
  const column = new Column(find("column"), { words, draft, chosen, changed: refreshVariables, remove: () => removeColumn(column) });
  columns.push(column);
  find("columns").append(column.element);
  letters();
  return column;
}

function removeColumn(column) {
  columns.splice(columns.indexOf(column), 1);
  column.element.remove();
  letters();
  refreshVariables();
  find("add-column").focus();
}

function letters() {
  for (const [number, column] of columns.entries()) {
    column.letter = columns.length > 1 ? "ABC"[number] : "";
    column.removal.hidden = columns.length === 1;
    column.removal.setAttribute("aria-label", `Remove column ${column.letter}`);
    column.name();
  }
  find("columns").dataset.count = columns.length;
  find("add-column").hidden = columns.length >= MOST_COLUMNS;
}

find("add-column").addEventListener("click", () => {
  const last = columns.at(-1);
  addColumn({ prompt: last.prompt.value, version: last.version.value || undefined, model: last.model.value }).prompt.focus();
});

// -- variables

/** Rows by name; `own`: somebody added it, so it stays when no prompt uses it. */
const rows = new Map();

function variableRow(name, { own = false, description = "" } = {}) {
  const given = el("input", { type: "text", id: newId(), value: name, maxlength: "80", spellcheck: "false", "aria-label": "Name", readonly: !own });
  const value = el("input", { type: "text", maxlength: "4000", placeholder: description || "empty", "aria-label": own ? "Value" : `Value of ${name}`, oninput: summarise });
  const row = { given, value, own };
  const away = el("button", { type: "button", class: "small secondary outline", "aria-label": own ? "Remove this variable" : `Remove ${name}`, onclick: () => { row.box.remove(); rows.delete(row); summarise(); find("add-variable").focus(); } }, "✕");
  row.box = el("div", { class: "variable" }, given, value, own ? away : null);
  rows.set(row, row);
  find("variables").append(row.box);
  return row;
}

find("add-variable").addEventListener("click", () => variableRow("", { own: true }).given.focus());

let asked = 0;
async function refreshVariables() {
  const mine = (asked += 1);
  const all = new Map();
  for (const column of [...columns]) {
    try {
      const fields = await column.fields();
      if (!fields) continue;
      const response = await fetch(at("/api/prompts/check"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ fields: { name: "x", content: fields.content ?? "" } }) });
      if (!response.ok) continue;
      for (const each of (await response.json()).variables) if (each.lines.length) all.set(each.name, each.description);
    } catch {
      // The rows are a help; without them variables can still be typed.
    }
  }
  if (mine !== asked) return;
  for (const row of [...rows.keys()]) {
    if (!row.own && !all.has(row.given.value) && !row.value.value) {
      row.box.remove();
      rows.delete(row);
    }
  }
  const there = new Set([...rows.keys()].map((row) => row.given.value));
  for (const [name, description] of all) if (!there.has(name)) variableRow(name, { description });
  summarise();
}

function variables() {
  const found = {};
  for (const { given, value } of rows.keys()) if (given.value.trim()) found[given.value.trim()] = value.value;
  return found;
}

const toolsMode = () => find("tools-mode").querySelector(":checked").value;

function summarise() {
  const all = Object.values(variables());
  const filled = all.filter(Boolean).length;
  const parts = [all.length ? `${filled} of ${all.length} variables have a value` : "no variables are used"];
  parts.push(toolsMode() === "off" ? "no tools" : "tools are really called");
  find("setup-summary").textContent = `– ${parts.join("; ")}`;
}

find("tools-mode").addEventListener("change", summarise);

// -- talking

function busy(now) {
  find("send").disabled = now;
  find("stop").disabled = !now;
  find("columns").setAttribute("aria-busy", String(now));
  for (const column of columns) {
    for (const control of [column.prompt, column.version, column.model, column.removal]) control.disabled = now;
  }
  find("add-column").disabled = now;
  find("new-conversation").disabled = now;
}

find("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = find("words");
  const text = field.value.trim();
  if (running || !text) return;
  if (columns.some((column) => column.empty)) return;
  running = new AbortController();
  busy(true);
  field.value = "";
  const shared = { variables: variables(), tools_mode: toolsMode() };
  const begun = await Promise.all(columns.map((column) => column.turn(text, shared, running.signal)));
  running = null;
  busy(false);
  // What nobody heard is not lost.
  if (!begun.includes(true) && !field.value) field.value = text;
  field.focus({ preventScroll: true });
});

find("stop").addEventListener("click", () => running?.abort());

find("new-conversation").addEventListener("click", () => {
  for (const column of columns) column.begin();
  find("words").focus();
});

// -- what the address asks for

const versions = query.getAll("version");
const models = query.getAll("model");
const wanted = Math.min(MOST_COLUMNS, Math.max(1, versions.length, models.length));
for (let number = 0; number < wanted; number += 1) {
  const prompt = draft && number === 0 ? DRAFT : query.get("prompt") ?? draft?.id ?? "";
  addColumn({ prompt, version: draft && number === 0 ? undefined : versions[number] ?? versions.at(-1), model: models[number] ?? models.at(-1) ?? "" });
}
find("new-conversation").hidden = false;
root.hidden = false;
summarise();
find("words").focus();
