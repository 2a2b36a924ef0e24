// The form of a prompt: checked while one types, with the variables at hand, and tried before it is saved.
import { at } from "./address.js";
import { EditorView } from "./vendor/codemirror/codemirror.js";
import { completeWith, checkWith, goTo, recheck, setValue } from "./editor.js";
import { el } from "./elements.js";
import { parse } from "./json-text.js";

const PAUSE_MS = 400;
const MAX_BODY = 7_900_000; // bytes; the service takes 8 MB
const DRAFT = "asterisk-ai.draft";
const form = document.getElementById("prompt-form");
const content = form.elements.namedItem("content");
const kept = `asterisk-ai.form:${location.pathname}`;
const sent = `asterisk-ai.sent:${location.pathname}`;
const typed = (name) => form.elements.namedItem(name)?.value ?? "";
let variables = [...document.querySelectorAll("[data-variable]")].map((item) => ({
  label: item.dataset.variable, detail: item.querySelector("small")?.textContent ?? "",
}));

// -- the prompt as it stands in the form

const decimal = (text) => text.trim().replace(",", ".");

const PARTS = ["name", "description", "targets", "via", "place", "caller_id"];
const control = (row, part) => row.querySelector(`[name="action_${part}"]`);

function actionsOf() {
  return [...form.querySelectorAll(".action-row")]
    .map((row) => {
      const [name, description, targets, via, where, caller] = PARTS.map((part) => control(row, part).value);
      return {
        name: name.trim(),
        description: description.trim(),
        targets: targets.split("\n").map((line) => line.trim()).filter(Boolean),
        via, place: where.trim(), caller_id: caller.trim(),
      };
    })
    .filter((action) => action.name || action.description || action.targets.length || action.place || action.caller_id);
}

function toolsOf() {
  if (form.querySelector('[name="tools_mode"]:checked')?.value !== "chosen") return null;
  return [...form.querySelectorAll('[name="tools"]:checked')].map((box) => box.value);
}

/** As typed: JSON is still text, so that what is wrong in it can be said. */
function fields() {
  return {
    name: typed("name"), content: typed("content"), metadata: typed("metadata").trim(), model: typed("model"),
    temperature: decimal(typed("temperature")), timeout: decimal(typed("timeout")), greeting: typed("greeting"),
    fallback: typed("fallback"), output_schema: typed("output_schema").trim(), tools: toolsOf(), actions: actionsOf(),
    note: typed("note"),
  };
}

// -- checking while one types

const touched = new Set();
const places = new Map(); // field to the line below it that says what is wrong

async function ask(signal) {
  const response = await fetch(at("/api/prompts/check"), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ fields: fields(), id: form.dataset.prompt ? Number(form.dataset.prompt) : null }),
    signal,
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function place(name) {
  if (!places.has(name)) {
    const box = document.getElementById(`f-${name}`)?.closest(".field, fieldset");
    if (!box) return null;
    const line = el("p", { class: "live", role: "status", "data-live": name });
    box.append(line);
    places.set(name, line);
  }
  return places.get(name);
}

function sayBeside(name, found, level) {
  const line = place(name);
  if (!line) return;
  line.className = `live ${level}`;
  if (line.textContent !== found) line.textContent = found;
}

/** The content and the JSON fields have editors of their own, which say what they find where it stands. */
const ELSEWHERE = new Set(["content", "metadata"]);

function show({ problems, warnings, variables: all }) {
  const found = new Map();
  for (const [list, level] of [[problems, "error"], [warnings, "warning"]]) {
    for (const { field, message, type } of list) {
      const name = field.split(".")[0];
      if (ELSEWHERE.has(name) || type === "json_invalid" || found.has(name)) continue;
      // An empty field that nobody has come to yet is no mistake.
      if (level === "error" && !touched.has(name)) continue;
      const row = /^actions\.(\d+)/.exec(field);
      found.set(name, [row ? `Action ${Number(row[1]) + 1}: ${message}` : message, level]);
    }
  }
  for (const name of new Set([...places.keys(), ...found.keys()])) {
    const [message, level] = found.get(name) ?? ["", ""];
    sayBeside(name, message, level);
  }
  variables = all.map(({ name, description }) => ({ label: name, detail: description }));
  const unknown = warnings.filter((one) => one.type === "unknown_variable");
  const words = [...new Set(unknown.map((one) => one.message))];
  const box = document.getElementById("unknown");
  if (box.textContent !== words.join("")) box.replaceChildren(...words.map((text) => el("p", {}, text)));
}

function inContent(result) {
  const list = [["error", result.problems], ["warning", result.warnings]];
  return list.flatMap(([severity, found]) => found.filter((one) => one.field === "content")
    // An empty field that nobody has come to yet is no mistake.
    .filter((one) => touched.has("content") || !["missing", "string_too_short"].includes(one.type))
    .map(({ line, column, message, type }) => {
      const name = type === "unknown_variable" && column ? (typed("content").split("\n")[line - 1] ?? "").slice(column - 1) : "";
      const length = name ? name.match(/^\w*/)[0].length : 0;
      // The place is shown; it need not be said twice.
      return { line: line ?? 1, column: column ?? 1, length, message: message.replace(/^Line \d+: /, ""), severity };
    }));
}

checkWith(content, async (_text, signal) => {
  if (tooLarge()) return [];
  const result = await ask(signal);
  show(result);
  return inContent(result);
});
completeWith(content, () => variables);
content.maxLength = Number(content.dataset.max);

let waiting;
function soon(event) {
  const name = event.target.name ?? "";
  touched.add(name.startsWith("action_") ? "actions" : name === "tools_mode" ? "tools" : name);
  changed = true;
  if (event.target === content) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => recheck(content), PAUSE_MS);
}
let changed = false;
form.addEventListener("input", soon);
form.addEventListener("change", soon);
for (const box of form.querySelectorAll('[name="tools"]')) {
  box.addEventListener("change", () => { form.querySelector('[name="tools_mode"][value="chosen"]').checked = true; });
}

// -- variables: a press puts one where the cursor is

for (const hint of document.querySelectorAll("[data-with-script]")) hint.hidden = false;
document.getElementById("variables").addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  const view = EditorView.findFromDOM(content.closest(".editor").querySelector(".cm-editor"));
  view.dispatch(view.state.replaceSelection(button.dataset.insert), { userEvent: "input", scrollIntoView: true });
  view.focus();
});

// -- actions: as many rows as one likes

const rows = form.querySelector(".action-rows");
const pattern = rows.querySelector(".action-row").cloneNode(true);
let number = rows.querySelectorAll(".action-row").length;

function removable(row) {
  const name = () => row.querySelector('[name="action_name"]').value.trim();
  const button = el("button", { type: "button", class: "small secondary outline", onclick: () => {
    const next = row.nextElementSibling?.matches(".action-row") ? row.nextElementSibling : row.previousElementSibling;
    row.remove();
    (next?.querySelector?.("input") ?? add).focus();
    touched.add("actions");
    changed = true;
    recheck(content);
  } }, "Remove");
  button.addEventListener("focus", () => button.setAttribute("aria-label", `Remove ${name() || "this action"}`));
  row.append(button);
}

/** What the chosen kind's list holds, and what happens, below the row while one types. */
function helped(row) {
  const line = el("p", { class: "muted kind-help", "aria-live": "polite" });
  const say = () => {
    const kind = [...document.getElementById("action-kinds").options].find((one) => one.value === control(row, "name").value.trim());
    const { list, example, dialplan, ari } = kind?.dataset ?? {};
    const done = kind ? (control(row, "via").value === "ari" || !dialplan ? ari : dialplan) : "";
    const words = kind ? [`${kind.textContent}.`, list || "It takes no list.", example && `For example: ${example.split("  ").join(" or ")}.`, done] : [];
    const text = words.filter(Boolean).join(" ");
    if (line.textContent !== text) line.textContent = text;
    row.querySelector("details").hidden = control(row, "name").value.trim() !== "originate";
  };
  row.addEventListener("input", say);
  row.append(line);
  say();
}

function addRow(values = []) {
  const row = pattern.cloneNode(true);
  number += 1;
  for (const label of row.querySelectorAll("label")) {
    const id = label.htmlFor.replace(/\d+/, number);
    row.querySelector(`[id="${label.htmlFor}"]`).id = id;
    label.htmlFor = id;
    for (const part of label.querySelectorAll(".offscreen")) part.textContent = part.textContent.replace(/\d+/, number);
  }
  for (const line of row.querySelectorAll(".wrong, .kind-help")) line.remove();
  PARTS.forEach((part, at) => {
    const input = control(row, part);
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
    if (part === "via") {
      input.value = values[at] || "dialplan";
      return;
    }
    input.value = values[at] ?? "";
    input.removeAttribute("value");
    if (input.value) input.setAttribute("value", input.value);
  });
  row.setAttribute("aria-label", `Action ${number}`);
  row.querySelector("details").open = Boolean(values[4] || values[5]);
  helped(row);
  removable(row);
  add.before(row);
  return row;
}

const add = el("button", { type: "button", class: "small secondary outline add", onclick: () => addRow().querySelector("input").focus() }, "Add an action");
const shown = [...rows.querySelectorAll(".action-row")];
(shown.at(-1) ?? rows).after(add);
for (const row of shown) {
  const empty = [...row.querySelectorAll("input, textarea")].every((input) => input.value.trim() === "");
  if (empty) {
    row.remove();
    number -= 1;
  } else {
    helped(row);
    removable(row);
  }
}

// -- trying: the playground or a replay takes the draft over; coming back, everything is as it was

function json(name) {
  const text = typed(name).trim();
  if (!text) return "null";
  try {
    parse(text);
    return text;
  } catch {
    return null;
  }
}

const number_ = (name) => (decimal(typed(name)) === "" ? "null" : JSON.stringify(Number(decimal(typed(name)))));

/** What becomes of the form, beside its buttons. */
function say(text, wrong = true) {
  const saying = document.getElementById("saving");
  saying.className = wrong ? "trouble" : "muted";
  saying.textContent = text;
}

function attempt(address) {
  for (const name of ["metadata", "output_schema"]) {
    if (json(name) === null) {
      say("Mend the JSON first: nothing can be tried with it.");
      form.elements.namedItem(name).focus();
      return;
    }
  }
  if (!typed("content").trim()) {
    say("Write some content first.");
    content.focus();
    return;
  }
  const plain = { name: typed("name").trim() || "draft", content: typed("content"), model: typed("model").trim() || null,
    tools: toolsOf(), actions: actionsOf(), fallback: typed("fallback").trim() || null, greeting: typed("greeting").trim() || null };
  const parts = Object.entries(plain).map(([name, value]) => [name, JSON.stringify(value)]);
  // As text: numbers in it keep their spelling, and names their order.
  parts.push(["metadata", json("metadata") === "null" ? "{}" : json("metadata")], ["output_schema", json("output_schema")],
    ["temperature", number_("temperature")], ["timeout", number_("timeout")]);
  try {
    sessionStorage.setItem(DRAFT, `{${parts.map(([name, text]) => `${JSON.stringify(name)}: ${text}`).join(", ")}}`);
    keep(kept);
  } catch {
    say("This prompt is too large for the browser to hand over. Save it as a draft and choose it in the playground.");
    return;
  }
  changed = false;
  location.assign(at(address));
}

for (const [id, address] of [["try", "/ui/playground?draft=1"], ["replay-with", "/ui/replay?draft=1"]]) {
  const button = document.getElementById(id);
  if (!button) continue; // not everybody may
  button.hidden = false;
  button.addEventListener("click", () => attempt(address));
}

function keep(key) {
  sessionStorage.setItem(key, JSON.stringify([...new FormData(form)].filter(([, value]) => typeof value === "string")));
}

/** What was tried; or what was sent, where the Back button led here: the browser itself brings back but a part of it. */
function restore() {
  const back = performance.getEntriesByType("navigation")[0]?.type === "back_forward";
  const tried = sessionStorage.getItem(kept);
  const stored = tried ?? (back ? sessionStorage.getItem(sent) : null);
  sessionStorage.removeItem(kept);
  if (!back) sessionStorage.removeItem(sent);
  if (!stored || document.getElementById("form-errors")) return;
  const values = new Map();
  for (const [name, value] of JSON.parse(stored)) values.set(name, [...(values.get(name) ?? []), value]);
  const all = (name) => values.get(name) ?? [];
  for (const row of rows.querySelectorAll(".action-row")) row.remove();
  number = 0;
  all("action_name").forEach((_, at) => addRow(PARTS.map((part) => all(`action_${part}`)[at])));
  for (const control of form.elements) {
    if (!control.name || control.name.startsWith("action") || control.type === "file") continue;
    if (control.type === "checkbox" || control.type === "radio") control.checked = all(control.name).includes(control.value);
    else if (control.tagName === "TEXTAREA") setValue(control, all(control.name)[0] ?? "");
    else if (control.tagName === "INPUT") control.value = all(control.name)[0] ?? "";
  }
  changed = true;
  say(tried
    ? "What you tried is here again. It is not saved yet."
    : "What you sent is here again. If it was saved, the list of versions has it.", false);
}
restore();

// -- saving

// The service says what is wrong beside each field; the browser's own bubbles would take seconds to lay out megabytes.
form.noValidate = true;

/** Why this cannot be sent at all; empty: it can. */
function tooLarge() {
  const over = content.value.length - content.maxLength;
  if (over > 0) return `The content is ${over.toLocaleString("en")} characters too long.`;
  let size = 0;
  for (const [, value] of new FormData(form)) size += typeof value === "string" ? new Blob([value]).size + 200 : value.size;
  return size > MAX_BODY ? `This is ${(size / 1e6).toFixed(1)} MB in all, and the service takes 8 MB.` : "";
}

form.addEventListener("submit", (event) => {
  const why = tooLarge();
  say(why && `${why} Nothing was sent and nothing is lost: shorten it.`);
  if (why) {
    event.preventDefault();
    return;
  }
  changed = false;
  try {
    keep(sent);
  } catch { /* larger than the browser keeps: it brings back the large fields by itself */ }
});
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

// A link to a field in the summary of errors finds its editor.
document.getElementById("form-errors")?.addEventListener("click", (event) => {
  const line = /^#f-content$/.test(event.target.getAttribute?.("href") ?? "") && /Line (\d+)/.exec(event.target.closest("li").textContent);
  if (line) { event.preventDefault(); goTo(content, Number(line[1])); }
});
