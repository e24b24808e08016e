// Keeps a page of jobs as it is in the graph: the server says when something happened, and the page
// takes its own part from the server again. What it shows is always one whole answer.

import { swap } from "./swap.js";

const live = document.getElementById("live");
const board = () => document.getElementById("board");
let seen = board().dataset.stir;
let busy = false;
let stale = false;

async function refresh() {
  stale = true;
  if (busy) return;
  busy = true;
  try {
    while (stale) {
      stale = false;
      await swap(location.href, "board");
      seen = board().dataset.stir;
    }
    say("live");
  } catch {
    stale = true;
    say("the server does not answer; what is shown may be old");
  } finally {
    busy = false;
  }
}

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

function follow() {
  const address = new URL(board().dataset.events, location.href);
  address.searchParams.set("seen", seen);
  const source = new EventSource(address);
  source.addEventListener("open", () => (stale ? refresh() : say("live")));
  source.addEventListener("changed", refresh);
  source.addEventListener("error", () => {
    say("the server does not answer; what is shown may be old");
    if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(follow, 3000);
  });
}

follow();
