// The circuit's page, live: a drawing to move about in, a slider that prunes it, a panel for the node
// that was chosen, nodes that are pinned and grouped. All of it stands in the address; HTML is the server's.

import { Drawing } from "./drawing.js";
import { slider } from "./slider.js";
import { swap } from "./swap.js";
import { readView, viewAddress } from "./view.js";

const place = document.getElementById("drawing");
const PARTS = ["node", "held", "take"];

async function begin() {
  const answer = await fetch(place.dataset.graph);
  if (!answer.ok) throw new Error(`${answer.status}`);
  const graph = await answer.json();
  if (!graph.nodes.length) return;
  const [page, most] = [place.dataset.page, graph.senders.length];
  let view = readView(location.href, most);

  const here = () => viewAddress(page, view, most);
  const take = (more) => drawing.arrange((view = { ...view, ...more }));
  // Shows another view, and has the server say the rest of it.
  const go = (more, remember = true) => {
    const pruned = "kept" in more && more.kept !== view.kept;
    take(more);
    show(view.kept);
    if (remember) history.pushState(null, "", here());
    return swap(here(), ...PARTS, ...(pruned ? ["strongest"] : [])).catch(() => location.assign(here()));
  };

  const drawing = new Drawing(place, graph, view, {
    whenChosen: (node) => go({ node }),
    whenPinned: (name) => go({ pins: view.pins.includes(name) ? view.pins.filter((each) => each !== name) : [...view.pins, name] }),
  });
  const show = slider(document.getElementById("edges"), most, view.kept, (kept) => take({ kept }), () => {
    history.replaceState(null, "", here());
    swap(here(), ...PARTS, "strongest").catch(() => {});
  });

  // A link or a form of the page's own changes the drawing without leaving it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("main a[href]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const there = new URL(link.href);
    if (there.pathname !== page || link.classList.contains("copy-link")) return;
    event.preventDefault();
    go({ ...readView(there, most), kept: view.kept }); // its number may be from before the slider moved
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const there = new URL(form.getAttribute("action"), location.href);
    if (form.id === "prune" || form.method !== "get" || there.pathname !== page) return;
    event.preventDefault();
    there.search = new URLSearchParams(new FormData(form)).toString();
    if (view.kept < most) there.searchParams.set("edges", view.kept);
    // The server checks it, and leads to the address that says it.
    swap(there, ...PARTS).then((from) => {
      take(readView(from, most));
      history.pushState(null, "", here());
    }, () => location.assign(there));
  });
  addEventListener("popstate", () => go(readView(location.href, most), false));
  place.dataset.ready = "yes";
}

begin().catch((error) => {
  place.dataset.ready = `no: ${error.message}`;
});
