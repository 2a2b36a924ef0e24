// Turns <textarea data-language="json|jinja|yaml|text"> into an editor. The textarea stays the form's field: its value
// follows every change, it fires "input" and "change", and setting its value changes the editor. Without this script it is
// what it was. Tab goes on to the next field, as everywhere; Ctrl-M (Alt-Shift-M on a Mac) is CodeMirror's switch for it.
//
//   import { checkWith, completeWith, recheck, setValue, compare } from "/static/editor.js";
import {
  Compartment, EditorState, EditorView, autocompletion, bracketMatching, closeBrackets, closeBracketsKeymap,
  closePercentBrace, completionKeymap, defaultKeymap, foldGutter, foldKeymap, forEachDiagnostic, highlightActiveLine,
  highlightActiveLineGutter, highlightSelectionMatches, highlightSpecialChars, history, historyKeymap, indentOnInput,
  jinjaLanguage, json, keymap, lineNumbers, lintGutter, lintKeymap, placeholder, search, searchKeymap, setDiagnosticsEffect,
  yaml,
} from "./vendor/codemirror/codemirror.js";
import { checkJson, checking, completing, recheck as recheckView } from "./editor-checks.js";
import { followTheSystem, look } from "./editor-look.js";

export { compare } from "./editor-compare.js";

const FIELDS = "textarea[data-language]";
const LANGUAGES = { json: () => json(), yaml: () => yaml(), jinja: () => [jinjaLanguage, closePercentBrace], text: () => [] };
const PROSE = new Set(["jinja", "text"]);
const NATIVE = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
const editors = new Map(); // by textarea
let number = 0;

class Editor {
  constructor(area) {
    this.area = area;
    this.language = area.dataset.language in LANGUAGES ? area.dataset.language : "text";
    this.attributes = new Compartment();
    this.checks = new Compartment();
    this.names = async () => [];
    this.findings = [];
    this.failure = null;
    this.ended = new AbortController();
    this.box = document.createElement("div");
    this.box.className = "editor";
    this.message = document.createElement("p");
    this.message.className = "editor-message";
    this.message.id = `editor-${number += 1}-message`;
    this.message.setAttribute("role", "status");
    const focused = document.activeElement === area;
    area.before(this.box);
    this.view = new EditorView({ parent: this.box, state: EditorState.create({ doc: area.value, extensions: this.extensions() }) });
    this.view.dom.style.setProperty("--rows", area.rows);
    this.measure();
    this.box.append(area, this.message);
    this.unfollow = followTheSystem(this.view);
    this.hide();
    this.observer = new MutationObserver(() => this.mirror());
    this.observer.observe(area, { attributes: true, attributeFilter: ["readonly", "disabled", "aria-invalid", "aria-describedby", "maxlength"] });
    this.mirror();
    if (focused) this.view.focus();
  }

  extensions() {
    const code = !PROSE.has(this.language);
    const numbered = this.language !== "text";
    const completion = completing(() => this.names(), this.language);
    return [
      look(), history(), highlightSpecialChars(), highlightSelectionMatches(), search({ top: true }),
      LANGUAGES[this.language](),
      this.attributes.of(this.mirrored()),
      this.checks.of(this.language === "json" ? this.checksWith(checkJson) : []),
      EditorState.languageData.of(() => [{ autocomplete: completion }]),
      autocompletion({ icons: false }),
      numbered ? [lineNumbers(), highlightActiveLine(), highlightActiveLineGutter(), lintGutter()] : [],
      code ? [foldGutter(), bracketMatching(), indentOnInput()] : [],
      this.language === "text" ? [] : closeBrackets(),
      this.area.placeholder ? placeholder(this.area.placeholder) : [],
      keymap.of([
        ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap,
        ...lintKeymap,
      ]),
      EditorView.updateListener.of((update) => this.updated(update)),
    ];
  }

  checksWith(check) {
    return checking(check, (error) => { this.failure = error; this.say(); });
  }

  /** An editor further down than the window measures its lines only once it is scrolled to. Until then, as on paper and
   * in pictures of a page, the numbers beside them would stand closer than the lines do. So it is in the window for once. */
  measure() {
    const { style } = this.box;
    style.width = `${this.box.clientWidth}px`;
    style.position = "fixed";
    style.top = "0";
    this.view.requestMeasure();
    this.view.coordsAtPos(0); // measures at once: nothing of this is painted
    for (const name of ["width", "position", "top"]) style.removeProperty(name);
  }

  // -- the textarea behind it

  /** Out of sight, but in its place: a label, a link to it and the browser's own complaints still find it. */
  hide() {
    this.area.classList.add("editor-source");
    this.area.tabIndex = -1;
    this.area.setAttribute("aria-hidden", "true");
    const { signal } = this.ended;
    const forward = () => this.view.focus();
    this.area.addEventListener("focus", forward, { signal });
    this.area.form?.addEventListener("reset", () => setTimeout(() => this.write(this.read())), { signal });
    // Where it can be had, without the detour over the textarea: with a megabyte in it, focusing that takes a second.
    this.area.focus = forward;
    for (const label of this.area.labels) {
      label.addEventListener("click", (event) => {
        if (event.target.closest("a, button, input")) return;
        event.preventDefault();
        forward();
      }, { signal });
    }
    Object.defineProperty(this.area, "value", {
      configurable: true,
      get: () => this.read(),
      set: (text) => this.write(String(text)),
    });
  }

  read() { return NATIVE.get.call(this.area); }

  /** From outside: the editor follows, and one can undo it. No event is fired, as for any field that a script sets.
   * Whether it differed. */
  write(text) {
    NATIVE.set.call(this.area, text);
    const { doc } = this.view.state;
    const now = this.read();
    if (doc.length === now.length && doc.toString() === now) return false;
    this.silent = true;
    this.view.dispatch({ changes: { from: 0, to: doc.length, insert: now }, userEvent: "set" });
    this.silent = false;
    return true;
  }

  updated(update) {
    if (update.docChanged) {
      if (!this.silent) {
        this.changed = true;
        NATIVE.set.call(this.area, update.state.doc.toString());
        this.area.dispatchEvent(new Event("input", { bubbles: true }));
      }
      this.say();
    }
    if (update.focusChanged && !update.view.hasFocus && this.changed) {
      this.changed = false;
      this.area.dispatchEvent(new Event("change", { bubbles: true }));
    }
    if (update.transactions.some((one) => one.effects.some((effect) => effect.is(setDiagnosticsEffect)))) {
      this.findings = [];
      forEachDiagnostic(update.state, (one, from) => this.findings.push({ ...one, at: from }));
      this.say();
    }
  }

  // -- what others see and hear of it

  mirror() {
    this.view.dispatch({ effects: this.attributes.reconfigure(this.mirrored()) });
    this.say();
  }

  mirrored() {
    const { area } = this;
    const fixed = area.readOnly || area.disabled;
    const wrong = area.getAttribute("aria-invalid") === "true" || this.wrong === true;
    const attributes = {
      "aria-describedby": [area.getAttribute("aria-describedby"), this.message.id].filter(Boolean).join(" "),
      spellcheck: String(PROSE.has(this.language)),
      autocorrect: "off",
      autocapitalize: PROSE.has(this.language) ? "sentences" : "off",
    };
    const labels = [...area.labels];
    for (const label of labels) label.id ||= `editor-${number += 1}-label`;
    if (labels.length) attributes["aria-labelledby"] = labels.map((label) => label.id).join(" ");
    else attributes["aria-label"] = area.getAttribute("aria-label") ?? area.name;
    if (area.required) attributes["aria-required"] = "true";
    if (wrong) attributes["aria-invalid"] = "true";
    const names = [["editor-invalid", wrong], ["editor-readonly", fixed], ["editor-prose", this.language === "text"]];
    return [
      EditorView.contentAttributes.of(attributes),
      EditorView.editorAttributes.of({ class: names.filter(([, is]) => is).map(([name]) => name).join(" ") }),
      EditorState.readOnly.of(fixed),
      EditorView.editable.of(!area.disabled),
    ];
  }

  /** Below the editor, in words: what is too long, the first finding, or that it could not be checked. */
  say() {
    const over = this.area.maxLength >= 0 ? this.view.state.doc.length - this.area.maxLength : 0;
    const long = over > 0
      ? `This is ${over.toLocaleString("en")} characters too long: at most ${this.area.maxLength.toLocaleString("en")} fit.`
      : "";
    this.area.setCustomValidity(long);
    const [first] = this.findings;
    const more = this.findings.length > 1 ? ` And ${this.findings.length - 1} more: F8 goes from one to the next.` : "";
    const found = first ? this.located(first) + more : "";
    const text = long || found || (this.failure ? "This could not be checked just now. Saving it checks it again." : "");
    if (this.message.textContent !== text) this.message.textContent = text;
    const error = Boolean(long) || this.findings.some((one) => one.severity === "error");
    this.message.className = `editor-message${error ? " error" : text ? " warning" : ""}`;
    if (error !== Boolean(this.wrong)) {
      this.wrong = error;
      queueMicrotask(() => { if (editors.has(this.area)) this.mirror(); });
    }
  }

  located({ message, at }) {
    if (/ in line \d+, column \d+/.test(message)) return message;
    const line = this.view.state.doc.lineAt(Math.min(at, this.view.state.doc.length));
    return `Line ${line.number}, column ${at - line.from + 1}: ${message}`;
  }

  destroy() {
    this.observer.disconnect();
    this.unfollow();
    this.ended.abort();
    delete this.area.value;
    delete this.area.focus;
    this.view.destroy();
  }
}

/** Makes editors of all textareas in `root` that ask for it and are none yet. Runs by itself when the page is there and
 * when htmx has put something into it; call it for what a script adds. */
export function attach(root = document) {
  for (const area of [...(root.matches?.(FIELDS) ? [root] : []), ...root.querySelectorAll(FIELDS)]) {
    if (!editors.has(area)) editors.set(area, new Editor(area));
  }
}

function editorOf(area) {
  if (!editors.has(area)) editors.set(area, new Editor(area));
  return editors.get(area);
}

/** Sets the text, with or without an editor. `area.value = text` does the same. */
export function setValue(area, text) {
  area.value = text;
}

/** Checks the text after each pause in typing with `check(text, signal)`: it returns, or promises, a list of
 * `{line, column, length, message, severity}`, see editor-checks.js. It takes the place of the editor's own check. */
export function checkWith(area, check) {
  const editor = editorOf(area);
  editor.view.dispatch({ effects: editor.checks.reconfigure(editor.checksWith(check)) });
}

/** Runs the check once more, because something outside the text has changed. */
export function recheck(area) {
  recheckView(editorOf(area).view);
}

/** Offers names while typing: `names()` returns, or promises, a list of `{label, detail, info}`. */
export function completeWith(area, names) {
  editorOf(area).names = async () => names();
}

/** Puts the cursor to a place, both counted from 1, and the keyboard into the editor. */
export function goTo(area, line, column = 1) {
  const { view } = editorOf(area);
  const at = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
  view.dispatch({ selection: { anchor: Math.min(at.from + Math.max(column - 1, 0), at.to) }, scrollIntoView: true });
  view.focus();
}

attach();

// Somebody came back to the page, and the browser has put what they typed into the textareas, past the editors.
addEventListener("pageshow", () => {
  for (const [area, editor] of editors) {
    if (!editor.write(editor.read())) continue;
    editor.changed = true;
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

document.addEventListener("htmx:after:swap", () => {
  for (const [area, editor] of editors) {
    if (!area.isConnected) {
      editor.destroy();
      editors.delete(area);
    }
  }
  attach();
});
