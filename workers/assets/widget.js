// A circuit in a notebook: the pages' drawing, the slider, pinned nodes and groups, and the edges of the
// node that was chosen. What is shown is the model's; all text is set as text.

import { put } from "./canvas.js";
import { Drawing } from "./drawing.js";
import { slider } from "./slider.js";

const MOST = 20; // rows of a table
const SHOWN = ["kept", "chosen", "pins", "groups"];

function render({ model, el }) {
  const graph = model.get("graph");
  el.classList.add("atlas-widget");
  const place = put(el, "div", "drawing");
  const form = put(el, "form", "prune");
  const label = put(form, "label", "", { textContent: "Strongest edges shown " });
  const most = graph.senders.length;
  const input = put(label, "input", "", { type: "number", min: 1, max: most });
  put(form, "span", "faint", { textContent: `of ${most.toLocaleString("en")}` });
  const held = put(el, "div", "held");
  const panel = put(el, "div", "panel", { "aria-live": "polite" });
  if (!most) {
    put(panel, "p", "", { textContent: "no edges" });
    return;
  }
  const said = () => ({ kept: model.get("kept"), node: model.get("chosen"), pins: model.get("pins"), groups: model.get("groups") });
  let view = said();
  const say = (more) => {
    for (const [name, value] of Object.entries(more)) model.set(name, value);
    model.save_changes();
  };
  const choose = (chosen) => say({ chosen });
  const pin = (name) => say({ pins: view.pins.includes(name) ? view.pins.filter((each) => each !== name) : [...view.pins, name] });
  const drawing = new Drawing(place, graph, view, { whenChosen: choose, whenPinned: pin });
  const show = slider(input, most, view.kept, (kept) => drawing.arrange((view = { ...view, kept })), () => say({ kept: view.kept }));
  const tell = () => {
    heldNodes(held, view, { say, choose, pin });
    edges(panel, drawing, view, choose);
  };
  const follow = () => {
    drawing.arrange((view = said()));
    show(view.kept);
    tell();
  };
  for (const name of SHOWN) model.on(`change:${name}`, follow);
  tell();
  place.dataset.ready = "yes";
  return () => {
    model.off(null, null);
    drawing.end();
  };
}

function press(place, text, act, label = text) {
  put(place, "button", "", { type: "button", textContent: text, "aria-label": label }).addEventListener("click", act);
}

// Pinned nodes, of which those that are ticked can be made one, and the groups there are.
function heldNodes(place, { pins, groups }, { say, choose, pin }) {
  place.replaceChildren();
  const form = put(place, "form", "pins", { hidden: !pins.length });
  const ticks = pins.map((name) => {
    const item = put(form, "span", "");
    const tick = put(put(item, "label", ""), "input", "", { type: "checkbox", checked: true, value: name, "aria-label": name });
    press(item, name, () => choose(name));
    press(item, "let go", () => pin(name), `let go of ${name}`);
    return tick;
  });
  if (pins.length > 1) {
    const name = put(put(form, "label", "", { textContent: "Name " }), "input", "", { type: "text", maxLength: 80, required: true });
    put(form, "button", "", { type: "submit", textContent: "Make one of them" });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const members = ticks.filter((each) => each.checked).map((each) => each.value);
      if (members.length < 2 || !name.value.trim()) return;
      const group = { name: name.value.trim(), members };
      say({ chosen: "", pins: pins.filter((each) => !members.includes(each)), groups: [...groups, group] });
    });
  }
  for (const [place_, { name, members }] of groups.entries()) {
    const row = put(place, "div", "group");
    press(row, name, () => choose(`group-${place_ + 1}`));
    const more = members.length > 12 ? ` and ${members.length - 12} more` : "";
    put(row, "span", "faint", { textContent: members.slice(0, 12).join(" ") + more });
    press(row, "take apart", () => say({ chosen: "", groups: groups.filter((each, other) => other !== place_), pins: [...new Set([...pins, ...members])] }), `take ${name} apart`);
  }
}

// The chosen node's strongest edges on both sides, or a group's sums; the other end can be chosen.
function edges(panel, drawing, view, choose) {
  panel.replaceChildren();
  const { whole } = drawing;
  const own = whole.nodes.indexOf(view.node);
  const graph = own >= 0 ? whole : drawing.graph;
  const node = own >= 0 ? own : graph.nodes.indexOf(view.node);
  if (node < 0) {
    put(panel, "p", "faint", { textContent: "Choose a node to see its edges; p pins one, so that it stays whatever is pruned." });
    return;
  }
  const called = (each) => graph.titles?.[each] ?? graph.nodes[each];
  const pinned = new Set(view.pins.map((name) => whole.nodes.indexOf(name)));
  const isShown = (edge) =>
    own < 0 || edge < view.kept || (pinned.has(graph.senders[edge]) && pinned.has(graph.receivers[edge]));
  const label = whole.labels[view.node];
  put(panel, "strong", "", { textContent: label ? `${called(node)}: ${label}` : called(node) });
  for (const [title, near, far] of [["into it", "receivers", "senders"], ["out of it", "senders", "receivers"]]) {
    const found = [];
    for (let edge = 0; edge < graph.senders.length; edge++) if (graph[near][edge] === node && isShown(edge)) found.push(edge);
    const table = put(panel, "table", "");
    put(table, "caption", "", { textContent: `${found.length} ${title}${found.length > MOST ? `, the strongest ${MOST}` : ""}` });
    for (const edge of found.slice(0, MOST)) {
      const row = put(table, "tr", "");
      const end = graph[far][edge];
      press(put(row, "td", ""), called(end), () => choose(graph.nodes[end]));
      const score = graph.scores[edge];
      put(row, "td", "", { textContent: { q: "query", k: "key", v: "value", r: "" }[graph.channels[edge]] });
      put(row, "td", score < 0 ? "negative" : "positive", { textContent: score === null ? "no score" : Number(score.toPrecision(4)) });
      const many = graph.counts?.[edge] > 1 && own < 0 ? `sum of ${graph.counts[edge]}, ` : "";
      put(row, "td", "faint", { textContent: many + (graph.measured[edge] ? "measured" : "estimate") });
    }
  }
}

export default { render };
