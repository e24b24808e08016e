// The circuit's page, live: a drawing to move about in, a slider that prunes it, and a panel for the
// node that was chosen. What is chosen stands in the address; the panel's HTML is the server's.

import { Drawing } from "./drawing.js";
import { slider } from "./slider.js";
import { swap } from "./swap.js";

const place = document.getElementById("drawing");

// The page as it is now, to be shared.
function address(drawing) {
  const query = new URLSearchParams();
  if (drawing.kept < drawing.sheet.n) query.set("edges", drawing.kept);
  if (drawing.chosen >= 0) query.set("node", drawing.graph.nodes[drawing.chosen]);
  const said = query.toString();
  return said ? `${place.dataset.page}?${said}` : place.dataset.page;
}

function follow(drawing) {
  const here = address(drawing);
  swap(here, "node", "take").catch(() => location.assign(here));
}

async function begin() {
  const answer = await fetch(place.dataset.graph);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const graph = await answer.json();
  if (!graph.nodes.length) return;
  const drawing = new Drawing(place, graph, {
    kept: Number(place.dataset.kept),
    chosen: graph.nodes.indexOf(place.dataset.node),
    whenChosen() {
      history.pushState(null, "", address(drawing));
      follow(drawing);
    },
  });
  slider(document.getElementById("edges"), drawing, () => {
    history.replaceState(null, "", address(drawing));
    swap(address(drawing), "node", "strongest", "take").catch(() => {});
  });
  // A link in a table chooses a node without leaving the drawing.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("main a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const there = new URL(link.href);
    if (there.pathname !== place.dataset.page || link.classList.contains("copy-link")) return;
    event.preventDefault();
    drawing.choose(graph.nodes.indexOf(there.searchParams.get("node") ?? ""));
  });
  addEventListener("popstate", () => {
    const name = new URLSearchParams(location.search).get("node") ?? "";
    drawing.show(graph.nodes.indexOf(name));
    follow(drawing);
  });
  place.dataset.ready = "yes";
}

begin().catch((error) => {
  place.dataset.ready = `no: ${error.message}`;
});
