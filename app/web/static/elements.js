// Elements for pages that build a part of themselves. Data becomes text, never markup.

let count = 0;

/** An id that nothing else on the page has. */
export const newId = () => `e${(count += 1)}`;

/** An element: attributes as in HTML (true: there, false and null: not), handlers as `onclick`, then what is in it. */
export function el(tag, attributes = {}, ...content) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...content.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

/** A control with its label, its help and, once `say` is called with words, what is wrong with it. */
export function labelled(label, control, { help = "", hidden = false, className = "field" } = {}) {
  control.id ||= newId();
  const wrong = el("p", { class: "wrong", id: `${control.id}-error`, hidden: true });
  const note = help ? el("small", { class: "help", id: `${control.id}-help` }, help) : null;
  const describe = () => {
    const ids = [wrong.hidden ? "" : wrong.id, note ? note.id : ""].filter(Boolean).join(" ");
    if (ids) control.setAttribute("aria-describedby", ids);
    else control.removeAttribute("aria-describedby");
  };
  describe();
  const box = el("div", { class: className }, el("label", { for: control.id, class: hidden && "offscreen" }, label), control, wrong, note);
  const say = (words) => {
    wrong.hidden = !words;
    wrong.textContent = words;
    control.setCustomValidity?.(words);
    if (words) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
    describe();
  };
  return { box, control, say };
}

/** A select; options are pairs of value and word. */
export function select(options, value, attributes = {}) {
  const made = el("select", attributes, options.map(([key, word]) => el("option", { value: key }, word)));
  made.value = value;
  return made;
}
