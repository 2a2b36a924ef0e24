// Try it: runs the tool as it stands in the form, with arguments as a model would give them.
import { at } from "./address.js";
import { attach } from "./editor.js";
import { el, labelled, select } from "./elements.js";
import { format, parse } from "./json-text.js";
import { formOf, readNumber, shown } from "./schema-rows.js";
import { draftOf } from "./tool-draft.js";
import { showFailure, showProblem, showResult } from "./tool-result.js";

const MCP_OR_PYTHON = new Set(["mcp", "python"]);

const CHANGING = new Set(["POST", "PUT", "PATCH", "DELETE"]);
const CALL_NAME = /\{\{\s*call\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}/g;

export class TryPanel {
  /** Fills `place`. `known`: the names of the variables that every call has. */
  constructor(place, form, toolId, known) {
    this.form = form;
    this.toolId = toolId;
    this.known = known;
    this.key = `asterisk-ai-try-${toolId || "new"}`;
    this.schema = new Map();
    this.arguments = new Map();
    this.variables = new Map();
    this.remember();
    place.querySelector("[data-without-script]").remove();
    this.fields = el("div", { class: "try-fields" });
    this.json = el("textarea", { rows: 5, "data-language": "json", id: "try-json" });
    this.jsonBox = el("div", { class: "field", hidden: true }, el("label", { for: "try-json" }, "Arguments as JSON"), this.json);
    this.asJson = el("input", { type: "checkbox", onchange: () => this.switchMode() });
    this.callVariables = el("div", { class: "try-fields" });
    this.confirmed = el("input", { type: "checkbox", id: "try-confirmed", onchange: () => this.follow() });
    this.confirm = el("label", { hidden: true, for: "try-confirmed" }, this.confirmed, " Really run it: in a call, the caller would have been asked before");
    this.caution = el("p", { class: "banner warning", hidden: true });
    this.run = el("button", { type: "button", onclick: () => this.start() }, "Run");
    this.stop = el("button", { type: "button", class: "secondary outline", hidden: true, onclick: () => this.running?.abort() }, "Stop");
    this.status = el("p", { role: "status", class: "try-status" });
    this.result = el("div", { class: "try-result", tabindex: "-1" });
    place.append(
      el("p", { class: "muted" }, "Runs the tool as it stands above, also before you save it."),
      el("fieldset", {}, el("legend", {}, "What the model gives"), this.fields, this.jsonBox,
        el("label", {}, this.asJson, " Write it as JSON")),
      el("fieldset", {}, el("legend", {}, "Variables of the call"), this.callVariables, this.addVariable()),
      this.caution, this.confirm,
      el("div", { class: "actions" }, this.run, this.stop),
      this.status, this.result,
    );
    attach(place);
    this.json.addEventListener("input", () => this.readJson());
    form.addEventListener("input", () => this.follow());
    form.addEventListener("change", () => this.follow());
    this.follow();
  }

  // -- what was typed here survives saving the tool, in this tab

  remember() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.key) ?? "null");
      if (!kept) return;
      this.arguments = parse(kept.arguments);
      this.variables = new Map(kept.variables.map(([name, value]) => [name.toLowerCase(), value]));
    } catch {
      sessionStorage.removeItem(this.key);
    }
  }

  keep() {
    try {
      sessionStorage.setItem(this.key, JSON.stringify({ arguments: format(this.arguments), variables: [...this.variables] }));
    } catch {
      // A full or forbidden store: then it is not remembered.
    }
  }

  // -- arguments

  schemaChanged(schema) {
    if (!(schema instanceof Map)) return;
    this.schema = schema;
    if (!this.fields.contains(document.activeElement)) this.drawFields();
    this.follow();
  }

  /** The names of the parameters that the model does not fill, one a line. */
  bound() {
    return [...this.form.querySelectorAll('[name="bound_name"]')].map((input) => input.value.trim()).filter(Boolean).join("\n");
  }

  drawFields() {
    this.boundNow = this.bound();
    const bound = new Set(this.boundNow.split("\n"));
    const rows = formOf(this.schema).rows.filter((row) => !bound.has(row.name));
    this.fields.replaceChildren(...rows.map((row) => this.field(row)));
    if (!rows.length) this.fields.replaceChildren(el("p", { class: "muted" }, bound.size > 1 || this.boundNow ? "Nothing: all parameters are bound." : "Nothing: the tool has no parameters."));
  }

  field(row) {
    const now = this.arguments.get(row.name);
    const set = (value) => {
      if (value === undefined) this.arguments.delete(row.name);
      else this.arguments.set(row.name, value);
      this.keep();
    };
    const fallback = row.values.default;
    const none = fallback === undefined ? "nothing" : `nothing (${shown(fallback instanceof Map || Array.isArray(fallback) ? format(fallback) : fallback)} is used)`;
    const label = row.required ? row.name : `${row.name} (optional)`;
    const help = row.values.description ?? "";
    if (row.kind === "yesno" || row.kind === "choice") {
      const values = row.kind === "yesno" ? [true, false] : row.values.enum;
      const words = row.kind === "yesno" ? ["yes", "no"] : values;
      const options = [["", none], ...values.map((_, index) => [String(index), words[index]])];
      const chosen = select(options, String(Math.max(values.indexOf(now), -1)).replace("-1", ""), {
        onchange: (event) => set(event.target.value === "" ? undefined : values[Number(event.target.value)]),
      });
      return labelled(label, chosen, { help }).box;
    }
    const plain = row.kind === "text" || row.kind === "whole" || row.kind === "number";
    const input = plain ? el("input", { type: "text", autocomplete: "off", placeholder: none }) : el("textarea", { rows: 2, spellcheck: "false", placeholder: "as JSON" });
    input.value = now === undefined ? "" : typeof now === "string" && plain ? now : format(now);
    const made = labelled(plain ? label : `${label}, as JSON`, input, { help });
    input.addEventListener("input", () => {
      made.say("");
      if (input.value === "") set(undefined);
      else if (row.kind === "text") set(input.value);
      else if (plain) set(readNumber(input.value) ?? input.value);
      else {
        try {
          set(parse(input.value));
        } catch (error) {
          made.say(`${error.message}.`);
        }
      }
    });
    return made.box;
  }

  switchMode() {
    const json = this.asJson.checked;
    if (json) this.json.value = format(this.arguments);
    else this.drawFields();
    this.jsonBox.hidden = !json;
    this.fields.hidden = json;
  }

  readJson() {
    try {
      const value = parse(this.json.value.trim() === "" ? "{}" : this.json.value);
      if (value instanceof Map) this.arguments = value;
      this.keep();
    } catch {
      // The editor says what is wrong with it.
    }
  }

  // -- variables of the call

  /** The names that the request uses, and those that were added. */
  follow() {
    const method = this.form.elements["request.method"]?.value.trim().toUpperCase() ?? "";
    const kind = this.form.elements["request.kind"].value;
    const changing = CHANGING.has(method);
    const asks = this.form.elements["behaviour.needs_confirmation"].checked;
    this.caution.hidden = !changing && !MCP_OR_PYTHON.has(kind);
    this.caution.textContent = changing
      ? `${method} usually changes something at the other side. This is no rehearsal: it really happens.`
      : "It may change something. This is no rehearsal: it really happens.";
    this.confirm.hidden = !asks;
    this.run.textContent = changing ? `Really run this ${method}` : "Run";
    if (this.boundNow !== undefined && this.boundNow !== this.bound() && !this.asJson.checked) this.drawFields();
    const typed = [...new FormData(this.form).values()].join("\n");
    const lines = [...this.form.querySelectorAll('[data-lines="bound"] .line')];
    const filled = lines.filter((line) => line.querySelector('[name="bound_kind"]').value === "call" && line.querySelector('[name="bound_name"]').value.trim())
      .map((line) => line.querySelector('[name="bound_value"]').value.trim().replace(/^call\./, "")).filter((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    const used = new Set([...filled, ...[...typed.matchAll(CALL_NAME)].map((found) => found[1])].map((name) => name.toLowerCase()));
    const names = new Set([...used, ...this.variables.keys()]);
    const shownNames = [...this.callVariables.querySelectorAll("input")].map((input) => input.dataset.name);
    if (shownNames.length === names.size && shownNames.every((name) => names.has(name)) && shownNames.length) return;
    if (this.callVariables.contains(document.activeElement)) return;
    this.callVariables.replaceChildren(...[...names].map((name) => this.variable(name)));
    if (!names.size) this.callVariables.replaceChildren(el("p", { class: "muted" }, "The request uses none."));
  }

  variable(name) {
    const input = el("input", { type: "text", autocomplete: "off", "data-name": name, value: this.variables.get(name) ?? "" });
    input.addEventListener("input", () => {
      this.variables.set(name, input.value);
      this.keep();
    });
    return labelled(`call.${name}`, input).box;
  }

  addVariable() {
    const chosen = el("input", { type: "text", autocomplete: "off", spellcheck: "false", list: "try-known", placeholder: "caller_number" });
    const made = labelled("Another variable", chosen, { help: "As after call. in the placeholder: caller_number. Upper and lower case are the same." });
    const add = el("button", { type: "button", class: "small secondary outline", onclick: () => {
      const name = chosen.value.trim().replace(/^call\./, "").toLowerCase();
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return made.say("Use letters, digits and _.");
      made.say("");
      if (!this.variables.has(name)) this.variables.set(name, "");
      chosen.value = "";
      this.follow();
      return this.callVariables.querySelector(`[data-name="${name}"]`)?.focus();
    } }, "Add");
    made.control.addEventListener("input", () => made.say(""));
    const known = el("datalist", { id: "try-known" }, this.known.map((name) => el("option", { value: name })));
    return el("div", { class: "try-add" }, made.box, add, known);
  }

  // -- running

  answered(answer) {
    showResult(this, answer);
    this.form.dispatchEvent(new CustomEvent("tried", { detail: answer }));
  }

  async start() {
    if (this.asJson.checked) {
      try {
        if (!(parse(this.json.value.trim() || "{}") instanceof Map)) throw new Error("The arguments are an object: {…}");
      } catch (error) {
        return showFailure(this, `Not sent: the arguments cannot be read. ${error.message}.`);
      }
    }
    const variables = new Map([...this.variables].filter(([, value]) => value !== ""));
    const fields = draftOf(this.form, this.toolId);
    fields.set("try.arguments", format(this.arguments));
    fields.set("try.variables", format(variables));
    if (this.confirmed.checked && !this.confirm.hidden) fields.set("try.confirmed", "on");
    this.running = new AbortController();
    this.run.setAttribute("aria-busy", "true");
    this.run.disabled = true;
    this.stop.hidden = false;
    this.status.textContent = "Running …";
    try {
      const response = await fetch(at("/ui/tools/try"), { method: "POST", body: fields, signal: this.running.signal });
      const answer = await response.json();
      if (response.ok) this.answered(answer);
      else showProblem(this, answer);
    } catch (error) {
      if (error.name === "AbortError") showFailure(this, "Stopped. What was on its way may have arrived all the same.");
      else if (error instanceof TypeError || error instanceof SyntaxError) showFailure(this, "The service did not answer. Is it still running?");
      else throw error;
    } finally {
      this.run.removeAttribute("aria-busy");
      this.run.disabled = false;
      this.stop.hidden = true;
      this.running = null;
    }
    return undefined;
  }
}

