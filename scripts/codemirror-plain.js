// Stands in for @codemirror/lang-html when scripts/assets bundles CodeMirror. Its Jinja mode takes what is around the
// template's tags for HTML; ours is prose, in which "<name>" is a word, and HTML would bring CSS and JavaScript along.
import { LanguageSupport, StreamLanguage } from "@codemirror/language";

const prose = StreamLanguage.define({
  name: "prose",
  token(stream) {
    stream.skipToEnd();
    return null;
  },
});

export const html = () => new LanguageSupport(prose);
