// A circuit in a notebook: the pages' drawing, the slider, and the edges of the node that was chosen.
// What is kept, chosen and pinned is the model's; all text is set as text.

import { put } from "./canvas.js";
import { Drawing } from "./drawing.js";
import { slider } from "./slider.js";

const MOST = 20; // rows of a table

function render({ model, el }) {
  const graph = model.get("graph");
  el.classList.add("atlas-widget");
  const place = put(el, "div", "drawing");
  const form = put(el, "form", "prune");
  const label = put(form, "label", "", { textContent: "Strongest edges shown " });
  const most = graph.senders.length;
  const input = put(label, "input", "", { type: "number", min: 1, max: most });
  put(form, "span", "faint", { textContent: `of ${most.toLocaleString("en")}` });
  const panel = put(el, "div", "panel", { "aria-live": "polite" });
  if (!most) {
    put(panel, "p", "", { textContent: "no edges" });
    return;
  }
  let view = { kept: model.get("kept"), node: model.get("chosen"), pins: model.get("pins"), groups: [] };
  const take = (more) => drawing.arrange((view = { ...view, ...more }));
  const say = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const drawing = new Drawing(place, graph, view, {
    whenChosen: (name) => say("chosen", name),
    whenPinned: (name) => say("pins", view.pins.includes(name) ? view.pins.filter((each) => each !== name) : [...view.pins, name]),
  });
  const choose = (name) => say("chosen", name);
  const show = slider(input, most, view.kept, (kept) => take({ kept }), () => say("kept", view.kept));
  const follow = () => {
    take({ kept: model.get("kept"), node: model.get("chosen"), pins: model.get("pins") });
    show(view.kept);
    edges(panel, graph, view, choose);
  };
  for (const name of ["kept", "chosen", "pins"]) model.on(`change:${name}`, follow);
  edges(panel, graph, view, choose);
  place.dataset.ready = "yes";
  return () => model.off(null, null);
}

// The chosen node's strongest edges on both sides; the other end of each can be chosen.
function edges(panel, graph, { kept, node: name }, choose) {
  panel.replaceChildren();
  const node = graph.nodes.indexOf(name);
  if (node < 0) {
    put(panel, "p", "faint", { textContent: "Choose a node to see its edges; p pins one, so that it stays whatever is pruned." });
    return;
  }
  put(panel, "strong", "", { textContent: graph.labels[name] ? `${name}: ${graph.labels[name]}` : name });
  for (const [title, own, other] of [["into it", "receivers", "senders"], ["out of it", "senders", "receivers"]]) {
    const found = [];
    for (let edge = 0; edge < kept; edge++) if (graph[own][edge] === node) found.push(edge);
    const table = put(panel, "table", "");
    put(table, "caption", "", { textContent: `${found.length} ${title}${found.length > MOST ? `, the strongest ${MOST}` : ""}` });
    for (const edge of found.slice(0, MOST)) {
      const row = put(table, "tr", "");
      const end = graph[other][edge];
      const button = put(put(row, "td", ""), "button", "", { type: "button", textContent: graph.nodes[end] });
      button.addEventListener("click", () => choose(graph.nodes[end]));
      const score = graph.scores[edge];
      put(row, "td", "", { textContent: { q: "query", k: "key", v: "value", r: "" }[graph.channels[edge]] });
      put(row, "td", score < 0 ? "negative" : "positive", { textContent: score ?? "no score" });
      put(row, "td", "faint", { textContent: graph.measured[edge] ? "measured" : "estimate" });
    }
  }
}

export default { render };
