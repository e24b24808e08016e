// Takes parts of a page from the server again. The server writes all HTML, escaped; a document that
// is loaded so runs nothing, and nothing here parses text as HTML.

let begun = 0;
const newest = new Map();

function load(url) {
  return new Promise((take, refuse) => {
    const asked = new XMLHttpRequest();
    asked.open("GET", url);
    asked.responseType = "document";
    asked.onload = () =>
      asked.status === 200 && asked.response ? take({ page: asked.response, address: asked.responseURL }) : refuse(new Error(`${asked.status}`));
    asked.onerror = () => refuse(new Error("the server does not answer"));
    asked.send();
  });
}

// How to find what has the focus again among new elements.
function address(element) {
  for (const name of ["id", "href", "name", "value"]) {
    const value = element.getAttribute(name);
    if (value) return `${element.tagName}[${name}="${CSS.escape(value)}"]`;
  }
  return null;
}

// Puts the parts with these ids in the place of the old ones; the focus stays where it was. Returns the
// address that they are from: the server may have led on to another.
export async function swap(url, ...ids) {
  const turn = ++begun;
  const { page: fresh, address: from } = await load(url);
  for (const id of ids) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
    if (!old || !now || (newest.get(id) ?? 0) > turn) continue; // what was asked later came first
    newest.set(id, turn);
    const focus = old.contains(document.activeElement) ? address(document.activeElement) : null;
    const put = document.importNode(now, true);
    old.replaceWith(put);
    if (focus) put.querySelector(focus)?.focus({ preventScroll: true });
    put.dispatchEvent(new CustomEvent("swapped", { bubbles: true }));
  }
  return from;
}
