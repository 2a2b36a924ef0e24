// How editors look: sizes and colours, all of them by the variables of app.css, so that light and dark are decided there.
import { Compartment, EditorView, HighlightStyle, syntaxHighlighting, tags } from "./vendor/codemirror/codemirror.js";

const theme = {
  "&": {
    fontSize: "0.9rem",
    color: "var(--pico-form-element-color)",
    backgroundColor: "var(--pico-form-element-background-color)",
    border: "1px solid var(--pico-form-element-border-color)",
    borderRadius: "var(--pico-border-radius)",
    overflow: "hidden",
  },
  "&.cm-focused": { outline: "2px solid var(--editor-focus)", outlineOffset: "1px" },
  "&.editor-invalid": { borderColor: "var(--error)" },
  ".cm-scroller": {
    fontFamily: "var(--pico-font-family-monospace, ui-monospace, monospace)",
    lineHeight: "1.5",
    minHeight: "calc(var(--rows, 6) * 1.35rem + 1rem)",
    maxHeight: "max(70vh, 20rem)",
    overflow: "auto",
  },
  ".cm-mergeView &": { border: "0", borderRadius: "0", height: "100%" },
  ".cm-mergeView & .cm-scroller": { minHeight: "0", maxHeight: "none" },
  ".cm-collapsedLines": { color: "var(--off)", background: "var(--editor-line)" },
  ".cm-collapsedLines:before, .cm-collapsedLines:after": { content: '"⋯"' },
  "&.editor-prose .cm-scroller": { fontFamily: "inherit" },
  ".cm-content": { padding: "0.5rem 0", caretColor: "var(--pico-form-element-color)" },
  ".cm-line": { padding: "0 0.75rem" },
  "&.editor-readonly .cm-content": { color: "var(--off)" },
  ".cm-gutters": {
    backgroundColor: "transparent",
    color: "var(--off)",
    border: "0",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  "&.cm-focused .cm-activeLine, &.cm-focused .cm-activeLineGutter": { backgroundColor: "var(--editor-line)" },
  ".cm-placeholder": { color: "var(--off)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--editor-match)", outline: "1px solid var(--editor-keyword)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", color: "var(--error)" },
  ".cm-selectionMatch, .cm-searchMatch": { backgroundColor: "var(--editor-match)" },
  ".cm-searchMatch-selected": { backgroundColor: "transparent", outline: "2px solid var(--editor-focus)" },
  ".cm-foldPlaceholder": {
    backgroundColor: "transparent", color: "var(--off)", border: "1px solid var(--pico-muted-border-color)",
  },
  ".cm-tooltip": {
    color: "var(--pico-color)",
    backgroundColor: "var(--pico-card-background-color)",
    border: "1px solid var(--pico-form-element-border-color)",
    borderRadius: "var(--pico-border-radius)",
    maxWidth: "min(40rem, 90vw)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.2rem 0.5rem", lineHeight: "1.5" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--pico-primary-inverse)", backgroundColor: "var(--pico-primary-background)",
  },
  ".cm-diagnostic": { padding: "0.35rem 0.75rem" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--error)" },
  ".cm-diagnostic-warning": { borderLeftColor: "var(--warning)" },
  ".cm-panels": {
    color: "var(--pico-color)", backgroundColor: "var(--pico-card-background-color)", borderColor: "var(--pico-muted-border-color)",
  },
  ".cm-panel": { fontSize: "0.875rem" },
  ".cm-panel.cm-search": { padding: "0.5rem 2rem 0.5rem 0.75rem" },
  ".cm-panel input, .cm-panel button, .cm-panel label": {
    width: "auto", display: "inline-block", verticalAlign: "middle", margin: "0.15rem 0.5rem 0.15rem 0", fontSize: "0.85rem",
  },
  ".cm-panel label": { display: "inline-flex", alignItems: "center", whiteSpace: "nowrap" },
  ".cm-panel input[type=checkbox]": { width: "1.1em", height: "1.1em", flex: "none", margin: "0 0.35rem 0 0" },
  ".cm-panel input.cm-textfield": { height: "auto", padding: "0.2rem 0.5rem", width: "14rem", maxWidth: "100%" },
  ".cm-panel button.cm-button": {
    padding: "0.2rem 0.6rem", backgroundImage: "none", backgroundColor: "transparent", color: "inherit",
    border: "1px solid var(--pico-form-element-border-color)", borderRadius: "var(--pico-border-radius)",
  },
  ".cm-panel button[name=close]": { color: "inherit", padding: "0.1rem 0.4rem", fontSize: "1.1rem" },
};

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword, tags.brace], color: "var(--editor-keyword)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.tagName], color: "var(--editor-name)" },
  { tag: [tags.variableName, tags.special(tags.variableName)], color: "var(--editor-variable)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--editor-string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--editor-value)" },
  { tag: [tags.comment, tags.lineComment, tags.blockComment], color: "var(--off)", fontStyle: "italic" },
  { tag: tags.invalid, color: "var(--error)", textDecoration: "underline wavy" },
]);

const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = { light: EditorView.theme(theme), dark: EditorView.theme(theme, { dark: true }) };
const slot = new Compartment();
const views = new Set();
const now = () => (dark.matches ? themes.dark : themes.light);

dark.addEventListener("change", () => {
  for (const view of views) view.dispatch({ effects: slot.reconfigure(now()) });
});

/** Extensions for every editor. The styles that they add are marked with the page's nonce, else its policy refuses them. */
export function look() {
  const nonce = document.querySelector('meta[name="csp-nonce"]')?.content ?? "";
  return [EditorView.cspNonce.of(nonce), slot.of(now()), syntaxHighlighting(colours), EditorView.lineWrapping];
}

/** Lets `view` follow the system from light to dark; the function that it returns ends that. */
export function followTheSystem(view) {
  views.add(view);
  return () => views.delete(view);
}
