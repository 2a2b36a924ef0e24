// What editor.js uses of CodeMirror 6. scripts/assets bundles it into app/web/static/vendor/codemirror/codemirror.js;
// after a change here, run it.
export { Compartment, EditorState, Prec, StateEffect, StateField, Transaction } from "@codemirror/state";
export {
  Decoration, EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap,
  lineNumbers, placeholder,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export {
  HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, indentUnit, syntaxHighlighting, syntaxTree,
} from "@codemirror/language";
export { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
export { diagnosticCount, forceLinting, lintGutter, lintKeymap, linter, setDiagnostics } from "@codemirror/lint";
export { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
export { json } from "@codemirror/lang-json";
export { jinja } from "@codemirror/lang-jinja";
export { yaml } from "@codemirror/lang-yaml";
export { MergeView } from "@codemirror/merge";
export { tags } from "@lezer/highlight";
