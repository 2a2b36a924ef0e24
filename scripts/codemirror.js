// What editor.js uses of CodeMirror 6. scripts/assets bundles it into app/web/static/vendor/codemirror/codemirror.js;
// after a change here, run it.
export { Compartment, EditorState, StateEffect } from "@codemirror/state";
export {
  EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap,
  lineNumbers, placeholder,
} from "@codemirror/view";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export {
  HighlightStyle, bracketMatching, foldGutter, foldKeymap, indentOnInput, syntaxHighlighting,
} from "@codemirror/language";
export { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
export { forEachDiagnostic, lintGutter, lintKeymap, linter, setDiagnosticsEffect } from "@codemirror/lint";
export { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
export { json } from "@codemirror/lang-json";
export { closePercentBrace, jinjaCompletionSource, jinjaLanguage } from "@codemirror/lang-jinja";
export { yaml } from "@codemirror/lang-yaml";
export { MergeView } from "@codemirror/merge";
export { tags } from "@lezer/highlight";
