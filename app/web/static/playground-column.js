// One column: a prompt, a version and a model of its own, and the conversation with them.
import { at } from "./address.js";
import { el, newId } from "./elements.js";
import { events, Refused } from "./event-stream.js";
import { Turn } from "./playground-turn.js";

export const DRAFT = "draft";
const VERSIONS_SHOWN = 200;

const get = async (path) => {
  const response = await fetch(at(path));
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.json();
};

export class Column {
  /** `chosen`: `{prompt, version, model}`; `draft`: the one from the editor, or null; `changed`: called after a choice. */
  constructor(template, { words, draft, chosen, changed, remove }) {
    this.words = words;
    this.draft = draft;
    this.changed = changed;
    this.element = template.content.firstElementChild.cloneNode(true);
    const find = (part) => this.element.querySelector(part);
    this.title = find("h2");
    this.title.id = newId();
    this.element.setAttribute("aria-labelledby", this.title.id);
    this.log = find(".log");
    this.prompt = this.control("[data-prompt]", "select");
    this.version = this.control("[data-version]", "select");
    this.model = this.control("[data-model]", "input");
    this.wrong = el("p", { class: "wrong", id: newId(), hidden: true });
    this.model.after(this.wrong);
    this.model.setAttribute("aria-describedby", this.wrong.id);
    this.removal = find("[data-remove]");
    this.removal.addEventListener("click", remove);
    if (draft) this.prompt.prepend(el("option", { value: DRAFT, "data-name": draft.name ?? "" }, `Unsaved draft: ${draft.name || "without a name"}`));
    this.prompt.addEventListener("change", () => { this.ready = this.choose(); });
    this.version.addEventListener("change", () => this.chose());
    this.model.addEventListener("input", () => this.say(""));
    this.begin();
    if (chosen.model) this.model.value = chosen.model;
    this.prompt.value = this.valueOf(chosen.prompt);
    const missing = chosen.prompt && !this.found(chosen.prompt);
    if (missing) this.log.prepend(el("p", { class: "state warning" }, `There is no prompt ${chosen.prompt} here; another one is chosen.`));
    // Not before whoever makes the column has it: `changed` is told of it.
    this.ready = Promise.resolve().then(() => this.choose(chosen.version));
  }

  control(part, tag) {
    const box = this.element.querySelector(part);
    const control = box.querySelector(tag);
    control.id = newId();
    box.querySelector("label").htmlFor = control.id;
    return control;
  }

  /** The option of a prompt by its id or its name. */
  found(wanted) {
    const options = [...this.prompt.options];
    const name = String(wanted ?? "").toLowerCase();
    return options.find((option) => option.value.toLowerCase() === name) ?? options.find((option) => option.value && option.dataset.name.toLowerCase() === name);
  }

  valueOf(wanted) {
    return (this.found(wanted) ?? this.prompt.options[0])?.value ?? "";
  }

  get option() {
    return this.prompt.selectedOptions[0];
  }

  /** Where there is no prompt at all. */
  get empty() {
    return !this.option;
  }

  async choose(version) {
    const { option } = this;
    const box = this.version.closest(".field");
    box.hidden = !option || option.value === DRAFT || option.value === "";
    this.version.replaceChildren();
    if (!box.hidden) {
      const { published } = option.dataset;
      const wanted = String(version ?? (published || option.dataset.latest));
      const add = ({ number, note }) => {
        const latest = String(number) === option.dataset.latest;
        const state = String(number) === published ? " (published)" : latest ? " (newest, a draft)" : "";
        this.version.append(el("option", { value: number }, `${number}${state}${note ? ` – ${note.slice(0, 60)}` : ""}`));
      };
      try {
        const { items } = await get(`/api/prompts/${option.value}/versions?limit=${VERSIONS_SHOWN}`);
        if (option !== this.option) return;
        this.version.replaceChildren();
        items.forEach(add);
        if (!items.some((item) => String(item.number) === wanted)) add({ number: Number(wanted), note: "" });
      } catch {
        add({ number: Number(wanted), note: "" });
      }
      this.version.value = wanted;
    }
    this.chose();
  }

  chose() {
    this.name();
    this.changed();
  }

  /** Says in the heading what is in the column. */
  name() {
    const { option } = this;
    const what = !option ? "No prompt" : option.value === DRAFT ? `${option.dataset.name || "Draft"}, unsaved` : this.version.value ? `${option.dataset.name}, version ${this.version.value}` : option.dataset.name;
    this.title.textContent = `${this.letter ? `${this.letter}: ` : ""}${what}`;
    this.log.setAttribute("aria-label", `Conversation ${this.title.textContent}`);
  }

  /** As the API takes it. */
  choice() {
    const { option } = this;
    if (option.value === DRAFT) return { draft: this.draft };
    if (option.value === "") return {};
    return { id: Number(option.value), version: Number(this.version.value) };
  }

  /** The fields of the chosen prompt, for its variables. */
  async fields() {
    const { option } = this;
    if (!option) return null;
    if (option.value === DRAFT) return this.draft;
    let id = option.value;
    if (id === "") {
      const named = [...this.prompt.options].find((each) => each.value && each.value !== DRAFT && each.dataset.name === option.dataset.name);
      if (!named) return null;
      id = named.value;
      return get(`/api/prompts/${id}/versions/${named.dataset.published}`);
    }
    return get(`/api/prompts/${id}/versions/${this.version.value}`);
  }

  /** Another conversation: what was said is forgotten. */
  begin() {
    this.conversation = `p${crypto.getRandomValues(new Uint32Array(3)).join("-")}`;
    this.log.replaceChildren(el("p", { class: "empty muted" }, "Nothing was said yet."));
  }

  say(words) {
    this.wrong.hidden = !words;
    this.wrong.textContent = words;
    if (words) this.model.setAttribute("aria-invalid", "true");
    else this.model.removeAttribute("aria-invalid");
  }

  /** One turn. Whether it began; false: the service refused it, and nothing was said. */
  async turn(text, shared, signal) {
    const turn = new Turn(text, this.words);
    this.log.querySelector(".empty")?.remove();
    this.log.append(turn.element);
    // On a phone the page scrolls, not the conversation.
    const follow = () => {
      if (this.log.scrollHeight > this.log.clientHeight) this.log.scrollTop = this.log.scrollHeight;
      else if (!this.letter) turn.element.scrollIntoView({ block: "end" });
    };
    follow();
    // Who types fast is done before the versions are there.
    await this.ready;
    const body = { ...shared, text, prompt: this.choice(), model: this.model.value.trim() || null, conversation: this.conversation };
    let ended = false;
    try {
      for await (const event of events("/api/playground/turns", body, signal)) {
        const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 120;
        turn.take(event);
        ended ||= event.name === "done" || event.name === "failed";
        if (near) follow();
      }
      if (!ended) turn.broken("The connection was lost.");
    } catch (error) {
      if (signal.aborted) turn.stopped();
      else if (error instanceof Refused) {
        this.refused(error.problem, turn);
        return false;
      } else turn.broken("The service cannot be reached. Is it being restarted? Try again in a moment.");
    }
    return true;
  }

  refused(problem, turn) {
    const errors = problem.errors ?? [];
    const model = errors.find((error) => error.field === "model");
    if (model) this.say(model.message);
    const rest = errors.filter((error) => error !== model).map((error) => `${error.field.replace(/^prompt\.draft\./, "")}: ${error.message}`);
    turn.broken(rest.length ? rest.join(" ") : problem.detail ?? "The service refused it.");
  }
}
