// A comparison that answers at once: roles light up in all columns, and a drawing's parts are taken
// from the server without the rest of the page. Where it does not run, the same links load the page.

import { swap } from "./swap.js";

const roles = document.getElementById("roles");

function light(name) {
  for (const each of roles.querySelectorAll("[data-light], [data-lit]")) {
    each.classList.toggle("lit", name !== "" && (each.dataset.light ?? each.dataset.lit) === name);
  }
}

function lit() {
  return new URL(location.href).searchParams.get("light") ?? "";
}

function choose(name) {
  const address = new URL(location.href);
  if (name) address.searchParams.set("light", name);
  else address.searchParams.delete("light");
  address.hash = "";
  history.replaceState(null, "", address);
  light(name);
}

// Links were written for the state that the page was loaded in: what was lit since stays lit.
function kept(href) {
  const address = new URL(href);
  if (lit()) address.searchParams.set("light", lit());
  else address.searchParams.delete("light");
  return address;
}

async function go(address, push) {
  const parts = [...document.querySelectorAll("[data-swap]")].map((each) => each.id);
  try {
    await swap(address, ...parts);
    if (push) history.pushState(null, "", address);
  } catch {
    location.assign(address);
  }
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a");
  if (!link) return;
  const href = link.getAttribute("href");
  if (link.dataset.light !== undefined) {
    event.preventDefault();
    choose(lit() === link.dataset.light ? "" : link.dataset.light);
  } else if (link.closest("[data-swap]") && href.startsWith("/compare?")) {
    event.preventDefault();
    go(kept(new URL(href, location.href)), true);
  }
});

window.addEventListener("popstate", () => {
  go(location.href, false);
  if (roles) light(lit());
});
