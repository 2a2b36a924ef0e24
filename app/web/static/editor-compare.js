// Two texts side by side, with what differs marked.
import { EditorState, EditorView, MergeView, highlightSpecialChars, jinjaLanguage, json, lineNumbers, yaml } from "./vendor/codemirror/codemirror.js";
import { followTheSystem, look } from "./editor-look.js";

const LANGUAGES = { json: () => json(), yaml: () => yaml(), jinja: () => jinjaLanguage, text: () => [] };
const FOLDED = { margin: 3, minSize: 4 };
const PATIENCE_MS = 500; // after that, differences are found in coarser pieces

function side(text, label, language) {
  const extensions = [
    look(), lineNumbers(), highlightSpecialChars(), (LANGUAGES[language] ?? LANGUAGES.text)(), EditorState.readOnly.of(true),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
  ];
  return { doc: text, extensions };
}

function summary(changes, same) {
  if (same) return "Both are the same.";
  return changes === 1 ? "They differ in one place." : `They differ in ${changes.toLocaleString("en")} places.`;
}

/**
 * Shows `left` and `right` side by side in `element`, which is emptied: read only, unchanged lines folded, with a button
 * that shows them. `labels` are what is read and shown above each ("Version 3", "Version 4"); `language` as in
 * data-language. Returns a function that takes it away.
 */
export function compare(element, left, right, { labels = ["Before", "After"], language = "text" } = {}) {
  const head = document.createElement("div");
  head.className = "compare-head";
  const words = document.createElement("p");
  const all = document.createElement("button");
  all.type = "button";
  all.className = "secondary outline";
  all.textContent = "Show all lines";
  all.setAttribute("aria-pressed", "false");
  const titles = document.createElement("div");
  titles.className = "compare-titles";
  titles.append(...labels.map((label) => {
    const title = document.createElement("strong");
    title.textContent = label;
    return title;
  }));
  head.append(words, all);
  const body = document.createElement("div");
  body.className = "compare";
  body.append(titles);
  element.replaceChildren(head, body);

  const view = new MergeView({
    a: side(left, labels[0], language),
    b: side(right, labels[1], language),
    parent: body,
    gutter: true,
    highlightChanges: true,
    collapseUnchanged: FOLDED,
    diffConfig: { scanLimit: 500, timeout: PATIENCE_MS },
  });
  const same = view.a.state.doc.eq(view.b.state.doc);
  words.textContent = summary(view.chunks.length, same);
  all.addEventListener("click", () => {
    const shown = all.getAttribute("aria-pressed") !== "true";
    all.setAttribute("aria-pressed", String(shown));
    view.reconfigure({ collapseUnchanged: shown ? undefined : FOLDED });
  });
  const ends = [followTheSystem(view.a), followTheSystem(view.b)];
  return () => {
    for (const end of ends) end();
    view.destroy();
    element.replaceChildren();
  };
}
