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

// Only while somebody looks: a browser opens six connections to a server, and a seventh page that
// followed would wait for ever. What happened meanwhile is told when the page is looked at again.
let source = null;

function follow() {
  if (source || document.hidden) return;
  const address = new URL(board().dataset.events, location.href);
  address.searchParams.set("seen", seen);
  const own = (source = new EventSource(address));
  own.addEventListener("open", () => (stale ? refresh() : say("live")));
  own.addEventListener("changed", refresh);
  own.addEventListener("error", () => {
    say("the server does not answer; what is shown may be old");
    if (own.readyState !== EventSource.CLOSED || own !== source) return; // it tries again by itself
    source = null;
    setTimeout(follow, 3000);
  });
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return follow();
  source?.close();
  source = null;
});
follow();
