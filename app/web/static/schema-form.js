// The parameters of a tool as a form beside the schema's text: each follows the other while one types.
//
// The textarea stays what is saved. What the form cannot show it leaves in the text, and says so.

import { el, labelled, newId } from "./elements.js";
import { format, parse, same } from "./json-text.js";
import { formOf, isNew, newRow, schemaOf } from "./schema-rows.js";
import { fieldsOf, kindOptions, titleOf } from "./schema-fields.js";

const PAUSE_MS = 200;
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

export class SchemaForm {
  /**
   * Builds the form in `place` from the text of `area`. The area fires "schema" whenever the schema changes, by whichever
   * side; `detail.schema` is null while the text cannot be read.
   */
  constructor(area, place, { noun = "parameter" } = {}) {
    this.area = area;
    this.noun = noun;
    this.opened = new Set(); // paths of the details that are open
    this.form = formOf(new Map());
    this.schema = this.form.node;
    this.trouble = el("p", { class: "wrong schema-trouble", role: "status" });
    this.rows = el("fieldset", { class: "rows", "aria-label": "Parameters, as a form" });
    this.status = el("p", { class: "offscreen", role: "status" });
    place.replaceChildren(this.trouble, this.rows, this.status);
    // What is hidden cannot be shown as wrong.
    this.rows.addEventListener("invalid", (event) => {
      for (let at = event.target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    }, true);
    let waiting;
    area.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.read(), PAUSE_MS);
    });
    this.read(true);
  }

  // -- text to form

  read(first = false) {
    let schema;
    try {
      schema = this.area.value.trim() === "" ? new Map() : parse(this.area.value);
    } catch (error) {
      this.refuse(`The form waits until the text is JSON again. ${error.message}.`);
      return;
    }
    const form = formOf(schema);
    if (form.problem) {
      this.refuse(`The form cannot show this. ${form.problem}`, schema);
      return;
    }
    this.trouble.textContent = "";
    this.rows.disabled = false;
    if (!first && same(schema, this.schema)) {
      this.tell();
      return;
    }
    carry(this.form.rows, form.rows);
    this.form = form;
    this.schema = schema;
    this.draw();
    this.tell();
  }

  refuse(words, schema = null) {
    this.trouble.textContent = words;
    this.rows.disabled = true;
    this.tell(schema);
  }

  // -- form to text

  /** Writes what the rows say into the text. */
  write() {
    const schema = schemaOf(this.form);
    if (same(schema, this.schema)) return;
    this.schema = schema;
    this.area.value = format(schema);
    this.tell();
  }

  tell(schema = this.schema) {
    this.area.dispatchEvent(new CustomEvent("schema", { detail: { schema } }));
  }

  // -- the elements

  draw() {
    this.rows.replaceChildren(this.list(this.form, 1, this.noun, ""), keptNote(this.form.kept) ?? "");
  }

  /** The rows of `owner` (the form, or a row of an object) with the button that adds one. */
  list(owner, level, noun, path) {
    const items = el("ol", { class: "schema-rows" });
    const again = () => items.replaceChildren(...owner.rows.map((row) => this.item(owner, row, level, noun, path, again)));
    const add = el("button", { type: "button", class: "secondary outline", onclick: () => {
      const row = newRow();
      owner.rows.push(row);
      again();
      row.element.querySelector("input").focus();
    } }, `Add a ${noun}`);
    again();
    return el("div", {}, items, add);
  }

  item(owner, row, level, noun, path, again) {
    const group = el("fieldset", { class: "schema-row" });
    const place = el("li", {}, group);
    const buttons = this.buttons(owner, row, noun, again);
    const label = () => {
      group.setAttribute("aria-label", row.name ? titleOf(noun, row.name) : `New ${noun}`);
      for (const button of buttons.children) button.setAttribute("aria-label", `${button.title} ${row.name || `the new ${noun}`}`);
    };
    label();
    row.element = group;
    const name = this.nameOf(owner, row, noun, label);
    const required = el("input", { type: "checkbox", onchange: (event) => {
      row.required = event.target.checked;
      this.write();
    } });
    required.checked = row.required;
    group.append(
      el("div", { class: "schema-head" }, name.box, this.kind(row, level, () => {
        const made = this.item(owner, row, level, noun, path, again);
        place.replaceWith(made);
        made.querySelector("select").focus();
      }), el("label", { class: "schema-required" }, required, " Required"), buttons),
      ...this.body(row, level, `${path}/${row.name}`),
    );
    return place;
  }

  nameOf(owner, row, noun, changed) {
    const input = el("input", { type: "text", autocomplete: "off", spellcheck: "false", value: row.typed ?? row.name });
    const field = labelled("Name", input);
    const check = () => {
      const typed = input.value.trim();
      row.typed = typed;
      const stays = row.name ? ` Until then it stays “${row.name}”.` : "";
      const taken = owner.rows.some((other) => other !== row && other.name === typed);
      if (typed === row.before.name && !isNew(row) && !taken) return take(typed);
      if (typed === "") return field.say(row.name || hasContent(row) ? `Give the ${noun} a name, or remove it.${stays}` : "");
      if (!NAME.test(typed)) return field.say(`Use letters, digits and _ (no spaces), and begin with a letter.${stays}`);
      if (taken) return field.say(`Another ${noun} has this name.${stays}`);
      return take(typed);
    };
    const take = (name) => {
      field.say("");
      row.name = name;
      changed();
      this.write();
    };
    input.addEventListener("input", check);
    row.checkName = check;
    if (row.typed !== undefined && row.typed !== row.name) check();
    return field;
  }

  kind(row, level, redraw) {
    const chosen = el("select", { onchange: (event) => {
      row.kind = event.target.value;
      if (row.kind === "list") row.item ??= newRow();
      this.write();
      redraw();
    } }, kindOptions(row, level).map(([value, word]) => el("option", { value }, word)));
    chosen.value = row.kind;
    return labelled("Type", chosen).box;
  }

  buttons(owner, row, noun, again) {
    const at = owner.rows.indexOf(row);
    const named = () => row.name || `The new ${noun}`;
    const button = (sign, words, act, disabled = false) =>
      el("button", { type: "button", class: "secondary outline small", title: words, disabled, onclick: act }, sign);
    const move = (by) => {
      owner.rows.splice(at, 1);
      owner.rows.splice(at + by, 0, row);
      again();
      this.write();
      this.status.textContent = `${named()} is now number ${at + by + 1} of ${owner.rows.length}.`;
      const [up, down] = row.element.querySelectorAll(".schema-buttons button");
      const same = by < 0 ? up : down;
      (same.disabled ? (by < 0 ? down : up) : same).focus();
    };
    return el("div", { class: "schema-buttons" },
      button("↑", "Move up", () => move(-1), at === 0),
      button("↓", "Move down", () => move(1), at === owner.rows.length - 1),
      button("✕", "Remove", () => {
        owner.rows.splice(at, 1);
        const list = row.element.closest("ol");
        again();
        this.write();
        this.status.textContent = `${named()} is removed. Undo in the schema's text brings it back.`;
        const next = owner.rows[Math.min(at, owner.rows.length - 1)];
        (next ? next.element.querySelector("input") : list.nextElementSibling).focus();
      }));
  }

  /** What stands below the head of a row: its words, its limits, what is in it, and what is only in the text. */
  body(row, level, path) {
    const changed = () => { row.checkName?.(); this.write(); };
    const { first, more } = fieldsOf(row, changed);
    const parts = [...first];
    if (row.kind === "list") parts.push(this.inside(row, level, path));
    if (row.kind === "object") {
      const label = el("p", { class: "schema-inside-label" }, "It holds:");
      parts.push(el("div", { class: "schema-inside" }, label, this.list(row, level + 1, "field", path)));
    }
    if (more.length) {
      const details = el("details", { ontoggle: () => this.opened[details.open ? "add" : "delete"](path) },
        el("summary", {}, "Default and limits"), el("div", { class: "schema-more" }, more));
      details.open = this.opened.has(path);
      parts.push(details);
    }
    parts.push(keptNote(row.kept, row.kind === "other" && row.before.kind === "other") ?? "");
    return parts;
  }

  /** What each item of a list is. */
  inside(row, level, path) {
    const box = el("fieldset", { class: "schema-inside", "aria-label": `Each item of ${row.name || "the list"}` });
    const draw = () => {
      if (!row.item) {
        box.replaceChildren(el("button", { type: "button", class: "secondary outline", onclick: () => {
          row.item = newRow();
          this.write();
          draw();
          box.querySelector("select").focus();
        } }, "Say what each item is"));
        return;
      }
      const kind = this.kind(row.item, level + 1, () => { draw(); box.querySelector("select").focus(); });
      kind.querySelector("label").textContent = "Each item is";
      box.replaceChildren(kind, ...this.body(row.item, level + 1, `${path}/*`));
    };
    draw();
    return box;
  }
}

function keptNote(kept, whole = false) {
  if (!kept.length) return null;
  const words = kept.map((word, at) => [at ? ", " : "", el("code", {}, word)]);
  const beginning = whole ? "This is kept as it is in the schema: " : "Also there, kept as it is in the schema: ";
  return el("p", { class: "kept", id: newId() }, beginning, ...words.flat(), ".");
}

const hasContent = (row) => row.kind !== "text" || Object.values(row.values).some((value) => value !== undefined);

/** Rows that have no name yet are in no schema: they are taken over when the text changes. */
function carry(from, to) {
  to.push(...from.filter((row) => isNew(row) && row.name === ""));
  for (const row of from) {
    const same = to.find((other) => other !== row && other.name === row.name && other.kind === row.kind);
    if (same && row.kind === "object") carry(row.rows, same.rows);
    if (same?.item && row.item) carry(row.item.rows, same.item.rows);
  }
}
