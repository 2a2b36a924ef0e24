// The page of one tool: the form of its parameters, lines that come and go, names to insert, and what is wrong while one
// types. Without this script the page is a plain form that works.
import { at } from "./address.js";
import { completeWith, setValue } from "./editor.js";
import { el } from "./elements.js";
import { SchemaForm } from "./schema-form.js";
import { draftOf, linesOf } from "./tool-draft.js";
import { TryPanel } from "./tool-try.js";

const PAUSE_MS = 500;
const SECRETS_SHOWN = 6; // more would push the page away; they are offered where the name of a secret is typed
const form = document.getElementById("tool-form");
const toolId = form.dataset.tool;
const parameters = form.elements.parameters;
let names = [];

// -- parameters

const place = document.getElementById("schema-form");
place.hidden = false;
parameters.addEventListener("schema", (event) => {
  const properties = event.detail.schema?.get?.("properties");
  if (properties instanceof Map) names = [...properties.keys()];
  showNames();
  tryPanel?.schemaChanged(event.detail.schema);
  soon();
});

// -- lines of headers and query

function lineButtons(group) {
  const { what } = group.dataset;
  const rows = group.querySelector(".lines-rows");
  const model = rows.lastElementChild.cloneNode(true);
  let number = 0;

  function dress(line) {
    line.append(el("button", { type: "button", class: "small secondary outline", "aria-label": `Remove this ${what}`, title: "Remove", onclick: () => {
      const next = line.nextElementSibling ?? line.previousElementSibling;
      line.remove();
      (next?.querySelector("input") ?? add).focus();
      soon();
      changed = true;
    } }, "✕"));
    const value = line.querySelector(`[name="${group.dataset.lines}_value"]`);
    if (value.value === "***") maskedValue(line, value);
    if (group.dataset.lines === "bound") boundLine(line, value);
  }

  function fresh() {
    const line = model.cloneNode(true);
    number += 1;
    for (const each of line.querySelectorAll("[id], [for]")) {
      for (const name of ["id", "for"]) {
        if (each.hasAttribute(name)) each.setAttribute(name, each.getAttribute(name).replace(/\d+$/, number));
      }
    }
    for (const label of line.querySelectorAll("label")) label.textContent = label.textContent.replace(/\d+/, number);
    dress(line);
    rows.append(line);
    return line;
  }

  for (const line of [...rows.children]) {
    const empty = [...line.querySelectorAll("input:not([type=hidden])")].every((input) => input.value === "");
    if (empty) line.remove();
    else dress(line);
  }
  number = rows.children.length;
  const add = el("button", { type: "button", class: "small secondary outline", onclick: () => fresh().querySelector("input").focus() }, `Add a ${what}`);
  rows.after(add);
}

/** A stored secret is not shown: it stays until one asks to replace it. */
function maskedValue(line, input) {
  input.readOnly = true;
  const button = el("button", { type: "button", class: "small secondary outline", onclick: () => {
    if (input.readOnly) {
      input.readOnly = false;
      input.value = "";
      input.focus();
      button.textContent = "Keep it";
    } else {
      input.readOnly = true;
      input.value = "***";
      button.textContent = "Replace";
      button.focus();
    }
    soon();
  } }, "Replace");
  input.after(button);
  input.parentElement.classList.add("masked");
}

for (const group of form.querySelectorAll("[data-lines]")) lineButtons(group);

/** Only what comes from the call is chosen from the variables that every call has. */
function boundLine(line, value) {
  const kind = line.querySelector('[name="bound_kind"]');
  const follow = () => {
    if (kind.value === "call") value.setAttribute("list", "call-variables");
    else value.removeAttribute("list");
    value.placeholder = { call: "caller_number", text: "text", json: "JSON" }[kind.value];
  };
  kind.addEventListener("change", () => { follow(); soon(); });
  follow();
}

/** The tools of the chosen MCP server, as far as they are known. */
const server = form.elements["request.server"];
server?.addEventListener("change", () => {
  const names = (server.selectedOptions[0]?.dataset.tools ?? "").split(" ").filter(Boolean);
  document.getElementById("server-tools").replaceChildren(...names.map((name) => el("option", { value: name })));
});

const queryGroup = form.querySelector('[data-lines="query"]');
function queryMode() {
  if (!queryGroup) return;
  const own = form.querySelector('[name="query_mode"]:checked').value === "rows";
  queryGroup.classList.toggle("lines-off", !own);
}
for (const radio of form.querySelectorAll('[name="query_mode"]')) radio.addEventListener("change", queryMode);
queryMode();

// -- names to insert where one types

const bar = document.getElementById("insert");
let target = form.elements["request.url"] ?? null;
form.addEventListener("focusin", (event) => {
  const found = event.target.closest("[data-template]") ?? event.target.closest(".editor")?.querySelector("textarea[data-template]");
  if (found) target = found;
});

function insert(text) {
  if (!target) return;
  target.focus();
  // The only way that can be undone in a field and in the editor alike.
  if (!document.execCommand("insertText", false, text)) setValue(target, target.value + text);
}

function showNames() {
  document.getElementById("parameter-names").replaceChildren(...names.map((name) => el("option", { value: name })));
  if (!target) return;
  const call = bar.dataset.call.split(" ").map((name) => `call.${name}`);
  const secrets = bar.dataset.secrets.split(" ").filter(Boolean).slice(0, SECRETS_SHOWN).map((name) => `secret.${name}`);
  const known = [...names.filter((name) => /^[A-Za-z_$][A-Za-z0-9_$.-]*$/.test(name)), ...call, ...secrets];
  const button = (name) => el("button", { type: "button", class: "small secondary outline", "aria-label": `Insert ${name}`, onclick: () => insert(`{{ ${name} }}`) }, name);
  bar.replaceChildren(el("span", { class: "muted", id: "insert-label" }, "Insert where you type:"), ...known.map(button));
  bar.hidden = false;
}

if (form.elements["request.json_body"]) completeWith(form.elements["request.json_body"], () => [
  ...names.map((name) => ({ label: `"{{ ${name} }}"`, detail: "parameter" })),
  ...bar.dataset.call.split(" ").map((name) => ({ label: `"{{ call.${name} }}"`, detail: "of the call" })),
]);

// -- what is wrong, while one types

const touched = new Set();
const everything = toolId !== "" || document.getElementById("form-errors") !== null;
const LABELS = JSON.parse(document.getElementById("problems").dataset.labels);
const GROUPS = document.getElementById("problems").dataset.groups.split(" ");
const FIELDS = Object.keys(LABELS).filter((name) => !GROUPS.includes(name) || name === "request.json_body");
let waiting;
let running = new AbortController();

/** Where a problem is shown: the name of a field, a line, or a group. */
function placeOf(field) {
  if (field in LABELS) return field;
  const group = GROUPS.filter((name) => field.startsWith(name)).at(-1);
  if (!group) return field;
  const lines = form.querySelector(`[data-field="${group}"]`);
  const name = field.slice(group.length + 1);
  return (lines && linesOf(lines).findLast((line) => line.name === name)?.box) || group;
}

/** The element that says it, made where there is none, and the control that it belongs to. */
function holderOf(where) {
  if (where instanceof Element) return { holder: where.querySelector(".wrong"), control: where.querySelector("input") };
  if (GROUPS.includes(where) && where !== "request.json_body") {
    const box = document.getElementById(`e-${where}`);
    if (!box) return null;
    return { holder: box.querySelector(".wrong") ?? box.appendChild(el("p", { class: "wrong", hidden: true })), control: null };
  }
  const control = form.elements[where];
  const box = control?.closest?.(".field");
  if (!box) return null;
  const id = `f-${where}-error`;
  let holder = document.getElementById(id);
  if (!holder) {
    holder = el("p", { class: "wrong", id, hidden: true });
    const help = box.querySelector(":scope > .help");
    if (help) help.before(holder);
    else box.append(holder);
  }
  return { holder, control };
}

function say(where, messages) {
  const found = holderOf(where);
  if (!found) return;
  const { holder, control } = found;
  const text = [...new Set(messages)].join(" ");
  if (holder.textContent !== text) holder.textContent = text;
  holder.hidden = text === "";
  if (!control) return;
  if (text) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
  const described = new Set((control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  described[text ? "add" : "delete"](holder.id);
  if (described.size) control.setAttribute("aria-describedby", [...described].join(" "));
  else control.removeAttribute("aria-describedby");
}

function isTouched(where) {
  if (everything) return true;
  return where instanceof Element ? touched.has(where) : touched.has(where) || (where === "parameters" && touched.has("schema"));
}

/** What the server said of the texts is said anew from here on. */
function forgetFirst() {
  for (const each of form.querySelectorAll('[id^="e-"] .wrong, #f-parameters-error')) each.remove();
  parameters.removeAttribute("aria-invalid");
}

function show({ problems, warnings, gists }) {
  if (!form.dataset.checked) forgetFirst();
  form.dataset.checked = "yes";
  const by = new Map();
  for (const { field, message } of problems) {
    const where = placeOf(field);
    by.set(where, [...(by.get(where) ?? []), message]);
  }
  const lines = [...form.querySelectorAll(".line")];
  const places = [...FIELDS, ...GROUPS, ...lines];
  for (const where of places) say(where, isTouched(where) ? by.get(where) ?? [] : []);
  for (const where of by.keys()) {
    // What is wrong is not hidden in a closed section.
    if (isTouched(where)) holderOf(where)?.holder.closest("details.part:not([open])")?.setAttribute("open", "");
  }
  const labels = new Set([...by.keys()].filter(isTouched).map((where) => {
    if (!(where instanceof Element)) return LABELS[where] ?? where;
    return where.closest("[data-lines]").querySelector("legend").textContent;
  }));
  const words = labels.size ? `Not ready to be saved. Look at: ${[...labels].join(", ")}.` : "";
  const summary = document.getElementById("problems");
  if (summary.textContent !== words) summary.textContent = words;
  warn(warnings);
  sayGists(gists);
}

/** Closed sections say what they hold, and what they are for while they hold nothing. */
function sayGists(gists) {
  for (const [part, words] of Object.entries(gists)) {
    const place = document.querySelector(`#part-${part} .gist`);
    if (!place) continue;
    place.textContent = words || place.dataset.about;
    place.classList.toggle("holds", words !== "");
  }
}

/** Puts what does not depend on the provider beside its field; returns the rest. */
function warnBeside(warnings) {
  const rest = [];
  const by = new Map();
  for (const warning of warnings) {
    const { provider, field, message } = warning;
    const own = provider === "every" && field in LABELS && !GROUPS.includes(field) && form.elements[field]?.closest?.(".field");
    if (own) by.set(field, [...(by.get(field) ?? []), message]);
    else rest.push(warning);
  }
  for (const each of form.querySelectorAll("[data-warns]")) if (!by.has(each.dataset.warns)) each.remove();
  for (const [field, messages] of by) {
    const box = form.elements[field].closest(".field");
    const text = messages.join(" ");
    const there = box.querySelector("[data-warns]");
    if (there?.textContent === text) continue;
    there?.remove();
    box.append(el("p", { class: "state warning", "data-warns": field, role: "status" }, text));
    box.closest("details.part:not([open])")?.setAttribute("open", "");
  }
  return rest;
}

function warn(all) {
  const warnings = warnBeside(all);
  const box = document.getElementById("warnings");
  const key = JSON.stringify(warnings);
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  if (!warnings.length) {
    box.replaceChildren();
    return;
  }
  const items = warnings.map(({ provider, field, message }) =>
    el("li", {}, provider === "every" ? null : [el("strong", {}, provider), ", "], el("code", {}, field), `: ${message}`));
  box.replaceChildren(el("div", { class: "banner warning" },
    el("p", {}, el("span", { class: "state warning" }, "What language models make of it"), " The tool works all the same; this makes it work better."),
    el("ul", {}, items)));
}

async function check() {
  running.abort();
  running = new AbortController();
  try {
    const response = await fetch(at("/ui/tools/check"), { method: "POST", body: draftOf(form, toolId), signal: running.signal });
    if (response.ok) show(await response.json());
  } catch (error) {
    // Without an answer nothing is said: saving checks it again.
    if (error.name !== "AbortError" && !(error instanceof TypeError)) throw error;
  }
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(check, PAUSE_MS);
}

form.addEventListener("focusout", (event) => {
  const line = event.target.closest(".line");
  if (line) touched.add(line);
  else if (event.target.closest(".editor")) touched.add(event.target.closest(".editor").querySelector("textarea").name);
  else if (event.target.closest("#schema-form")) touched.add("schema");
  else if (event.target.name) touched.add(event.target.name);
  soon();
});

// -- nothing typed is lost by leaving

let changed = document.getElementById("form-errors") !== null;
form.addEventListener("input", () => {
  changed = true;
  soon();
});
form.addEventListener("submit", () => { changed = false; });
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

const tryPanel = new TryPanel(document.getElementById("try"), form, toolId, bar.dataset.call.split(" "));
new SchemaForm(parameters, place);
if (document.querySelector("[data-compare]")) import("./tools-compare.js");
