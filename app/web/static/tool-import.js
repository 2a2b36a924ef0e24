// The import of tools: all operations chosen, or none, by one button.
import { el } from "./elements.js";

const place = document.getElementById("choose-all");
if (place) {
  const boxes = () => [...document.querySelectorAll('input[name="operation"]')];
  const choose = (all) => () => { for (const box of boxes()) box.checked = all; };
  const button = (words, all) => el("button", { type: "button", class: "small secondary outline", onclick: choose(all) }, words);
  place.append(button("Choose all", true), " ", button("Choose none", false));
  place.hidden = false;
}
